//! An inspector with a Profile of the fixture, frame by frame.

use std::sync::Weak;

use crossbeam_channel::bounded;
use serde_json::Value;

use super::super::darkroom::Darkroom;
use super::*;
use crate::decide::{Mute, Rules, stories};
use crate::preprocess::SceneStatistics;
use crate::publish::Control;
use crate::publish::camera::{reporter, told};
use crate::score::fixture::{normal_frames, profile};

const NAME: &str = "cam0";

fn inspector(rules: Rules, knobs: Knobs, has_gallery: bool) -> Inspector {
    let name: Name = NAME.parse().unwrap();
    let gallery = has_gallery.then(|| Gallery::new(Darkroom::new(name.clone(), 1 << 20)));
    let profile = Arc::new(profile(60, 1));
    Inspector::new(
        name,
        profile,
        stories::tracker(rules),
        reporter(),
        knobs,
        gallery,
    )
}

/// A grey picture of 64 x 48 pixels.
fn shot(grey: u8) -> Pixels {
    Pixels::Rgb8 {
        width: 64,
        height: 48,
        data: vec![grey; 64 * 48 * 3],
    }
}

/// Frame `n`; one that is anomalous differs in all its tokens.
fn frame(n: u64, is_anomalous: bool, shot: Option<Pixels>) -> (Stamp, Result<Sight, Rejection>) {
    let mut features = normal_frames(1, 100 + n).remove(0);
    if is_anomalous {
        features.discrepancy.residual_tokens.fill(12.0 + n as f32);
    }
    let picture = Picture {
        width: 64,
        height: 48,
        scene: SceneStatistics::default(),
        scene_z: None,
    };
    let seen = Seen {
        features,
        picture,
        lighting: Lighting::default(),
        shot,
    };
    let at = stories::moment(n);
    (Stamp { seq: n, at }, Ok(Sight::New(Box::new(seen))))
}

/// A normal frame whose residual is so many times as large.
fn strained(factor: f32) -> (Stamp, Box<Seen>) {
    let (stamp, seen) = frame(1, false, None);
    let Ok(Sight::New(mut seen)) = seen else {
        panic!("the frame was seen")
    };
    let tokens = &mut seen.features.discrepancy.residual_tokens;
    tokens.iter_mut().for_each(|value| *value *= factor);
    (stamp, seen)
}

#[test]
fn a_score_that_another_light_may_explain_is_no_verdict_and_any_other_is() {
    let mut inspector = inspector(Rules::default(), Knobs::default(), false).repeating(true);
    let mut factors = (0..400).map(|step| 1.0 + 0.02 * step as f32);
    let suspect = factors.find(|factor| {
        let features = strained(*factor).1.features;
        inspector.score(&features, 0).unwrap().is_suspect()
    });
    let suspect = suspect.expect("between normal and alarm there is a score");
    let Rejection::Scene(fault) = stories::fault('c', 1.0) else {
        panic!("the fault is one")
    };
    for (factor, expected) in [
        (1.0, Ok(false)),
        (suspect, Err(Rejection::Scene(fault.clone()))),
        (50.0, Ok(true)),
    ] {
        let (stamp, mut seen) = strained(factor);
        seen.lighting.unlearnt = Some(fault.clone());
        let verdict = inspector.decide(stamp, Ok(Sight::New(seen))).verdict;
        assert_eq!(verdict, expected, "{factor}");
        // A repeated verdict is the same.
        let repeated = inspector.decide(stamp, Ok(Sight::AsBefore)).verdict;
        assert_eq!(repeated, expected, "{factor}");
    }
    // A threshold that is moved judges the light again.
    let (stamp, mut seen) = strained(suspect);
    seen.lighting.unlearnt = Some(fault);
    inspector.decide(stamp, Ok(Sight::New(seen)));
    inspector.order(Order::Threshold(Level::new(0.95).unwrap()));
    assert_eq!(
        inspector.decide(stamp, Ok(Sight::AsBefore)).verdict,
        Ok(false)
    );
}

/// The answer to who asks for a picture and waits.
fn ask(inspector: &mut Inspector) -> Result<Latest, String> {
    let ((to, answer), waits) = (bounded(1), Arc::new(()));
    let asker = Asker {
        to,
        waits: Arc::downgrade(&waits),
    };
    assert!(inspector.order(Order::Snapshot(asker)).is_empty());
    answer.recv().unwrap()
}

fn topics(messages: &[Message]) -> Vec<String> {
    told(messages).into_iter().map(|(topic, _)| topic).collect()
}

#[test]
fn the_worst_frame_is_shown_before_the_alert_that_names_it_and_only_when_it_changes() {
    let rules = Rules {
        hits: 1,
        window: 1,
        notable_rise: 1.0,
        update_every: std::time::Duration::from_secs(1),
        ..Rules::default()
    };
    let mut inspector = inspector(rules, Knobs::default(), true);
    assert!(!topics(&inspector.start(stories::moment(0))).contains(&"cam0/snapshot".into()));
    let mut said = Vec::new();
    // Frame 0 opens; 2 reports the worse frame 1; 4 has seen none that is worse.
    for (n, features_of) in [(0, 0), (1, 9), (2, 1), (3, 1), (4, 1)] {
        let (_, seen) = frame(features_of, true, Some(shot(40 * n as u8)));
        let stamp = Stamp {
            seq: n,
            at: stories::moment(n),
        };
        said.push(inspector.decide(stamp, seen).messages);
    }
    let of_alerts = said.iter().map(|messages| {
        let topics = topics(messages).into_iter();
        let is_meant = |t: &String| {
            ["snapshot", "heatmap", "alert"]
                .iter()
                .any(|end| t.ends_with(end))
        };
        topics.filter(is_meant).collect::<Vec<_>>()
    });
    let shown = ["cam0/snapshot", "cam0/heatmap", "cam0/alert"];
    let none: &[&str] = &[];
    let expected = [&shown[..], none, &shown[..], none, &shown[2..]];
    assert_eq!(of_alerts.collect::<Vec<_>>(), expected);
    let alert = |n: usize| {
        let told = told(&said[n]);
        told.into_iter()
            .find(|(topic, _)| topic == "cam0/alert")
            .unwrap()
            .1
    };
    let hash = |n| alert(n)["data"]["media"]["sha256"].clone();
    assert!(hash(0) != hash(2) && hash(2) == hash(4), "{}", hash(0));
    assert_eq!(alert(2)["data"]["frame"]["seq"], 1);
}

#[test]
fn without_snapshots_nothing_is_shown_and_what_was_is_taken_back() {
    let rules = Rules {
        hits: 1,
        window: 1,
        ..Rules::default()
    };
    let mut inspector = inspector(rules, Knobs::default(), false);
    let start = told(&inspector.start(stories::moment(0)));
    let empty = |topic: &str| (topic.to_owned(), Value::from(""));
    assert_eq!(start[..2], [empty("cam0/snapshot"), empty("cam0/heatmap")]);
    let (stamp, seen) = frame(0, true, None);
    let said = told(&inspector.decide(stamp, seen).messages);
    let alert = said
        .iter()
        .find(|(topic, _)| topic == "cam0/alert")
        .unwrap();
    assert_eq!(alert.1["data"]["media"], Value::Null);
    let fault = ask(&mut inspector).err().unwrap();
    assert!(fault.contains("camera.snapshot"), "{fault}");
}

#[test]
fn the_latest_frame_is_handed_over_and_not_the_worst() {
    let mut inspector = inspector(Rules::default(), Knobs::default(), true);
    assert!(ask(&mut inspector).err().unwrap().contains("no frame"));
    for (n, is_anomalous) in [(0, true), (1, false)] {
        let (stamp, seen) = frame(n, is_anomalous, Some(shot(100)));
        inspector.decide(stamp, seen);
    }
    let latest = ask(&mut inspector).ok().unwrap();
    assert_eq!(latest.data["seq"], 1);
    assert_eq!(topics(&latest.messages), ["cam0/snapshot", "cam0/heatmap"]);
}

#[test]
fn the_threshold_decides_from_the_next_frame_on() {
    let mut inspector = inspector(Rules::default(), Knobs::default(), false);
    let verdict = |inspector: &mut Inspector| {
        let (stamp, seen) = frame(3, false, None);
        inspector.decide(stamp, seen).verdict.unwrap()
    };
    assert!(!verdict(&mut inspector));
    let said = inspector.order(Order::Threshold(Level::new(0.05).unwrap()));
    assert_eq!(
        told(&said),
        [("cam0/threshold/state".to_owned(), 0.05.into())]
    );
    assert!(
        verdict(&mut inspector),
        "the most sensitive level finds something everywhere"
    );
}

#[test]
fn a_mute_is_told_and_a_control_is_told_again_when_asked() {
    let mut inspector = inspector(Rules::default(), Knobs::default(), false);
    let end = stories::moment(1);
    for (order, word) in [
        (Order::Mute(Mute::Until(end.since_boot)), "ON"),
        (Order::EndMute(end), "OFF"),
        (Order::Mute(Mute::On), "ON"),
    ] {
        let said = told(&inspector.order(order));
        assert_eq!(said[0], ("cam0/mute/state".to_owned(), word.into()));
        let (topic, state) = &said[1];
        assert_eq!((topic.as_str(), said.len()), ("cam0/state", 2));
        assert_eq!(state["muted"], word == "ON", "without a frame");
    }
    for (control, expected) in [
        (Control::Mute, Value::from("ON")),
        (Control::Enabled, "ON".into()),
        (Control::Threshold, 0.5.into()),
    ] {
        let topic = format!("cam0/{}/state", control.as_str());
        assert_eq!(
            told(&inspector.order(Order::Tell(control))),
            [(topic, expected)]
        );
    }
}

#[test]
fn a_picture_that_nobody_waits_for_any_more_is_not_made() {
    let mut inspector = inspector(Rules::default(), Knobs::default(), true);
    let (stamp, seen) = frame(0, false, Some(shot(100)));
    inspector.decide(stamp, seen);
    assert!(ask(&mut inspector).is_ok());
    let (to, answer) = bounded(1);
    let waits = Weak::new();
    inspector.order(Order::Snapshot(Asker { to, waits }));
    assert!(answer.recv().is_err(), "it was made");
}

#[test]
fn a_camera_that_is_turned_off_says_so_and_has_no_picture() {
    let off = Knobs {
        enabled: false,
        ..Knobs::default()
    };
    let mut inspector = inspector(Rules::default(), off, true);
    let start = told(&inspector.start(stories::moment(0)));
    assert!(start.contains(&("cam0/availability".into(), "disabled".into())));
    let fault = ask(&mut inspector).err().unwrap();
    assert!(fault.contains("turned off"), "{fault}");
    // No frame says the state anew: what an order changes there is said at once.
    let level = Level::new(0.7).unwrap();
    for (order, control, key, value) in [
        (Order::Mute(Mute::On), "mute", "muted", Value::from(true)),
        (
            Order::Threshold(level),
            "threshold",
            "threshold_value",
            0.7.into(),
        ),
    ] {
        let said = told(&inspector.order(order));
        let topics: Vec<&str> = said.iter().map(|(topic, _)| topic.as_str()).collect();
        assert_eq!(topics, [&format!("cam0/{control}/state"), "cam0/state"]);
        let state = &said[1].1;
        assert_eq!(
            (&state[key], &state["reason"]),
            (&value, &"disabled".into())
        );
    }
}

#[test]
fn a_fault_of_the_scene_shows_no_picture_and_leaves_that_of_the_anomaly_alone() {
    let rules = Rules {
        hits: 1,
        window: 1,
        ..Rules::default()
    };
    let mut inspector = inspector(rules, Knobs::default(), true);
    let (stamp, seen) = frame(0, true, Some(shot(40)));
    inspector.decide(stamp, seen);
    let stamp = Stamp {
        seq: 1,
        at: stories::moment(1),
    };
    let decided = inspector.decide(stamp, Err(stories::fault('f', 2.0)));
    assert_eq!(decided.verdict, Err(stories::fault('f', 2.0)));
    let said = told(&decided.messages);
    let topics: Vec<&str> = said.iter().map(|(topic, _)| topic.as_str()).collect();
    let expected = [
        "cam0/availability",
        "cam0/alert",
        "cam0/alert/active",
        "cam0/state",
    ];
    assert_eq!(topics, expected);
    assert_eq!(said[1].1["data"]["media"], Value::Null);
    let active = &said[2].1;
    assert!(active[0]["media"].is_object() && active[1]["media"].is_null());
    let stopped = told(&inspector.stop(stories::moment(2)));
    let closed = stopped.iter().filter(|(topic, _)| topic == "cam0/alert");
    let closed: Vec<&Value> = closed.map(|(_, alert)| &alert["data"]["cause"]).collect();
    assert_eq!(closed, ["anomaly", "camera_frozen"]);
}

/// A frame like the last one.
fn as_before(n: u64) -> (Stamp, Result<Sight, Rejection>) {
    let at = stories::moment(n);
    (Stamp { seq: n, at }, Ok(Sight::AsBefore))
}

#[test]
fn a_repeated_verdict_counts_for_persistence_like_a_judged_one() {
    let rules = Rules {
        hits: 3,
        window: 3,
        ..Rules::default()
    };
    let opens_at = |frames: [(Stamp, Result<Sight, Rejection>); 4]| {
        let mut inspector = inspector(rules, Knobs::default(), false).repeating(true);
        frames.into_iter().position(|(stamp, look)| {
            let decided = inspector.decide(stamp, look);
            topics(&decided.messages).contains(&"cam0/alert".into())
        })
    };
    let judged = |n| frame(n, true, None);
    assert_eq!(
        opens_at([judged(0), as_before(1), as_before(2), as_before(3)]),
        Some(2)
    );
    let (stamp, normal) = frame(1, false, None);
    assert_eq!(
        opens_at([judged(0), (stamp, normal), as_before(2), as_before(3)]),
        None
    );
}

#[test]
fn a_repeated_verdict_is_told_apart_and_follows_the_threshold() {
    let mut inspector = inspector(Rules::default(), Knobs::default(), false).repeating(true);
    let (stamp, look) = frame(0, false, None);
    let first = inspector.decide(stamp, look);
    assert_eq!((first.verdict, first.is_repeated), (Ok(false), false));
    let (stamp, look) = as_before(1);
    let second = inspector.decide(stamp, look);
    assert_eq!((second.verdict, second.is_repeated), (Ok(false), true));
    inspector.order(Order::Threshold(Level::new(0.05).unwrap()));
    let (stamp, look) = as_before(2);
    assert_eq!(inspector.decide(stamp, look).verdict, Ok(true));
    inspector.order(Order::Threshold(Level::CALIBRATED));
    let (stamp, look) = as_before(3);
    assert_eq!(inspector.decide(stamp, look).verdict, Ok(false));
}

#[test]
fn what_could_not_be_judged_is_not_judged_by_being_repeated() {
    let mut inspector = inspector(Rules::default(), Knobs::default(), false).repeating(true);
    let (stamp, look) = frame(0, false, None);
    assert!(inspector.decide(stamp, look).verdict.is_ok());
    let (stamp, look) = frame(1, false, None);
    let Ok(Sight::New(mut seen)) = look else {
        panic!("a new frame");
    };
    seen.features.discrepancy.residual_tokens[0] = f32::NAN;
    let decided = inspector.decide(stamp, Ok(Sight::New(seen)));
    assert_eq!(decided.verdict, Err(Rejection::NotFinite));
    let (stamp, look) = as_before(2);
    assert_eq!(
        inspector.decide(stamp, look).verdict,
        Err(Rejection::NotFinite)
    );
}
