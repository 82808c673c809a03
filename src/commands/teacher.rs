//! `inspectd teacher inspect`: what was found in a ViT's file, and how long this machine takes for a frame.

use std::time::Instant;

use anyhow::anyhow;
use serde::Serialize;

use super::output::say;
use crate::cli::InspectArgs;
use crate::infer::{Teacher, TeacherFile, TeacherInfo, pretrained_streams};

/// What `--json` prints.
#[derive(Serialize)]
struct Found<'a> {
    #[serde(flatten)]
    info: &'a TeacherInfo,
    #[serde(skip_serializing_if = "Option::is_none")]
    frame_ms: Option<f64>,
}

/// Prints what was found, as a table or as JSON.
pub(super) fn inspect(args: &InspectArgs) -> anyhow::Result<()> {
    let file = TeacherFile::open(args.file.as_deref())?;
    let teacher = Teacher::load(&file)?;
    let frame_ms = match args.frames {
        Some(frames) => Some(frame_ms(&teacher, frames)?),
        None => None,
    };
    if args.json {
        let info = teacher.info();
        return say!("{}", serde_json::to_string(&Found { info, frame_ms })?);
    }
    print_table(&file, teacher.info())?;
    if let (Some(frames), Some(ms)) = (args.frames, frame_ms) {
        say!("one frame      {ms:.1} ms, median of {frames}")?;
    }
    Ok(())
}

/// Milliseconds that the teacher alone takes for a frame: the median of so many, after a first one that warms up.
fn frame_ms(teacher: &Teacher, frames: u32) -> anyhow::Result<f64> {
    let runner = teacher.runner(&pretrained_streams(teacher.info()))?;
    let size = &teacher.info().preprocessing;
    let numbers = 3 * size.width as usize * size.height as usize;
    // Neither flat nor a repetition of the patches.
    let input: Vec<f32> = (0..numbers)
        .map(|i| (i % 251) as f32 / 125.0 - 1.0)
        .collect();
    let look = || -> anyhow::Result<f64> {
        let start = Instant::now();
        runner
            .run(&input)
            .map_err(|message| anyhow!("the teacher can't be run: {message}"))?;
        Ok(start.elapsed().as_secs_f64() * 1e3)
    };
    look()?;
    let mut took = (0..frames)
        .map(|_| look())
        .collect::<anyhow::Result<Vec<f64>>>()?;
    took.sort_unstable_by(f64::total_cmp);
    Ok(took[took.len() / 2])
}

fn print_table(file: &TeacherFile, info: &TeacherInfo) -> anyhow::Result<()> {
    let input = &info.preprocessing;
    say!("file           {}", file.name)?;
    say!("sha256         {}", info.sha256)?;
    say!("blocks         {}", info.blocks)?;
    say!("width          {}", info.width)?;
    say!("heads          {}", info.heads)?;
    say!("tokens         {}", info.tokens)?;
    say!("prefix tokens  {}", info.prefix_tokens)?;
    say!(
        "grid           {} rows x {} columns",
        info.grid.rows,
        info.grid.columns
    )?;
    say!("input          {} x {} pixels", input.width, input.height)?;
    let assumed = if file.sidecar_assumed {
        "  (assumed: no sidecar was found)"
    } else {
        ""
    };
    say!("mean           {:?}{assumed}", input.mean)?;
    say!("std            {:?}{assumed}", input.std)?;
    say!("computed in    {}", info.precision)?;
    say!("pooled blocks  {} and {}", info.mid(), info.late())?;
    Ok(())
}
