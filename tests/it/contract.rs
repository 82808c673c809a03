//! The MQTT contract: how each topic is delivered, and the schemas as the program ships them. What a
//! message says is held against its schema wherever a test receives one.

use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::broker::patience::patience;
use crate::broker::schema::faults;
use crate::broker::{Broker, Received, Subscriber};
use crate::studio::{inspectd, names, refused, stderr, stdout};
use crate::workshop::Workshop;

const DEFECTS: &str = "{ kind = \"synthetic\", seed = 1, defects = true }";

/// The topics, their QoS, and whether the broker keeps them.
const TOPICS: [(&str, u8, bool); 11] = [
    ("inspectd/press/availability", 1, true),
    ("inspectd/press/info", 1, true),
    ("inspectd/press/health", 0, true),
    ("inspectd/press/cam0/enabled/state", 1, true),
    ("inspectd/press/cam0/threshold/state", 1, true),
    ("inspectd/press/cam0/mute/state", 1, true),
    ("homeassistant/device/inspectd_press/config", 1, true),
    ("inspectd/press/cam0/availability", 1, true),
    ("inspectd/press/cam0/state", 0, true),
    ("inspectd/press/cam0/alert", 1, false),
    ("inspectd/press/cam0/alert/active", 1, true),
];

/// What the schema can't say of an alert: how its fields belong together.
fn check_alert(alert: &Value) {
    let data = &alert["data"];
    assert_eq!(alert["subject"], data["alert_id"]);
    let [id, alert_id] = [&alert["id"], &data["alert_id"]].map(|id| id.as_str().unwrap());
    assert!(id.starts_with(alert_id), "{id} is no report of {alert_id}");
    assert_eq!(alert["source"], "inspectd/press/cam0");
    // The worst frame was anomalous, at the opening and ever after.
    let score = |key: &str| data["score"][key].as_f64().unwrap();
    assert!(score("value") > 0.5, "{alert:#}");
    assert!(score("raw") > score("threshold"), "{alert:#}");
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

/// A message of the daemon's camera, as it might come.
fn message(level: &str, payload: &str) -> Received {
    Received {
        topic: format!("inspectd/press/{level}"),
        payload: payload.to_owned(),
        bytes: payload.as_bytes().to_vec(),
        retained: false,
        qos: 1,
    }
}

/// The first example of a schema, as the program prints it.
fn example(name: &str) -> Value {
    let output = inspectd(["schema", name]);
    let schema: Value = serde_json::from_slice(&output.stdout).unwrap();
    schema["examples"][0].clone()
}

/// Checks QoS and the retained flag: as published, and as the broker keeps it for the late.
fn check_delivery(message: &Received, is_kept: bool) {
    if message.topic.ends_with("/snapshot") || message.topic.ends_with("/heatmap") {
        assert_eq!(
            message.payload, "",
            "pictures are off: a former one is taken back"
        );
        return;
    }
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
    }
    subscriber.alerts().iter().for_each(check_alert);
    let texts = subscriber.seen.iter().map(|r| r.payload.as_str());
    assert!(
        texts
            .chain([daemon.log().as_str()])
            .all(|text| !text.contains(secret))
    );
}

#[test]
fn an_alert_over_mqtt_5_tells_generic_receivers_that_it_is_a_cloudevent() {
    let broker = Broker::start();
    let port = broker.port.to_string();
    let patience = patience(120).as_secs().to_string();
    let mut command = Command::new("mosquitto_sub");
    command.args([
        "-V",
        "mqttv5",
        "-p",
        &port,
        "-t",
        "+/+/+/alert",
        "-C",
        "1",
        "-W",
        &patience,
    ]);
    let listener = command
        .args(["-F", "%C"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let workshop = Workshop::new(broker.port);
    workshop.configure(DEFECTS, "");
    let _daemon = workshop.start();
    let heard = listener.wait_with_output().unwrap();
    let content_type = String::from_utf8(heard.stdout).unwrap();
    assert_eq!(content_type.trim(), "application/cloudevents+json");
}

/// Changes an example and says what is wrong with it then.
fn faults_of(name: &str, level: &str, change: impl Fn(&mut Value)) -> Vec<String> {
    let mut value = example(name);
    change(&mut value);
    faults(&message(level, &value.to_string()))
}

#[test]
fn a_message_that_breaks_the_contract_is_caught() {
    for (name, level) in [
        ("alert", "cam0/alert"),
        ("state", "cam0/state"),
        ("health", "health"),
    ] {
        assert_eq!(faults_of(name, level, |_| ()), [""; 0]);
    }
    let broken = [
        faults_of("alert", "cam0/alert", |v| {
            v["data"]["score"]["value"] = Value::Null
        }),
        faults_of("alert", "cam0/alert", |v| {
            v["data"]["score"]["value"] = 1.2.into()
        }),
        faults_of("alert", "cam0/alert", |v| {
            v["data"]["phase"] = "closed".into()
        }),
        faults_of("alert", "cam0/alert", |v| {
            v["time"] = "2026-09-30T10:15:04Z".into()
        }),
        faults_of("alert", "cam0/alert", |v| {
            v["time"] = "2026-13-30T10:15:04.000Z".into()
        }),
        faults_of("alert", "cam0/alert", |v| {
            v["data"]["cause"] = "mood".into()
        }),
        faults_of("alert", "cam0/alert", |v| {
            v["data"]["cause"] = "camera_blocked".into()
        }),
        faults_of("alert", "cam0/alert", |v| {
            v["data"]["score"] = Value::Null;
        }),
        faults_of("state", "cam0/state", |v| {
            v["causes"] = serde_json::json!(["camera_moved", "camera_moved"]);
        }),
        faults_of("state", "cam0/state", |v| v["detail"] = "why".into()),
        faults_of("state", "cam0/state", |v| v["judged"] = false.into()),
        faults_of("state", "cam0/state", |v| {
            v.as_object_mut().unwrap().remove("frame");
        }),
        faults_of("active", "cam0/alert/active", |v| *v = 1.into()),
        faults(&message("cam0/availability", "Online")),
        faults(&message("availability", "disabled")),
        faults(&message("cam0/threshold/state", "0.99")),
        faults(&message("cam0/threshold/state", "half")),
        faults(&message("cam0/snapshot", "GIF89a")),
        faults(&message("cam0/info", "{}")),
    ];
    for (n, faults) in broken.iter().enumerate() {
        assert_ne!(faults[..], [""; 0], "the message {n}");
    }
}

#[test]
fn a_field_that_no_schema_describes_is_caught_at_every_depth() {
    for path in [
        "",
        "/data",
        "/data/score/parts",
        "/data/region",
        "/data/media",
    ] {
        let add = |value: &mut Value| value.pointer_mut(path).unwrap()["mood"] = "good".into();
        let found = faults_of("alert", "cam0/alert", add);
        assert!(
            found.iter().any(|fault| fault.contains("mood")),
            "{path}: {found:?}"
        );
    }
    let add = |value: &mut Value| value["scene"]["mood"] = "good".into();
    assert_ne!(faults_of("state", "cam0/state", add)[..], [""; 0]);
}

#[test]
fn the_contract_is_printed_listed_and_written() {
    let list = stdout(&inspectd(["schema", "--list"]));
    let listed: Vec<&str> = list.lines().collect();
    for name in &listed {
        let schema: Value = serde_json::from_str(&stdout(&inspectd(["schema", name]))).unwrap();
        assert_eq!(schema["$id"], format!("urn:inspectd:schema:{name}:1.0"));
    }
    let asyncapi = stdout(&inspectd(["schema"]));
    assert!(asyncapi.contains("\nasyncapi: 3."), "{asyncapi}");
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("contract");
    let output = inspectd(["schema", "--out", out.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let mut files: Vec<String> = listed.iter().map(|name| format!("{name}.json")).collect();
    files.push("asyncapi.yaml".to_owned());
    files.sort();
    assert_eq!(names(&out), files);
    let written = std::fs::read_to_string(out.join("asyncapi.yaml")).unwrap();
    assert_eq!(written, asyncapi);
}

#[test]
fn a_schema_that_is_unknown_or_a_folder_that_cannot_be_made_is_refused() {
    let unknown = inspectd(["schema", "alarm"]);
    assert_eq!(unknown.status.code(), Some(64));
    assert!(stderr(&unknown).contains("alert"), "{}", stderr(&unknown));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let output = inspectd(["schema", "--out", file.join("x").to_str().unwrap()]);
    refused(&output, 73, &[file.to_str().unwrap()]);
}
