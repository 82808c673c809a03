//! What was measured of a frame, as messages carry it: score, fault, region, scene, and how the scores
//! stand against those of calibration.
//!
//! Numbers are rounded to six significant digits: what is beyond them is noise of the arithmetic.
//! Assumes that what comes in is finite; only a z-value may be unknown, and is null then.

use jiff::Timestamp;
use serde::Serialize;

use super::alert::{milliseconds_if_any, wall};
use crate::capture::Moment;
use crate::decide::{self, DriftLevel, Evidence, Measure, Picture};
use crate::infer::Grid;
use crate::score::{self, Basis, Parts};

/// A score.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Score {
    basis: Basis,
    value: f64,
    raw: f64,
    threshold: f64,
    p_value: f64,
    local_threshold: f64,
    parts: ScoreParts,
}

#[derive(Debug, Clone, Serialize)]
struct ScoreParts {
    pretrained: f64,
    discrepancy: f64,
    paper: f64,
    #[serde(flatten)]
    default: Parts,
    local: f64,
}

/// What keeps a camera from seeing its scene, or its scores from meaning what they did.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Fault {
    detail: String,
    severity: f64,
}

/// Where in the picture the anomaly is.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Region {
    bbox: [u32; 4],
    peak_cell: [usize; 2],
    grid: [usize; 2],
}

/// What the picture looks like as a whole.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Scene {
    brightness: f64,
    contrast: f64,
    sharpness: f64,
    brightness_z: Option<f64>,
    contrast_z: Option<f64>,
    sharpness_z: Option<f64>,
    drift: Option<DriftLevel>,
}

/// How the scores stand against those of calibration.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Drift {
    level: DriftLevel,
    #[serde(serialize_with = "milliseconds_if_any")]
    since: Option<Timestamp>,
    measure: Option<Measure>,
    shift: Option<f64>,
    limit: Option<f64>,
    frames: u64,
    hours: f64,
}

impl Score {
    pub(super) fn new(score: &score::Score) -> Self {
        let Parts {
            z,
            pooled_mid,
            pooled_late,
            residual,
            bank,
        } = score.parts;
        let (raw, threshold) = rounded_pair(score.raw, score.threshold);
        let (local, local_threshold) = rounded_pair(score.local, score.local_threshold);
        Score {
            basis: score.basis,
            value: rounded_value(score.value),
            raw,
            threshold,
            p_value: rounded(score.p_value),
            local_threshold,
            parts: ScoreParts {
                pretrained: rounded(score.pretrained),
                discrepancy: rounded(score.discrepancy),
                paper: rounded(score.paper),
                default: Parts {
                    z: rounded(z),
                    pooled_mid: rounded(pooled_mid),
                    pooled_late: rounded(pooled_late),
                    residual: rounded(residual),
                    bank: bank.map(rounded),
                },
                local,
            },
        }
    }

    pub(super) fn value(&self) -> f64 {
        self.value
    }

    pub(super) fn basis(&self) -> Basis {
        self.basis
    }

    /// The score of the basis, and above what it is anomalous.
    pub(super) fn raw(&self) -> (f64, f64) {
        (self.raw, self.threshold)
    }

    /// The local score likewise.
    pub(super) fn local(&self) -> (f64, f64) {
        (self.parts.local, self.local_threshold)
    }
}

impl Fault {
    /// The fault that a frame shows; `None` where it was judged.
    pub(super) fn of(evidence: &Evidence) -> Option<Self> {
        match evidence {
            Evidence::Score(_) => None,
            Evidence::Scene(fault) => Some(Fault {
                detail: shortened(fault),
                severity: rounded(fault.severity.into()),
            }),
            Evidence::Drift(drifted) => Some(Fault {
                detail: drifted.detail(),
                severity: rounded(drifted.severity()),
            }),
        }
    }

    pub(super) fn detail(&self) -> &str {
        &self.detail
    }
}

impl Region {
    pub(super) fn new(region: decide::Region) -> Self {
        let Grid { rows, columns } = region.grid;
        Region {
            bbox: region.bbox,
            peak_cell: region.peak_cell,
            grid: [rows, columns],
        }
    }
}

impl Scene {
    pub(super) fn new(picture: &Picture, drift: Option<DriftLevel>) -> Self {
        let scene = picture.scene;
        let z = picture.scene_z;
        let known = |z: f32| z.is_finite().then(|| rounded(z.into()));
        Scene {
            brightness: rounded(scene.brightness.into()),
            contrast: rounded(scene.contrast.into()),
            sharpness: rounded(scene.sharpness.into()),
            brightness_z: z.and_then(|z| known(z.brightness_z)),
            contrast_z: z.and_then(|z| known(z.contrast_z)),
            sharpness_z: z.and_then(|z| known(z.sharpness_z)),
            drift,
        }
    }
}

impl Drift {
    /// As it stands at a frame taken `at`.
    pub(super) fn new(drift: &decide::Drift, at: &Moment) -> Self {
        let shift = drift.shift.as_ref();
        Drift {
            level: drift.level,
            since: drift.since.map(|since| wall(&since, at)),
            measure: shift.map(|shift| shift.measure),
            shift: shift.map(|shift| rounded(shift.shift)),
            limit: shift.map(|shift| rounded(shift.limit)),
            frames: drift.frames,
            hours: rounded(drift.watched.as_secs_f64() / 3600.0),
        }
    }
}

/// A number with six significant digits.
fn rounded(number: f64) -> f64 {
    format!("{number:.5e}").parse().unwrap_or(number)
}

/// A number and its threshold: rounded, unless that would change which is the larger.
fn rounded_pair(number: f64, threshold: f64) -> (f64, f64) {
    let (near, line) = (rounded(number), rounded(threshold));
    if (near > line) == (number > threshold) {
        (near, line)
    } else {
        (number, threshold)
    }
}

/// A score's value, whose threshold is as it is.
fn rounded_value(value: f64) -> f64 {
    rounded_pair(value, 0.5).0
}

/// The most characters of a text that comes from outside, such as a driver's complaint.
const MAX_WORDS: usize = 500;

/// A text for people, cut where it is too long.
pub(super) fn shortened(text: &impl ToString) -> String {
    let mut text = text.to_string();
    if let Some((end, _)) = text.char_indices().nth(MAX_WORDS) {
        text.truncate(end);
        text.push('\u{2026}');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn six_digits_are_left_of_a_number_and_it_never_leaves_its_range() {
        let cases = [
            (412.712_345_678, 412.712),
            (-0.000_123_456_789, -0.000_123_457),
            (f64::from(0.42f32), 0.42),
            (0.999_999_99, 1.0),
            (0.0, 0.0),
            (1e-320, 1e-320),
        ];
        for (number, expected) in cases {
            assert_eq!(rounded(number), expected);
        }
    }

    #[test]
    fn rounding_makes_no_anomalous_frame_look_normal() {
        assert_eq!(rounded_pair(412.712_345, 361.0), (412.712, 361.0));
        let close = (10.000_000_2, 10.000_000_1);
        assert_eq!(rounded_pair(close.0, close.1), close);
        assert!(rounded_value(0.500_000_000_1) > 0.5);
        assert_eq!(rounded_value(0.499_999_999), 0.5);
    }

    #[test]
    fn a_long_text_is_cut_between_two_characters() {
        let long = "\u{e4}".repeat(MAX_WORDS + 1);
        assert_eq!(shortened(&long).chars().count(), MAX_WORDS + 1);
        assert!(shortened(&long).ends_with('\u{2026}'));
        let short = "\u{e4}".repeat(MAX_WORDS);
        assert_eq!(shortened(&short), short);
    }
}
