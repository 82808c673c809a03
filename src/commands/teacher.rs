//! `inspectd teacher inspect`: what was found in a ViT's file.

use crate::cli::InspectArgs;
use crate::infer::{Teacher, TeacherFile, TeacherInfo};

/// Prints what was found, as a table or as JSON.
pub(super) fn inspect(args: &InspectArgs) -> anyhow::Result<()> {
    let file = TeacherFile::open(args.file.as_deref())?;
    let teacher = Teacher::load(&file)?;
    if args.json {
        println!("{}", serde_json::to_string(teacher.info())?);
    } else {
        print_table(&file, teacher.info());
    }
    Ok(())
}

fn print_table(file: &TeacherFile, info: &TeacherInfo) {
    let input = &info.preprocessing;
    println!("file           {}", file.name);
    println!("sha256         {}", info.sha256);
    println!("blocks         {}", info.blocks);
    println!("width          {}", info.width);
    println!("heads          {}", info.heads);
    println!("tokens         {}", info.tokens);
    println!("prefix tokens  {}", info.prefix_tokens);
    println!(
        "grid           {} rows x {} columns",
        info.grid.rows, info.grid.columns
    );
    println!("input          {} x {} pixels", input.width, input.height);
    let assumed = if file.sidecar_assumed {
        "  (assumed: no sidecar was found)"
    } else {
        ""
    };
    println!("mean           {:?}{assumed}", input.mean);
    println!("std            {:?}{assumed}", input.std);
    println!("pooled blocks  {} and {}", info.mid(), info.late());
}
