//! The daemon against a real broker: alerts, availability, outages, signals.

use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use crate::broker::{Broker, Received, Subscriber, free_port};
use crate::teacher;
use crate::workshop::Workshop;

const AVAILABILITY: &str = "inspectd/press/availability";
const ENDLESS: &str = "{ kind = \"synthetic\", seed = 1, defects = true }";

fn has(topic: &'static str) -> impl Fn(&[Received]) -> bool {
    move |seen| seen.iter().any(|r| r.topic == topic)
}

#[test]
fn footage_with_defects_makes_alerts_and_its_end_ends_the_daemon() {
    let broker = Broker::start();
    let mut subscriber = Subscriber::new(broker.port);
    let workshop = Workshop::new(broker.port);
    workshop.configure(
        "{ kind = \"synthetic\", seed = 1, frames = 240, defects = true }",
        "",
    );
    let mut daemon = workshop.start();
    let status = daemon.wait(120);
    assert_eq!(status.code(), Some(0), "{}", daemon.log());
    subscriber.wait_for(5, AVAILABILITY, "offline").unwrap();
    let alerts = subscriber.alerts();
    let phase = |name: &str| alerts.iter().filter(|a| a["data"]["phase"] == name).count();
    assert!(phase("opened") > 0, "{}", daemon.log());
    assert_eq!(
        phase("opened"),
        phase("closed"),
        "what was opened is closed at the end"
    );
    let alert = &alerts[0];
    assert_eq!(alert["specversion"], "1.0");
    assert_eq!(alert["source"], "inspectd/press/cam0");
    assert_eq!(alert["data"]["frame"]["width"], 640);
    assert!(
        alert["data"]["score"]["value"]
            .as_f64()
            .unwrap()
            .is_finite()
    );
    assert_eq!(alert["data"]["region"]["bbox"].as_array().unwrap().len(), 4);
    assert!(
        alert["data"]["profile"]["id"]
            .as_str()
            .unwrap()
            .starts_with("sha256:")
    );
    for topic in [
        "info",
        "cam0/state",
        "cam0/alert/active",
        "cam0/availability",
    ] {
        let topic = format!("inspectd/press/{topic}");
        assert!(subscriber.seen.iter().any(|r| r.topic == topic), "{topic}");
    }
    let active = subscriber
        .seen
        .iter()
        .rfind(|r| r.topic.ends_with("active"))
        .unwrap();
    assert_eq!(active.payload, "[]");
}

#[test]
fn a_daemon_that_is_killed_is_called_offline_by_its_will() {
    let broker = Broker::start();
    let mut subscriber = Subscriber::new(broker.port);
    let workshop = Workshop::new(broker.port);
    workshop.configure(ENDLESS, "fps = 5");
    let daemon = workshop.start();
    subscriber.wait_for(60, AVAILABILITY, "online").unwrap();
    daemon.signal("KILL");
    subscriber.wait_for(15, AVAILABILITY, "offline").unwrap();
}

#[test]
fn a_broker_that_comes_later_gets_the_alerts_and_one_restarted_loses_none() {
    let port = free_port();
    let workshop = Workshop::new(port);
    workshop.configure(ENDLESS, "fps = 20");
    let mut daemon = workshop.start();
    thread::sleep(Duration::from_secs(3));
    let mut broker = Broker::start_on(port);
    let mut subscriber = Subscriber::new(port);
    subscriber.wait_for_alerts(60, 3).unwrap();
    broker.stop();
    thread::sleep(Duration::from_secs(3));
    broker.resume();
    let before = subscriber.alerts().len();
    subscriber.wait_for_alerts(60, before + 4).unwrap();
    daemon.signal("TERM");
    assert_eq!(daemon.wait(20).code(), Some(0), "{}", daemon.log());
    subscriber
        .wait(10, |seen| {
            seen.last().is_some_and(|r| r.payload == "offline")
        })
        .unwrap();
    assert_unbroken(&subscriber.alerts());
}

/// Every incident's reports are numbered without a gap, from its first one that came.
fn assert_unbroken(alerts: &[serde_json::Value]) {
    let mut last: std::collections::HashMap<String, u64> = std::collections::HashMap::new();
    for alert in alerts {
        let subject = alert["subject"].as_str().unwrap().to_owned();
        let id = alert["id"].as_str().unwrap();
        let report: u64 = id.rsplit('-').next().unwrap().parse().unwrap();
        if let Some(former) = last.insert(subject, report) {
            assert_eq!(report, former + 1, "{id}");
        }
    }
}

#[test]
fn sigterm_drains_says_offline_and_exits_0() {
    let broker = Broker::start();
    let mut subscriber = Subscriber::new(broker.port);
    let workshop = Workshop::new(broker.port);
    workshop.configure(ENDLESS, "");
    let mut daemon = workshop.start();
    subscriber.wait_for_alerts(60, 1).unwrap();
    daemon.signal("TERM");
    assert_eq!(daemon.wait(20).code(), Some(0), "{}", daemon.log());
    subscriber.wait_for(5, AVAILABILITY, "offline").unwrap();
    let alerts = subscriber.alerts();
    let opened = alerts
        .iter()
        .filter(|a| a["data"]["phase"] == "opened")
        .count();
    let closed = alerts
        .iter()
        .filter(|a| a["data"]["phase"] == "closed")
        .count();
    assert_eq!(opened, closed);
}

#[test]
fn a_faulty_configuration_is_not_taken_and_a_good_one_is() {
    let broker = Broker::start();
    let mut subscriber = Subscriber::new(broker.port);
    let workshop = Workshop::new(broker.port);
    workshop.configure(ENDLESS, "fps = 5");
    let mut daemon = workshop.start();
    subscriber
        .wait(60, has("inspectd/press/cam0/state"))
        .unwrap();
    workshop.configure(ENDLESS, "fps = 0");
    daemon.signal("HUP");
    let says_why = |seen: &[Received]| {
        let infos = seen.iter().filter(|r| r.topic == "inspectd/press/info");
        infos.clone().any(|r| r.payload.contains("camera[0].fps"))
    };
    subscriber.wait(20, says_why).unwrap();
    assert!(!daemon.log().contains("asked to stop"));
    workshop.configure(ENDLESS, "fps = 5");
    let text = std::fs::read_to_string(workshop.path()).unwrap();
    std::fs::write(workshop.path(), text.replace("cam0", "cam9")).unwrap();
    daemon.signal("HUP");
    subscriber
        .wait(60, has("inspectd/press/cam9/state"))
        .unwrap();
    let info = subscriber
        .seen
        .iter()
        .rfind(|r| r.topic == "inspectd/press/info")
        .unwrap();
    assert!(info.json()["last_reload_error"].is_null());
    // What is no more is taken off the broker, and the node was there all the time.
    let gone = |seen: &[Received]| {
        let emptied = |topic| seen.iter().any(|r| r.topic == topic && r.bytes.is_empty());
        emptied("inspectd/press/cam0/availability") && emptied("inspectd/press/cam0/state")
    };
    subscriber.wait(10, gone).unwrap();
    let mut late = Subscriber::new(broker.port);
    late.wait(10, has("inspectd/press/cam9/state")).unwrap();
    let is_old = |r: &&Received| r.retained && r.topic.contains("/cam0/");
    assert_eq!(late.seen.iter().find(is_old), None);
    let words = subscriber.seen.iter().filter(|r| r.topic == AVAILABILITY);
    assert_eq!(words.map(|r| &*r.payload).collect::<Vec<_>>(), ["online"]);
    daemon.signal("TERM");
    assert_eq!(daemon.wait(20).code(), Some(0), "{}", daemon.log());
}

#[test]
fn a_second_signal_ends_a_daemon_that_still_drains() {
    // It takes connections and never answers: until its time is up, the daemon hopes.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let workshop = Workshop::new(silent.local_addr().unwrap().port());
    workshop.configure(ENDLESS, "");
    let mut daemon = workshop.start();
    daemon.wait_for_journal(60, |log| log.contains("inspecting"));
    // A connection is tried by then.
    thread::sleep(Duration::from_secs(1));
    daemon.signal("TERM");
    thread::sleep(Duration::from_millis(1500));
    assert!(daemon.is_running(), "it drains: {}", daemon.log());
    daemon.signal("TERM");
    assert_eq!(daemon.wait(2).code(), Some(75), "{}", daemon.log());
}

#[test]
fn a_daemon_whose_journal_is_gone_inspects_on() {
    let broker = Broker::start();
    let mut subscriber = Subscriber::new(broker.port);
    let workshop = Workshop::new(broker.port);
    workshop.configure(ENDLESS, "fps = 5");
    let mut command = Command::new(env!("CARGO_BIN_EXE_inspectd"));
    command.args(["run", "--config"]).arg(workshop.path());
    command.current_dir(workshop.folder.path());
    let mut daemon = command.stderr(Stdio::piped()).spawn().unwrap();
    drop(daemon.stderr.take());
    let state = has("inspectd/press/cam0/state");
    let first = subscriber.wait(60, &state);
    // Lines are written at each reload.
    let hang_up = |name| {
        let mut kill = Command::new("kill");
        kill.args(["-s", name, &daemon.id().to_string()])
            .status()
            .unwrap()
    };
    hang_up("HUP");
    let so_far = subscriber.seen.len();
    let later = subscriber.wait(60, |seen| state(&seen[so_far..]));
    hang_up("TERM");
    let ended = daemon.wait().unwrap();
    assert_eq!((first, later, ended.code()), (Ok(()), Ok(()), Some(0)));
}

/// The bundled teacher with an axis that no tensor has: the engine panics on it.
fn damaged_teacher(folder: &std::path::Path) {
    let models = teacher::models();
    std::fs::copy(models.join("teacher.toml"), folder.join("damaged.toml")).unwrap();
    let mut bytes = std::fs::read(models.join("teacher.onnx")).unwrap();
    // The attribute of a Transpose: its name, then each axis behind the tag of field 8.
    let perm = bytes.windows(4).position(|name| name == b"perm").unwrap();
    let mut tags = (perm..).filter(|&at| bytes[at] == 8 << 3);
    let axis = 1 + tags.nth(1).unwrap();
    bytes[axis] = 57;
    std::fs::write(folder.join("damaged.onnx"), bytes).unwrap();
}

#[test]
fn a_teacher_that_the_engine_panics_on_is_refused_by_a_reload_and_the_old_one_goes_on() {
    let broker = Broker::start();
    let mut subscriber = Subscriber::new(broker.port);
    let workshop = Workshop::new(broker.port);
    workshop.configure(ENDLESS, "fps = 5");
    damaged_teacher(workshop.folder.path());
    let mut daemon = workshop.start();
    let judged = |seen: &[Received], from: usize| {
        let mut later = seen.iter().skip(from);
        later.any(|r| r.topic == "inspectd/press/cam0/state" && r.json()["judged"] == true)
    };
    subscriber.wait(60, |seen| judged(seen, 0)).unwrap();
    let own = teacher::table(teacher::named());
    workshop.replace(&own, &teacher::table(Some("damaged.onnx".into())));
    daemon.signal("HUP");
    let says_why = |seen: &[Received]| {
        let infos = seen.iter().filter(|r| r.topic == "inspectd/press/info");
        infos
            .clone()
            .any(|r| r.payload.contains("the engine gave up"))
    };
    let told = subscriber.wait(30, says_why);
    told.unwrap_or_else(|text| panic!("{text}\n{}", daemon.log()));
    let so_far = subscriber.seen.len();
    subscriber.wait(20, |seen| judged(seen, so_far)).unwrap();
    daemon.signal("TERM");
    assert_eq!(daemon.wait(20).code(), Some(0), "{}", daemon.log());
}

#[test]
fn systemds_journal_is_spared_the_time_that_it_notes_itself_and_other_readers_are_not() {
    let broker = Broker::start();
    let workshop = Workshop::new(broker.port);
    workshop.configure("{ kind = \"synthetic\", seed = 1, frames = 3 }", "");
    // systemd says so by the device and inode of what it hands over; children of other things inherit the words.
    for (stream, is_timed) in [("$(stat -Lc %d:%i /dev/stderr)", false), ("8:1", true)] {
        let mut command = Command::new("sh");
        let script = format!("JOURNAL_STREAM={stream} exec \"$INSPECTD\" run --config \"$0\"");
        command.args(["-c", &script]).arg(workshop.path());
        let mut daemon = workshop.start_by(command);
        assert_eq!(daemon.wait(60).code(), Some(0), "{}", daemon.log());
        let log = daemon.log();
        let line = log.lines().find(|line| line.contains(" inspecting "));
        let begins_with_time = line.unwrap().starts_with("20");
        assert_eq!(begins_with_time, is_timed, "{log}");
    }
}
