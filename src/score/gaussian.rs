//! Gaussian: a mean and the Cholesky factor of a full covariance.
//!
//! Fitted in one of two ways: as it is, with a ridge (the paper's branches, METHOD.md, section 2), or
//! shrunk after Ledoit and Wolf (the default score, METHOD.md, section 3). A covariance that is
//! singular to working precision is refused, never patched up.

use nalgebra::{Cholesky, DMatrix, DVector};

use super::moments::Moments;
use super::samples::{FitError, Samples};

/// The paper's constant on the diagonal of both covariances.
pub const PAPER_RIDGE: f64 = 1e-6;

/// A multivariate normal distribution of full covariance.
#[derive(Debug, Clone, PartialEq)]
pub struct Gaussian {
    mean: DVector<f64>,
    cholesky: DMatrix<f64>,
    log_det: f64,
}

/// A Gaussian with a shrunk covariance, and by how much.
#[derive(Debug, Clone, PartialEq)]
pub struct Shrunk {
    /// The Gaussian.
    pub gaussian: Gaussian,
    /// Weight of the scaled identity, 0..1.
    pub shrinkage: f64,
}

impl Gaussian {
    /// Covariance with divisor `n` and `ridge` added to its diagonal, as scikit-learn's
    /// `GaussianMixture(1, reg_covar=ridge)`.
    ///
    /// # Errors
    /// [`FitError::NoVariation`] if the covariance is singular in spite of the ridge.
    pub fn fit_full(samples: &Samples, ridge: f64) -> Result<Self, FitError> {
        let moments = Moments::of(samples.columns());
        let mut covariance = moments.scatter() / moments.count() as f64;
        for i in 0..covariance.nrows() {
            covariance[(i, i)] += ridge;
        }
        Self::from_covariance(moments.mean().clone(), covariance)
    }

    /// Covariance `(1 - s) S + s tr(S) / D I` with `s` after Ledoit and Wolf (2004), as
    /// scikit-learn's `LedoitWolf`; `S` has divisor `n`. Needs no more frames than dimensions.
    ///
    /// # Errors
    /// [`FitError::TooFew`] under three frames: two centred frames mirror each other, so the
    /// shrinkage is 0 and the covariance singular. [`FitError::NoVariation`] if the frames are all
    /// equal, or mirror each other.
    pub fn fit_ledoit_wolf(samples: &Samples) -> Result<Shrunk, FitError> {
        if samples.frames() < 3 {
            return Err(FitError::TooFew {
                needed: 3,
                got: samples.frames(),
            });
        }
        let moments = Moments::of(samples.columns());
        let mut covariance = moments.scatter() / samples.frames() as f64;
        let level = covariance.trace() / samples.width() as f64;
        let shrinkage = ledoit_wolf_shrinkage(samples, moments.mean(), &covariance);
        covariance *= 1.0 - shrinkage;
        for i in 0..covariance.nrows() {
            covariance[(i, i)] += shrinkage * level;
        }
        let gaussian = Self::from_covariance(moments.mean().clone(), covariance)?;
        Ok(Shrunk {
            gaussian,
            shrinkage,
        })
    }

    /// From a symmetric covariance.
    ///
    /// # Errors
    /// [`FitError::NoVariation`] if it is singular to working precision.
    pub(super) fn from_covariance(
        mean: DVector<f64>,
        covariance: DMatrix<f64>,
    ) -> Result<Self, FitError> {
        let singular = FitError::NoVariation { what: "a feature" };
        let size = covariance.nrows();
        let largest = covariance.diagonal().max();
        let factor = Cholesky::new(covariance).ok_or(singular.clone())?.unpack();
        // A pivot that is all rounding error, of the covariance or of the mean, would multiply
        // noise by 1e8; sound shrinkage keeps pivots many orders above this line.
        let rounding = size as f64 * f64::EPSILON;
        let least = (rounding * largest).max((rounding * mean.amax()).powi(2));
        if factor
            .diagonal()
            .iter()
            .any(|&pivot| pivot * pivot <= least)
        {
            return Err(singular);
        }
        Self::from_cholesky(mean, factor).ok_or(FitError::NoVariation { what: "a feature" })
    }

    /// From a lower Cholesky factor `[D, D]`; what is above the diagonal must be zero. `None` if
    /// the shapes disagree, a value is not finite or the diagonal is not positive.
    pub(super) fn from_cholesky(mean: DVector<f64>, cholesky: DMatrix<f64>) -> Option<Self> {
        let square = cholesky.is_square() && cholesky.nrows() == mean.len();
        let finite = mean.iter().chain(cholesky.iter()).all(|v| v.is_finite());
        if !square || !finite || cholesky.diagonal().iter().any(|&v| v <= 0.0) {
            return None;
        }
        let log_det = 2.0 * cholesky.diagonal().iter().map(|v| v.ln()).sum::<f64>();
        Some(Self {
            mean,
            cholesky,
            log_det,
        })
    }

    /// Dimensions, `D`.
    pub fn width(&self) -> usize {
        self.mean.len()
    }

    /// Mean, `[D]`.
    pub fn mean(&self) -> &DVector<f64> {
        &self.mean
    }

    /// Lower Cholesky factor of the covariance, `[D, D]`.
    pub fn cholesky(&self) -> &DMatrix<f64> {
        &self.cholesky
    }

    /// `(x - mean)' C^-1 (x - mean)`; NaN or infinite where `x` is.
    ///
    /// # Panics
    /// If `x` is not of [`width`](Self::width) values.
    pub fn mahalanobis_squared<T: Copy + Into<f64>>(&self, x: &[T]) -> f64 {
        assert_eq!(
            x.len(),
            self.width(),
            "a vector of another width was given to a Gaussian"
        );
        let mut rest = DVector::from_iterator(x.len(), x.iter().map(|&v| v.into()));
        rest -= &self.mean;
        let solved = self.cholesky.solve_lower_triangular_mut(&mut rest);
        debug_assert!(solved, "the diagonal of the factor is positive");
        rest.norm_squared()
    }

    /// Natural logarithm of the density at `x`, with its full normalisation.
    ///
    /// # Panics
    /// If `x` is not of [`width`](Self::width) values.
    pub fn log_likelihood<T: Copy + Into<f64>>(&self, x: &[T]) -> f64 {
        let normalisation = self.width() as f64 * std::f64::consts::TAU.ln() + self.log_det;
        -0.5 * (normalisation + self.mahalanobis_squared(x))
    }
}

/// Weight of the scaled identity, 0..1. With `p` dimensions, centred samples `x` and covariance
/// `S`: `beta = (mean |x|^4 - |S|^2) / (p n)`, `delta = |S - tr(S)/p I|^2 / p`, and the weight is
/// `min(beta, delta) / delta`.
fn ledoit_wolf_shrinkage(samples: &Samples, mean: &DVector<f64>, covariance: &DMatrix<f64>) -> f64 {
    let (p, n) = (samples.width() as f64, samples.frames() as f64);
    if samples.width() == 1 {
        return 0.0;
    }
    let level = covariance.trace() / p;
    let fourth: f64 = samples
        .columns()
        .column_iter()
        .map(|x| {
            x.iter()
                .zip(mean.iter())
                .map(|(x, m)| (x - m).powi(2))
                .sum::<f64>()
                .powi(2)
        })
        .sum();
    let square = covariance.norm_squared();
    let beta = (fourth / n - square) / (p * n);
    let delta = (square - 2.0 * level * covariance.trace() + p * level * level) / p;
    let beta = beta.min(delta);
    if beta > 0.0 { beta / delta } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gather(rows: &[Vec<f64>]) -> Samples {
        Samples::gather(rows.iter().map(Vec::as_slice)).unwrap()
    }

    #[test]
    fn shrunk_gaussians_equal_scikit_learn_to_1e_9() {
        #[derive(serde::Deserialize)]
        struct Case {
            fit: Vec<Vec<f64>>,
            test: Vec<Vec<f64>>,
            shrinkage: f64,
            covariance: Vec<Vec<f64>>,
            mahalanobis_squared: Vec<f64>,
        }
        #[derive(serde::Deserialize)]
        struct Golden {
            ledoit_wolf: std::collections::BTreeMap<String, Case>,
        }
        let golden: Golden =
            serde_json::from_str(include_str!("../../tests/oracle/golden.json")).unwrap();
        assert_eq!(golden.ledoit_wolf.len(), 4);
        for (name, case) in golden.ledoit_wolf {
            let fitted = Gaussian::fit_ledoit_wolf(&gather(&case.fit)).unwrap();
            let shrinkage = fitted.shrinkage;
            assert!(
                (shrinkage - case.shrinkage).abs() < 1e-12,
                "{name}: shrinkage {shrinkage}"
            );
            let factor = fitted.gaussian.cholesky();
            let covariance = factor * factor.transpose();
            for (i, row) in case.covariance.iter().enumerate() {
                for (j, &expected) in row.iter().enumerate() {
                    let found = covariance[(i, j)];
                    assert!(
                        (found - expected).abs() < 1e-12,
                        "{name}: covariance {i}, {j}"
                    );
                }
            }
            for (x, expected) in case.test.iter().zip(&case.mahalanobis_squared) {
                let found = fitted.gaussian.mahalanobis_squared(x);
                assert!(
                    (found / expected - 1.0).abs() < 1e-9,
                    "{name}: {found} not {expected}"
                );
            }
        }
    }

    #[test]
    fn frames_that_repeat_are_refused() {
        let again = |frame: [f64; 3], n: usize| vec![frame.to_vec(); n];
        let equal = gather(&again([0.1, 0.2, 0.7], 9));
        let refused = FitError::NoVariation { what: "a feature" };
        assert_eq!(Gaussian::fit_ledoit_wolf(&equal), Err(refused.clone()));
        let two_pictures = [again([0.1, 0.2, 0.7], 4), again([0.9, 0.3, 0.4], 4)].concat();
        assert_eq!(
            Gaussian::fit_ledoit_wolf(&gather(&two_pictures)),
            Err(refused)
        );
        let two = Gaussian::fit_ledoit_wolf(&gather(&two_pictures[3..5]));
        assert_eq!(two, Err(FitError::TooFew { needed: 3, got: 2 }));
    }

    #[test]
    fn a_ridge_makes_two_frames_and_a_constant_feature_finite() {
        let samples = gather(&[vec![1.0, 5.0, -2.0], vec![3.0, 5.0, 1.0]]);
        let fitted = Gaussian::fit_full(&samples, PAPER_RIDGE).unwrap();
        assert!(fitted.log_likelihood(&[2.0, 5.1, 0.0]).is_finite());
        assert!(fitted.mahalanobis_squared(&[2.0, 5.0, f64::NAN]).is_nan());
    }
}
