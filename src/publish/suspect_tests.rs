//! The publisher at a broker without words that is slow, or that forbids many topics.

use super::fixture::NOTHING_LEFT;
use super::hangup::{LONG, closes_at, said, settles};
use super::poison::desk;
use super::*;
use crate::config::ProtocolChoice;

#[test]
fn a_suspect_gets_its_turn_although_states_come_faster_than_the_broker_answers_them() {
    let slow = Faults {
        late: 1.0,
        ..closes_at("cam0/heatmap")
    };
    let broker = Faulty::start(1, slow);
    let mut desk = desk(&broker, ProtocolChoice::V3);
    desk.keep_alive = Duration::from_secs(1);
    let (sender, publisher) = desk.open();
    let heatmap = said("heatmap", 50, Delivery::AtMostOnce);
    sender.send(heatmap).unwrap();
    // Once among all, once when all go one by one, and then as a suspect.
    let deadline = Instant::now() + LONG;
    let tries = |p: &&Publish| p.topic.ends_with("cam0/heatmap");
    while broker.received().iter().filter(tries).count() < 3 {
        assert!(Instant::now() < deadline);
        // A hundred take longer than this, one by one.
        for camera in 0..100 {
            let level = format!("{camera}/state");
            let state = said(&level, 60, Delivery::AtMostOnce);
            sender.send(state).unwrap();
        }
        thread::sleep(Duration::from_millis(200));
    }
    settles(&broker, &sender);
    drop(sender);
    assert_eq!(publisher.join().unwrap(), NOTHING_LEFT);
}

#[test]
fn while_many_forbidden_topics_are_found_the_pauses_do_not_grow() {
    let broker = Faulty::start(1, closes_at("cam0/x"));
    let mut desk = desk(&broker, ProtocolChoice::V3);
    desk.retry.max = Duration::from_secs(60);
    let (sender, publisher) = desk.open();
    for n in 0..16 {
        let forbidden = said(&format!("x{n}"), 50, Delivery::AtMostOnce);
        sender.send(forbidden).unwrap();
    }
    settles(&broker, &sender);
    // After two of each, and what broke before anything was known.
    let found = |p: &&Publish| p.topic.contains("cam0/x");
    assert!(broker.received().iter().filter(found).count() >= 32);
    drop(sender);
    assert_eq!(publisher.join().unwrap(), NOTHING_LEFT);
}
