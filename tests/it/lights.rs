//! Several lights in one Profile: filmed apart, learnt together, each judged by its own.

use std::fs;
use std::path::Path;

use image::RgbImage;
use serde_json::Value;

use crate::studio::{calibrate, calibration, frame, names, program, refused, stderr, stdout};

/// The belt in a light that is `factor` times as bright, seen by a camera that has more noise for it.
fn draw(folder: &Path, numbers: std::ops::Range<u64>, factor: f32, defects: bool) {
    fs::create_dir_all(folder).unwrap();
    for number in numbers {
        let mut picture: RgbImage = frame(number, defects);
        for (i, value) in picture.iter_mut().enumerate() {
            let noise = (i as u64 ^ number).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 62;
            *value = (f32::from(*value) * factor) as u8 + noise as u8;
        }
        picture
            .save(folder.join(format!("{number:05}.png")))
            .unwrap();
    }
}

/// What is said of each image in a folder.
fn scores(profile: &Path, folder: &Path) -> Vec<Value> {
    let mut command = program();
    command.args(["score", "--json", "--profile"]).arg(profile);
    command.args(names(folder).iter().map(|name| folder.join(name)));
    let lines = stdout(&command.output().unwrap());
    let lines = lines.lines();
    lines
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn day_and_night_are_judged_by_their_own_statistics_and_dusk_is_no_anomaly() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    draw(&path("day"), 0..60, 1.0, false);
    draw(&path("night"), 200..250, 0.2, false);
    let output = calibration(&["--json", "--epochs", "3", "--false-alarms", "2%"])
        .args(["--footage".as_ref(), path("day").as_os_str()])
        .args(["--footage".as_ref(), path("night").as_os_str()])
        .args(["--out".as_ref(), path("belt").as_os_str()])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = stderr(&output);
    assert!(!text.contains("too few"), "{text}");
    let report: Value =
        serde_json::from_slice(&fs::read(path("belt").join("report.json")).unwrap()).unwrap();
    let kinds = report["light"]["kinds"].as_array().unwrap();
    let frames: Vec<u64> = kinds
        .iter()
        .map(|kind| kind["frames"].as_u64().unwrap())
        .collect();
    assert_eq!(frames, [50, 60]);
    assert_eq!(report["footage"]["frames"], 110);

    for (factor, name) in [(1.0, "by day"), (0.2, "by night")] {
        draw(&path(name), 400..420, factor, false);
        let scored = scores(&path("belt"), &path(name));
        assert_eq!(scored.len(), 20);
        let normal = scored.iter().filter(|line| line["anomalous"] == false);
        let normal = normal.count();
        assert!(normal >= 17, "{name}: {normal} of 20");
    }
    draw(&path("dusk"), 400..410, 0.5, false);
    for line in scores(&path("belt"), &path("dusk")) {
        assert_eq!(line["judged"], false, "{line}");
        assert!(line["reason"].as_str().unwrap().contains("light"), "{line}");
    }
}

#[test]
fn a_light_of_too_few_frames_is_told_once_at_the_end_and_in_the_report() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    draw(&path("belt"), 0..60, 1.0, false);
    draw(&path("belt"), 200..212, 0.2, false);
    let out = path("press");
    let output = calibrate(&path("belt"), &out, &[]);
    let text = stderr(&output);
    assert_eq!(output.status.code(), Some(0), "{text}");
    let said = "12 frames are much darker than the others, too few for statistics of their own";
    assert_eq!(text.matches(said).count(), 1, "{text}");
    let report = fs::read_to_string(out.join("report.json")).unwrap();
    assert!(report.contains(said), "{report}");
}

#[test]
fn footage_that_is_missing_is_named_before_anything_is_learnt() {
    let folder = tempfile::tempdir().unwrap();
    draw(&folder.path().join("day"), 0..3, 1.0, false);
    let output = program()
        .args(["calibrate", "--footage"])
        .arg(folder.path().join("day"))
        .arg("--footage")
        .arg(folder.path().join("nihgt"))
        .arg("--out")
        .arg(folder.path().join("belt"))
        .output()
        .unwrap();
    refused(&output, 66, &["nihgt", "can't find the footage"]);
}
