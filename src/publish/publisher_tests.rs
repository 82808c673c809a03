//! The publisher against a real broker that is there, absent, late, restarted or killed, and against
//! one that swallows messages.

#[path = "busy_tests.rs"]
mod busy;
#[path = "publisher_fixture.rs"]
mod fixture;
#[path = "hangup_tests.rs"]
mod hangup;
#[path = "outage_tests.rs"]
mod outage;
#[path = "poison_tests.rs"]
mod poison;
#[path = "suspect_tests.rs"]
mod suspect;

use std::collections::BTreeMap;
use std::thread;

use fixture::{Desk, NOTHING_LEFT, alerts, id, reporter};

use super::*;
use crate::decide::{Rules, stories};
use crate::preprocess::Rejection;
use crate::publish::broker::{Broker, Received, Subscriber, free_port};
use crate::publish::faulty::{Faults, Faulty, Publish};
use crate::publish::{Delivery, Topics};

#[test]
fn alerts_arrive_in_order_between_online_and_offline() {
    let broker = Broker::start();
    let mut subscriber = Subscriber::new(broker.port);
    let (sender, publisher) = Desk::new(broker.port).open();
    for message in alerts(100) {
        sender.send(message).unwrap();
    }
    drop(sender);
    assert_eq!(publisher.join().unwrap(), NOTHING_LEFT);
    subscriber
        .wait_for(10, "inspectd/press/availability", "offline")
        .unwrap();
    let order: Vec<&str> = subscriber.seen.iter().map(|r| r.topic.as_str()).collect();
    assert_eq!(order[0], "inspectd/press/availability");
    assert_eq!(subscriber.seen[0].payload, "online");
    let alerts = subscriber.alerts();
    assert_eq!(alerts.len(), 200);
    assert!(subscriber.seen.iter().all(|r| !r.retained));
    for pair in alerts.chunks(2) {
        assert_eq!(pair[0]["data"]["phase"], "opened");
        assert_eq!(pair[1]["data"]["phase"], "closed");
        assert_eq!(pair[0]["subject"], pair[1]["subject"]);
    }
}

#[test]
fn a_broker_that_comes_late_gets_everything() {
    // It keeps the subscriber's session over the stop: nothing is published before somebody listens.
    let mut broker = Broker::start();
    let mut subscriber = Subscriber::new(broker.port);
    broker.stop();
    let (sender, publisher) = Desk::new(broker.port).open();
    for message in alerts(50) {
        sender.send(message).unwrap();
    }
    thread::sleep(Duration::from_millis(600));
    broker.resume();
    subscriber.wait_for_alerts(20, 100).unwrap();
    drop(sender);
    assert_eq!(publisher.join().unwrap(), NOTHING_LEFT);
}

#[test]
fn a_broker_restarted_in_the_middle_loses_no_alert() {
    let mut broker = Broker::start();
    let mut subscriber = Subscriber::new(broker.port);
    let (sender, publisher) = Desk::new(broker.port).open();
    let sent = alerts(300);
    let expected = sent.len();
    let feeder = thread::spawn(move || {
        for message in sent {
            sender.send(message).unwrap();
            thread::sleep(Duration::from_millis(4));
        }
    });
    for _ in 0..3 {
        thread::sleep(Duration::from_millis(400));
        broker.stop();
        thread::sleep(Duration::from_millis(200));
        broker.resume();
    }
    feeder.join().unwrap();
    assert_eq!(publisher.join().unwrap(), NOTHING_LEFT);
    subscriber.wait_for_alerts(20, expected).unwrap();
    assert_eq!(subscriber.alerts().len(), expected);
}

#[test]
fn a_broker_killed_in_the_middle_loses_no_alert_and_repetitions_are_the_same() {
    let mut broker = Broker::start();
    let mut subscriber = Subscriber::new(broker.port);
    let (sender, publisher) = Desk::new(broker.port).open();
    let sent = alerts(300);
    let expected: Vec<String> = sent.iter().map(id).collect();
    let feeder = thread::spawn(move || {
        for message in sent {
            sender.send(message).unwrap();
            thread::sleep(Duration::from_millis(4));
        }
    });
    for _ in 0..4 {
        thread::sleep(Duration::from_millis(400));
        broker.kill();
        thread::sleep(Duration::from_millis(100));
        broker.resume();
    }
    feeder.join().unwrap();
    assert_eq!(publisher.join().unwrap(), NOTHING_LEFT);
    subscriber.wait_for_alerts(20, expected.len()).unwrap();
    let alerts = subscriber.alerts();
    let got: Vec<&str> = alerts.iter().map(|a| a["id"].as_str().unwrap()).collect();
    assert_eq!(got, expected, "in the order in which they were made");
    for again in subscriber
        .seen
        .iter()
        .filter(|r| r.topic.ends_with("/alert"))
    {
        let again = again.json();
        let first = alerts.iter().find(|a| a["id"] == again["id"]).unwrap();
        assert_eq!(first["data"]["score"], again["data"]["score"]);
        assert_eq!(first["time"], again["time"]);
    }
}

#[test]
fn a_broker_that_acknowledges_nothing_is_left_and_every_alert_sent_anew() {
    let broker = Faulty::start(
        1,
        Faults {
            // Each line has one.
            silent_connections: 2,
            ..Faults::default()
        },
    );
    let mut desk = Desk::new(broker.port);
    desk.keep_alive = Duration::from_secs(1);
    let (sender, publisher) = desk.open();
    for message in alerts(3) {
        sender.send(message).unwrap();
    }
    // Two keep-alives without a PUBACK, then a new connection.
    let is_said_twice = |seen: &[Publish]| seen.iter().filter(|p| p.is_alert()).count() >= 12;
    broker.wait(Duration::from_secs(15), is_said_twice).unwrap();
    drop(sender);
    assert_eq!(publisher.join().unwrap(), NOTHING_LEFT);
    let seen = broker.alerts();
    let (first, second) = seen.split_at(6);
    let ids = |publishes: &[Publish]| publishes.iter().map(Publish::id).collect::<Vec<_>>();
    assert_eq!(
        ids(first),
        ids(second),
        "the same alerts, in the same order"
    );
    assert!(
        first
            .iter()
            .all(|p| p.connection == first[0].connection && !p.acknowledged)
    );
    assert!(
        second
            .iter()
            .all(|p| p.at - first[0].at >= Duration::from_secs(2))
    );
    assert!(
        seen.iter()
            .all(|p| p.client == format!("publisher-{}", broker.port))
    );
}

#[test]
fn what_an_absent_broker_never_took_is_delivered_by_the_next_start() {
    let desk = Desk::new(free_port());
    let (sender, publisher) = desk.open();
    for message in alerts(20) {
        sender.send(message).unwrap();
    }
    drop(sender);
    let left = publisher.join().unwrap();
    assert_eq!((left.spooled, left.lost), (40, 0));
    let broker = Broker::start_on(desk.port);
    let mut subscriber = Subscriber::new(broker.port);
    let (sender, publisher) = desk.open();
    subscriber.wait_for_alerts(20, 40).unwrap();
    drop(sender);
    assert_eq!(publisher.join().unwrap(), NOTHING_LEFT);
    let phases = subscriber.alerts();
    assert!(phases.iter().all(|alert| alert["data"]["late"] == true));
}

#[test]
fn a_reload_to_another_broker_takes_along_what_waits() {
    let desk = Desk::new(free_port());
    let (sender, publisher) = desk.open();
    for message in alerts(10) {
        sender.send(message).unwrap();
    }
    let broker = Broker::start();
    let mut subscriber = Subscriber::new(broker.port);
    let other = Desk::new(broker.port);
    sender
        .send(Message::Settings(Box::new(other.settings())))
        .unwrap();
    for message in alerts(12).into_iter().skip(20) {
        sender.send(message).unwrap();
    }
    subscriber.wait_for_alerts(20, 24).unwrap();
    drop(sender);
    assert_eq!(publisher.join().unwrap(), NOTHING_LEFT);
}

#[test]
fn a_node_that_leaves_for_another_name_has_the_emptying_of_its_topics_as_its_last_word() {
    let broker = Broker::start();
    let mut subscriber = Subscriber::new(broker.port);
    let desk = Desk::new(broker.port);
    let former = desk.settings();
    let (sender, publisher) = desk.open();
    let (mut tracker, mut reporter) = (stories::tracker(Rules::default()), reporter());
    let at = stories::moment(0);
    let judged = stories::judged(-1.0);
    let changes = tracker.observe(0, at, Ok(&judged));
    let mut said = reporter.start(&tracker);
    said.extend(reporter.frame(0, at, Ok(&judged), &changes, &tracker));
    for message in said {
        sender.send(message).unwrap();
    }
    let is_said = |seen: &[Received]| seen.iter().any(|r| r.topic == "inspectd/press/cam0/state");
    subscriber.wait(20, is_said).unwrap();
    let mut next = former.clone();
    next.topics = Topics::new(&next.mqtt.prefix, &"mill".parse().unwrap());
    let camera = former.topics.camera(&"cam0".parse().unwrap());
    let farewell = [camera.clear(), former.topics.clear()].concat();
    sender
        .send(Message::Renamed(Box::new(next), farewell))
        .unwrap();
    subscriber
        .wait_for(20, "inspectd/mill/availability", "online")
        .unwrap();
    drop(sender);
    assert_eq!(publisher.join().unwrap(), NOTHING_LEFT);
    subscriber
        .wait_for(20, "inspectd/mill/availability", "offline")
        .unwrap();
    let mut kept = BTreeMap::new();
    for Received { topic, payload, .. } in &subscriber.seen {
        kept.insert(topic.as_str(), payload.as_str());
    }
    assert!(kept.len() >= 8, "{kept:?}");
    kept.retain(|_, payload| !payload.is_empty());
    let kept: Vec<&str> = kept.into_keys().collect();
    assert_eq!(kept, ["inspectd/mill/availability"]);
    let seen = subscriber.seen.iter();
    let own = seen.filter(|r| r.topic == "inspectd/press/availability");
    let words: Vec<&str> = own.map(|r| r.payload.as_str()).collect();
    assert_eq!(words, ["online", ""], "neither offline nor the will");
}

#[test]
fn a_late_subscriber_gets_the_newest_state_and_the_open_incident() {
    let broker = Broker::start();
    let (sender, publisher) = Desk::new(broker.port).open();
    let mut tracker = stories::tracker(Rules::default());
    let mut reporter = reporter();
    for message in reporter.start(&tracker) {
        sender.send(message).unwrap();
    }
    let judged = stories::judged(3.0);
    for n in 0..6 {
        let at = stories::moment(n);
        let changes = tracker.observe(n, at, Ok(&judged));
        for message in reporter.frame(n, at, Ok(&judged), &changes, &tracker) {
            sender.send(message).unwrap();
        }
    }
    let is_there =
        |topic: &'static str| move |seen: &[Received]| seen.iter().any(|r| r.topic == topic);
    let wait_for_all = || {
        let mut subscriber = Subscriber::new(broker.port);
        let states = [
            "inspectd/press/cam0/state",
            "inspectd/press/cam0/alert/active",
        ];
        for topic in states {
            subscriber.wait(20, is_there(topic)).unwrap();
        }
        let availability = "inspectd/press/cam0/availability";
        subscriber.wait_for(20, availability, "online").unwrap();
        subscriber
    };
    // Once all was said, somebody else comes.
    wait_for_all();
    thread::sleep(Duration::from_millis(500));
    let subscriber = wait_for_all();
    assert!(
        subscriber
            .seen
            .iter()
            .all(|r| r.retained && !r.topic.ends_with("/alert"))
    );
    let find = |topic: &str| {
        subscriber
            .seen
            .iter()
            .find(|r| r.topic.ends_with(topic))
            .unwrap()
            .json()
    };
    assert_eq!(find("cam0/state")["anomaly"], "ON");
    assert_eq!(find("alert/active")[0]["phase"], "opened");
    drop(sender);
    publisher.join().unwrap();
}

#[test]
fn states_come_once_a_second_and_at_once_when_they_change() {
    let tracker = stories::tracker(Rules::default());
    let mut reporter = reporter();
    let rejection = Rejection::Undecodable("test".into());
    let judged = stories::judged(-1.0);
    let mut states = Vec::new();
    // Two frames a second; the fifth to the eighth can't be judged.
    for n in 0..12 {
        let judgement = if (4..8).contains(&n) {
            Err(&rejection)
        } else {
            Ok(&judged)
        };
        let messages = reporter.frame(n, stories::moment(n), judgement, &[], &tracker);
        states.extend(messages.iter().filter_map(|message| match message {
            Message::Retained(r) if r.topic.ends_with("/state") => {
                let state: serde_json::Value = serde_json::from_slice(&r.payload).unwrap();
                assert_eq!(state["judged"], !(4..8).contains(&n));
                Some(n)
            }
            _ => None,
        }));
    }
    assert_eq!(states, [0, 2, 4, 6, 8, 10]);
}
