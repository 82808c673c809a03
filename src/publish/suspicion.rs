//! Which alert may be the one that the broker can't stand, and when that is proven.
//!
//! The oldest alert on its way when a line breaks is a suspect: from then on alerts travel one by
//! one. First it is tried again in its place, since most lines break for other reasons. If that
//! fails too, others go before it, and only a failure on a connection on which the broker took
//! another alert counts against it. So a broker or a network that lets nothing pass never proves
//! anything, and an alert that nothing waits behind is tried for ever. A pure state, without a clock.

use std::collections::BTreeSet;

/// So often is a suspect tried again before others go first. Most faults pass by then, and the
/// order is kept.
const IN_PLACE: u32 = 2;
/// So often must it fail although the broker took another alert. With the trials before, a line
/// that breaks at every tenth alert by chance condemns one suspect in a million.
const PROOFS: u32 = 4;
/// Others that go before a suspect each time. More would hold up fewer, but then a short queue could
/// run out before anything is proven.
const OTHERS: u32 = 4;

/// The suspicion, if there is one.
#[derive(Debug, Default)]
pub(super) struct Suspicion(Option<Suspect>);

#[derive(Debug)]
struct Suspect {
    seq: u64,
    in_place: u32,
    proofs: u32,
    /// Others that the broker took since it connected or since the last proof.
    others: u32,
    /// Others that failed as well: they are no witnesses.
    unfit: BTreeSet<u64>,
}

impl Suspicion {
    /// Whether alerts travel one by one.
    pub(super) fn is_any(&self) -> bool {
        self.0.is_some()
    }

    /// Which of the alerts that are ready, oldest first, goes next; `None` where there is none.
    pub(super) fn turn(&mut self, ready: &(impl Iterator<Item = u64> + Clone)) -> Option<usize> {
        let oldest = ready.clone().next().map(|_| 0);
        let Some(suspect) = &mut self.0 else {
            return oldest;
        };
        let own = ready.clone().position(|seq| seq == suspect.seq).or(oldest);
        if suspect.in_place < IN_PLACE || suspect.others >= OTHERS {
            return own;
        }
        let is_fit = |seq: &u64| *seq != suspect.seq && !suspect.unfit.contains(seq);
        let other = ready.clone().position(|seq| is_fit(&seq));
        if other.is_some() || suspect.others > 0 {
            return other.or(own);
        }
        // Every other one has failed as well: each is tried once more.
        suspect.unfit.clear();
        let other = ready.clone().position(|seq| seq != suspect.seq);
        other.or(own)
    }

    /// A new connection.
    pub(super) fn connected(&mut self) {
        if let Some(suspect) = &mut self.0 {
            suspect.others = 0;
        }
    }

    /// The broker took this one.
    pub(super) fn taken(&mut self, seq: u64) {
        self.forget(seq);
        if let Some(suspect) = &mut self.0 {
            suspect.others += 1;
        }
    }

    /// This one was the oldest on its way when the line broke, or the broker wants it later;
    /// whether it is proven now that the broker can't stand it.
    pub(super) fn failed(&mut self, seq: u64) -> bool {
        let Some(suspect) = &mut self.0 else {
            self.0 = Some(Suspect {
                seq,
                in_place: 0,
                proofs: 0,
                others: 0,
                unfit: BTreeSet::new(),
            });
            return false;
        };
        if suspect.seq != seq {
            suspect.unfit.insert(seq);
            return false;
        }
        if suspect.in_place < IN_PLACE {
            suspect.in_place += 1;
        } else if suspect.others > 0 {
            suspect.proofs += 1;
        }
        suspect.others = 0;
        suspect.proofs >= PROOFS
    }

    /// This one is no longer to be sent.
    pub(super) fn forget(&mut self, seq: u64) {
        if self.0.as_ref().is_some_and(|suspect| suspect.seq == seq) {
            self.0 = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Sends `ready` one by one, a connection each time that one fails, until all are gone or
    /// `attempts` connections are over; which were taken and which condemned, in order.
    fn deliver(
        mut ready: Vec<u64>,
        attempts: u32,
        mut takes: impl FnMut(u64) -> bool,
    ) -> (Vec<u64>, Vec<u64>) {
        let mut suspicion = Suspicion::default();
        let (mut taken, mut condemned) = (Vec::new(), Vec::new());
        for _ in 0..attempts {
            suspicion.connected();
            while let Some(place) = suspicion.turn(&ready.iter().copied()) {
                let seq = ready[place];
                if takes(seq) {
                    suspicion.taken(seq);
                    taken.push(ready.remove(place));
                    continue;
                }
                if suspicion.failed(seq) {
                    suspicion.forget(seq);
                    condemned.push(ready.remove(place));
                }
                break;
            }
        }
        (taken, condemned)
    }

    #[test]
    fn a_poisonous_alert_is_condemned_only_while_others_are_taken() {
        let (taken, condemned) = deliver((1..=300).collect(), 100, |seq| seq != 1);
        assert_eq!(condemned, [1]);
        assert_eq!(taken, (2..=300).collect::<Vec<_>>());
        let (taken, condemned) = deliver(vec![1], 100, |_| false);
        assert!(taken.is_empty() && condemned.is_empty());
        let (taken, condemned) = deliver((1..=300).collect(), 1000, |_| false);
        assert!(taken.is_empty() && condemned.is_empty());
    }

    #[test]
    fn an_alert_that_fails_by_chance_keeps_its_place() {
        let mut failures = 0;
        let (taken, condemned) = deliver((1..=9).collect(), 100, |seq| {
            failures += u32::from(seq == 4);
            seq != 4 || failures > IN_PLACE
        });
        assert_eq!(taken, (1..=9).collect::<Vec<_>>());
        assert!(condemned.is_empty());
    }

    proptest! {
        /// Each poisonous alert is condemned and no other, whatever their places, as long as two
        /// are left that the broker takes.
        #[test]
        fn several_poisonous_alerts_hold_up_nothing(poison in proptest::collection::btree_set(1u64..=200, 0..8)) {
            let (mut taken, condemned) = deliver((1..=200).collect(), 1000, |seq| !poison.contains(&seq));
            taken.sort_unstable();
            prop_assert_eq!(taken, (1..=200).filter(|seq| !poison.contains(seq)).collect::<Vec<_>>());
            prop_assert!(condemned.iter().all(|seq| poison.contains(seq)));
        }
    }
}
