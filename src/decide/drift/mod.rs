//! Drift: the scores of normal frames move away from those of calibration, over hours, before any of
//! them is anomalous by itself (METHOD.md, section 7).
//!
//! A [`DriftWatch`] holds the frames of the last hours against the held-out frames of the Profile. It
//! is a plain value of a few kilobytes that allocates nothing a frame, and it adapts nothing. Only a
//! rise is drift: every measure is a distance from what was learnt. What is anomalous, or lies within
//! an anomaly, is the anomaly's and never counts here; nor does a verdict that was merely repeated.

mod reference;
mod window;

use std::time::Duration;

pub use reference::DriftReference;
use window::Window;

use super::evidence::Sign;
use super::{Evidence, Judged, Picture};
use crate::capture::Moment;

/// From this share of the limit on the scores are watched ...
const SOME: f64 = 0.75;
/// ... and under this one a level that was reached ends.
const RELEASE: f64 = 0.6;

/// Whether drift is watched for, and over how long.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DriftRules {
    /// Whether it is.
    pub watches: bool,
    /// The time of watching that is looked back on.
    pub window: Duration,
}

impl Default for DriftRules {
    fn default() -> Self {
        DriftRules {
            watches: true,
            window: Duration::from_secs(2 * 3600),
        }
    }
}

/// How far the scores have moved.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DriftLevel {
    /// Not, or not for long enough to be told.
    #[default]
    None,
    /// Towards the limit.
    Some,
    /// Beyond the limit: an incident.
    Strong,
}

impl DriftLevel {
    /// The next one, where the shift is this share of its limit.
    fn next(self, share: f64) -> DriftLevel {
        match self {
            _ if share >= 1.0 => DriftLevel::Strong,
            DriftLevel::None if share >= SOME => DriftLevel::Some,
            reached if share >= RELEASE => reached,
            _ => DriftLevel::None,
        }
    }
}

/// What of a frame is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Measure {
    /// The score of the picture as a whole that decides.
    Image,
    /// The local score.
    Local,
    /// The parts of the default score: distances of the embeddings.
    Z,
    /// Pooled tokens of the middle block.
    PooledMid,
    /// Pooled tokens of the late block.
    PooledLate,
    /// Residual of the student.
    Residual,
}

impl Measure {
    const ALL: [Measure; 6] = [
        Measure::Image,
        Measure::Local,
        Measure::Z,
        Measure::PooledMid,
        Measure::PooledLate,
        Measure::Residual,
    ];

    /// For people.
    fn title(self) -> &'static str {
        match self {
            Measure::Image => "the score of the picture as a whole",
            Measure::Local => "the local score",
            Measure::Z => "the distance of the class token",
            Measure::PooledMid => "the distance of the middle block's tokens",
            Measure::PooledLate => "the distance of the late block's tokens",
            Measure::Residual => "the distance of the student's residual",
        }
    }
}

/// How far the mean of a measure lies above its mean at calibration, in standard deviations of the
/// held-out frames.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shift {
    /// What moved.
    pub measure: Measure,
    /// How far.
    pub shift: f64,
    /// From where on it is drift: above what chance brings about.
    pub limit: f64,
}

impl Shift {
    fn share(&self) -> f64 {
        self.shift / self.limit
    }
}

/// How the scores stand against those of calibration.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Drift {
    /// How far they have moved.
    pub level: DriftLevel,
    /// When that level was reached; `None` where nothing has moved.
    pub since: Option<Moment>,
    /// The measure that moved most, by its limit; `None` while too little was watched.
    pub shift: Option<Shift>,
    /// Frames that this rests on.
    pub frames: u64,
    /// The time that they were watched.
    pub watched: Duration,
}

/// A frame at which the scores are found to have drifted: every number of it is finite.
#[derive(Debug, Clone, PartialEq)]
pub struct Drifted {
    /// What moved most, and how far.
    pub shift: Shift,
    /// The time that was looked back on.
    pub watched: Duration,
    pub(super) picture: Picture,
}

impl Drifted {
    /// How far it is beyond its limit: 1 is the limit, more is worse.
    pub fn severity(&self) -> f64 {
        self.shift.share().max(1.0)
    }

    /// What was measured against which limit, for people.
    pub fn detail(&self) -> String {
        let Shift {
            measure,
            shift,
            limit,
        } = self.shift;
        let hours = self.watched.as_secs_f64() / 3600.0;
        format!(
            "{} lies {shift:.2} standard deviations above that of calibration, limit {limit:.2}, in \
             the mean of {hours:.1} h",
            measure.title()
        )
    }
}

/// Follows the scores of one camera.
#[derive(Debug)]
pub(super) struct DriftWatch {
    reference: DriftReference,
    window: Window,
    drift: Drift,
}

impl DriftWatch {
    /// `former` goes on where it has the same Profile and looks back as far.
    pub(super) fn new(reference: DriftReference, window: Duration, former: Option<Self>) -> Self {
        let goes_on = |former: &DriftWatch| {
            former.reference.is_of_profile_of(&reference) && former.window.length() == window
        };
        match former.filter(goes_on) {
            Some(former) => former,
            None => DriftWatch {
                reference,
                window: Window::new(window),
                drift: Drift::default(),
            },
        }
    }

    /// How the scores stand.
    pub(super) fn drift(&self) -> &Drift {
        &self.drift
    }

    /// Takes a frame that belongs to no anomaly. Some dozen times per window it tells what the frame
    /// shows of drift, else nothing.
    pub(super) fn observe(&mut self, at: Moment, judged: &Judged) -> Option<Sign> {
        if judged.is_repeated() || judged.score().is_anomalous() {
            return None;
        }
        let values = self.reference.standardised(judged.score());
        if !self.window.take(at.since_boot, &values) {
            return None;
        }
        (self.drift.frames, self.drift.watched) = self.window.size();
        let shift = self.window.furthest(self.reference.errors())?;
        self.drift.shift = Some(shift);
        let level = self.drift.level.next(shift.share());
        if level != self.drift.level {
            self.drift.since = (level != DriftLevel::None).then_some(at);
        }
        self.drift.level = level;
        Some(match level {
            DriftLevel::None => Sign::Calm,
            DriftLevel::Some => Sign::Near,
            DriftLevel::Strong => Sign::Hit(Evidence::Drift(Drifted {
                shift,
                watched: self.drift.watched,
                picture: judged.picture(),
            })),
        })
    }
}

#[cfg(test)]
mod incident_tests;

#[cfg(test)]
mod tests;
