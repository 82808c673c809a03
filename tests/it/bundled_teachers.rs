//! The two teachers in `models/` that this project has made: the card tells which files they are, and the small one
//! learns and judges as the default one does.

use std::fs;
use std::process::Output;

use serde_json::Value;

use crate::golden::sha256;
use crate::scoring::{auroc, evaluate};
use crate::studio::{calibrate, labelled, normal, program, stderr};
use crate::teacher::models;

/// A size with commas between thousands: `1,234,567`.
fn with_commas(bytes: usize) -> String {
    let digits = bytes.to_string();
    let groups: Vec<&str> = digits
        .as_bytes()
        .rchunks(3)
        .rev()
        .map(|group| str::from_utf8(group).unwrap())
        .collect();
    groups.join(",")
}

#[test]
fn the_card_states_size_and_hash_of_both() {
    let card = fs::read_to_string(models().join("CARD.md")).unwrap();
    for (name, largest) in [
        ("teacher.onnx", 12_000_000),
        ("teacher-nano.onnx", 1_500_000),
    ] {
        let bytes = fs::read(models().join(name)).unwrap();
        assert!(bytes.len() <= largest, "{name} has {}", bytes.len());
        let stated = format!(
            "{} bytes, SHA-256 `{}`",
            with_commas(bytes.len()),
            sha256(&bytes)
        );
        assert!(
            card.contains(&stated),
            "the card does not say of {name}: {stated}"
        );
    }
}

#[test]
fn the_small_one_learns_tells_defects_and_is_what_inspect_says() {
    let teacher = models().join("teacher-nano.onnx");
    let teacher = teacher.to_str().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let profile = folder.path().join("p");
    let output = calibrate(normal(), &profile, &["--teacher", teacher]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(!stderr(&output).contains("sidecar"), "{}", stderr(&output));
    // Its path is in the Profile.
    let table = evaluate(&profile, labelled(), folder.path());
    assert_eq!(table["teacher"], sha256(&fs::read(teacher).unwrap()));
    let found = auroc(&table, "default");
    assert!(found >= 0.72, "{found}");

    let inspected: Output = program()
        .args(["teacher", "inspect", teacher])
        .output()
        .unwrap();
    assert_eq!(inspected.status.code(), Some(0), "{}", stderr(&inspected));
    let said = String::from_utf8_lossy(&inspected.stdout);
    let value = |name: &str| {
        let line = said.lines().find(|line| line.starts_with(name)).unwrap();
        line.split_whitespace().last().unwrap().to_owned()
    };
    assert_eq!(
        (value("blocks"), value("width"), value("tokens")),
        ("4".into(), "96".into(), "197".into())
    );
}

#[test]
fn what_a_frame_takes_is_told_to_people_and_programs_who_ask() {
    let inspect = |more: &[&str]| {
        let output = program().args(["teacher", "inspect"]).args(more).output();
        let output = output.unwrap();
        (
            output.status.code(),
            String::from_utf8(output.stdout).unwrap(),
        )
    };
    let (code, said) = inspect(&["--frames", "3"]);
    assert_eq!(code, Some(0));
    let line = said
        .lines()
        .find(|line| line.starts_with("one frame"))
        .unwrap();
    assert!(line.ends_with(" ms, median of 3"), "{line}");
    let (_, said) = inspect(&["--json", "--frames", "1"]);
    let found: Value = serde_json::from_str(&said).unwrap();
    assert!(found["frame_ms"].as_f64().unwrap() > 0.0, "{said}");
    let (_, said) = inspect(&["--json"]);
    let found: Value = serde_json::from_str(&said).unwrap();
    assert!(found.get("frame_ms").is_none(), "{said}");
    assert_eq!(inspect(&["--frames", "0"]).0, Some(64));

    // Numbers of a sidecar come back as they were written.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("teacher.onnx");
    fs::copy(models().join("teacher-nano.onnx"), &file).unwrap();
    let sidecar = "mean = [0.485, 0.456, 0.406]\nstd = [0.229, 0.224, 0.225]\n";
    fs::write(file.with_extension("toml"), sidecar).unwrap();
    let (_, said) = inspect(&["--json", file.to_str().unwrap()]);
    assert!(said.contains("[0.485,0.456,0.406]"), "{said}");
}
