//! Threshold: where normal ends on the scale of one score, and how that is told.
//!
//! Two lines, drawn by [`super::lines`] for a budget of false alarms: above the threshold a frame is
//! anomalous, above the alarm line it is worse. The held-out normal scores stay with them, for the
//! p-value. It never looks at an anomalous frame.

use super::samples::FitError;

/// The line is drawn this share of the scale above the score that it stands on, more than two
/// machines differ by rounding, so that the frame itself is normal everywhere.
const HAIR: f64 = 1e-9;

/// A threshold on a score where higher is more anomalous, and the normal scores that it rests on.
#[derive(Debug, Clone, PartialEq)]
pub struct Threshold {
    raw: f64,
    /// None in a Profile of format 1 or 2: nothing is worse than anomalous then.
    alarm: Option<f64>,
    scale: f64,
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
    /// A frame above this is worth an alarm; none in formats 1 and 2.
    #[serde(default)]
    pub alarm: Option<f64>,
    /// From the median of the held-out scores to `raw`: the unit of the published value.
    pub scale: f64,
    /// Formats 1 and 2: the share of normal frames above the threshold that was asked for, ...
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asked_rate: Option<f64>,
    /// ... and the share that could be promised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub achieved_rate: Option<f64>,
}

impl Threshold {
    /// The lines at `raw` and `alarm`, each a hair higher, and the held-out scores of normal frames.
    ///
    /// # Errors
    /// [`FitError::TooFew`] without scores, [`FitError::NotFinite`] with the index of a score that
    /// is not finite.
    pub(super) fn drawn(scores: &[f64], raw: f64, alarm: f64) -> Result<Self, FitError> {
        if let Some(frame) = scores.iter().position(|s| !s.is_finite()) {
            return Err(FitError::NotFinite { frame });
        }
        let mut held_out = scores.to_vec();
        held_out.sort_unstable_by(f64::total_cmp);
        let Some(&median) = held_out.get(held_out.len() / 2) else {
            return Err(FitError::TooFew { needed: 1, got: 0 });
        };
        let smallest = 1e-6 * raw.abs().max(median.abs()).max(1e-6);
        let scale = (raw - median).max(smallest);
        let hair = HAIR * scale.max(raw.abs());
        Ok(Self {
            raw: raw + hair,
            alarm: Some(alarm.max(raw) + hair),
            scale,
            held_out,
        })
    }

    /// From its numbers and scores. `None` if a number is not finite, the scale not positive,
    /// the alarm line below the threshold or the scores not in rising order.
    pub(super) fn from_numbers(numbers: ThresholdNumbers, held_out: Vec<f64>) -> Option<Self> {
        let ThresholdNumbers {
            raw, alarm, scale, ..
        } = numbers;
        let numbers = held_out.iter().chain([&raw, &scale]).chain(&alarm);
        let finite = numbers.into_iter().all(|v| v.is_finite());
        let is_above = alarm.is_none_or(|alarm| alarm >= raw);
        let sound = scale > 0.0 && is_above && held_out.is_sorted() && !held_out.is_empty();
        (finite && sound).then_some(Self {
            raw,
            alarm,
            scale,
            held_out,
        })
    }

    /// The numbers, for people and for the Profile.
    pub fn numbers(&self) -> ThresholdNumbers {
        ThresholdNumbers {
            raw: self.raw,
            alarm: self.alarm,
            scale: self.scale,
            asked_rate: None,
            achieved_rate: None,
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

    /// How far out a raw score lies: 0 at the median held-out score, 1 at the threshold.
    pub fn times(&self, raw: f64) -> f64 {
        1.0 + (raw - self.raw) / self.scale
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

    /// The alarm line where the threshold is moved to `level`: where it was, and never below that.
    pub fn alarm_at(&self, level: Level) -> Option<f64> {
        self.alarm.map(|alarm| alarm.max(self.raw_at(level)))
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

    /// With the threshold at the highest score but for this share of them.
    fn drawn(scores: &[f64], share: f64) -> Threshold {
        let mut sorted = scores.to_vec();
        sorted.sort_unstable_by(|a, b| b.total_cmp(a));
        let line = sorted[(share * scores.len() as f64) as usize];
        Threshold::drawn(scores, line, line).unwrap()
    }

    fn scores() -> impl Strategy<Value = Vec<f64>> {
        prop::collection::vec(-1e6..1e6_f64, 1..200)
    }

    #[test]
    fn a_level_is_the_value_that_its_line_had_as_calibrated() {
        let scores: Vec<f64> = (1..=99).map(f64::from).collect();
        let threshold = drawn(&scores, 0.1);
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
    fn the_alarm_line_stays_where_it_is_and_is_never_below_the_threshold() {
        let scores: Vec<f64> = (1..=99).map(f64::from).collect();
        let threshold = Threshold::drawn(&scores, 90.0, 120.0).unwrap();
        let alarm = threshold.alarm_at(Level::CALIBRATED);
        assert!((alarm.unwrap() - 120.0).abs() < 1e-5);
        for value in [0.05, 0.3, 0.6, 0.9] {
            let level = Level::new(value).unwrap();
            let expected = alarm.unwrap().max(threshold.raw_at(level));
            assert_eq!(threshold.alarm_at(level), Some(expected));
        }
        let crossed = Threshold::drawn(&scores, 90.0, 80.0).unwrap();
        assert_eq!(crossed.alarm_at(Level::CALIBRATED), Some(crossed.raw()));
    }

    #[test]
    fn a_threshold_of_an_earlier_format_has_no_alarm_line() {
        let numbers = ThresholdNumbers {
            alarm: None,
            ..drawn(&[1.0, 2.0, 3.0], 0.1).numbers()
        };
        let old = Threshold::from_numbers(numbers, vec![1.0, 2.0, 3.0]).unwrap();
        assert_eq!(old.alarm_at(Level::CALIBRATED), None);
        assert_eq!(old.numbers(), numbers);
    }

    #[test]
    fn equal_scores_still_give_a_finite_value() {
        for score in [0.0, -7.5, 1e9] {
            let threshold = drawn(&[score; 5], 0.01);
            assert!(threshold.value(score) < 0.5);
            assert!(threshold.value(score + score.abs() * 1e-3 + 1e-3) > 0.5);
        }
    }

    #[test]
    fn scores_that_are_not_finite_or_absent_are_refused() {
        let refused = Threshold::drawn(&[1.0, f64::NAN], 1.0, 1.0);
        assert_eq!(refused, Err(FitError::NotFinite { frame: 1 }));
        assert_eq!(
            Threshold::drawn(&[], 1.0, 1.0),
            Err(FitError::TooFew { needed: 1, got: 0 })
        );
    }

    #[test]
    fn a_score_a_hair_above_the_threshold_has_a_value_above_half() {
        let threshold = drawn(&[-1e6, -1e6, 1e-3], 0.01);
        let line = threshold.raw();
        assert!(threshold.value(line) <= 0.5);
        assert!(threshold.value(line.next_down()) <= 0.5);
        assert!(threshold.value(line.next_up()) > 0.5);
    }

    proptest! {
        #[test]
        fn the_value_rises_strictly_and_crosses_half_at_the_threshold(
            scores in scores(), at in -1e4..1e4_f64, step in 1e-5..1e3_f64,
        ) {
            let threshold = drawn(&scores, 0.05);
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
            let threshold = drawn(&scores, 0.05);
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
            let threshold = drawn(&scores, 0.05);
            let value = threshold.value_at(raw, Level::CALIBRATED);
            prop_assert_eq!(value.to_bits(), threshold.value(raw).to_bits());
            let line = threshold.raw_at(Level::CALIBRATED);
            prop_assert_eq!(line.to_bits(), threshold.raw().to_bits());
        }

        #[test]
        fn the_p_value_falls_and_counts_by_hand(
            scores in scores(), a in -1e6..1e6_f64, b in -1e6..1e6_f64,
        ) {
            let threshold = drawn(&scores, 0.05);
            prop_assert!(threshold.p_value(a.min(b)) >= threshold.p_value(a.max(b)));
            let at_least = scores.iter().filter(|&&s| s >= a).count();
            let expected = (1 + at_least) as f64 / (1 + scores.len()) as f64;
            prop_assert_eq!(threshold.p_value(a), expected);
        }
    }
}
