//! `inspectd teacher inspect`: what was found in a ViT's file.

use super::output::say;
use crate::cli::InspectArgs;
use crate::infer::{Teacher, TeacherFile, TeacherInfo};

/// Prints what was found, as a table or as JSON.
pub(super) fn inspect(args: &InspectArgs) -> anyhow::Result<()> {
    let file = TeacherFile::open(args.file.as_deref())?;
    let teacher = Teacher::load(&file)?;
    if args.json {
        say!("{}", serde_json::to_string(teacher.info())?)?;
    } else {
        print_table(&file, teacher.info())?;
    }
    Ok(())
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
