//! Frame intervals as drivers write them: fractions of a second, some of them without a value
//! (0/0, 1/0). Choosing one never divides by zero and never fails; without a sensible one on offer
//! there is simply no choice.

use std::time::Duration;

use super::sys::Intervals;
use crate::capture::Fps;

/// The time from one frame to the next, in seconds, as a fraction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Interval {
    pub(super) numerator: u32,
    pub(super) denominator: u32,
}

impl Interval {
    /// The one of a pace, to a thousandth of a frame a second.
    pub(super) fn of(fps: Fps) -> Interval {
        // A pace is at most 1000, so this is at most a million and fits.
        let denominator = (fps.get() * 1000.0).round().max(1.0) as u32;
        Interval {
            numerator: 1000,
            denominator,
        }
    }

    /// Frames a second; none where the fraction has no value.
    pub(super) fn fps(self) -> Option<f64> {
        let has_value = self.numerator > 0 && self.denominator > 0;
        has_value.then(|| f64::from(self.denominator) / f64::from(self.numerator))
    }

    /// Its length; none where the fraction has no value.
    pub(super) fn period(self) -> Option<Duration> {
        self.fps().map(|fps| Duration::from_secs_f64(1.0 / fps))
    }

    /// Whether frames come at least as often as with the other; a thousandth (30 for 29.97)
    /// does not count.
    fn is_as_fast_as(self, other: Interval) -> bool {
        match (self.fps(), other.fps()) {
            (Some(own), Some(other)) => own >= other * 0.9985,
            _ => false,
        }
    }
}

impl Intervals {
    /// Frames a second on offer, the highest first.
    pub(super) fn rates(&self) -> Vec<f64> {
        let mut rates: Vec<f64> = match self {
            Intervals::Listed(list) => list.iter().filter_map(|one| one.fps()).collect(),
            Intervals::Between(short, long) => [short, long]
                .map(|one| one.fps())
                .into_iter()
                .flatten()
                .collect(),
        };
        rates.sort_by(|a, b| b.total_cmp(a));
        rates.dedup();
        rates
    }

    /// The interval to ask for: without a pace the shortest, with one the longest that is still as
    /// fast as it, and the shortest of all where none is. None where the driver offers nothing.
    pub(super) fn choose(&self, fps: Option<Fps>) -> Option<Interval> {
        let wanted = fps.map(Interval::of);
        match self {
            Intervals::Listed(list) => {
                let fast_enough = list
                    .iter()
                    .filter(|one| wanted.is_some_and(|wanted| one.is_as_fast_as(wanted)));
                let slowest = fast_enough.min_by(|a, b| by_rate(**a, **b));
                slowest
                    .or_else(|| valued(list).max_by(|a, b| by_rate(**a, **b)))
                    .copied()
            }
            Intervals::Between(short, long) => {
                let short = short.fps().map(|_| *short);
                match wanted {
                    None => short,
                    Some(wanted) if short.is_some_and(|short| wanted.is_as_fast_as(short)) => short,
                    Some(wanted) if long.fps().is_some() && long.is_as_fast_as(wanted) => {
                        Some(*long)
                    }
                    Some(wanted) => short.map(|_| wanted),
                }
            }
        }
    }
}

fn valued(list: &[Interval]) -> impl Iterator<Item = &Interval> {
    list.iter().filter(|one| one.fps().is_some())
}

fn by_rate(a: Interval, b: Interval) -> std::cmp::Ordering {
    a.fps().unwrap_or(0.0).total_cmp(&b.fps().unwrap_or(0.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn interval(numerator: u32, denominator: u32) -> Interval {
        Interval {
            numerator,
            denominator,
        }
    }

    fn pace(fps: f64) -> Option<Fps> {
        Some(Fps::new(fps).unwrap())
    }

    #[test]
    fn a_fraction_without_a_value_is_no_rate_and_is_never_chosen() {
        let bad = [interval(0, 0), interval(1, 0), interval(0, 30)];
        let listed = Intervals::Listed(bad.to_vec());
        let range = Intervals::Between(interval(0, 0), interval(1, 0));
        for offered in [listed, range] {
            assert!(offered.rates().is_empty(), "{offered:?}");
            assert_eq!(offered.choose(None), None);
            assert_eq!(offered.choose(pace(2.0)), None);
        }
    }

    #[test]
    fn of_a_list_the_slowest_that_is_not_slower_than_the_pace_is_chosen() {
        let ntsc = interval(1001, 30_000);
        let list = vec![interval(2, 15), interval(0, 0), ntsc, interval(1, 15)];
        let listed = Intervals::Listed(list);
        for (fps, chosen) in [
            (None, ntsc),
            (pace(60.0), ntsc),
            // 29.97 is what 1001/30000 is called.
            (pace(29.97), ntsc),
            (pace(15.1), ntsc),
            (pace(15.0), interval(1, 15)),
            (pace(7.5), interval(2, 15)),
            (pace(0.001), interval(2, 15)),
        ] {
            assert_eq!(listed.choose(fps), Some(chosen), "{fps:?}");
        }
    }

    #[test]
    fn the_rates_of_television_count_as_the_round_ones_that_they_are_called_by() {
        let ntsc = interval(1001, 30_000);
        let listed = Intervals::Listed(vec![interval(1, 60), ntsc]);
        assert_eq!(listed.choose(pace(30.0)), Some(ntsc));
    }

    #[test]
    fn of_a_range_the_pace_itself_is_chosen_as_far_as_the_range_goes() {
        let range = Intervals::Between(interval(1, 60), interval(1, 5));
        for (fps, chosen) in [
            (None, interval(1, 60)),
            (pace(90.0), interval(1, 60)),
            (pace(12.5), interval(1000, 12_500)),
            (pace(1.0), interval(1, 5)),
        ] {
            assert_eq!(range.choose(fps), Some(chosen), "{fps:?}");
        }
    }

    #[test]
    fn rates_come_highest_first_without_repetition() {
        let list = [(1, 5), (1001, 30_000), (1, 5), (0, 0)];
        let listed = Intervals::Listed(list.map(|(n, d)| interval(n, d)).to_vec());
        assert_eq!(listed.rates(), [30_000.0 / 1001.0, 5.0]);
    }
}
