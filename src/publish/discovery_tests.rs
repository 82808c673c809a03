//! The description against the topics, and against a golden file that a real Home Assistant has read
//! (`tests/oracle/homeassistant_discovery.py`).

use std::collections::BTreeSet;

use super::*;

/// The message of a node with two cameras, one of which publishes snapshots.
const GOLDEN: &str = include_str!("../../tests/oracle/homeassistant_discovery.json");

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn homeassistant() -> Prefix {
    Prefix::try_from("homeassistant".to_owned()).unwrap()
}

fn message_of(node: &str, cameras: &[(&str, bool)]) -> Retained {
    let cameras: Vec<Described> = cameras
        .iter()
        .map(|(camera, has_snapshot)| Described {
            name: name(camera),
            has_snapshot: *has_snapshot,
        })
        .collect();
    let node = name(node);
    let topics = Topics::new(&Prefix::default(), &node);
    describe(&homeassistant(), &topics, &node, "0.1.0", &cameras)
}

fn described(node: &str, cameras: &[(&str, bool)]) -> Value {
    serde_json::from_slice(&message_of(node, cameras).payload).unwrap()
}

fn ids(device: &Value) -> Vec<String> {
    let components = device["components"].as_object().unwrap().values();
    let id = |entity: &Value| entity["unique_id"].as_str().unwrap().to_owned();
    components.map(id).collect()
}

#[test]
fn the_description_is_the_one_that_home_assistant_has_read() {
    let device = described("press-07", &[("cam0", true), ("cam1", false)]);
    let golden: Value = serde_json::from_str(GOLDEN).unwrap();
    assert!(device == golden, "it is now {device:#}");
}

#[test]
fn a_node_is_described_and_removed_on_one_topic_reliably() {
    let described = message_of("press", &[("cam0", false)]);
    let removed = remove(&homeassistant(), &name("press"));
    assert_eq!(
        described.topic,
        "homeassistant/device/inspectd_press/config"
    );
    assert_eq!(removed.topic, described.topic);
    assert!(removed.payload.is_empty());
    for message in [described, removed] {
        assert_eq!(message.delivery, Delivery::AtLeastOnce);
    }
}

#[test]
fn only_a_camera_with_snapshots_has_an_image() {
    let device = described("press", &[("cam0", true), ("cam1", false)]);
    assert_eq!(
        device["components"]["cam0.snapshot"]["image_topic"],
        "inspectd/press/cam0/snapshot"
    );
    assert!(device["components"]["cam1.snapshot"].is_null());
}

#[test]
fn no_two_entities_share_an_id_whatever_nodes_and_cameras_are_called() {
    let nodes = [
        described("a_b", &[("c", true), ("c_mute", true), ("spool", true)]),
        described("a", &[("b_c", true), ("c", true), ("reload", true)]),
        described("a-b", &[("c", true)]),
    ];
    let all: Vec<String> = nodes.iter().flat_map(ids).collect();
    let different: BTreeSet<&String> = all.iter().collect();
    assert_eq!(different.len(), all.len(), "{all:#?}");
}

#[test]
fn ids_and_entities_stay_when_other_cameras_come_and_go() {
    let [before, after] = [&[("cam1", true)][..], &[("cam0", true), ("cam1", true)]]
        .map(|cameras| described("press", cameras));
    for (key, entity) in before["components"].as_object().unwrap() {
        assert_eq!(after["components"][key], *entity);
    }
}

#[test]
fn what_is_no_longer_described_is_removed_by_its_platform_alone() {
    let before = platforms(&message_of("press", &[("cam0", true), ("cam1", true)]));
    assert_eq!(before["cam1.anomaly"], "binary_sensor");
    let now = message_of("press", &[("cam0", false)]);
    let mut message = now.clone();
    supersede(&mut message, &before);
    let device: Value = serde_json::from_slice(&message.payload).unwrap();
    let removed: BTreeSet<&str> = device["components"]
        .as_object()
        .unwrap()
        .iter()
        .filter(|(_, entity)| **entity == json!({ "platform": entity["platform"] }))
        .map(|(key, _)| key.as_str())
        .collect();
    let mut expected = BTreeSet::from(["cam0.snapshot"]);
    expected.extend(
        before
            .keys()
            .map(String::as_str)
            .filter(|key| key.starts_with("cam1.")),
    );
    assert_eq!((removed.len(), removed), (11, expected));
    assert_eq!(
        device["components"]["cam1.alert"],
        json!({"platform": "event"})
    );
    // What remains is described as it was, and what is removed is not described.
    assert_eq!(platforms(&message), platforms(&now));
}

#[test]
fn a_message_that_removes_nothing_and_one_that_removes_all_stay_as_they_are() {
    let before = platforms(&message_of("press", &[("cam0", true)]));
    for message in [
        message_of("press", &[("cam0", true)]),
        remove(&homeassistant(), &name("press")),
    ] {
        let mut after = message.clone();
        supersede(&mut after, &before);
        assert_eq!(after, message);
    }
    assert!(platforms(&remove(&homeassistant(), &name("press"))).is_empty());
}

#[test]
fn what_is_seen_needs_the_camera_and_what_controls_it_does_not() {
    let device = described("press", &[("cam0", true)]);
    let entity = |what: &str| &device["components"][format!("cam0.{what}")];
    for what in ["anomaly", "score"] {
        let topics: Vec<&Value> = entity(what)["availability"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| &one["topic"])
            .collect();
        let both = [
            "inspectd/press/availability",
            "inspectd/press/cam0/availability",
        ];
        assert_eq!(topics, both);
    }
    for what in [
        "camera_problem",
        "reason",
        "connectivity",
        "alert",
        "snapshot",
        "enabled",
        "threshold",
        "mute",
    ] {
        assert!(entity(what).is_object());
        assert!(entity(what)["availability"].is_null(), "{what}");
    }
    assert_eq!(
        device["availability"][0]["topic"],
        "inspectd/press/availability"
    );
}

#[test]
fn thirty_cameras_fit_into_one_message() {
    let names: Vec<String> = (0..30).map(|n| format!("camera-{n}")).collect();
    let cameras: Vec<(&str, bool)> = names.iter().map(|name| (&**name, true)).collect();
    let bytes = message_of("press", &cameras).payload.len();
    assert!(
        bytes < super::super::alert_line::LARGEST as usize,
        "{bytes}"
    );
}
