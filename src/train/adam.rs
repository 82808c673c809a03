//! Adam, and how its rate moves over a training.
//!
//! The optimiser knows nothing of blocks: it moves one vector of numbers against another. Beta 0.9
//! and 0.999, epsilon 1e-8, no weight decay. It never looks at the loss.

use super::kernel::{Loop, vectorise};

const BETA_MEAN: f32 = 0.9;
const BETA_SQUARE: f32 = 0.999;
const EPSILON: f32 = 1e-8;

/// The learning rate over a training.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Rate {
    /// The same at every step.
    Constant(f64),
    /// From `max / 25` up to `max` in the first 30 % of the steps, then down to `max / 250000`;
    /// both ways along half a cosine.
    OneCycle {
        /// The highest rate.
        max: f64,
    },
}

impl Rate {
    /// The rate of step `step` (from 0) of `steps`.
    pub fn at(self, step: usize, steps: usize) -> f64 {
        match self {
            Rate::Constant(rate) => rate,
            Rate::OneCycle { max } => {
                let last = (steps.max(2) - 1) as f64;
                let (top, at) = (0.3 * last, (step as f64).min(last));
                if at < top {
                    half_cosine(max / 25.0, max, at / top)
                } else {
                    half_cosine(max, max / 250_000.0, (at - top) / (last - top))
                }
            }
        }
    }
}

fn half_cosine(from: f64, to: f64, share: f64) -> f64 {
    to + (from - to) * 0.5 * (1.0 + (std::f64::consts::PI * share).cos())
}

/// The moments of one training.
#[derive(Debug, Clone)]
pub struct Adam {
    mean: Vec<f32>,
    square: Vec<f32>,
    steps: i32,
}

impl Adam {
    /// Fresh moments for `len` numbers.
    pub fn new(len: usize) -> Self {
        Adam {
            mean: vec![0.0; len],
            square: vec![0.0; len],
            steps: 0,
        }
    }

    /// Moves `values` one step of `rate` against `gradient`.
    pub fn step(&mut self, values: &mut [f32], gradient: &[f32], rate: f64) {
        assert_eq!(
            (values.len(), gradient.len()),
            (self.mean.len(), self.mean.len())
        );
        self.steps = self.steps.saturating_add(1);
        let mean_share = 1.0 - f64::from(BETA_MEAN).powi(self.steps);
        let square_share = 1.0 - f64::from(BETA_SQUARE).powi(self.steps);
        vectorise(Step {
            values,
            gradient,
            mean: &mut self.mean,
            square: &mut self.square,
            rate: (rate / mean_share) as f32,
            widen: (1.0 / square_share.sqrt()) as f32,
        });
    }
}

/// One step, element by element; `widen` undoes the square root's bias.
struct Step<'a> {
    values: &'a mut [f32],
    gradient: &'a [f32],
    mean: &'a mut [f32],
    square: &'a mut [f32],
    rate: f32,
    widen: f32,
}

impl Loop for Step<'_> {
    #[inline(always)]
    fn run(self) {
        let moments = self.mean.iter_mut().zip(self.square);
        for ((value, g), (mean, square)) in self.values.iter_mut().zip(self.gradient).zip(moments) {
            *mean = BETA_MEAN * *mean + (1.0 - BETA_MEAN) * g;
            *square = BETA_SQUARE * *square + (1.0 - BETA_SQUARE) * g * g;
            *value -= self.rate * *mean / (square.sqrt() * self.widen + EPSILON);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_steps_match_the_formula_in_double_precision() {
        let gradient = |step: usize, n: usize| ((step * 7 + n) as f64).sin() * 10f64.powi(n as i32);
        let mut adam = Adam::new(3);
        let mut values = [1.0f32, -2.0, 3.0];
        let mut reference = [(1.0f64, 0.0f64, 0.0f64), (-2.0, 0.0, 0.0), (3.0, 0.0, 0.0)];
        for step in 1..=10 {
            let now = [0, 1, 2].map(|n| gradient(step, n));
            adam.step(&mut values, &now.map(|g| g as f32), 0.01);
            for ((value, mean, square), g) in reference.iter_mut().zip(now) {
                *mean = 0.9 * *mean + 0.1 * g;
                *square = 0.999 * *square + 0.001 * g * g;
                let (m, s) = (
                    *mean / (1.0 - 0.9f64.powi(step as i32)),
                    *square / (1.0 - 0.999f64.powi(step as i32)),
                );
                *value -= 0.01 * m / (s.sqrt() + 1e-8);
            }
        }
        for (value, (reference, ..)) in values.iter().zip(reference) {
            assert!(
                (f64::from(*value) - reference).abs() < 2e-6,
                "{value} against {reference}"
            );
        }
    }

    #[test]
    fn one_cycle_starts_low_peaks_after_three_tenths_and_ends_near_zero() {
        let rate = Rate::OneCycle { max: 1e-3 };
        let rates: Vec<f64> = (0..101).map(|step| rate.at(step, 101)).collect();
        assert!((rates[0] - 4e-5).abs() < 1e-12 && (rates[30] - 1e-3).abs() < 1e-12);
        assert!((rates[15] - (4e-5 + 1e-3) / 2.0).abs() < 1e-12);
        assert!((rates[100] - 4e-9).abs() < 1e-15);
        assert!(rates[..31].is_sorted() && rates[30..].is_sorted_by(|a, b| a >= b));
    }

    #[test]
    fn a_cycle_of_one_step_has_a_finite_rate() {
        assert!(Rate::OneCycle { max: 1e-3 }.at(0, 1) > 0.0);
        assert_eq!(Rate::Constant(1e-4).at(5, 7), 1e-4);
    }
}
