//! Pure functions from token tensors to feature vectors (METHOD.md, sections 2 and 3). Masked patches
//! take part in none of the means.

use super::Patches;

/// Added to a standard deviation before its logarithm.
const LOG_FLOOR: f64 = 1e-4;
/// Added to a variance before it divides: the epsilon of a LayerNorm.
const NORM_FLOOR: f32 = 1e-6;

/// Mean over patches, then log(standard deviation over patches + 1e-4); the divisor is the number of
/// patches that are looked at. `stream` is `[N, D]`; the result `[2 D]`.
pub(super) fn pool(
    stream: &[f32],
    width: usize,
    prefix_tokens: usize,
    patches: &Patches,
) -> Vec<f32> {
    let tokens = patches.kept_tokens(&stream[prefix_tokens * width..], width);
    let count = (tokens.len() / width) as f64;
    let mut mean = vec![0f64; width];
    for token in tokens.chunks_exact(width) {
        mean.iter_mut()
            .zip(token)
            .for_each(|(m, v)| *m += f64::from(*v));
    }
    mean.iter_mut().for_each(|m| *m /= count);
    let mut variance = vec![0f64; width];
    for token in tokens.chunks_exact(width) {
        for ((s, v), m) in variance.iter_mut().zip(token).zip(&mean) {
            *s += (f64::from(*v) - m).powi(2);
        }
    }
    let spread = variance
        .iter()
        .map(|s| ((s / count).sqrt() + LOG_FLOOR).ln() as f32);
    mean.iter().map(|m| *m as f32).chain(spread).collect()
}

/// `d_i`: minus the mean over tokens and channels of `(student - teacher)^2`. The first `skip` values
/// are those of class and register tokens; they always take part.
pub(super) fn discrepancy(
    student: &[f32],
    teacher: &[f32],
    width: usize,
    skip: usize,
    patches: &Patches,
) -> f64 {
    let ((first, student), (first_teacher, teacher)) =
        (student.split_at(skip), teacher.split_at(skip));
    let student = patches.kept_tokens(student, width);
    let teacher = patches.kept_tokens(teacher, width);
    let squares = first
        .iter()
        .zip(first_teacher)
        .chain(student.iter().zip(teacher.iter()))
        .map(|(s, t)| f64::from(s - t).powi(2));
    -squares.sum::<f64>() / (skip + student.len()) as f64
}

/// `student - teacher` of each patch, `[P, D]`.
pub(super) fn residual_tokens(
    student: &[f32],
    teacher: &[f32],
    width: usize,
    prefix_tokens: usize,
) -> Vec<f32> {
    let skip = prefix_tokens * width;
    student[skip..]
        .iter()
        .zip(&teacher[skip..])
        .map(|(s, t)| s - t)
        .collect()
}

/// Mean over patches of `[P, D]`.
pub(super) fn mean_token(tokens: &[f32], width: usize) -> Vec<f32> {
    let count = (tokens.len() / width) as f64;
    let mut mean = vec![0f64; width];
    for token in tokens.chunks_exact(width) {
        mean.iter_mut()
            .zip(token)
            .for_each(|(m, v)| *m += f64::from(*v));
    }
    mean.iter().map(|m| (m / count) as f32).collect()
}

/// The mean over `streams`, each `[N, D]`, of their patch tokens, each scaled to mean 0 and deviation 1
/// first, so that none outweighs the others, `[P, D]`.
pub(super) fn blended_tokens(streams: &[&[f32]], width: usize, prefix_tokens: usize) -> Vec<f32> {
    let skip = prefix_tokens * width;
    let mut blended = vec![0f32; streams[0].len() - skip];
    for stream in streams {
        let tokens = stream[skip..].chunks_exact(width);
        for (sum, token) in blended.chunks_exact_mut(width).zip(tokens) {
            let mean = token.iter().sum::<f32>() / width as f32;
            let square: f32 = token.iter().map(|value| (value - mean).powi(2)).sum();
            let scale = 1.0 / (square / width as f32 + NORM_FLOOR).sqrt() / streams.len() as f32;
            for (sum, value) in sum.iter_mut().zip(token) {
                *sum += scale * (value - mean);
            }
        }
    }
    blended
}

#[cfg(test)]
mod tests {
    use super::super::Grid;
    use super::*;
    use crate::preprocess::{Crop, Mask, View};

    fn row(columns: usize) -> Patches {
        Patches::all(Grid { rows: 1, columns })
    }

    /// Of three patches in a row the middle one is masked.
    fn middle_masked() -> Patches {
        let middle = vec![[0.34, 0.0], [0.66, 0.0], [0.66, 1.0], [0.34, 1.0]];
        let mask = Mask::new(vec![middle]).unwrap();
        let view = View::new(Crop::default(), mask).unwrap();
        let columns = 3;
        Patches::of(&view, Grid { rows: 1, columns }).unwrap()
    }

    #[test]
    fn pooling_leaves_out_prefix_tokens_and_uses_the_population_deviation() {
        // One prefix token, patches (1, 10) and (3, 10).
        let pooled = pool(&[99.0, 99.0, 1.0, 10.0, 3.0, 10.0], 2, 1, &row(2));
        let expected = [2.0, 10.0, (1.0f64 + 1e-4).ln() as f32, 1e-4f64.ln() as f32];
        assert_eq!(pooled, expected);
    }

    #[test]
    fn the_discrepancy_is_minus_the_mean_square_over_all_tokens() {
        let (student, teacher) = ([1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0, 2.0]);
        assert_eq!(discrepancy(&student, &teacher, 2, 0, &row(2)), -1.0);
        assert_eq!(discrepancy(&student, &teacher, 2, 2, &row(1)), -1.0);
    }

    #[test]
    fn blended_tokens_are_means_of_tokens_that_have_mean_zero_and_deviation_one() {
        // One prefix token, two patches; the second stream is a hundred times as large.
        let small = [7.0, 7.0, 1.0, 3.0, 2.0, -2.0];
        let large = [7.0, 7.0, 100.0, 300.0, -200.0, 200.0];
        let blended = blended_tokens(&[&small, &large], 2, 1);
        for (value, expected) in blended.iter().zip([-1.0, 1.0, 0.0, 0.0]) {
            assert!((value - expected).abs() < 1e-5, "{blended:?}");
        }
        // A token without any variation has no direction, and is no reason to divide by zero.
        assert_eq!(blended_tokens(&[&[0.0, 0.0, 5.0, 5.0]], 2, 1), [0.0, 0.0]);
    }

    #[test]
    fn the_residual_is_student_minus_teacher_of_the_patches() {
        let tokens = residual_tokens(&[9.0, 9.0, 1.0, 2.0, 3.0, 4.0], &[0.0; 6], 2, 1);
        assert_eq!(tokens, [1.0, 2.0, 3.0, 4.0]);
        assert_eq!(mean_token(&tokens, 2), [2.0, 3.0]);
    }

    #[test]
    fn a_masked_patch_takes_part_in_no_mean() {
        let patches = middle_masked();
        let with = [5.0, 5.0, 1.0, 10.0, 700.0, -900.0, 3.0, 10.0];
        let without = [5.0, 5.0, 1.0, 10.0, 3.0, 10.0];
        assert_eq!(pool(&with, 2, 1, &patches), pool(&without, 2, 1, &row(2)));
        assert_eq!(patches.kept_tokens(&with[2..], 2).as_ref(), &without[2..]);
        let d = discrepancy(&with, &[0.0; 8], 2, 2, &patches);
        assert_eq!(d, discrepancy(&without, &[0.0; 6], 2, 2, &row(2)));
        assert_eq!(d, -(25.0 + 25.0 + 1.0 + 100.0 + 9.0 + 100.0) / 6.0);
    }

    #[test]
    fn less_than_a_quarter_of_the_patches_is_refused() {
        // Leaves half of the picture, and of each patch less than half.
        let stripe = |i: usize| {
            let (from, to) = (0.1 * i as f64, 0.1 * i as f64 + 0.06);
            vec![[from, 0.0], [to, 0.0], [to, 1.0], [from, 1.0]]
        };
        let mask = Mask::new((0..10).map(stripe).collect()).unwrap();
        let view = View::new(Crop::default(), mask).unwrap();
        let grid = Grid {
            rows: 2,
            columns: 5,
        };
        assert!(Patches::of(&view, grid).is_err());
    }
}
