//! Axis: values to places on a plot, with ticks at round numbers.

/// The most steps between ticks.
const STEPS: f64 = 6.0;

/// The values that a plot spans.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Axis {
    low: f64,
    high: f64,
}

impl Axis {
    /// From the least to the greatest; a span of its own around a single value, or around none.
    pub(super) fn over(values: impl Iterator<Item = f64>) -> Axis {
        let finite = values.filter(|value| value.is_finite());
        let ends = finite.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| {
            (value.min(low), value.max(high))
        });
        let (low, high) = if ends.0 <= ends.1 { ends } else { (0.0, 0.0) };
        let least = (1e-6 * low.abs().max(high.abs())).max(1e-9);
        if high - low < least {
            let room = (0.1 * high.abs()).max(0.5);
            return Axis {
                low: low - room,
                high: high + room,
            };
        }
        Axis { low, high }
    }

    /// With `share` of the span more below and above.
    pub(super) fn padded(self, share: f64) -> Axis {
        let room = share * (self.high - self.low);
        Axis {
            low: self.low - room,
            high: self.high + room,
        }
    }

    /// Without what lies above `high`.
    pub(super) fn up_to(self, high: f64) -> Axis {
        Axis {
            high: self.high.min(high).max(self.low + 1e-9),
            ..self
        }
    }

    /// Where a value lies, 0..=1; beyond the ends, at them.
    pub(super) fn share(self, value: f64) -> f64 {
        ((value - self.low) / (self.high - self.low)).clamp(0.0, 1.0)
    }

    /// Whether a value lies above the plot.
    pub(super) fn is_below(self, value: f64) -> bool {
        value > self.high
    }

    /// The middle of the `bin`-th of `bins`.
    pub(super) fn bin(self, value: f64, bins: usize) -> usize {
        ((self.share(value) * bins as f64) as usize).min(bins - 1)
    }

    /// Round values within, and the decimals that they need.
    pub(super) fn ticks(self) -> (Vec<f64>, usize) {
        let wide = (self.high - self.low) / STEPS;
        let power = 10f64.powf(wide.log10().floor());
        let round = [1.0, 2.0, 5.0].map(|step| step * power);
        let step = round.into_iter().find(|step| *step >= wide);
        let step = step.unwrap_or(10.0 * power);
        let decimals = (-step.log10().floor()).clamp(0.0, 6.0) as usize;
        (self.multiples(step), decimals)
    }

    /// Round times within, in seconds.
    pub(super) fn time_ticks(self) -> Vec<f64> {
        const STEPS_OF_TIME: [f64; 14] = [
            1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0, 21600.0,
            86400.0,
        ];
        let wide = (self.high - self.low) / STEPS;
        let mut steps = STEPS_OF_TIME.into_iter();
        let days = (wide / 86400.0).ceil() * 86400.0;
        self.multiples(steps.find(|step| *step >= wide).unwrap_or(days))
    }

    fn multiples(self, step: f64) -> Vec<f64> {
        let (first, last) = ((self.low / step).ceil(), (self.high / step).floor());
        let count = (last - first).clamp(-1.0, 100.0) as i64;
        (0..=count).map(|i| (first + i as f64) * step).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ticks_are_round() {
        let ticks = |low, high| Axis { low, high }.ticks();
        assert_eq!(ticks(-3.2, 11.9), (vec![0.0, 5.0, 10.0], 0));
        assert_eq!(ticks(0.41, 0.62).1, 2);
        let hour = Axis {
            low: 0.0,
            high: 3600.0,
        };
        assert_eq!(
            hour.time_ticks(),
            [0.0, 600.0, 1200.0, 1800.0, 2400.0, 3000.0, 3600.0]
        );
    }

    #[test]
    fn equal_values_and_none_have_a_span_too() {
        for values in [vec![], vec![0.0; 20], vec![-7.5; 3], vec![f64::NAN]] {
            let axis = Axis::over(values.iter().copied());
            let share = axis.share(values.first().copied().unwrap_or_default());
            assert!(share.is_nan() || (share - 0.5).abs() < 1e-9, "{values:?}");
            assert!(!axis.ticks().0.is_empty());
        }
    }

    proptest! {
        #[test]
        fn every_axis_has_a_few_ticks_and_all_lie_within(
            values in prop::collection::vec(-1e9..1e9_f64, 1..20),
        ) {
            let axis = Axis::over(values.iter().copied()).padded(0.05);
            let (ticks, _) = axis.ticks();
            prop_assert!((2..=7).contains(&ticks.len()), "{} ticks", ticks.len());
            prop_assert!(ticks.iter().all(|tick| *tick >= axis.low && *tick <= axis.high));
            for value in values {
                prop_assert!((0.0..=1.0).contains(&axis.share(value)));
                prop_assert!(axis.bin(value, 24) < 24);
            }
        }
    }
}
