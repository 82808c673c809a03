//! The parts of the default score (METHOD.md, section 3): four with one shrunk Gaussian each, optionally
//! a memory bank, and the scale that makes them comparable.
//!
//! A part's `q` is a squared Mahalanobis distance; its `t = (q - mean) / deviation` uses the mean
//! and deviation of frames that neither the Gaussian nor the student saw. Part order is that of
//! [`Parts`] everywhere.

use super::Parts;
use super::gaussian::Gaussian;
use super::samples::{FitError, Samples};
use crate::infer::{DiscrepancyFeatures, Features, PretrainedFeatures};

/// One frame's small vectors: all that the image-level statistics need of it. The tokens, which
/// are a hundred times as large, go to the map.
#[derive(Debug, Clone, PartialEq)]
pub struct FrameVectors {
    /// Class token, `[D]`.
    pub z: Vec<f32>,
    /// Pooled tokens of the middle block, `[2 D]`.
    pub pooled_mid: Vec<f32>,
    /// Pooled tokens of the late block, `[2 D]`.
    pub pooled_late: Vec<f32>,
    /// Mean residual of the student, `[D]`.
    pub residual: Vec<f32>,
    /// Discrepancy feature, `[blocks]`.
    pub d: Vec<f64>,
}

impl From<&Features> for FrameVectors {
    fn from(features: &Features) -> Self {
        Self::new(&features.pretrained, &features.discrepancy)
    }
}

impl FrameVectors {
    /// Of one frame's features.
    pub fn new(pretrained: &PretrainedFeatures, discrepancy: &DiscrepancyFeatures) -> Self {
        Self {
            z: pretrained.z.clone(),
            pooled_mid: pretrained.pooled_mid.clone(),
            pooled_late: pretrained.pooled_late.clone(),
            residual: discrepancy.residual.clone(),
            d: discrepancy.d.clone(),
        }
    }

    /// The vectors of the four parts.
    pub(super) fn parts(&self) -> [&[f32]; 4] {
        [&self.z, &self.pooled_mid, &self.pooled_late, &self.residual]
    }

    /// The same with the `offset` of its light taken off its parts.
    pub(super) fn less(&self, offset: &PartOffset) -> FrameVectors {
        let [z, pooled_mid, pooled_late, residual] = self.parts();
        let less = |vector: &[f32], part: usize| -> Vec<f32> {
            let values = vector.iter().zip(&offset.parts[part]);
            values
                .map(|(value, offset)| (f64::from(*value) - offset) as f32)
                .collect()
        };
        FrameVectors {
            z: less(z, 0),
            pooled_mid: less(pooled_mid, 1),
            pooled_late: less(pooled_late, 2),
            residual: less(residual, 3),
            d: self.d.clone(),
        }
    }
}

/// By how much the mean of each part differs in one light from its mean over all frames.
#[derive(Debug, Clone, PartialEq)]
pub struct PartOffset {
    pub(super) parts: [Vec<f64>; 4],
}

impl PartOffset {
    /// Of the frames of one light among `all`.
    ///
    /// # Errors
    /// [`FitError::TooFew`] without frames.
    pub(super) fn of(light: &[&FrameVectors], all: &[&FrameVectors]) -> Result<Self, FitError> {
        if light.is_empty() {
            return Err(FitError::TooFew { needed: 1, got: 0 });
        }
        let offset = |part: usize| {
            let means = mean(light, part).into_iter().zip(mean(all, part));
            means.map(|(own, all)| own - all).collect()
        };
        Ok(PartOffset {
            parts: std::array::from_fn(offset),
        })
    }

    /// That of the residual.
    pub(super) fn residual(&self) -> &[f64] {
        &self.parts[3]
    }
}

fn mean(frames: &[&FrameVectors], part: usize) -> Vec<f64> {
    let mut mean = vec![0.0; frames[0].parts()[part].len()];
    for frame in frames {
        for (mean, value) in mean.iter_mut().zip(frame.parts()[part]) {
            *mean += f64::from(*value) / frames.len() as f64;
        }
    }
    mean
}

/// Names of the parts, in order.
pub(super) const NAMES: [&str; 4] = ["z", "pooled_mid", "pooled_late", "residual"];
/// That of the optional one.
pub(super) const BANK: &str = "bank";

/// How far one frame is from the normal ones by each part, before any calibration.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PartDistances {
    /// Squared Mahalanobis distances of the four vectors.
    pub q: [f64; 4],
    /// Distance from the memory bank, where there is one.
    pub bank: Option<f64>,
}

/// The Gaussians of the four parts.
#[derive(Debug, Clone, PartialEq)]
pub struct PartGaussians {
    pub(super) gaussians: [Gaussian; 4],
}

impl PartGaussians {
    /// Fits each part's Gaussian with Ledoit-Wolf shrinkage.
    ///
    /// # Errors
    /// As [`Gaussian::fit_ledoit_wolf`] and [`Samples::gather`].
    pub fn fit(frames: &[&FrameVectors]) -> Result<Self, FitError> {
        let fit = |part: usize| -> Result<Gaussian, FitError> {
            let samples = Samples::gather(frames.iter().map(|frame| frame.parts()[part]))?;
            let named = |error| match error {
                FitError::NoVariation { .. } => FitError::NoVariation { what: NAMES[part] },
                other => other,
            };
            Ok(Gaussian::fit_ledoit_wolf(&samples).map_err(named)?.gaussian)
        };
        Ok(Self {
            gaussians: [fit(0)?, fit(1)?, fit(2)?, fit(3)?],
        })
    }

    /// Squared Mahalanobis distance of each part.
    ///
    /// # Panics
    /// If a vector is of another length than those it was fitted on.
    pub fn q(&self, frame: &FrameVectors) -> [f64; 4] {
        let vectors = frame.parts();
        std::array::from_fn(|part| self.gaussians[part].mahalanobis_squared(vectors[part]))
    }
}

/// Mean and standard deviation of what one part measures in frames that it did not learn from.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartScale {
    /// Subtracted from `q`, or from the distance.
    pub mean: f64,
    /// Divides the rest.
    pub deviation: f64,
}

/// The scales of the parts.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PartScales {
    /// Class token.
    pub z: PartScale,
    /// Pooled tokens of the middle block.
    pub pooled_mid: PartScale,
    /// Pooled tokens of the late block.
    pub pooled_late: PartScale,
    /// Residual of the student.
    pub residual: PartScale,
    /// Memory bank, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bank: Option<PartScale>,
}

impl PartScales {
    /// From what held-out frames measured; divisor `n`.
    ///
    /// # Errors
    /// [`FitError::TooFew`] under two frames, [`FitError::NoVariation`] if a part is always the same.
    pub fn calibrate(held_out: &[PartDistances]) -> Result<Self, FitError> {
        let q = |part: usize, name: &'static str| {
            PartScale::calibrate(held_out.iter().map(|own| own.q[part]), name)
        };
        let bank: Option<Vec<f64>> = held_out.iter().map(|own| own.bank).collect();
        Ok(Self {
            z: q(0, NAMES[0])?,
            pooled_mid: q(1, NAMES[1])?,
            pooled_late: q(2, NAMES[2])?,
            residual: q(3, NAMES[3])?,
            bank: bank
                .map(|bank| PartScale::calibrate(bank.into_iter(), BANK))
                .transpose()?,
        })
    }

    /// The parts of one frame.
    pub fn apply(&self, PartDistances { q, bank }: &PartDistances) -> Parts {
        Parts {
            z: self.z.apply(q[0]),
            pooled_mid: self.pooled_mid.apply(q[1]),
            pooled_late: self.pooled_late.apply(q[2]),
            residual: self.residual.apply(q[3]),
            bank: self
                .bank
                .zip(*bank)
                .map(|(scale, distance)| scale.apply(distance)),
        }
    }
}

impl PartScale {
    fn calibrate(
        held_out: impl ExactSizeIterator<Item = f64> + Clone,
        what: &'static str,
    ) -> Result<Self, FitError> {
        let n = held_out.len();
        if n < 2 {
            return Err(FitError::TooFew { needed: 2, got: n });
        }
        let mean = held_out.clone().sum::<f64>() / n as f64;
        let square: f64 = held_out.map(|value| (value - mean).powi(2)).sum();
        let deviation = (square / n as f64).sqrt();
        if deviation.is_nan() || deviation <= f64::EPSILON * mean.abs() {
            return Err(FitError::NoVariation { what });
        }
        Ok(PartScale { mean, deviation })
    }

    fn apply(&self, value: f64) -> f64 {
        (value - self.mean) / self.deviation
    }
}

impl Parts {
    /// The default score.
    pub fn sum(&self) -> f64 {
        let gaussian = self.z + self.pooled_mid + self.pooled_late + self.residual;
        gaussian + self.bank.unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calibrated_parts_have_mean_zero_and_deviation_one() {
        let held_out = [
            (1.0, [1.0, 10.0, 5.0, 2.0]),
            (7.0, [3.0, 30.0, 6.0, 4.0]),
            (4.0, [5.0, 20.0, 9.0, 9.0]),
        ]
        .map(|(bank, q)| PartDistances {
            q,
            bank: Some(bank),
        });
        let scales = PartScales::calibrate(&held_out).unwrap();
        let sum: f64 = held_out.iter().map(|q| scales.apply(q).sum()).sum();
        let square: f64 = held_out
            .iter()
            .map(|q| scales.apply(q).pooled_mid.powi(2))
            .sum();
        assert!(sum.abs() < 1e-12);
        let bank = |own: &PartDistances| scales.apply(own).bank.unwrap();
        let bank_square: f64 = held_out.iter().map(|own| bank(own).powi(2)).sum();
        assert!((bank_square / 3.0 - 1.0).abs() < 1e-12);
        assert!((square / 3.0 - 1.0).abs() < 1e-12);
    }

    #[test]
    fn a_part_that_never_varies_is_named() {
        let frames = [[1.0, 2.0, 3.0, 4.0], [2.0, 3.0, 3.0, 5.0]];
        let refused = PartScales::calibrate(&frames.map(|q| PartDistances { q, bank: None }));
        assert_eq!(
            refused,
            Err(FitError::NoVariation {
                what: "pooled_late"
            })
        );
    }
}
