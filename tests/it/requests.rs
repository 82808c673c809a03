//! The daemon spoken to over a real broker: every request is answered, every control is told and
//! holds over a restart.

use std::thread;
use std::time::{Duration, Instant};

use rumqttc::{Client, MqttOptions, QoS};
use serde_json::{Value, json};

use crate::broker::{Broker, Subscriber, free_port};
use crate::workshop::Workshop;

const ENDLESS: &str = "{ kind = \"synthetic\", seed = 1, defects = true }";

/// Somebody who speaks to the daemon and listens.
struct Caller {
    client: Client,
    heard: Subscriber,
}

impl Caller {
    fn new(port: u16) -> Caller {
        let options = MqttOptions::new(format!("caller-{}", free_port()), "127.0.0.1", port);
        let (client, mut connection) = Client::new(options, 16);
        thread::spawn(move || while let Some(Ok(_)) = connection.iter().next() {});
        Caller {
            client,
            heard: Subscriber::new(port),
        }
    }

    fn say(&self, topic: &str, payload: &str, retained: bool) {
        let topic = format!("inspectd/press/{topic}");
        let said = self
            .client
            .publish(topic, QoS::AtLeastOnce, retained, payload);
        said.unwrap();
    }

    /// Waits until a topic says this, in what comes from now on.
    fn wait_for(&mut self, topic: &str, payload: &str) {
        let topic = format!("inspectd/press/{topic}");
        let from = self.heard.seen.len();
        self.heard
            .wait(60, |seen| {
                let mut new = seen[from.min(seen.len())..].iter();
                new.any(|r| r.topic == topic && r.payload == payload)
            })
            .unwrap();
    }

    /// Asks, and asks again until somebody listens.
    fn ask(&mut self, verb: &str, mut request: Value) -> Value {
        let transaction = format!("{verb}-{}", self.heard.seen.len());
        request["transaction"] = json!(transaction);
        let answer = |r: &crate::broker::Received| {
            let is_meant = r.topic == format!("inspectd/press/response/{verb}");
            let answer = is_meant.then(|| r.json());
            answer.filter(|answer| answer["transaction"] == transaction)
        };
        let deadline = Instant::now() + Duration::from_secs(60);
        while Instant::now() < deadline {
            self.say(&format!("request/{verb}"), &request.to_string(), false);
            let heard = self
                .heard
                .wait(3, |seen| seen.iter().any(|r| answer(r).is_some()));
            if heard.is_ok() {
                return self.heard.seen.iter().find_map(answer).unwrap();
            }
        }
        panic!("{verb} is not answered");
    }
}

#[test]
fn every_request_is_answered() {
    let broker = Broker::start();
    let mut caller = Caller::new(broker.port);
    let workshop = Workshop::new(broker.port);
    workshop.configure_all(&[
        ("cam0", ENDLESS, "fps = 5\nsnapshot = true"),
        ("cam1", ENDLESS, "fps = 1"),
    ]);
    let mut daemon = workshop.start();
    // One that is retained is of another day.
    caller.say("request/mute", "{}", true);
    caller.wait_for("cam0/availability", "online");
    let health = caller.ask("health_check", json!({}));
    assert_eq!(health["status"], "ok", "{health}");
    assert_eq!(health["data"]["cameras"][0]["name"], "cam0");
    assert_eq!(health["data"]["spool"]["state"], "healthy");
    assert_eq!(health["data"]["broker"]["connected"], true);
    let picture = caller.ask("snapshot", json!({}));
    assert!(
        picture["data"]["cameras"]["cam0"]["seq"].is_u64(),
        "{picture}"
    );
    let missing = picture["data"]["missing"].as_str().unwrap();
    assert!(
        missing.starts_with("cam1: ") && missing.contains("camera.snapshot"),
        "{picture}"
    );
    let verdict = json!({"alert_id": "01K6CV3X0C8M5Q2Z7RBNWT4E9H", "verdict": "fine"});
    assert_eq!(caller.ask("feedback", verdict)["status"], "ok");
    let feedback = workshop.folder.path().join("state/feedback.jsonl");
    assert_eq!(
        std::fs::read_to_string(feedback).unwrap().lines().count(),
        1
    );
    let unknown = caller.ask("dance", json!({}));
    assert!(
        unknown["error"].as_str().unwrap().contains("health_check"),
        "{unknown}"
    );
    let muted = caller
        .heard
        .seen
        .iter()
        .rfind(|r| r.topic.ends_with("cam0/mute/state"));
    assert_eq!(
        muted.unwrap().payload,
        "OFF",
        "the retained request was not obeyed"
    );
    assert_eq!(
        caller.ask("mute", json!({"camera": "cam0"}))["status"],
        "ok"
    );
    workshop.replace("hits = 2", "hits = 9");
    let refused = caller.ask("reload", json!({}));
    assert!(
        refused["error"].as_str().unwrap().contains("incident.hits"),
        "{refused}"
    );
    workshop.replace("hits = 9", "hits = 1");
    assert_eq!(caller.ask("reload", json!({}))["status"], "ok");
    daemon.signal("TERM");
    assert_eq!(daemon.wait(20).code(), Some(0), "{}", daemon.log());
    let sent = |topic: &str| {
        caller
            .heard
            .seen
            .iter()
            .filter(|r| r.topic.ends_with(topic))
            .count()
    };
    assert!(sent("cam0/snapshot") > 0 && sent("cam0/heatmap") > 0);
}

#[test]
fn a_camera_that_is_turned_off_stays_off_over_a_restart_until_it_is_turned_on() {
    let broker = Broker::start();
    let mut caller = Caller::new(broker.port);
    let workshop = Workshop::new(broker.port);
    workshop.configure(ENDLESS, "fps = 5");
    let mut daemon = workshop.start();
    caller.wait_for("cam0/availability", "online");
    caller.say("cam0/threshold/set", "0.6", false);
    caller.wait_for("cam0/threshold/state", "0.6");
    caller.say("cam0/threshold/set", "6", false);
    caller.wait_for("cam0/threshold/state", "0.6");
    caller.say("cam0/enabled/set", "OFF", false);
    caller.wait_for("cam0/availability", "disabled");
    assert!(daemon.is_running(), "it idles and listens");
    daemon.signal("TERM");
    assert_eq!(daemon.wait(20).code(), Some(0), "{}", daemon.log());
    let mut daemon = workshop.start();
    caller.wait_for("cam0/availability", "disabled");
    let states = caller
        .heard
        .seen
        .iter()
        .filter(|r| r.topic.ends_with("cam0/threshold/state"));
    assert_eq!(states.last().unwrap().payload, "0.6");
    caller.say("cam0/enabled/set", "ON", false);
    caller.wait_for("cam0/availability", "online");
    daemon.signal("TERM");
    assert_eq!(daemon.wait(20).code(), Some(0), "{}", daemon.log());
}
