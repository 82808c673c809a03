//! When a denied alert is tried again, and what that costs; against a broker that changes its mind.

use proptest::prelude::*;

use super::*;

fn after(start: Instant, minutes: u64) -> Instant {
    start + Duration::from_secs(60 * minutes)
}

#[test]
fn a_new_connection_tries_the_oldest_at_once_and_no_other_within_the_hour() {
    let (mut denials, start) = (Denials::default(), Instant::now());
    for seq in [3, 4, 5] {
        denials.denied("a", seq, start);
    }
    assert!(denials.probes(after(start, 59)).is_empty(), "no reason to");
    denials.connected(after(start, 59));
    assert_eq!(denials.probes(after(start, 59)), [3]);
    denials.denied("a", 3, after(start, 59));
    for minute in 60..119 {
        denials.connected(after(start, minute));
        assert!(denials.probes(after(start, minute)).is_empty());
    }
    assert_eq!(denials.probes(after(start, 119)), [4], "they take turns");
    denials.denied("a", 4, after(start, 119));
    assert_eq!(denials.probes(after(start, 179)), [5]);
    assert_eq!(denials.probes(after(start, 239)), [3]);
}

#[test]
fn without_a_connection_it_is_an_hour_and_topics_have_probes_of_their_own() {
    let (mut denials, start) = (Denials::default(), Instant::now());
    denials.denied("a", 1, start);
    denials.denied("b", 2, after(start, 1));
    assert_eq!(denials.probes(after(start, 60)), [1]);
    assert_eq!(denials.probes(after(start, 61)), [2]);
}

#[test]
fn a_probe_that_is_taken_brings_back_all_of_its_topic_and_another_alert_only_a_probe() {
    let (mut denials, start) = (Denials::default(), Instant::now());
    for seq in [1, 2, 3] {
        denials.denied("a", seq, start);
    }
    denials.denied("b", 4, start);
    assert!(denials.taken("a", 9, start).is_empty());
    assert_eq!(denials.probes(start), [1]);
    assert!(denials.taken("a", 10, start).is_empty());
    assert_eq!(denials.taken("a", 1, start), [2, 3]);
    assert!(denials.taken("a", 2, start).is_empty(), "it is no probe");
    // Denied again: the hour since the last probe counts.
    denials.denied("a", 3, start);
    denials.connected(after(start, 1));
    assert_eq!(denials.probes(after(start, 1)), [4]);
    assert_eq!(denials.probes(after(start, 60)), [3]);
}

#[test]
fn an_alert_that_broke_the_line_is_not_tried_again() {
    let (mut denials, start) = (Denials::default(), Instant::now());
    denials.denied("a", 1, start);
    denials.denied("a", 2, start);
    denials.forget(1);
    denials.connected(start);
    assert_eq!(denials.probes(start), [2]);
    denials.clear();
    assert!(denials.probes(after(start, 600)).is_empty());
}

proptest! {
    /// However often the broker is lost and whatever it denies: there is at most one probe of a topic an
    /// hour, and once it denies nothing, all have arrived within an hour.
    #[test]
    fn probes_are_few_and_nothing_stays_behind(
        count in 1u64..60,
        denied in proptest::collection::btree_set(1u64..60, 1..60),
        reconnects in proptest::collection::btree_set(0u64..600, 0..200),
        mended in 0u64..600,
    ) {
        let (mut denials, start) = (Denials::default(), Instant::now());
        let topic = |seq: u64| if seq.is_multiple_of(2) { "even" } else { "odd" };
        let mut away: BTreeSet<u64> = (1..=count).filter(|seq| denied.contains(seq)).collect();
        away.iter().for_each(|seq| denials.denied(topic(*seq), *seq, start));
        let mut probes = 0;
        for minute in 0..=mended + 61 {
            let now = after(start, minute);
            if reconnects.contains(&minute) {
                denials.connected(now);
            }
            let mut ready = denials.probes(now);
            probes += ready.len() as u64;
            while let Some(seq) = ready.pop() {
                if minute < mended {
                    denials.denied(topic(seq), seq, now);
                } else {
                    prop_assert!(away.remove(&seq), "twice");
                    ready.extend(denials.taken(topic(seq), seq, now));
                }
            }
        }
        prop_assert!(away.is_empty(), "{:?}", away);
        prop_assert!(probes <= 2 * (2 + (mended + 61) / 60), "{} probes", probes);
    }
}
