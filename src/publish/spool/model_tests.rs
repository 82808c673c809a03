//! The spool against a list: whatever is asked in whatever order, with closings and power cuts in
//! between, it holds what the list holds.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::fixture::{Caller, copy, is_whole};

#[derive(Debug, Clone)]
enum Step {
    Append(usize),
    Read,
    Deliver(usize),
    Quarantine(usize),
    Retry,
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
    /// Delivered since the last start: a power cut may bring them back.
    delivered: BTreeSet<usize>,
    next: usize,
}

impl Model {
    fn unban(&mut self) {
        self.ready.extend(std::mem::take(&mut self.quarantined));
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
                    model.quarantined.insert(number);
                }
            }
            Step::Retry => {
                caller.spool.retry_quarantined();
                model.unban();
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
