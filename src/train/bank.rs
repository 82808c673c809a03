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
    /// Frames that are to come in all, and so far.
    frames: usize,
    taken: usize,
    random: ChaCha8Rng,
}

impl Candidates {
    /// Of so many frames, chosen by this seed.
    pub(super) fn new(width: usize, frames: usize, seed: u64) -> Self {
        Candidates {
            tokens: Vec::with_capacity(CANDIDATES * width),
            width,
            frames,
            taken: 0,
            random: ChaCha8Rng::seed_from_u64(seed),
        }
    }

    /// Takes some of the next frame's tokens, `[n, D]`.
    pub(super) fn take(&mut self, tokens: &[f32]) {
        let count = tokens.len() / self.width;
        // As many of each as come to `CANDIDATES` with the last.
        let share = |frames: usize| frames * CANDIDATES / self.frames;
        let wanted = share(self.taken + 1) - share(self.taken);
        self.taken += 1;
        for number in sample(&mut self.random, count, wanted.min(count)) {
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

#[cfg(test)]
mod tests {
    use super::*;

    /// The bank of so many frames of 50 tokens that are all different.
    fn bank(frames: usize, seed: u64) -> (usize, MemoryBank) {
        let mut candidates = Candidates::new(1, frames, seed);
        for frame in 0..frames {
            let tokens: Vec<f32> = (0..50).map(|i| (50 * frame + i) as f32).collect();
            candidates.take(&tokens);
        }
        (candidates.tokens.len(), candidates.bank())
    }

    #[test]
    fn a_bank_is_chosen_from_five_thousand_tokens_at_most_evenly_and_by_its_seed() {
        let counts = [20, 100, 300, 7000].map(|frames| bank(frames, 1).0);
        assert_eq!(counts, [1000, 5000, 5000, 5000]);
        assert_eq!(bank(300, 1), bank(300, 1));
        assert_ne!(bank(300, 1), bank(300, 2));
        let (_, bank) = bank(300, 1);
        let of_last_third = bank
            .rows()
            .iter()
            .filter(|token| **token >= 10_000.0)
            .count();
        assert!((250..420).contains(&of_last_third), "{of_last_third}");
    }
}
