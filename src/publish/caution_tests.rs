//! What is left out, and for how long; and days of a line to a broker that hangs up at some topics.

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

fn trial(name: &str, bytes: u32, is_proven: bool) -> Trial {
    Trial {
        name: name.to_owned(),
        bytes,
        since: Instant::now(),
        is_proven,
    }
}

fn minutes(count: u64) -> Duration {
    Duration::from_secs(60 * count)
}

#[test]
fn two_losses_set_a_message_aside_and_each_further_one_for_twice_as_long_up_to_an_hour() {
    let (mut caution, mut now) = (Caution::default(), Instant::now());
    assert_eq!(caution.broke(&trial("a", 9, true), now), None);
    assert_eq!(caution.standing("a", 9), Standing::Suspect);
    assert_eq!(caution.standing("b", 9), Standing::Free);
    for pause in [1, 2, 4, 8, 16, 32, 60, 60] {
        assert_eq!(
            caution.broke(&trial("a", 9, true), now),
            Some(minutes(pause))
        );
        assert_eq!(caution.standing("a", 9), Standing::Aside);
        assert_eq!(caution.aside().collect::<Vec<_>>(), ["a"]);
        now += minutes(pause) - Duration::from_secs(1);
        assert!(caution.due(now).is_empty());
        now += Duration::from_secs(1);
        assert_eq!(caution.due(now), ["a"]);
        assert_eq!(caution.standing("a", 9), Standing::Suspect);
        assert!(caution.due(now).is_empty(), "once");
    }
}

#[test]
fn a_message_that_is_smaller_than_any_at_which_the_line_broke_is_tried_at_once() {
    let (mut caution, now) = (Caution::default(), Instant::now());
    caution.broke(&trial("a", 50, true), now);
    caution.broke(&trial("a", 40, true), now);
    assert_eq!(caution.standing("a", 40), Standing::Aside);
    assert_eq!(caution.standing("a", 45), Standing::Aside);
    assert_eq!(caution.standing("a", 39), Standing::Suspect);
    caution.taken("a", 40, now);
    assert_eq!(caution.standing("a", 50), Standing::Free);
}

#[test]
fn a_smaller_message_that_passes_is_no_reason_to_try_the_larger_ones_or_others_again() {
    let (mut caution, now) = (Caution::default(), Instant::now());
    for name in ["a", "b", "a", "b"] {
        caution.broke(&trial(name, 150, true), now);
    }
    caution.taken("a", 95, now);
    assert_eq!(caution.standing("a", 95), Standing::Free);
    assert_eq!(caution.standing("a", 96), Standing::Suspect);
    assert_eq!(caution.standing("a", 150), Standing::Aside);
    assert!(caution.due(now).is_empty());
    // Nor when its time has come: it breaks once, and is left out for twice as long.
    let later = now + minutes(1);
    assert_eq!(caution.due(later), ["a", "b"]);
    caution.taken("a", 90, later);
    assert_eq!(caution.standing("a", 95), Standing::Free);
    let pause = caution.broke(&trial("a", 150, true), later);
    assert_eq!(pause, Some(minutes(2)));
    // One that passed once and breaks the line now is as suspect as any other.
    caution.broke(&trial("a", 95, false), later);
    assert_eq!(caution.standing("a", 95), Standing::Suspect);
}

#[test]
fn a_broker_shows_that_it_is_there_by_an_answer_or_by_standing_for_a_while() {
    assert!(is_there(true, None) && is_there(false, Some(STANDS)));
    assert!(!is_there(false, None) && !is_there(false, Some(STANDS / 2)));
}

#[test]
fn a_broker_that_has_not_shown_that_it_is_there_proves_nothing() {
    let (mut caution, now) = (Caution::default(), Instant::now());
    for _ in 0..100 {
        assert_eq!(caution.broke(&trial("a", 9, false), now), None);
    }
    assert_eq!(caution.standing("a", 9), Standing::Suspect);
    assert_eq!(caution.broke(&trial("a", 9, true), now), None);
}

#[test]
fn a_broker_that_hangs_up_whatever_comes_teaches_something_of_each_message_once() {
    let mut caution = Caution::default();
    for name in ["a", "b"] {
        let first = trial(name, 9, false);
        assert!(caution.learns_by(&first));
        caution.broke(&first, Instant::now());
        assert!(!caution.learns_by(&first));
        assert!(caution.learns_by(&trial(name, 9, true)));
    }
}

#[test]
fn when_one_of_those_set_aside_passes_the_time_of_the_others_has_come() {
    let (mut caution, now) = (Caution::default(), Instant::now());
    for name in ["a", "b", "a", "b"] {
        caution.broke(&trial(name, 9, true), now);
    }
    caution.taken("c", 9, now);
    assert!(caution.due(now).is_empty());
    caution.taken("a", 9, now);
    assert_eq!(caution.due(now), ["b"]);
    caution.broke(&trial("b", 9, true), now);
    assert_eq!(caution.forgive(), ["b"]);
    assert_eq!(caution.standing("b", 9), Standing::Free);
}

/// A line that has broken once, one minute after the other; a connection ends at the first topic that
/// is poison. How often it broke, what was taken since `mended`, and what was ever set aside.
struct Day {
    caution: Caution,
    now: Instant,
    due: BTreeSet<usize>,
    losses: usize,
    taken: BTreeSet<usize>,
    ever_aside: BTreeSet<usize>,
}

impl Day {
    fn minute(&mut self, topics: usize, poison: &BTreeSet<usize>) {
        self.now += minutes(1);
        let again = self.caution.due(self.now);
        self.due
            .extend(again.iter().map(|name| name.parse::<usize>().unwrap()));
        let mut is_proven = false;
        for standing in [Standing::Free, Standing::Suspect] {
            // It stands for a while before a suspect goes.
            is_proven |= standing == Standing::Suspect;
            let has = |topic: &usize| self.caution.standing(&topic.to_string(), 9) == standing;
            let turn: Vec<usize> = self.due.iter().copied().filter(has).collect();
            for topic in turn {
                let name = topic.to_string();
                if poison.contains(&topic) {
                    self.losses += 1;
                    let aside = self.caution.broke(&trial(&name, 9, is_proven), self.now);
                    self.ever_aside.extend(aside.map(|_| topic));
                    self.due = (0..topics).collect();
                    return;
                }
                self.caution.taken(&name, 9, self.now);
                self.taken.insert(topic);
                self.due.remove(&topic);
                is_proven = true;
            }
        }
    }
}

proptest! {
    /// Whatever the poisonous topics are, all others are said, and the line breaks hardly more than
    /// once an hour for each; an hour after the broker was mended all are said.
    #[test]
    fn what_breaks_the_line_is_found_and_nothing_else(
        topics in 1usize..12,
        poison in proptest::collection::btree_set(0usize..12, 0..12),
    ) {
        let poison: BTreeSet<usize> = poison.into_iter().filter(|topic| *topic < topics).collect();
        let mut day = Day {
            caution: Caution::default(),
            now: Instant::now(),
            due: (0..topics).collect(),
            losses: 0,
            taken: BTreeSet::new(),
            ever_aside: BTreeSet::new(),
        };
        for _ in 0..24 * 60 {
            day.minute(topics, &poison);
        }
        prop_assert_eq!(&day.ever_aside, &poison);
        prop_assert_eq!(day.taken.len() + poison.len(), topics);
        prop_assert!(day.losses <= poison.len() * 33, "{} losses", day.losses);
        for _ in 0..61 {
            day.minute(topics, &BTreeSet::new());
        }
        prop_assert_eq!(day.taken.len(), topics);
        prop_assert!(day.caution.aside().next().is_none());
    }
}
