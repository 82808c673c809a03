//! The second sink: alerts as lines of JSON, with a broker and without.

use std::process::{Command, Stdio};

use serde_json::Value;

use crate::broker::{Broker, Subscriber};
use crate::workshop::{Workshop, check_alert};

const FOOTAGE: &str = "{ kind = \"synthetic\", seed = 1, frames = 240, defects = true }";

/// The ids of the events on these lines, each held against the contract.
fn ids(lines: &str) -> Vec<String> {
    let event = |line: &str| -> Value { serde_json::from_str(line).unwrap() };
    for line in lines.lines() {
        check_alert(line);
    }
    lines
        .lines()
        .map(|line| event(line)["id"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn a_file_gets_the_alerts_that_the_broker_gets() {
    let broker = Broker::start();
    let mut subscriber = Subscriber::new(broker.port);
    let workshop = Workshop::new(broker.port);
    workshop.configure(FOOTAGE, "");
    workshop.replace("[incident]", "[sink]\njsonl = \"alerts.jsonl\"\n[incident]");
    let mut daemon = workshop.start();
    assert_eq!(daemon.wait(120).code(), Some(0), "{}", daemon.log());
    let lines = std::fs::read_to_string(workshop.folder.path().join("alerts.jsonl")).unwrap();
    let written = ids(&lines);
    subscriber.wait_for_alerts(10, written.len()).unwrap();
    let heard: Vec<String> = subscriber
        .alerts()
        .iter()
        .map(|alert| alert["id"].as_str().unwrap().to_owned())
        .collect();
    assert!(!written.is_empty(), "{}", daemon.log());
    assert_eq!(written, heard);
}

#[test]
fn without_a_broker_standard_output_gets_them() {
    let workshop = Workshop::new(1);
    workshop.configure(FOOTAGE, "");
    workshop.replace("[incident]", "[sink]\njsonl = \"-\"\n[incident]");
    workshop.replace("[mqtt]", "[mqtt]\nenabled = false");
    let output = Command::new(env!("CARGO_BIN_EXE_inspectd"))
        .args(["run", "--config"])
        .arg(workshop.path())
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
    let written = ids(std::str::from_utf8(&output.stdout).unwrap());
    assert!(written.len() >= 2, "{said}");
    assert!(!said.contains("no connection"), "{said}");
}

#[test]
fn without_a_broker_and_without_a_sink_the_configuration_is_faulty() {
    let workshop = Workshop::new(1);
    workshop.configure(FOOTAGE, "");
    workshop.replace("[mqtt]", "[mqtt]\nenabled = false");
    let output = workshop.inspectd(&["check"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(78), "{said}");
    assert!(
        said.contains("mqtt.enabled") && said.contains("sink.jsonl"),
        "{said}"
    );
}

#[test]
fn a_sink_that_is_a_folder_is_told_at_the_start_and_the_lost_alerts_end_the_daemon_with_74() {
    let workshop = Workshop::new(1);
    workshop.configure(FOOTAGE, "");
    workshop.replace("[incident]", "[sink]\njsonl = \"alerts\"\n[incident]");
    workshop.replace("[mqtt]", "[mqtt]\nenabled = false");
    std::fs::create_dir(workshop.folder.path().join("alerts")).unwrap();
    let mut daemon = workshop.start();
    assert_eq!(daemon.wait(120).code(), Some(74), "{}", daemon.log());
    let log = daemon.log();
    let first = log.find("the sink can't be opened").expect(&log);
    let lost = log.find("alerts can't be written to the sink").expect(&log);
    assert!(first < lost, "{log}");
    assert!(log.contains("alerts are lost: sink.jsonl"), "{log}");
}
