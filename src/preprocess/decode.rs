//! A frame's pixels as an RGB picture.
//!
//! Encoded pictures are told by their first bytes, JPEG or PNG; a driver's raw pictures by their
//! layout. Sizes are checked before memory is
//! asked for, a panic of a decoder is caught, and a damaged or unfinished picture is a
//! [`Rejection`]: never a guess. PNG of any depth becomes 8 bits, grey becomes RGB, alpha is
//! dropped as Pillow's `convert("RGB")` does.

use std::borrow::Cow;
use std::io::Cursor;

use image::codecs::png::PngDecoder;
use image::{DynamicImage, ImageDecoder, Limits};

use super::{Rejection, jpeg, raw};
use crate::capture::Pixels;
use crate::seam::caught;

/// Largest side that is accepted.
pub(crate) const MAX_SIDE: u32 = 16_384;
/// Smallest side that is accepted.
pub(crate) const MIN_SIDE: u32 = 16;
/// Largest picture: bounds the memory of a frame to 192 MiB, and while it is decoded to three times
/// that.
pub(crate) const MAX_PIXELS: u64 = 64 << 20;

/// A picture, borrowed where its frame was raw already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture<'a> {
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// `[height, width, 3]`, RGB, 8 bits.
    pub data: Cow<'a, [u8]>,
}

/// The picture of a frame.
///
/// # Errors
/// [`Rejection::Size`] and [`Rejection::Undecodable`].
pub fn decode(pixels: &Pixels) -> Result<Picture<'_>, Rejection> {
    decode_into(Vec::new(), pixels)
}

/// The picture of a frame, in the `memory` of an earlier one where it is not borrowed: fresh memory of
/// that size comes from the system page by page. Nothing of the earlier one is left in it.
///
/// # Errors
/// As [`decode`].
pub(super) fn decode_into(memory: Vec<u8>, pixels: &Pixels) -> Result<Picture<'_>, Rejection> {
    let (width, height, data) = match pixels {
        Pixels::Rgb8 {
            width,
            height,
            data,
        } => {
            accept_size(*width, *height)?;
            (*width, *height, Cow::Borrowed(data.as_slice()))
        }
        Pixels::Raw(picture) => (picture.width, picture.height, raw::decode(memory, picture)?),
        Pixels::Encoded(bytes) => {
            let (width, height, data) = decode_file(memory, bytes)?;
            (width, height, Cow::Owned(data))
        }
    };
    let expected = u64::from(width) * u64::from(height) * 3;
    if data.len() as u64 != expected {
        return undecodable(format!(
            "{} bytes where {width}x{height} pixels need {expected}",
            data.len()
        ));
    }
    Ok(Picture {
        width,
        height,
        data,
    })
}

/// Refuses sizes that are not sensible. The configuration asks too, before there is a picture.
pub(crate) fn accept_size(width: u32, height: u32) -> Result<(), Rejection> {
    let sides = MIN_SIDE..=MAX_SIDE;
    if !sides.contains(&width) || !sides.contains(&height) {
        return Err(Rejection::Size { width, height });
    }
    if u64::from(width) * u64::from(height) > MAX_PIXELS {
        return undecodable(format!(
            "{width}x{height} is more than the {MAX_PIXELS} pixels that are accepted"
        ));
    }
    Ok(())
}

/// Width, height and `[height, width, 3]` of a JPEG or PNG file.
fn decode_file(memory: Vec<u8>, bytes: &[u8]) -> Result<(u32, u32, Vec<u8>), Rejection> {
    match bytes {
        [] => undecodable("the file is empty or could not be read"),
        [0xff, 0xd8, 0xff, ..] => guarded(|| jpeg::decode(memory, bytes)),
        [0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n', ..] => guarded(|| decode_png(bytes)),
        _ => undecodable("neither JPEG nor PNG by its first bytes"),
    }
}

/// Runs a decoder; a panic is a rejection. Nothing outlives the call, so nothing half-done is left.
pub(super) fn guarded<T>(decode: impl FnOnce() -> Result<T, Rejection>) -> Result<T, Rejection> {
    caught(decode).unwrap_or_else(|_| undecodable("the decoder panicked on it"))
}

fn decode_png(bytes: &[u8]) -> Result<(u32, u32, Vec<u8>), Rejection> {
    let damaged = |error| Rejection::Undecodable(format!("damaged PNG: {error}"));
    let mut limits = Limits::default();
    // RGBA of 16 bits takes 8 bytes a pixel.
    limits.max_alloc = Some(MAX_PIXELS * 8);
    let decoder = PngDecoder::with_limits(Cursor::new(bytes), limits).map_err(damaged)?;
    let (width, height) = decoder.dimensions();
    accept_size(width, height)?;
    let picture = DynamicImage::from_decoder(decoder).map_err(damaged)?;
    Ok((width, height, picture.into_rgb8().into_raw()))
}

pub(super) fn undecodable<T>(why: impl Into<String>) -> Result<T, Rejection> {
    Err(Rejection::Undecodable(why.into()))
}

#[cfg(test)]
#[path = "decode_tests.rs"]
mod tests;
