//! The figures on public pictures with a real ViT: parts without training within 0.02 of the
//! reference, the others not worse than it by more than 0.04. Reads the folder that the environment
//! variable INSPECTD_DATA names, which README describes; about two minutes.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use inspectd::capture::images::Images;
use inspectd::capture::replay;
use inspectd::preprocess::scene::{SceneCheck, SceneFootage};
use inspectd::preprocess::{
    Interpolation, Preprocessing, Preprocessor, SceneFaultKind, SceneReference,
};
use serde_json::Value;

use crate::scoring::{auroc, evaluate};
use crate::studio::{Labelled, names, program, stderr};

/// Parts that have no training in them.
const TOLERANCE: f64 = 0.02;

pub(crate) fn data() -> PathBuf {
    let Some(folder) = std::env::var_os("INSPECTD_DATA") else {
        panic!(
            "INSPECTD_DATA is not set: it names the folder with magnetic-tile/, cifar10/ and \
             vit-tiny/; README says where they come from"
        );
    };
    let folder = PathBuf::from(folder);
    for part in [
        "magnetic-tile/normal",
        "cifar10/airplane/train",
        "cifar10/test",
        "vit-tiny",
    ] {
        let part = folder.join(part);
        assert!(part.is_dir(), "{} is not there", part.display());
    }
    folder
}

fn teacher() -> PathBuf {
    data().join("vit-tiny/vit_tiny_patch16_224.onnx")
}

/// Links the files of `from` that are `wanted`, by their place in the order of names, into a new
/// folder.
fn choose(from: &Path, to: PathBuf, wanted: impl Fn(usize, &str) -> bool) -> PathBuf {
    fs::create_dir(&to).unwrap();
    for (index, name) in names(from).iter().enumerate() {
        if wanted(index, name) {
            symlink(from.join(name), to.join(name)).unwrap();
        }
    }
    to
}

/// Calibrates by the defaults and gives the Profile.
fn calibrate(footage: &Path, folder: &Path) -> PathBuf {
    let out = folder.join("profile");
    let mut command = program();
    command.args(["calibrate", "--footage"]).arg(footage);
    command
        .arg("--teacher")
        .arg(teacher())
        .arg("--out")
        .arg(&out);
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    out
}

#[track_caller]
fn reaches(table: &Value, references: &[(&str, f64)]) {
    for &(score, reference) in references {
        let measured = auroc(table, score);
        println!("{score:<16} {measured:.3}, reference {reference:.3}");
        assert!(
            (measured - reference).abs() <= TOLERANCE,
            "{score}: {measured:.4}, reference {reference}"
        );
    }
}

#[test]
#[ignore = "needs INSPECTD_DATA, see README"]
fn evaluation_on_the_magnetic_tile_reaches_the_reference() {
    let (data, folder) = (data().join("magnetic-tile"), tempfile::tempdir().unwrap());
    let normal = data.join("normal");
    let fit = choose(&normal, folder.path().join("fit"), |i, _| i % 2 == 0);
    let pictures = Labelled {
        normal: choose(&normal, folder.path().join("good"), |i, _| {
            matches!(i % 6, 3 | 5)
        }),
        anomalous: data.join("defect"),
        masks: data.join("mask"),
    };
    let profile = calibrate(&fit, folder.path());
    let table = evaluate(&profile, &pictures, folder.path());
    assert_eq!(names(&fit).len(), 300);
    assert_eq!(
        (&table["normal"], &table["anomalous"]),
        (&200.into(), &172.into())
    );
    println!("{table:#}");
    reaches(
        &table,
        &[
            ("pretrained", 0.632),
            ("part z", 0.741),
            ("part pooled_mid", 0.850),
            ("part pooled_late", 0.777),
            ("default", 0.807),
        ],
    );
    let local = auroc(&table, "local");
    assert!(local >= 0.726 - 0.04, "local {local}");
    let pixels = table["pixels"]["auroc"].as_f64().unwrap();
    assert!(pixels >= 0.8, "pixels {pixels}");
}

#[test]
#[ignore = "needs INSPECTD_DATA, see README"]
fn evaluation_on_airplanes_against_other_classes_reaches_the_reference() {
    let (data, folder) = (data().join("cifar10"), tempfile::tempdir().unwrap());
    let train = data.join("airplane/train");
    let fit = choose(&train, folder.path().join("fit"), |i, _| i < 400);
    let is_airplane = |name: &str| name.starts_with("airplane_");
    let (good, bad) = (folder.path().join("good"), folder.path().join("bad"));
    let good = choose(&data.join("test"), good, |_, name| is_airplane(name));
    let bad = choose(&data.join("test"), bad, |_, name| !is_airplane(name));
    let profile = calibrate(&fit, folder.path());
    let table = folder.path().join("table.json");
    let mut command = program();
    command.arg("evaluate").arg("--profile").arg(&profile);
    command
        .arg("--normal")
        .arg(&good)
        .arg("--anomalous")
        .arg(&bad);
    let output = command.arg("--json").arg(&table).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let table: Value = serde_json::from_slice(&fs::read(&table).unwrap()).unwrap();
    println!("{table:#}");
    assert_eq!(
        (&table["normal"], &table["anomalous"]),
        (&100.into(), &900.into())
    );
    reaches(&table, &[("default", 0.907), ("part z", 0.844)]);
}

#[test]
#[ignore = "needs INSPECTD_DATA, see README"]
fn evaluation_knows_its_teacher_from_the_file_alone() {
    let output = Command::new(env!("CARGO_BIN_EXE_inspectd"))
        .args(["teacher", "inspect", "--json"])
        .arg(teacher())
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    for (key, expected) in [
        ("blocks", 12),
        ("width", 192),
        ("heads", 3),
        ("tokens", 197),
        ("prefix_tokens", 1),
    ] {
        assert_eq!(found[key], expected, "{key}");
    }
    assert_eq!(
        found["grid"],
        serde_json::json!({ "rows": 14, "columns": 14 })
    );
    assert_eq!(found["preprocessing"]["width"], 224);
    assert_eq!(found["preprocessing"]["height"], 224);
}

/// How many of these pictures have which fault, by the scene alone.
fn faults(
    check: &mut SceneCheck,
    folder: &Path,
    wanted: impl Fn(usize, &str) -> bool,
) -> [usize; 4] {
    let mut preprocessor = Preprocessor::new(&constants());
    let mut counts = [0; 4];
    for (index, frame) in replay(&images(folder)).unwrap().enumerate() {
        let frame = frame.unwrap();
        if !wanted(index, frame.name.as_deref().unwrap_or_default()) {
            continue;
        }
        preprocessor.prepare(&frame).unwrap();
        let fault = check.fault(preprocessor.look(), None);
        counts[0] += 1;
        for (count, kind) in counts[1..].iter_mut().zip([
            SceneFaultKind::Blocked,
            SceneFaultKind::Moved,
            SceneFaultKind::Changed,
        ]) {
            *count += usize::from(fault.as_ref().is_some_and(|fault| fault.kind == kind));
        }
    }
    counts
}

fn images(folder: &Path) -> Images {
    Images {
        path: folder.to_owned(),
        fps: None,
        repeat: false,
    }
}

fn constants() -> Preprocessing {
    Preprocessing {
        width: 224,
        height: 224,
        mean: [0.5; 3],
        std: [0.5; 3],
        interpolation: Interpolation::Bilinear,
    }
}

/// The reference of those pictures that are wanted.
fn scene_of(folder: &Path, wanted: impl Fn(usize, &str) -> bool) -> Arc<SceneReference> {
    let mut preprocessor = Preprocessor::new(&constants());
    let mut footage = SceneFootage::new(false);
    for (index, frame) in replay(&images(folder)).unwrap().enumerate() {
        let frame = frame.unwrap();
        if wanted(index, frame.name.as_deref().unwrap_or_default()) {
            preprocessor.prepare(&frame).unwrap();
            footage.take(index, None, preprocessor.look());
        }
    }
    Arc::new(footage.fit().unwrap())
}

#[test]
#[ignore = "needs INSPECTD_DATA, see README"]
fn evaluation_leaves_defects_and_natural_pictures_to_the_models() {
    let data = data();
    let (normal, defect) = (
        data.join("magnetic-tile/normal"),
        data.join("magnetic-tile/defect"),
    );
    let exposure = |name: &str| {
        let (_, rest) = name.split_once("exp").unwrap();
        rest.as_bytes()[0] - b'0'
    };
    let is_known = |name: &str| (1..=3).contains(&exposure(name));
    let scene = scene_of(&normal, |i, name| is_known(name) && i % 2 == 0);
    // Crops of many tiles have no view in common.
    assert_eq!(scene.shift_limit(), None);
    let mut check = SceneCheck::new(scene, None);
    println!(
        "{:<22} {:>6} {:>8} {:>6} {:>8}",
        "magnetic tile", "images", "blocked", "moved", "changed"
    );
    let row = |what: &str, counts: [usize; 4]| {
        let [all, blocked, moved, changed] = counts;
        println!("{what:<22} {all:>6} {blocked:>8} {moved:>6} {changed:>8}");
        counts
    };
    let held_out = faults(&mut check, &normal, |i, name| is_known(name) && i % 2 == 1);
    let held_out = row("normal, exp 1-3", held_out);
    let defects = row(
        "defect, exp 1-3",
        faults(&mut check, &defect, |_, name| is_known(name)),
    );
    for wanted in 4..=6 {
        let counts = faults(&mut check, &normal, |_, name| exposure(name) == wanted);
        row(&format!("normal, exp {wanted}"), counts);
    }
    assert_eq!(held_out[1..], [0; 3], "normal tiles of the same light");
    let wrong: usize = defects[1..].iter().sum();
    assert!(
        50 * wrong <= defects[0],
        "{wrong} of {} defects",
        defects[0]
    );

    let train = data.join("cifar10/airplane/train");
    let scene = scene_of(&train, |i, _| i < 400);
    assert_eq!(scene.shift_limit(), None);
    let mut check = SceneCheck::new(scene, None);
    let counts = faults(&mut check, &data.join("cifar10/test"), |_, _| true);
    let [all, blocked, moved, changed] = counts;
    println!(
        "cifar10 test, calibrated on airplanes: {all} images, {blocked} blocked, {moved} moved, {changed} changed"
    );
    // No camera looks at ten kinds of things: some of the others are in a light that no airplane was in.
    assert_eq!([blocked, moved], [0; 2]);
    assert!(20 * changed <= all, "{counts:?}");
}
