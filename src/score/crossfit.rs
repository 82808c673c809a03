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

/// The items outside a fold, in order: what its statistics are fitted on.
///
/// # Panics
/// If the fold reaches beyond the items.
pub fn outside<'a, T>(
    items: &'a [T],
    fold: &Range<usize>,
) -> impl Iterator<Item = &'a T> + use<'a, T> {
    items[..fold.start].iter().chain(&items[fold.end..])
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
        fn outside_is_all_but_the_fold(n in 1_usize..100, k in 1_usize..10) {
            let items: Vec<usize> = (0..n).collect();
            for fold in contiguous_folds(n, k) {
                let rest: Vec<usize> = outside(&items, &fold).copied().collect();
                let expected: Vec<usize> = (0..n).filter(|i| !fold.contains(i)).collect();
                prop_assert_eq!(rest, expected);
            }
        }
    }
}
