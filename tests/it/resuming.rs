//! A calibration that is killed, stopped or cut off goes on from what it has done, within its memory and
//! beside others.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::broker::patience::patience;
use crate::filming::{BELT, Set, said, signal};
use crate::studio::{
    calibrate, calibration, draw, names, normal, profile, program, refused, stderr, stdout,
    truncate,
};

/// More frames than are kept at a time.
const FRAMES: u64 = 160;
/// Long enough to be in the middle of it when the first students are trained.
const SOME: &str = "3";
/// Longer than any test.
const ENDLESS: &str = "60000";

/// `inspectd calibrate --json` of `footage`, for `out`.
fn command(footage: &Path, out: &Path, epochs: &str) -> Command {
    let mut command = calibration(&["--json", "--epochs", epochs, "--footage"]);
    command.arg(footage).arg("--out").arg(out);
    command
}

fn started(mut command: Command) -> Child {
    let pipes = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    pipes.spawn().unwrap()
}

/// Waits until `is_there`, with the child still at work.
#[track_caller]
fn wait(child: &mut Child, is_there: impl Fn() -> bool) {
    // It is nice: whatever else runs here goes first.
    let deadline = Instant::now() + patience(300);
    while !is_there() {
        assert_eq!(child.try_wait().unwrap(), None, "it is still at work");
        assert!(Instant::now() < deadline, "not within five minutes");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn kill(mut child: Child) {
    child.kill().unwrap();
    child.wait().unwrap();
}

fn unfinished(out: &Path) -> PathBuf {
    out.with_added_extension("unfinished")
}

fn students(out: &Path) -> usize {
    let entries = fs::read_dir(unfinished(out))
        .into_iter()
        .flatten()
        .flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let is_student = |name: &String| name.starts_with("student-") && !name.ends_with(".part");
    names.filter(is_student).count()
}

/// Whether frames that were watched are kept.
fn has_frames(out: &Path) -> bool {
    fs::metadata(unfinished(out).join("watched")).is_ok_and(|file| file.len() > 0)
}

/// What a run made that came to its end, with nothing left of it but the Profile.
#[track_caller]
fn made(output: &Output, out: &Path) -> Value {
    assert_eq!(output.status.code(), Some(0), "{}", stderr(output));
    assert!(!unfinished(out).exists());
    said(output)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for name in names(from) {
        fs::copy(from.join(&name), to.join(&name)).unwrap();
    }
}

#[test]
fn a_calibration_that_is_killed_goes_on_and_makes_the_profile_of_one_that_was_not_and_of_one_core()
{
    let folder = tempfile::tempdir().unwrap();
    let footage = folder.path().join("footage");
    draw(&footage, 0..FRAMES);
    let out = |name: &str| folder.path().join(name);
    let run = |name: &str| {
        let output = command(&footage, &out(name), SOME).output().unwrap();
        made(&output, &out(name))
    };

    let one_core = out("one-core");
    let alone = command(&footage, &one_core, SOME);
    let alone = Command::new("taskset")
        .args(["-c", &first_core()])
        .arg(alone.get_program())
        .args(alone.get_args())
        .output()
        .unwrap();
    let alone = made(&alone, &one_core);
    assert_eq!(alone["taken_over"]["frames"], 0);
    assert_eq!(alone["taken_over"]["students"], 0);

    // While the teacher watches.
    let mut child = started(command(&footage, &out("p"), SOME));
    wait(&mut child, || has_frames(&out("p")));
    kill(child);
    assert!(!out("p").exists() && students(&out("p")) == 0);
    for name in ["cut", "flipped"] {
        copy(&unfinished(&out("p")), &unfinished(&out(name)));
    }

    // While the students are trained.
    let mut child = started(command(&footage, &out("p"), SOME));
    wait(&mut child, || students(&out("p")) > 0);
    kill(child);
    let trained = students(&out("p"));
    assert!((1..5).contains(&trained), "{trained} of five are trained");
    let bytes = |name: &str| {
        let entries = unfinished(&out(name)).join("watched");
        fs::metadata(entries).unwrap().len()
    };
    // One of four frames is looked at in other light too.
    let looks = FRAMES + FRAMES / 4;
    let entry = bytes("p") / looks;
    let kept = bytes("cut") / entry;
    assert!((2..looks).contains(&kept), "{kept} looks are kept");
    let again = run("p");
    assert_eq!(again["taken_over"]["frames"], FRAMES);
    assert_eq!(again["taken_over"]["students"], trained);
    assert_eq!(again["profile"], alone["profile"]);

    // Damage costs what is damaged, and nothing else.
    truncate(&unfinished(&out("cut")).join("watched"), 0.7);
    flip_a_feature_of_the_first_frame(&unfinished(&out("flipped")));
    for (name, whole) in [("cut", kept * 7 / 10), ("flipped", kept - 1)] {
        let again = run(name);
        assert_eq!(again["profile"], alone["profile"], "{name}");
        let frames = again["taken_over"]["frames"].as_u64().unwrap();
        // Looks, without those at copies: of each four frames there is one.
        let copies = whole / 5..=whole.div_ceil(5) + 1;
        assert!(
            copies.contains(&(whole - frames)),
            "{name}: {frames} of {whole}"
        );
    }
}

fn flip_a_feature_of_the_first_frame(folder: &Path) {
    let features = names(folder)
        .into_iter()
        .find(|name| name.starts_with("x_"));
    let path = folder.join(features.unwrap());
    let mut bytes = fs::read(&path).unwrap();
    bytes[1000] ^= 4;
    fs::write(path, bytes).unwrap();
}

/// One that this process may run on.
fn first_core() -> String {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let cores = status
        .lines()
        .find_map(|line| line.strip_prefix("Cpus_allowed_list:"));
    let first = cores.unwrap().trim().split([',', '-']).next();
    first.unwrap().to_owned()
}

#[test]
fn other_footage_uses_nothing_of_a_calibration_that_was_stopped() {
    let folder = tempfile::tempdir().unwrap();
    let [out, fresh, other] = ["p", "fresh", "other"].map(|name| folder.path().join(name));
    draw(&other, 500..540);
    let mut child = started(command(normal(), &out, SOME));
    wait(&mut child, || students(&out) > 0);
    signal(&child, "TERM");
    let output = child.wait_with_output().unwrap();
    let words = [
        "stopped; no Profile was written",
        "the same command goes on from",
        "p.unfinished",
    ];
    refused(&output, 75, &words);
    let alone = made(&command(&other, &fresh, SOME).output().unwrap(), &fresh);
    let over = made(&command(&other, &out, SOME).output().unwrap(), &out);
    assert_eq!(over["profile"], alone["profile"]);
    assert_eq!(over["taken_over"], alone["taken_over"]);
}

#[test]
fn two_calibrations_of_one_profile_do_not_run_at_once_and_each_is_nice() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("p");
    let mut first = started(command(normal(), &out, ENDLESS));
    // Then it trains, each student in a thread of its own.
    wait(&mut first, || has_frames(&out));
    let second = calibrate(normal(), &out, &[]);
    refused(
        &second,
        75,
        &[
            "p.unfinished is being worked on by another inspectd",
            "--out",
        ],
    );
    let tasks = PathBuf::from(format!("/proc/{}/task", first.id()));
    wait(&mut first, || names(&tasks).len() > 1);
    for task in names(&tasks) {
        let Ok(stat) = fs::read_to_string(tasks.join(&task).join("stat")) else {
            continue; // it has ended
        };
        // The name, in parentheses, is the second; the 19th is how nice it is.
        let (_, rest) = stat.rsplit_once(") ").unwrap();
        assert_eq!(rest.split(' ').nth(16), Some("10"), "task {task}");
    }
    kill(first);
}

#[test]
fn a_refine_waits_for_no_calibration_of_its_profile_and_keeps_what_one_left() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("p");
    copy(profile(), &out);
    let refine = || {
        let mut command = program();
        command.args(["calibrate", "--refine", "--fine"]);
        command.arg(normal().join("0007.jpg"));
        command.arg("--out").arg(&out).output().unwrap()
    };
    let mut first = started(command(normal(), &out, ENDLESS));
    wait(&mut first, || has_frames(&out));
    refused(&refine(), 75, &["p.unfinished is being worked on"]);
    kill(first);
    let refined = refine();
    assert_eq!(refined.status.code(), Some(0), "{}", stderr(&refined));
    assert!(has_frames(&out));
    fs::remove_dir_all(unfinished(&out)).unwrap();
    assert_eq!(refine().status.code(), Some(0));
    assert_eq!(names(folder.path()), ["p", "p.previous"]);
}

#[test]
fn too_little_memory_is_refused_before_the_footage_is_watched_and_what_is_asked_for_is_enough() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("p");
    let refusal = calibrate(normal(), &out, &["--memory", "20MB"]);
    let verdict = refused(&refusal, 64, &["--memory allows 20 MB", "--frames"]);
    assert_eq!(names(folder.path()), [""; 0]);
    let (_, needed) = verdict.split_once("and ").unwrap();
    let needed: u64 = needed.split(' ').next().unwrap().parse().unwrap();
    let bound = format!("{needed}MB");
    let least = calibrate(normal(), &out, &["--json", "--memory", &bound]);
    let least = made(&least, &out);
    let peak = least["peak_memory_bytes"].as_u64().unwrap();
    assert!(peak <= needed * 1_000_000, "{peak} of {needed} MB");
    let free = calibrate(normal(), &folder.path().join("q"), &["--json"]);
    assert_eq!(said(&free)["profile"], least["profile"]);
    let unitless = calibrate(normal(), &out, &["--memory", "500"]);
    assert_eq!(unitless.status.code(), Some(64));
    assert!(stderr(&unitless).contains("500MB"), "{}", stderr(&unitless));
}

#[test]
fn a_film_that_is_stopped_while_it_is_learnt_goes_on_from_the_footage() {
    let set = Set::new(BELT, "");
    let out = set.path("profiles/cam0");
    let mut child = set.start(&["--frames", "40", "--epochs", ENDLESS]);
    wait(&mut child, || has_frames(&out));
    signal(&child, "TERM");
    let output = child.wait_with_output().unwrap();
    let words = [
        "no Profile was written",
        "--footage last goes on from",
        "cam0.unfinished",
    ];
    refused(&output, 75, &words);
    let again = set.calibrate(&["--frames", "40", "--footage", "last", "--json"]);
    assert_eq!(again.status.code(), Some(0), "{}", stderr(&again));
    // All of them, unless the machine is so busy that the first were kept before the last was watched.
    let taken_over = said(&again)["taken_over"]["frames"].as_u64().unwrap();
    assert!((1..=40).contains(&taken_over), "{taken_over}");
    assert!(!unfinished(&out).exists());
}

#[test]
fn a_hot_machine_is_told_beside_the_bar_once_as_a_warning_and_in_the_result() {
    let folder = tempfile::tempdir().unwrap();
    // A board's only sensor, in a mount namespace of its own; the bar is drawn on a terminal only.
    let run = "script -qec \"$INSPECTD calibrate --json --epochs 1 --frames 20 --footage $NORMAL --out p\"";
    let script = format!(
        "set -e; mount -t tmpfs none /sys/class; cd /sys/class; mkdir -p thermal/thermal_zone0; \
         cd thermal/thermal_zone0; echo cpu-thermal >type; echo 84600 >temp; cd $FOLDER; {run} /dev/null"
    );
    let output = Command::new("unshare")
        .args(["--user", "--map-root-user", "--mount", "sh", "-c", &script])
        .env("INSPECTD", env!("CARGO_BIN_EXE_inspectd"))
        .env("NORMAL", normal())
        .env("FOLDER", folder.path())
        .env("TERM", "xterm")
        .output()
        .unwrap();
    let said = stdout(&output);
    assert_eq!(output.status.code(), Some(0), "{said} {}", stderr(&output));
    assert_eq!(said.matches("the machine is at 85 °C").count(), 1, "{said}");
    assert!(said.contains("left  85 °C"), "{said}");
    assert!(said.contains(r#""hottest_celsius":84.6"#), "{said}");
}
