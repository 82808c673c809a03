//! The publisher and a broker without words, which hangs up at what it does not take; and one whose
//! access rules are mended while the daemon runs.

use std::path::Path;

use super::fixture::{Desk, NOTHING_LEFT, alerts, id};
use super::poison::{all, desk, fill, wait_for};
use super::*;
use crate::capture::Moment;
use crate::config::ProtocolChoice;
use crate::publish::faulty::{Faults, Faulty, Poison, Publish};
use crate::publish::{Health, Latency, Machine, Published};

pub(super) const LONG: Duration = Duration::from_secs(30);

pub(super) fn said(level: &str, bytes: usize, delivery: Delivery) -> Message {
    Message::Retained(Retained {
        topic: format!("inspectd/press/cam0/{level}"),
        payload: vec![b'x'; bytes],
        delivery,
    })
}

fn state(bytes: usize) -> Message {
    said("state", bytes, Delivery::AtMostOnce)
}

/// Says states until no connection is made for a second, which is hundreds of pauses; each state that was
/// said meanwhile must have arrived.
pub(super) fn settles(broker: &Faulty, sender: &Sender<Message>) {
    let deadline = Instant::now() + LONG;
    let mut bytes = 100;
    loop {
        let (connections, from) = (broker.connections(), bytes);
        for _ in 0..20 {
            sender.send(state(bytes)).unwrap();
            bytes += 1;
            thread::sleep(Duration::from_millis(50));
        }
        let is_calm = broker.connections() == connections;
        let arrived = broker.received();
        let has = |size: usize| {
            let is_it = |p: &&Publish| p.topic.ends_with("/state") && p.payload.len() == size;
            arrived.iter().rev().any(|p| is_it(&p))
        };
        if is_calm && (from..bytes - 2).all(has) {
            return;
        }
        assert!(Instant::now() < deadline, "{connections} connections");
    }
}

/// What health says of the broker.
fn reason(broker: &Faulty, sender: &Sender<Message>) -> String {
    let readings = Machine::new().read(Path::new("/"));
    let health = Health::new(Moment::now(), 1.0, readings, Vec::new(), Latency::default());
    let before = broker.received().len();
    sender.send(health.report("health".into(), None)).unwrap();
    let is_it = |p: &&Publish| p.topic == "health";
    let is_there = |seen: &[Publish]| seen[before..].iter().any(|p| is_it(&p));
    broker.wait(LONG, is_there).unwrap();
    let seen = broker.received();
    let said = seen.iter().rev().find(is_it).unwrap();
    let said: serde_json::Value = serde_json::from_slice(&said.payload).unwrap();
    said["broker"]["reason"].as_str().unwrap_or("").to_owned()
}

/// A publisher that also listens, at a broker that speaks 3.1.1 alone.
fn listening(broker: &Faulty) -> (Desk, Settings) {
    let desk = desk(broker, ProtocolChoice::V3);
    let mut settings = desk.settings();
    settings.subscriptions = settings.topics.subscriptions();
    (desk, settings)
}

fn narrow() -> Faults {
    Faults {
        largest_packet: Some(20_000),
        ..Faults::default()
    }
}

#[test]
fn a_picture_at_which_the_broker_hangs_up_is_left_out_and_a_smaller_one_is_said_at_once() {
    let broker = Faulty::start(1, narrow());
    let (desk, settings) = listening(&broker);
    let (tell, _told) = bounded(4);
    let (sender, publisher) = desk.open_with(settings, tell);
    sender
        .send(said("snapshot", 45_000, Delivery::AtMostOnce))
        .unwrap();
    sender
        .send(said("heatmap", 400, Delivery::AtMostOnce))
        .unwrap();
    settles(&broker, &sender);
    let connections = broker.connections();
    assert!(connections <= 6, "{connections} connections");
    assert!(
        broker
            .received()
            .iter()
            .any(|p| p.topic.ends_with("/heatmap"))
    );
    let told = reason(&broker, &sender);
    assert!(
        told.contains("cam0/snapshot; ") && told.contains("max_kb"),
        "{told}"
    );
    // Larger than the one at which it hung up, and then one that it takes.
    sender
        .send(said("snapshot", 46_000, Delivery::AtMostOnce))
        .unwrap();
    settles(&broker, &sender);
    sender
        .send(said("snapshot", 9_000, Delivery::AtMostOnce))
        .unwrap();
    let is_there = |seen: &[Publish]| seen.iter().any(|p| p.topic.ends_with("/snapshot"));
    broker.wait(LONG, is_there).unwrap();
    assert_eq!(broker.connections(), connections);
    assert_eq!(reason(&broker, &sender), "");
    drop(sender);
    assert_eq!(publisher.join().unwrap(), NOTHING_LEFT);
}

#[test]
fn an_answer_at_which_the_broker_hangs_up_costs_two_connections_and_then_none() {
    let broker = Faulty::start(1, narrow());
    let (desk, settings) = listening(&broker);
    let (tell, _told) = bounded(4);
    let (sender, publisher) = desk.open_with(settings, tell);
    for _ in 0..6 {
        settles(&broker, &sender);
        let topic = "inspectd/press/response/health_check".to_owned();
        let payload = vec![b'x'; 30_000];
        sender
            .send(Message::Response(Published { topic, payload }))
            .unwrap();
    }
    settles(&broker, &sender);
    assert_eq!(broker.connections(), 2 + 2);
    drop(sender);
    assert_eq!(publisher.join().unwrap(), NOTHING_LEFT);
}

/// The subscription breaks the line: all else is said, and a reload listens again once that is mended.
fn goes_on_without_listening(faults: Faults, remedy: &str) {
    let broker = Faulty::start(1, faults);
    let (desk, settings) = listening(&broker);
    let (tell, _told) = bounded(4);
    let (sender, publisher) = desk.open_with(settings.clone(), tell);
    settles(&broker, &sender);
    let connections = broker.connections();
    assert!(connections <= 6, "{connections} connections");
    let told = reason(&broker, &sender);
    assert!(
        told.contains("not all heard") && told.contains(remedy),
        "{told}"
    );
    broker.mend(Faults::default());
    let before = broker.subscriptions();
    sender.send(Message::Settings(Box::new(settings))).unwrap();
    settles(&broker, &sender);
    assert_eq!(broker.subscriptions(), before + 1);
    assert_eq!(broker.connections(), connections);
    assert_eq!(reason(&broker, &sender), "");
    drop(sender);
    assert_eq!(publisher.join().unwrap(), NOTHING_LEFT);
}

#[test]
fn a_message_over_a_mebibyte_that_somebody_left_costs_the_requests_and_nothing_else() {
    let faults = Faults {
        left_behind: Some((1 << 20) + 100),
        ..Faults::default()
    };
    goes_on_without_listening(faults, "mosquitto_pub -r -n");
}

#[test]
fn a_broker_that_hangs_up_at_the_subscription_gets_all_else() {
    let faults = Faults {
        closes_at_subscribe: true,
        ..Faults::default()
    };
    goes_on_without_listening(faults, "access rules");
}

pub(super) fn closes_at(topic: &str) -> Faults {
    Faults {
        poison: vec![(topic.to_owned(), Poison::Closes)],
        ..Faults::default()
    }
}

#[test]
fn a_retained_topic_at_which_the_broker_hangs_up_is_left_out_and_the_others_and_all_alerts_arrive()
{
    let broker = Faulty::start(7, closes_at("cam0/alert/active"));
    let desk = desk(&broker, ProtocolChoice::V3);
    fill(&desk, 500);
    let (sender, publisher) = desk.open();
    let levels = ["alert/active", "availability", "enabled/state"];
    for (level, bytes) in levels.iter().zip(20..) {
        sender
            .send(said(level, bytes, Delivery::AtLeastOnce))
            .unwrap();
    }
    settles(&broker, &sender);
    wait_for(&broker, &all());
    let connections = broker.connections();
    assert!(connections <= 9, "{connections} connections");
    for level in &levels[1..] {
        let is_it = |p: &Publish| p.topic.ends_with(&format!("cam0/{level}")) && p.acknowledged;
        assert!(broker.received().iter().any(is_it), "{level}");
    }
    // What changes and what is new goes on as ever.
    sender
        .send(said("availability", 40, Delivery::AtLeastOnce))
        .unwrap();
    let is_said = |seen: &[Publish]| seen.iter().any(|p| p.payload.len() == 40 && p.acknowledged);
    broker.wait(LONG, is_said).unwrap();
    assert_eq!(broker.connections(), connections);
    drop(sender);
    assert_eq!(publisher.join().unwrap(), NOTHING_LEFT);
}

#[test]
fn the_only_retained_topic_is_left_out_as_well_where_the_line_stands_without_it() {
    let broker = Faulty::start(7, closes_at("press/availability"));
    let (sender, publisher) = desk(&broker, ProtocolChoice::V3).open();
    // Before the last trial it stands for five seconds.
    let stood = |broker: &Faulty| {
        let connections = broker.connections();
        thread::sleep(Duration::from_secs(7));
        broker.connections() == connections
    };
    assert!(
        (0..3).any(|_| stood(&broker)),
        "{} connections",
        broker.connections()
    );
    // Three times with whatever else there is, once alone, and twice after the line stood.
    let said = broker.received();
    let said = said
        .iter()
        .filter(|p| p.topic == "inspectd/press/availability");
    assert_eq!(said.count(), 3 + 1 + 2);
    drop(sender);
    assert_eq!(publisher.join().unwrap(), NOTHING_LEFT);
}

/// A broker that denies all alerts, until its rules are mended, and a publisher whose alerts are all in
/// quarantine by then.
fn denied(
    count: u64,
) -> (
    Faulty,
    Sender<Message>,
    thread::JoinHandle<Left>,
    Vec<String>,
) {
    let faults = Faults {
        poison: vec![("cam0/alert".into(), Poison::Denied)],
        ..Faults::default()
    };
    let broker = Faulty::start(7, faults);
    let (sender, publisher) = desk(&broker, ProtocolChoice::V5).open();
    let messages = alerts(count);
    let ids = messages.iter().map(id).collect();
    for message in messages {
        sender.send(message).unwrap();
    }
    let all_denied =
        |seen: &[Publish]| seen.iter().filter(|p| p.is_alert()).count() == 2 * count as usize;
    broker.wait(LONG, all_denied).unwrap();
    (broker, sender, publisher, ids)
}

/// Waits until so many alerts were taken; they are these, in this order.
fn arrive(broker: &Faulty, ids: &[String]) {
    let taken = |seen: &[Publish]| {
        let alerts = seen.iter().filter(|p| p.is_alert() && p.acknowledged);
        alerts.map(Publish::id).collect::<Vec<_>>()
    };
    let are_all = |seen: &[Publish]| taken(seen).len() == ids.len();
    broker.wait(LONG, are_all).unwrap();
    assert_eq!(taken(&broker.received()), ids);
}

/// Says something anew until it took so many more connections.
fn reconnects(broker: &Faulty, sender: &Sender<Message>, times: usize) {
    let wanted = broker.connections() + times;
    let deadline = Instant::now() + LONG;
    for bytes in 40.. {
        sender
            .send(said("availability", bytes, Delivery::AtLeastOnce))
            .unwrap();
        thread::sleep(Duration::from_millis(10));
        if broker.connections() >= wanted {
            return;
        }
        assert!(Instant::now() < deadline);
    }
}

#[test]
fn alerts_that_were_denied_arrive_in_their_order_after_the_next_connection() {
    let (broker, sender, publisher, ids) = denied(20);
    // Ends both lines at their next packet; the rules are mended by then.
    broker.mend(Faults {
        dismiss: 1.0,
        ..Faults::default()
    });
    reconnects(&broker, &sender, 1);
    broker.mend(Faults::default());
    arrive(&broker, &ids);
    drop(sender);
    assert_eq!(publisher.join().unwrap(), NOTHING_LEFT);
}

#[test]
fn alerts_that_were_denied_arrive_in_their_order_once_the_broker_takes_another_of_their_topic() {
    let (broker, sender, publisher, mut ids) = denied(20);
    broker.mend(Faults::default());
    let another = alerts(21).pop().unwrap();
    ids.insert(0, id(&another));
    sender.send(another).unwrap();
    arrive(&broker, &ids);
    drop(sender);
    assert_eq!(publisher.join().unwrap(), NOTHING_LEFT);
}

#[test]
fn while_the_broker_denies_them_one_alert_is_tried_again_however_often_it_is_lost() {
    let (broker, sender, publisher, ids) = denied(20);
    let mut faults = Faults {
        poison: vec![("cam0/alert".into(), Poison::Denied)],
        reset_reading: 0.2,
        ..Faults::default()
    };
    broker.mend(faults.clone());
    reconnects(&broker, &sender, 20);
    faults.reset_reading = 0.0;
    broker.mend(faults);
    settles(&broker, &sender);
    let ids_seen: Vec<String> = broker.alerts().iter().map(Publish::id).collect();
    let again = &ids_seen[ids.len()..];
    // More than once only where its denial was lost with the line.
    assert!(again.iter().all(|id| *id == ids[0]), "{again:?}");
    assert!((1..=5).contains(&again.len()), "{again:?}");
    drop(sender);
    let left = publisher.join().unwrap();
    assert_eq!(
        (left.spooled, left.quarantined, left.lost),
        (0, ids.len() as u64, 0)
    );
}
