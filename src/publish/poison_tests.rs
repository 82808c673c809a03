//! The publisher and messages that a broker can't stand, or a broker that stands none for a while:
//! the former must not hold up others, the latter must not condemn anything.

use std::collections::BTreeSet;

use super::fixture::{Desk, NOTHING_LEFT};
use super::*;
use crate::capture::Moment;
use crate::config::{ProtocolChoice, Retry};
use crate::publish::faulty::{Faults, Faulty, Poison, Publish};
use crate::publish::spool::{Folder, NewEntry};

const COUNT: usize = 80;
/// Its place among them.
const POISONOUS: usize = 5;

pub(super) fn desk(broker: &Faulty, protocol: ProtocolChoice) -> Desk {
    let mut desk = Desk::new(broker.port);
    desk.keep_alive = Duration::from_millis(100);
    let (min, max) = (Duration::from_millis(2), Duration::from_millis(20));
    desk.retry = Retry { min, max };
    desk.protocol = protocol;
    desk
}

fn name(place: usize) -> String {
    format!("alert-{place:03}.")
}

/// Puts alerts into the desk's spool; the poisonous one has `bytes` and a topic of its own.
pub(super) fn fill(desk: &Desk, bytes: usize) {
    let folder = Folder::lock(desk.folder.path()).unwrap();
    let spool = Spool::open(&folder, desk.settings().limits).unwrap();
    for place in 0..COUNT {
        let is_poisonous = place == POISONOUS;
        let camera = if is_poisonous { "poisonous" } else { "cam0" };
        let filling = "x".repeat(if is_poisonous { bytes } else { 500 });
        let event = serde_json::json!({ "id": name(place), "data": { "filling": filling } });
        spool.append(NewEntry {
            id: name(place),
            topic: format!("inspectd/press/{camera}/alert"),
            payload: serde_json::to_vec(&event).unwrap(),
            is_update: false,
            boot_id: "b".into(),
            at: Moment::now(),
        });
    }
    assert_eq!(spool.close().alerts, COUNT as u64);
}

fn taken(seen: &[Publish]) -> BTreeSet<String> {
    let alerts = seen.iter().filter(|p| p.is_alert() && p.acknowledged);
    alerts.map(Publish::id).collect()
}

pub(super) fn all() -> BTreeSet<String> {
    (0..COUNT).map(name).collect()
}

fn all_but_the_poisonous() -> BTreeSet<String> {
    (0..COUNT)
        .filter(|place| *place != POISONOUS)
        .map(name)
        .collect()
}

pub(super) fn wait_for(broker: &Faulty, wanted: &BTreeSet<String>) {
    let is_there = |seen: &[Publish]| taken(seen) == *wanted;
    broker
        .wait(Duration::from_secs(30), is_there)
        .unwrap_or_else(|fault| panic!("{fault}: {:?}", taken(&broker.received())));
}

/// Others arrive, the poisonous one goes to quarantine, and a restart delivers it to a broker that
/// takes it.
fn is_quarantined_and_tried_by_the_next_start(
    faults: Faults,
    bytes: usize,
    protocol: ProtocolChoice,
) {
    let broker = Faulty::start(7, faults);
    let desk = desk(&broker, protocol);
    fill(&desk, bytes);
    let (sender, publisher) = desk.open();
    wait_for(&broker, &all_but_the_poisonous());
    drop(sender);
    let left = publisher.join().unwrap();
    assert_eq!((left.spooled, left.quarantined, left.lost), (0, 1, 0));
    broker.mend(Faults::default());
    let (sender, publisher) = desk.open();
    wait_for(&broker, &all());
    drop(sender);
    assert_eq!(publisher.join().unwrap(), NOTHING_LEFT);
}

fn poison(what: Poison) -> Faults {
    Faults {
        poison: vec![("poisonous".into(), what)],
        ..Faults::default()
    }
}

#[test]
fn an_alert_larger_than_the_broker_takes_is_set_aside_unsent() {
    let faults = Faults {
        largest_packet: Some(1000),
        ..Faults::default()
    };
    is_quarantined_and_tried_by_the_next_start(faults, 1000, ProtocolChoice::V5);
}

#[test]
fn an_alert_that_is_never_acknowledged_is_set_aside() {
    is_quarantined_and_tried_by_the_next_start(poison(Poison::Mute), 500, ProtocolChoice::Auto);
}

#[test]
fn an_alert_at_which_the_broker_closes_the_connection_is_set_aside() {
    is_quarantined_and_tried_by_the_next_start(poison(Poison::Closes), 500, ProtocolChoice::V3);
}

#[test]
fn a_denied_alert_is_set_aside_and_a_reload_tries_it_again() {
    let broker = Faulty::start(7, poison(Poison::Denied));
    let desk = desk(&broker, ProtocolChoice::V5);
    fill(&desk, 500);
    let (sender, publisher) = desk.open();
    wait_for(&broker, &all_but_the_poisonous());
    let count = |broker: &Faulty| broker.alerts().len();
    assert_eq!(count(&broker), COUNT, "it was asked once");
    let reload = || Message::Settings(Box::new(desk.settings()));
    sender.send(reload()).unwrap();
    let is_denied_again = |seen: &[Publish]| seen.iter().filter(|p| p.is_alert()).count() > COUNT;
    broker
        .wait(Duration::from_secs(10), is_denied_again)
        .unwrap();
    broker.mend(Faults::default());
    // One that comes while the denial is on its way to the disk is too early; the next one is not.
    let is_there = |seen: &[Publish]| taken(seen) == all();
    let arrives = (0..15).any(|_| {
        sender.send(reload()).unwrap();
        broker.wait(Duration::from_secs(2), is_there).is_ok()
    });
    assert!(arrives, "{:?}", taken(&broker.received()));
    drop(sender);
    assert_eq!(publisher.join().unwrap(), NOTHING_LEFT);
    assert_eq!(count(&broker), COUNT + 2, "nothing else was sent again");
}

/// For a while no alert passes; then all arrive, and none is in quarantine.
fn condemns_nothing(faults: Faults, protocol: ProtocolChoice) {
    let broker = Faulty::start(7, faults);
    let desk = desk(&broker, protocol);
    fill(&desk, 500);
    let (sender, publisher) = desk.open();
    std::thread::sleep(Duration::from_secs(3));
    assert!(taken(&broker.received()).is_empty());
    broker.mend(Faults::default());
    wait_for(&broker, &all());
    drop(sender);
    assert_eq!(publisher.join().unwrap(), NOTHING_LEFT);
}

#[test]
fn a_broker_whose_quota_is_exceeded_condemns_no_alert() {
    let faults = Faults {
        later: 1.0,
        ..Faults::default()
    };
    condemns_nothing(faults, ProtocolChoice::V5);
}

#[test]
fn a_network_that_lets_only_small_packets_pass_condemns_no_alert() {
    let faults = Faults {
        largest_packet: Some(200),
        ..Faults::default()
    };
    condemns_nothing(faults, ProtocolChoice::V3);
}

#[test]
fn a_retained_message_at_which_the_broker_closes_the_connection_holds_up_no_alert() {
    let faults = Faults {
        poison: vec![("press/availability".into(), Poison::Closes)],
        ..Faults::default()
    };
    let broker = Faulty::start(7, faults);
    let desk = desk(&broker, ProtocolChoice::V3);
    fill(&desk, 500);
    let (sender, publisher) = desk.open();
    wait_for(&broker, &all());
    drop(sender);
    publisher.join().unwrap();
}

#[test]
fn a_picture_too_large_for_the_broker_is_left_out_and_all_else_is_said() {
    for protocol in [ProtocolChoice::V5, ProtocolChoice::Auto] {
        let narrow = Faults {
            largest_packet: Some(20_000),
            ..Faults::default()
        };
        let broker = Faulty::start(1, narrow);
        let (sender, publisher) = desk(&broker, protocol).open();
        for (level, bytes) in [("snapshot", 45_000), ("state", 500)] {
            let message = Retained {
                topic: format!("inspectd/press/cam0/{level}"),
                payload: vec![b'x'; bytes],
                delivery: Delivery::AtMostOnce,
            };
            sender.send(Message::Retained(message)).unwrap();
        }
        let is_state = |seen: &[Publish]| seen.iter().any(|p| p.topic.ends_with("/state"));
        broker.wait(Duration::from_secs(10), is_state).unwrap();
        drop(sender);
        assert_eq!(publisher.join().unwrap(), NOTHING_LEFT);
        assert_eq!(broker.connections(), 2, "one for each line");
    }
}
