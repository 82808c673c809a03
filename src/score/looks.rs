//! Looks: how many frames that follow each other count as one, since neighbours are near-copies.
//!
//! The mean of n such frames is as far off as that of n / looks independent ones. Estimated from the
//! means of time blocks of several lengths, the largest of which counts: a scene that changes over
//! minutes shows in long blocks alone. Footage that is shorter than the changes can't know of them.

/// Numbers of time blocks whose means are compared.
const BLOCKS: [usize; 3] = [4, 8, 16];

/// Frames of `values`, in order of time, that count as one; 1 where they are independent, or as many as
/// there are where nothing can be said.
pub(crate) fn frames_a_look(values: &[f64]) -> f64 {
    let n = values.len() as f64;
    let mean = values.iter().sum::<f64>() / n;
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / n;
    if values.len() < 2 * BLOCKS[0] || variance.is_nan() || variance <= 0.0 {
        return n.max(1.0);
    }
    let of = |blocks: usize| {
        let means = (0..blocks).map(|i| {
            let block = &values[i * values.len() / blocks..(i + 1) * values.len() / blocks];
            block.iter().sum::<f64>() / block.len() as f64
        });
        let between = means.map(|m| (m - mean).powi(2)).sum::<f64>() / (blocks - 1) as f64;
        between * (n / blocks as f64) / variance
    };
    let blocks = BLOCKS
        .into_iter()
        .filter(|blocks| 2 * blocks <= values.len());
    blocks.map(of).fold(1.0, f64::max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::RngExt as _;
    use rand::SeedableRng as _;

    fn series(n: usize, correlation: f64, seed: u64) -> Vec<f64> {
        let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
        let mut state = 0.0;
        let mut next = || {
            let uniform: f64 = random.random_range(-1.0..1.0);
            state = correlation * state + (1.0 - correlation * correlation).sqrt() * uniform;
            state
        };
        (0..n).map(|_| next()).collect()
    }

    fn mean_of(n: usize, correlation: f64) -> f64 {
        let looks = (0..50).map(|seed| frames_a_look(&series(n, correlation, seed)));
        looks.sum::<f64>() / 50.0
    }

    #[test]
    fn correlated_frames_count_as_one_and_independent_ones_for_themselves() {
        // (1 + 0.9) / (1 - 0.9) = 19; the largest of three estimates is above the truth.
        let (independent, correlated) = (mean_of(600, 0.0), mean_of(600, 0.9));
        assert!((1.0..2.5).contains(&independent), "{independent}");
        assert!((15.0..40.0).contains(&correlated), "{correlated}");
    }

    #[test]
    fn a_course_of_a_day_and_equal_frames_say_little_however_many_they_are() {
        let rising: Vec<f64> = (0..400).map(f64::from).collect();
        assert!(frames_a_look(&rising) > 80.0);
        for values in [vec![3.0; 100], vec![1.0, 2.0], vec![]] {
            assert!(frames_a_look(&values) >= values.len() as f64);
        }
    }
}
