//! What a calibration promises, in words, and the two lines of a basis.
//!
//! Everything that the report says of budgets and of lines enters here.

use crate::score::budget;
use crate::score::statistics::Statistics;
use crate::score::threshold::{Level, Threshold};

/// How many false alarms are likely, in words.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Promise {
    /// What was asked for.
    pub budget: String,
    /// Whether the footage supports it.
    pub is_supported: bool,
    /// As likely more as less.
    pub likely: String,
    /// The bounds of its 90 % interval.
    pub interval: (String, String),
    /// The shortest footage that would support the budget.
    pub shortest_footage: String,
    /// What would make it hold, one sentence each.
    pub advice: Vec<String>,
}

/// The lines of a basis, as raw scores.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Lines {
    /// A frame above it is anomalous, and its incident warns.
    pub threshold: f64,
    /// A frame above it makes the incident critical.
    pub alarm: f64,
}

impl Lines {
    /// Of one basis.
    pub(super) fn of(threshold: &Threshold) -> Lines {
        Lines {
            threshold: threshold.raw(),
            alarm: threshold
                .alarm_at(Level::CALIBRATED)
                .unwrap_or(threshold.raw()),
        }
    }
}

impl Promise {
    /// Of both bases together.
    pub(super) fn of(statistics: &Statistics) -> Promise {
        let promise = statistics.promise();
        let promise = promise.expect("a calibration makes a promise");
        let budget::Promise {
            budget,
            warn,
            needed_frames,
            ..
        } = promise;
        Promise {
            budget: budget.asked(),
            is_supported: promise.is_supported,
            likely: budget.say(warn.likely),
            interval: (budget.say(warn.low), budget.say(warn.high)),
            shortest_footage: format!("{needed_frames} frames"),
            advice: promise.shortcomings(),
        }
    }
}
