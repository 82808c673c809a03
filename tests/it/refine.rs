//! `calibrate --refine`: frames that alarm are told to be fine and pass, bad ones stay found, and the
//! former Profile comes back.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::Value;

use crate::studio::{
    calibrate, calibrate_seeing, frame, labelled, names, normal, program, refused, stderr, stdout,
};

/// A folder with a Profile whose lines are low, so that something alarms, and with pictures of a kind
/// that was not filmed: a label in a corner.
pub(crate) struct Bench {
    folder: tempfile::TempDir,
    pub(crate) dir: PathBuf,
    pub(crate) fine: PathBuf,
}

impl Bench {
    pub(crate) fn new() -> Bench {
        Bench::by(calibrate, "5%")
    }

    /// By a teacher that sees, for so many false alarms.
    pub(crate) fn seeing(budget: &str) -> Bench {
        Bench::by(calibrate_seeing, budget)
    }

    /// With a Profile that is calibrated like this.
    fn by(calibrate: fn(&Path, &Path, &[&str]) -> Output, budget: &str) -> Bench {
        let folder = tempfile::tempdir().unwrap();
        let bench = Bench {
            dir: folder.path().join("press"),
            fine: folder.path().join("fine"),
            folder,
        };
        let output = calibrate(normal(), &bench.dir, &["--false-alarms", budget]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        draw_labels(&bench.fine, 400, 12);
        bench
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Refines with these verdicts.
    pub(crate) fn refine(&self, fine: &[&Path], bad: &[&Path], more: &[&str]) -> Output {
        let mut command = program();
        command
            .args(["calibrate", "--refine", "--out"])
            .arg(&self.dir);
        for (flag, paths) in [("--fine", fine), ("--bad", bad)] {
            if !paths.is_empty() {
                command.arg(flag).args(paths);
            }
        }
        command.args(more).output().unwrap()
    }

    /// The pictures of a folder that are anomalous.
    fn anomalous(&self, folder: &Path) -> Vec<PathBuf> {
        let pictures = names(folder).into_iter().map(|name| folder.join(name));
        let mut command = program();
        command
            .args(["score", "--json", "--profile"])
            .arg(&self.dir);
        let output = command.args(pictures).output().unwrap();
        let lines = stdout(&output);
        let lines = lines
            .lines()
            .map(|line| serde_json::from_str(line).unwrap());
        let anomalous = lines.filter(|line: &Value| line["anomalous"] == true);
        anomalous
            .map(|line| line["file"].as_str().unwrap().into())
            .collect()
    }

    /// Every byte of the Profile.
    pub(crate) fn bytes(&self) -> Vec<(String, Vec<u8>)> {
        let names = names(&self.dir).into_iter();
        names
            .map(|name| (name.clone(), fs::read(self.dir.join(name)).unwrap()))
            .collect()
    }
}

/// Normal parts with a small label on the belt, as no frame of the footage has one: beyond a line for many
/// false alarms, short of one for few.
fn draw_labels(folder: &Path, from: u64, count: u64) {
    fs::create_dir_all(folder).unwrap();
    for number in (from..).step_by(7).take(count as usize) {
        let mut picture = frame(number, false);
        for y in 40..70 {
            for x in 60..90 {
                let is_dark = (x / 10 + y / 10 + number as u32).is_multiple_of(3);
                picture.put_pixel(x, y, image::Rgb([if is_dark { 60 } else { 100 }; 3]));
            }
        }
        picture
            .save(folder.join(format!("{number:04}.png")))
            .unwrap();
    }
}

pub(crate) fn json(output: &Output) -> Value {
    assert_eq!(output.status.code(), Some(0), "{}", stderr(output));
    serde_json::from_slice(&output.stdout).unwrap()
}

fn rollback(dir: &Path) {
    let output = program()
        .args(["profile", "rollback"])
        .arg(dir)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
}

#[test]
fn frames_that_are_told_to_be_fine_pass_and_so_do_their_like_until_it_is_taken_back() {
    let bench = Bench::seeing("5%");
    let like = bench.path("like");
    draw_labels(&like, 900, 10);
    let before = bench.bytes();
    let [told, alike] = [&bench.fine, &like].map(|folder| bench.anomalous(folder).len());
    assert!(told >= 10 && alike >= 8, "{told}, {alike}");
    let refined = json(&bench.refine(&[&bench.fine], &[], &["--json"]));
    assert_eq!(refined["written"], true);
    let fine = &refined["fine"];
    assert_eq!(
        (&fine["new"], &fine["above_before"]),
        (&12.into(), &told.into())
    );
    assert!(
        fine["above_after"].as_u64().unwrap() < told as u64,
        "{refined}"
    );
    let [then, now] = ["before", "after"].map(|key| refined[key]["threshold"].as_f64().unwrap());
    assert_ne!(then, now);
    assert!(bench.anomalous(&bench.fine).len() <= 2);
    assert!(bench.anomalous(&like).len() < alike);
    // A defect is none the less found.
    assert!(!bench.anomalous(&labelled().anomalous).is_empty());
    assert!(
        !bench.dir.join("report.html").exists(),
        "it told of another calibration"
    );

    let show = program()
        .args(["profile", "show"])
        .arg(&bench.dir)
        .output()
        .unwrap();
    let text = stdout(&show);
    assert!(
        text.contains("refined        1 x, with 12 fine frames"),
        "{text}"
    );
    rollback(&bench.dir);
    assert!(bench.bytes() == before, "every byte of it is back");
    assert_eq!(bench.anomalous(&bench.fine).len(), told);
}

#[test]
fn a_second_refine_with_the_same_folder_counts_nothing_twice_and_keeps_the_former() {
    let bench = Bench::new();
    let output = bench.refine(&[&bench.fine], &[], &[]);
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    for words in [
        "12 fine and 0 bad",
        "before",
        "after",
        "local threshold",
        "of 12",
        "rollback",
    ] {
        assert!(text.contains(words), "{words} in {text}");
    }
    let (once, previous) = (bench.bytes(), names(&bench.path("press.previous")));
    let again = json(&bench.refine(&[&bench.fine], &[], &["--json"]));
    assert_eq!(
        (&again["written"], &again["known"]),
        (&false.into(), &12.into())
    );
    assert!(bench.bytes() == once && names(&bench.path("press.previous")) == previous);
    let text = stdout(&bench.refine(&[&bench.fine], &[], &[]));
    assert!(text.contains("Nothing new"), "{text}");
}

#[test]
fn what_is_bad_must_be_found_by_every_later_profile_or_nothing_is_written() {
    let bench = Bench::new();
    let missed = labelled().normal.join("0300.jpg");
    let found = bench.anomalous(&bench.fine).remove(0);
    let before = bench.bytes();
    // Not anomalous, yet somebody says that it is bad.
    let output = bench.refine(&[], &[&missed, &found], &[]);
    refused(
        &output,
        65,
        &[
            "1 of 2 bad frames",
            "0300.jpg (0.",
            "does not find it either",
            "--accept-missed",
        ],
    );
    assert!(bench.bytes() == before && !bench.path("press.previous").exists());

    let accepted = bench.refine(&[], &[&missed, &found], &["--accept-missed", "--json"]);
    assert!(
        stderr(&accepted).contains("passes as normal"),
        "{}",
        stderr(&accepted)
    );
    let accepted = json(&accepted);
    let bad = &accepted["bad"];
    assert_eq!(
        (&bad["in_all"], &bad["found_after"]),
        (&2.into(), &1.into())
    );
    assert_eq!(
        accepted["before"]["threshold"],
        accepted["after"]["threshold"]
    );

    // The like of what is bad is told to be fine: the one that was found would pass.
    draw_labels(&bench.fine, 900, 10);
    let told = names(&bench.fine)
        .into_iter()
        .map(|name| bench.fine.join(name));
    let fine: Vec<PathBuf> = told.filter(|path| *path != found).collect();
    let fine: Vec<&Path> = fine.iter().map(PathBuf::as_path).collect();
    let kept = bench.bytes();
    let output = bench.refine(&fine, &[], &[]);
    refused(
        &output,
        65,
        &[
            "1 of 2 bad frames would pass",
            "recall-2.png (0.",
            "by the former Profile",
        ],
    );
    assert!(bench.bytes() == kept, "not a byte has changed");

    // A new calibration carries both over. The one that is accepted holds up none.
    let output = calibrate(normal(), &bench.dir, &["--false-alarms", "5%", "--json"]);
    let made = json(&output);
    assert_eq!((&made["recall"], &made["missed"]), (&2.into(), &1.into()));
    let again = calibrate(normal(), &bench.dir, &["--false-alarms", "1/week"]);
    refused(
        &again,
        65,
        &[
            "bad frames would pass",
            "recall-2.png",
            "kept in",
            "press.unfinished, and the next calibration of the same footage",
        ],
    );
    let again = calibrate(
        normal(),
        &bench.dir,
        &["--false-alarms", "1/week", "--accept-missed"],
    );
    assert!(
        stdout(&again).contains("0 of 2 found"),
        "{}",
        stdout(&again)
    );

    // The last verdict on a frame counts.
    let output = bench.refine(&[&found], &[], &["--json", "--accept-missed"]);
    assert_eq!(json(&output)["bad"]["in_all"], 1);
    refused(
        &bench.refine(&[&missed], &[&missed], &[]),
        65,
        &["fine and to be bad"],
    );
}

#[test]
fn a_bad_frame_whose_scene_is_at_fault_is_told_and_holds_up_no_calibration() {
    let bench = Bench::new();
    let accepted = labelled().normal.join("0300.jpg");
    json(&bench.refine(&[], &[&accepted], &["--accept-missed", "--json"]));
    let dark = bench.path("dark");
    fs::create_dir(&dark).unwrap();
    for number in 0..30 {
        let picture = image::imageops::brighten(&frame(number, false), -60);
        picture.save(dark.join(format!("{number:04}.png"))).unwrap();
    }
    let made = json(&calibrate(&dark, &bench.dir, &["--json"]));
    assert_eq!((&made["recall"], &made["missed"]), (&1.into(), &0.into()));
    let manifest = fs::read(bench.dir.join("profile.json")).unwrap();
    let manifest: Value = serde_json::from_slice(&manifest).unwrap();
    assert_eq!(manifest["recall"][0]["is_scene_fault"], true);
}

#[test]
fn what_teaches_nothing_is_left_out_with_its_reason() {
    let bench = Bench::new();
    let odd = bench.path("odd");
    fs::create_dir(&odd).unwrap();
    let picture = frame(500, false);
    image::imageops::thumbnail(&picture, 320, 240)
        .save(odd.join("a-small.png"))
        .unwrap();
    image::imageops::brighten(&picture, -70)
        .save(odd.join("b-dark.png"))
        .unwrap();
    fs::write(odd.join("c-torn.jpg"), "no picture").unwrap();
    let before = bench.bytes();
    let output = bench.refine(&[&odd], &[], &["--json"]);
    refused(&output, 65, &["all 3 frames that were told are left out"]);
    let text = stderr(&output);
    for words in [
        "a-small.png is left out: the picture is 320x240",
        "b-dark.png is left out: its light is another",
        "calibrate again on all lights",
        "c-torn.jpg is left out: the picture can't be decoded",
    ] {
        assert!(text.contains(words), "{words} in {text}");
    }
    let line: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(
        (&line["written"], &line["left_out"]),
        (&false.into(), &3.into())
    );
    assert!(bench.bytes() == before);
}

#[test]
fn where_there_is_no_profile_there_is_none_to_refine() {
    let folder = tempfile::tempdir().unwrap();
    for place in ["p", "no/folder/p"] {
        let mut command = program();
        command.args(["calibrate", "--refine", "--out"]);
        command.arg(folder.path().join(place)).arg("--fine");
        let output = command.arg(labelled().normal.join("0300.jpg")).output();
        refused(
            &output.unwrap(),
            66,
            &["p is no Profile", "inspectd calibrate"],
        );
    }
    assert_eq!(names(folder.path()), [""; 0]);
}

#[test]
fn flags_that_say_nothing_to_a_refine_are_refused_and_so_is_a_profile_without_material() {
    let bench = Bench::new();
    for (flags, words) in [
        (&["--epochs", "3"][..], "--epochs"),
        (&["--footage", "x"], "--footage"),
        (&["--false-alarms", "1%"], "--false-alarms"),
        (&["--scoring", "paper"], "--scoring"),
    ] {
        let output = bench.refine(&[&bench.fine], &[], flags);
        assert_eq!(output.status.code(), Some(64));
        let text = stderr(&output);
        assert!(text.contains("--refine") && text.contains(words), "{text}");
    }
    let output = bench.refine(&[], &[], &[]);
    assert_eq!(output.status.code(), Some(64), "{}", stderr(&output));
    for verdict in ["--fine", "--bad"] {
        let mut command = program();
        command.args(["calibrate", "--footage", "x", "--out", "y", verdict, "z"]);
        let output = command.output().unwrap();
        let text = stderr(&output);
        assert_eq!(output.status.code(), Some(64), "{text}");
        assert!(
            text.contains(verdict) && text.contains("--footage"),
            "{text}"
        );
    }
    let bare = bench.path("bare");
    crate::profile::make(&bare, false);
    let mut command = program();
    command.args(["calibrate", "--refine", "--out"]).arg(&bare);
    command.args(crate::teacher::options(crate::teacher::named()));
    let output = command.arg("--fine").arg(&bench.fine).output().unwrap();
    refused(
        &output,
        65,
        &["earlier version", "inspectd calibrate --footage"],
    );
}
