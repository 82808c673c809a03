//! A frame as a picture file of which nothing is lost: what decodes from it are the pixels that the models
//! saw.
//!
//! A JPEG or PNG stays as it came, to the byte; motion JPEG gets the tables that it lacks. All else becomes
//! a PNG, which takes up to a second of a board's time for a large picture.

use std::borrow::Cow;

use image::codecs::png::PngEncoder;
use image::{ExtendedColorType, ImageEncoder as _};

use super::{Picture, decode, motion_file};
use crate::capture::{Layout, Pixels, RawPicture};

/// The file of a frame. What is a file already is not decoded.
///
/// # Errors
/// Why it is no picture.
pub fn picture_file(pixels: &Pixels) -> Result<Cow<'_, [u8]>, String> {
    let file = match pixels {
        Pixels::Encoded(bytes) => Ok(Cow::Borrowed(bytes.as_slice())),
        Pixels::Raw(RawPicture { layout, data, .. }) if *layout == Layout::Mjpeg => {
            motion_file(data)
        }
        Pixels::Raw(_) | Pixels::Rgb8 { .. } => {
            let picture = decode(pixels).map_err(|rejection| rejection.to_string())?;
            return png(&picture).map(Cow::Owned);
        }
    };
    file.map_err(|rejection| rejection.to_string())
}

/// A picture as a PNG.
///
/// # Errors
/// When it can't be encoded.
pub fn png(picture: &Picture<'_>) -> Result<Vec<u8>, String> {
    let mut file = Vec::new();
    let (data, width, height) = (&picture.data, picture.width, picture.height);
    PngEncoder::new(&mut file)
        .write_image(data, width, height, ExtendedColorType::Rgb8)
        .map_err(|fault| format!("it can't be encoded: {fault}"))?;
    Ok(file)
}

/// The end of a picture file's name, told by its first bytes: `png` or `jpg`.
pub fn extension(file: &[u8]) -> &'static str {
    if file.starts_with(b"\x89PNG") {
        "png"
    } else {
        "jpg"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::Range;

    /// Colours that change from pixel to pixel: what is lost of them shows.
    fn drawn() -> Pixels {
        Pixels::Rgb8 {
            width: 64,
            height: 48,
            data: (0..64 * 48 * 3).map(|i| (i * 7 % 251) as u8).collect(),
        }
    }

    fn raw(layout: Layout, data: Vec<u8>) -> Pixels {
        Pixels::Raw(RawPicture {
            layout,
            width: 64,
            height: 48,
            stride: if layout == Layout::Mjpeg { 0 } else { 128 },
            range: Range::default(),
            data,
        })
    }

    #[test]
    fn what_came_as_pixels_becomes_a_png_of_the_same_pixels() {
        let yuyv = (0..64 * 48 * 2).map(|i| (16 + i * 5 % 220) as u8).collect();
        for pixels in [drawn(), raw(Layout::Yuyv, yuyv)] {
            let file = picture_file(&pixels).unwrap().into_owned();
            assert_eq!(extension(&file), "png");
            assert_eq!(
                decode(&Pixels::Encoded(file)).unwrap(),
                decode(&pixels).unwrap()
            );
        }
        assert!(picture_file(&raw(Layout::Yuyv, vec![0; 10])).is_err());
    }

    #[test]
    fn a_file_stays_as_it_came_and_motion_jpeg_but_for_its_padding() {
        let mut jpeg = Vec::new();
        image::codecs::jpeg::JpegEncoder::new(&mut jpeg)
            .encode(
                &decode(&drawn()).unwrap().data,
                64,
                48,
                ExtendedColorType::Rgb8,
            )
            .unwrap();
        assert_eq!(extension(&jpeg), "jpg");
        let padded = [&jpeg[..], &[0; 100]].concat();
        let came = Pixels::Encoded(padded.clone());
        assert_eq!(picture_file(&came).unwrap(), padded);
        assert_eq!(
            picture_file(&raw(Layout::Mjpeg, padded)).unwrap(),
            jpeg.as_slice()
        );
        assert!(picture_file(&raw(Layout::Mjpeg, jpeg[..40].to_vec())).is_err());
    }
}
