//! `inspectd profile install`: Profiles that were made elsewhere, whole, damaged and cut off on their way.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::{Value, json};

use crate::golden::{copy_as, read, seal, take_golden_away};
use crate::studio::{labelled, names, program, refused, stderr, stdout};

/// A Profile in place, and another one that scores alike and was copied over.
struct Bench {
    folder: tempfile::TempDir,
    dir: PathBuf,
    from: PathBuf,
}

impl Bench {
    fn new() -> Bench {
        let folder = tempfile::tempdir().unwrap();
        let [dir, from] = ["p", "from"].map(|name| copy_as(&folder.path().join(name)));
        seal(&from, |manifest| manifest["origin"]["seed"] = json!(9));
        Bench { folder, dir, from }
    }

    fn install(&self, more: &[&str]) -> Output {
        install(&self.from, &self.dir, more)
    }

    /// Every byte of the Profile in place.
    fn bytes(&self) -> Vec<(String, Vec<u8>)> {
        let names = names(&self.dir).into_iter();
        names
            .map(|name| (name.clone(), fs::read(self.dir.join(name)).unwrap()))
            .collect()
    }
}

fn install(from: &Path, dir: &Path, more: &[&str]) -> Output {
    let mut program = program();
    program.args(["profile", "install"]).arg(from).arg(dir);
    program.args(more).output().unwrap()
}

fn json_of(output: &Output) -> Value {
    assert_eq!(output.status.code(), Some(0), "{}", stderr(output));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The identity of a Profile, all of whose bytes are checked.
#[track_caller]
fn id(dir: &Path) -> String {
    let mut program = program();
    let shown = program.args(["profile", "show", "--json"]).arg(dir);
    let shown = json_of(&shown.output().unwrap());
    shown["profile"].as_str().unwrap().to_owned()
}

#[test]
fn a_profile_takes_the_place_once_it_was_tested_and_a_rollback_takes_the_former_back() {
    let bench = Bench::new();
    fs::write(bench.from.join("notes.txt"), "copied at noon").unwrap();
    let [old, new] = [&bench.dir, &bench.from].map(|dir| {
        let manifest = fs::read(dir.join("profile.json")).unwrap();
        format!("sha256:{}", crate::golden::sha256(&manifest))
    });
    let told = json_of(&bench.install(&["--json"]));
    assert_eq!(
        (&told["profile"], &told["former"]),
        (&json!(new), &json!(old))
    );
    assert_eq!(
        (&told["installed"], &told["bad_put_aside"]),
        (&json!(true), &json!(0))
    );
    assert_eq!(id(&bench.dir), new);
    let all = ["from", "p", "p.previous"];
    assert_eq!(names(bench.folder.path()), all);
    assert!(!bench.dir.join("notes.txt").exists());
    let mut score = program();
    score.args(["score", "--profile"]).arg(&bench.dir);
    score.arg(labelled().normal.join("0300.jpg"));
    assert_eq!(score.output().unwrap().status.code(), Some(0));

    let before = bench.bytes();
    let output = bench.install(&[]);
    assert!(stdout(&output).contains("is in") && stdout(&output).contains("already"));
    assert_eq!(json_of(&bench.install(&["--json"]))["installed"], false);
    assert_eq!(
        (bench.bytes(), names(bench.folder.path()).len()),
        (before, 3)
    );

    let mut rollback = program();
    rollback.args(["profile", "rollback"]).arg(&bench.dir);
    assert_eq!(rollback.output().unwrap().status.code(), Some(0));
    assert_eq!(id(&bench.dir), old);
    let text = stdout(&bench.install(&[]));
    for words in [
        &new[..19],
        "3 golden frames score here",
        "rollback",
        "reload",
    ] {
        assert!(text.contains(words), "{words} in {text}");
    }
}

#[test]
fn a_place_that_had_no_profile_gets_one_and_one_that_is_damaged_gets_the_same_again() {
    let bench = Bench::new();
    let fresh = bench.folder.path().join("fresh");
    let output = install(&bench.from, &fresh, &[]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(id(&fresh), id(&bench.from));
    assert_eq!(names(bench.folder.path()), ["fresh", "from", "p"]);
    fs::write(fresh.join("student.onnx"), "no student").unwrap();
    let told = json_of(&install(&bench.from, &fresh, &["--json"]));
    assert_eq!(
        (&told["installed"], &told["former"]),
        (&json!(true), &Value::Null)
    );
    assert_eq!(id(&fresh), id(&bench.from));
}

#[test]
fn a_byte_changed_on_the_way_in_any_file_leaves_the_place_as_it_is() {
    let bench = Bench::new();
    let before = bench.bytes();
    for name in names(&bench.from) {
        if name.starts_with("report.") {
            continue; // no part of what the Profile is
        }
        let path = bench.from.join(&name);
        let whole = fs::read(&path).unwrap();
        let mut bytes = whole.clone();
        let at = match name.as_str() {
            // Its first digits are the Profile's identity; what it tells beside is nobody's promise.
            "receipt.json" => bytes.iter().position(u8::is_ascii_digit).unwrap(),
            _ => bytes.len() / 2,
        };
        bytes[at] ^= 1;
        fs::write(&path, bytes).unwrap();
        let verdict = refused(&bench.install(&[]), 65, &["nothing was installed in"]);
        assert!(verdict.contains(bench.from.to_str().unwrap()), "{verdict}");
        fs::remove_file(&path).unwrap();
        let code = if name == "profile.json" { 66 } else { 65 };
        refused(&bench.install(&[]), code, &["from"]);
        fs::write(&path, whole).unwrap();
        assert!(bench.bytes() == before, "{name}");
        assert_eq!(names(bench.folder.path()), ["from", "p"], "{name}");
    }
}

#[test]
fn one_that_scores_otherwise_here_is_refused_and_one_that_cannot_tell_is_taken_with_a_warning() {
    let bench = Bench::new();
    let before = bench.bytes();
    let score = read(&bench.from.join("profile.json"))["golden"][1]["scores"]["local"].take();
    seal(&bench.from, |manifest| {
        manifest["golden"][1]["scores"]["local"] = json!(77)
    });
    let words = [
        "nothing was installed",
        "does not score here",
        "golden-2.",
        "77",
    ];
    refused(&bench.install(&[]), 65, &words);
    assert!(bench.bytes() == before);
    assert_eq!(names(bench.folder.path()), ["from", "p"]);

    seal(&bench.from, |manifest| {
        manifest["golden"][1]["scores"]["local"] = score
    });
    take_golden_away(&bench.from);
    let output = bench.install(&[]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let said = stderr(&output);
    assert!(
        said.contains("could not be tested on this machine"),
        "{said}"
    );
    assert!(!stdout(&output).contains("golden frames score"));
}

#[test]
fn bad_frames_that_the_new_one_is_not_held_to_are_told() {
    let bench = Bench::new();
    let mut refine = program();
    refine.args(["calibrate", "--refine", "--accept-missed", "--out"]);
    refine.arg(&bench.dir).arg("--bad");
    refine.arg(labelled().anomalous.join(&names(&labelled().anomalous)[0]));
    let output = refine.output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = stdout(&bench.install(&[]));
    for words in ["1 bad frames go with it", "p.previous/recall-*"] {
        assert!(text.contains(words), "{words} in {text}");
    }
}

#[test]
fn what_can_not_be_installed_is_refused_with_the_way_out() {
    let bench = Bench::new();
    let before = bench.bytes();
    let folder = bench.folder.path();
    let none = folder.join("none");
    refused(
        &install(&none, &bench.dir, &[]),
        66,
        &["none is no Profile"],
    );
    let itself = ["are one folder", "copied into"];
    refused(&install(&bench.dir, &bench.dir, &[]), 65, &itself);
    let inside = copy_as(&bench.dir.join("inside"));
    refused(&install(&inside, &bench.dir, &[]), 65, &["holds inside"]);
    refused(&install(&inside, &inside.join("deeper"), &[]), 65, &itself);
    fs::remove_dir_all(inside).unwrap();
    let orphan = folder.join("no/such/p");
    refused(
        &install(&bench.from, &orphan, &[]),
        73,
        &["no/such", "exists"],
    );

    let lock = folder.join("p.unfinished");
    fs::create_dir(&lock).unwrap();
    let held = File::open(&lock).unwrap();
    held.try_lock().unwrap();
    refused(&bench.install(&[]), 75, &["is being worked on by another"]);
    drop(held);

    seal(&bench.from, |manifest| {
        manifest["origin"]["teacher"]["sha256"] = json!("2e".repeat(32));
    });
    let words = ["from was made for the teacher with SHA-256 2e", "--teacher"];
    refused(&bench.install(&[]), 65, &words);
    assert!(bench.bytes() == before);
    assert_eq!(names(folder), ["from", "p"]);
}

/// Installs under strace, which kills at this system call.
fn killed_at(bench: &Bench, call: &str, times: u32) -> bool {
    let trace = format!("trace={call}");
    let inject = format!("inject={call}:signal=KILL:when={times}");
    let output = Command::new("strace")
        .args(["-f", "-qq", "-o", "/dev/null"])
        .args(["-e", &trace, "-e", &inject])
        .arg(env!("CARGO_BIN_EXE_inspectd"))
        .args(["profile", "install"])
        .arg(&bench.from)
        .arg(&bench.dir)
        .output()
        .expect("strace is installed");
    !output.status.success()
}

#[test]
fn a_kill_at_any_moment_leaves_a_whole_profile_in_place_and_the_next_install_clears_up() {
    let bench = Bench::new();
    let [old, new] = [&bench.dir, &bench.from].map(|dir| id(dir));
    // Each file once it is written, their folder, and the switch.
    let files = names(&bench.from).len() as u32;
    for sync in 1..=files + 1 {
        assert!(killed_at(&bench, "fsync", sync), "fsync {sync}");
        assert_eq!(id(&bench.dir), old, "fsync {sync}");
    }
    assert!(killed_at(&bench, "renameat2", 1));
    assert_eq!(id(&bench.dir), old);
    // The former one is to be put aside.
    assert!(killed_at(&bench, "/^rename(at)?$", 1));
    assert_eq!(id(&bench.dir), new);
    let left = names(bench.folder.path());
    assert!(left.len() > files as usize, "{left:?}");

    seal(&bench.from, |manifest| {
        manifest["origin"]["seed"] = json!(10)
    });
    let output = bench.install(&[]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(id(&bench.dir), id(&bench.from));
    assert_eq!(id(&bench.folder.path().join("p.previous")), new);
    assert_eq!(names(bench.folder.path()), ["from", "p", "p.previous"]);
}
