//! Memory bank: patches of normal frames, and how far those of another frame are from them.
//!
//! The optional fifth part of the default score (METHOD.md, section 3). A bank holds the tokens that lie
//! furthest from each other, so few that every patch can be held against all of them; how a frame's
//! distance becomes a part of its score is the business of [`super::parts`]. A bank never grows.

use nalgebra::{DMatrix, DMatrixView, DMatrixViewMut, DVector};

use crate::infer::Patches;

/// Tokens of a bank at most.
pub const MOST_TOKENS: usize = 1000;
/// Patches whose distances are averaged: an anomaly smaller than that hardly counts, and noise of one
/// patch no longer does.
const LARGEST: usize = 5;
/// Values that are summed side by side, for the sake of vector units.
const LANES: usize = 16;

/// Working memory, kept between frames.
#[derive(Debug, Default)]
pub(super) struct BankScratch {
    products: Vec<f32>,
    distances: Vec<f32>,
}

/// Tokens of normal patches.
#[derive(Debug, Clone, PartialEq)]
pub struct MemoryBank {
    /// A token a row, `[M, D]`.
    tokens: DMatrix<f32>,
    /// Half of each token's squared length, `[M]`.
    halves: DVector<f32>,
}

impl MemoryBank {
    /// Of `tokens`, `[n, D]`, those that lie furthest from each other: the first, and then again and
    /// again the one that is furthest from all taken (Gonzalez 1985, greedy k-centre). Equal ones are
    /// taken once.
    ///
    /// # Panics
    /// Without a token, or if the length of `tokens` is no multiple of `width`.
    pub fn choose(tokens: &[f32], width: usize) -> MemoryBank {
        assert!(
            !tokens.is_empty() && tokens.len().is_multiple_of(width),
            "a bank is made of whole tokens"
        );
        let token = |number: usize| &tokens[number * width..][..width];
        let mut chosen = vec![0];
        let mut nearest = vec![f32::INFINITY; tokens.len() / width];
        while chosen.len() < MOST_TOKENS {
            let latest = token(chosen[chosen.len() - 1]);
            let mut furthest = (0, 0.0);
            for (number, nearest) in nearest.iter_mut().enumerate() {
                *nearest = nearest.min(squared_distance(token(number), latest));
                if *nearest > furthest.1 {
                    furthest = (number, *nearest);
                }
            }
            if furthest.1 == 0.0 {
                break;
            }
            chosen.push(furthest.0);
        }
        let rows = chosen.iter().flat_map(|&number| token(number)).copied();
        Self::of(DMatrix::from_row_iterator(chosen.len(), width, rows))
    }

    fn of(tokens: DMatrix<f32>) -> MemoryBank {
        let halves = tokens.row_iter().map(|token| token.norm_squared() / 2.0);
        let halves = DVector::from_iterator(tokens.nrows(), halves);
        MemoryBank { tokens, halves }
    }

    /// From what a file holds, row by row; none where that is no bank.
    pub(super) fn from_rows(values: &[f32], width: usize) -> Option<MemoryBank> {
        let count = values.len().checked_div(width)?;
        let is_sound = (1..=MOST_TOKENS).contains(&count)
            && values.len().is_multiple_of(width)
            && values.iter().all(|value| value.is_finite());
        is_sound.then(|| Self::of(DMatrix::from_row_slice(count, width, values)))
    }

    /// Its tokens as columns, so that they lie one after the other.
    pub(crate) fn rows(&self) -> DMatrix<f32> {
        self.tokens.transpose()
    }

    /// Tokens that it holds, one at least.
    pub fn count(&self) -> usize {
        self.tokens.nrows()
    }

    /// Length of a token, `D`.
    pub fn width(&self) -> usize {
        self.tokens.ncols()
    }

    /// The mean of the five largest distances of a frame's patches from the nearest token of the bank;
    /// `tokens` are `[P, D]`, and those of masked patches don't count. NaN where a token is not finite.
    ///
    /// # Panics
    /// If the length of `tokens` is no multiple of the width.
    pub(super) fn distance(
        &self,
        tokens: &[f32],
        patches: &Patches,
        scratch: &mut BankScratch,
    ) -> f64 {
        let width = self.width();
        assert!(
            tokens.len().is_multiple_of(width),
            "tokens of another width were scored"
        );
        let tokens = patches.kept_tokens(tokens, width);
        let count = tokens.len() / width;
        // |t - m|^2 = |t|^2 - 2 (t m - |m|^2 / 2), so the nearest is where the bracket is largest.
        scratch.products.clear();
        for _ in 0..count {
            scratch
                .products
                .extend(self.halves.iter().map(|half| -half));
        }
        let view = DMatrixView::from_slice(&tokens, width, count);
        let mut products =
            DMatrixViewMut::from_slice(&mut scratch.products, self.tokens.nrows(), count);
        products.gemm(1.0, &self.tokens, &view, 1.0);
        scratch.distances.clear();
        for (token, products) in view.column_iter().zip(products.column_iter()) {
            let nearest = products.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let square = token.norm_squared() - 2.0 * nearest;
            // Rounding may leave a little below nothing.
            let distance = if square < 0.0 { 0.0 } else { square.sqrt() };
            scratch.distances.push(distance);
        }
        if scratch
            .distances
            .iter()
            .any(|distance| !distance.is_finite())
        {
            return f64::NAN;
        }
        scratch.distances.sort_unstable_by(|a, b| b.total_cmp(a));
        let largest = &scratch.distances[..LARGEST.min(count)];
        let sum: f64 = largest.iter().map(|distance| f64::from(*distance)).sum();
        sum / largest.len() as f64
    }
}

/// Of tokens of one length.
fn squared_distance(a: &[f32], b: &[f32]) -> f32 {
    let ((a, a_rest), (b, b_rest)) = (a.as_chunks::<LANES>(), b.as_chunks::<LANES>());
    let mut sums = [0f32; LANES];
    for (a, b) in a.iter().zip(b) {
        for lane in 0..LANES {
            sums[lane] += (a[lane] - b[lane]).powi(2);
        }
    }
    let rest = a_rest.iter().zip(b_rest).map(|(a, b)| (a - b).powi(2));
    sums.iter().sum::<f32>() + rest.sum::<f32>()
}

#[cfg(test)]
#[path = "bank_tests.rs"]
mod tests;
