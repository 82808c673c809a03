//! What is said about a camera, frame by frame.

use super::super::Topics;
use super::*;
use crate::decide::{Mute, Rules, stories};

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

/// What a camera says of its availability, frame by frame: `.` is a judged frame, `x` a rejected
/// one, `-` none.
fn said(story: &str) -> String {
    let mut reporter = reporter();
    let tracker = stories::tracker(Rules::default());
    let judged = stories::judged(-1.0);
    let damaged = Rejection::Undecodable("half a picture".into());
    let none = Rejection::NoFrames("unplugged".into());
    reporter.start(&tracker);
    let mut heard = String::new();
    for (n, frame) in (0u64..).zip(story.chars()) {
        let judgement = match frame {
            '.' => Ok(&judged),
            'x' => Err(&damaged),
            _ => Err(&none),
        };
        let messages = reporter.frame(n, stories::moment(n), judgement, None, &tracker);
        let availability = messages.iter().find_map(|message| match message {
            Message::Retained(r) if r.topic.ends_with("availability") => Some(&r.payload[..]),
            _ => None,
        });
        heard.push(match availability {
            Some(b"online") => '+',
            Some(_) => '-',
            None => '.',
        });
    }
    heard
}

#[test]
fn a_camera_is_online_from_its_first_judged_frame_to_the_first_absence() {
    assert_eq!(said("..-.."), "+.-+.");
    assert_eq!(said("xx.."), "..+.");
}

#[test]
fn five_frames_in_a_row_that_cannot_be_judged_take_a_camera_offline() {
    assert_eq!(said(".xxxx.xxxxxx."), "+.........-.+");
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
        let change = tracker.observe(n, at, Ok(&judged));
        said.push(told(&reporter.frame(
            n,
            at,
            Ok(&judged),
            change.as_ref(),
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
    let mut messages = reporter.show(Some(media));
    messages.extend(reporter.incident(&reports[0].1, &tracker));
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
    reporter.show(None);
    let later = self::told(&reporter.incident(&reports[0].1, &tracker));
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
    let messages = reporter.frame(1, stories::moment(1), Err(&none), None, &tracker);
    assert!(words(&messages).contains(&"cam0/availability \"offline\"".to_owned()));
}

#[test]
fn what_a_camera_saw_last_does_not_outlive_its_inspection() {
    let mut tracker = stories::tracker(Rules::default());
    let mut reporter = reporter();
    let judged = stories::judged(-1.0);
    tracker.observe(0, stories::moment(0), Ok(&judged));
    reporter.frame(0, stories::moment(0), Ok(&judged), None, &tracker);
    let last = told(&reporter.stop(stories::moment(1), &tracker));
    assert_eq!(last[0], ("cam0/availability".to_owned(), "offline".into()));
    let state = &last[1].1;
    assert_eq!(
        (&state["judged"], &state["reason"]),
        (&false.into(), &"stopped".into())
    );
    assert_eq!(state["anomaly"], "OFF");
}
