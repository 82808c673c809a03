//! A camera over parts that come one after the other, each for some frames; light and position wander,
//! and the sensor has noise. Parts are pictures of a folder, or castings that are drawn.

use std::path::Path;
use std::time::Duration;

use image::imageops::{FilterType, resize};
use image::{Rgb, RgbImage};
use inspectd::capture::{CaptureError, Frame, Moment, Next, Opener, Pixels, Source};
use rand::seq::SliceRandom as _;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::studio::names;

/// Frames for which a part stays.
pub(crate) const DWELL: usize = 3;
/// Columns and rows of a picture, and what of a part the camera may miss by on each side.
const SIDE: u32 = 224;
const MARGIN: u32 = 6;

/// A camera over parts that come one after the other.
pub(crate) struct Series {
    pub(crate) parts: Vec<RgbImage>,
    pub(crate) frames: usize,
    pub(crate) seed: u64,
}

pub(crate) struct Shooting {
    random: ChaCha8Rng,
    parts: Vec<RgbImage>,
    /// What is still to come of this pass, the next one last, ...
    order: Vec<usize>,
    /// ... and what is under the camera.
    shown: Option<usize>,
    seq: usize,
    frames: usize,
    gain: f32,
    shift: [f32; 2],
}

impl Opener for Series {
    fn open(&self) -> Result<Box<dyn Source>, CaptureError> {
        Ok(Box::new(self.shoot()))
    }

    fn describe(&self) -> String {
        "parts under a camera".to_owned()
    }

    fn is_live(&self) -> bool {
        false
    }

    fn is_film(&self) -> bool {
        true
    }
}

impl Series {
    pub(crate) fn shoot(&self) -> Shooting {
        Shooting {
            random: ChaCha8Rng::seed_from_u64(self.seed),
            parts: self.parts.clone(),
            order: Vec::new(),
            shown: None,
            seq: 0,
            frames: self.frames,
            gain: 1.0,
            shift: [0.0; 2],
        }
    }
}

impl Shooting {
    fn normal(&mut self) -> f32 {
        (0..12).map(|_| self.random.random::<f32>()).sum::<f32>() - 6.0
    }

    /// The part under the camera.
    pub(crate) fn part(&self) -> usize {
        self.shown.expect("a picture was taken")
    }

    /// How bright the light on it is, where 1 is usual.
    pub(crate) fn gain(&self) -> f32 {
        self.gain
    }

    fn picture(&mut self) -> RgbImage {
        if self.seq.is_multiple_of(DWELL) {
            if self.order.is_empty() {
                self.order = (0..self.parts.len()).collect();
                self.order.shuffle(&mut self.random);
            }
            self.shown = self.order.pop();
        }
        // Light wanders over a hundred frames, the position over ten.
        self.gain = 1.0 + 0.99 * (self.gain - 1.0) + 0.14 * 0.02 * self.normal();
        for axis in 0..2 {
            self.shift[axis] = 0.9 * self.shift[axis] + 0.44 * 1.5 * self.normal();
        }
        let [x, y] = self
            .shift
            .map(|shift| (MARGIN as f32 + shift.round()).clamp(0.0, 2.0 * MARGIN as f32) as u32);
        let gain = self.gain;
        let part = &self.parts[self.part()];
        let mut picture = image::imageops::crop_imm(part, x, y, SIDE, SIDE).to_image();
        for value in picture.iter_mut() {
            // The sum of three uniform numbers: a deviation of 2 grey levels.
            let noise: f32 = (0..3).map(|_| self.random.random::<f32>() - 0.5).sum();
            *value = (f32::from(*value) * gain + 4.0 * noise)
                .round()
                .clamp(0.0, 255.0) as u8;
        }
        picture
    }
}

impl Source for Shooting {
    fn next(&mut self, _: Duration) -> Result<Next, CaptureError> {
        if self.seq == self.frames {
            return Ok(Next::End);
        }
        let picture = self.picture();
        self.seq += 1;
        Ok(Next::Frame(Frame {
            seq: self.seq as u64 - 1,
            at: Moment::now(),
            name: None,
            pixels: Pixels::Rgb8 {
                width: SIDE,
                height: SIDE,
                data: picture.into_raw(),
            },
        }))
    }
}

/// Every second file of a folder as a part, from the first or from the second on.
pub(crate) fn parts(folder: &Path, odd: bool) -> Vec<RgbImage> {
    let files = names(folder);
    let half = files.iter().skip(usize::from(odd)).step_by(2);
    let open = |name: &String| {
        let picture = image::open(folder.join(name)).unwrap().into_rgb8();
        resize(
            &picture,
            SIDE + 2 * MARGIN,
            SIDE + 2 * MARGIN,
            FilterType::Triangle,
        )
    };
    half.map(open).collect()
}

/// A cast surface: grains of several sizes around a ring that was turned.
pub(crate) fn casting(seed: u64) -> RgbImage {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let side = (SIDE + 2 * MARGIN) as usize;
    let mut grey = vec![0.0_f32; side * side];
    for (grain, depth) in [(4, 6.0), (12, 8.0), (40, 10.0), (120, 14.0)] {
        let cells = side / grain + 2;
        let values: Vec<f32> = (0..cells * cells)
            .map(|_| random.random::<f32>() - 0.5)
            .collect();
        for (i, grey) in grey.iter_mut().enumerate() {
            let (x, y) = (
                (i % side) as f32 / grain as f32,
                (i / side) as f32 / grain as f32,
            );
            let (column, row) = (x as usize, y as usize);
            let (fx, fy) = (x.fract(), y.fract());
            let value = |c: usize, r: usize| values[r * cells + c];
            let upper = value(column, row) * (1.0 - fx) + value(column + 1, row) * fx;
            let lower = value(column, row + 1) * (1.0 - fx) + value(column + 1, row + 1) * fx;
            *grey += depth * (upper * (1.0 - fy) + lower * fy);
        }
    }
    let centre = side as f32 / 2.0 + 2.0 * (random.random::<f32>() - 0.5);
    let radius = 70.0 + 3.0 * random.random::<f32>();
    RgbImage::from_fn(side as u32, side as u32, |x, y| {
        let distance = (x as f32 - centre).hypot(y as f32 - centre);
        let ring = 40.0 * (-((distance - radius) / 14.0).powi(2)).exp();
        let turned = if (distance - radius).abs() < 14.0 {
            3.0 * (distance * 1.9).sin()
        } else {
            0.0
        };
        let value = 110.0 + ring + turned + grey[y as usize * side + x as usize];
        Rgb([value.clamp(0.0, 255.0) as u8; 3])
    })
}
