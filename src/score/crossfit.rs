//! Cross-fitting folds: contiguous blocks of time.
//!
//! Neighbouring frames are near-copies, so a random split would let a fold's statistics see its
//! own frames; blocks see only the neighbours at their two ends (METHOD.md, section 3, practice 1).

use std::ops::Range;

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

/// The fold of each frame: the frames of each kind, of which `kinds` has one a frame, are cut into `k`
/// contiguous blocks by themselves, so that no fold takes all frames of a kind.
pub fn folds_of(kinds: &[usize], k: usize) -> Vec<usize> {
    let mut folds = vec![0; kinds.len()];
    for kind in 0..kinds.iter().max().map_or(0, |most| most + 1) {
        let own: Vec<usize> = (0..kinds.len()).filter(|&i| kinds[i] == kind).collect();
        for (fold, block) in contiguous_folds(own.len(), k).into_iter().enumerate() {
            for &frame in &own[block] {
                folds[frame] = fold;
            }
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
            let folds = folds_of(&kinds, k);
            for kind in 0..3 {
                let own: Vec<usize> = (0..kinds.len()).filter(|&i| kinds[i] == kind).map(|i| folds[i]).collect();
                let expected = contiguous_folds(own.len(), k).into_iter().enumerate();
                let expected: Vec<usize> = expected.flat_map(|(fold, block)| block.map(move |_| fold)).collect();
                prop_assert_eq!(own, expected);
            }
        }
    }
}
