//! What is said about a camera, frame by frame.

use super::super::Topics;
use super::super::broker::{Received, schema};
use super::*;
use crate::decide::{Mute, Picture, Rules, stories};
use crate::preprocess::SceneZ;

pub(crate) fn reporter() -> Reporter {
    let names = ("press".parse().unwrap(), "cam0".parse().unwrap());
    let topics = Topics::new(&crate::config::Prefix::default(), &names.0).camera(&names.1);
    let identity = Identity {
        node: "press".into(),
        camera: "cam0".into(),
        boot_id: "b".into(),
    };
    let profile = ProfileIdentity {
        id: format!("sha256:{}", "9a".repeat(32)),
        teacher: format!("sha256:{}", "1f".repeat(32)),
        calibrated_at: None,
        normal_frames: 420,
    };
    Reporter::new(topics, identity, Arc::new(profile))
}

/// Topics below the camera's, and payloads; JSON is parsed.
pub(crate) fn told(messages: &[Message]) -> Vec<(String, serde_json::Value)> {
    let told = |topic: &str, payload: &[u8]| {
        let topic = topic.strip_prefix("inspectd/press/").unwrap();
        let text = String::from_utf8_lossy(payload).into_owned();
        let value = serde_json::from_slice(payload).unwrap_or(text.into());
        (topic.to_owned(), value)
    };
    let one = |message: &Message| match message {
        Message::Retained(message) => told(&message.topic, &message.payload),
        Message::Response(message) => told(&message.topic, &message.payload),
        Message::Alert(alert) => told(&alert.topic, &alert.encode()),
        other => panic!("{other:?}"),
    };
    messages.iter().map(one).collect()
}

fn words(messages: &[Message]) -> Vec<String> {
    let words = told(messages).into_iter();
    words
        .map(|(topic, value)| format!("{topic} {value}"))
        .collect()
}

#[test]
fn the_controls_are_told_before_the_first_frame() {
    let mut tracker = stories::tracker(Rules::default());
    tracker.mute(Mute::On);
    let mut reporter = reporter().with_level(Level::new(0.62).unwrap());
    let expected = [
        r#"cam0/availability "offline""#,
        "cam0/alert/active []",
        r#"cam0/enabled/state "ON""#,
        "cam0/threshold/state 0.62",
        r#"cam0/mute/state "ON""#,
    ];
    assert_eq!(words(&reporter.start(&tracker)), expected);
    let off = reporter.disabled(stories::moment(3), &tracker);
    let words = words(&off);
    assert_eq!(words[0], r#"cam0/availability "disabled""#);
    assert_eq!(words[2], r#"cam0/enabled/state "OFF""#);
    let (topic, state) = told(&off).pop().unwrap();
    assert_eq!(topic, "cam0/state");
    assert_eq!(
        (&state["enabled"], &state["judged"]),
        (&false.into(), &false.into())
    );
    assert_eq!(
        (&state["reason"], &state["score"]),
        (&"disabled".into(), &serde_json::Value::Null)
    );
}

#[test]
fn the_state_says_how_the_controls_stand_and_what_was_kept_back() {
    let rules = Rules {
        hits: 1,
        window: 1,
        ..Rules::default()
    };
    let mut tracker = stories::tracker(rules);
    tracker.mute(Mute::Until(stories::moment(2).since_boot));
    let mut reporter = reporter().with_level(Level::new(0.7).unwrap());
    reporter.start(&tracker);
    let mut said = Vec::new();
    for n in 0..3 {
        let judged = stories::judged(3.0);
        let at = stories::moment(n);
        let changes = tracker.observe(n, at, Ok(&judged));
        said.push(told(&reporter.frame(
            n,
            at,
            Ok(&judged),
            &changes,
            &tracker,
        )));
    }
    let state = |n: usize| {
        said[n]
            .iter()
            .find(|(topic, _)| topic == "cam0/state")
            .map(|(_, s)| s)
    };
    let muted = state(0).unwrap();
    assert_eq!(
        (&muted["muted"], &muted["suppressed"]),
        (&true.into(), &1.into())
    );
    assert_eq!(
        (&muted["enabled"], &muted["threshold_value"]),
        (&true.into(), &0.7.into())
    );
    assert_eq!(state(1), None, "half a second later nothing has changed");
    let open = state(2).unwrap();
    assert_eq!(
        (&open["muted"], &open["suppressed"]),
        (&false.into(), &0.into())
    );
    // The mute ended by itself: its control says so, and the alert tells what was kept back.
    assert!(said[2].contains(&("cam0/mute/state".into(), "OFF".into())));
    let alert = said[2]
        .iter()
        .find(|(topic, _)| topic == "cam0/alert")
        .unwrap();
    assert_eq!(alert.1["data"]["suppressed"], 1);
}

#[test]
fn pictures_come_before_the_report_that_names_them() {
    let mut tracker = stories::tracker(Rules::default());
    let reports = stories::tell(&mut tracker, "AAA");
    let mut reporter = reporter();
    let media = Media {
        snapshot: b"one".to_vec(),
        heatmap: b"two".to_vec(),
    };
    let opened = std::slice::from_ref(&reports[0].1);
    let mut messages = reporter.show(&opened[0], Some(media));
    messages.extend(reporter.incidents(opened, &tracker));
    let told = told(&messages);
    let topics: Vec<&str> = told.iter().map(|(topic, _)| topic.as_str()).collect();
    assert_eq!(
        topics,
        [
            "cam0/snapshot",
            "cam0/heatmap",
            "cam0/alert",
            "cam0/alert/active"
        ]
    );
    let media = &told[2].1["data"]["media"];
    assert_eq!(media["snapshot_topic"], "inspectd/press/cam0/snapshot");
    assert_eq!(media["heatmap_topic"], "inspectd/press/cam0/heatmap");
    // printf one | sha256sum
    let hash = "7692c3ad3540bb803c020b3aee66cd8887123234ea0c6e7143c0add73ff431ed";
    assert_eq!(media["sha256"], hash);
    assert_eq!(&told[3].1[0]["media"], media);
    reporter.show(&opened[0], None);
    let later = self::told(&reporter.incidents(opened, &tracker));
    assert_eq!(later[0].1["data"]["media"], serde_json::Value::Null);
}

#[test]
fn over_a_reload_a_camera_stays_what_it_was_until_a_frame_or_its_absence_says_otherwise() {
    let judged = stories::judged(-1.0);
    let mut tracker = stories::tracker(Rules::default());
    let starts = |tracker: &Tracker| words(&reporter().start(tracker));
    assert!(starts(&tracker).contains(&"cam0/availability \"offline\"".to_owned()));
    tracker.observe(0, stories::moment(0), Ok(&judged));
    let again = starts(&tracker);
    assert!(
        !again.iter().any(|word| word.contains("availability")),
        "{again:?}"
    );
    let mut reporter = reporter();
    reporter.start(&tracker);
    let none = Rejection::NoFrames("unplugged".into());
    let messages = reporter.frame(1, stories::moment(1), Err(&none), &[], &tracker);
    assert!(words(&messages).contains(&"cam0/availability \"offline\"".to_owned()));
}

#[test]
fn a_camera_that_is_turned_on_again_is_offline_until_it_gives_frames() {
    let judged = stories::judged(-1.0);
    let mut tracker = stories::tracker(Rules::default());
    tracker.observe(0, stories::moment(0), Ok(&judged));
    tracker.stop();
    reporter().stop(stories::moment(1), &tracker);
    reporter().disabled(stories::moment(1), &tracker);
    let on = words(&reporter().start(&tracker));
    assert!(
        on.contains(&"cam0/availability \"offline\"".to_owned()),
        "{on:?}"
    );
}

#[test]
fn what_a_camera_saw_last_does_not_outlive_its_inspection() {
    let mut tracker = stories::tracker(Rules::default());
    let mut reporter = reporter();
    let judged = stories::judged(-1.0);
    tracker.observe(0, stories::moment(0), Ok(&judged));
    reporter.frame(0, stories::moment(0), Ok(&judged), &[], &tracker);
    let last = told(&reporter.stop(stories::moment(1), &tracker));
    assert_eq!(last[0], ("cam0/availability".to_owned(), "offline".into()));
    let state = &last[1].1;
    assert_eq!(
        (&state["judged"], &state["reason"]),
        (&false.into(), &"stopped".into())
    );
    assert_eq!(state["anomaly"], "OFF");
}

/// Holds a message against its schema.
fn check(message: &Message) {
    let (topic, bytes) = match message {
        Message::Retained(message) => (message.topic.clone(), message.payload.clone()),
        Message::Alert(alert) => (alert.topic.clone(), alert.encode()),
        other => panic!("{other:?}"),
    };
    schema::check(&Received {
        topic,
        payload: String::from_utf8_lossy(&bytes).into_owned(),
        bytes,
        retained: false,
        qos: 0,
    });
}

/// What a camera says, frame by frame, of a story; each message is held against its schema.
fn told_of(story: &str) -> Vec<Vec<(String, serde_json::Value)>> {
    let mut reporter = reporter();
    let mut tracker = stories::tracker(Rules::default());
    reporter.start(&tracker);
    let frames = (0u64..).zip(story.chars());
    let said = frames.map(|(n, frame)| {
        let judgement = match frame {
            'A' => Ok(stories::judged(3.0)),
            '.' => Ok(stories::judged(-3.0)),
            '-' => Err(Rejection::NoFrames("unplugged".into())),
            kind => Err(stories::fault(kind, 2.0)),
        };
        let at = stories::moment(n);
        let changes = tracker.observe(n, at, judgement.as_ref());
        let messages = reporter.frame(n, at, judgement.as_ref(), &changes, &tracker);
        messages.iter().for_each(check);
        told(&messages)
    });
    said.collect()
}

fn one<'a>(said: &'a [(String, serde_json::Value)], topic: &str) -> Option<&'a serde_json::Value> {
    said.iter()
        .find(|(of, _)| of == topic)
        .map(|(_, value)| value)
}

#[test]
fn the_causes_of_open_incidents_are_said_at_once_and_an_anomaly_is_only_one_of_them() {
    let said = told_of("AAAbbbbbb");
    let states: Vec<(usize, String)> = (0..)
        .zip(&said)
        .filter_map(|(n, said)| {
            let state = one(said, "cam0/state")?;
            let of = ["anomaly", "causes", "reason"].map(|key| state[key].to_string());
            Some((n, of.join(" ")))
        })
        .collect();
    let expected = [
        (0, r#""OFF" [] null"#),
        (2, r#""ON" ["anomaly"] null"#),
        (3, r#""ON" ["anomaly"] "camera_blocked""#),
        (5, r#""ON" ["anomaly"] "camera_blocked""#),
        (7, r#""ON" ["anomaly","camera_blocked"] "camera_blocked""#),
    ];
    let expected = expected.map(|(n, state)| (n, state.to_owned()));
    assert_eq!(states, expected);
    let active = one(&said[7], "cam0/alert/active").unwrap();
    let causes: Vec<&serde_json::Value> = active
        .as_array()
        .unwrap()
        .iter()
        .map(|open| &open["cause"])
        .collect();
    assert_eq!(causes, ["anomaly", "camera_blocked"]);
}

#[test]
fn an_alert_of_a_fault_says_what_was_measured_and_has_no_score() {
    let said = told_of("..f");
    let alert = one(&said[2], "cam0/alert").unwrap();
    let data = &alert["data"];
    let null = serde_json::Value::Null;
    assert_eq!(
        (&data["score"], &data["region"], &data["media"]),
        (&null, &null, &null)
    );
    assert_eq!(
        (&data["cause"], &data["severity"]),
        (&"camera_frozen".into(), &"critical".into())
    );
    let fault = serde_json::json!({"detail": "camera_frozen 2", "severity": 2.0});
    assert_eq!(data["fault"], fault);
    assert_eq!(data["scene"]["brightness"], 0.02, "rounded");
    let state = one(&said[2], "cam0/state").unwrap();
    assert_eq!(state["detail"], "camera_frozen 2");
    assert_eq!(state["scene"], data["scene"]);
}

#[test]
fn one_list_of_open_incidents_follows_the_alerts_of_a_frame() {
    let said = told_of("bbbbbmmmmm");
    let topics: Vec<&str> = said[9].iter().map(|(topic, _)| topic.as_str()).collect();
    let alerts = [
        "cam0/alert",
        "cam0/alert",
        "cam0/alert/active",
        "cam0/state",
    ];
    assert_eq!(topics, alerts);
    let subjects: Vec<&serde_json::Value> = said[9].iter().map(|(_, v)| &v["subject"]).collect();
    assert_ne!(subjects[0], subjects[1]);
}

#[test]
fn a_camera_without_frames_is_offline_at_once_and_says_why() {
    let said = told_of("...-");
    let availability = |n: usize| one(&said[n], "cam0/availability");
    assert_eq!(availability(2), Some(&"online".into()));
    assert_eq!(availability(3), Some(&"offline".into()));
    let state = one(&said[3], "cam0/state").unwrap();
    assert_eq!(
        (&state["reason"], &state["detail"]),
        (&"no_frames".into(), &"no frames: unplugged".into())
    );
}

#[test]
fn what_is_measured_of_a_scene_is_told_against_the_normal_footage_where_that_is_known() {
    let mut reporter = reporter();
    let tracker = stories::tracker(Rules::default());
    let judged = stories::judged(-3.0);
    let picture = Picture {
        scene_z: Some(SceneZ {
            brightness_z: 0.4,
            contrast_z: f32::NAN,
            sharpness_z: -12.25,
        }),
        ..judged.picture()
    };
    let judged = Judged::new(judged.score().clone(), picture).unwrap();
    let said = reporter.frame(0, stories::moment(0), Ok(&judged), &[], &tracker);
    said.iter().for_each(check);
    let scene = one(&told(&said), "cam0/state").unwrap()["scene"].clone();
    let z = ["brightness_z", "contrast_z", "sharpness_z"].map(|key| scene[key].clone());
    assert_eq!(serde_json::json!(z), serde_json::json!([0.4, null, -12.25]));
}

#[test]
fn pictures_belong_to_their_own_incident_alone() {
    let mut tracker = stories::tracker(Rules::default());
    let reports = stories::tell(&mut tracker, "AAAbbbbb");
    let mut reporter = reporter();
    let media = Media {
        snapshot: b"one".to_vec(),
        heatmap: b"two".to_vec(),
    };
    reporter.show(&reports[0].1, Some(media));
    let blocked = std::slice::from_ref(&reports[1].1);
    let said = told(&reporter.incidents(blocked, &tracker));
    assert!(said[0].1["data"]["media"].is_null());
    let active = &said[1].1;
    assert!(active[0]["media"].is_object() && active[1]["media"].is_null());
}
