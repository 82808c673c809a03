//! What a report of health says, and what of the spool it calls a fault.

use std::path::Path;

use serde_json::Value;

use super::super::discovery::describe;
use super::super::spool::Limits;
use super::super::{Machine, Published, Retained, Topics, schema};
use super::*;
use crate::config::Prefix;

fn keys(value: &Value) -> Vec<&str> {
    value
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect()
}

/// What a supervisor of one camera found.
fn health() -> Health {
    let camera = CameraHealth {
        name: "cam0".into(),
        captured: 5,
        replaced: 1,
        judged: 3,
        gated: 0,
        anomalous: 0,
        rejected: [("size", 1)].into(),
        faults: 0,
    };
    let latency = Latency {
        infer_ms: Some(12.5),
        ..Latency::default()
    };
    let readings = Machine::new().read(Path::new("/"));
    Health::new(Moment::now(), 3.5, readings, vec![camera], latency)
}

fn full() -> SpoolHealth {
    SpoolHealth {
        state: SpoolState::NoRoom,
        reason: Some("full".into()),
        alerts: 2,
        bytes: 900,
        max_alerts: 2,
        max_bytes: 1000,
        quarantined: 0,
        held: 0,
        accepted_total: 7,
        delivered_total: 5,
        refused_total: 1,
        set_aside: None,
    }
}

#[test]
fn a_report_is_said_and_answered_with_every_field_of_the_contract() {
    let reply = Reply::new("r/health_check".into(), json!("a7"));
    let Message::Health(report) = health().report("n/health".into(), Some(reply)) else {
        panic!("no health");
    };
    let messages = report.complete(&BrokerHealth::default(), &full());
    let [
        Message::Retained(Retained {
            topic,
            payload,
            delivery,
        }),
        Message::Response(answer),
    ] = &messages[..]
    else {
        panic!("{messages:?}");
    };
    assert_eq!(
        (topic.as_str(), *delivery),
        ("n/health", Delivery::AtMostOnce)
    );
    let said: Value = serde_json::from_slice(payload).unwrap();
    let expected = [
        "broker",
        "cameras",
        "clock",
        "cpu",
        "disk",
        "latency",
        "memory",
        "spool",
        "temperature_c",
        "time",
        "uptime_s",
        "version",
    ];
    assert_eq!(keys(&said), expected);
    assert_eq!(
        (&said["spool"]["state"], &said["broker"]["protocol"]),
        (&json!("no_room"), &Value::Null)
    );
    assert_eq!(
        (&said["latency"]["infer_ms"], &said["latency"]["decide_ms"]),
        (&json!(12.5), &Value::Null)
    );
    assert_eq!(said["cameras"][0]["rejected"], json!({"size": 1}));
    let Published { topic, payload } = answer;
    let answer: Value = serde_json::from_slice(payload).unwrap();
    assert_eq!(
        (topic.as_str(), &answer["transaction"]),
        ("r/health_check", &json!("a7"))
    );
    assert_eq!(answer["data"], said);
}

/// A spool that takes alerts and has delivered them all.
fn sound() -> Status {
    Status {
        state: State::Healthy,
        full: None,
        alerts: 0,
        bytes: 0,
        quarantined: 0,
        held: 0,
        accepted_total: 7,
        delivered_total: 7,
        refused_total: 0,
        limits: Limits {
            alerts: 100,
            bytes: 1000,
        },
        set_aside: None,
        salvaged: 0,
        oldest: None,
    }
}

/// A state of the spool, as it is sent.
fn word(spool: &SpoolHealth) -> String {
    let word = serde_json::to_value(spool.state).unwrap();
    word.as_str().unwrap().to_owned()
}

#[test]
fn a_spool_with_alerts_that_the_broker_does_not_take_is_not_healthy_and_says_what_to_do() {
    let healthy = SpoolHealth::of(Some(&sound()));
    assert_eq!((word(&healthy).as_str(), healthy.reason), ("healthy", None));
    let denied = Status {
        alerts: 5,
        quarantined: 3,
        ..sound()
    };
    let spool = SpoolHealth::of(Some(&denied));
    assert_eq!(spool.state, SpoolState::Quarantine);
    assert_eq!((spool.alerts, spool.quarantined), (2, 3));
    let reason = spool.reason.unwrap();
    for says in ["3", "access rules", "request/reload"] {
        assert!(reason.contains(says), "{reason}");
    }
    // What keeps new ones from the disk is worse.
    let full = Some("100 alerts, the most that may wait".to_owned());
    let full = Status { full, ..denied };
    assert_eq!(SpoolHealth::of(Some(&full)).state, SpoolState::NoRoom);
    let state = State::Failed("an fsync failed".into());
    let failed = Status { state, ..full };
    assert_eq!(SpoolHealth::of(Some(&failed)).state, SpoolState::Failed);
}

#[test]
fn home_assistant_shows_a_problem_in_every_state_in_which_alerts_are_not_safe_or_not_sent() {
    let node = "press".parse().unwrap();
    let prefix = Prefix::try_from("homeassistant".to_owned()).unwrap();
    let topics = Topics::new(&Prefix::default(), &node);
    let device = describe(&prefix, &topics, &node, "0.1.0", &[]);
    let device: Value = serde_json::from_slice(&device.payload).unwrap();
    let template = &device["components"]["spool_fault"]["value_template"];
    let template = template.as_str().unwrap();
    let says_off = "{{ 'OFF' if value_json.spool.state in ['healthy', 'off'] else 'ON' }}";
    assert_eq!(template, says_off);
    let denied = Status {
        alerts: 1,
        quarantined: 1,
        ..sound()
    };
    let state = word(&SpoolHealth::of(Some(&denied)));
    assert!(!template.contains(&format!("'{state}'")), "{state}");
    let contract = schema::named("health").unwrap().text;
    let contract: Value = serde_json::from_str(contract).unwrap();
    let known = &contract["properties"]["spool"]["properties"]["state"]["enum"];
    assert!(known.as_array().unwrap().contains(&json!(state)), "{known}");
}

#[test]
fn the_spool_is_read_anew_when_it_can_be_written_again_or_alerts_were_released() {
    let with = |state: State, quarantined| Status {
        state,
        quarantined,
        ..sound()
    };
    let locked = with(State::Busy, 3);
    assert!(with(State::Healthy, 3).has_more(&locked));
    assert!(with(State::NoRoom, 0).has_more(&with(State::NoRoom, 3)));
    for (now, former) in [
        (with(State::Busy, 3), with(State::Healthy, 3)),
        (with(State::NoRoom, 3), locked),
        (with(State::Healthy, 4), with(State::Healthy, 3)),
        (sound(), sound()),
    ] {
        assert!(!now.has_more(&former), "{now:?} after {former:?}");
    }
}
