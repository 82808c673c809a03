//! Moments: count, mean and scatter of vectors, gathered piece by piece in `f64`.
//!
//! Pieces are merged by Chan's update, so the order costs no accuracy and folds can be combined
//! without a second pass over their frames. Nothing is fitted here; a covariance is the scatter
//! divided by whatever its user divides by.

use nalgebra::{DMatrix, DVector};

/// First and second moments of a set of vectors.
#[derive(Debug, Clone, PartialEq)]
pub struct Moments {
    count: usize,
    mean: DVector<f64>,
    scatter: DMatrix<f64>,
}

impl Moments {
    /// Of no vectors yet, each of `width` values.
    pub fn new(width: usize) -> Self {
        Self {
            count: 0,
            mean: DVector::zeros(width),
            scatter: DMatrix::zeros(width, width),
        }
    }

    /// Of the columns of `columns`, `[width, count]`.
    pub(super) fn of(columns: &DMatrix<f64>) -> Self {
        let count = columns.ncols();
        if count == 0 {
            return Self::new(columns.nrows());
        }
        let mean = columns.column_mean();
        let mut centred = columns.clone();
        for mut column in centred.column_iter_mut() {
            column -= &mean;
        }
        let scatter = &centred * centred.transpose();
        Self {
            count,
            mean,
            scatter,
        }
    }

    /// Adds vectors laid one after the other, `[count, width]` row by row.
    ///
    /// # Panics
    /// If the length of `rows` is no multiple of the width.
    pub fn add(&mut self, rows: &[f32]) {
        let width = self.mean.len();
        assert!(
            rows.len().is_multiple_of(width),
            "rows of another width were added to moments"
        );
        let values = rows.iter().map(|&v| f64::from(v));
        self.merge(&Self::of(&DMatrix::from_iterator(
            width,
            rows.len() / width,
            values,
        )));
    }

    /// Adds all that `other` saw.
    pub fn merge(&mut self, other: &Self) {
        let total = self.count + other.count;
        if other.count == 0 {
            return;
        }
        let shift = &other.mean - &self.mean;
        let share = other.count as f64 / total as f64;
        self.scatter += &other.scatter;
        self.scatter
            .ger(self.count as f64 * share, &shift, &shift, 1.0);
        self.mean.axpy(share, &shift, 1.0);
        self.count = total;
    }

    /// How the vectors of several sets vary about the mean of their own set; the mean is that of all.
    ///
    /// # Panics
    /// Without a set.
    pub fn within(sets: &[Moments]) -> Self {
        let mut all = Self::new(sets[0].mean.len());
        sets.iter().for_each(|set| all.merge(set));
        if sets.len() > 1 {
            all.scatter.fill(0.0);
            sets.iter().for_each(|set| all.scatter += &set.scatter);
        }
        all
    }

    /// Vectors seen.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Their mean, `[width]`; zero before the first.
    pub fn mean(&self) -> &DVector<f64> {
        &self.mean
    }

    /// Sum of the outer products of the centred vectors, `[width, width]`.
    pub fn scatter(&self) -> &DMatrix<f64> {
        &self.scatter
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::RngExt as _;
    use rand::SeedableRng as _;

    fn rows(count: usize, width: usize, seed: u64) -> Vec<f32> {
        let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
        (0..count * width)
            .map(|i| random.random_range(-1.0..1.0) + (i % width) as f32)
            .collect()
    }

    #[test]
    fn pieces_merged_in_any_order_equal_one_pass() {
        let all = rows(40, 5, 7);
        let mut whole = Moments::new(5);
        whole.add(&all);
        let (mut first, mut second) = (Moments::new(5), Moments::new(5));
        first.add(&all[..5 * 11]);
        second.add(&all[5 * 11..5 * 12]);
        second.add(&all[5 * 12..]);
        second.merge(&Moments::new(5));
        second.merge(&first);
        assert_eq!(second.count(), 40);
        assert!((second.mean() - whole.mean()).amax() < 1e-12);
        assert!((second.scatter() - whole.scatter()).amax() < 1e-10);
    }

    #[test]
    fn a_large_offset_does_not_drown_the_scatter() {
        let mut moments = Moments::new(1);
        for value in [1e6_f32, 1e6 + 1.0, 1e6 + 2.0] {
            moments.add(&[value]);
        }
        assert!((moments.scatter()[(0, 0)] - 2.0).abs() < 1e-9);
    }
}
