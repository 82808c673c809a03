//! The memory bank of a calibration: candidates for it gathered from the normal frames, and the tokens
//! that it knows patches by read back from the feature cache.

use rand::SeedableRng as _;
use rand::seq::index::sample;
use rand_chacha::ChaCha8Rng;

use super::cache::{CacheError, FeatureCache};
use crate::infer::{TeacherInfo, bank_streams, blended_tokens};
use crate::score::bank::MemoryBank;

/// Tokens that a bank is chosen from, evenly from all frames. More are no better: what lies furthest from
/// all others among more of them is more often an oddity (magnetic tile, 300 frames: AUROC of the part
/// alone 0.764 with 5,000, 0.744 with 10,000, 0.734 with 20,000).
pub(super) const CANDIDATES: usize = 5000;

/// Tokens of normal frames that may come into a bank.
pub(super) struct Candidates {
    tokens: Vec<f32>,
    width: usize,
    of_frame: usize,
    random: ChaCha8Rng,
}

impl Candidates {
    /// Of so many frames, chosen by this seed.
    pub(super) fn new(width: usize, frames: usize, seed: u64) -> Self {
        Candidates {
            tokens: Vec::with_capacity(CANDIDATES * width),
            width,
            of_frame: CANDIDATES.div_ceil(frames.max(1)),
            random: ChaCha8Rng::seed_from_u64(seed),
        }
    }

    /// Takes some of a frame's tokens, `[n, D]`.
    pub(super) fn take(&mut self, tokens: &[f32]) {
        let count = tokens.len() / self.width;
        for number in sample(&mut self.random, count, self.of_frame.min(count)) {
            let token = &tokens[number * self.width..][..self.width];
            self.tokens.extend_from_slice(token);
        }
    }

    /// The bank.
    pub(super) fn bank(self) -> MemoryBank {
        MemoryBank::choose(&self.tokens, self.width)
    }
}

/// Reads the tokens that a bank knows patches by.
pub(super) struct BlendedTokens<'a> {
    cache: &'a FeatureCache,
    info: &'a TeacherInfo,
    /// `[N, D]` each; none where there is no bank.
    streams: Option<[Vec<f32>; 3]>,
}

impl<'a> BlendedTokens<'a> {
    /// From a cache that has [`bank_streams`] where there is a bank.
    pub(super) fn of(cache: &'a FeatureCache, info: &'a TeacherInfo, has_bank: bool) -> Self {
        let stream = || vec![0f32; info.tokens * info.width];
        BlendedTokens {
            cache,
            info,
            streams: has_bank.then(|| std::array::from_fn(|_| stream())),
        }
    }

    /// Those of a frame, `[P, D]`; none where there is no bank.
    ///
    /// # Errors
    /// A cache that can't be read.
    pub(super) fn read(&mut self, frame: usize) -> Result<Vec<f32>, CacheError> {
        let Some(streams) = &mut self.streams else {
            return Ok(Vec::new());
        };
        for (number, stream) in bank_streams(self.info).into_iter().zip(streams.iter_mut()) {
            self.cache.read(number, frame, stream)?;
        }
        Ok(blended_tokens(
            streams.each_ref().map(Vec::as_slice),
            self.info,
        ))
    }
}
