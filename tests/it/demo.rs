//! The demo as a process group, as a terminal runs it.

use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::broker::patience::patience;
use crate::studio::{names, program, refused};
use crate::teacher;

#[test]
fn ctrl_c_while_the_demos_daemon_runs_gives_no_verdict_on_what_it_did_not_see() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("demo");
    let demo = Command::new(env!("CARGO_BIN_EXE_inspectd"))
        .args(["demo", "--out"])
        .arg(&out)
        .args(teacher::options(teacher::named()))
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

#[test]
fn a_folder_that_is_no_demos_is_refused_before_any_work_and_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let own = "[node]\nname = \"press\"\n";
    std::fs::write(folder.path().join("inspectd.toml"), own).unwrap();
    let mut demo = program();
    let output = demo.args(["demo", "--out"]).arg(folder.path()).output();
    refused(&output.unwrap(), 65, &["left as it is", "another --out"]);
    assert_eq!(names(folder.path()), ["inspectd.toml"]);
    let text = std::fs::read_to_string(folder.path().join("inspectd.toml")).unwrap();
    assert_eq!(text, own);
}

#[test]
fn a_broker_that_is_not_there_is_refused_before_any_work() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("demo");
    let mut demo = program();
    demo.args(["demo", "--broker", &address, "--out"]).arg(&out);
    let nobody = format!("nobody listens at {address}");
    refused(
        &demo.output().unwrap(),
        69,
        &[&nobody, "leave out --broker"],
    );
    assert!(!out.exists());
}

#[test]
fn a_teacher_that_is_not_there_is_refused_before_any_work() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("demo");
    let mut demo = program();
    demo.args(["demo", "--teacher", "nope", "--out"]).arg(&out);
    refused(&demo.output().unwrap(), 66, &["the teacher nope"]);
    assert!(!out.exists());
}
