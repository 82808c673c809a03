//! `calibrate`, and what becomes of its Profile in `score` and `evaluate`.

use std::fs;
use std::io::Read as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::studio::{
    calibrate, calibration, film, labelled, names, normal, program, refused, stderr, stdout,
};

/// The bytes of the files that make a Profile what it is.
fn content(dir: &Path) -> [Vec<u8>; 3] {
    ["profile.json", "student.onnx", "statistics.safetensors"]
        .map(|name| fs::read(dir.join(name)).unwrap())
}

fn manifest(dir: &Path) -> Value {
    serde_json::from_slice(&content(dir)[0]).unwrap()
}

#[test]
fn the_same_seed_makes_the_same_profile_byte_by_byte_and_another_does_not() {
    let folder = tempfile::tempdir().unwrap();
    let make = |name: &str, seed: &str| {
        let out = folder.path().join(name);
        let output = calibrate(normal(), &out, &["--seed", seed]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        content(&out)
    };
    let (first, again, other) = (make("a", "5"), make("b", "5"), make("c", "6"));
    assert!(first == again, "one of the three files differs");
    for (file, (first, other)) in first.iter().zip(&other).enumerate() {
        assert!(first != other, "file {file} does not depend on the seed");
    }
}

#[test]
fn calibrate_tells_programs_what_it_made() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("press");
    let output = calibrate(normal(), &out, &["--json"]);
    let made: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(made["out"], out.to_str().unwrap());
    assert_eq!(made["scoring"], "default");
    assert_eq!((&made["frames"], &made["used"]), (&80.into(), &80.into()));
    assert!(made["profile"].as_str().unwrap().starts_with("sha256:"));
    assert!(made["threshold"].as_f64().unwrap().is_finite());
    assert!(made["peak_memory_bytes"].as_u64().unwrap() > 10_000_000);
    let hottest = &made["hottest_celsius"];
    assert!(hottest.is_null() || hottest.is_f64(), "{hottest}");
    let promise = &made["promise"];
    assert_eq!(promise["budget"], "1/day");
    // 80 frames at two a second are 40 s.
    assert_eq!(promise["is_supported"], false);
    let number = |key: &str| promise["warn"][key].as_f64().unwrap();
    assert!(number("low") < number("likely") && number("likely") < number("high"));
    assert!(number("likely") <= 1.01 && number("high") > 1.0);
    assert!(
        stderr(&output).contains("80 frames are few"),
        "{}",
        stderr(&output)
    );
    let frame = &manifest(&out)["origin"]["frame"];
    assert_eq!(
        (&frame["width"], &frame["height"]),
        (&640.into(), &480.into())
    );
}

#[test]
fn the_dump_has_one_row_a_frame() {
    let folder = tempfile::tempdir().unwrap();
    let (out, dump) = (folder.path().join("p"), folder.path().join("dump"));
    let output = calibrate(normal(), &out, &["--dump", dump.to_str().unwrap()]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(names(&dump), ["d.npy", "z.npy"]);
    let width = match crate::teacher::named() {
        None => 192,
        Some(_) => manifest(&out)["origin"]["teacher"]["width"]
            .as_u64()
            .unwrap(),
    };
    let shape = crate::scoring::npy_shape(&dump.join("z.npy"));
    assert_eq!(shape, [80, width as usize]);
    assert_eq!(crate::scoring::npy_shape(&dump.join("d.npy")), [80, 1]);
}

#[test]
fn the_former_profile_stays_as_previous_and_only_the_last_one() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("p");
    let mut former = Vec::new();
    for seed in ["1", "2", "3"] {
        let output = calibrate(normal(), &out, &["--seed", seed]);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        former.push(content(&out));
        if seed == "1" {
            assert_eq!(names(folder.path()), ["p"]);
        }
    }
    assert_eq!(names(folder.path()), ["p", "p.previous"]);
    assert!(content(&folder.path().join("p.previous")) == former[1]);
}

#[test]
fn a_video_teaches_about_what_its_frames_as_files_do() {
    let folder = tempfile::tempdir().unwrap();
    let video = folder.path().join("normal.mp4");
    film(&video, "libx264");
    let out = folder.path().join("p");
    let output = calibration(&["--json", "--footage"])
        .arg(&video)
        .arg("--out")
        .arg(&out)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let made: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&made["frames"], &made["used"]), (&80.into(), &80.into()));
    let by_files = manifest(crate::studio::profile());
    let by_video = manifest(&out);
    assert_eq!(by_video["origin"]["frame"], by_files["origin"]["frame"]);
    for (threshold, tolerance) in [("deciding", 0.35), ("local", 0.35)] {
        let raw = |manifest: &Value| manifest[threshold]["raw"].as_f64().unwrap();
        let (video, files) = (raw(&by_video), raw(&by_files));
        assert!(
            (video - files).abs() < tolerance * files.abs(),
            "{threshold}: {video} by the video, {files} by the files"
        );
    }
    let aurocs = [crate::studio::profile(), &out].map(|profile| {
        let table = crate::scoring::evaluate(profile, labelled(), folder.path());
        crate::scoring::auroc(&table, "default")
    });
    assert!((aurocs[0] - aurocs[1]).abs() < 0.1, "{aurocs:?}");
}

#[test]
fn longer_footage_is_thinned_evenly_and_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("p");
    let output = calibrate(normal(), &out, &["--frames", "40", "--json"]);
    let made: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&made["frames"], &made["used"]), (&80.into(), &40.into()));
    assert_eq!(manifest(&out)["origin"]["normal_frames"], 40);
    let output = calibrate(normal(), &out, &["--frames", "40"]);
    assert!(
        stdout(&output).contains("40 of 80 frames used"),
        "{}",
        stdout(&output)
    );
}

#[test]
fn ctrl_c_leaves_no_profile_and_says_how_to_go_on() {
    let folder = tempfile::tempdir().unwrap();
    // Long enough to be in the middle of the training when it is stopped.
    let mut child = start(normal(), folder.path(), "5000");
    thread::sleep(Duration::from_secs(2));
    assert_eq!(child.try_wait().unwrap(), None, "it is still at work");
    interrupt(&child.id().to_string());
    assert_stopped(child, folder.path());
}

#[test]
fn ctrl_c_in_a_terminal_also_ends_ffmpeg_and_that_is_no_fault_of_the_video() {
    let folder = tempfile::tempdir().unwrap();
    let short = tempfile::tempdir().unwrap();
    let short = short.path().join("short.mp4");
    film(&short, "libx264");
    let video = short.with_file_name("long.mp4");
    let ffmpeg = Command::new("ffmpeg")
        .args(["-v", "error", "-stream_loop", "9", "-i"])
        .arg(&short)
        .args(["-c", "copy"])
        .arg(&video)
        .status();
    assert!(ffmpeg.unwrap().success());
    let mut child = start(&video, folder.path(), "1");
    assert_eq!(child.try_wait().unwrap(), None, "it is still at work");
    // To the whole group, as a terminal does.
    interrupt(&format!("-{}", child.id()));
    assert_stopped(child, folder.path());
}

/// Starts a calibration in a process group of its own, and waits until it has looked at a frame.
fn start(footage: &Path, folder: &Path, epochs: &str) -> Child {
    let temporary = folder.join("tmp");
    fs::create_dir(&temporary).unwrap();
    let mut child = calibration(&["--epochs", epochs, "--footage"])
        .arg(footage)
        .arg("--out")
        .arg(folder.join("p"))
        .env("TMPDIR", &temporary)
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
        .unwrap();
    let unfinished = folder.join("p.unfinished");
    let has_features = || {
        let is_full = |file: fs::DirEntry| {
            let is_stream = file.file_name().to_string_lossy().starts_with("x_");
            is_stream && file.metadata().is_ok_and(|file| file.len() > 0)
        };
        fs::read_dir(&unfinished).is_ok_and(|files| files.flatten().any(is_full))
    };
    for _ in 0..1200 {
        if has_features() {
            return child;
        }
        thread::sleep(Duration::from_millis(25));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    panic!("no features after half a minute");
}

fn interrupt(whom: &str) {
    let kill = Command::new("kill")
        .args(["-s", "INT", "--", whom])
        .status();
    assert!(kill.unwrap().success());
}

/// Checks that it says so, with its exit code, and that only what is done and the empty `tmp` are left.
#[track_caller]
fn assert_stopped(mut child: Child, folder: &Path) {
    let status = child.wait().unwrap();
    let mut text = String::new();
    child
        .stderr
        .take()
        .unwrap()
        .read_to_string(&mut text)
        .unwrap();
    assert_eq!(status.code(), Some(75), "{text}");
    let path = folder.join("p.unfinished");
    let how = format!(
        "the same command goes on from {}, or delete it",
        path.display()
    );
    assert!(text.contains("stopped; no Profile was written"), "{text}");
    assert!(text.contains(&how), "{text}");
    assert_eq!(names(folder), ["p.unfinished", "tmp"]);
    assert_eq!(names(&folder.join("tmp")), [""; 0]);
}

#[test]
fn the_papers_scoring_trains_all_blocks_and_decides_by_its_sum() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("p");
    let output = calibrate(normal(), &out, &["--scoring", "paper", "--frames", "40"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let made = manifest(&out);
    assert_eq!(made["scoring"], "paper");
    let teacher_blocks = made["origin"]["teacher"]["blocks"].as_u64().unwrap();
    let first = teacher_blocks.div_ceil(2).min(3);
    let expected: Vec<Value> = (first..=teacher_blocks).map(Value::from).collect();
    assert_eq!(made["origin"]["student"]["blocks"], Value::from(expected));
    let table = crate::scoring::evaluate(&out, labelled(), folder.path());
    assert_eq!(table["scoring"], "paper");
    for score in ["pretrained", "discrepancy", "paper"] {
        let auroc = crate::scoring::auroc(&table, score);
        assert!((0.0..=1.0).contains(&auroc), "{score} {auroc}");
    }
    let pictures = names(&labelled().normal).into_iter();
    let pictures = pictures.map(|name| labelled().normal.join(name));
    let mut command = program();
    command.args(["score", "--json", "--profile"]).arg(&out);
    let lines = stdout(&command.args(pictures).output().unwrap());
    let mut decided_by_the_sum = 0;
    for line in lines.lines() {
        let line: Value = serde_json::from_str(line).unwrap();
        let value = |key: &str| line[key].as_f64().unwrap();
        if line["basis"] == "image" {
            assert_eq!(value("raw"), value("paper"), "{line}");
            assert_eq!(
                line["anomalous"],
                value("raw") > value("threshold"),
                "{line}"
            );
            decided_by_the_sum += 1;
        }
    }
    assert!(decided_by_the_sum > 0, "{lines}");
    let dump = fs::read_to_string(folder.path().join("dump/scores.csv")).unwrap();
    for line in dump.lines().skip(1) {
        let values: Vec<f64> = line
            .split(',')
            .skip(2)
            .map(|v| v.parse().unwrap())
            .collect();
        let [pretrained, discrepancy, paper, ..] = values[..] else {
            panic!("five scores in {line}");
        };
        assert!(
            (pretrained + discrepancy - paper).abs() < 1e-6 * paper.abs(),
            "{line}"
        );
    }
}

#[test]
fn footage_that_repeats_one_picture_is_refused_as_that_of_a_frozen_camera() {
    let folder = tempfile::tempdir().unwrap();
    let footage = folder.path().join("frozen");
    crate::studio::draw(&footage, 0..1);
    let [first] = &names(&footage)[..] else {
        panic!("one picture was drawn")
    };
    for copy in 0..24 {
        let to = footage.join(format!("copy-{copy:02}.png"));
        std::fs::copy(footage.join(first), to).unwrap();
    }
    let out = folder.path().join("p");
    let output = calibrate(&footage, &out, &[]);
    refused(&output, 65, &["does not vary enough", "a frozen camera?"]);
    assert!(!out.exists());
}

#[test]
fn fewer_than_twenty_frames_are_refused_with_the_number_to_film() {
    let folder = tempfile::tempdir().unwrap();
    let footage = folder.path().join("few");
    crate::studio::draw(&footage, 0..19);
    let out = folder.path().join("p");
    let output = calibrate(&footage, &out, &[]);
    refused(
        &output,
        65,
        &["only 19 frames", "20 are the least", "at least 100", "few"],
    );
    assert_eq!(names(folder.path()), ["few"]);
}
