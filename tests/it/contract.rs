//! Every message against the MQTT contract: topics, retained flags, QoS, keys, types, times.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::Value;

use crate::broker::{Broker, Received, Subscriber};
use crate::workshop::Workshop;

const DEFECTS: &str = "{ kind = \"synthetic\", seed = 1, defects = true }";

/// The topics, their QoS, and whether the broker keeps them.
const TOPICS: [(&str, u8, bool); 6] = [
    ("inspectd/press/availability", 1, true),
    ("inspectd/press/info", 1, true),
    ("inspectd/press/cam0/availability", 1, true),
    ("inspectd/press/cam0/state", 0, true),
    ("inspectd/press/cam0/alert", 1, false),
    ("inspectd/press/cam0/alert/active", 1, true),
];

/// What a value must be.
#[derive(Debug, Clone, Copy)]
enum Is {
    Exactly(&'static str),
    OneOf(&'static [&'static str]),
    Text,
    Hash,
    Time,
    TimeOrNull,
    Number,
    Count,
    Bool,
    Counts(usize),
}

const EVENT: [(&str, Is); 9] = [
    ("specversion", Is::Exactly("1.0")),
    ("id", Is::Text),
    ("source", Is::Exactly("inspectd/press/cam0")),
    ("subject", Is::Text),
    ("type", Is::Exactly("io.inspectd.alert.v1")),
    ("time", Is::Time),
    ("datacontenttype", Is::Exactly("application/json")),
    ("dataschema", Is::Exactly("urn:inspectd:schema:alert:1.0")),
    ("data.late", Is::Bool),
];

/// The `data` of an alert, and an element of `alert/active`.
const DATA: [(&str, Is); 34] = [
    ("alert_id", Is::Text),
    ("phase", Is::OneOf(&["opened", "updated", "closed"])),
    ("severity", Is::OneOf(&["warn"])),
    ("cause", Is::OneOf(&["anomaly"])),
    ("started_at", Is::Time),
    ("ended_at", Is::TimeOrNull),
    ("late", Is::Bool),
    ("suppressed", Is::Count),
    ("clock.synced", Is::Bool),
    ("clock.boot_id", Is::Text),
    ("clock.mono_ms", Is::Count),
    ("frame.seq", Is::Count),
    ("frame.width", Is::Count),
    ("frame.height", Is::Count),
    ("frame.taken_at", Is::Time),
    ("score.basis", Is::OneOf(&["image", "local"])),
    ("score.value", Is::Number),
    ("score.raw", Is::Number),
    ("score.threshold", Is::Number),
    ("score.p_value", Is::Number),
    ("score.parts.pretrained", Is::Number),
    ("score.parts.discrepancy", Is::Number),
    ("score.parts.local", Is::Number),
    ("persistence.hits", Is::Count),
    ("persistence.window", Is::Count),
    ("region.bbox", Is::Counts(4)),
    ("region.peak_cell", Is::Counts(2)),
    ("region.grid", Is::Counts(2)),
    ("scene.brightness", Is::Number),
    ("scene.sharpness", Is::Number),
    ("profile.id", Is::Hash),
    ("profile.teacher", Is::Hash),
    ("profile.calibrated_at", Is::Time),
    ("profile.normal_frames", Is::Count),
];

const STATE: [(&str, Is); 8] = [
    ("anomaly", Is::OneOf(&["ON", "OFF"])),
    ("judged", Is::Bool),
    ("score", Is::Number),
    ("raw", Is::Number),
    ("threshold", Is::Number),
    ("scene.brightness", Is::Number),
    ("time", Is::Time),
    ("profile", Is::Hash),
];

const INFO: [(&str, Is); 7] = [
    ("version", Is::Exactly(env!("CARGO_PKG_VERSION"))),
    ("boot_id", Is::Text),
    ("schemas.0", Is::Exactly("urn:inspectd:schema:alert:1.0")),
    ("started_at", Is::Time),
    ("teacher", Is::Hash),
    ("cameras.0.name", Is::Exactly("cam0")),
    ("cameras.0.profile.id", Is::Hash),
];

impl Is {
    fn holds(self, value: &Value) -> bool {
        let text = value.as_str();
        match self {
            Is::Exactly(expected) => text == Some(expected),
            Is::OneOf(words) => text.is_some_and(|text| words.contains(&text)),
            Is::Text => text.is_some_and(|text| !text.is_empty()),
            Is::Hash => text
                .and_then(|t| t.strip_prefix("sha256:"))
                .is_some_and(|hash| {
                    hash.len() == 64 && hash.bytes().all(|b| b.is_ascii_hexdigit())
                }),
            // RFC 3339 in UTC with milliseconds, and nothing else.
            Is::Time => text.is_some_and(|text| {
                text.parse::<jiff::Timestamp>()
                    .is_ok_and(|time| format!("{time:.3}") == text)
            }),
            Is::TimeOrNull => value.is_null() || Is::Time.holds(value),
            Is::Number => value.as_f64().is_some_and(f64::is_finite),
            Is::Count => value.is_u64(),
            Is::Bool => value.is_boolean(),
            Is::Counts(length) => value
                .as_array()
                .is_some_and(|all| all.len() == length && all.iter().all(Value::is_u64)),
        }
    }
}

/// Checks that every key is there and right, and that nothing is null but what may be.
fn check(message: &Value, keys: &[(&str, Is)]) {
    for (key, is) in keys {
        let value = message.pointer(&format!("/{}", key.replace('.', "/")));
        let value = value.unwrap_or_else(|| panic!("{key} is missing in {message:#}"));
        assert!(is.holds(value), "{key} is {value}, not {is:?}");
    }
    let nulls = nulls(message);
    let may_be_null = ["ended_at", "ended_by", "reason", "last_reload_error"];
    let wrong: Vec<_> = nulls
        .iter()
        .filter(|key| !may_be_null.contains(&key.as_str()))
        .collect();
    assert!(wrong.is_empty(), "{wrong:?} null in {message:#}");
}

/// The names of all keys that are null: a number that is not finite would be one of them.
fn nulls(value: &Value) -> Vec<String> {
    match value {
        Value::Object(map) => map
            .iter()
            .flat_map(|(key, value)| {
                if value.is_null() {
                    vec![key.clone()]
                } else {
                    nulls(value)
                }
            })
            .collect(),
        Value::Array(all) => all.iter().flat_map(nulls).collect(),
        _ => Vec::new(),
    }
}

fn check_alert(alert: &Value) {
    check(alert, &EVENT);
    let data = &alert["data"];
    check(data, &DATA);
    assert_eq!(alert["subject"], data["alert_id"]);
    assert!(
        alert["id"]
            .as_str()
            .unwrap()
            .starts_with(data["alert_id"].as_str().unwrap())
    );
    // The worst frame was anomalous, at the opening and ever after.
    let score = |key: &str| data["score"][key].as_f64().unwrap();
    assert!(score("value") > 0.5 && score("value") <= 1.0, "{alert:#}");
    assert!(score("raw") > score("threshold"), "{alert:#}");
    assert!(
        score("p_value") > 0.0 && score("p_value") <= 1.0,
        "{alert:#}"
    );
    let is_closed = data["phase"] == "closed";
    assert_eq!(data["ended_at"].is_string(), is_closed);
    assert_eq!(data["ended_by"].is_string(), is_closed);
    let bbox: Vec<u64> = data["region"]["bbox"]
        .as_array()
        .unwrap()
        .iter()
        .map(|n| n.as_u64().unwrap())
        .collect();
    assert!(
        bbox[0] + bbox[2] <= 640 && bbox[1] + bbox[3] <= 480,
        "{bbox:?}"
    );
}

fn check_message(message: &Received) {
    let topic = message.topic.strip_prefix("inspectd/press/").unwrap();
    match topic {
        "availability" | "cam0/availability" => {
            assert!(["online", "offline"].contains(&message.payload.as_str()));
        }
        "info" => check(&message.json(), &INFO),
        "cam0/state" => check(&message.json(), &STATE),
        "cam0/alert" => check_alert(&message.json()),
        "cam0/alert/active" => {
            for open in message.json().as_array().unwrap() {
                check(open, &DATA);
            }
        }
        other => panic!("{other} is no topic of the contract"),
    }
}

/// Checks QoS and the retained flag: as published, and as the broker keeps it for the late.
fn check_delivery(message: &Received, is_kept: bool) {
    let (topic, qos, retained) = TOPICS
        .iter()
        .find(|(topic, ..)| *topic == message.topic)
        .unwrap();
    assert_eq!(message.qos, *qos, "{topic}");
    assert_eq!(message.retained, is_kept, "{topic}");
    assert!(
        !is_kept || *retained,
        "{topic} must not be kept by the broker"
    );
}

#[test]
fn every_message_is_as_the_contract_has_it_and_none_tells_the_password() {
    let broker = Broker::start();
    let mut subscriber = Subscriber::new(broker.port);
    let workshop = Workshop::new(broker.port);
    workshop.configure(DEFECTS, "fps = 10");
    let secret = "correct-horse-battery";
    let password = workshop.folder.path().join("password");
    std::fs::write(&password, secret).unwrap();
    std::fs::set_permissions(&password, std::fs::Permissions::from_mode(0o600)).unwrap();
    workshop.replace(
        "[mqtt]",
        "[mqtt]\nusername = \"press\"\npassword_file = \"password\"",
    );
    let mut daemon = workshop.start();
    let is_closed = |seen: &[Received]| {
        let mut alerts = seen.iter().filter(|r| r.topic.ends_with("/alert"));
        alerts.any(|r| r.json()["data"]["phase"] == "closed")
    };
    subscriber.wait(90, is_closed).unwrap();

    // Whoever comes late gets all that is kept, and afterwards what is new.
    let mut late = Subscriber::new(broker.port);
    let kept = TOPICS.iter().filter(|(.., retained)| *retained).count();
    late.wait(10, |seen| {
        seen.iter().filter(|r| r.retained).count() == kept
    })
    .unwrap();
    late.wait_for_alerts(60, 1).unwrap();
    daemon.signal("TERM");
    assert_eq!(daemon.wait(20).code(), Some(0), "{}", daemon.log());
    subscriber
        .wait_for(10, "inspectd/press/availability", "offline")
        .unwrap();

    let kept_messages = late.seen.iter().filter(|r| r.retained);
    kept_messages
        .clone()
        .for_each(|message| check_delivery(message, true));
    for (topic, _, retained) in TOPICS {
        assert_eq!(
            kept_messages.clone().filter(|r| r.topic == topic).count(),
            usize::from(retained),
            "{topic}"
        );
        assert!(
            subscriber.seen.iter().any(|r| r.topic == topic),
            "{topic} never came"
        );
    }
    for message in &subscriber.seen {
        check_delivery(message, false);
        check_message(message);
    }
    let texts = subscriber.seen.iter().map(|r| r.payload.as_str());
    assert!(
        texts
            .chain([daemon.log().as_str()])
            .all(|text| !text.contains(secret))
    );
}
