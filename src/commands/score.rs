//! `inspectd score`: scores image files, one line each.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use serde_json::json;

use super::judge::{Judge, Judged, frame_of};
use super::output::say;
use crate::capture::Frame;
use crate::cli::ScoreArgs;
use crate::evaluate::heatmap::{Scale, overlay, write_png};
use crate::evaluate::whole::make_folder;
use crate::preprocess::decode;
use crate::score::{Basis, Score};

/// Scores every image; one that can't be judged gets a line that says so, and makes the command fail
/// at the end.
pub(super) fn score(args: &ScoreArgs) -> anyhow::Result<()> {
    let mut judge = Judge::open(&args.profile, args.teacher.as_deref())?;
    let mut maps = args.heatmap.as_deref().map(HeatMaps::into).transpose()?;
    let mut unjudged = 0;
    for path in &args.images {
        let line = match frame_of(path) {
            Ok(frame) => match judge.judge(&frame) {
                Ok(judged) => {
                    if let Some(maps) = &mut maps {
                        maps.write(path, &frame, &judged.score)?;
                    }
                    line(path, &judged, args.json)
                }
                Err(rejection) => Err(rejection.to_string()),
            },
            Err(error) => Err(format!("can't be read: {error}")),
        };
        let line = line.unwrap_or_else(|reason| {
            unjudged += 1;
            unjudged_line(path, &reason, args.json)
        });
        say!("{line}")?;
    }
    anyhow::ensure!(
        unjudged == 0,
        super::exit::DataError(format!(
            "{unjudged} of {} images could not be judged",
            args.images.len()
        ))
    );
    Ok(())
}

fn line(path: &Path, judged: &Judged, as_json: bool) -> Result<String, String> {
    let score = &judged.score;
    let verdict = if score.is_anomalous() {
        "anomalous"
    } else {
        "normal"
    };
    Ok(if as_json {
        json!({
            "file": path.to_string_lossy(), "judged": true, "anomalous": score.is_anomalous(),
            "score": score.value, "basis": score.basis, "raw": score.raw, "threshold": score.threshold,
            "p_value": score.p_value, "local": score.local, "local_threshold": score.local_threshold,
            "pretrained": score.pretrained, "discrepancy": score.discrepancy, "paper": score.paper,
            "default": score.default, "parts": score.parts,
        })
        .to_string()
    } else {
        let whole = match score.basis {
            Basis::Image => "the whole picture",
            Basis::Local => "a part of it",
        };
        format!(
            "{verdict:<10} {:.3}  {:>8.2} of {:.2} by {whole:<17}  p {:.4}  {}",
            score.value,
            score.raw,
            score.threshold,
            score.p_value,
            path.display()
        )
    })
}

fn unjudged_line(path: &Path, reason: &str, as_json: bool) -> String {
    if as_json {
        json!({ "file": path.to_string_lossy(), "judged": false, "reason": reason }).to_string()
    } else {
        format!("{:<10} {}: {reason}", "unjudged", path.display())
    }
}

/// Pictures with their maps laid over, each a file in one folder.
struct HeatMaps<'a> {
    folder: &'a Path,
    written: HashSet<PathBuf>,
}

impl HeatMaps<'_> {
    fn into(folder: &Path) -> anyhow::Result<HeatMaps<'_>> {
        make_folder(folder)?;
        Ok(HeatMaps {
            folder,
            written: HashSet::new(),
        })
    }

    /// The strongest colour stands for twice the local threshold.
    fn write(&mut self, path: &Path, frame: &Frame, score: &Score) -> anyhow::Result<()> {
        let picture = decode(&frame.pixels)?;
        let scale = Scale {
            low: 1.0,
            high: 2.0 * score.local_threshold as f32,
        };
        let overlay = overlay(&picture, &score.map, score.grid, scale)
            .context("the map does not fit its own grid")?;
        write_png(&overlay, &self.target(path))
    }

    /// A name of its own for each picture, also where two folders hold pictures of one name.
    fn target(&mut self, path: &Path) -> PathBuf {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let mut target = self.folder.join(format!("{stem}.heatmap.png"));
        let mut copy = 1;
        while !self.written.insert(target.clone()) {
            copy += 1;
            target = self.folder.join(format!("{stem}-{copy}.heatmap.png"));
        }
        target
    }
}
