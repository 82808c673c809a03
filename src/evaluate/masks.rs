//! Masks of defects, as evaluation data comes with them: a picture of the same stem, bright where
//! the defect is.
//!
//! Map and mask meet at one size, [`SIDE`] pixels a side, whatever the picture's: the map enlarged
//! bilinearly, the mask sampled at the nearest pixel.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

use crate::capture::{CaptureError, Pixels};
use crate::preprocess::decode;

/// Rows and columns at which maps and masks are compared.
pub const SIDE: usize = 224;

/// An anomalous image without a mask.
#[derive(Debug, thiserror::Error)]
#[error("{name} has no mask in {folder}: a PNG or JPEG of the same stem is needed")]
pub struct MissingMask {
    name: String,
    folder: String,
}

/// The mask's file: the image's stem, whatever dots it has, with another ending.
fn find(folder: &Path, name: &str) -> Option<PathBuf> {
    let stem = Path::new(name).file_stem()?.to_string_lossy();
    let endings = ["png", "jpg", "jpeg", "PNG", "JPG", "JPEG"];
    let paths = endings
        .iter()
        .map(|ending| folder.join(format!("{stem}.{ending}")));
    paths.into_iter().find(|path| path.is_file())
}

/// The mask of the image called `name`, `[SIDE * SIDE]`.
///
/// # Errors
/// No file of that stem, or one that is no picture; the text names it.
pub fn mask_of(folder: &Path, name: &str) -> anyhow::Result<Vec<bool>> {
    let path = find(folder, name).ok_or_else(|| MissingMask {
        name: name.to_owned(),
        folder: folder.display().to_string(),
    })?;
    let bytes = fs::read(&path).map_err(|source| CaptureError::Io {
        what: format!("can't read the mask {}", path.display()),
        source,
    })?;
    let pixels = Pixels::Encoded(bytes);
    let picture = decode(&pixels).with_context(|| format!("the mask {}", path.display()))?;
    let (width, height) = (picture.width as usize, picture.height as usize);
    let nearest = |at: usize, length: usize| (2 * at + 1) * length / (2 * SIDE);
    let pixel = |row: usize, column: usize| {
        let at = nearest(row, height) * width + nearest(column, width);
        picture.data[3 * at..3 * at + 3]
            .iter()
            .any(|&value| value > 127)
    };
    Ok((0..SIDE * SIDE)
        .map(|i| pixel(i / SIDE, i % SIDE))
        .collect())
}
