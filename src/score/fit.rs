//! Fit: what one set of normal frames teaches, and frames measured by it.
//!
//! It grows in two steps, since the map needs what the tokens of all frames have taught: a [`Draft`]
//! holds the Gaussians, then each frame's tokens find their places. Images, models and files are
//! unknown here; so are scales and thresholds, which come from frames that a fit did not see.

use std::borrow::Cow;

use super::light::{Light, Shift, distances, level};
use super::map::{MapStatistics, PositionMoments, local_score};
use super::moments::Moments;
use super::paper::{PaperGaussians, PaperScore};
use super::parts::{FrameVectors, PartGaussians, PartOffset};
use super::samples::{FitError, Samples};
use super::tokens::{Scratch, TokenGaussian};
use crate::infer::Patches;
use crate::preprocess::Rejection;

/// What one set of normal frames teaches.
#[derive(Debug, Clone, PartialEq)]
pub struct Fit {
    pub(super) paper: PaperGaussians,
    pub(super) parts: PartGaussians,
    pub(super) tokens: TokenGaussian,
    /// At least one.
    pub(super) lights: Vec<Light>,
}

/// One frame measured by a [`Fit`], before any calibration.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// The paper's two branches.
    pub paper: PaperScore,
    /// Squared Mahalanobis distance of each part.
    pub q: [f64; 4],
    /// Local score.
    pub local: f64,
    /// The map, `[P]`; empty where the numbers alone were kept.
    pub map: Vec<f32>,
    /// The light that the frame is of.
    pub light: usize,
}

/// A fit whose map is yet to be learnt.
#[derive(Debug)]
pub struct Draft {
    paper: PaperGaussians,
    parts: PartGaussians,
    tokens: TokenGaussian,
    lights: Vec<(Option<Shift>, PositionMoments)>,
    scratch: Scratch,
}

impl Draft {
    /// Fits the Gaussians on `frames`, each of the light that stands beside it, and on the moments of
    /// their residual tokens, one set for each light.
    ///
    /// # Errors
    /// Any [`FitError`]; the text says which part and what to do.
    ///
    /// # Panics
    /// Without a light, or if a frame's is none of them.
    pub fn new(
        frames: &[(&FrameVectors, usize)],
        tokens: &[Moments],
        patches: &Patches,
    ) -> Result<Self, FitError> {
        let gaussian = TokenGaussian::fit(&Moments::within(tokens))?;
        let shifts = match tokens.len() {
            1 => vec![None],
            several => (0..several)
                .map(|light| Ok(Some(Shift::new(offset(frames, light)?, &gaussian))))
                .collect::<Result<_, FitError>>()?,
        };
        Self::about(shifts, gaussian, frames, patches)
    }

    /// The same about lights and tokens that are known.
    pub(super) fn about(
        shifts: Vec<Option<Shift>>,
        tokens: TokenGaussian,
        frames: &[(&FrameVectors, usize)],
        patches: &Patches,
    ) -> Result<Self, FitError> {
        let z = Samples::gather(frames.iter().map(|(frame, _)| frame.z.as_slice()))?;
        let d = Samples::gather(frames.iter().map(|(frame, _)| frame.d.as_slice()))?;
        let paper = PaperGaussians::fit(&z, &d)?;
        let level: Vec<_> = frames
            .iter()
            .map(|(frame, light)| level(shifts[*light].as_ref(), frame))
            .collect();
        let positions = PositionMoments::new(patches.clone());
        Ok(Draft {
            paper,
            parts: PartGaussians::fit(&level.iter().map(Cow::as_ref).collect::<Vec<_>>())?,
            tokens,
            lights: (shifts.into_iter())
                .map(|shift| (shift, positions.clone()))
                .collect(),
            scratch: Scratch::default(),
        })
    }

    /// Learns where the residual tokens, `[P, D]`, of a frame of this light lie; gives their distances,
    /// `[P]`.
    pub fn place(&mut self, light: usize, residual_tokens: &[f32]) -> Vec<f32> {
        let (shift, positions) = &mut self.lights[light];
        let scratch = &mut self.scratch;
        let distances = distances(shift.as_ref(), &self.tokens, residual_tokens, scratch);
        positions.add(&distances);
        distances
    }

    /// The same, given the distances.
    pub(super) fn add(&mut self, light: usize, distances: &[f32]) {
        self.lights[light].1.add(distances);
    }

    /// The fit.
    ///
    /// # Errors
    /// As [`MapStatistics::fit`].
    pub fn finish(self) -> Result<Fit, FitError> {
        let lights = self.lights.into_iter().map(|(shift, positions)| {
            let map = MapStatistics::fit(&positions)?;
            Ok(Light { shift, map })
        });
        Ok(Fit {
            paper: self.paper,
            parts: self.parts,
            tokens: self.tokens,
            lights: lights.collect::<Result<_, FitError>>()?,
        })
    }
}

/// How the frames of one light differ from all.
fn offset(frames: &[(&FrameVectors, usize)], light: usize) -> Result<PartOffset, FitError> {
    let all: Vec<&FrameVectors> = frames.iter().map(|(frame, _)| *frame).collect();
    let own = frames.iter().filter(|(_, of)| *of == light);
    PartOffset::of(&own.map(|(frame, _)| *frame).collect::<Vec<_>>(), &all)
}

impl Fit {
    /// The patches that are looked at.
    pub fn patches(&self) -> &Patches {
        // A fit has a light.
        self.lights[0].map.patches()
    }

    /// How many kinds of light it knows.
    pub fn lights(&self) -> usize {
        self.lights.len()
    }

    /// Measures a frame of this light, given the residual tokens `[P, D]` beside its vectors.
    ///
    /// # Errors
    /// [`Rejection::NotFinite`] if any measurement is NaN or infinite; [`Rejection::Inference`] if
    /// the features are of other shapes than those of the fit.
    ///
    /// # Panics
    /// If the fit knows no such light.
    pub fn measure(
        &self,
        frame: &FrameVectors,
        residual_tokens: &[f32],
        light: usize,
        scratch: &mut Scratch,
    ) -> Result<Measured, Rejection> {
        self.check_shapes(frame, residual_tokens)?;
        let distances = self.distances(residual_tokens, light, scratch);
        self.gauge(frame, &distances, light)
    }

    /// Distances of the residual tokens of a frame of this light, `[P]`.
    pub(super) fn distances(
        &self,
        residual_tokens: &[f32],
        light: usize,
        scratch: &mut Scratch,
    ) -> Vec<f32> {
        let shift = self.lights[light].shift.as_ref();
        distances(shift, &self.tokens, residual_tokens, scratch)
    }

    /// Measures a frame of this light, given the distances of its residual tokens, `[P]`, beside its
    /// vectors.
    pub(super) fn gauge(
        &self,
        frame: &FrameVectors,
        distances: &[f32],
        light: usize,
    ) -> Result<Measured, Rejection> {
        let Light { shift, map } = &self.lights[light];
        let paper = self.paper.score(&frame.z, &frame.d);
        let q = self.parts.q(&level(shift.as_ref(), frame));
        let map = map.map(distances);
        let local = local_score(&map, self.patches());
        let finite = q
            .iter()
            .chain([&paper.sum(), &local])
            .all(|v| v.is_finite());
        if !finite || map.iter().any(|v| !v.is_finite()) {
            return Err(Rejection::NotFinite);
        }
        Ok(Measured {
            paper,
            q,
            local,
            map,
            light,
        })
    }

    /// Whether the features are of the fit's shapes.
    fn check_shapes(&self, frame: &FrameVectors, tokens: &[f32]) -> Result<(), Rejection> {
        let grid = self.patches().grid();
        let vectors = frame.parts();
        let sizes = (0..4).map(|part| (vectors[part].len(), self.parts.gaussians[part].width()));
        let blocks = (frame.d.len(), self.paper.discrepancy.width());
        let patches = (tokens.len(), grid.rows * grid.columns * self.tokens.width());
        match sizes
            .chain([blocks, patches])
            .find(|(got, expected)| got != expected)
        {
            None => Ok(()),
            Some((got, expected)) => Err(Rejection::Inference(format!(
                "a feature has {got} values where the Profile expects {expected}; \
                 it was calibrated with another teacher or student"
            ))),
        }
    }
}
