//! Features to a score: Gaussians, whitening, shrinkage, the map, the threshold; and the Profile
//! that holds them. Higher is more anomalous, everywhere in this module's output.

pub mod samples;

pub mod moments;

pub mod gaussian;

pub mod whitening;

pub mod paper;

pub mod parts;

pub mod tokens;

pub mod bank;

pub mod map;

pub mod threshold;

mod tail;

pub mod budget;

pub mod lines;

mod looks;

pub mod crossfit;

pub mod light;

pub mod fit;

pub mod statistics;

pub mod refit;

pub mod rise;

pub mod profile;

#[cfg(test)]
pub(crate) mod fixture;

#[cfg(test)]
mod masked_tests;

#[cfg(test)]
pub(crate) use looks::frames_a_look;

/// Which score decides.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Default,
    serde::Serialize,
    serde::Deserialize,
    clap::ValueEnum,
)]
#[serde(rename_all = "lowercase")]
pub enum Scoring {
    /// The sum of the calibrated parts (METHOD.md, section 3).
    #[default]
    Default,
    /// The paper's: minus the sum of both branches' log-likelihoods (METHOD.md, section 2).
    Paper,
}

/// What a verdict rests on: each basis has its own threshold, and either may alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Basis {
    /// The picture as a whole: the `paper` or the `default` score, as the Profile says.
    Image,
    /// A small part of it: the local score.
    Local,
}

/// Every score of one frame.
#[derive(Debug, Clone, PartialEq)]
pub struct Score {
    /// Which of the two scores that may alarm is further beyond its threshold, or nearer to it.
    pub basis: Basis,
    /// The score of that basis.
    pub raw: f64,
    /// Its threshold: above it the frame is anomalous.
    pub threshold: f64,
    /// 0..1, the threshold at 0.5; for each basis strictly monotonic in `raw`.
    pub value: f64,
    /// Share of held-out normal frames that score at least as high: `(1 + #) / (1 + n)`.
    pub p_value: f64,
    /// Minus the log-likelihood of the whitened class token.
    pub pretrained: f64,
    /// Minus the log-likelihood of the discrepancy feature.
    pub discrepancy: f64,
    /// `pretrained + discrepancy`.
    pub paper: f64,
    /// Sum of `parts`.
    pub default: f64,
    /// The calibrated parts of the default score.
    pub parts: Parts,
    /// Mean of the three largest cells of the smoothed map.
    pub local: f64,
    /// The local score's own threshold.
    pub local_threshold: f64,
    /// Whether the frame is beyond the alarm line of either basis too.
    pub is_alarm: bool,
    /// Per patch, in standard deviations of the normal frames at that place, `[rows * columns]`; 0
    /// where it is masked.
    pub map: Vec<f32>,
    /// Its shape, and which of its cells are looked at.
    pub patches: crate::infer::Patches,
}

impl Score {
    /// Whether the frame is anomalous by itself.
    pub fn is_anomalous(&self) -> bool {
        self.raw > self.threshold
    }

    /// Whether it is anomalous, but no further than that a light which was never learnt may be why.
    pub fn is_suspect(&self) -> bool {
        self.is_anomalous() && !self.is_alarm
    }
}

/// The calibrated parts of the default score, four or with a memory bank five; each about 0 +- 1 on
/// normal frames.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Parts {
    /// Class token.
    pub z: f64,
    /// Pooled tokens of the middle block.
    pub pooled_mid: f64,
    /// Pooled tokens of the late block.
    pub pooled_late: f64,
    /// Residual of the student.
    pub residual: f64,
    /// Memory bank, where the Profile has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bank: Option<f64>,
}
