//! Requests and controls over MQTT: what a subscriber may ask of the daemon, and what it answers.

use std::time::Duration;

use serde_json::{Value, json};

use crate::broker::patience::{patience, wait_until};
use crate::broker::{Broker, Received, Subscriber};
use crate::workshop::{Daemon, Workshop};

const ENDLESS: &str = "{ kind = \"synthetic\", seed = 1, defects = true }";
const NODE: &str = "inspectd/press";

/// A daemon, and somebody who listens to it; most watch the line with defects.
pub(crate) struct Scene {
    _broker: Broker,
    subscriber: Subscriber,
    pub(crate) workshop: Workshop,
    daemon: Daemon,
}

impl Scene {
    fn new(camera: &str) -> Scene {
        Scene::started(
            |workshop| workshop.configure(ENDLESS, camera),
            Workshop::start,
        )
    }

    /// One that is configured, and started, otherwise.
    pub(crate) fn started(
        configure: impl FnOnce(&Workshop),
        start: impl FnOnce(&Workshop) -> Daemon,
    ) -> Scene {
        let broker = Broker::start();
        let mut subscriber = Subscriber::new(broker.port);
        let workshop = Workshop::new(broker.port);
        configure(&workshop);
        let daemon = start(&workshop);
        subscriber
            .wait_for(60, "inspectd/press/cam0/availability", "online")
            .unwrap();
        Scene {
            _broker: broker,
            subscriber,
            workshop,
            daemon,
        }
    }

    /// Asks, and gives the answer with this transaction. A daemon that was started a moment ago may not
    /// listen yet, so it is asked again.
    pub(crate) fn ask(&mut self, verb: &str, mut request: Value) -> Value {
        let transaction = format!("t{}", self.subscriber.seen.len());
        request["transaction"] = transaction.clone().into();
        let topic = format!("{NODE}/response/{verb}");
        let is_it = |r: &Received| r.topic == topic && r.json()["transaction"] == *transaction;
        let is_answered = (0..6).any(|_| {
            let asked = format!("{NODE}/request/{verb}");
            self.subscriber.say(&asked, &request.to_string());
            let answer = self.subscriber.wait(5, |seen| seen.iter().any(is_it));
            answer.is_ok()
        });
        assert!(is_answered, "{verb}: {}", self.daemon.log());
        let answer = self.subscriber.seen.iter().find(|r| is_it(r)).unwrap();
        assert_eq!((answer.qos, answer.retained), (1, false));
        answer.json()
    }

    /// Waits for something that comes from now on.
    pub(crate) fn wait_for(&mut self, topic: &str, wanted: impl Fn(&Received) -> bool) -> Received {
        let topic = format!("{NODE}/{topic}");
        let from = self.subscriber.seen.len();
        let is_it = |r: &&Received| r.topic == topic && wanted(r);
        self.subscriber
            .wait(30, |seen| seen[from..].iter().any(|r| is_it(&r)))
            .unwrap_or_else(|_| panic!("{topic} never came as wanted: {}", self.daemon.log()));
        self.subscriber.seen[from..]
            .iter()
            .find(is_it)
            .unwrap()
            .clone()
    }

    /// The first alert, whenever it came.
    pub(crate) fn alert(&mut self) -> Value {
        self.subscriber.wait_for_alerts(60, 1).unwrap();
        self.subscriber.alerts().remove(0)
    }

    /// Publishes on a topic of the node.
    pub(crate) fn say(&self, topic: &str, payload: &str) {
        self.subscriber.say(&format!("{NODE}/{topic}"), payload);
    }

    /// The daemon's journal.
    pub(crate) fn log(&self) -> String {
        self.daemon.log()
    }

    pub(crate) fn stop(mut self) {
        self.daemon.signal("TERM");
        assert_eq!(
            self.daemon.wait(20).code(),
            Some(0),
            "{}",
            self.daemon.log()
        );
    }
}

#[test]
fn each_request_is_answered_and_a_wrong_one_says_why() {
    let mut scene = Scene::new("fps = 5");
    let health = scene.ask("health_check", json!({}));
    assert_eq!(health["status"], "ok", "{health:#}");
    let data = &health["data"];
    assert_eq!(data["spool"]["state"], "healthy");
    assert_eq!(data["broker"]["connected"], true);
    assert!(
        data["cameras"][0]["judged"].as_u64().unwrap() > 0,
        "{health:#}"
    );
    assert!(data["memory"]["process_bytes"].as_u64().unwrap() > 1 << 20);
    for time in [
        &data["uptime_s"],
        &data["latency"]["infer_ms"],
        &data["latency"]["decide_ms"],
    ] {
        let decimals = time.to_string().split('.').next_back().unwrap().len();
        assert!(decimals <= 3, "{time} has more digits than anybody reads");
    }

    let feedback =
        json!({"alert_id": "01K6CV3X0C8M5Q2Z7RBNWT4E9H", "verdict": "fine", "comment": "a shadow"});
    let answer = scene.ask("feedback", feedback);
    assert_eq!(
        (&answer["status"], &answer["data"]["frame"]),
        (&json!("ok"), &json!("gone"))
    );
    let kept = scene.workshop.folder.path().join("state/feedback.jsonl");
    assert!(std::fs::read_to_string(kept).unwrap().contains("a shadow"));

    let refused = scene.ask("snapshot", json!({}));
    assert_eq!(refused["status"], "error");
    assert!(
        refused["error"]
            .as_str()
            .unwrap()
            .contains("camera.snapshot"),
        "{refused}"
    );
    let unknown = scene.ask("mute", json!({"camera": "cam7"}));
    assert!(
        unknown["error"].as_str().unwrap().contains("cam0"),
        "{unknown}"
    );
    let wrong = scene.ask("dance", json!({}));
    assert!(
        wrong["error"].as_str().unwrap().contains("health_check"),
        "{wrong}"
    );
    scene.subscriber.say(&format!("{NODE}/request/reload"), "{");
    let answer = scene.wait_for("response/reload", |_| true).json();
    assert_eq!(answer["status"], "error");

    scene.workshop.replace("fps = 5", "fps = 0");
    let reload = scene.ask("reload", json!({}));
    assert!(
        reload["error"].as_str().unwrap().contains("camera[0].fps"),
        "{reload}"
    );
    scene.workshop.replace("fps = 0", "fps = 4");
    assert_eq!(scene.ask("reload", json!({}))["status"], "ok");
    scene.wait_for("cam0/availability", |r| r.payload == "online");
    scene.stop();
}

#[test]
fn a_reload_does_not_take_the_node_offline() {
    let mut scene = Scene::new("fps = 5");
    assert_eq!(scene.ask("reload", json!({}))["status"], "ok");
    scene.wait_for("cam0/state", |_| true);
    let words: Vec<&str> = scene
        .subscriber
        .seen
        .iter()
        .filter(|r| r.topic == "inspectd/press/availability")
        .map(|r| r.payload.as_str())
        .collect();
    assert_eq!(words, ["online"]);
    scene.stop();
}

#[test]
fn what_a_reload_leaves_out_is_removed_from_home_assistant() {
    let mut scene = Scene::new("fps = 5\nsnapshot = true");
    let snapshot = |r: &Received| {
        let is_description = r.topic == "homeassistant/device/inspectd_press/config";
        is_description.then(|| r.json()["components"]["cam0.snapshot"].clone())
    };
    let described = |seen: &[Received]| seen.iter().filter_map(snapshot).collect::<Vec<_>>();
    let first = described(&scene.subscriber.seen);
    assert_eq!(first[0]["image_topic"], "inspectd/press/cam0/snapshot");
    scene.workshop.replace("snapshot = true", "");
    assert_eq!(scene.ask("reload", json!({}))["status"], "ok");
    let removed = json!({"platform": "image"});
    scene
        .subscriber
        .wait(20, |seen| described(seen).contains(&removed))
        .unwrap();
    scene.stop();
}

#[test]
fn the_last_of_settings_that_follow_each_other_holds_after_a_stop_and_soon_after_a_kill() {
    let mut scene = Scene::new("fps = 5");
    for (signal, levels) in [("TERM", ["0.6", "0.7"]), ("KILL", ["0.3", "0.4"])] {
        for level in levels {
            scene.say("cam0/threshold/set", level);
            scene.wait_for("cam0/threshold/state", |r| r.payload == level);
        }
        if signal == "KILL" {
            let file = scene.workshop.folder.path().join("state/controls.json");
            let text = || std::fs::read_to_string(&file).unwrap();
            wait_until(10, text, || text().contains(levels[1]));
        }
        scene.daemon.signal(signal);
        scene.daemon.wait(20);
        scene.daemon = scene.workshop.start();
        scene.wait_for("cam0/threshold/state", |r| r.payload == levels[1]);
    }
    scene.stop();
}

#[test]
fn a_camera_that_is_turned_off_is_disabled_over_a_restart_until_it_is_turned_on() {
    let mut scene = Scene::new("fps = 5");
    let set = format!("{NODE}/cam0/enabled/set");
    scene.subscriber.say(&set, "OFF");
    scene.wait_for("cam0/availability", |r| r.payload == "disabled");
    scene
        .subscriber
        .wait_for(10, &format!("{NODE}/cam0/enabled/state"), "OFF")
        .unwrap();
    scene.daemon.signal("TERM");
    assert_eq!(
        scene.daemon.wait(20).code(),
        Some(0),
        "{}",
        scene.daemon.log()
    );
    scene.daemon = scene.workshop.start();
    scene.wait_for("cam0/availability", |r| r.payload == "disabled");
    assert!(scene.daemon.is_running(), "{}", scene.daemon.log());
    assert_eq!(scene.ask("health_check", json!({}))["status"], "ok");
    scene.subscriber.say(&set, "perhaps");
    scene.wait_for("cam0/enabled/state", |r| r.payload == "OFF");
    scene.subscriber.say(&set, "ON");
    scene.wait_for("cam0/availability", |r| r.payload == "online");
    scene.stop();
}

#[test]
fn a_muted_camera_opens_nothing_and_tells_afterwards_what_it_kept_back() {
    let mut scene = Scene::new("fps = 10");
    scene.subscriber.say(&format!("{NODE}/cam0/mute/set"), "ON");
    scene.wait_for("cam0/mute/state", |r| r.payload == "ON");
    let held = |r: &Received| r.json()["suppressed"].as_u64() > Some(0);
    let state = scene.wait_for("cam0/state", held).json();
    assert_eq!(
        (&state["muted"], &state["anomaly"]),
        (&true.into(), &"OFF".into())
    );
    assert_eq!(
        scene.ask("mute", json!({"camera": "cam0", "minutes": 0}))["status"],
        "ok"
    );
    let opened = scene.wait_for("cam0/alert", |r| r.json()["data"]["phase"] == "opened");
    assert!(opened.json()["data"]["suppressed"].as_u64().unwrap() > 0);
    scene.stop();
}

#[test]
fn a_threshold_that_is_moved_changes_what_is_anomalous() {
    let mut scene = Scene::new("fps = 10");
    let before = scene
        .wait_for("cam0/state", |r| r.json()["judged"] == true)
        .json();
    scene
        .subscriber
        .say(&format!("{NODE}/cam0/threshold/set"), "0.9");
    scene.wait_for("cam0/threshold/state", |r| r.payload == "0.9");
    let after = scene
        .wait_for("cam0/state", |r| r.json()["threshold_value"] == 0.9)
        .json();
    assert!(
        after["local_threshold"].as_f64() > before["local_threshold"].as_f64(),
        "{before} {after}"
    );
    scene.stop();
}

#[test]
fn pictures_of_the_worst_frame_come_before_the_alert_that_names_them() {
    let mut scene = Scene::new("fps = 10\nsnapshot = true");
    let alert = scene.wait_for("cam0/alert", |r| r.json()["data"]["phase"] == "opened");
    let media = &alert.json()["data"]["media"];
    assert_eq!(media["snapshot_topic"], "inspectd/press/cam0/snapshot");
    let jpeg = |r: &Received| r.bytes.starts_with(&[0xff, 0xd8, 0xff]);
    for topic in ["cam0/snapshot", "cam0/heatmap"] {
        let topic = format!("{NODE}/{topic}");
        scene
            .subscriber
            .wait(10, |seen| seen.iter().any(|r| r.topic == topic && jpeg(r)))
            .unwrap();
    }
    let mut asked = Value::Null;
    for _ in 0..10 {
        asked = scene.ask("snapshot", json!({"camera": "cam0"}));
        // The camera of an emulated processor is busy with a frame, and says so.
        let is_slow = patience(1) > Duration::from_secs(1);
        if !(is_slow && asked.to_string().contains("try again")) {
            break;
        }
    }
    assert_eq!(asked["status"], "ok", "{asked}");
    scene.wait_for("cam0/snapshot", jpeg);
    scene.stop();
}
