//! Spread: how a measure lies over the normal footage, and how far beyond it is still normal.
//!
//! Median and median absolute deviation shrug off single frames; lowest and highest make sure that
//! the footage itself stays within its own limits, but for the few frames that are set aside: one black
//! picture among hundreds must not make black normal.

/// Standard deviations of a normal distribution in its median absolute deviation.
const MAD: f64 = 1.4826;

/// Limits lie so many deviations from the median, where that is no wider than the margins allow.
const DEVIATIONS: f64 = 6.0;

/// Of so many frames one is set aside at each end: 2 %, and none of fewer.
const SET_ASIDE: usize = 50;

/// How a measure lies over the normal footage.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Spread {
    pub(super) median: f64,
    /// By the median absolute deviation.
    pub(super) deviation: f64,
    pub(super) lowest: f64,
    pub(super) highest: f64,
}

impl Spread {
    /// Of at least one finite value.
    pub(super) fn of(values: impl Iterator<Item = f64>) -> Option<Spread> {
        let mut values: Vec<f64> = values.collect();
        values.sort_unstable_by(f64::total_cmp);
        let aside = Spread::set_aside(values.len());
        let (&lowest, &highest) = (values.get(aside)?, values.iter().rev().nth(aside)?);
        let median = values[values.len() / 2];
        let mut off: Vec<f64> = values.iter().map(|value| (value - median).abs()).collect();
        off.sort_unstable_by(f64::total_cmp);
        let spread = Spread {
            median,
            deviation: MAD * off[off.len() / 2],
            lowest,
            highest,
        };
        spread.is_sound().then_some(spread)
    }

    /// Of so many values so many are set aside at each end.
    pub(super) fn set_aside(values: usize) -> usize {
        values / SET_ASIDE
    }

    /// Whether footage can be spread like this.
    pub(super) fn is_sound(&self) -> bool {
        let all = [self.lowest, self.median, self.highest, self.deviation];
        all.iter().all(|value| value.is_finite())
            && self.lowest <= self.median
            && self.median <= self.highest
            && self.deviation >= 0.0
    }

    /// What is too low: beyond the lowest frame by `margin`, and by the deviations, as far as they ask
    /// for one more margin at most. Light that varies evenly, or a lamp that is on or off, has wide
    /// deviations, but its frames lie within three of them.
    pub(super) fn floor(&self, margin: f64) -> f64 {
        let by_deviations = self.median - DEVIATIONS * self.deviation;
        (self.lowest - margin).min(by_deviations.max(self.lowest - 2.0 * margin))
    }

    /// What is too high, likewise.
    pub(super) fn ceiling(&self, margin: f64) -> f64 {
        let by_deviations = self.median + DEVIATIONS * self.deviation;
        (self.highest + margin).max(by_deviations.min(self.highest + 2.0 * margin))
    }

    /// How far `value` is from the median, where 1 is a limit.
    pub(super) fn severity(&self, value: f64, margin: f64) -> f64 {
        let limit = if value < self.median {
            self.floor(margin)
        } else {
            self.ceiling(margin)
        };
        (value - self.median) / (limit - self.median)
    }

    /// Deviations from the median, of which one is at least `least`.
    pub(super) fn z(&self, value: f32, least: f64) -> f32 {
        ((f64::from(value) - self.median) / self.deviation.max(least)) as f32
    }
}
