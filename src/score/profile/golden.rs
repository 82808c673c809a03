//! Golden frames: some of the normal footage in the Profile, each with what it scored at calibration.
//!
//! Whoever is to score by a Profile scores them first, by the steps of every other frame; where a
//! score comes out otherwise, this machine or this build does not do what calibration did, and no
//! verdict of it holds. Hashes can't tell that: they say that the files are whole, not what is made
//! of them. Here are the values and the tolerance; who decodes and infers is not known here.

use std::ffi::OsStr;

use crate::preprocess::extension;
use crate::score::statistics::Statistics;
use crate::score::{Parts, Score, Scoring};

/// A picture whose file is larger is no golden frame: three bound what a Profile grows by.
pub const GOLDEN_BYTES: usize = 4 << 20;

/// How far the published value may lie from that of calibration, on its scale of 0..1: at the
/// threshold this is 2 % of the way from the median normal score to the threshold.
const OF_VALUE: f64 = 0.01;

/// How far what it is made of may lie: in deviations of the normal frames for the parts, the local
/// score and the map, in nats for the paper's branches.
///
/// Another processor's kernels (AVX-512 and SSE4.1, a ViT of width 128 and a ViT-Ti, three kinds of
/// footage) move none by more than 0.00001; a tenth of all pixels off by one level, more than decoders
/// and resizers that round otherwise would do, by at most 0.08.
const OF_PARTS: f64 = 0.1;

/// A golden frame without its picture.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Golden {
    /// Name of its file, beside `profile.json`.
    pub file: String,
    /// What it scored.
    pub scores: GoldenScores,
}

/// What is compared: between them, every part of a Profile moves one.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GoldenScores {
    /// The score that decides, as it would be published, 0..1.
    pub image_value: f64,
    /// The local score as it would be published.
    pub local_value: f64,
    /// Local score.
    pub local: f64,
    /// Mean of the map's cells: the local score looks at three of them.
    pub map: f64,
    /// Minus the log-likelihoods of the paper's branches.
    pub pretrained: f64,
    /// The same of the discrepancy.
    pub discrepancy: f64,
    /// Parts of the default score.
    pub parts: Parts,
}

impl GoldenScores {
    /// Those of a frame that was scored by these statistics, as calibrated.
    pub fn of(score: &Score, statistics: &Statistics) -> Self {
        let cells = score.map.iter().map(|&cell| f64::from(cell));
        let deciding = match statistics.scoring() {
            Scoring::Default => score.default,
            Scoring::Paper => score.paper,
        };
        GoldenScores {
            // Both: only the larger of them is published, and so only one threshold is seen.
            image_value: statistics.deciding().value(deciding),
            local_value: statistics.local().value(score.local),
            local: score.local,
            map: cells.sum::<f64>() / score.map.len().max(1) as f64,
            pretrained: score.pretrained,
            discrepancy: score.discrepancy,
            parts: score.parts,
        }
    }

    /// As published.
    pub fn value(&self) -> f64 {
        self.image_value.max(self.local_value)
    }

    /// Each with its name and its tolerance.
    fn each(&self) -> [(&'static str, f64, f64); 11] {
        [
            ("value of the image", self.image_value, OF_VALUE),
            ("value of the local score", self.local_value, OF_VALUE),
            ("local score", self.local, OF_PARTS),
            ("map", self.map, OF_PARTS),
            ("pretrained branch", self.pretrained, OF_PARTS),
            ("discrepancy branch", self.discrepancy, OF_PARTS),
            ("part z", self.parts.z, OF_PARTS),
            ("part pooled_mid", self.parts.pooled_mid, OF_PARTS),
            ("part pooled_late", self.parts.pooled_late, OF_PARTS),
            ("part residual", self.parts.residual, OF_PARTS),
            ("part bank", self.parts.bank.unwrap_or_default(), OF_PARTS),
        ]
    }

    /// The difference that is furthest beyond its tolerance, in words.
    fn difference(&self, now: &GoldenScores) -> Option<String> {
        let pairs = self.each().into_iter().zip(now.each());
        let apart = pairs.map(|(then, now)| ((then.1 - now.1).abs() / then.2, then, now.1));
        let (times, (name, then, most), now) = apart.max_by(|a, b| a.0.total_cmp(&b.0))?;
        // What is not a number is no score, and more than any other by `total_cmp`.
        let is_near = times <= 1.0;
        (!is_near).then(|| format!("the {name} is {now:.4}, was {then:.4}, and may be {most} off"))
    }
}

/// A golden frame: its picture as a file, and what it scored.
#[derive(Debug, Clone, PartialEq)]
pub struct GoldenFrame {
    golden: Golden,
    bytes: Vec<u8>,
}

impl GoldenFrame {
    /// The `number`-th of a Profile, counted from 1: a JPEG or PNG file, which scored this.
    pub fn new(number: usize, bytes: Vec<u8>, scores: GoldenScores) -> Self {
        let golden = Golden {
            file: format!("golden-{number}.{}", extension(&bytes)),
            scores,
        };
        GoldenFrame { golden, bytes }
    }

    pub(super) fn loaded(golden: Golden, bytes: Vec<u8>) -> Self {
        GoldenFrame { golden, bytes }
    }

    /// What it scored, and the name of its file.
    pub fn scored(&self) -> &Golden {
        &self.golden
    }

    /// The file.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// How what it scores now differs from what it did, in words; none within the tolerance.
    pub fn difference(&self, now: &GoldenScores) -> Option<String> {
        self.golden.scores.difference(now)
    }
}

/// Whether a file of a Profile may be called so.
pub(super) fn is_golden_name(name: &OsStr) -> bool {
    let number = name.to_str().and_then(|name| {
        let stem = name.strip_prefix("golden-")?;
        stem.strip_suffix(".jpg").or(stem.strip_suffix(".png"))
    });
    number.is_some_and(|number| number.len() == 1 && number.bytes().all(|c| c.is_ascii_digit()))
}

#[cfg(test)]
#[path = "golden_tests.rs"]
mod tests;
