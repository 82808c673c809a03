//! Frames of anomalies: kept as they were played, moved by verdicts, evicted by the quota, and never in the
//! way of an alert.

use std::fs;
use std::path::Path;
use std::process::Command;

use inspectd::capture::synthetic::Synthetic;
use inspectd::capture::{Pixels, replay};
use serde_json::{Value, json};

use crate::broker::patience;
use crate::control::Scene;
use crate::studio::names;
use crate::workshop::Workshop;

/// The one camera.
const FRAMES: &str = "state/frames/cam0";

fn wait_until(what: &str, holds: impl Fn() -> bool) {
    patience::wait_until(20, || what.to_owned(), holds);
}

/// A daemon whose camera shows noise, and what it plays.
fn noise(before_the_rules: &str) -> (Scene, Vec<u8>) {
    let configure = |workshop: &Workshop| {
        workshop.configure(&workshop.noise(), "fps = 5");
        workshop.replace("[incident]", &format!("{before_the_rules}\n[incident]"));
    };
    let scene = Scene::started(configure, Workshop::start);
    let played = fs::read(scene.workshop.folder.path().join("noise.png")).unwrap();
    (scene, played)
}

fn opened(scene: &mut Scene) -> Value {
    let is_opened = |r: &crate::broker::Received| r.json()["data"]["phase"] == "opened";
    scene.wait_for("cam0/alert", is_opened).json()
}

#[test]
fn the_frame_of_an_anomaly_is_kept_as_it_was_played_and_a_verdict_pins_it() {
    let (mut scene, played) = noise("");
    let event = scene.alert();
    let id = event["data"]["alert_id"].as_str().unwrap().to_owned();
    let state = scene.workshop.folder.path().join("state");
    let waiting = state.join(format!("frames/cam0/{id}.png"));
    wait_until("no frame is kept", || waiting.exists());
    assert!(fs::read(&waiting).unwrap() == played, "to the byte");

    let kept = json!({"frame": "kept", "why": null});
    // By the incident, by an event of it, again, and otherwise.
    for (named, verdict) in [
        (&event["data"]["alert_id"], "fine"),
        (&event["id"], "fine"),
        (&event["id"], "bad"),
    ] {
        let answer = scene.ask("feedback", json!({"alert_id": named, "verdict": verdict}));
        assert_eq!((&answer["status"], &answer["data"]), (&json!("ok"), &kept));
        let pinned = state.join(format!("feedback/cam0/{verdict}/{id}.png"));
        assert!(fs::read(&pinned).unwrap() == played);
        assert!(!waiting.exists());
    }
    assert_eq!(names(&state.join("feedback/cam0/fine")), [""; 0]);
    let unknown = json!({"alert_id": "01K6CV3X0C8M5Q2Z7RBNWT4E9H", "verdict": "bad"});
    let answer = scene.ask("feedback", unknown);
    assert_eq!(
        (&answer["status"], &answer["data"]["frame"]),
        (&json!("ok"), &json!("gone"))
    );
    assert!(
        answer["data"]["why"].as_str().unwrap().contains("unknown"),
        "{answer}"
    );
    assert!(
        names(&state.join("frames/cam0")).is_empty(),
        "it has its verdict"
    );
    scene.stop();
}

#[test]
fn the_quota_evicts_the_oldest_frame_and_the_answer_says_so() {
    // The noise takes most of a megabyte.
    let (mut scene, played) = noise("[feedback]\nmegabytes = 1");
    assert!(
        (600_000..1 << 20).contains(&played.len()),
        "{}",
        played.len()
    );
    let frames = scene.workshop.folder.path().join(FRAMES);
    let first = scene.alert()["data"]["alert_id"]
        .as_str()
        .unwrap()
        .to_owned();
    wait_until("no frame is kept", || {
        frames.join(format!("{first}.png")).exists()
    });
    scene.say("cam0/enabled/set", "OFF");
    scene.wait_for("cam0/availability", |r| r.payload == "disabled");
    scene.say("cam0/enabled/set", "ON");
    let second = opened(&mut scene)["data"]["alert_id"]
        .as_str()
        .unwrap()
        .to_owned();
    wait_until("the first is not evicted", || {
        frames.is_dir() && names(&frames) == [format!("{second}.png")]
    });
    let answer = scene.ask("feedback", json!({"alert_id": first, "verdict": "bad"}));
    assert_eq!(answer["data"]["frame"], "gone");
    assert!(
        answer["data"]["why"].as_str().unwrap().contains("evicted"),
        "{answer}"
    );
    let answer = scene.ask("feedback", json!({"alert_id": second, "verdict": "bad"}));
    assert_eq!(answer["data"]["frame"], "kept");

    // Turned off by a reload, nothing more is kept, and what has a verdict stays.
    scene.workshop.replace("megabytes = 1", "megabytes = 0");
    assert_eq!(scene.ask("reload", json!({}))["status"], "ok");
    scene.say("cam0/enabled/set", "OFF");
    scene.wait_for("cam0/availability", |r| r.payload == "disabled");
    scene.say("cam0/enabled/set", "ON");
    let third = opened(&mut scene)["data"]["alert_id"].clone();
    let answer = scene.ask("feedback", json!({"alert_id": third, "verdict": "bad"}));
    assert_eq!(answer["data"]["frame"], "gone");
    assert!(
        answer["data"]["why"].as_str().unwrap().contains("is 0"),
        "{answer}"
    );
    let answer = scene.ask("feedback", json!({"alert_id": second, "verdict": "fine"}));
    assert_eq!(answer["data"]["frame"], "kept");
    scene.stop();
}

/// The picture of frame `number` of the scene of [`Workshop`]s.
fn drawn(number: u64) -> Vec<u8> {
    let scene = Synthetic {
        seed: 1,
        start: number,
        frames: Some(1),
        defects: true,
        ..Synthetic::default()
    };
    match replay(&scene).unwrap().next().unwrap().unwrap().pixels {
        Pixels::Rgb8 { data, .. } => data,
        Pixels::Encoded(_) | Pixels::Raw(_) => unreachable!("the scene is drawn, not decoded"),
    }
}

/// The alerts that a daemon without a broker wrote.
fn written(workshop: &Workshop) -> Vec<Value> {
    let lines = fs::read_to_string(workshop.folder.path().join("alerts.jsonl")).unwrap();
    let lines = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap());
    lines.collect()
}

/// A workshop without a broker.
fn alone(source: impl FnOnce(&Workshop) -> String) -> Workshop {
    let workshop = Workshop::new(1);
    workshop.configure(&source(&workshop), "");
    workshop.replace("[mqtt]", "[mqtt]\nenabled = false");
    workshop.replace("[incident]", "[sink]\njsonl = \"alerts.jsonl\"\n[incident]");
    workshop
}

#[test]
fn without_a_broker_the_worst_frame_of_each_incident_is_kept_to_the_pixel() {
    let source = "{ kind = \"synthetic\", seed = 1, frames = 480, defects = true }";
    let workshop = alone(|_| source.to_owned());
    let mut daemon = workshop.start();
    assert_eq!(daemon.wait(120).code(), Some(0), "{}", daemon.log());
    let alerts = written(&workshop);
    let closed = alerts.iter().filter(|a| a["data"]["phase"] == "closed");
    let mut expected = Vec::new();
    for alert in closed.filter(|a| a["data"]["cause"] == "anomaly") {
        let name = format!("{}.png", alert["data"]["alert_id"].as_str().unwrap());
        let path = workshop.folder.path().join(FRAMES).join(&name);
        let picture = image::open(&path).unwrap().into_rgb8();
        let seq = alert["data"]["frame"]["seq"].as_u64().unwrap();
        assert!(
            picture.into_raw() == drawn(seq),
            "{name} is not frame {seq}"
        );
        expected.push(name);
    }
    expected.sort();
    assert!(expected.len() > 1, "{alerts:#?}");
    assert_eq!(names(&workshop.folder.path().join(FRAMES)), expected);
}

#[test]
fn an_incident_that_is_open_at_the_end_keeps_its_frame() {
    let workshop = alone(Workshop::noise);
    let mut daemon = workshop.start();
    let alerts = workshop.folder.path().join("alerts.jsonl");
    wait_until("no alert", || {
        fs::read(&alerts).is_ok_and(|text| !text.is_empty())
    });
    daemon.signal("TERM");
    assert_eq!(daemon.wait(20).code(), Some(0), "{}", daemon.log());
    let closed = written(&workshop).pop().unwrap();
    assert_eq!(closed["data"]["ended_by"], "stopped");
    let expected = format!("{}.png", closed["data"]["alert_id"].as_str().unwrap());
    assert_eq!(names(&workshop.folder.path().join(FRAMES)), [expected]);
}

/// The daemon in a mount namespace of its own, where the folder of frames is read-only.
fn read_only_frames(folder: &Path) -> Command {
    fs::create_dir_all(folder.join("state/frames")).unwrap();
    let script = "mount -t tmpfs -o ro,size=1m none state/frames && \
                  exec $INSPECTD run --config inspectd.toml";
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c", script]);
    command
}

#[test]
fn a_disk_that_takes_no_frames_holds_up_no_alert_and_the_journal_says_so_once() {
    let mut scene = Scene::started(
        |workshop| workshop.configure(&workshop.noise(), "fps = 5"),
        |workshop| workshop.start_by(read_only_frames(workshop.folder.path())),
    );
    let first = scene.alert()["data"]["alert_id"].clone();
    for _ in 0..2 {
        scene.say("cam0/enabled/set", "OFF");
        scene.wait_for("cam0/availability", |r| r.payload == "disabled");
        scene.say("cam0/enabled/set", "ON");
        opened(&mut scene);
    }
    let answer = scene.ask("feedback", json!({"alert_id": first, "verdict": "bad"}));
    assert_eq!(answer["data"]["frame"], "gone");
    assert!(
        answer["data"]["why"]
            .as_str()
            .unwrap()
            .contains("Read-only"),
        "{answer}"
    );
    let log = scene.log();
    let said = log.matches("the frame of an alert is not kept").count();
    assert_eq!(said, 1, "{log}");
    scene.stop();
}
