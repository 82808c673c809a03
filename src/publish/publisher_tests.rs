//! The publisher against a real broker that is there, absent, late, restarted or killed, and against
//! one that swallows messages.

use std::sync::Arc;
use std::thread::{self, JoinHandle};

use crossbeam_channel::{Sender, bounded};

use super::super::broker::{Broker, Subscriber, free_port};
use super::super::spool::Folder;
use super::super::faulty::{Faults, Faulty, Publish};
use super::super::{ProfileIdentity, Reporter};
use super::*;
use crate::config::{Issues, Mqtt, ProtocolChoice, Retry};
use crate::decide::{Identity, Rules, stories};
use crate::preprocess::Rejection;

/// A state folder and a broker's port.
pub(super) struct Desk {
    pub(super) folder: tempfile::TempDir,
    pub(super) port: u16,
    pub(super) keep_alive: Duration,
    pub(super) retry: Retry,
    pub(super) protocol: ProtocolChoice,
}

pub(super) const NOTHING_LEFT: Left = Left {
    spooled: 0,
    quarantined: 0,
    lost: 0,
};

impl Desk {
    pub(super) fn new(port: u16) -> Desk {
        Desk {
            folder: tempfile::tempdir().unwrap(),
            port,
            keep_alive: Duration::from_secs(5),
            retry: Retry {
                min: Duration::from_millis(50),
                max: Duration::from_millis(200),
            },
            protocol: ProtocolChoice::Auto,
        }
    }

    pub(super) fn settings(&self) -> Settings {
        let mqtt = Mqtt {
            enabled: true,
            host: "127.0.0.1".into(),
            port: self.port,
            prefix: crate::config::Prefix::default(),
            client_id: format!("publisher-{}", self.port),
            credentials: None,
            keep_alive: self.keep_alive,
            retry: self.retry,
            drain: Duration::from_secs(5),
            protocol: self.protocol,
            tls: None,
        };
        Settings {
            endpoint: Endpoint::new(&mqtt, &mut Issues::default()).map(Arc::new),
            mqtt,
            topics: topics(),
            boot_id: "b".into(),
            limits: Limits {
                alerts: 100_000,
                bytes: 1 << 30,
            },
            sink: None,
            subscriptions: Vec::new(),
            home_assistant: None,
        }
    }

    /// A publisher on a thread, as the pipeline has it.
    pub(super) fn open(&self) -> (Sender<Message>, JoinHandle<Left>) {
        let settings = self.settings();
        let folder = Folder::lock(self.folder.path()).unwrap();
        let spool = Spool::open(&folder, settings.limits).unwrap();
        let (sender, inbox) = bounded(8);
        let (tell, _) = bounded(1);
        let publisher = Publisher::new(settings, spool, tell);
        let work = move || {
            let left = publisher.run(&inbox);
            drop(folder);
            left
        };
        (sender, thread::spawn(work))
    }
}

fn topics() -> Topics {
    Topics::new(&crate::config::Prefix::default(), &"press".parse().unwrap())
}

fn reporter() -> Reporter {
    let profile = ProfileIdentity {
        id: "sha256:9a".into(),
        teacher: "sha256:1f".into(),
        calibrated_at: Some("2026-09-01T08:00:00Z".into()),
        normal_frames: 420,
    };
    let identity = Identity {
        node: "press".into(),
        camera: "cam0".into(),
        boot_id: "b".into(),
    };
    let topics = topics().camera(&"cam0".parse().unwrap());
    Reporter::new(topics, identity, Arc::new(profile))
}

/// The alerts of `count` incidents, two each.
pub(super) fn alerts(count: u64) -> Vec<Message> {
    let rules = Rules {
        hits: 1,
        window: 1,
        release_after: 1,
        cooldown: Duration::ZERO,
        hourly_cap: u32::MAX,
        ..Rules::default()
    };
    let mut tracker = stories::tracker(rules);
    let reporter = reporter();
    let story = "A.".repeat(usize::try_from(count).unwrap());
    let reports = stories::tell(&mut tracker, &story);
    let messages = reports
        .iter()
        .flat_map(|(_, report)| reporter.incident(report, &tracker));
    messages
        .filter(|message| matches!(message, Message::Alert(_)))
        .collect()
}

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

pub(super) fn id(message: &Message) -> String {
    match message {
        Message::Alert(alert) => alert.id().to_owned(),
        other => panic!("no alert: {other:?}"),
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
    assert_eq!(ids(first), ids(second), "the same alerts, in the same order");
    assert!(first.iter().all(|p| p.connection == first[0].connection && !p.acknowledged));
    assert!(second.iter().all(|p| p.at - first[0].at >= Duration::from_secs(2)));
    assert!(seen.iter().all(|p| p.client == format!("publisher-{}", broker.port)));
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
        let change = tracker.observe(n, at, Ok(&judged));
        for message in reporter.frame(n, at, Ok(&judged), change.as_ref(), &tracker) {
            sender.send(message).unwrap();
        }
    }
    thread::sleep(Duration::from_millis(500));
    let mut subscriber = Subscriber::new(broker.port);
    let is_there = |topic: &'static str| {
        move |seen: &[super::super::broker::Received]| seen.iter().any(|r| r.topic == topic)
    };
    for topic in [
        "inspectd/press/cam0/state",
        "inspectd/press/cam0/alert/active",
    ] {
        subscriber.wait(5, is_there(topic)).unwrap();
    }
    subscriber
        .wait_for(5, "inspectd/press/cam0/availability", "online")
        .unwrap();
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
        let messages = reporter.frame(n, stories::moment(n), judgement, None, &tracker);
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
