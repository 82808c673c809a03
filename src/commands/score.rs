//! `inspectd score`: scores image files, one line each. A picture whose scene is at fault is not judged:
//! its score is shown, and it is neither normal nor anomalous.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::json;

use super::exit::DataError;
use super::judge::{Judge, Judged, frame_of, heat_scale};
use super::output::{make_writable, say};
use crate::capture::Frame;
use crate::cli::ScoreArgs;
use crate::evaluate::heatmap::{overlay, write_png};
use crate::preprocess::{SceneFault, SceneRules, View, decode};
use crate::score::{Basis, Score};

/// Scores every image; one that can't be judged gets a line that says so, and makes the command fail
/// at the end.
pub(super) fn score(args: &ScoreArgs) -> anyhow::Result<()> {
    let mut judge = Judge::open(&args.profile, args.teacher.as_deref())?.watching(&SceneRules {
        moved_beyond: args.moved_beyond,
        ..SceneRules::default()
    });
    if let Some(folder) = &args.heatmap {
        make_writable(folder)?;
        distinct(&args.images)?;
    }
    let (mut unjudged, mut said) = (0, Ok(()));
    for path in &args.images {
        let line = match frame_of(path) {
            Ok(frame) => match judge.judge(&frame) {
                Ok(judged) => {
                    if let Some(folder) = &args.heatmap {
                        let view = &judge.profile().manifest().origin.view;
                        write_heatmap(folder, path, &frame, &judged.score, view)?;
                    }
                    unjudged += usize::from(judged.fault.is_some());
                    Ok(line(path, &judged, args.json))
                }
                Err(rejection) => Err(rejection.to_string()),
            },
            Err(error) => Err(format!("can't be read: {error}")),
        };
        let line = line.unwrap_or_else(|reason| {
            unjudged += 1;
            unjudged_line(path, &reason, args.json)
        });
        // Whoever asked for heat maps gets them, whether the lines are read or not.
        said = said.and_then(|()| say!("{line}"));
        if said.is_err() && args.heatmap.is_none() {
            return said;
        }
    }
    anyhow::ensure!(
        unjudged == 0,
        DataError(format!(
            "{unjudged} of {} images could not be judged",
            args.images.len()
        ))
    );
    said
}

fn line(path: &Path, judged: &Judged, as_json: bool) -> String {
    let score = &judged.score;
    let fault = judged.fault.as_ref();
    if as_json {
        let verdict = fault.is_none().then(|| score.is_anomalous());
        let mut line = json!({
            "file": path.to_string_lossy(), "judged": verdict.is_some(), "anomalous": verdict,
            "score": score.value, "basis": score.basis, "raw": score.raw, "threshold": score.threshold,
            "p_value": score.p_value, "local": score.local, "local_threshold": score.local_threshold,
            "pretrained": score.pretrained, "discrepancy": score.discrepancy, "paper": score.paper,
            "default": score.default, "parts": score.parts,
            "scene": fault.map(|fault| json!({
                "fault": fault.kind.word(), "severity": fault.severity, "detail": fault.detail,
            })),
        });
        if let Some(fault) = fault {
            line["reason"] = json!(reason(fault));
        }
        return line.to_string();
    }
    let verdict = match fault {
        Some(_) => "unjudged",
        None if score.is_anomalous() => "anomalous",
        None => "normal",
    };
    let whole = match score.basis {
        Basis::Image => "the whole picture",
        Basis::Local => "a part of it",
    };
    let fault = fault.map_or_else(String::new, |fault| format!(": {}", reason(fault)));
    format!(
        "{verdict:<10} {:.3}  {:>8.2} of {:.2} by {whole:<17}  p {:.4}  {}{fault}",
        score.value,
        score.raw,
        score.threshold,
        score.p_value,
        path.display()
    )
}

/// Why a picture with a score is not judged.
fn reason(fault: &SceneFault) -> String {
    format!("{}: {fault}", fault.kind.word())
}

fn unjudged_line(path: &Path, reason: &str, as_json: bool) -> String {
    if as_json {
        json!({ "file": path.to_string_lossy(), "judged": false, "reason": reason }).to_string()
    } else {
        format!("{:<10} {}: {reason}", "unjudged", path.display())
    }
}

/// Refuses images whose heat maps would overwrite each other.
fn distinct(images: &[PathBuf]) -> anyhow::Result<()> {
    let mut seen = HashMap::new();
    for path in images {
        if let Some(former) = seen.insert(heatmap_name(path), path) {
            let (former, path) = (former.display(), path.display());
            let fault = format!(
                "{former} and {path} would have one heat map: score them in two calls, into two folders"
            );
            return Err(DataError(fault).into());
        }
    }
    Ok(())
}

fn heatmap_name(path: &Path) -> String {
    let stem = path.file_stem().unwrap_or_default();
    format!("{}.heatmap.png", stem.to_string_lossy())
}

/// Lays the map over the picture.
fn write_heatmap(
    folder: &Path,
    path: &Path,
    frame: &Frame,
    score: &Score,
    view: &View,
) -> anyhow::Result<()> {
    let target = folder.join(heatmap_name(path));
    let picture = decode(&frame.pixels)?;
    let (grid, scale) = (score.patches.grid(), heat_scale(score));
    let overlay = overlay(&picture, &score.map, grid, scale, view)
        .context("the map does not fit its own grid")?;
    write_png(&overlay, &target)
}
