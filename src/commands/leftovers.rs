//! Retained topics that the node had and has no more, and how often each is still to be emptied.
//!
//! More than once, since nobody hears here whether the broker took it, and a will that names the node's former
//! self may come late; not for ever, since another node may take the name, and the broker's access rules may
//! forbid the topic by now.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// At so many starts and reloads.
const TIMES: u8 = 3;

/// What is left, as the topics themselves or as what they follow of.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Leftovers<T: Ord>(BTreeMap<T, u8>);

impl<T: Ord> Default for Leftovers<T> {
    fn default() -> Self {
        Leftovers(BTreeMap::new())
    }
}

impl<T: Ord + Clone> Leftovers<T> {
    /// What is left once these have been emptied again, and when `gone` are not ours any more.
    pub(super) fn after<'a>(&self, gone: impl IntoIterator<Item = &'a T>) -> Self
    where
        T: 'a,
    {
        let again = self.0.iter().filter(|(_, left)| **left > 1);
        let again = again.map(|(what, left)| (what.clone(), left - 1));
        let gone = gone.into_iter().map(|what| (what.clone(), TIMES));
        Leftovers(again.chain(gone).collect())
    }

    /// The same but for what is ours again.
    pub(super) fn without(mut self, is_ours: impl Fn(&T) -> bool) -> Self {
        self.0.retain(|what, _| !is_ours(what));
        self
    }

    /// What is to be emptied now.
    pub(super) fn due(&self) -> impl Iterator<Item = &T> {
        self.0.keys()
    }

    /// Whether nothing is.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_gone_is_due_three_times_and_what_comes_back_no_more() {
        let mut left = Leftovers::default().after(&["a", "b"]);
        let due = |left: &Leftovers<&str>| left.due().copied().collect::<Vec<_>>().concat();
        let mut seen = vec![due(&left)];
        for gone in [&["c"][..], &[], &["a"], &[]] {
            left = left.after(gone).without(|what| *what == "b");
            seen.push(due(&left));
        }
        assert_eq!(seen, ["ab", "ac", "ac", "ac", "a"]);
        assert!(left.after(&[]).after(&[]).is_empty());
    }
}
