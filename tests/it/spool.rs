//! The daemon's disk: taken by another, full, failing, damaged. What was accepted arrives; what can't
//! be made safe is said.

use std::collections::HashSet;
use std::process::Command;

use crate::broker::{Broker, Subscriber, free_port};
use crate::workshop::Workshop;

/// Reports of one incident as fast as frames come.
const STORM: &str = "fps = 10\n[camera.incident]\nupdate_every_s = 0.01";
const JSON_LOG: &str = "[log]\nformat = \"json\"\nlevel = \"debug\"\n[mqtt]";

/// A camera that reports at every frame.
fn storm(port: u16) -> Workshop {
    let workshop = Workshop::new(port);
    workshop.configure(&workshop.noise(), STORM);
    workshop.replace("[mqtt]", JSON_LOG);
    workshop
}

/// Starts on a camera of which there is nothing to report, and waits for these alerts.
fn deliver(workshop: &Workshop, subscriber: &mut Subscriber, accepted: &[String]) -> String {
    workshop.configure(
        "{ kind = \"synthetic\", seed = 1, defects = false }",
        "fps = 2",
    );
    workshop.replace("[mqtt]", JSON_LOG);
    let mut daemon = workshop.start();
    daemon.wait_for_journal(40, |log| log.contains("\"inspecting\""));
    let all = |seen: &[crate::broker::Received]| {
        let alerts = seen.iter().filter(|r| r.topic.ends_with("/alert"));
        let ids: HashSet<String> = alerts
            .map(|r| r.json()["id"].as_str().unwrap().to_owned())
            .collect();
        accepted.iter().all(|id| ids.contains(id))
    };
    let arrived = subscriber.wait(30, all);
    daemon.signal("TERM");
    assert_eq!(daemon.wait(30).code(), Some(0), "{}", daemon.log());
    assert!(arrived.is_ok(), "{} were accepted", accepted.len());
    daemon.log()
}

#[test]
fn a_second_daemon_on_the_same_folder_is_told_whose_it_is() {
    let workshop = storm(free_port());
    let daemon = workshop.start();
    daemon.wait_for_journal(40, |log| log.contains("\"inspecting\""));
    let second = workshop.inspectd(&["run"]);
    let said = String::from_utf8(second.stderr).unwrap();
    assert_eq!(second.status.code(), Some(75), "{said}");
    let process = format!("process {}", daemon.id());
    assert!(
        said.contains(&process) && said.contains("node.state_dir"),
        "{said}"
    );
}

#[test]
fn on_a_full_disk_alerts_still_arrive_and_the_spool_recovers() {
    let port = free_port();
    let workshop = storm(port);
    // The state folder is a disk of its own; something fills it up, and goes again.
    let script = "set -e; mkdir state; mount -t tmpfs -o size=9m none state; \
                  (while [ ! -e fill ]; do sleep 0.1; done; \
                  head -c 100m /dev/zero >state/filler || true; \
                  while [ ! -e free ]; do sleep 0.1; done; rm state/filler) & \
                  exec \"$INSPECTD\" run --config inspectd.toml";
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c", script]);
    let mut daemon = workshop.start_by(command);
    daemon.wait_for_journal(40, |log| log.contains("\"inspecting\""));
    std::fs::write(workshop.folder.path().join("fill"), "").unwrap();
    daemon.wait_for_journal(40, |log| log.contains("held in memory"));
    let accepted = daemon.reported();
    let broker = Broker::start_on(port);
    let mut subscriber = Subscriber::new(broker.port);
    subscriber.wait_for_alerts(30, accepted.len() + 5).unwrap();
    std::fs::write(workshop.folder.path().join("free"), "").unwrap();
    daemon.wait_for_journal(40, |log| log.contains("the spool can be written again"));
    daemon.signal("TERM");
    assert_eq!(daemon.wait(30).code(), Some(0), "{}", daemon.log());
}

#[test]
fn a_disk_that_fails_ends_the_daemon_which_has_promised_nothing_that_it_lost() {
    let broker = Broker::start();
    let mut subscriber = Subscriber::new(broker.port);
    let workshop = storm(broker.port);
    let mut command = Command::new("strace");
    command
        .args(["-f", "-o", "/dev/null", "-e", "trace=fdatasync,fsync"])
        .args(["-e", "inject=fdatasync,fsync:error=EIO:when=25+"])
        .arg(env!("CARGO_BIN_EXE_inspectd"))
        .args(["run", "--config", "inspectd.toml"]);
    let mut daemon = workshop.start_by(command);
    assert_eq!(daemon.wait(60).code(), Some(74), "{}", daemon.log());
    let log = daemon.log();
    assert!(log.contains("the disk has failed"), "{log}");
    let last = log.lines().last().unwrap();
    assert!(last.starts_with("inspectd: the disk under"), "{log}");
    let accepted = daemon.reported();
    assert!(accepted.len() > 3, "{log}");
    deliver(&workshop, &mut subscriber, &accepted);
}

#[test]
fn a_damaged_spool_is_set_aside_and_told_and_the_rest_of_it_arrives() {
    let port = free_port();
    let workshop = storm(port);
    let mut daemon = workshop.start();
    daemon.wait_for_journal(40, |log| log.matches("\"incident\"").count() > 40);
    daemon.signal("TERM");
    assert_eq!(daemon.wait(30).code(), Some(0), "{}", daemon.log());
    let path = workshop.folder.path().join("state/spool.db");
    let mut bytes = std::fs::read(&path).unwrap();
    let third = bytes.len() / 3;
    bytes[third..third + 4096].fill(0xa5);
    std::fs::write(&path, bytes).unwrap();
    let broker = Broker::start_on(port);
    let log = deliver(&workshop, &mut Subscriber::new(broker.port), &[]);
    assert!(log.contains("spool.db.corrupt-"), "{log}");
    let files = std::fs::read_dir(workshop.folder.path().join("state")).unwrap();
    let names: Vec<_> = files.map(|f| f.unwrap().file_name()).collect();
    assert!(
        names
            .iter()
            .any(|name| name.to_string_lossy().contains("corrupt")),
        "{names:?}"
    );
}
