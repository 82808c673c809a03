//! A Profile with a memory bank: made, scored, evaluated, published and refined.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::Value;

use crate::studio::{
    calibrate, calibrate_seeing, inspectd, labelled, names, normal, program, stderr, stdout,
};
use crate::workshop::{Workshop, check_alert};

/// A Profile whose score has a fifth part.
fn banked(folder: &Path) -> PathBuf {
    let dir = folder.join("press");
    let wishes = ["--memory-bank", "--false-alarms", "2%"];
    let output = calibrate_seeing(normal(), &dir, &wishes);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    dir
}

/// The fifth part of each picture in a folder.
fn distances(profile: &Path, folder: &Path) -> Vec<f64> {
    let mut command = program();
    command.args(["score", "--json", "--profile"]).arg(profile);
    command.args(names(folder).iter().map(|name| folder.join(name)));
    let of = |line: &str| {
        let score: Value = serde_json::from_str(line).unwrap();
        score["parts"]["bank"].as_f64().unwrap()
    };
    let lines = stdout(&command.output().unwrap());
    lines.lines().map(of).collect()
}

/// What `evaluate` measures of each score.
fn auroc(profile: &Path) -> Value {
    let labelled = labelled();
    let json = profile.with_extension("json");
    let output = inspectd([
        "evaluate".as_ref(),
        "--profile".as_ref(),
        profile.as_os_str(),
        "--normal".as_ref(),
        labelled.normal.as_os_str(),
        "--anomalous".as_ref(),
        labelled.anomalous.as_os_str(),
        "--json".as_ref(),
        json.as_os_str(),
    ]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    serde_json::from_slice(&fs::read(json).unwrap()).unwrap()
}

fn refine(profile: &Path, fine: &[PathBuf]) -> Output {
    let mut command = program();
    command
        .args(["calibrate", "--refine", "--out"])
        .arg(profile);
    command.arg("--fine").args(fine).output().unwrap()
}

#[test]
fn a_memory_bank_tells_defects_apart_and_stays_when_the_profile_is_refined() {
    let folder = tempfile::tempdir().unwrap();
    let dir = banked(folder.path());
    let table = auroc(&dir);
    let scores = table["scores"].as_array().unwrap();
    let bank = scores.iter().find(|row| row["score"] == "part bank");
    let found = bank.unwrap()["auroc"].as_f64().unwrap();
    assert!(found > 0.75, "the bank alone: {found}");
    let unseen = distances(&dir, &labelled().normal);
    let mean = unseen.iter().sum::<f64>() / unseen.len() as f64;
    assert!(
        mean.abs() < 1.5,
        "unseen normal frames are {mean} from the bank"
    );
    let defects = distances(&dir, &labelled().anomalous);
    let told: Vec<PathBuf> = names(&labelled().normal)[..3]
        .iter()
        .map(|name| labelled().normal.join(name))
        .collect();
    let output = refine(&dir, &told);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    // No frame of the footage moves in or out, and three of 83 don't set the scale: nothing changes here.
    assert_eq!(distances(&dir, &labelled().anomalous), defects);
}

#[test]
fn alerts_tell_the_distance_from_the_bank_as_the_contract_says() {
    let workshop = Workshop::new(1);
    workshop.configure(
        "{ kind = \"synthetic\", seed = 1, frames = 240, defects = true }",
        "",
    );
    let profile = workshop.folder.path().join("banked");
    crate::profile::make(&profile, true);
    let (jsonl, mqtt) = (
        "[sink]\njsonl = \"-\"\n[incident]",
        "[mqtt]\nenabled = false",
    );
    workshop.replace("[incident]", jsonl);
    workshop.replace("[mqtt]", mqtt);
    workshop.replace("profile = ", &format!("profile = {profile:?} # "));
    let output = workshop.inspectd(&["run"]);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let mut told = 0;
    for line in stdout(&output).lines() {
        check_alert(line);
        let alert: Value = serde_json::from_str(line).unwrap();
        told += usize::from(alert["data"]["score"]["parts"]["bank"].is_number());
    }
    assert!(told > 0, "{}", stderr(&output));
}

#[test]
fn the_papers_score_takes_no_bank() {
    let folder = tempfile::tempdir().unwrap();
    let wishes = ["--memory-bank", "--scoring", "paper"];
    let output = calibrate(normal(), &folder.path().join("press"), &wishes);
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(64), "{said}");
    for word in ["--memory-bank", "--scoring"] {
        assert!(said.contains(word), "{word} in {said}");
    }
}
