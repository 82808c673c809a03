//! `inspectd profile show` and `inspectd profile rollback`.

use std::fs;
use std::path::Path;
use std::process::Output;

use serde_json::Value;

use crate::studio::{calibrate, names, normal, profile, program, refused, stderr, stdout};
use crate::teacher;

fn run(command: &str, dir: &Path, more: &[&str]) -> Output {
    let mut program = program();
    program.args(["profile", command]).arg(dir).args(more);
    program.output().unwrap()
}

fn json(output: &Output) -> Value {
    assert_eq!(output.status.code(), Some(0), "{}", stderr(output));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// A copy of the good Profile.
fn copy(to: &Path) {
    fs::create_dir(to).unwrap();
    for name in names(profile()) {
        fs::copy(profile().join(&name), to.join(&name)).unwrap();
    }
}

#[test]
fn show_tells_what_a_profile_is_for_people_and_programs() {
    let shown = json(&run("show", profile(), &["--json"]));
    assert_eq!(shown["frames"], 80);
    assert_eq!(shown["frame"]["width"], 640);
    assert_eq!(
        (&shown["format"], &shown["scoring"]),
        (&3.into(), &"default".into())
    );
    assert!(shown["profile"].as_str().unwrap().starts_with("sha256:"));
    assert_eq!(shown["golden"].as_array().unwrap().len(), 3);
    let named = teacher::named().map(|path| path.display().to_string());
    assert_eq!(
        (&shown["previous"], &shown["teacher"]["path"]),
        (&Value::Null, &named.clone().into())
    );
    assert!(shown["deciding"]["raw"].is_f64() && shown["calibrated_at"].is_string());
    let output = run("show", profile(), &[]);
    let text = stdout(&output);
    let id = shown["profile"].as_str().unwrap();
    for words in [
        id,
        &format!("teacher        {}", named.as_deref().unwrap_or("bundled")),
        "80 normal ones of 640x480",
        "golden frames  3",
        "previous       none",
        "likely, 90 % sure between",
    ] {
        assert!(text.contains(words), "{words} in {text}");
    }
}

#[test]
fn a_profile_is_rolled_back_and_forth_and_each_time_it_is_said_what_is_in_place() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("p");
    copy(&dir);
    let first = json(&run("show", &dir, &["--json"]))["profile"].clone();
    let output = calibrate(normal(), &dir, &["--seed", "9"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let shown = json(&run("show", &dir, &["--json"]));
    let second = shown["profile"].clone();
    assert_eq!(shown["previous"]["profile"], first);
    let text = stdout(&run("show", &dir, &[]));
    assert!(text.contains("inspectd profile rollback"), "{text}");

    let back = json(&run("rollback", &dir, &["--json"]));
    assert_eq!((&back["profile"], &back["previous"]), (&first, &second));
    let output = run("rollback", &dir, &[]);
    let text = stdout(&output);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let [first, second] = [&first, &second].map(|id| &id.as_str().unwrap()[..19]);
    for words in [
        &format!("Profile {second}"),
        &format!("{first} is the previous"),
        "reload",
    ] {
        assert!(text.contains(words), "{words} in {text}");
    }
    assert_eq!(names(folder.path()), ["p", "p.previous"]);
}

#[test]
fn bad_frames_that_a_rollback_puts_aside_are_told_with_the_way_to_tell_them_again() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("p");
    copy(&dir);
    let mut command = program();
    command.args(["calibrate", "--refine", "--accept-missed", "--out"]);
    command
        .arg(&dir)
        .arg("--bad")
        .arg(normal().join("0007.jpg"));
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let text = stdout(&run("rollback", &dir, &[]));
    for words in ["1 bad frames go with it", "p.previous/recall-*"] {
        assert!(text.contains(words), "{words} in {text}");
    }
    let back = json(&run("rollback", &dir, &["--json"]));
    assert_eq!(back["bad_put_aside"], 0);
}

#[test]
fn what_cannot_be_shown_or_taken_back_is_refused_with_the_way_out() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("p");
    refused(
        &run("show", &dir, &[]),
        66,
        &["p is no Profile", "inspectd calibrate"],
    );
    copy(&dir);
    let words = [
        "p has no previous Profile",
        "p.previous",
        "inspectd calibrate",
    ];
    refused(&run("rollback", &dir, &[]), 66, &words);

    let previous = folder.path().join("p.previous");
    copy(&previous);
    fs::write(previous.join("golden-1.jpg"), "no picture").unwrap();
    let words = [
        "p.previous/golden-1.jpg is truncated or was changed",
        "can't be taken back",
    ];
    refused(&run("rollback", &dir, &[]), 65, &words);
    let text = stdout(&run("show", &dir, &[]));
    assert!(text.contains("none that can be used: "), "{text}");
    fs::remove_dir_all(&previous).unwrap();

    // The same teacher by another preprocessing is another teacher.
    copy(&previous);
    let teacher = folder.path().join("mine.onnx");
    fs::copy(teacher::file(), &teacher).unwrap();
    let sidecar = fs::read_to_string(teacher::file().with_extension("toml")).unwrap();
    let sidecar = sidecar.replace("mean = [0.5", "mean = [0.4");
    fs::write(folder.path().join("mine.toml"), sidecar).unwrap();
    let with = ["--teacher", teacher.to_str().unwrap()];
    let words = ["p.previous was made for this teacher with", "--teacher"];
    refused(&run("rollback", &dir, &with), 65, &words);
    assert_eq!(run("rollback", &dir, &[]).status.code(), Some(0));

    fs::write(dir.join("student.onnx"), "no student").unwrap();
    let words = ["student.onnx is truncated", "inspectd profile rollback"];
    refused(&run("show", &dir, &[]), 65, &words);
    assert_eq!(run("rollback", &dir, &[]).status.code(), Some(0));
    assert_eq!(run("show", &dir, &[]).status.code(), Some(0));
}
