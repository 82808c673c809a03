//! Whitening: principal components of the class token, each scaled to unit variance.
//!
//! METHOD.md, section 2: kept are the components before the one that lifts the cumulative share of
//! variance above 0.9, at least one. Equal to scikit-learn's `PCA(n_components=k, whiten=True,
//! svd_solver="full")` up to the sign of each component, which no likelihood sees.

use nalgebra::{DMatrix, DVector};

use super::moments::Moments;
use super::samples::{FitError, Samples};

/// The paper's whitening threshold: share of variance that the kept components stay just under.
pub const EXPLAINED_SHARE: f64 = 0.9;

/// A linear map to uncorrelated components of unit variance.
#[derive(Debug, Clone, PartialEq)]
pub struct Whitening {
    mean: DVector<f64>,
    /// Rows are components divided by their standard deviations.
    projection: DMatrix<f64>,
}

impl Whitening {
    /// Fits on at least two frames, whitening by the sample standard deviation (divisor `n - 1`).
    ///
    /// # Errors
    /// [`FitError::TooFew`] with one frame, [`FitError::NoVariation`] if all frames are equal.
    pub fn fit(samples: &Samples, share: f64) -> Result<Self, FitError> {
        let frames = samples.frames();
        if frames < 2 {
            return Err(FitError::TooFew {
                needed: 2,
                got: frames,
            });
        }
        let moments = Moments::of(samples.columns());
        let covariance = moments.scatter() / (frames - 1) as f64;
        let eigen = covariance.symmetric_eigen();
        let mut order: Vec<usize> = (0..samples.width()).collect();
        order.sort_by(|&a, &b| eigen.eigenvalues[b].total_cmp(&eigen.eigenvalues[a]));
        let variances: Vec<f64> = order
            .iter()
            .map(|&i| eigen.eigenvalues[i].max(0.0))
            .collect();
        let kept = kept_components(&variances, share);
        let rounding = samples.width() as f64 * f64::EPSILON * moments.mean().amax();
        if variances[kept - 1] <= rounding * rounding {
            return Err(FitError::NoVariation {
                what: "the class token",
            });
        }
        let mut projection = DMatrix::zeros(kept, samples.width());
        for (row, &component) in order.iter().take(kept).enumerate() {
            let scaled = eigen.eigenvectors.column(component) / variances[row].sqrt();
            projection.row_mut(row).tr_copy_from(&scaled);
        }
        Ok(Self {
            mean: moments.mean().clone(),
            projection,
        })
    }

    /// From its arrays: mean `[D]`, projection `[k, D]`. `None` if shapes disagree or a value is
    /// not finite.
    pub(super) fn from_arrays(mean: DVector<f64>, projection: DMatrix<f64>) -> Option<Self> {
        let finite = mean.iter().chain(projection.iter()).all(|v| v.is_finite());
        let fits = projection.ncols() == mean.len() && projection.nrows() > 0;
        (finite && fits).then_some(Self { mean, projection })
    }

    /// Components kept, `k`.
    pub fn components(&self) -> usize {
        self.projection.nrows()
    }

    /// Length of the vectors that it takes, `D`.
    pub fn width(&self) -> usize {
        self.mean.len()
    }

    /// Mean, `[D]`.
    pub(super) fn mean(&self) -> &DVector<f64> {
        &self.mean
    }

    /// `[k, D]`.
    pub(super) fn projection(&self) -> &DMatrix<f64> {
        &self.projection
    }

    /// `x` in whitened components, `[k]`.
    ///
    /// # Panics
    /// If `x` is not of [`width`](Self::width) values.
    pub fn apply<T: Copy + Into<f64>>(&self, x: &[T]) -> Vec<f64> {
        assert_eq!(
            x.len(),
            self.width(),
            "a vector of another width was given to a whitening"
        );
        let mut centred = DVector::from_iterator(x.len(), x.iter().map(|&v| v.into()));
        centred -= &self.mean;
        (&self.projection * centred).data.into()
    }
}

/// The 0-based index of the first cumulative share above `share`, at least 1.
fn kept_components(variances: &[f64], share: f64) -> usize {
    let total: f64 = variances.iter().sum();
    let mut cumulative = 0.0;
    let first_above = variances.iter().position(|variance| {
        cumulative += variance;
        cumulative / total > share
    });
    first_above.unwrap_or(variances.len()).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kept_components_explain_just_under_the_share() {
        assert_eq!(kept_components(&[5.0, 3.0, 1.5, 0.5], 0.9), 2);
        assert_eq!(kept_components(&[5.0, 3.0, 1.0, 1.0], 0.9), 3);
        assert_eq!(kept_components(&[95.0, 5.0], 0.9), 1);
    }

    #[test]
    fn equal_frames_are_refused() {
        let rows: [&[f32]; 3] = [&[1.0, 2.0]; 3];
        let samples = Samples::gather(rows).unwrap();
        let refused = Whitening::fit(&samples, EXPLAINED_SHARE);
        assert_eq!(
            refused,
            Err(FitError::NoVariation {
                what: "the class token"
            })
        );
    }

    #[test]
    fn whitened_samples_have_unit_variance() {
        let rows: [&[f32]; 5] = [
            &[1.0, 2.0, 0.5],
            &[2.0, -1.0, 3.0],
            &[0.0, 4.0, 1.0],
            &[5.0, 5.0, 5.0],
            &[1.0; 3],
        ];
        let samples = Samples::gather(rows).unwrap();
        let whitening = Whitening::fit(&samples, 0.99).unwrap();
        let white = samples.mapped(|x| whitening.apply(x)).unwrap();
        let moments = Moments::of(white.columns());
        let covariance = moments.scatter() / 4.0;
        let identity = DMatrix::identity(whitening.components(), whitening.components());
        assert!((covariance - identity).amax() < 1e-12);
        assert!(moments.mean().amax() < 1e-12);
    }
}
