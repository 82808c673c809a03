//! The paper's two branches (METHOD.md, section 2): a Gaussian on the whitened class token and one on
//! the discrepancy feature, fitted on the same frames.
//!
//! Both are given as minus the log-likelihood, so higher is more anomalous. Nothing is calibrated
//! here: these are the numbers that the reference program gives, to rounding.

use super::gaussian::{Gaussian, PAPER_RIDGE};
use super::samples::{FitError, Samples};
use super::whitening::{EXPLAINED_SHARE, Whitening};

/// Both branches, fitted.
#[derive(Debug, Clone, PartialEq)]
pub struct PaperGaussians {
    pub(super) whitening: Whitening,
    pub(super) pretrained: Gaussian,
    pub(super) discrepancy: Gaussian,
}

/// What the paper says about one frame; the paper's score is the sum.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PaperScore {
    /// Minus the log-likelihood of the whitened class token.
    pub pretrained: f64,
    /// Minus the log-likelihood of the discrepancy feature.
    pub discrepancy: f64,
}

impl PaperScore {
    /// `pretrained + discrepancy`.
    pub fn sum(&self) -> f64 {
        self.pretrained + self.discrepancy
    }
}

impl PaperGaussians {
    /// Fits on class tokens `z` and discrepancy features `d` of the same frames.
    ///
    /// # Errors
    /// As [`Whitening::fit`] and [`Gaussian::fit_full`].
    pub fn fit(z: &Samples, d: &Samples) -> Result<Self, FitError> {
        let whitening = Whitening::fit(z, EXPLAINED_SHARE)?;
        let whitened = z.mapped(|x| whitening.apply(x))?;
        let pretrained = Gaussian::fit_full(&whitened, PAPER_RIDGE)?;
        let discrepancy = Gaussian::fit_full(d, PAPER_RIDGE)?;
        Ok(Self {
            whitening,
            pretrained,
            discrepancy,
        })
    }

    /// Scores the class token `z`, `[D]`, and the discrepancy feature `d`, `[blocks]`.
    ///
    /// # Panics
    /// If either is of another length than those it was fitted on.
    pub fn score(&self, z: &[f32], d: &[f64]) -> PaperScore {
        PaperScore {
            pretrained: -self.pretrained.log_likelihood(&self.whitening.apply(z)),
            discrepancy: -self.discrepancy.log_likelihood(d),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_equal_scikit_learn_to_1e_6() {
        #[derive(serde::Deserialize)]
        struct Case {
            fit_z: Vec<Vec<f32>>,
            fit_d: Vec<Vec<f64>>,
            z: Vec<Vec<f32>>,
            d: Vec<Vec<f64>>,
            components: usize,
            pretrained: Vec<f64>,
            discrepancy: Vec<f64>,
        }
        #[derive(serde::Deserialize)]
        struct Golden {
            paper: Case,
        }
        let golden = include_str!("../../tests/oracle/golden.json");
        let case = serde_json::from_str::<Golden>(golden).unwrap().paper;
        let z = Samples::gather(case.fit_z.iter().map(Vec::as_slice)).unwrap();
        let d = Samples::gather(case.fit_d.iter().map(Vec::as_slice)).unwrap();
        let fitted = PaperGaussians::fit(&z, &d).unwrap();
        assert_eq!(fitted.whitening.components(), case.components);
        let close = |found: f64, expected: f64| (found / expected - 1.0).abs() < 1e-6;
        for i in 0..case.z.len() {
            let found = fitted.score(&case.z[i], &case.d[i]);
            assert!(
                close(found.pretrained, case.pretrained[i]),
                "frame {i}: {found:?}"
            );
            assert!(
                close(found.discrepancy, case.discrepancy[i]),
                "frame {i}: {found:?}"
            );
            let sum = case.pretrained[i] + case.discrepancy[i];
            assert!(close(found.sum(), sum), "frame {i}: {found:?} is not {sum}");
        }
    }
}
