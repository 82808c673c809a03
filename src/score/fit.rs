//! Fit: what one set of normal frames teaches, and frames measured by it.
//!
//! It grows in two steps, since the map needs what the tokens of all frames have taught: a [`Draft`]
//! holds the Gaussians, then each frame's tokens find their places. Images, models and files are
//! unknown here; so are scales and thresholds, which come from frames that a fit did not see.

use std::borrow::Cow;

use super::bank::MemoryBank;
use super::light::{Light, Shift, distances, level};
use super::map::{MapStatistics, PositionMoments, local_score};
use super::moments::Moments;
use super::paper::{PaperGaussians, PaperScore};
use super::parts::{FrameVectors, PartDistances, PartGaussians, PartOffset};
use super::samples::{FitError, Samples};
use super::tokens::{FrameTokens, Scratch, TokenGaussian};
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
    /// One for all lights.
    pub(super) bank: Option<MemoryBank>,
}

/// One frame measured by a [`Fit`], before any calibration.
#[derive(Debug, Clone, PartialEq)]
pub struct Measured {
    /// The paper's two branches.
    pub paper: PaperScore,
    /// By each part of the default score.
    pub parts: PartDistances,
    /// Local score.
    pub local: f64,
    /// The map, `[P]`; empty where the numbers alone were kept.
    pub map: Vec<f32>,
    /// The light that the frame is of.
    pub light: usize,
}

/// A normal frame that a fit learns from.
#[derive(Debug, Clone, Copy)]
pub struct Taught<'f> {
    /// What the models see of it.
    pub vectors: &'f FrameVectors,
    /// The light that it is of.
    pub light: usize,
    /// Whether it is a copy of another frame, in other light: the paper's Gaussians don't learn from it.
    pub is_copy: bool,
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
    /// Fits the Gaussians on `frames`, and on the moments of their residual tokens, one set for each light.
    ///
    /// # Errors
    /// Any [`FitError`]; the text says which part and what to do.
    ///
    /// # Panics
    /// Without a light, or if a frame's is none of them.
    pub fn new(
        frames: &[Taught<'_>],
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
        frames: &[Taught<'_>],
        patches: &Patches,
    ) -> Result<Self, FitError> {
        let own = frames.iter().filter(|frame| !frame.is_copy);
        let z = Samples::gather(own.clone().map(|frame| frame.vectors.z.as_slice()))?;
        let d = Samples::gather(own.map(|frame| frame.vectors.d.as_slice()))?;
        let paper = PaperGaussians::fit(&z, &d)?;
        let level: Vec<_> = frames
            .iter()
            .map(|frame| level(shifts[frame.light].as_ref(), frame.vectors))
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
            bank: None,
        })
    }
}

/// How the frames of one light differ from all.
fn offset(frames: &[Taught<'_>], light: usize) -> Result<PartOffset, FitError> {
    let all: Vec<&FrameVectors> = frames.iter().map(|frame| frame.vectors).collect();
    let own = frames.iter().filter(|frame| frame.light == light);
    PartOffset::of(&own.map(|frame| frame.vectors).collect::<Vec<_>>(), &all)
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

    /// The same with a memory bank.
    #[must_use]
    pub fn with_bank(self, bank: Option<MemoryBank>) -> Fit {
        Fit { bank, ..self }
    }

    /// The memory bank, where it has one.
    pub fn bank(&self) -> Option<&MemoryBank> {
        self.bank.as_ref()
    }

    /// Measures a frame of this light, given its tokens beside its vectors.
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
        tokens: FrameTokens<'_>,
        light: usize,
        scratch: &mut Scratch,
    ) -> Result<Measured, Rejection> {
        self.check_shapes(frame, tokens)?;
        let distances = self.distances(tokens.residual, light, scratch);
        let from_bank = self.bank_distance(tokens, scratch);
        self.gauge(frame, &distances, from_bank, light)
    }

    /// Distance of a frame from the bank.
    pub(super) fn bank_distance(
        &self,
        tokens: FrameTokens<'_>,
        scratch: &mut Scratch,
    ) -> Option<f64> {
        let bank = self.bank.as_ref()?;
        Some(bank.distance(tokens.blended, self.patches(), &mut scratch.bank))
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

    /// Measures a frame of this light, given the distances of its residual tokens, `[P]`, and that from
    /// the bank beside its vectors.
    pub(super) fn gauge(
        &self,
        frame: &FrameVectors,
        distances: &[f32],
        from_bank: Option<f64>,
        light: usize,
    ) -> Result<Measured, Rejection> {
        let Light { shift, map } = &self.lights[light];
        let paper = self.paper.score(&frame.z, &frame.d);
        let q = self.parts.q(&level(shift.as_ref(), frame));
        let map = map.map(distances);
        let local = local_score(&map, self.patches());
        let finite = q
            .iter()
            .chain(&from_bank)
            .chain([&paper.sum(), &local])
            .all(|v| v.is_finite());
        if !finite || map.iter().any(|v| !v.is_finite()) {
            return Err(Rejection::NotFinite);
        }
        Ok(Measured {
            paper,
            parts: PartDistances { q, bank: from_bank },
            local,
            map,
            light,
        })
    }

    /// Whether the features are of the fit's shapes.
    fn check_shapes(&self, frame: &FrameVectors, tokens: FrameTokens<'_>) -> Result<(), Rejection> {
        let grid = self.patches().grid();
        let patches = grid.rows * grid.columns;
        let vectors = frame.parts();
        let sizes = (0..4).map(|part| (vectors[part].len(), self.parts.gaussians[part].width()));
        let blocks = (frame.d.len(), self.paper.discrepancy.width());
        let residual = (tokens.residual.len(), patches * self.tokens.width());
        let bank = (self.bank.iter()).map(|bank| (tokens.blended.len(), patches * bank.width()));
        match sizes
            .chain([blocks, residual])
            .chain(bank)
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
