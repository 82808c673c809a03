//! A frame as it was taken to the pictures that are published: a JPEG, and one with its heat map.
//!
//! A JPEG stays as it came, to the byte, where it is small enough; so does a camera's motion JPEG, which
//! only gets the Huffman tables that it lacks and loses its padding. Everything else is encoded, and
//! halved until it fits the largest size that the configuration allows. What does not fit even then
//! is not sent, and the journal says so once. Only for frames that are published: encoding is slow.

use std::borrow::Cow;

use image::codecs::jpeg::JpegEncoder;
use image::{RgbImage, imageops};

use super::judge::heat_scale;
use crate::capture::{Layout, Pixels};
use crate::config::Name;
use crate::decide::Judged;
use crate::evaluate::heatmap::overlay;
use crate::preprocess::{Picture, View, decode, motion_file};
use crate::publish::Media;

/// Quality of what is encoded here; artefacts of less look like defects.
const QUALITY: u8 = 85;
/// A picture with a shorter side shows nothing.
const SMALLEST: u32 = 16;

/// Makes pictures of one camera's frames.
#[derive(Debug)]
pub(super) struct Darkroom {
    camera: Name,
    max_bytes: usize,
    /// The part of the frames that is looked at.
    view: View,
    /// Whether it was said that a picture could not be sent.
    has_complained: bool,
}

impl Darkroom {
    pub(super) fn new(camera: Name, max_bytes: usize) -> Self {
        Darkroom {
            camera,
            max_bytes,
            view: View::default(),
            has_complained: false,
        }
    }

    /// The same for a camera of which only `view` is looked at.
    pub(super) fn looking_at(self, view: View) -> Self {
        Darkroom { view, ..self }
    }

    /// The pictures of a frame that was kept; none where that can't be.
    pub(super) fn develop(&mut self, judged: &Judged) -> Option<Media> {
        match self.try_develop(judged) {
            Ok(media) => Some(media),
            Err(fault) => {
                if !self.has_complained {
                    tracing::warn!(
                        camera = %self.camera,
                        max_bytes = self.max_bytes,
                        fault,
                        "a picture is not sent; this is not said again"
                    );
                    self.has_complained = true;
                }
                None
            }
        }
    }

    fn try_develop(&self, judged: &Judged) -> Result<Media, String> {
        let shot = judged.shot().ok_or("the frame was not kept")?;
        let picture = decode(shot).map_err(|fault| fault.to_string())?;
        let score = judged.score();
        let (grid, scale) = (score.patches.grid(), heat_scale(score));
        let heated = overlay(&picture, &score.map, grid, scale, &self.view)
            .ok_or("the map does not fit its grid")?;
        let snapshot = match as_it_came(shot) {
            Some(jpeg) if jpeg.len() <= self.max_bytes => jpeg.into_owned(),
            _ => fitted(image_of(picture)?, self.max_bytes)?,
        };
        Ok(Media {
            snapshot,
            heatmap: fitted(heated, self.max_bytes)?,
        })
    }
}

/// The JPEG that the camera made, where it made one.
fn as_it_came(shot: &Pixels) -> Option<Cow<'_, [u8]>> {
    match shot {
        Pixels::Encoded(bytes) => is_jpeg(bytes).then_some(Cow::Borrowed(bytes.as_slice())),
        Pixels::Raw(raw) if raw.layout == Layout::Mjpeg => motion_file(&raw.data).ok(),
        Pixels::Raw(_) | Pixels::Rgb8 { .. } => None,
    }
}

fn is_jpeg(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0xff, 0xd8, 0xff])
}

pub(super) fn image_of(picture: Picture<'_>) -> Result<RgbImage, String> {
    let (width, height) = (picture.width, picture.height);
    RgbImage::from_raw(width, height, picture.data.into_owned())
        .ok_or_else(|| "the picture's bytes do not fit its size".to_owned())
}

/// The picture as a JPEG of at most `max_bytes`, halved until that is so.
pub(super) fn fitted(mut image: RgbImage, max_bytes: usize) -> Result<Vec<u8>, String> {
    loop {
        let (width, height) = image.dimensions();
        let picture = Picture {
            width,
            height,
            data: image.as_raw().into(),
        };
        let bytes = encoded(&picture)?;
        if bytes.len() <= max_bytes {
            return Ok(bytes);
        }
        let (width, height) = (width / 2, height / 2);
        if width.min(height) < SMALLEST {
            return Err(format!(
                "it has {} bytes even when it is small",
                bytes.len()
            ));
        }
        image = imageops::thumbnail(&image, width, height);
    }
}

fn encoded(picture: &Picture<'_>) -> Result<Vec<u8>, String> {
    let mut bytes = Vec::new();
    let colour = image::ExtendedColorType::Rgb8;
    JpegEncoder::new_with_quality(&mut bytes, QUALITY)
        .encode(&picture.data, picture.width, picture.height, colour)
        .map_err(|fault| format!("it can't be encoded: {fault}"))?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capture::RawPicture;
    use crate::decide::stories::judged;

    fn darkroom(max_bytes: usize) -> Darkroom {
        Darkroom::new("cam0".parse().unwrap(), max_bytes)
    }

    /// Noise, which compresses badly.
    fn noise(width: u32, height: u32) -> Pixels {
        let mut state = 7u32;
        let data = (0..width * height * 3).map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        });
        Pixels::Rgb8 {
            width,
            height,
            data: data.collect(),
        }
    }

    fn shot(pixels: Pixels) -> Judged {
        judged(3.0).with_shot(pixels.into())
    }

    fn size(jpeg: &[u8]) -> (u32, u32) {
        let jpeg = Pixels::Encoded(jpeg.to_vec());
        let picture = decode(&jpeg).unwrap();
        (picture.width, picture.height)
    }

    /// Noise as a JPEG.
    fn jpeg(width: u32, height: u32) -> Vec<u8> {
        encoded(&decode(&noise(width, height)).unwrap()).unwrap()
    }

    #[test]
    fn a_jpeg_stays_as_it_came_to_the_byte() {
        let bytes = jpeg(64, 48);
        let kept = shot(Pixels::Encoded(bytes.clone()));
        let media = darkroom(1 << 20).develop(&kept).unwrap();
        assert_eq!(media.snapshot, bytes);
        assert_eq!(size(&media.heatmap), (64, 48));
        assert_ne!(media.heatmap, bytes);
    }

    #[test]
    fn raw_pixels_and_png_become_a_jpeg_of_the_same_picture() {
        let Pixels::Rgb8 { data, .. } = noise(64, 48) else {
            panic!("not raw");
        };
        let image = RgbImage::from_raw(64, 48, data).unwrap();
        let png = crate::evaluate::heatmap::to_png(&image).unwrap();
        let from_png = darkroom(1 << 20)
            .develop(&shot(Pixels::Encoded(png)))
            .unwrap();
        let from_raw = darkroom(1 << 20).develop(&shot(noise(64, 48))).unwrap();
        assert!(is_jpeg(&from_png.snapshot));
        assert_eq!(from_png, from_raw);
    }

    fn raw(layout: Layout, data: Vec<u8>) -> Pixels {
        Pixels::Raw(RawPicture {
            layout,
            width: 64,
            height: 48,
            stride: if layout == Layout::Mjpeg { 0 } else { 128 },
            range: crate::capture::Range::default(),
            data,
        })
    }

    #[test]
    fn a_cameras_motion_jpeg_stays_as_it_came_but_for_padding() {
        let jpeg = jpeg(64, 48);
        let padded = raw(Layout::Mjpeg, [&jpeg[..], &[0; 500]].concat());
        let media = darkroom(1 << 20).develop(&shot(padded)).unwrap();
        assert!(media.snapshot == jpeg);
    }

    #[test]
    fn motion_jpeg_without_tables_becomes_a_file_that_others_read() {
        // The encoder writes the standard tables, each in a segment of its own.
        let jpeg = jpeg(64, 48);
        let mut bare = jpeg.clone();
        while let Some(at) = bare.windows(2).position(|pair| pair == [0xff, 0xc4]) {
            let length = usize::from(u16::from_be_bytes([bare[at + 2], bare[at + 3]]));
            bare.drain(at..at + 2 + length);
        }
        assert!(image::load_from_memory(&bare).is_err(), "no test otherwise");
        let kept = shot(raw(Layout::Mjpeg, bare));
        let media = darkroom(1 << 20).develop(&kept).unwrap();
        let read = |bytes: &[u8]| image::load_from_memory(bytes).unwrap().into_rgb8();
        assert!(read(&media.snapshot) == read(&jpeg));
    }

    #[test]
    fn raw_pictures_of_a_camera_are_sent_as_jpeg() {
        let kept = shot(raw(Layout::Yuyv, [90, 100, 160, 200].repeat(64 * 48 / 2)));
        let media = darkroom(1 << 20).develop(&kept).unwrap();
        assert!(is_jpeg(&media.snapshot));
        assert_eq!(size(&media.snapshot), (64, 48));
        for cut in [
            raw(Layout::Yuyv, vec![0; 10]),
            raw(Layout::Mjpeg, vec![0xff, 0xd8, 0xff]),
        ] {
            assert_eq!(darkroom(1 << 20).develop(&shot(cut)), None);
        }
    }

    #[test]
    fn a_picture_that_is_too_large_is_halved_until_it_fits() {
        let whole = darkroom(1 << 20).develop(&shot(noise(640, 480))).unwrap();
        let limit = whole.snapshot.len() - 1;
        let halved = darkroom(limit).develop(&shot(noise(640, 480))).unwrap();
        assert_eq!(size(&halved.snapshot), (320, 240));
        let small = darkroom(20_000).develop(&shot(noise(640, 480))).unwrap();
        assert!(small.snapshot.len() <= 20_000 && small.heatmap.len() <= 20_000);
        let jpeg = shot(Pixels::Encoded(jpeg(640, 480)));
        let small = darkroom(20_000).develop(&jpeg).unwrap();
        assert!(
            small.snapshot.len() <= 20_000,
            "a JPEG that came too large as well"
        );
    }

    #[test]
    fn what_cannot_be_sent_is_not_sent() {
        assert_eq!(darkroom(100).develop(&shot(noise(64, 48))), None);
        assert_eq!(darkroom(1 << 20).develop(&judged(3.0)), None);
        let damaged = Pixels::Encoded(vec![0xff, 0xd8, 0xff, 0xe0]);
        assert_eq!(darkroom(1 << 20).develop(&shot(damaged)), None);
    }
}
