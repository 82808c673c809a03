//! Threshold: where normal ends, from the scores of held-out normal frames.
//!
//! An empirical quantile with its honest limit: from `n` exchangeable scores no rate of false
//! alarms below `1 / (n + 1)` can be promised, so the rate achieved is kept beside the rate asked.
//! The scores stay with it, for the p-value. It never looks at an anomalous frame.

use super::samples::FitError;

/// The line is drawn this share of the scale above the score that it stands on, more than two
/// machines differ by rounding, so that the frame itself is normal everywhere.
const HAIR: f64 = 1e-9;

/// A threshold on a score where higher is more anomalous, and the normal scores that it rests on.
#[derive(Debug, Clone, PartialEq)]
pub struct Threshold {
    raw: f64,
    scale: f64,
    asked_rate: f64,
    achieved_rate: f64,
    /// In rising order.
    held_out: Vec<f64>,
}

/// How far from normal a frame may be, as a point on the scale of the published value: the score
/// that calibration gives `level` is where a frame becomes anomalous. Higher is less sensitive.
#[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
pub struct Level(f64);

impl Level {
    /// As calibrated.
    pub const CALIBRATED: Level = Level(0.5);
    /// Least and greatest.
    pub const RANGE: std::ops::RangeInclusive<f64> = 0.05..=0.95;

    /// `None` outside of [`Level::RANGE`]; not a number is outside.
    pub fn new(value: f64) -> Option<Level> {
        Level::RANGE.contains(&value).then_some(Level(value))
    }

    /// The point.
    pub fn get(self) -> f64 {
        self.0
    }
}

impl Default for Level {
    fn default() -> Self {
        Level::CALIBRATED
    }
}

/// The numbers of a [`Threshold`], without the scores.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ThresholdNumbers {
    /// A frame above this is anomalous.
    pub raw: f64,
    /// From the median of the held-out scores to `raw`: the unit of the published value.
    pub scale: f64,
    /// Share of normal frames above the threshold that was asked for.
    pub asked_rate: f64,
    /// The share that can be promised: at most what was asked, or `1 / (n + 1)`.
    pub achieved_rate: f64,
}

impl Threshold {
    /// The lowest held-out score that a new normal frame exceeds with a probability of at most
    /// `rate` (0..1), plus a hair; the largest score where that can't be promised.
    ///
    /// # Errors
    /// [`FitError::TooFew`] without scores, [`FitError::NotFinite`] with the index of a score that
    /// is not finite.
    ///
    /// # Panics
    /// If `rate` is not within 0..1.
    pub fn from_held_out(scores: &[f64], rate: f64) -> Result<Self, FitError> {
        assert!(
            (0.0..=1.0).contains(&rate),
            "a rate of false alarms is within 0 to 1"
        );
        if let Some(frame) = scores.iter().position(|s| !s.is_finite()) {
            return Err(FitError::NotFinite { frame });
        }
        let mut held_out = scores.to_vec();
        held_out.sort_unstable_by(f64::total_cmp);
        let n = held_out.len();
        let Some(&median) = held_out.get(n / 2) else {
            return Err(FitError::TooFew { needed: 1, got: 0 });
        };
        // A new frame exceeds the j-th largest of n with a probability of at most j / (n + 1).
        let j = ((rate * (n + 1) as f64).floor() as usize).clamp(1, n);
        let line = held_out[n - j];
        let smallest = 1e-6 * line.abs().max(median.abs()).max(1e-6);
        let scale = (line - median).max(smallest);
        Ok(Self {
            raw: line + HAIR * scale.max(line.abs()),
            scale,
            asked_rate: rate,
            achieved_rate: j as f64 / (n + 1) as f64,
            held_out,
        })
    }

    /// From its numbers and scores. `None` if a number is not finite, the scale not positive or
    /// the scores not in rising order.
    pub(super) fn from_numbers(numbers: ThresholdNumbers, held_out: Vec<f64>) -> Option<Self> {
        let ThresholdNumbers {
            raw,
            scale,
            asked_rate,
            achieved_rate,
        } = numbers;
        let finite = held_out.iter().chain([&raw, &scale]).all(|v| v.is_finite());
        let sound = finite && scale > 0.0 && held_out.is_sorted() && !held_out.is_empty();
        sound.then_some(Self {
            raw,
            scale,
            asked_rate,
            achieved_rate,
            held_out,
        })
    }

    /// The numbers, for people and for the Profile.
    pub fn numbers(&self) -> ThresholdNumbers {
        ThresholdNumbers {
            raw: self.raw,
            scale: self.scale,
            asked_rate: self.asked_rate,
            achieved_rate: self.achieved_rate,
        }
    }

    /// A frame above this is anomalous.
    pub fn raw(&self) -> f64 {
        self.raw
    }

    /// Held-out normal scores, in rising order.
    pub fn held_out(&self) -> &[f64] {
        &self.held_out
    }

    /// Share of held-out normal frames that score at least as high: `(1 + #) / (1 + n)`.
    pub fn p_value(&self, raw: f64) -> f64 {
        let below = self.held_out.partition_point(|&score| score < raw);
        (1 + self.held_out.len() - below) as f64 / (1 + self.held_out.len()) as f64
    }

    /// `raw` as 0..1, the threshold at 0.5 and the median held-out score near 0.25. Rises strictly
    /// as far as doubles can show it, for it nears its ends as `1 / |raw|` and not exponentially.
    /// Above 0.5 exactly where `raw` is above the threshold, however little.
    pub fn value(&self, raw: f64) -> f64 {
        let distance = (raw - self.raw) / self.scale;
        if raw <= self.raw {
            0.5 / (1.0 - distance)
        } else {
            (1.0 - 0.5 / (1.0 + distance)).max(0.5f64.next_up())
        }
    }

    /// Where a frame becomes anomalous at `level`: the raw score whose [`Threshold::value`] that is.
    pub fn raw_at(&self, level: Level) -> f64 {
        let distance = match level.0 {
            0.5 => return self.raw,
            low if low < 0.5 => 1.0 - 0.5 / low,
            high => 0.5 / (1.0 - high) - 1.0,
        };
        self.raw + distance * self.scale
    }

    /// [`Threshold::value`] with the log-odds moved so that `level` comes to lie at 0.5. Above 0.5
    /// exactly where `raw` is above [`Threshold::raw_at`]; as calibrated, to the bit, at 0.5.
    pub fn value_at(&self, raw: f64, level: Level) -> f64 {
        let value = self.value(raw);
        if level == Level::CALIBRATED {
            return value;
        }
        let (is, is_not) = (value * (1.0 - level.0), (1.0 - value) * level.0);
        let moved = is / (is + is_not);
        if raw > self.raw_at(level) {
            moved.max(0.5f64.next_up())
        } else {
            moved.min(0.5)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn scores() -> impl Strategy<Value = Vec<f64>> {
        prop::collection::vec(-1e6..1e6_f64, 1..200)
    }

    #[test]
    fn a_level_is_the_value_that_its_line_had_as_calibrated() {
        let scores: Vec<f64> = (1..=99).map(f64::from).collect();
        let threshold = Threshold::from_held_out(&scores, 0.1).unwrap();
        for level in [0.05, 0.2, 0.49, 0.51, 0.7, 0.95] {
            let line = threshold.raw_at(Level::new(level).unwrap());
            assert!((threshold.value(line) - level).abs() < 1e-12, "{level}");
        }
        assert_eq!(Level::new(f64::NAN), None);
        assert_eq!(Level::new(0.04), None);
        // Log-odds of 0.8 less those of 0.6: 4 / 1.5 to one.
        let raw = threshold.raw_at(Level::new(0.8).unwrap());
        let value = threshold.value_at(raw, Level::new(0.6).unwrap());
        assert!((value - 8.0 / 11.0).abs() < 1e-12, "{value}");
    }

    #[test]
    fn the_rate_that_can_be_promised_is_kept_beside_the_rate_asked() {
        let scores: Vec<f64> = (1..=99).map(f64::from).collect();
        let tenth = Threshold::from_held_out(&scores, 0.1).unwrap();
        assert!((tenth.raw() - 90.0).abs() < 1e-5);
        assert!((tenth.numbers().achieved_rate - 0.1).abs() < 1e-12);
        let beyond = Threshold::from_held_out(&scores, 1e-5).unwrap();
        assert!(beyond.raw() > 99.0 && beyond.raw() < 99.0001);
        assert_eq!(beyond.numbers().achieved_rate, 0.01);
        assert_eq!(beyond.numbers().asked_rate, 1e-5);
    }

    #[test]
    fn equal_scores_still_give_a_finite_value() {
        for score in [0.0, -7.5, 1e9] {
            let threshold = Threshold::from_held_out(&[score; 5], 0.01).unwrap();
            assert!(threshold.value(score) < 0.5);
            assert!(threshold.value(score + score.abs() * 1e-3 + 1e-3) > 0.5);
        }
    }

    #[test]
    fn scores_that_are_not_finite_or_absent_are_refused() {
        let refused = Threshold::from_held_out(&[1.0, f64::NAN], 0.01);
        assert_eq!(refused, Err(FitError::NotFinite { frame: 1 }));
        assert_eq!(
            Threshold::from_held_out(&[], 0.01),
            Err(FitError::TooFew { needed: 1, got: 0 })
        );
    }

    #[test]
    fn a_score_a_hair_above_the_threshold_has_a_value_above_half() {
        let threshold = Threshold::from_held_out(&[-1e6, -1e6, 1e-3], 0.01).unwrap();
        let line = threshold.raw();
        assert!(threshold.value(line) <= 0.5);
        assert!(threshold.value(line.next_down()) <= 0.5);
        assert!(threshold.value(line.next_up()) > 0.5);
    }

    proptest! {
        #[test]
        fn no_more_held_out_frames_alarm_than_the_rate_promises(
            scores in scores(), rate in 0.0..1.0_f64,
        ) {
            let threshold = Threshold::from_held_out(&scores, rate).unwrap();
            let alarms = scores.iter().filter(|&&s| s > threshold.raw()).count();
            let n = scores.len() as f64;
            prop_assert!(alarms as f64 <= rate * (n + 1.0));
            let achieved = threshold.numbers().achieved_rate;
            prop_assert!(achieved <= rate.max(1.0 / (n + 1.0)) + 1e-12);
        }

        #[test]
        fn a_lower_rate_never_lowers_the_threshold(
            scores in scores(), a in 0.0..1.0_f64, b in 0.0..1.0_f64,
        ) {
            let at = |rate| Threshold::from_held_out(&scores, rate).unwrap().raw();
            prop_assert!(at(a.min(b)) >= at(a.max(b)));
        }

        #[test]
        fn the_value_rises_strictly_and_crosses_half_at_the_threshold(
            scores in scores(), at in -1e4..1e4_f64, step in 1e-5..1e3_f64,
        ) {
            let threshold = Threshold::from_held_out(&scores, 0.05).unwrap();
            let raw = |u: f64| threshold.raw() + u * threshold.scale;
            // Steps that a double can show at this distance and scale.
            prop_assume!(raw(at + step) > raw(at) && threshold.scale > 1e-6 * threshold.raw().abs());
            let (low, high) = (threshold.value(raw(at)), threshold.value(raw(at + step)));
            prop_assert!(low < high, "{low} is not below {high}");
            prop_assert!(low > 0.0 && high < 1.0);
            prop_assert_eq!(raw(at) > threshold.raw(), low > 0.5);
        }

        #[test]
        fn at_any_level_the_value_crosses_half_where_the_raw_score_crosses_the_line(
            scores in scores(), at in -1e3..1e3_f64, step in 1e-3..1e3_f64, level in 0.05..=0.95_f64,
        ) {
            let threshold = Threshold::from_held_out(&scores, 0.05).unwrap();
            let level = Level::new(level).unwrap();
            let line = threshold.raw_at(level);
            for raw in [line.next_down(), line, line.next_up(), line + at * threshold.scale] {
                let value = threshold.value_at(raw, level);
                prop_assert_eq!(raw > line, value > 0.5, "{} at {}", raw, line);
                prop_assert!((0.0..=1.0).contains(&value));
            }
            let raw = line + at * threshold.scale;
            let higher = raw + step * threshold.scale;
            prop_assert!(threshold.value_at(raw, level) <= threshold.value_at(higher, level));
        }

        #[test]
        fn as_calibrated_the_level_changes_no_bit(scores in scores(), raw in -1e7..1e7_f64) {
            let threshold = Threshold::from_held_out(&scores, 0.05).unwrap();
            let value = threshold.value_at(raw, Level::CALIBRATED);
            prop_assert_eq!(value.to_bits(), threshold.value(raw).to_bits());
            let line = threshold.raw_at(Level::CALIBRATED);
            prop_assert_eq!(line.to_bits(), threshold.raw().to_bits());
        }

        #[test]
        fn the_p_value_falls_and_counts_by_hand(
            scores in scores(), a in -1e6..1e6_f64, b in -1e6..1e6_f64,
        ) {
            let threshold = Threshold::from_held_out(&scores, 0.05).unwrap();
            prop_assert!(threshold.p_value(a.min(b)) >= threshold.p_value(a.max(b)));
            let at_least = scores.iter().filter(|&&s| s >= a).count();
            let expected = (1 + at_least) as f64 / (1 + scores.len()) as f64;
            prop_assert_eq!(threshold.p_value(a), expected);
        }
    }
}
