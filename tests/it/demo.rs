//! The demo as a process group, as a terminal runs it.

use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::broker::patience::patience;

#[test]
fn ctrl_c_while_the_demos_daemon_runs_gives_no_verdict_on_what_it_did_not_see() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("demo");
    let demo = Command::new(env!("CARGO_BIN_EXE_inspectd"))
        .args(["demo", "--out"])
        .arg(&out)
        .process_group(0)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let log = out.join("daemon.log");
    let started = Instant::now();
    let inspects =
        || std::fs::read_to_string(&log).is_ok_and(|text| text.contains("the camera is online"));
    while !inspects() {
        assert!(
            started.elapsed() < patience(180),
            "the daemon never inspects"
        );
        thread::sleep(Duration::from_millis(50));
    }
    let group = format!("-{}", demo.id());
    let sent = Command::new("kill").args(["-INT", "--", &group]).status();
    assert!(sent.unwrap().success());
    let ended = demo.wait_with_output().unwrap();
    let (said, words) = (
        String::from_utf8_lossy(&ended.stdout),
        String::from_utf8_lossy(&ended.stderr),
    );
    assert_eq!(ended.status.code(), Some(75), "{said}{words}");
    assert!(
        words.contains("stopped before the footage had ended"),
        "{words}"
    );
    assert!(
        !said.contains("MISSED") && !said.contains("defects caught"),
        "{said}"
    );
}
