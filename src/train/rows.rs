//! What a block does row by row, beside its matrix products: norm, softmax, GELU, sums.
//!
//! A row is a token. All functions work in place or into slices given to them, allocate nothing
//! and assume that lengths are multiples of the row's length. Sums run in sixteen lanes, so that
//! they give the same number whatever the machine's vectors are.

use crate::infer::student_file::NORM_EPSILON;

use super::kernel::{Loop, vectorise};

/// LayerNorm without its affine part: each row of `input` to mean 0 and deviation 1; `rstd` takes
/// one over each row's deviation.
pub(super) fn normalise(input: &[f32], width: usize, output: &mut [f32], rstd: &mut [f32]) {
    struct Work<'a>(&'a [f32], usize, &'a mut [f32], &'a mut [f32]);
    impl Loop for Work<'_> {
        #[inline(always)]
        fn run(self) {
            let Work(input, width, output, rstd) = self;
            let rows = input
                .chunks_exact(width)
                .zip(output.chunks_exact_mut(width));
            for ((from, to), rstd) in rows.zip(rstd) {
                let mean = sum(from) / width as f32;
                for (to, from) in to.iter_mut().zip(from) {
                    *to = from - mean;
                }
                *rstd = 1.0 / (dot(to, to) / width as f32 + NORM_EPSILON).sqrt();
                to.iter_mut().for_each(|v| *v *= *rstd);
            }
        }
    }
    vectorise(Work(input, width, output, rstd));
}

/// Adds to `gradient` what comes back through [`normalise`]: `normed` is its output, `incoming`
/// the gradient of the loss with respect to it.
pub(super) fn normalise_backward(
    incoming: &[f32],
    normed: &[f32],
    rstd: &[f32],
    width: usize,
    gradient: &mut [f32],
) {
    struct Work<'a>(&'a [f32], &'a [f32], &'a [f32], usize, &'a mut [f32]);
    impl Loop for Work<'_> {
        #[inline(always)]
        fn run(self) {
            let Work(incoming, normed, rstd, width, gradient) = self;
            let rows = incoming.chunks_exact(width).zip(normed.chunks_exact(width));
            for (((d, n), rstd), to) in rows.zip(rstd).zip(gradient.chunks_exact_mut(width)) {
                let mean = sum(d) / width as f32;
                let along = dot(d, n) / width as f32;
                for ((to, d), n) in to.iter_mut().zip(d).zip(n) {
                    *to += rstd * (d - mean - n * along);
                }
            }
        }
    }
    vectorise(Work(incoming, normed, rstd, width, gradient));
}

/// Softmax of each row, in place.
pub(super) fn softmax(values: &mut [f32], width: usize) {
    struct Work<'a>(&'a mut [f32], usize);
    impl Loop for Work<'_> {
        #[inline(always)]
        fn run(self) {
            for row in self.0.chunks_exact_mut(self.1) {
                let top = max(row);
                row.iter_mut().for_each(|v| *v = exp(*v - top));
                let scale = 1.0 / sum(row);
                row.iter_mut().for_each(|v| *v *= scale);
            }
        }
    }
    vectorise(Work(values, width));
}

/// The gradient through [`softmax`], in place: `share` is its output, `gradient` comes in as that
/// of the output and leaves as that of the input.
pub(super) fn softmax_backward(share: &[f32], width: usize, gradient: &mut [f32]) {
    struct Work<'a>(&'a [f32], usize, &'a mut [f32]);
    impl Loop for Work<'_> {
        #[inline(always)]
        fn run(self) {
            let Work(share, width, gradient) = self;
            for (p, d) in share
                .chunks_exact(width)
                .zip(gradient.chunks_exact_mut(width))
            {
                let along = dot(p, d);
                for (d, p) in d.iter_mut().zip(p) {
                    *d = p * (*d - along);
                }
            }
        }
    }
    vectorise(Work(share, width, gradient));
}

/// erf-GELU of `values` into `output`; `values` becomes its derivative there. Both are within
/// 5e-7 of the true value (absolute).
pub(super) fn gelu(values: &mut [f32], output: &mut [f32]) {
    struct Work<'a>(&'a mut [f32], &'a mut [f32]);
    impl Loop for Work<'_> {
        #[inline(always)]
        fn run(self) {
            for (value, output) in self.0.iter_mut().zip(self.1) {
                (*output, *value) = gelu_of(*value);
            }
        }
    }
    vectorise(Work(values, output));
}

/// `values *= factors`.
pub(super) fn multiply(values: &mut [f32], factors: &[f32]) {
    struct Work<'a>(&'a mut [f32], &'a [f32]);
    impl Loop for Work<'_> {
        #[inline(always)]
        fn run(self) {
            self.0.iter_mut().zip(self.1).for_each(|(v, f)| *v *= f);
        }
    }
    vectorise(Work(values, factors));
}

/// The sum of all rows of `values` into `sums` (one row).
pub(super) fn sum_rows(values: &[f32], sums: &mut [f32]) {
    struct Work<'a>(&'a [f32], &'a mut [f32]);
    impl Loop for Work<'_> {
        #[inline(always)]
        fn run(self) {
            self.1.fill(0.0);
            for row in self.0.chunks_exact(self.1.len()) {
                self.1.iter_mut().zip(row).for_each(|(sum, v)| *sum += v);
            }
        }
    }
    vectorise(Work(values, sums));
}

/// The sum of the products of two slices of one length.
#[inline(always)]
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut lanes = [0.0f32; 16];
    let (a, a_rest) = a.as_chunks::<16>();
    let (b, b_rest) = b.as_chunks::<16>();
    for (a, b) in a.iter().zip(b) {
        for lane in 0..16 {
            lanes[lane] += a[lane] * b[lane];
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    lanes.iter().sum::<f32>() + rest
}

#[inline(always)]
fn sum(values: &[f32]) -> f32 {
    let mut lanes = [0.0f32; 16];
    let (chunks, rest) = values.as_chunks::<16>();
    for chunk in chunks {
        for lane in 0..16 {
            lanes[lane] += chunk[lane];
        }
    }
    lanes.iter().sum::<f32>() + rest.iter().sum::<f32>()
}

#[inline(always)]
fn max(values: &[f32]) -> f32 {
    let mut lanes = [f32::NEG_INFINITY; 16];
    let (chunks, rest) = values.as_chunks::<16>();
    for chunk in chunks {
        for lane in 0..16 {
            // Not `f32::max`: its rule for NaN costs three instructions where this costs one.
            lanes[lane] = if chunk[lane] > lanes[lane] {
                chunk[lane]
            } else {
                lanes[lane]
            };
        }
    }
    lanes
        .iter()
        .chain(rest)
        .fold(f32::NEG_INFINITY, |top, v| if *v > top { *v } else { top })
}

/// e^x within 2e-7 (relative) for x in -87..88, and held at the ends beyond: x = n ln 2 + r with
/// |r| <= ln 2 / 2, and e^r by seven terms of its series.
#[inline(always)]
fn exp(x: f32) -> f32 {
    // Adding 1.5 * 2^23 rounds to a whole number and leaves it in the low bits.
    const ROUND: f32 = 12_582_912.0;
    const LN2_HIGH: f32 = 355.0 / 512.0; // few bits: its products with n are exact
    const LN2_LOW: f32 = -2.121_944_4e-4;
    let x = x.clamp(-87.0, 88.0);
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let n = shifted - ROUND;
    let r = (x - n * LN2_HIGH) - n * LN2_LOW;
    let mut series = 1.0 / 5040.0;
    for term in [
        1.0 / 720.0,
        1.0 / 120.0,
        1.0 / 24.0,
        1.0 / 6.0,
        0.5,
        1.0,
        1.0,
    ] {
        series = series * r + term;
    }
    let exponent = shifted
        .to_bits()
        .wrapping_sub(ROUND.to_bits())
        .wrapping_add(127);
    series * f32::from_bits(exponent << 23)
}

/// GELU and its derivative. The normal distribution function comes from formula 7.1.26 of
/// Abramowitz and Stegun (1.5e-7), whose exponential is the one that the derivative needs too.
#[inline(always)]
fn gelu_of(x: f32) -> (f32, f32) {
    const INV_SQRT_TAU: f32 = 0.398_942_3;
    const A: [f32; 5] = [
        1.061_405_4,
        -1.453_152,
        1.421_413_8,
        -0.284_496_74,
        0.254_829_6,
    ];
    let bell = exp(-0.5 * x * x);
    let t = 1.0 / (1.0 + 0.327_591_1 * std::f32::consts::FRAC_1_SQRT_2 * x.abs());
    let series = (((A[0] * t + A[1]) * t + A[2]) * t + A[3]) * t + A[4];
    let tail = 0.5 * series * t * bell;
    let below = if x < 0.0 { tail } else { 1.0 - tail };
    (x * below, below + x * bell * INV_SQRT_TAU)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// erf by the series of positive terms `2/sqrt(pi) e^{-x^2} sum 2^n x^{2n+1} / (2n+1)!!`.
    fn erf(x: f64) -> f64 {
        let (mut term, mut total) = (x, 0.0);
        for n in 0..400 {
            total += term;
            term *= 2.0 * x * x / (2 * n + 3) as f64;
        }
        std::f64::consts::FRAC_2_SQRT_PI * (-x * x).exp() * total
    }

    #[test]
    fn gelu_and_its_derivative_are_within_5e_7_of_the_error_function() {
        let inputs: Vec<f32> = (-90_000..=90_000).map(|n| n as f32 * 1e-4).collect();
        let (mut slopes, mut outputs) = (inputs.clone(), vec![0.0; inputs.len()]);
        gelu(&mut slopes, &mut outputs);
        let (mut worst, mut worst_slope) = (0.0f64, 0.0f64);
        for ((x, y), slope) in inputs
            .iter()
            .map(|x| f64::from(*x))
            .zip(&outputs)
            .zip(&slopes)
        {
            let below = 0.5 * (1.0 + erf(x * std::f64::consts::FRAC_1_SQRT_2));
            let bell = (-0.5 * x * x).exp() / std::f64::consts::TAU.sqrt();
            worst = worst.max((f64::from(*y) - x * below).abs() / x.abs().max(1.0));
            worst_slope = worst_slope.max((f64::from(*slope) - below - x * bell).abs());
        }
        println!("gelu {worst:.2e}, derivative {worst_slope:.2e}");
        assert!(worst < 5e-7 && worst_slope < 5e-7);
    }

    #[test]
    fn exp_is_within_2e_7_and_stays_finite_at_the_ends() {
        let worst = (-870_000..=880_000)
            .map(|n| n as f32 * 1e-4)
            .map(|x| (f64::from(exp(x)) / f64::from(x).exp() - 1.0).abs())
            .fold(0.0, f64::max);
        println!("exp {worst:.2e}");
        assert!(worst < 2e-7);
        assert!(exp(1e30).is_finite() && exp(-1e30) < 1e-37 && exp(f32::NAN).is_nan());
    }

    #[test]
    fn every_vector_width_gives_the_bits_of_the_plain_loop() {
        let inputs: Vec<f32> = (0..1003).map(|n| (n as f32 * 0.37).sin() * 5.0).collect();
        let (mut slopes, mut outputs) = (inputs.clone(), vec![0.0; 1003]);
        gelu(&mut slopes, &mut outputs);
        let (mut plain_slopes, mut plain_outputs) = (inputs, vec![0.0; 1003]);
        for (value, output) in plain_slopes.iter_mut().zip(&mut plain_outputs) {
            (*output, *value) = gelu_of(*value);
        }
        assert_eq!((slopes, outputs), (plain_slopes, plain_outputs));
    }

    #[test]
    fn softmax_rows_sum_to_one_and_survive_large_values() {
        let mut values = vec![1000.0, 999.0, -1000.0, 0.0, 0.0, 0.0];
        softmax(&mut values, 3);
        let share = 1.0 / (1.0 + (-1.0f32).exp());
        assert!((values[0] - share).abs() < 1e-6 && values[2] < 1e-30);
        assert!(values[3..].iter().all(|v| (v - 1.0 / 3.0).abs() < 1e-7));
    }

    #[test]
    fn a_normalised_row_has_mean_zero_and_deviation_one() {
        let input: Vec<f32> = (0..2 * 37)
            .map(|n| 100.0 + (n as f32 * 0.9).sin())
            .collect();
        let (mut output, mut rstd) = (vec![0.0; 2 * 37], vec![0.0; 2]);
        normalise(&input, 37, &mut output, &mut rstd);
        for row in output.chunks_exact(37) {
            assert!(sum(row).abs() / 37.0 < 1e-5);
            assert!((dot(row, row) / 37.0 - 1.0).abs() < 1e-4);
        }
    }
}
