//! `score` and `evaluate` on pictures that the tests draw.

use std::fs;
use std::path::Path;
use std::process::Output;

use serde_json::Value;

use crate::studio::{
    Labelled, boxes, calibrate, frame, inspectd, labelled, names, profile, program, refused,
    seeing, stderr, stdout,
};

/// The shape that a `.npy` file states, checked against its length.
pub(crate) fn npy_shape(path: &Path) -> Vec<usize> {
    let bytes = fs::read(path).unwrap();
    assert_eq!(&bytes[..8], b"\x93NUMPY\x01\x00", "{}", path.display());
    let header = usize::from(u16::from_le_bytes([bytes[8], bytes[9]]));
    let text = std::str::from_utf8(&bytes[10..10 + header]).unwrap();
    let (_, shape) = text.split_once("'shape': (").unwrap();
    let (shape, _) = shape.split_once(')').unwrap();
    let shape: Vec<usize> = shape
        .split(',')
        .filter(|side| !side.trim().is_empty())
        .map(|side| side.trim().parse().unwrap())
        .collect();
    let value = if text.contains("'<f4'") {
        4
    } else {
        assert!(text.contains("'<f8'"), "{text}");
        8
    };
    assert_eq!(
        bytes.len(),
        10 + header + value * shape.iter().product::<usize>()
    );
    shape
}

/// Evaluates, with masks and with a dump into `folder/dump`, and gives the table.
pub(crate) fn evaluate(profile: &Path, pictures: &Labelled, folder: &Path) -> Value {
    let table = folder.join("table.json");
    let mut command = program();
    command.arg("evaluate").arg("--profile").arg(profile);
    command.arg("--normal").arg(&pictures.normal);
    command.arg("--anomalous").arg(&pictures.anomalous);
    command.arg("--masks").arg(&pictures.masks);
    command.arg("--json").arg(&table);
    command.arg("--dump").arg(folder.join("dump"));
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    serde_json::from_slice(&fs::read(&table).unwrap()).unwrap()
}

/// The AUROC of a score in the table of `evaluate`.
#[track_caller]
pub(crate) fn auroc(table: &Value, score: &str) -> f64 {
    let rows = table["scores"].as_array().unwrap();
    let row = rows.iter().find(|row| row["score"] == score);
    row.unwrap_or_else(|| panic!("no {score} in {table}"))["auroc"]
        .as_f64()
        .unwrap()
}

#[test]
fn evaluate_tells_defects_from_normal_and_dumps_what_it_saw() {
    let folder = tempfile::tempdir().unwrap();
    let table = evaluate(seeing(), labelled(), folder.path());
    assert_eq!(
        (&table["normal"], &table["anomalous"]),
        (&30.into(), &30.into())
    );
    assert_eq!(table["unjudged"], Value::Array(Vec::new()));
    // Chance is 0.5; slight defects and parts that are half in the picture count as well.
    for (score, least) in [("default", 0.76), ("local", 0.74)] {
        let auroc = auroc(&table, score);
        assert!(auroc >= least, "{score} {auroc}");
    }
    let pixels = table["pixels"]["auroc"].as_f64().unwrap();
    assert!(pixels >= 0.93, "pixels {pixels}");

    let dump = folder.path().join("dump");
    assert_eq!(names(&dump), ["d.npy", "scores.csv", "z.npy"]);
    let width = crate::teacher::that_sees().map_or(192, |_| 96);
    assert_eq!(npy_shape(&dump.join("z.npy")), [60, width]);
    assert_eq!(npy_shape(&dump.join("d.npy")), [60, 1]);
    let csv = fs::read_to_string(dump.join("scores.csv")).unwrap();
    let mut lines = csv.lines();
    assert_eq!(
        lines.next(),
        Some("file,label,pretrained,discrepancy,paper,default,local")
    );
    let labels: Vec<&str> = lines.map(|line| line.split(',').nth(1).unwrap()).collect();
    assert_eq!(labels[..30], ["normal"; 30]);
    assert_eq!(labels[30..], ["anomalous"; 30]);
}

#[test]
fn evaluate_and_score_agree_on_every_number() {
    let folder = tempfile::tempdir().unwrap();
    evaluate(profile(), labelled(), folder.path());
    let csv = fs::read_to_string(folder.path().join("dump/scores.csv")).unwrap();
    let lines: Vec<Value> = scores(&labelled().normal);
    assert_eq!(lines.len(), 30);
    for (row, line) in csv.lines().skip(1).zip(&lines) {
        let mut row = row.split(',');
        let file = line["file"].as_str().unwrap();
        assert!(file.ends_with(row.next().unwrap()), "{file}");
        assert_eq!(row.next(), Some("normal"));
        for (name, value) in ["pretrained", "discrepancy", "paper", "default", "local"]
            .iter()
            .zip(row)
        {
            assert_eq!(line[name].as_f64().unwrap(), value.parse::<f64>().unwrap());
        }
    }
}

/// What `score --json` says of each picture of a folder.
fn scores(folder: &Path) -> Vec<Value> {
    let mut command = program();
    command
        .args(["score", "--json", "--profile"])
        .arg(profile());
    command.args(names(folder).iter().map(|name| folder.join(name)));
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = stdout(&output);
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

#[test]
fn score_says_for_each_picture_what_its_numbers_say() {
    let lines = scores(&labelled().anomalous);
    assert!(lines.iter().any(|line| line["anomalous"] == true));
    for line in lines {
        let number = |key: &str| {
            line[key]
                .as_f64()
                .unwrap_or_else(|| panic!("{key}: {line}"))
        };
        let beyond =
            number("default") > number("threshold") || number("local") > number("local_threshold");
        if line["basis"] == "image" {
            assert_eq!(line["raw"], line["default"]);
        }
        assert_eq!(line["anomalous"], number("score") > 0.5, "{line}");
        assert!(beyond || line["anomalous"] == false, "{line}");
        assert!(
            line["p_value"]
                .as_f64()
                .is_some_and(|p| (0.0..=1.0).contains(&p))
        );
    }
}

#[test]
fn people_get_one_line_a_picture() {
    let folder = tempfile::tempdir().unwrap();
    crate::studio::draw(folder.path(), 400..402);
    let [first, second] = [400, 401].map(|n| folder.path().join(format!("{n:04}.jpg")));
    let output = program()
        .args(["score", "--profile"])
        .arg(profile())
        .args([&first, &second])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = stdout(&output);
    assert_eq!(text.lines().count(), 2);
    for (line, path) in text.lines().zip([&first, &second]) {
        assert!(
            line.starts_with("normal") || line.starts_with("anomalous"),
            "{line}"
        );
        assert!(line.ends_with(path.to_str().unwrap()), "{line}");
    }
}

#[test]
fn a_heat_map_has_its_pictures_size_and_differs_from_it() {
    let folder = tempfile::tempdir().unwrap();
    let maps = folder.path().join("a/b");
    let picture = frame(7, false);
    let path = folder.path().join("part.png");
    picture.save(&path).unwrap();
    let output = score_into(&maps, &[&path]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(names(&maps), ["part.heatmap.png"]);
    let map = image::open(maps.join("part.heatmap.png")).unwrap();
    assert_eq!((map.width(), map.height()), picture.dimensions());
    assert_ne!(map.into_rgb8(), picture);
}

#[test]
fn a_picture_of_another_size_than_the_footage_is_not_judged_and_has_no_heat_map() {
    let folder = tempfile::tempdir().unwrap();
    let maps = folder.path().join("maps");
    let cropped = image::imageops::crop_imm(&frame(7, false), 10, 20, 333, 222).to_image();
    let path = folder.path().join("cropped.png");
    cropped.save(&path).unwrap();
    let output = score_into(&maps, &[&path]);
    refused(&output, 65, &["1 of 1 images could not be judged"]);
    let line = stdout(&output);
    assert!(line.starts_with("unjudged"), "{line}");
    assert!(
        line.contains("333x222") && line.contains("640x480"),
        "{line}"
    );
    assert_eq!(names(&maps), [""; 0]);
}

#[test]
fn a_picture_whose_scene_is_at_fault_is_neither_normal_nor_anomalous() {
    let folder = tempfile::tempdir().unwrap();
    let [good, covered] = ["good.png", "covered.png"].map(|name| folder.path().join(name));
    frame(7, false).save(&good).unwrap();
    let grey = image::RgbImage::from_pixel(640, 480, image::Rgb([40, 40, 40]));
    grey.save(&covered).unwrap();
    let maps = folder.path().join("maps");
    let output = score_into(&maps, &[&good, &covered]);
    refused(&output, 65, &["1 of 2 images could not be judged"]);
    let text = stdout(&output);
    let lines: Vec<&str> = text.lines().collect();
    assert!(lines[0].starts_with("normal"), "{text}");
    assert!(lines[1].starts_with("unjudged   "), "{text}");
    assert!(lines[1].contains("camera_blocked"), "{text}");
    assert_eq!(names(&maps).len(), 2, "its score is shown all the same");

    let mut command = program();
    command
        .args(["score", "--json", "--profile"])
        .arg(profile());
    let output = command.args([&good, &covered]).output().unwrap();
    refused(&output, 65, &["1 of 2 images could not be judged"]);
    let text = stdout(&output);
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(
        (&lines[0]["judged"], &lines[0]["anomalous"]),
        (&true.into(), &false.into())
    );
    assert_eq!(
        (&lines[1]["judged"], &lines[1]["anomalous"]),
        (&false.into(), &Value::Null)
    );
    assert!(
        lines[1]["reason"]
            .as_str()
            .unwrap()
            .starts_with("camera_blocked: ")
    );
    assert_eq!(lines[1]["scene"]["fault"], "camera_blocked");
    assert!(lines[1]["score"].as_f64().is_some());
}

#[test]
fn the_limit_of_a_shift_is_the_one_that_is_given() {
    let folder = tempfile::tempdir().unwrap();
    let footage = folder.path().join("footage");
    fs::create_dir(&footage).unwrap();
    for i in 0..24 {
        boxes(0, i)
            .save(footage.join(format!("{i:02}.png")))
            .unwrap();
    }
    let out = folder.path().join("profile");
    let output = calibrate(&footage, &out, &[]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    // 0.05 of the width.
    let shifted = folder.path().join("shifted.png");
    boxes(32, 99).save(&shifted).unwrap();
    let words = |more: &[&str]| {
        let mut command = program();
        command.args(["score", "--profile"]).arg(&out).args(more);
        stdout(&command.arg(&shifted).output().unwrap())
    };
    assert!(words(&[]).contains("camera_moved"), "{}", words(&[]));
    let allowed = words(&["--moved-beyond", "0.1"]);
    let is_judged = allowed.starts_with("normal") || allowed.starts_with("anomalous");
    assert!(is_judged, "{allowed}");
    assert_eq!(
        inspectd(["score", "--profile", "a", "--moved-beyond", "0.7", "b"])
            .status
            .code(),
        Some(64)
    );
}

#[test]
fn pictures_whose_heat_maps_would_overwrite_each_other_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let [monday, tuesday] = ["monday", "tuesday"].map(|shift| {
        fs::create_dir(folder.path().join(shift)).unwrap();
        let path = folder.path().join(shift).join("part.png");
        frame(7, false).save(&path).unwrap();
        path
    });
    let output = score_into(&folder.path().join("maps"), &[&monday, &tuesday]);
    let words = ["monday/part.png", "tuesday/part.png", "two folders"];
    refused(&output, 65, &words);
    assert_eq!(stdout(&output), "", "it is told before the work");
}

/// `score --heatmap MAPS PICTURES...`.
fn score_into(maps: &Path, pictures: &[&Path]) -> Output {
    let mut command = program();
    command.args(["score", "--profile"]).arg(profile());
    command.arg("--heatmap").arg(maps).args(pictures);
    command.output().unwrap()
}

#[test]
fn a_reader_that_goes_away_ends_the_program_without_a_word() {
    for command in ["score", "evaluate", "inspect"] {
        let mut program = program();
        match command {
            "score" => program
                .args(["score", "--profile"])
                .arg(profile())
                .arg(labelled().normal.join("0300.jpg")),
            "evaluate" => program
                .args(["evaluate", "--profile"])
                .arg(profile())
                .arg("--normal")
                .arg(&labelled().normal)
                .arg("--anomalous")
                .arg(&labelled().anomalous),
            _ => program.args(["teacher", "inspect"]),
        };
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = program.stdout(writer).output().unwrap();
        assert_eq!(stderr(&output), "", "{command}");
        assert_eq!(output.status.code(), Some(0), "{command}");
    }
}

#[test]
fn every_command_shows_an_example_and_wrong_use_is_exit_code_64() {
    let commands = [
        vec!["demo"],
        vec!["calibrate"],
        vec!["score"],
        vec!["evaluate"],
        vec!["check"],
        vec!["run"],
        vec!["teacher"],
        vec!["teacher", "inspect"],
        vec!["schema"],
    ];
    for command in commands {
        let help = inspectd(command.iter().copied().chain(["--help"]));
        assert_eq!(help.status.code(), Some(0), "{command:?}");
        let example = format!("Example:\n  inspectd {}", command.join(" "));
        assert!(stdout(&help).contains(&example), "{}", stdout(&help));
        let wrong = inspectd(command.iter().copied().chain(["--no-such-option"]));
        assert_eq!(wrong.status.code(), Some(64), "{command:?}");
        assert!(
            stderr(&wrong).contains("--no-such-option"),
            "{}",
            stderr(&wrong)
        );
    }
    for wrong in [
        vec!["calibrate"],
        vec!["calibrate", "--footage", "a", "--out", "b", "--epochs", "0"],
        vec![
            "calibrate",
            "--footage",
            "a",
            "--out",
            "b",
            "--false-alarms",
            "0.7",
        ],
        vec![
            "calibrate",
            "--footage",
            "a",
            "--out",
            "b",
            "--frames",
            "19",
        ],
        vec!["score", "--profile", "a"],
        vec!["no-such-command"],
        vec![],
    ] {
        assert_eq!(inspectd(&wrong).status.code(), Some(64), "{wrong:?}");
    }
}
