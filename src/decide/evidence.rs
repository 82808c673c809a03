//! What a frame shows of a cause: a score, a fault of the scene, or drift.
//!
//! Assumes nothing of the numbers that come in; every number of an [`Evidence`] is finite, so that
//! messages never carry one that is not. A frame that can't be judged for a reason of its own
//! (damaged, absent, settling) says nothing of any cause.

use super::{Cause, Drifted, Judged, Picture, Rules};
use crate::preprocess::{Rejection, SceneFault};

/// More than this severity says no more; a picture that is all black may be infinitely far away.
const WORST_SEVERITY: f32 = 1e6;

/// A frame that shows a cause.
#[derive(Debug, Clone, PartialEq)]
pub enum Evidence {
    /// Its score.
    Score(Judged),
    /// What keeps the camera from seeing its scene.
    Scene(SceneFault),
    /// How far the scores have moved by then.
    Drift(Drifted),
}

impl Evidence {
    /// A fault of the scene; `None` where its picture's statistics are no numbers.
    fn scene(fault: &SceneFault) -> Option<Self> {
        let severity = match fault.severity {
            unknown if unknown.is_nan() => 1.0,
            known => known.clamp(1.0, WORST_SEVERITY),
        };
        let is_whole = Picture::of_fault(fault).is_finite();
        is_whole.then(|| {
            Evidence::Scene(SceneFault {
                severity,
                ..fault.clone()
            })
        })
    }

    /// The score, where the frame was judged.
    pub fn judged(&self) -> Option<&Judged> {
        match self {
            Evidence::Score(judged) => Some(judged),
            Evidence::Scene(_) | Evidence::Drift(_) => None,
        }
    }

    /// The picture.
    pub fn picture(&self) -> Picture {
        match self {
            Evidence::Score(judged) => judged.picture(),
            Evidence::Scene(fault) => Picture::of_fault(fault),
            Evidence::Drift(drifted) => drifted.picture,
        }
    }

    /// How bad it is among frames that show the same cause, 0..1: the limit is at 0.5, as with scores.
    pub fn degree(&self) -> f64 {
        let of_severity = |severity: f64| severity / (1.0 + severity);
        match self {
            Evidence::Score(judged) => judged.score().value,
            Evidence::Scene(fault) => of_severity(fault.severity.into()),
            Evidence::Drift(drifted) => of_severity(drifted.severity()),
        }
    }

    /// Whether it is an anomaly beyond the alarm line.
    pub fn is_alarm(&self) -> bool {
        self.judged().is_some_and(|judged| judged.score().is_alarm)
    }

    /// Whether the frame itself is at hand.
    pub(super) fn has_shot(&self) -> bool {
        self.judged().is_some_and(|judged| judged.shot.is_some())
    }

    /// Lets go of the frame itself.
    pub(super) fn forget_shot(&mut self) {
        match self {
            Evidence::Score(judged) => judged.shot = None,
            Evidence::Scene(_) | Evidence::Drift(_) => {}
        }
    }
}

/// What a frame says of a cause.
#[expect(clippy::large_enum_variant, reason = "it lives for one call")]
#[derive(Debug)]
pub(super) enum Sign {
    /// It shows it.
    Hit(Evidence),
    /// It does not show it, but is no sign of its end either.
    Near,
    /// It is far from showing it.
    Calm,
}

impl Sign {
    /// What a frame says of `cause`; `None` where it says nothing. Of drift no frame says anything by
    /// itself.
    pub(super) fn of(
        cause: Cause,
        judgement: Result<&Judged, &Rejection>,
        rules: &Rules,
    ) -> Option<Sign> {
        match (cause, judgement) {
            (Cause::Drift, _) => None,
            (Cause::Anomaly, Ok(judged)) => Some(Sign::of_score(judged, rules)),
            (_, Ok(_)) => Some(Sign::Calm),
            // Nobody can say whether the anomaly is still there.
            (Cause::Anomaly, Err(_)) => None,
            (_, Err(Rejection::Scene(fault))) if cause == fault.kind.into() => {
                Evidence::scene(fault).map(Sign::Hit)
            }
            // Only the gravest fault is named; nobody can say whether a lesser one is still there.
            (_, Err(Rejection::Scene(fault))) if cause.is_graver_than(fault.kind.into()) => {
                Some(Sign::Calm)
            }
            (_, Err(_)) => None,
        }
    }

    fn of_score(judged: &Judged, rules: &Rules) -> Sign {
        let score = judged.score();
        if score.is_anomalous() {
            Sign::Hit(Evidence::Score(judged.clone()))
        } else if score.value < rules.release {
            Sign::Calm
        } else {
            Sign::Near
        }
    }
}
