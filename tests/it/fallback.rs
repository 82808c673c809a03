//! A start with a Profile that is damaged or scores otherwise here: the former one is taken back once, where
//! it is sound, and everybody hears of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::broker::{Broker, Received, Subscriber};
use crate::golden::{copy_as, seal, sha256, take_golden_away};
use crate::studio::{names, stderr};
use crate::workshop::{Daemon, Workshop};

const SOURCE: &str = "{ kind = \"synthetic\", seed = 3 }";
const INFO: &str = "inspectd/press/info";

/// A node whose camera has a Profile that took the place of another one.
struct Bench {
    workshop: Workshop,
    dir: PathBuf,
    previous: PathBuf,
}

impl Bench {
    fn new(port: u16) -> Bench {
        let bench = Bench::with_cameras(port, &["cam0"]);
        assert_eq!(names(bench.workshop.folder.path()).len(), 3);
        bench
    }

    fn with_cameras(port: u16, cameras: &[&str]) -> Bench {
        let workshop = Workshop::new(port);
        let [dir, previous] =
            ["p", "p.previous"].map(|name| copy_as(&workshop.folder.path().join(name)));
        seal(&dir, |manifest| manifest["origin"]["seed"] = json!(9));
        let cameras: Vec<(&str, &str, &str)> = cameras
            .iter()
            .map(|name| (*name, SOURCE, "fps = 5"))
            .collect();
        workshop.configure_all(&cameras);
        let own = crate::workshop::profile().display().to_string();
        workshop.replace(&own, &dir.display().to_string());
        Bench {
            workshop,
            dir,
            previous,
        }
    }

    /// Starts the daemon, which has to refuse, and gives what it said.
    #[track_caller]
    fn refused(&self, words: &[&str]) -> String {
        let before = [&self.dir, &self.previous].map(|dir| id(dir));
        let output = self.workshop.inspectd(&["run"]);
        let said = stderr(&output);
        assert_eq!(output.status.code(), Some(78), "{said}");
        for word in words {
            assert!(said.contains(word), "{word} in {said}");
        }
        assert_eq!([&self.dir, &self.previous].map(|dir| id(dir)), before);
        said
    }
}

/// What a Profile is called, whole or not.
fn id(dir: &Path) -> Option<String> {
    let manifest = fs::read(dir.join("profile.json")).ok()?;
    Some(format!("sha256:{}", sha256(&manifest)))
}

fn spoil(dir: &Path) {
    let path = dir.join("student.onnx");
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(path, bytes).unwrap();
}

/// What the node says of itself, once it says what is wanted.
#[track_caller]
fn info(subscriber: &mut Subscriber, daemon: &Daemon, wanted: fn(&Value) -> bool) -> Value {
    let is_wanted = |r: &&Received| r.topic == INFO && wanted(&r.json());
    let told = subscriber.wait(60, |seen| seen.iter().any(|r| is_wanted(&r)));
    told.unwrap_or_else(|_| panic!("{}", daemon.log()));
    subscriber.seen.iter().rfind(is_wanted).unwrap().json()
}

fn is_by_fallback(info: &Value) -> bool {
    info["cameras"][0]["fallback"].is_string()
}

fn is_by_its_own(info: &Value) -> bool {
    info["cameras"][0]["fallback"].is_null()
}

fn stop(mut daemon: Daemon) -> String {
    daemon.signal("TERM");
    assert_eq!(daemon.wait(20).code(), Some(0), "{}", daemon.log());
    daemon.log()
}

#[test]
fn a_damaged_profile_gives_way_to_the_former_one_once_and_two_of_them_to_none() {
    let broker = Broker::start();
    let mut subscriber = Subscriber::new(broker.port);
    let bench = Bench::new(broker.port);
    let [bad, good] = [&bench.dir, &bench.previous].map(|dir| id(dir).unwrap());
    spoil(&bench.dir);
    let daemon = bench.workshop.start();
    let told = info(&mut subscriber, &daemon, is_by_fallback)["cameras"][0].take();
    assert_eq!(told["profile"]["id"], good);
    let why = told["fallback"].as_str().unwrap();
    assert!(
        why.contains("p/student.onnx is truncated or was changed"),
        "{why}"
    );
    let log = stop(daemon);
    let words = [
        "the former one was taken back",
        "p.previous: calibrate again",
        "then reload",
    ];
    for word in words {
        assert_eq!(log.matches(word).count(), 1, "{word} in {log}");
    }
    assert_eq!(
        [&bench.dir, &bench.previous].map(|dir| id(dir).unwrap()),
        [good.clone(), bad]
    );

    // From then on it is the camera's Profile.
    let daemon = bench.workshop.start();
    let told = info(&mut subscriber, &daemon, is_by_its_own)["cameras"][0].take();
    assert_eq!(
        (&told["profile"]["id"], &told["fallback"]),
        (&json!(good), &Value::Null)
    );
    assert!(!stop(daemon).contains("taken back"));

    spoil(&bench.dir);
    let words = [
        "p/student.onnx is truncated",
        "nor can the former Profile help: ",
        "p.previous/student",
    ];
    bench.refused(&words);
}

#[test]
fn a_profile_that_scores_otherwise_gives_way_for_all_cameras_that_share_it() {
    let broker = Broker::start();
    let mut subscriber = Subscriber::new(broker.port);
    let bench = Bench::with_cameras(broker.port, &["cam0", "cam1"]);
    let good = id(&bench.previous).unwrap();
    seal(&bench.dir, |manifest| {
        manifest["golden"][0]["scores"]["local"] = json!(77)
    });
    let daemon = bench.workshop.start();
    let told = info(&mut subscriber, &daemon, is_by_fallback);
    for camera in told["cameras"].as_array().unwrap() {
        assert_eq!(camera["profile"]["id"], good);
        let why = camera["fallback"].as_str().unwrap();
        assert!(
            why.contains("it does not score here as it did: of golden-1."),
            "{why}"
        );
    }
    assert_eq!(id(&bench.dir).unwrap(), good);
    stop(daemon);
}

#[test]
fn a_reload_does_not_fall_back() {
    let broker = Broker::start();
    let mut subscriber = Subscriber::new(broker.port);
    let bench = Bench::new(broker.port);
    let daemon = bench.workshop.start();
    let own = info(&mut subscriber, &daemon, is_by_its_own)["cameras"][0].take();
    assert_eq!(
        (&own["profile"]["id"], &own["fallback"]),
        (&json!(id(&bench.dir)), &Value::Null)
    );
    spoil(&bench.dir);
    daemon.signal("HUP");
    let told = info(&mut subscriber, &daemon, |info| {
        info["last_reload_error"].is_string()
    });
    let fault = told["last_reload_error"].as_str().unwrap();
    assert!(fault.contains("p/student.onnx is truncated"), "{fault}");
    assert_eq!(told["cameras"][0], own);
    assert_eq!(json!(id(&bench.dir)), own["profile"]["id"]);
    stop(daemon);
}

#[test]
fn what_a_former_profile_can_not_help_is_refused_as_before() {
    // Nobody connects anywhere.
    let bench = Bench::new(9);
    let aside = bench.workshop.folder.path().join("aside");
    fs::rename(&bench.dir, &aside).unwrap();
    let said = bench.refused(&["p is no Profile"]);
    assert!(!said.contains("former Profile"), "{said}");
    fs::rename(&aside, &bench.dir).unwrap();

    spoil(&bench.dir);
    bench
        .workshop
        .replace("fps = 5", "fps = 5\ncrop = [0.0, 0.0, 0.5, 1.0]");
    bench.refused(&["nor can the former Profile help: ", "--crop"]);
    bench.workshop.replace("\ncrop = [0.0, 0.0, 0.5, 1.0]", "");

    seal(&bench.previous, |manifest| {
        manifest["golden"][0]["scores"]["local"] = json!(77)
    });
    bench.refused(&[
        "nor can the former Profile help: ",
        "p.previous does not score here",
    ]);
    take_golden_away(&bench.previous);
    bench.refused(&[
        "no golden frames to test it by",
        "inspectd profile rollback",
    ]);

    fs::remove_dir_all(&bench.dir).unwrap();
    copy_as(&bench.dir);
    seal(&bench.dir, |manifest| {
        manifest["origin"]["teacher"]["sha256"] = json!("2e".repeat(32));
    });
    let said = bench.refused(&["was made for the teacher with SHA-256 2e"]);
    assert!(!said.contains("former Profile"), "{said}");
}

#[test]
fn a_former_profile_that_can_not_be_put_in_place_is_left_to_people() {
    let bench = Bench::new(9);
    spoil(&bench.dir);
    let before = [&bench.dir, &bench.previous].map(|dir| id(dir));
    let output = Command::new("strace")
        .args([
            "-f",
            "-qq",
            "-o",
            "/dev/null",
            "-e",
            "trace=renameat2",
            "-e",
            "inject=renameat2:error=EROFS",
        ])
        .args([env!("CARGO_BIN_EXE_inspectd"), "run", "--config"])
        .arg(bench.workshop.path())
        .output()
        .expect("strace is installed");
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(78), "{said}");
    for word in [
        "is not taken back by itself",
        "Read-only file system",
        "inspectd profile rollback",
    ] {
        assert!(said.contains(word), "{word} in {said}");
    }
    assert_eq!([&bench.dir, &bench.previous].map(|dir| id(dir)), before);
}
