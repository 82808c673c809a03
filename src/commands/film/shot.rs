//! A frame as a file of the footage, and what is looked at of it.
//!
//! What came as JPEG or PNG stays as it came, to the byte. Everything else becomes a JPEG of a
//! quality at which its artefacts are below a camera's noise, without subsampling of colour, or a
//! PNG. A frame that can't be decoded is no picture, and is refused here.

use image::ExtendedColorType;
use image::codecs::jpeg::JpegEncoder;

use crate::capture::Pixels;
use crate::preprocess::{Picture, decode, extension, png};
use crate::train::review::Thumbnail;

const QUALITY: u8 = 95;

/// A frame, ready to be kept.
pub(super) struct Shot {
    pub(super) bytes: Vec<u8>,
    /// `jpg` or `png`.
    pub(super) extension: &'static str,
    /// Columns and rows.
    pub(super) size: [u32; 2],
    pub(super) thumbnail: Thumbnail,
    /// Whether it is a camera's MJPEG, as it came.
    pub(super) is_mjpeg: bool,
}

/// The error says why it is no picture.
pub(super) fn develop(pixels: Pixels, is_lossless: bool) -> Result<Shot, String> {
    let picture = decode(&pixels).map_err(|rejection| rejection.to_string())?;
    let (size, thumbnail) = ([picture.width, picture.height], Thumbnail::of(&picture));
    let is_a_file = pixels.file().is_some();
    let encoded = if is_a_file {
        Vec::new()
    } else {
        encode(&picture, is_lossless)?
    };
    let (bytes, is_mjpeg) = match pixels {
        Pixels::Encoded(bytes) => (bytes, false),
        Pixels::Raw(raw) if is_a_file => (raw.data, true),
        Pixels::Raw(_) | Pixels::Rgb8 { .. } => (encoded, false),
    };
    Ok(Shot {
        extension: extension(&bytes),
        bytes,
        size,
        thumbnail,
        is_mjpeg,
    })
}

fn encode(picture: &Picture<'_>, is_lossless: bool) -> Result<Vec<u8>, String> {
    if is_lossless {
        return png(picture);
    }
    let mut bytes = Vec::new();
    let (data, width, height) = (&picture.data, picture.width, picture.height);
    JpegEncoder::new_with_quality(&mut bytes, QUALITY)
        .encode(data, width, height, ExtendedColorType::Rgb8)
        .map_err(|fault| format!("it can't be encoded: {fault}"))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Colours that change from pixel to pixel, where subsampling would show.
    fn stripes() -> Vec<u8> {
        let pixel = |x: u32| {
            if x.is_multiple_of(2) {
                [200, 60, 60]
            } else {
                [60, 60, 200]
            }
        };
        (0..48).flat_map(|_| (0..64).flat_map(pixel)).collect()
    }

    fn raw(data: &[u8]) -> Pixels {
        Pixels::Rgb8 {
            width: 64,
            height: 48,
            data: data.to_vec(),
        }
    }

    #[test]
    fn a_raw_frame_becomes_a_jpeg_that_keeps_the_colour_of_single_pixels() {
        let shot = develop(raw(&stripes()), false).unwrap();
        assert_eq!((shot.extension, shot.size), ("jpg", [64, 48]));
        let file = Pixels::Encoded(shot.bytes);
        let back = decode(&file).unwrap();
        let worst = back.data.iter().zip(stripes()).map(|(a, b)| a.abs_diff(b));
        assert!(
            worst.max().unwrap() < 16,
            "subsampled colour would be 70 off"
        );
    }

    #[test]
    fn a_lossless_frame_comes_back_to_the_byte() {
        let shot = develop(raw(&stripes()), true).unwrap();
        assert_eq!(shot.extension, "png");
        let file = Pixels::Encoded(shot.bytes);
        assert_eq!(decode(&file).unwrap().data, stripes());
    }

    #[test]
    fn a_file_stays_as_it_came_and_half_of_one_is_refused() {
        let bytes = develop(raw(&stripes()), false).unwrap().bytes;
        let again = develop(Pixels::Encoded(bytes.clone()), true).unwrap();
        assert_eq!((again.bytes.as_slice(), again.extension), (&*bytes, "jpg"));
        let half = bytes[..bytes.len() / 2].to_vec();
        let refused = develop(Pixels::Encoded(half), false).err().unwrap();
        assert!(refused.contains("can't be decoded"), "{refused}");
    }
}
