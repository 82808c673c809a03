//! Pure functions from token tensors to feature vectors (METHOD.md, sections 2 and 3).

/// Added to a standard deviation before its logarithm.
const LOG_FLOOR: f64 = 1e-4;

/// Mean over patches, then log(standard deviation over patches + 1e-4); divisor P. `stream` is
/// `[N, D]`; the result `[2 D]`.
pub(super) fn pool(stream: &[f32], width: usize, prefix_tokens: usize) -> Vec<f32> {
    let patches = &stream[prefix_tokens * width..];
    let count = (patches.len() / width) as f64;
    let mut mean = vec![0f64; width];
    for token in patches.chunks_exact(width) {
        mean.iter_mut()
            .zip(token)
            .for_each(|(m, v)| *m += f64::from(*v));
    }
    mean.iter_mut().for_each(|m| *m /= count);
    let mut variance = vec![0f64; width];
    for token in patches.chunks_exact(width) {
        for ((s, v), m) in variance.iter_mut().zip(token).zip(&mean) {
            *s += (f64::from(*v) - m).powi(2);
        }
    }
    let spread = variance
        .iter()
        .map(|s| ((s / count).sqrt() + LOG_FLOOR).ln() as f32);
    mean.iter().map(|m| *m as f32).chain(spread).collect()
}

/// `d_i`: minus the mean over tokens and channels of `(student - teacher)^2`.
pub(super) fn discrepancy(student: &[f32], teacher: &[f32]) -> f64 {
    let squares = student
        .iter()
        .zip(teacher)
        .map(|(s, t)| f64::from(s - t).powi(2));
    -squares.sum::<f64>() / student.len() as f64
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pooling_leaves_out_prefix_tokens_and_uses_the_population_deviation() {
        // One prefix token, patches (1, 10) and (3, 10).
        let pooled = pool(&[99.0, 99.0, 1.0, 10.0, 3.0, 10.0], 2, 1);
        let expected = [2.0, 10.0, (1.0f64 + 1e-4).ln() as f32, 1e-4f64.ln() as f32];
        assert_eq!(pooled, expected);
    }

    #[test]
    fn the_discrepancy_is_minus_the_mean_square_over_all_tokens() {
        assert_eq!(
            discrepancy(&[1.0, 2.0, 3.0, 4.0], &[1.0, 2.0, 3.0, 2.0]),
            -1.0
        );
    }

    #[test]
    fn the_residual_is_student_minus_teacher_of_the_patches() {
        let tokens = residual_tokens(&[9.0, 9.0, 1.0, 2.0, 3.0, 4.0], &[0.0; 6], 2, 1);
        assert_eq!(tokens, [1.0, 2.0, 3.0, 4.0]);
        assert_eq!(mean_token(&tokens, 2), [2.0, 3.0]);
    }
}
