//! The spool against a list: whatever is asked in whatever order, with closings and power cuts in
//! between, it holds what the list holds.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;

use super::fixture::{Caller, copy, is_whole};

#[derive(Debug, Clone)]
enum Step {
    Append(usize),
    Read,
    Deliver(usize),
    Quarantine(usize),
    Retry,
    Release(usize),
    Reopen,
    PowerCut,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (1usize..8).prop_map(Step::Append),
        3 => Just(Step::Read),
        4 => any::<usize>().prop_map(Step::Deliver),
        2 => any::<usize>().prop_map(Step::Quarantine),
        1 => Just(Step::Retry),
        2 => any::<usize>().prop_map(Step::Release),
        1 => Just(Step::Reopen),
        1 => Just(Step::PowerCut),
    ]
}

/// The list.
#[derive(Default)]
struct Model {
    /// Numbers of the alerts in the order of acceptance.
    ready: Vec<usize>,
    quarantined: BTreeSet<usize>,
    /// Of all that were ever in quarantine.
    places: BTreeMap<u64, usize>,
    /// Delivered since the last start: a power cut may bring them back.
    delivered: BTreeSet<usize>,
    next: usize,
}

impl Model {
    fn unban(&mut self) {
        self.ready.extend(std::mem::take(&mut self.quarantined));
        self.ready.sort_unstable();
    }

    fn release(&mut self, numbers: impl Iterator<Item = usize>) {
        let released = numbers.filter(|number| self.quarantined.remove(number));
        self.ready.extend(released);
        self.ready.sort_unstable();
    }

    /// After a power cut: all that was accepted and not delivered must be there, and nothing that
    /// was never accepted.
    fn take_over(&mut self, found: &[usize]) {
        self.unban();
        assert!(self.ready.iter().all(|number| found.contains(number)));
        let back = |number| self.ready.contains(number) || self.delivered.contains(number);
        assert!(found.iter().all(back));
        self.ready = found.to_vec();
        self.delivered.clear();
    }
}

/// What is ready, with places.
fn read(caller: &mut Caller) -> Vec<(u64, usize)> {
    let entries = caller.read(0, 10_000);
    assert!(entries.iter().all(is_whole));
    assert!(entries.is_sorted_by(|one, next| one.seq < next.seq));
    let number = |id: &str| id.trim_start_matches("alert-").parse().unwrap();
    let pairs = entries.iter().map(|entry| (entry.seq, number(&entry.id)));
    pairs.collect()
}

fn numbers(caller: &mut Caller) -> Vec<usize> {
    let ready = read(caller).into_iter();
    ready.map(|(_, number)| number).collect()
}

fn play(steps: Vec<Step>) {
    let mut folder = tempfile::tempdir().unwrap();
    let mut caller = Caller::open(folder.path());
    let mut model = Model::default();
    for step in steps {
        match step {
            Step::Append(count) => {
                let numbers = model.next..model.next + count;
                caller.accept(numbers.clone());
                model.next = numbers.end;
                model.ready.extend(numbers);
            }
            Step::Read => {}
            Step::Deliver(which) | Step::Quarantine(which) => {
                let ready = read(&mut caller);
                let Some((seq, number)) = ready.get(which % ready.len().max(1)).copied() else {
                    continue;
                };
                model.ready.retain(|ready| *ready != number);
                if matches!(step, Step::Deliver(_)) {
                    caller.spool.delivered(seq);
                    model.delivered.insert(number);
                } else {
                    caller.spool.quarantine(seq, "refused".into());
                    model.places.insert(seq, number);
                    model.quarantined.insert(number);
                }
            }
            Step::Retry => {
                caller.spool.retry_quarantined();
                model.unban();
            }
            Step::Release(which) => {
                // Every second one, and some that are ready or unknown.
                let of = |(seq, number): (&u64, &usize)| (*seq, *number);
                let chosen: Vec<(u64, usize)> = model
                    .places
                    .iter()
                    .map(of)
                    .filter(|(seq, _)| (*seq as usize + which).is_multiple_of(2))
                    .collect();
                caller
                    .spool
                    .release(chosen.iter().map(|(seq, _)| *seq).collect());
                model.release(chosen.iter().map(|(_, number)| *number));
            }
            Step::Reopen => {
                let status = caller.close();
                let kept = model.ready.len() + model.quarantined.len();
                assert_eq!(status.alerts, kept as u64);
                caller = Caller::open(folder.path());
                model.unban();
                model.delivered.clear();
            }
            Step::PowerCut => {
                let other = tempfile::tempdir().unwrap();
                copy(folder.path(), other.path());
                caller = Caller::open(other.path());
                folder = other;
                model.take_over(&numbers(&mut caller));
            }
        }
        assert_eq!(numbers(&mut caller), model.ready);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_asked_in_whatever_order_nothing_accepted_is_lost(
        steps in proptest::collection::vec(step(), 1..30)
    ) {
        play(steps);
    }
}
