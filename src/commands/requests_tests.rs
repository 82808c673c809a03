//! Requests against a desk with cameras that only note what they are told.

use serde_json::Value;

use super::*;
use crate::config::Prefix;
use crate::publish::camera::told;
use crate::score::threshold::Level;

/// What a desk touches, and what the cameras were told.
struct Room {
    folder: tempfile::TempDir,
    controls: Controls,
    waiting: Waiting,
    orders: Vec<String>,
    is_busy: bool,
}

fn names() -> [Name; 2] {
    ["cam0", "cam1"].map(|name| name.parse().unwrap())
}

impl Room {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Room {
            controls: Controls::load(folder.path()),
            folder,
            waiting: Waiting::default(),
            orders: Vec::new(),
            is_busy: false,
        }
    }

    /// The controls as the next start finds them.
    fn after_a_restart(&mut self) -> Controls {
        self.controls.save();
        Controls::load(self.folder.path())
    }

    fn hear(&mut self, topic: &str, payload: &str) -> Follows {
        let heard = Incoming {
            topic: format!("inspectd/press/{topic}"),
            payload: payload.as_bytes().to_vec(),
            retained: false,
        };
        self.at_desk(|desk, follows| desk.hear(&heard, follows))
    }

    /// What was set and waits is set again.
    fn set_again(&mut self) -> Follows {
        self.at_desk(|desk, follows| desk.set_again(follows))
    }

    fn at_desk(&mut self, work: impl FnOnce(&mut Desk<'_>, &mut Follows)) -> Follows {
        let topics = Topics::new(&Prefix::default(), &"press".parse().unwrap());
        let (orders, is_busy) = (&mut self.orders, self.is_busy);
        let mut refusals = Ration::default();
        let mut desk = Desk {
            refusals: &mut refusals,
            topics: &topics,
            cameras: &names(),
            controls: &mut self.controls,
            waiting: &mut self.waiting,
            folder: self.folder.path(),
            order: Box::new(|camera, order| {
                if is_busy {
                    return Err(Busy);
                }
                orders.push(match order {
                    Order::Mute(Mute::Until(_)) => format!("{camera} mute for a while"),
                    Order::Mute(mute) => format!("{camera} mute {mute:?}"),
                    Order::Threshold(level) => format!("{camera} threshold {}", level.get()),
                    Order::EndMute(_) => format!("{camera} end of a mute"),
                    Order::Tell(control) => format!("{camera} tell {}", control.as_str()),
                    Order::Snapshot(Asker { to, waits }) => {
                        assert_eq!(waits.strong_count(), 1, "somebody waits");
                        let latest = Latest {
                            messages: Vec::new(),
                            data: json!({"seq": 7}),
                        };
                        let answer = match camera.as_str() {
                            "cam0" => Ok(latest),
                            _ => Err("pictures are off".to_owned()),
                        };
                        assert!(to.send(answer).is_ok());
                        format!("{camera} snapshot")
                    }
                });
                Ok(Vec::new())
            }),
        };
        let mut follows = Follows::default();
        work(&mut desk, &mut follows);
        follows
    }

    /// The one answer to a request.
    fn ask(&mut self, verb: &str, payload: &str) -> Value {
        let follows = self.hear(&format!("request/{verb}"), payload);
        let mut told = told(&follows.messages);
        let (topic, answer) = told.pop().unwrap();
        assert_eq!((topic, told.len()), (format!("response/{verb}"), 0));
        answer
    }
}

#[test]
fn a_mute_without_a_camera_is_for_all_and_only_one_without_an_end_is_remembered() {
    let mut room = Room::new();
    let answer = room.ask("mute", r#"{"transaction":5}"#);
    assert_eq!(
        (&answer["status"], &answer["transaction"]),
        (&json!("ok"), &json!(5))
    );
    assert_eq!(room.orders, ["cam0 mute On", "cam1 mute On"]);
    room.ask("mute", r#"{"camera":"cam1","minutes":5}"#);
    assert_eq!(room.orders[2..], ["cam1 mute for a while"]);
    let again = room.after_a_restart();
    assert_eq!(names().map(|name| again.of(&name).muted), [true, false]);
    room.ask("mute", r#"{"minutes":0}"#);
    assert_eq!(room.orders[3..], ["cam0 mute Off", "cam1 mute Off"]);
    assert!(!room.after_a_restart().of(&names()[0]).muted);
}

#[test]
fn a_camera_that_is_busy_is_an_error_and_nothing_is_remembered() {
    let mut room = Room::new();
    room.is_busy = true;
    let answer = room.ask("mute", r#"{"camera":"cam0"}"#);
    assert_eq!(answer["status"], "error");
    assert!(answer["error"].as_str().unwrap().starts_with("cam0: "));
    room.hear("cam0/threshold/set", "0.7");
    assert_eq!(
        room.controls.of(&names()[0]),
        super::super::controls::Knobs::default()
    );
}

#[test]
fn of_what_is_set_while_a_camera_is_busy_the_newest_of_each_control_is_done_once_it_takes_it() {
    let mut room = Room::new();
    room.is_busy = true;
    for n in 20..90 {
        room.hear("cam0/threshold/set", &format!("0.{n}"));
    }
    room.hear("cam0/mute/set", "ON");
    room.hear("cam1/threshold/set", "0.3");
    assert!(room.waiting.due().is_some());
    room.set_again();
    assert!(room.orders.is_empty() && room.waiting.due().is_some());
    room.is_busy = false;
    room.set_again();
    let expected = ["cam0 threshold 0.89", "cam0 mute On", "cam1 threshold 0.3"];
    assert_eq!(room.orders, expected);
    let again = room.after_a_restart().of(&names()[0]);
    assert_eq!((Some(again.level), again.muted), (Level::new(0.89), true));
    room.set_again();
    assert_eq!(room.orders, expected, "each is done once");
    assert_eq!(room.waiting.due(), None);
}

#[test]
fn what_waits_for_a_camera_does_not_undo_what_it_took_since() {
    let mut room = Room::new();
    room.is_busy = true;
    room.hear("cam0/mute/set", "ON");
    // A refusal turns nothing: what was set before still waits.
    assert_eq!(room.ask("mute", r#"{"minutes":5}"#)["status"], "error");
    room.is_busy = false;
    assert_eq!(room.ask("mute", r#"{"minutes":0}"#)["status"], "ok");
    room.set_again();
    assert_eq!(room.orders, ["cam0 mute Off", "cam1 mute Off"]);
}

#[test]
fn controls_are_handed_on_and_remembered() {
    let mut room = Room::new();
    room.hear("cam0/threshold/set", "0.7");
    room.hear("cam1/mute/set", "ON");
    assert_eq!(room.orders, ["cam0 threshold 0.7", "cam1 mute On"]);
    let again = room.after_a_restart();
    assert_eq!(Some(again.of(&names()[0]).level), Level::new(0.7));
    assert!(again.of(&names()[1]).muted);
}

#[test]
fn turning_a_camera_off_asks_for_another_generation_once() {
    let mut room = Room::new();
    assert!(room.hear("cam0/enabled/set", "OFF").is_switched);
    assert!(!room.after_a_restart().of(&names()[0]).enabled);
    assert!(!room.hear("cam0/enabled/set", "OFF").is_switched);
    assert_eq!(room.orders, ["cam0 tell enabled"], "the state is said anew");
    assert!(room.hear("cam0/enabled/set", "ON").is_switched);
}

#[test]
fn a_control_that_is_set_wrong_says_its_old_value() {
    let mut room = Room::new();
    room.hear("cam1/threshold/set", "7");
    room.hear("cam1/enabled/set", "maybe");
    room.hear("cam1/mute/set", "-1");
    let expected = ["cam1 tell threshold", "cam1 tell enabled", "cam1 tell mute"];
    assert_eq!(room.orders, expected);
    assert_eq!(
        room.controls.of(&names()[1]),
        super::super::controls::Knobs::default()
    );
}

#[test]
fn a_snapshot_answers_for_each_camera_what_came_of_it() {
    let mut room = Room::new();
    let answer = room.ask("snapshot", "{}");
    assert_eq!(answer["status"], "ok");
    assert_eq!(answer["data"]["cameras"], json!({"cam0": {"seq": 7}}));
    assert_eq!(answer["data"]["missing"], "cam1: pictures are off");
    let answer = room.ask("snapshot", r#"{"camera":"cam1"}"#);
    assert_eq!(
        (&answer["status"], &answer["error"]),
        (&json!("error"), &json!("cam1: pictures are off"))
    );
    room.is_busy = true;
    let answer = room.ask("snapshot", r#"{"camera":"cam0"}"#);
    assert_eq!(answer["status"], "error");
}

#[test]
fn feedback_is_kept_before_its_frame_is_looked_for() {
    let mut room = Room::new();
    let verdict = r#"{"alert_id":"01K6CV3X0C8M5Q2Z7RBNWT4E9H","verdict":"bad"}"#;
    let follows = room.hear("request/feedback", verdict);
    assert_eq!((follows.verdicts.len(), follows.messages.len()), (1, 0));
    let path = room.folder.path().join("feedback.jsonl");
    let line: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    assert_eq!(
        (&line["verdict"], &line["comment"]),
        (&json!("bad"), &Value::Null)
    );
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    let answer = room.ask("feedback", verdict);
    assert!(
        answer["error"].as_str().unwrap().contains("can't write"),
        "{answer}"
    );
}

#[test]
fn reloads_and_health_checks_are_left_to_the_supervisor() {
    let mut room = Room::new();
    let follows = room.hear("request/reload", r#"{"transaction":"r"}"#);
    assert_eq!((follows.reloads.len(), follows.messages.len()), (1, 0));
    assert_eq!(room.hear("request/health_check", "").health_checks.len(), 1);
    let answer = room.ask("reload", r#"{"now":1}"#);
    assert_eq!(answer["status"], "error");
}
