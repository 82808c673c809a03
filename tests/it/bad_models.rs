//! What the file commands say of teachers and Profiles that are damaged, changed or gone.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use crate::studio::{
    calibrate, labelled, names, normal, profile, program, refused, stderr, truncate,
};
use crate::teacher;

type Damage = fn(&Path);

/// `score --profile PROFILE PICTURE MORE...` on a good picture.
fn score(profile: &Path, more: &[&str]) -> Output {
    let mut command = program();
    command.args(["score", "--profile"]).arg(profile);
    command.arg(labelled().normal.join("0300.jpg")).args(more);
    command.output().unwrap()
}

/// The good Profile, copied to be damaged.
fn copy_of_profile(folder: &Path) -> PathBuf {
    let copy = folder.join("p");
    fs::create_dir(&copy).unwrap();
    for name in names(profile()) {
        fs::copy(profile().join(&name), copy.join(&name)).unwrap();
    }
    copy
}

/// The teacher's file, copied to be damaged, and its sidecar beside it.
fn copy_of_teacher(folder: &Path) -> PathBuf {
    let copy = folder.join("teacher.onnx");
    for end in ["onnx", "toml"] {
        fs::copy(
            teacher::file().with_extension(end),
            copy.with_extension(end),
        )
        .unwrap();
    }
    copy
}

#[test]
fn teachers_that_cannot_be_used_are_refused_before_any_work() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("p");
    let with =
        |teacher: &Path| calibrate(normal(), &out, &["--teacher", teacher.to_str().unwrap()]);
    let missing = folder.path().join("mine.onnx");
    refused(
        &with(&missing),
        66,
        &["can't read the teacher", "mine.onnx"],
    );

    let truncated = copy_of_teacher(folder.path());
    truncate(&truncated, 0.5);
    refused(&with(&truncated), 65, &["teacher.onnx is damaged"]);
    fs::write(&truncated, "").unwrap();
    refused(&with(&truncated), 65, &["teacher.onnx is"]);

    // A network all right, but one block that wants tokens and not pictures.
    let student = folder.path().join("student.onnx");
    fs::copy(profile().join("student.onnx"), &student).unwrap();
    refused(
        &with(&student),
        65,
        &["student.onnx", "takes no picture", "models/README.md"],
    );

    let teacher = copy_of_teacher(folder.path());
    fs::write(folder.path().join("teacher.toml"), "mean = [0.5, 0.5]").unwrap();
    refused(
        &with(&teacher),
        65,
        &["teacher.toml is wrong", "models/README.md"],
    );
    assert!(!out.exists());
}

#[test]
fn a_teacher_changed_or_gone_after_calibration_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let teacher = copy_of_teacher(folder.path());
    let out = folder.path().join("p");
    let path = teacher.to_str().unwrap();
    let output = calibrate(normal(), &out, &["--teacher", path]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert_eq!(score(&out, &[]).status.code(), Some(0));

    let good = fs::read(&teacher).unwrap();
    let mut bytes = good.clone();
    let middle = bytes.len() / 2; // a weight
    bytes[middle] ^= 1;
    fs::write(&teacher, &bytes).unwrap();
    let words = [
        "was made for the teacher with SHA-256",
        "--teacher",
        "calibrate again",
    ];
    refused(&score(&out, &[]), 65, &words);

    fs::write(&teacher, &good[..good.len() / 2]).unwrap();
    refused(&score(&out, &[]), 65, &["teacher.onnx is damaged"]);

    fs::write(&teacher, &good).unwrap();
    let sidecar = folder.path().join("teacher.toml");
    let text = fs::read_to_string(&sidecar).unwrap();
    fs::write(&sidecar, text.replace("mean = [0.5", "mean = [0.4")).unwrap();
    refused(
        &score(&out, &[]),
        65,
        &["its sidecar now says", "calibrate again"],
    );

    fs::remove_file(&teacher).unwrap();
    refused(
        &score(&out, &[]),
        66,
        &["can't read the teacher", path, "--teacher"],
    );
    // The very file, found again where the user says.
    let again = score(&out, &["--teacher", teacher::file().to_str().unwrap()]);
    assert_eq!(again.status.code(), Some(0), "{}", stderr(&again));
}

#[test]
fn a_profile_of_another_teacher_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let teacher = copy_of_teacher(folder.path());
    let mut bytes = fs::read(&teacher).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&teacher, &bytes).unwrap();
    let output = score(profile(), &["--teacher", teacher.to_str().unwrap()]);
    let words = ["was made for the teacher with SHA-256", "calibrate again"];
    refused(&output, 65, &words);
}

#[test]
fn a_profile_that_is_missing_truncated_or_edited_is_refused_with_the_way_out() {
    let missing = Path::new("/no/such/profile");
    let words = ["/no/such/profile is no Profile", "inspectd calibrate"];
    refused(&score(missing, &[]), 66, &words);
    let way_out = "inspectd calibrate --footage PATH --out";
    // What calibration found is never read again, and what refining needs is not read for a score.
    let is_unread = |name: &String| name.starts_with("report.") || name == "material.safetensors";
    for name in names(profile()).into_iter().filter(|name| !is_unread(name)) {
        let damages: [(&str, Damage); 3] = [
            ("truncated", |file| truncate(file, 0.5)),
            ("changed", |file| {
                let mut bytes = fs::read(file).unwrap();
                // A digit somewhere in the middle of a text file stays a digit.
                let digit = bytes.len() / 2
                    + bytes[bytes.len() / 2..]
                        .iter()
                        .position(u8::is_ascii_digit)
                        .unwrap();
                bytes[digit] = if bytes[digit] == b'1' { b'2' } else { b'1' };
                fs::write(file, bytes).unwrap();
            }),
            ("missing", |file| fs::remove_file(file).unwrap()),
        ];
        for (damage, apply) in damages {
            if (name.as_str(), damage) == ("receipt.json", "changed") {
                continue; // when and where it was made is no part of what it is
            }
            let folder = tempfile::tempdir().unwrap();
            let copy = copy_of_profile(folder.path());
            apply(&copy.join(&name));
            let code = if (name.as_str(), damage) == ("profile.json", "missing") {
                66
            } else {
                65
            };
            let said = refused(&score(&copy, &[]), code, &[way_out]);
            assert!(
                said.contains(copy.to_str().unwrap()),
                "{name} {damage}: {said}"
            );
            if code == 65 {
                assert!(
                    said.contains(&format!("p/{name}")),
                    "{name} {damage}: {said}"
                );
            }
        }
    }
}
