//! Copies: frames as they would be in a little more light or less.
//!
//! Light wanders more slowly than footage lasts: ten minutes show a few of its swings, and unseen frames just
//! beyond them score far too high (METHOD.md, section 6, has the figures). So students, Gaussians and maps
//! of the default score learn from some frames in other light too, as far as light goes before an
//! anomalous score is put down to it. Nothing else sees the copies: no threshold, no memory bank, no golden frame,
//! no report, and nothing of the paper's recipe.

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::preprocess::scene::OTHER_LIGHT;

/// One of so many frames in a row has a copy.
const EVERY: usize = 4;

/// How much brighter or darker the copy of the `number`-th frame is, where it has one. Which of a row
/// it is, is drawn, so that no rhythm of the footage is hit each time; every second copy is darker.
pub(super) fn factor(number: usize, seed: u64) -> Option<f32> {
    let row = number / EVERY;
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    random.set_stream(row as u64 / 2);
    let (first, second) = (random.random_range(0..EVERY), random.random_range(0..EVERY));
    let coin = random.random::<bool>();
    let (chosen, is_brighter) = match row.is_multiple_of(2) {
        true => (first, coin),
        false => (second, !coin),
    };
    let light = if is_brighter {
        OTHER_LIGHT
    } else {
        -OTHER_LIGHT
    };
    (number % EVERY == chosen).then_some(light.exp() as f32)
}

/// So many frames and their copies, at most.
pub(super) fn with_copies(frames: usize) -> usize {
    frames + frames.div_ceil(EVERY)
}

/// As many frames as there is room for together with their copies.
pub(super) fn without_copies(room: usize) -> usize {
    let (rows, rest) = (room / (EVERY + 1), room % (EVERY + 1));
    rows * EVERY + rest.saturating_sub(1)
}

/// Which of all that was looked at is a copy: of the frame before it.
#[derive(Debug, Default)]
pub(super) struct Copies(Vec<bool>);

impl Copies {
    /// Takes the next frame, or a copy of the last one.
    pub(super) fn push(&mut self, is_copy: bool) {
        self.0.push(is_copy);
    }

    /// Whether this one is a copy.
    pub(super) fn is_copy(&self, at: usize) -> bool {
        self.0[at]
    }

    /// All that are no copies, in order.
    pub(super) fn frames(&self) -> Vec<usize> {
        self.all().filter(|&at| !self.0[at]).collect()
    }

    /// All but the frames of `fold` and their copies, in order.
    pub(super) fn outside(&self, fold: &[usize]) -> Vec<usize> {
        let frame = |at: usize| at - usize::from(self.0[at]);
        self.all()
            .filter(|&at| fold.binary_search(&frame(at)).is_err())
            .collect()
    }

    /// What is known of each frame, for it and for its copy.
    pub(super) fn shared<T: Copy>(&self, of_frames: &[T]) -> Vec<T> {
        let mut number = 0;
        let of = |is_copy: &bool| {
            number += usize::from(!is_copy);
            of_frames[number - 1]
        };
        self.0.iter().map(of).collect()
    }

    fn all(&self) -> std::ops::Range<usize> {
        0..self.0.len()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_quarter_of_the_frames_has_a_copy_and_as_many_are_brighter_as_darker(seed: u64) {
            let factors: Vec<f32> = (0..80).filter_map(|number| factor(number, seed)).collect();
            let brighter = factors.iter().filter(|factor| **factor > 1.0).count();
            prop_assert_eq!((factors.len(), brighter), (20, 10));
        }

        #[test]
        fn as_many_frames_are_taken_as_there_is_room_for_with_their_copies(room in 0_usize..1000) {
            let frames = without_copies(room);
            prop_assert!(with_copies(frames) <= room && room < with_copies(frames + 1));
        }

        #[test]
        fn a_fold_has_no_frame_and_no_copy_of_one_outside_of_it(
            has_copy in prop::collection::vec(any::<bool>(), 1..100), from: usize, length in 0_usize..40,
        ) {
            let mut copies = Copies::default();
            let mut numbers = Vec::new();
            for (number, has_copy) in has_copy.iter().enumerate() {
                copies.push(false);
                numbers.push(number);
                if *has_copy {
                    copies.push(true);
                    numbers.push(number);
                }
            }
            let frames = copies.frames();
            prop_assert_eq!(&copies.shared(&(0..frames.len()).collect::<Vec<_>>()), &numbers);
            let from = from % frames.len();
            let fold = from..(from + length).min(frames.len());
            let outside = copies.outside(&frames[fold.clone()]);
            let expected: Vec<usize> = (0..numbers.len()).filter(|&at| !fold.contains(&numbers[at])).collect();
            prop_assert_eq!(outside, expected);
        }
    }

    #[test]
    fn footage_of_any_rhythm_has_copies_of_each_of_its_phases() {
        for period in [2, 4, 8] {
            let mut phases: Vec<usize> = (0..160)
                .filter(|number| factor(*number, 1).is_some())
                .map(|number| number % period)
                .collect();
            phases.sort_unstable();
            phases.dedup();
            assert_eq!(phases.len(), period);
        }
    }
}
