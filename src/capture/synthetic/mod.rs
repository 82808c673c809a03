//! A synthetic scene: a fixed camera over parts that pass by on a belt.
//!
//! Frame `i` is a pure function of the seed and `i`: 640x480, RGB, with shadows, vignetting, slow
//! drift of the light and sensor noise. Asked for, one part in six has a defect, of each kind in
//! turn; [`truth`] says which frames show it and where. Without defects the same seed gives the same
//! line with good parts only.

mod line;
mod paint;
mod shape;

use std::time::Duration;

pub use line::{Defect, DefectKind, HEIGHT, WIDTH};
pub use shape::Product;

use super::pace::{Fps, Pace};
use super::{CaptureError, Frame, Moment, Next, Opener, Pixels, Source};

/// Opens the synthetic scene.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Synthetic {
    /// Everything random follows from it.
    pub seed: u64,
    /// What the line makes.
    pub product: Product,
    /// The first frame's number in the scene.
    pub start: u64,
    /// How many frames there are; without end where absent.
    pub frames: Option<u64>,
    /// The pace; as fast as asked where absent.
    pub fps: Option<Fps>,
    /// Whether some parts are defective.
    pub defects: bool,
}

/// The defect that frame `i` of a scene with defects shows, at least by half.
pub fn truth(seed: u64, product: Product, i: u64) -> Option<Defect> {
    line::truth(seed, product, i)
}

impl Synthetic {
    /// Frame `number` of the scene alone: `[HEIGHT, WIDTH, 3]`, RGB.
    pub fn picture(&self, number: u64) -> Vec<u8> {
        paint::Painter::new(self.seed, self.product).paint(number, self.defects)
    }
}

impl Opener for Synthetic {
    fn open(&self) -> Result<Box<dyn Source>, CaptureError> {
        Ok(Box::new(OpenSynthetic {
            painter: paint::Painter::new(self.seed, self.product),
            pace: Pace::new(self.fps),
            spec: self.clone(),
            seq: 0,
        }))
    }

    fn describe(&self) -> String {
        format!("synthetic scene, seed {}", self.seed)
    }

    fn is_live(&self) -> bool {
        self.fps.is_some()
    }

    fn is_footage(&self) -> bool {
        true
    }

    fn is_film(&self) -> bool {
        true
    }
}

struct OpenSynthetic {
    spec: Synthetic,
    painter: paint::Painter,
    pace: Pace,
    seq: u64,
}

impl Source for OpenSynthetic {
    fn next(&mut self, timeout: Duration) -> Result<Next, CaptureError> {
        if self.spec.frames.is_some_and(|frames| self.seq >= frames) {
            return Ok(Next::End);
        }
        if !self.pace.wait(timeout) {
            return Ok(Next::Idle);
        }
        self.pace.taken();
        let at = Moment::now();
        let number = self.spec.start + self.seq;
        let frame = Frame {
            seq: self.seq,
            at,
            name: None,
            pixels: Pixels::Rgb8 {
                width: WIDTH,
                height: HEIGHT,
                data: self.painter.paint(number, self.spec.defects),
            },
        };
        self.seq += 1;
        Ok(Next::Frame(frame))
    }
}

#[cfg(test)]
mod tests;
