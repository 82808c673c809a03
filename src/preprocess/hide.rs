//! Painting what a mask hides, before anything is computed from it.
//!
//! The mask is rasterised once for each size of frame, into runs of pixels. A picture that was decoded
//! is painted where it lies; one that is borrowed from its frame is copied first, since the frame may be
//! shown later (0.9 MB at 640x480). Without a mask nothing is touched. A JPEG is smeared by its own
//! encoder over some 18 pixels: what such a file holds beside a mask may have come from under it.

use std::ops::Range;

use super::{Picture, View};

/// Paints one camera's pictures.
#[derive(Debug)]
pub(super) struct Cover {
    colour: [u8; 3],
    /// The size of frame that the runs are for.
    size: Option<(u32, u32)>,
    /// Masked pixels, row by row.
    runs: Vec<Range<usize>>,
}

impl Cover {
    /// In the colour that is nearest to a teacher's `mean`: after normalisation it is next to nothing.
    pub(super) fn new(mean: [f32; 3]) -> Self {
        Cover {
            colour: mean.map(|share| (share * 255.0).round().clamp(0.0, 255.0) as u8),
            size: None,
            runs: Vec::new(),
        }
    }

    /// Paints over what `view` masks. It must be the same view each time.
    pub(super) fn lay(&mut self, view: &View, picture: &mut Picture<'_>) {
        if view.mask().is_empty() {
            return;
        }
        let size = (picture.width, picture.height);
        if self.size != Some(size) {
            self.runs = runs(&view.masked_pixels(size.0, size.1));
            self.size = Some(size);
        }
        let pixels = picture.data.to_mut().as_chunks_mut::<3>().0;
        for run in &self.runs {
            pixels[run.clone()].fill(self.colour);
        }
    }
}

/// Paints grey what `view` masks of a picture that is to be shown.
pub fn paint_masked(view: &View, picture: &mut Picture<'_>) {
    Cover::new([0.5; 3]).lay(view, picture);
}

/// Where `masked` holds true.
fn runs(masked: &[bool]) -> Vec<Range<usize>> {
    let mut at = 0;
    let mut runs = Vec::new();
    for piece in masked.chunk_by(|a, b| a == b) {
        let end = at + piece.len();
        if piece[0] {
            runs.push(at..end);
        }
        at = end;
    }
    runs
}
