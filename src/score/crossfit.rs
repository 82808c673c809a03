//! Cross-fitting folds: contiguous blocks of time.
//!
//! Neighbouring frames are near-copies, so a random split would let a fold's statistics see its
//! own frames; blocks see only the neighbours at their two ends (METHOD.md, section 3, practice 1).

use std::ops::Range;

/// Time blocks of a calibration.
pub const FOLDS: usize = 4;

/// Cuts `0..n` into `k` blocks in order, of sizes that differ by at most one. `k` is brought
/// within `1..=n`; without frames there are no folds.
pub fn contiguous_folds(n: usize, k: usize) -> Vec<Range<usize>> {
    if n == 0 {
        return Vec::new();
    }
    let k = k.clamp(1, n);
    (0..k)
        .map(|fold| fold * n / k..(fold + 1) * n / k)
        .collect()
}

/// The fold of each frame: the frames of each kind are cut into `k` contiguous blocks by themselves, so
/// that no fold takes all of a kind. `kinds` has one a frame, and `firsts` the frame that it must not be
/// parted from: itself, or an earlier one that shows the same. Where so many show the same that a fold
/// would hold more than half of a kind, they are parted after all.
pub fn folds_of(kinds: &[usize], firsts: &[usize], k: usize) -> Vec<usize> {
    let mut folds = vec![0; kinds.len()];
    for kind in 0..kinds.iter().max().map_or(0, |most| most + 1) {
        let mut own: Vec<usize> = (0..kinds.len()).filter(|&i| kinds[i] == kind).collect();
        let together = |frame: usize| (firsts[frame], frame);
        own.sort_unstable_by_key(|frame| together(*frame));
        let mut of: Vec<usize> = contiguous_folds(own.len(), k)
            .into_iter()
            .enumerate()
            .flat_map(|(fold, block)| block.map(move |_| fold))
            .collect();
        let parted = of.clone();
        for i in 1..own.len() {
            if firsts[own[i]] == firsts[own[i - 1]] {
                of[i] = of[i - 1];
            }
        }
        let largest = (0..k).map(|fold| of.iter().filter(|of| **of == fold).count());
        if largest.max().is_some_and(|frames| 2 * frames > own.len()) {
            own.sort_unstable();
            of = parted;
        }
        for (frame, fold) in own.into_iter().zip(of) {
            folds[frame] = fold;
        }
    }
    folds
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn folds_cover_all_frames_once_in_order(n in 0_usize..500, k in 0_usize..20) {
            let folds = contiguous_folds(n, k);
            let joined: Vec<usize> = folds.iter().cloned().flatten().collect();
            prop_assert_eq!(joined, (0..n).collect::<Vec<_>>());
            let sizes = folds.iter().map(Range::len);
            if let (Some(least), Some(most)) = (sizes.clone().min(), sizes.max()) {
                prop_assert!(least >= 1 && most - least <= 1);
                prop_assert_eq!(folds.len(), k.clamp(1, n));
            }
        }

        #[test]
        fn each_kind_is_cut_into_contiguous_folds_by_itself(
            kinds in prop::collection::vec(0_usize..3, 1..200), k in 1_usize..6,
        ) {
            let apart: Vec<usize> = (0..kinds.len()).collect();
            let folds = folds_of(&kinds, &apart, k);
            for kind in 0..3 {
                let own = (0..kinds.len()).filter(|&i| kinds[i] == kind);
                let own: Vec<usize> = own.map(|i| folds[i]).collect();
                let blocks = contiguous_folds(own.len(), k).into_iter().enumerate();
                let expected: Vec<usize> = blocks.flat_map(|(fold, block)| block.map(move |_| fold)).collect();
                prop_assert_eq!(own, expected);
            }
        }

        #[test]
        fn frames_that_show_the_same_are_in_one_fold_and_no_fold_has_more_than_half(
            groups in prop::collection::vec(0_usize..40, 8..200),
        ) {
            let first = |i: usize| groups.iter().position(|group| *group == groups[i]).unwrap();
            let firsts: Vec<usize> = (0..groups.len()).map(first).collect();
            let folds = folds_of(&vec![0; groups.len()], &firsts, 4);
            let size = |fold: usize| folds.iter().filter(|of| **of == fold).count();
            prop_assert!((0..4).all(|fold| 2 * size(fold) <= groups.len() + 1));
            let largest = (0..40).map(|group| groups.iter().filter(|of| **of == group).count());
            // Groups that small leave each fold under a half.
            if 4 * largest.max().unwrap() < groups.len() {
                prop_assert!((0..groups.len()).all(|i| folds[i] == folds[firsts[i]]));
            }
        }
    }
}
