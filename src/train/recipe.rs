//! How students are trained: the numbers that a caller may choose.
//!
//! Two recipes come from METHOD.md: the light student of the default score, and the paper's. A recipe
//! says nothing of frames, blocks or threads.

use crate::infer::student_file::BlockShape;

use super::adam::Rate;

/// How students are trained.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Recipe {
    /// Learning rate.
    pub rate: Rate,
    /// Passes over the training frames.
    pub epochs: usize,
    /// Frames a step.
    pub batch: usize,
    /// Share of the tokens that are queries in a step, 0..=1; keys and values are always all.
    pub query_share: f64,
    /// Width of the MLP as a multiple of the stream's.
    pub mlp_ratio: usize,
    /// What initialisation, order and queries follow from.
    pub seed: u64,
}

impl Recipe {
    /// METHOD.md, section 3: MLP ratio 1, one-cycle rate, 10 epochs, a quarter of the tokens.
    pub fn light(seed: u64) -> Self {
        let rate = Rate::OneCycle { max: 1e-3 };
        Recipe {
            rate,
            epochs: 10,
            batch: 8,
            query_share: 0.25,
            mlp_ratio: 1,
            seed,
        }
    }

    /// METHOD.md, section 2: the teacher's MLP, 1e-4, 30 epochs of batches of 32, all tokens.
    pub fn paper(seed: u64) -> Self {
        let rate = Rate::Constant(1e-4);
        Recipe {
            rate,
            epochs: 30,
            batch: 32,
            query_share: 1.0,
            mlp_ratio: 4,
            seed,
        }
    }

    /// The sides of this recipe's student of a teacher: as many heads, or, where its attention is not as wide as
    /// its stream, as many fewer as divide the width.
    pub fn shape(&self, tokens: usize, width: usize, heads: usize) -> BlockShape {
        let divides = |heads: &usize| width.is_multiple_of(*heads);
        BlockShape {
            tokens,
            width,
            heads: (1..=heads).rev().find(divides).unwrap_or(1),
            hidden: self.mlp_ratio * width,
        }
    }

    /// Queries a picture in a training step, at least one.
    pub(super) fn queries(&self, tokens: usize) -> usize {
        ((self.query_share * tokens as f64).round() as usize).clamp(1, tokens)
    }
}
