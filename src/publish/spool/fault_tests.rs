//! Disks that are full or fail: this test's own program runs again as a child, on a very small disk
//! of its own or under strace, which makes system calls fail. The child plays a part in one of the
//! ignored tests below; what it says was accepted is looked for afterwards.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use super::fixture::{Caller, PLENTY, alert, ids, is_whole};
use super::held::MOST_HELD;
use super::{Event, Folder, Spool, State};

const FOLDER: &str = "SPOOL_TEST_FOLDER";

/// The part to be played by a child.
fn part(name: &str) -> [String; 5] {
    let name = format!("publish::spool::fault_tests::{name}");
    let program = std::env::current_exe().unwrap();
    let program = program.to_str().unwrap();
    [program, "--exact", &name, "--ignored", "--nocapture"].map(str::to_owned)
}

fn folder() -> PathBuf {
    std::env::var_os(FOLDER)
        .expect("started by another test")
        .into()
}

/// What a child said, which must have played its part.
fn said(output: &Output) -> String {
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let all = format!("{said}\n{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{all}");
    assert!(said.contains("1 passed"), "{all}");
    said
}

/// Runs a part under strace, which makes these calls fail in this way.
fn with_faults(part_name: &str, folder: &Path, calls: &str, fault: &str) -> String {
    let output = Command::new("strace")
        .args([
            "-f",
            "-qq",
            "-o",
            "/dev/null",
            "-e",
            &format!("trace={calls}"),
        ])
        .args(["-e", &format!("inject={calls}:{fault}")])
        .args(part(part_name))
        .env(FOLDER, folder)
        .output()
        .expect("strace is installed");
    said(&output)
}

/// The ids on lines such as `accepted alert-7`, which the test's own output may precede.
fn listed(said: &str, word: &str) -> Vec<String> {
    let lines = said
        .lines()
        .filter_map(|line| line.split_once(&format!("{word} alert-")));
    lines.map(|(_, number)| format!("alert-{number}")).collect()
}

/// Appends one by one, and tells the answers.
#[test]
#[ignore = "a part played by other tests"]
fn child_appends() {
    let locked = Folder::lock(&folder()).unwrap();
    let spool = match Spool::open(&locked, PLENTY) {
        Ok(spool) => spool,
        Err(fault) => return println!("not opened: {fault}"),
    };
    let mut caller = Caller::of(spool, locked);
    for number in 0..40 {
        match caller.append([alert(number)]).remove(0) {
            Event::Accepted { id } => println!("accepted {id}"),
            Event::Held { id, .. } => println!("held {id}"),
            other => println!("{other:?}"),
        }
        let entries = caller.read(0, 100);
        assert_eq!(
            entries.len(),
            number + 1,
            "all are delivered, from wherever"
        );
        assert!(entries.iter().all(is_whole));
    }
    if caller.status(|_| true).state == State::NoRoom {
        caller.status(|status| status.state == State::Healthy);
    }
    let status = caller.close();
    println!("state {:?}, held {}", status.state, status.held);
}

#[test]
fn nothing_is_accepted_after_a_failed_fsync_and_nothing_accepted_before_is_lost() {
    for first in [1, 2, 7, 12] {
        let folder = tempfile::tempdir().unwrap();
        drop(Caller::open(folder.path()));
        let fault = format!("error=EIO:when={first}+");
        let said = with_faults("child_appends", folder.path(), "fdatasync,fsync", &fault);
        let (accepted, held) = (listed(&said, "accepted"), listed(&said, "held"));
        println!(
            "fsync {first} fails: {} accepted, {} held",
            accepted.len(),
            held.len()
        );
        if said.contains("not opened") {
            assert!(first < 5 && accepted.is_empty(), "{said}");
        } else {
            assert!(said.contains("state Failed"), "{said}");
            assert_eq!(accepted.len() + held.len(), 40, "{said}");
            assert!(
                !held.is_empty() && said.find("held ") > said.rfind("accepted "),
                "{said}"
            );
        }
        let mut caller = Caller::open(folder.path());
        let entries = caller.read(0, 100);
        let found: BTreeSet<&str> = ids(&entries).into_iter().collect();
        assert!(
            accepted.iter().all(|id| found.contains(id.as_str())),
            "{said}"
        );
        assert!(entries.iter().all(is_whole));
    }
}

#[test]
fn a_disk_without_room_for_a_while_holds_alerts_and_writes_them_later() {
    let folder = tempfile::tempdir().unwrap();
    drop(Caller::open(folder.path()));
    let fault = "error=ENOSPC:when=40..44";
    let said = with_faults("child_appends", folder.path(), "pwrite64", fault);
    let (accepted, held) = (listed(&said, "accepted"), listed(&said, "held"));
    println!(
        "{} accepted, {} held, then written",
        accepted.len(),
        held.len()
    );
    assert!(
        !held.is_empty() && accepted.len() + held.len() == 40,
        "{said}"
    );
    assert!(said.contains("held 0"), "{said}");
    let mut caller = Caller::open(folder.path());
    let entries = caller.read(0, 100);
    assert_eq!(entries.len(), 40, "{said}");
}

/// Fills its disk, and makes room again.
#[test]
#[ignore = "a part played by other tests"]
fn child_on_a_small_disk() {
    let folder = folder();
    let mut caller = Caller::open(&folder);
    caller.accept(0..100);
    let fill = folder.join("fill");
    let mut file = fs::File::create(&fill).unwrap();
    while file.write(&[0; 512]).is_ok_and(|written| written > 0) {}
    let mut number = 100;
    while caller.status(|_| true).state == State::Healthy {
        assert!(number < 10_000, "the disk never fills");
        caller.append([alert(number)]);
        number += 1;
    }
    assert_eq!(caller.status(|_| true).state, State::NoRoom);
    let answers = caller.append((number..number + 5).map(alert));
    assert!(
        answers
            .iter()
            .all(|answer| matches!(answer, Event::Held { .. }))
    );
    let all = caller.read(0, 20_000);
    assert_eq!(all.len(), number + 5, "delivery goes on");
    assert!(all.iter().all(is_whole));
    // Whoever fills a disk takes the reserve, too, where it can.
    for entry in &all[..number - 10] {
        caller.spool.delivered(entry.seq);
    }
    let status = caller.status(|status| status.alerts < 20);
    println!("{} of {} left on a full disk", status.alerts, all.len());
    // Rows that were delivered leave room inside the database.
    let status = caller.status(|status| status.held == 0);
    assert_eq!(status.state, State::NoRoom, "the disk is still full");
    let answers = caller.append((number + 5..number + 10).map(alert));
    assert!(
        answers
            .iter()
            .all(|answer| matches!(answer, Event::Held { .. }))
    );
    drop(file);
    fs::remove_file(fill).unwrap();
    let status = caller.status(|status| status.state == State::Healthy && status.held == 0);
    assert_eq!(status.alerts, 20);
    caller.accept(number + 10..number + 11);
    assert!(folder.join("spool.reserve").exists(), "for the next time");
    caller.close();
    let mut caller = Caller::open(&folder);
    let left = caller.read(0, 100);
    let expected: Vec<String> = (number - 10..number + 11).map(|n| alert(n).id).collect();
    assert_eq!(ids(&left), expected);
}

#[test]
fn a_full_disk_is_a_state_that_passes_by_itself() {
    for size in ["900k", "8m"] {
        let folder = tempfile::tempdir().unwrap();
        let script = "set -e; mount -t tmpfs -o size=$0 none $SPOOL_TEST_FOLDER; exec \"$@\"";
        let output = Command::new("unshare")
            .args([
                "--user",
                "--map-root-user",
                "--mount",
                "sh",
                "-c",
                script,
                size,
            ])
            .args(part("child_on_a_small_disk"))
            .env(FOLDER, folder.path())
            .output()
            .expect("unshare is installed");
        let said = said(&output);
        let left = said
            .lines()
            .find(|line| line.contains("left on a full disk"));
        println!("{size}: {}", left.unwrap());
    }
}

/// Starts on a disk that something else has filled.
#[test]
#[ignore = "a part played by other tests"]
fn child_starts_on_a_full_disk() {
    let folder = folder();
    let mut caller = Caller::open(&folder);
    caller.accept(0..20);
    caller.close();
    fs::remove_file(folder.join("spool.reserve")).unwrap();
    let mut file = fs::File::create(folder.join("fill")).unwrap();
    while file.write(&[0; 512]).is_ok_and(|written| written > 0) {}
    let locked = Folder::lock(&folder).unwrap();
    match Spool::open(&locked, PLENTY) {
        Err(fault) => println!("refused: {fault}"),
        Ok(spool) => {
            let mut caller = Caller::of(spool, locked);
            let status = caller.status(|_| true);
            assert_eq!((status.state, status.alerts), (State::NoRoom, 20));
            assert_eq!(caller.read(0, 100).len(), 20);
            let answers = caller.append((20..30).map(alert));
            assert!(answers.len() <= MOST_HELD);
            println!("opened: {answers:?}");
            drop(caller);
        }
    }
    drop(file);
    fs::remove_file(folder.join("fill")).unwrap();
    let mut caller = Caller::open(&folder);
    assert_eq!(caller.status(|_| true).state, State::Healthy);
    assert!(caller.read(0, 100).len() >= 20);
}

#[test]
fn a_start_on_a_full_disk_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let script = "set -e; mount -t tmpfs -o size=900k none $SPOOL_TEST_FOLDER; exec \"$@\"";
    let output = Command::new("unshare")
        .args([
            "--user",
            "--map-root-user",
            "--mount",
            "sh",
            "-c",
            script,
            "sh",
        ])
        .args(part("child_starts_on_a_full_disk"))
        .env(FOLDER, folder.path())
        .output()
        .expect("unshare is installed");
    let said = said(&output);
    let start = |line: &&str| line.contains("refused: ") || line.contains("opened: ");
    println!("{}", said.lines().find(start).unwrap());
}
