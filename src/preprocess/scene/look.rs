//! Look: what a picture looks like as a whole, from the resized picture alone.
//!
//! Three numbers, a histogram, a coarse grid of mean colours and a thumbnail, all on 8-bit values;
//! luma is Rec. 601. What a mask hides counts in none of the numbers. The buffers are kept from frame
//! to frame. Nothing is compared here.

use std::sync::Arc;

use fast_image_resize as fir;

use super::super::{SceneStatistics, View};
use super::unmasked::Unmasked;

/// Bins of the histogram of luma.
pub(super) const BINS: usize = 16;
/// Cells of the grid, across and down.
pub const GRID: usize = 16;
/// Cells of the whole grid.
pub(super) const CELLS: usize = GRID * GRID;
/// Columns and rows of the thumbnail: a cell is 10 pixels of a picture of 640 columns, and the peak of a
/// shift is found to a fraction of that.
pub(super) const SIDE: usize = 64;
/// The largest luma: 255 times the sum of its weights.
const WHITE: f64 = 255.0 * 256.0;

/// What is compared of a picture.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Appearance {
    /// Columns and rows of the picture before the resize.
    pub(super) size: (u32, u32),
    pub(super) statistics: SceneStatistics,
    /// Root mean square of the differences that sharpness averages, 0..1. Blur spreads an edge
    /// without changing the sum of its differences; the sum of their squares falls.
    pub(super) acutance: f32,
    /// Share of the pixels in each bin.
    pub(super) histogram: [f32; BINS],
    /// Mean colour of each cell, row by row.
    pub(super) cells: Vec<[u8; 3]>,
    /// Luma, `[SIDE, SIDE]`.
    pub(super) thumbnail: Vec<u8>,
}

/// What a picture looks like as a whole.
#[derive(Debug)]
pub struct Look {
    pub(super) appearance: Appearance,
    /// What of all these pictures counts.
    pub(super) unmasked: Arc<Unmasked>,
    /// `[GRID, GRID, 3]`.
    cells: fir::images::Image<'static>,
    /// `[SIDE, SIDE]`.
    thumbnail: fir::images::Image<'static>,
    /// Luma of the resized picture, 0..=255 and 0..=65280.
    grey: fir::images::Image<'static>,
    luma: Vec<u16>,
    /// The resized picture itself, `[height, width, 3]`.
    picture: Vec<u8>,
    resizer: fir::Resizer,
}

impl Look {
    /// Of no picture yet; `width` and `height` are those of the resized ones to come, which show
    /// `view`.
    pub(in super::super) fn new(width: u32, height: u32, view: &View) -> Self {
        let (grid, side) = (GRID as u32, SIDE as u32);
        Self {
            appearance: Appearance {
                size: (0, 0),
                statistics: SceneStatistics::default(),
                acutance: 0.0,
                histogram: [0.0; BINS],
                cells: Vec::new(),
                thumbnail: Vec::new(),
            },
            unmasked: Arc::new(Unmasked::of(view, width as usize, height as usize)),
            cells: fir::images::Image::new(grid, grid, fir::PixelType::U8x3),
            thumbnail: fir::images::Image::new(side, side, fir::PixelType::U8),
            grey: fir::images::Image::new(width, height, fir::PixelType::U8),
            luma: Vec::new(),
            picture: Vec::new(),
            resizer: fir::Resizer::new(),
        }
    }

    /// Takes the next picture: `resized` of a frame of `size`.
    ///
    /// # Errors
    /// Where `resized` is not of the width and height that `new` was given.
    pub(in super::super) fn take(
        &mut self,
        resized: &fir::images::Image<'static>,
        size: (u32, u32),
    ) -> Result<(), fir::ResizeError> {
        self.picture.clear();
        self.picture.extend_from_slice(resized.buffer());
        self.luma.clear();
        let (pixels, _) = self.picture.as_chunks::<3>();
        self.luma.extend(
            pixels
                .iter()
                .map(|&[r, g, b]| 77 * u16::from(r) + 150 * u16::from(g) + 29 * u16::from(b)),
        );
        for (grey, luma) in self.grey.buffer_mut().iter_mut().zip(&self.luma) {
            *grey = (luma >> 8) as u8;
        }
        let filtered = |filter| fir::ResizeOptions::new().resize_alg(filter);
        let mean = filtered(fir::ResizeAlg::Convolution(fir::FilterType::Box));
        self.resizer.resize(resized, &mut self.cells, &mean)?;
        let smooth = filtered(fir::ResizeAlg::Convolution(fir::FilterType::Bilinear));
        self.resizer
            .resize(&self.grey, &mut self.thumbnail, &smooth)?;
        self.measure();
        self.appearance.size = size;
        let Appearance {
            cells, thumbnail, ..
        } = &mut self.appearance;
        cells.clear();
        cells.extend_from_slice(self.cells.buffer().as_chunks().0);
        thumbnail.clear();
        thumbnail.extend_from_slice(self.thumbnail.buffer());
        Ok(())
    }

    /// The numbers of the pixels that count.
    fn measure(&mut self) {
        let count = self.unmasked.count() as f64;
        let (mut sum, mut squares) = (0_u64, 0_u64);
        let mut bins = [0_u32; BINS];
        for run in &self.unmasked.pixels {
            for &luma in &self.luma[run.clone()] {
                sum += u64::from(luma);
                squares += u64::from(luma).pow(2);
                bins[usize::from(luma >> 12)] += 1;
            }
        }
        let mean = sum as f64 / count;
        let variance = squares as f64 / count - mean * mean;
        let edges = edges(&self.luma, &self.unmasked);
        let pairs = edges.pairs.max(1) as f64;
        self.appearance.statistics = SceneStatistics {
            brightness: (mean / WHITE) as f32,
            contrast: (variance.max(0.0).sqrt() / WHITE) as f32,
            sharpness: (edges.sum as f64 / pairs / WHITE) as f32,
        };
        self.appearance.acutance = ((edges.squares as f64 / pairs).sqrt() / WHITE) as f32;
        self.appearance.histogram = bins.map(|bin| (f64::from(bin) / count) as f32);
    }

    /// The three numbers that are published.
    pub fn statistics(&self) -> SceneStatistics {
        self.appearance.statistics
    }

    /// The resized picture, three bytes a pixel.
    pub(super) fn picture(&self) -> &[u8] {
        &self.picture
    }
}

/// Differences of horizontal and vertical neighbours.
#[derive(Default)]
struct Edges {
    sum: u64,
    squares: u64,
    pairs: usize,
}

fn edges(luma: &[u16], unmasked: &Unmasked) -> Edges {
    let mut edges = Edges::default();
    for (runs, step) in [(&unmasked.across, 1), (&unmasked.down, unmasked.width)] {
        for run in runs {
            let other = run.start + step..run.end + step;
            edges.add(&luma[run.clone()], &luma[other]);
        }
    }
    edges
}

impl Edges {
    /// Pixels of one row at most, and their neighbours: the sum of its differences has 32 bits.
    fn add(&mut self, row: &[u16], other: &[u16]) {
        let (mut sum, mut squares) = (0_u32, 0_u64);
        for (a, b) in row.iter().zip(other) {
            let difference = u32::from(a.abs_diff(*b));
            sum += difference;
            squares += u64::from(difference * difference);
        }
        self.sum += u64::from(sum);
        self.squares += squares;
        self.pairs += row.len().min(other.len());
    }
}
