//! Report: what a calibration found in its footage, for people (`report.html`) and for programs
//! (`report.json`).
//!
//! All numbers come from held-out frames: each was scored by statistics that did not see its block
//! of time. It describes a Profile and is no part of it: nothing that scores reads it. Pictures are
//! handed in by whoever has the footage.

mod advice;
mod axis;
mod chart;
mod gallery;
mod html;
mod light;
mod promise;
mod text;
mod variety;

#[cfg(test)]
mod fixture;

use std::sync::Arc;

pub use self::gallery::MOST_KINDS;
pub use self::html::page;
pub use self::light::{Brightness, KindOfLight, LightChange};
pub use self::promise::{Lines, Promise};
pub use self::variety::{Kind, Variety};
use super::calibrate::Calibration;
use crate::score::profile::Profile;
use crate::score::statistics::Statistics;
use crate::score::{Basis, Score, Scoring};

/// The version of `report.json`.
const FORMAT: u32 = 1;
/// Normal frames that are shown with their pictures, those of the highest scores.
const WORST: usize = 10;
/// Frames that could not be used and are named; the others are counted.
const MOST_NAMED: usize = 20;

/// What is known of a frame that was used, beside its features.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct FrameNote {
    /// Its number in the footage, from 0.
    pub number: usize,
    /// The file's name, where it has one.
    #[serde(serialize_with = "as_text")]
    pub name: Option<Arc<str>>,
    /// Since the first frame used, where the footage keeps time.
    pub seconds: Option<f64>,
    /// Mean luma, 0..1.
    pub brightness: f32,
}

/// What a calibration found.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Report {
    /// Version of this format.
    pub format: u32,
    /// The identity of the Profile that it describes.
    pub profile: String,
    /// The Profile's name: that of its directory.
    pub name: String,
    /// When calibration ended; none before the Profile is made.
    pub calibrated_at: Option<jiff::Timestamp>,
    /// Version of inspectd.
    pub version: &'static str,
    /// Which score decides on the picture as a whole.
    pub scoring: Scoring,
    /// What was looked at.
    pub footage: Footage,
    /// How many false alarms are likely.
    pub promise: Promise,
    /// What would make it better, one sentence each; none where nothing would.
    pub advice: Vec<String>,
    /// The scores of the held-out frames, of each basis.
    pub scores: [Trace; 2],
    /// The normal frames of the highest scores, highest first.
    pub worst: Vec<Worst>,
    /// How much the footage shows.
    pub variety: Variety,
    /// How bright it is.
    pub light: Brightness,
    /// The frames used, in the footage's order: the indices above point here.
    pub frames: Vec<FrameNote>,
}

/// What was looked at.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Footage {
    /// Where it came from.
    pub source: String,
    /// Frames in it.
    pub frames: usize,
    /// Those that were learnt from.
    pub used: usize,
    /// Columns and rows, where all frames have the same.
    pub size: Option<(u32, u32)>,
    /// From the first to the last frame used, where the footage keeps time.
    pub seconds: Option<f64>,
    /// Frames that could not be used.
    pub left_out: usize,
    /// Names and reasons of the first of them.
    pub left_out_first: Vec<(String, String)>,
}

/// The scores of one basis over the footage.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Trace {
    /// Whose scores.
    pub basis: Basis,
    /// Where it warns and where it alarms.
    pub lines: Lines,
    /// Of the scores.
    pub median: f64,
    /// Held-out frames above the threshold.
    pub above: usize,
    /// One a frame.
    pub raw: Vec<f64>,
}

/// One of the normal frames of the highest scores.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Worst {
    /// Which of the report's frames.
    pub frame: usize,
    /// The basis that is further beyond its line, or nearer to it.
    pub basis: Basis,
    /// The score of that basis.
    pub raw: f64,
    /// Its threshold.
    pub threshold: f64,
    /// 0..1, the threshold at 0.5.
    pub value: f64,
    /// Share of held-out frames that score at least as high.
    pub p_value: f64,
    /// The heat map, `[rows * columns]`.
    #[serde(skip)]
    pub map: Vec<f32>,
}

/// A JPEG with its size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Print {
    /// The file.
    pub jpeg: Vec<u8>,
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

/// The pictures of a report; what could not be drawn is absent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pictures {
    /// Of each of the worst: the frame, and the same with its heat map.
    pub worst: Vec<Option<[Print; 2]>>,
    /// An example of each kind.
    pub kinds: Vec<Option<Print>>,
}

impl Report {
    /// Of a calibration on `source`, for a Profile called `name`.
    pub fn of(learnt: &Calibration, source: &str, name: &str) -> Report {
        let statistics = &learnt.statistics;
        let frames = learnt.notes.clone();
        let scores: Vec<Score> = learnt
            .held_out
            .iter()
            .map(|measured| statistics.judge(measured.clone()))
            .collect();
        let vectors: Vec<&[f32]> = learnt
            .taught
            .iter()
            .map(|frame| &frame.vectors.z[..])
            .collect();
        let brightness: Vec<f32> = frames.iter().map(|frame| frame.brightness).collect();
        let lights = learnt.held_out.iter().map(|frame| frame.light);
        let lights = lights.zip(scores.iter().map(Score::is_anomalous));
        let named = learnt.rejected.iter().take(MOST_NAMED).cloned();
        let mut report = Report {
            format: FORMAT,
            profile: String::new(),
            name: name.to_owned(),
            calibrated_at: None,
            version: env!("CARGO_PKG_VERSION"),
            scoring: statistics.scoring(),
            footage: Footage {
                source: source.to_owned(),
                frames: learnt.frames,
                used: learnt.used,
                size: learnt.size,
                seconds: frames.last().and_then(|frame| frame.seconds),
                left_out: learnt.rejected.len(),
                left_out_first: named.collect(),
            },
            promise: Promise::of(statistics),
            advice: Vec::new(),
            scores: traces(statistics, &scores),
            worst: worst(&scores),
            variety: Variety::of(&vectors),
            light: Brightness::of(&brightness, &lights.collect::<Vec<_>>()),
            frames,
        };
        report.advice = advice::advice(&report, learnt);
        report
    }

    /// The same, once the Profile has been made.
    pub fn issued(self, profile: &Profile) -> Report {
        Report {
            profile: profile.id().to_owned(),
            calibrated_at: Some(profile.receipt().calibrated_at),
            ..self
        }
    }

    /// `report.json`.
    pub fn to_json(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec(self).expect("keys are strings and maps are owned");
        bytes.push(b'\n');
        bytes
    }
}

impl Trace {
    /// Whether a frame lies above the threshold.
    fn is_above(&self, frame: usize) -> bool {
        self.raw
            .get(frame)
            .is_some_and(|raw| *raw > self.lines.threshold)
    }
}

fn traces(statistics: &Statistics, scores: &[Score]) -> [Trace; 2] {
    let image = |score: &Score| match statistics.scoring() {
        Scoring::Default => score.default,
        Scoring::Paper => score.paper,
    };
    let trace = |basis, threshold, raw: Vec<f64>| {
        let lines = Lines::of(threshold);
        let mut sorted = raw.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        Trace {
            basis,
            lines,
            median: sorted.get(sorted.len() / 2).copied().unwrap_or_default(),
            above: raw.iter().filter(|raw| **raw > lines.threshold).count(),
            raw,
        }
    };
    [
        trace(
            Basis::Image,
            statistics.deciding(),
            scores.iter().map(image).collect(),
        ),
        trace(
            Basis::Local,
            statistics.local(),
            scores.iter().map(|score| score.local).collect(),
        ),
    ]
}

fn worst(scores: &[Score]) -> Vec<Worst> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[b].value.total_cmp(&scores[a].value));
    let shown = order.into_iter().take(WORST);
    shown
        .map(|frame| {
            let score = &scores[frame];
            Worst {
                frame,
                basis: score.basis,
                raw: score.raw,
                threshold: score.threshold,
                value: score.value,
                p_value: score.p_value,
                map: score.map.clone(),
            }
        })
        .collect()
}

#[expect(clippy::ref_option, reason = "the signature is serde's")]
fn as_text<S: serde::Serializer>(name: &Option<Arc<str>>, to: S) -> Result<S::Ok, S::Error> {
    serde::Serialize::serialize(&name.as_deref(), to)
}

#[cfg(test)]
mod tests;
