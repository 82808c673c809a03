//! Token Gaussian: how a student's residual varies over all patches of all normal frames.
//!
//! METHOD.md, section 3, map: the Mahalanobis distance of each patch's residual token (student minus
//! teacher) under one Gaussian pooled over positions and frames. Distances are not comparable
//! between positions yet; `map` does that. Fitted in `f64`, applied in `f32` as one matrix product.

use nalgebra::{DMatrix, DMatrixView, DMatrixViewMut, DVector};

use super::bank::BankScratch;
use super::gaussian::Gaussian;
use super::moments::Moments;
use super::samples::FitError;
use crate::infer::Features;

/// The tokens of one frame, masked ones included.
#[derive(Debug, Clone, Copy)]
pub struct FrameTokens<'a> {
    /// Residual tokens, `[P, D]`.
    pub residual: &'a [f32],
    /// Those for a [`super::bank::MemoryBank`], `[P, D]`; empty where there is none.
    pub blended: &'a [f32],
}

impl<'a> From<&'a Features> for FrameTokens<'a> {
    fn from(features: &'a Features) -> Self {
        FrameTokens {
            residual: &features.discrepancy.residual_tokens,
            blended: &features.blended_tokens,
        }
    }
}

/// Working memory of scoring, kept between frames so that a frame allocates little.
#[derive(Debug, Default)]
pub struct Scratch {
    projected: Vec<f32>,
    pub(super) bank: BankScratch,
}

/// One Gaussian for the residual tokens of all positions.
#[derive(Debug, Clone, PartialEq)]
pub struct TokenGaussian {
    gaussian: Gaussian,
    /// Inverse of the Cholesky factor, `[D, D]`.
    inverse: DMatrix<f32>,
    /// Minus the inverse factor times the mean, `[D]`.
    offset: DVector<f32>,
}

impl TokenGaussian {
    /// Fits on the tokens gathered. The covariance is shrunk towards a multiple of the identity by
    /// `D / (D + tokens)`: the prior counts as many tokens as there are dimensions, 0.3 % with 300
    /// frames of 196 patches. Ledoit-Wolf's own weight would be smaller still and needs fourth
    /// moments.
    ///
    /// # Errors
    /// [`FitError::TooFew`] without tokens, [`FitError::NoVariation`] if all are equal.
    pub fn fit(tokens: &Moments) -> Result<Self, FitError> {
        if tokens.count() < 2 {
            return Err(FitError::TooFew {
                needed: 2,
                got: tokens.count(),
            });
        }
        let width = tokens.mean().len();
        let mut covariance = tokens.scatter() / tokens.count() as f64;
        let level = covariance.trace() / width as f64;
        let shrinkage = width as f64 / (width + tokens.count()) as f64;
        covariance *= 1.0 - shrinkage;
        for i in 0..width {
            covariance[(i, i)] += shrinkage * level;
        }
        let gaussian = Gaussian::from_covariance(tokens.mean().clone(), covariance);
        let what = "the residual of the student";
        Ok(Self::from_gaussian(
            gaussian.map_err(|_| FitError::NoVariation { what })?,
        ))
    }

    /// Prepares a Gaussian for whole pictures.
    pub(super) fn from_gaussian(gaussian: Gaussian) -> Self {
        let width = gaussian.width();
        let mut inverse = DMatrix::identity(width, width);
        let solved = gaussian.cholesky().solve_lower_triangular_mut(&mut inverse);
        debug_assert!(solved, "the diagonal of the factor is positive");
        let offset = -(&inverse * gaussian.mean());
        Self {
            gaussian,
            inverse: inverse.map(|v| v as f32),
            offset: offset.map(|v| v as f32),
        }
    }

    /// The Gaussian itself.
    pub(super) fn gaussian(&self) -> &Gaussian {
        &self.gaussian
    }

    /// Length of a token, `D`.
    pub fn width(&self) -> usize {
        self.offset.len()
    }

    /// Mahalanobis distance of each of `tokens`, `[P, D]`; not squared, which keeps the tail of
    /// the normal frames short. Returns `[P]`.
    ///
    /// # Panics
    /// If the length of `tokens` is no multiple of the width.
    pub fn distances(&self, tokens: &[f32], scratch: &mut Scratch) -> Vec<f32> {
        self.distances_about(&self.offset, tokens, scratch)
    }

    /// What [`TokenGaussian::distances_about`] takes for tokens whose mean is `shift`, `[D]`, from that
    /// of all.
    pub(super) fn centre(&self, shift: &[f64]) -> DVector<f32> {
        let shift = DVector::from_iterator(shift.len(), shift.iter().map(|&v| v as f32));
        &self.offset - &self.inverse * shift
    }

    /// The same about another [centre](TokenGaussian::centre) than the mean of all.
    pub(super) fn distances_about(
        &self,
        centre: &DVector<f32>,
        tokens: &[f32],
        scratch: &mut Scratch,
    ) -> Vec<f32> {
        let width = self.width();
        assert!(
            tokens.len().is_multiple_of(width),
            "tokens of another width were scored"
        );
        let patches = tokens.len() / width;
        scratch.projected.clear();
        for _ in 0..patches {
            scratch.projected.extend_from_slice(centre.as_slice());
        }
        // Rows of tokens are columns to nalgebra.
        let tokens = DMatrixView::from_slice(tokens, width, patches);
        let mut projected = DMatrixViewMut::from_slice(&mut scratch.projected, width, patches);
        projected.gemm(1.0, &self.inverse, &tokens, 1.0);
        projected
            .column_iter()
            .map(|column| column.norm())
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::RngExt as _;
    use rand::SeedableRng as _;

    fn tokens(patches: usize, width: usize, seed: u64) -> Vec<f32> {
        let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
        let mut walk = 0.0_f32;
        let correlated = (0..patches * width).map(|i| {
            walk = 0.7 * walk + random.random_range(-1.0..1.0);
            walk * (1.0 + (i % width) as f32 / 10.0) + 0.3
        });
        correlated.collect()
    }

    #[test]
    fn the_single_precision_product_equals_the_gaussian_one_by_one() {
        let mut moments = Moments::new(24);
        moments.add(&tokens(500, 24, 1));
        let fitted = TokenGaussian::fit(&moments).unwrap();
        let fresh = tokens(49, 24, 2);
        let distances = fitted.distances(&fresh, &mut Scratch::default());
        for (token, distance) in fresh.chunks(24).zip(distances) {
            let exact = fitted.gaussian().mahalanobis_squared(token).sqrt();
            assert!(
                (f64::from(distance) / exact - 1.0).abs() < 1e-5,
                "{distance} is not {exact}"
            );
        }
    }

    #[test]
    fn fewer_tokens_than_dimensions_are_enough() {
        let mut moments = Moments::new(24);
        moments.add(&tokens(10, 24, 3));
        let fitted = TokenGaussian::fit(&moments).unwrap();
        let distances = fitted.distances(&tokens(10, 24, 4), &mut Scratch::default());
        assert!(distances.iter().all(|d| d.is_finite()));
    }

    #[test]
    fn equal_tokens_are_refused() {
        let mut moments = Moments::new(2);
        moments.add(&[0.1, 0.2, 0.1, 0.2, 0.1, 0.2]);
        let what = "the residual of the student";
        assert_eq!(
            TokenGaussian::fit(&moments),
            Err(FitError::NoVariation { what })
        );
    }

    #[test]
    #[ignore = "a measurement: run with --ignored --nocapture"]
    fn measure_the_time_of_a_map() {
        let mut moments = Moments::new(192);
        moments.add(&tokens(2000, 192, 5));
        let fitted = TokenGaussian::fit(&moments).unwrap();
        let (fresh, mut scratch) = (tokens(196, 192, 6), Scratch::default());
        let start = std::time::Instant::now();
        for _ in 0..100 {
            std::hint::black_box(fitted.distances(&fresh, &mut scratch));
        }
        println!("one map of 196 x 192: {:?}", start.elapsed() / 100);
    }
}
