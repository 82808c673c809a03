//! What a calibration promises: how many false alarms are to be expected, how sure that is, and what
//! it would take to hold the budget.
//!
//! Everything that the report says of budgets and of lines enters here.

use crate::score::statistics::Statistics;
use crate::score::threshold::{Threshold, ThresholdNumbers};

/// Shares of the interval's two tails.
const TAIL: f64 = 0.05;

/// How many false alarms are to be expected, in words.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Promise {
    /// What was asked for.
    pub budget: String,
    /// Whether the footage supports it.
    pub is_supported: bool,
    /// What is to be expected.
    pub expected: String,
    /// The bounds of its 90 % interval.
    pub interval: (String, String),
    /// The shortest footage that would support the budget; none where that is not known.
    pub shortest_footage: Option<String>,
    /// What would make it hold, one sentence each.
    pub advice: Vec<String>,
}

/// Where a basis warns and where it alarms, as raw scores.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Lines {
    /// None where there is but one line.
    pub warn: Option<f64>,
    /// A frame above it is anomalous.
    pub alarm: f64,
}

impl Lines {
    /// Of one basis.
    pub(super) fn of(threshold: &Threshold) -> Lines {
        Lines {
            warn: None,
            alarm: threshold.raw(),
        }
    }
}

impl Promise {
    /// Of both bases; the rates are shares of the frames, of each.
    pub(super) fn of(statistics: &Statistics) -> Promise {
        let threshold = statistics.deciding();
        let ThresholdNumbers {
            asked_rate,
            achieved_rate,
            ..
        } = threshold.numbers();
        let used = threshold.held_out().len();
        let is_supported = achieved_rate <= asked_rate;
        let rank = (achieved_rate * (used + 1) as f64).round().max(1.0) as usize;
        let bound = |share| percent(quantile(rank, used, share));
        let shortest = (1.0 / asked_rate - 1.0).ceil();
        let advice = (!is_supported).then(|| {
            format!(
                "{used} frames can't promise less than {} false alarms: film at least {shortest} for \
                 the {} asked",
                percent(achieved_rate),
                percent(asked_rate)
            )
        });
        Promise {
            budget: format!("{} of the frames, by each score", percent(asked_rate)),
            is_supported,
            expected: format!("{} of the frames, by each score", percent(achieved_rate)),
            interval: (bound(TAIL), bound(1.0 - TAIL)),
            shortest_footage: Some(format!("{shortest} frames")),
            advice: advice.into_iter().collect(),
        }
    }
}

/// Two significant digits.
fn percent(share: f64) -> String {
    let percent = 100.0 * share;
    let decimals = match percent {
        p if p >= 10.0 => 0,
        p if p >= 1.0 => 1,
        p if p >= 0.1 => 2,
        p if p >= 0.01 => 3,
        _ => 4,
    };
    format!("{percent:.decimals$} %")
}

/// The share of new frames above the `rank`-th largest of `n` exchangeable scores follows
/// Beta(rank, n + 1 - rank): its quantile, by bisection of the binomial sum that is its distribution.
fn quantile(rank: usize, n: usize, share: f64) -> f64 {
    let below = |rate: f64| {
        let (mut term, mut sum) = ((1.0 - rate).ln() * n as f64, 0.0);
        for i in 0..rank {
            sum += term.exp();
            term += ((n - i) as f64 / (i + 1) as f64).ln() + rate.ln() - (1.0 - rate).ln();
        }
        1.0 - sum
    };
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..60 {
        let middle = 0.5 * (low + high);
        if below(middle) < share {
            low = middle;
        } else {
            high = middle;
        }
    }
    high
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_is_that_of_the_beta_distribution() {
        // Beta(1, n): 1 - (1 - share)^(1 / n).
        for (n, share) in [(20, 0.05), (120, 0.95), (1000, 0.5_f64)] {
            let expected = 1.0 - (1.0 - share).powf(1.0 / n as f64);
            assert!((quantile(1, n, share) - expected).abs() < 1e-9);
        }
        // Symmetric: Beta(50, 50).
        assert!((quantile(50, 99, 0.5) - 0.5).abs() < 1e-9);
    }

    #[test]
    fn shares_have_two_digits_that_count() {
        let texts = [0.5, 0.0123, 0.005, 0.000_12, 1e-6].map(percent);
        assert_eq!(texts, ["50 %", "1.2 %", "0.50 %", "0.012 %", "0.0001 %"]);
    }
}
