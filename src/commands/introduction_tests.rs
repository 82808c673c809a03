//! The introduction over reloads and restarts: what is sent because something is gone.

use std::fs;

use serde_json::{Value, json};

use super::*;
use crate::config::Prefix;

fn description(topic: &str, keys: &[&str]) -> Retained {
    let entities = keys.iter().map(|key| {
        let entity = json!({ "platform": "sensor", "unique_id": key });
        ((*key).to_owned(), entity)
    });
    let components: serde_json::Map<String, Value> = entities.collect();
    Retained {
        topic: topic.to_owned(),
        payload: json!({ "components": components }).to_string().into_bytes(),
        delivery: Delivery::AtLeastOnce,
    }
}

fn node(name: &str) -> Topics {
    Topics::new(&Prefix::default(), &name.parse().unwrap())
}

/// Where a description takes the place of another, and the node stays what it is.
fn describe(here: &mut Introduction, description: Retained) -> Vec<Message> {
    here.replace(node("press"), [], description)
}

/// The topics that are emptied where these cameras of this node take the place of what was before.
fn emptied(here: &mut Introduction, name: &str, cameras: &[&str]) -> BTreeSet<String> {
    let node = node(name);
    let cameras = cameras.iter().map(|camera| camera.parse().unwrap());
    let cameras: Vec<CameraTopics> = cameras.map(|camera| node.camera(&camera)).collect();
    let described = description("t", &["a"]);
    let messages = said(here.replace(node, cameras, described)).into_iter();
    let emptied = messages.filter(|(_, said)| said.is_null());
    emptied.map(|(topic, _)| topic).collect()
}

/// The topics of a node that the broker keeps, but for those of its cameras.
fn kept_of_node(name: &str) -> BTreeSet<String> {
    let levels = ["availability", "info", "health"].into_iter();
    levels
        .map(|level| format!("inspectd/{name}/{level}"))
        .collect()
}

/// The topics of a camera that the broker keeps.
fn kept_of_camera(name: &str) -> BTreeSet<String> {
    let levels = [
        "availability",
        "state",
        "alert/active",
        "snapshot",
        "heatmap",
        "enabled/state",
        "threshold/state",
        "mute/state",
    ];
    let levels = levels.into_iter();
    levels
        .map(|level| format!("inspectd/{name}/{level}"))
        .collect()
}

/// Topic and entities of each message; an entity that is removed is null, and so are all where
/// the device is.
fn said(messages: Vec<Message>) -> Vec<(String, Value)> {
    let say = |message| {
        let Message::Retained(Retained { topic, payload, .. }) = message else {
            panic!("{message:?}");
        };
        let device: Value = serde_json::from_slice(&payload).unwrap_or_default();
        let entities = device["components"].as_object();
        let ids = entities.map(|all| {
            let ids = all
                .iter()
                .map(|(key, one)| (key.clone(), one["unique_id"].clone()));
            Value::Object(ids.collect())
        });
        (topic, ids.unwrap_or_default())
    };
    messages.into_iter().map(say).collect()
}

#[test]
fn what_is_gone_is_removed_whether_reloaded_or_restarted_and_again_lest_nobody_heard_it() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().join("state");
    let mut here = Introduction::load(&folder);
    let first = said(describe(&mut here, description("t", &["a", "b"])));
    assert_eq!(first, [("t".to_owned(), json!({"a": "a", "b": "b"}))]);
    let reloaded = said(describe(&mut here, description("t", &["a", "c"])));
    assert_eq!(
        reloaded,
        [("t".to_owned(), json!({"a": "a", "b": null, "c": "c"}))]
    );
    let mut here = Introduction::load(&folder);
    let restarted = said(describe(&mut here, description("t", &["c"])));
    assert_eq!(
        restarted,
        [("t".to_owned(), json!({"a": null, "b": null, "c": "c"}))]
    );
    let again = said(describe(&mut here, description("t", &["c"])));
    assert_eq!(
        again,
        [("t".to_owned(), json!({"a": null, "b": null, "c": "c"}))]
    );
    let back = said(describe(&mut here, description("t", &["b", "c"])));
    assert_eq!(
        back,
        [("t".to_owned(), json!({"a": null, "b": "b", "c": "c"}))]
    );
    assert_eq!(
        fs::read_dir(&folder).unwrap().count(),
        1,
        "no other file is left"
    );
}

#[test]
fn a_node_that_is_called_otherwise_leaves_no_device_behind() {
    let folder = tempfile::tempdir().unwrap();
    let mut here = Introduction::load(folder.path());
    describe(&mut here, description("old", &["a"]));
    let messages = said(describe(&mut here, description("new", &["a"])));
    let expected = [
        ("old".to_owned(), Value::Null),
        ("new".to_owned(), json!({"a": "a"})),
    ];
    assert_eq!(messages, expected);
    let mut here = Introduction::load(folder.path());
    for _ in 0..2 {
        assert_eq!(
            said(describe(&mut here, description("new", &["a"]))),
            expected
        );
    }
    assert_eq!(
        said(describe(&mut here, description("new", &["a"]))),
        expected[1..]
    );
    let back = said(describe(&mut here, description("old", &["a"])));
    assert_eq!(back[0], ("new".to_owned(), Value::Null));
    assert_eq!(back[1..], [("old".to_owned(), json!({"a": "a"}))]);
}

#[test]
fn a_node_that_was_never_described_is_not_removed_over_restarts_and_names() {
    let folder = tempfile::tempdir().unwrap();
    for topic in ["t", "t", "renamed"] {
        let mut here = Introduction::load(folder.path());
        assert!(describe(&mut here, removal(topic)).is_empty());
        assert!(describe(&mut here, removal(topic)).is_empty());
    }
    let mut here = Introduction::load(folder.path());
    let on = said(describe(&mut here, description("other", &["a"])));
    assert_eq!(on, [("other".to_owned(), json!({"a": "a"}))]);
}

#[test]
fn a_node_that_was_described_is_removed_three_times_where_it_was_and_can_come_back() {
    let folder = tempfile::tempdir().unwrap();
    let gone = [("t".to_owned(), Value::Null)];
    describe(
        &mut Introduction::load(folder.path()),
        description("t", &["a"]),
    );
    // The prefix may have changed with it: nothing was ever said under the new one.
    for topic in ["t", "elsewhere", "t"] {
        let mut here = Introduction::load(folder.path());
        assert_eq!(said(describe(&mut here, removal(topic))), gone);
    }
    let mut here = Introduction::load(folder.path());
    assert!(describe(&mut here, removal("t")).is_empty());
    let back = [("t".to_owned(), json!({"a": "a"}))];
    assert_eq!(said(describe(&mut here, description("t", &["a"]))), back);
    assert_eq!(said(describe(&mut here, removal("t"))), gone);
    assert_eq!(said(describe(&mut here, description("t", &["a"]))), back);
}

#[test]
fn only_so_much_that_is_gone_makes_descriptions_longer() {
    let folder = tempfile::tempdir().unwrap();
    let mut here = Introduction::load(folder.path());
    let mut last = Vec::new();
    for n in 0..150 {
        last = said(describe(
            &mut here,
            description(&format!("t{}", n / 130), &[&n.to_string()]),
        ));
    }
    let entities = last.last().unwrap().1.as_object().unwrap();
    assert_eq!((last.len(), entities.len()), (1, 20));
    for n in 150..300 {
        last = said(describe(&mut here, description("t1", &[&n.to_string()])));
    }
    let entities = last[0].1.as_object().unwrap();
    assert_eq!(entities.len(), 1 + MOST_GONE);
    assert!(entities["298"].is_null() && entities["299"] == "299");
}

#[test]
fn a_file_that_cannot_be_read_costs_the_removal_alone() {
    let folder = tempfile::tempdir().unwrap();
    for spoilt in ["", "null2", "{\"topic\": 1}", r#"{"node": "press/#"}"#] {
        fs::write(folder.path().join(FILE), spoilt).unwrap();
        let mut here = Introduction::load(folder.path());
        let messages = said(describe(&mut here, description("t", &["a"])));
        assert_eq!(messages, [("t".to_owned(), json!({"a": "a"}))]);
        assert!(Introduction::load(folder.path()).told.is_some());
    }
}
#[test]
fn a_camera_that_a_restart_leaves_out_is_emptied_three_times_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let start = || Introduction::load(folder.path());
    assert!(emptied(&mut start(), "press", &["cam0", "cam1"]).is_empty());
    for _ in 0..3 {
        assert_eq!(
            emptied(&mut start(), "press", &["cam0"]),
            kept_of_camera("press/cam1")
        );
    }
    assert!(emptied(&mut start(), "press", &["cam0"]).is_empty());
}

#[test]
fn a_camera_that_comes_back_is_emptied_no_more() {
    let folder = tempfile::tempdir().unwrap();
    let mut here = Introduction::load(folder.path());
    emptied(&mut here, "press", &["cam0", "cam1"]);
    assert!(!emptied(&mut here, "press", &["cam0"]).is_empty());
    assert!(emptied(&mut here, "press", &["cam0", "cam1"]).is_empty());
}

#[test]
fn a_node_that_is_called_otherwise_is_emptied_under_its_former_name_with_its_cameras() {
    let folder = tempfile::tempdir().unwrap();
    emptied(&mut Introduction::load(folder.path()), "press", &["cam0"]);
    let mut former = kept_of_node("press");
    former.extend(kept_of_camera("press/cam0"));
    let mut here = Introduction::load(folder.path());
    assert_eq!(emptied(&mut here, "mill", &["cam0"]), former);
    // Back under the old name, which is not emptied any more, though a camera of it is that is gone.
    let mut other = kept_of_node("mill");
    other.extend(kept_of_camera("mill/cam0"));
    other.extend(kept_of_camera("press/cam0"));
    assert_eq!(emptied(&mut here, "press", &["cam1"]), other);
}

#[test]
fn a_name_that_is_left_is_taken_off_home_assistant_first_and_by_its_availability_last() {
    let folder = tempfile::tempdir().unwrap();
    let mut here = Introduction::load(folder.path());
    let elsewhere = description("u", &["a"]);
    let farewell = |here: &Introduction| {
        let messages = here.farewell(&elsewhere).into_iter();
        said(messages.map(Message::Retained).collect())
    };
    assert!(farewell(&here).is_empty(), "nothing was ever told");
    emptied(&mut here, "press", &["cam0", "cam1"]);
    let last = farewell(&here);
    assert!(last.iter().all(|(_, said)| said.is_null()));
    let topics: Vec<&str> = last.iter().map(|(topic, _)| topic.as_str()).collect();
    assert_eq!(topics.first(), Some(&"t"), "Home Assistant's");
    assert_eq!(topics.last(), Some(&"inspectd/press/availability"));
    let mut kept = kept_of_node("press");
    kept.extend(kept_of_camera("press/cam0"));
    kept.extend(kept_of_camera("press/cam1"));
    let emptied: BTreeSet<String> = topics[1..].iter().map(|t| (*t).to_owned()).collect();
    assert_eq!((emptied, topics.len()), (kept, 1 + 3 + 2 * 8));
    // Under another prefix it is the same device.
    assert_eq!(here.farewell(&description("t", &["a"])).len(), 3 + 2 * 8);
    // A device that was never described, or is removed already, is not removed.
    describe(&mut here, removal("t"));
    assert_eq!(farewell(&here).len(), 3);
}

#[test]
fn what_has_not_changed_is_not_written_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(FILE);
    emptied(&mut Introduction::load(folder.path()), "press", &["cam0"]);
    let written = fs::metadata(&path).unwrap().modified().unwrap();
    emptied(&mut Introduction::load(folder.path()), "press", &["cam0"]);
    assert_eq!(fs::metadata(&path).unwrap().modified().unwrap(), written);
}
