//! From a frame to the teacher's input: resize, normalise, and a look at the scene as a whole.
//!
//! The resize works on 8-bit RGB and is Pillow's, within one grey level (0.03 on average):
//! antialiased, in the values as they are stored (no gamma), the aspect not kept. Rows are resized
//! first and columns then, as Pillow does: between the two the values are rounded and clipped, so
//! the order shows. Everything else is computed on the resized picture. The steps are a pure
//! function of the frame; a [`Preprocessor`] holds buffers only.

use fast_image_resize as fir;

use super::scene::Look;
use super::{Interpolation, Prepared, Preprocessing, Rejection, decode};
use crate::capture::Frame;

/// Turns frames into a teacher's input, one after another.
#[derive(Debug)]
pub struct Preprocessor {
    preprocessing: Preprocessing,
    resizer: fir::Resizer,
    options: fir::ResizeOptions,
    /// `[height of the frame, width, 3]`: rows resized, columns not yet.
    rows: fir::images::Image<'static>,
    /// `[height, width, 3]`.
    resized: fir::images::Image<'static>,
    /// Normalised value of each grey level, per channel.
    normalised: Box<[[f32; 256]; 3]>,
    /// What the last picture looked like as a whole.
    look: Look,
}

impl Preprocessor {
    /// For one teacher's constants. The buffers take `4 * width * height` bytes and those of the
    /// largest frame's resize.
    pub fn new(preprocessing: &Preprocessing) -> Self {
        let filter = match preprocessing.interpolation {
            Interpolation::Bilinear => fir::FilterType::Bilinear,
            Interpolation::Bicubic => fir::FilterType::CatmullRom,
        };
        let (width, height) = (preprocessing.width, preprocessing.height);
        Self {
            preprocessing: preprocessing.clone(),
            resizer: fir::Resizer::new(),
            options: fir::ResizeOptions::new().resize_alg(fir::ResizeAlg::Convolution(filter)),
            rows: fir::images::Image::new(width, 1, fir::PixelType::U8x3),
            resized: fir::images::Image::new(width, height, fir::PixelType::U8x3),
            normalised: normalised(preprocessing),
            look: Look::new(width, height),
        }
    }

    /// The frame as the teacher wants it (METHOD.md, section 2, input).
    ///
    /// # Errors
    /// A [`Rejection`] where the frame holds no sound picture.
    pub fn prepare(&mut self, frame: &Frame) -> Result<Prepared, Rejection> {
        let picture = decode(&frame.pixels)?;
        let (width, height) = (picture.width, picture.height);
        self.resize(width, height, &picture.data)?;
        let looked = self.look.take(&self.resized, (width, height));
        looked.map_err(|error| Rejection::Undecodable(format!("the resize failed: {error}")))?;
        Ok(Prepared {
            input: self.input(),
            width,
            height,
            scene: self.look.statistics(),
        })
    }

    /// What the last prepared picture looked like as a whole.
    pub fn look(&self) -> &Look {
        &self.look
    }

    /// Fills `resized`. Fails only on what `decode` and `new` rule out: a size of zero, or a buffer
    /// that does not fit its size.
    fn resize(&mut self, width: u32, height: u32, data: &[u8]) -> Result<(), Rejection> {
        let failed = |error: &dyn std::fmt::Display| {
            Rejection::Undecodable(format!("the resize failed: {error}"))
        };
        let source = fir::images::ImageRef::new(width, height, data, fir::PixelType::U8x3)
            .map_err(|error| failed(&error))?;
        if self.rows.height() != height {
            let width = self.preprocessing.width;
            self.rows = fir::images::Image::new(width, height, fir::PixelType::U8x3);
        }
        self.resizer
            .resize(&source, &mut self.rows, &self.options)
            .and_then(|()| {
                self.resizer
                    .resize(&self.rows, &mut self.resized, &self.options)
            })
            .map_err(|error| failed(&error))
    }

    /// `[3, height, width]` of the resized picture.
    fn input(&self) -> Vec<f32> {
        let resized = self.resized.buffer();
        let mut input = Vec::with_capacity(resized.len());
        for (channel, table) in self.normalised.iter().enumerate() {
            let values = resized.iter().skip(channel).step_by(3);
            input.extend(values.map(|&value| table[usize::from(value)]));
        }
        input
    }
}

/// `(v / 255 - mean) / std` for every grey level.
fn normalised(preprocessing: &Preprocessing) -> Box<[[f32; 256]; 3]> {
    let mut tables = Box::new([[0.0; 256]; 3]);
    for (channel, table) in tables.iter_mut().enumerate() {
        let (mean, std) = (preprocessing.mean[channel], preprocessing.std[channel]);
        for (level, value) in table.iter_mut().enumerate() {
            *value = (level as f32 / 255.0 - mean) / std;
        }
    }
    tables
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::capture::{Moment, Pixels};

    fn preprocessing(width: u32, height: u32, interpolation: Interpolation) -> Preprocessing {
        Preprocessing {
            width,
            height,
            mean: [0.5; 3],
            std: [0.5; 3],
            interpolation,
        }
    }

    /// The picture of `tests/oracle/resize.py`.
    fn picture(width: u32, height: u32) -> Vec<u8> {
        let (w, h) = (i64::from(width), i64::from(height));
        let pixels = (0..h).flat_map(|y| (0..w).map(move |x| (x, y)));
        pixels
            .flat_map(|(x, y)| {
                let noise = (x * 7919 + y * 104_729 + x * y * 31) % 251;
                let red = x * 255 / w;
                let green = (x / 3 + y / 5) % 2 * 200 + noise / 8;
                let even = (x * 5 / w + y * 4 / h) % 2 == 0;
                let blue = if even { noise } else { 255 - y * 255 / h };
                [red as u8, green as u8, blue as u8]
            })
            .collect()
    }

    fn frame(width: u32, height: u32, data: Vec<u8>) -> Frame {
        Frame {
            seq: 0,
            at: Moment::now(),
            name: None,
            pixels: Pixels::Rgb8 {
                width,
                height,
                data,
            },
        }
    }

    #[test]
    fn the_resize_is_pillows() {
        let sizes = [
            ((640, 480), (48, 48)),
            ((97, 61), (32, 40)),
            ((20, 18), (56, 33)),
            ((32, 32), (32, 32)),
        ];
        let filters = [
            (Interpolation::Bilinear, "bilinear"),
            (Interpolation::Bicubic, "bicubic"),
        ];
        for ((width, height), (to_width, to_height)) in sizes {
            for (interpolation, name) in filters {
                let file = format!("{width}x{height}-{to_width}x{to_height}-{name}.png");
                let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/oracle/resize");
                let golden = image::open(path.join(&file)).unwrap().into_rgb8();
                let mut preprocessor =
                    Preprocessor::new(&preprocessing(to_width, to_height, interpolation));
                preprocessor
                    .resize(width, height, &picture(width, height))
                    .unwrap();
                let off: Vec<u32> = preprocessor
                    .resized
                    .buffer()
                    .iter()
                    .zip(golden.iter())
                    .map(|(ours, pillows)| u32::from(ours.abs_diff(*pillows)))
                    .collect();
                assert_eq!(off.len(), golden.len());
                let mean = f64::from(off.iter().sum::<u32>()) / off.len() as f64;
                let largest = off.iter().max().unwrap();
                println!("{file}: at most {largest}, on average {mean:.5} grey levels off");
                assert!(*largest <= 1 && mean < 0.05, "{file}: {largest}, {mean}");
            }
        }
    }

    #[test]
    fn the_input_is_normalised_channel_by_channel() {
        let mut data = vec![0; 16 * 16 * 3];
        for pixel in data.as_chunks_mut::<3>().0 {
            *pixel = [0, 51, 255];
        }
        let constants = Preprocessing {
            mean: [0.485, 0.456, 0.406],
            std: [0.229, 0.224, 0.225],
            ..preprocessing(8, 4, Interpolation::Bilinear)
        };
        let prepared = Preprocessor::new(&constants)
            .prepare(&frame(16, 16, data))
            .unwrap();
        assert_eq!((prepared.width, prepared.height), (16, 16));
        let expected = [
            (0.0 - 0.485) / 0.229,
            (0.2 - 0.456) / 0.224,
            (1.0 - 0.406) / 0.225,
        ];
        assert_eq!(prepared.input.len(), 3 * 8 * 4);
        for (plane, expected) in prepared.input.chunks(8 * 4).zip(expected) {
            assert!(plane.iter().all(|value| (value - expected).abs() < 1e-6));
        }
    }

    #[test]
    fn the_statistics_of_a_chequerboard_are_known() {
        // 32x32 to 32x32: the resize leaves it as it is.
        let white = |i: u32| {
            if (i % 32 + i / 32).is_multiple_of(2) {
                255
            } else {
                0
            }
        };
        let data = (0..32 * 32).flat_map(|i| [white(i); 3]).collect();
        let mut preprocessor = Preprocessor::new(&preprocessing(32, 32, Interpolation::Bilinear));
        let scene = preprocessor.prepare(&frame(32, 32, data)).unwrap().scene;
        assert!((scene.brightness - 0.5).abs() < 1e-6);
        assert!((scene.contrast - 0.5).abs() < 1e-6);
        assert!((scene.sharpness - 1.0).abs() < 1e-6);
        let flat = preprocessor.prepare(&frame(32, 32, vec![51; 32 * 32 * 3]));
        let flat = flat.unwrap().scene;
        assert!((flat.brightness - 0.2).abs() < 1e-6);
        assert!(flat.contrast < 1e-6 && flat.sharpness == 0.0);
    }

    #[test]
    fn buffers_carry_nothing_from_one_frame_to_the_next() {
        let constants = preprocessing(24, 24, Interpolation::Bicubic);
        let mut kept = Preprocessor::new(&constants);
        for (width, height) in [(640, 480), (17, 33), (24, 24)] {
            let frame = frame(width, height, picture(width, height));
            let fresh = Preprocessor::new(&constants).prepare(&frame).unwrap();
            assert_eq!(kept.prepare(&frame).unwrap(), fresh);
        }
    }

    #[test]
    fn a_frame_without_a_picture_is_rejected() {
        let empty = Frame {
            pixels: Pixels::Encoded(Vec::new()),
            ..frame(16, 16, Vec::new())
        };
        let mut preprocessor = Preprocessor::new(&preprocessing(24, 24, Interpolation::Bilinear));
        assert!(matches!(
            preprocessor.prepare(&empty),
            Err(Rejection::Undecodable(_))
        ));
    }
}
