//! Writes what a package has beside the program, made from the same definition as `--help`:
//! `cargo run --release --example manual_pages -- FOLDER` makes `FOLDER/man` (a page for each command,
//! section 1) and `FOLDER/completions` (bash, zsh, fish).

use std::path::Path;

use anyhow::Context as _;
use clap::CommandFactory as _;
use clap_complete::Shell;
use inspectd::cli::Cli;

fn main() -> anyhow::Result<()> {
    let folder = std::env::args().nth(1).context("name a folder")?;
    let man = Path::new(&folder).join("man");
    let completions = Path::new(&folder).join("completions");
    for folder in [&man, &completions] {
        std::fs::create_dir_all(folder)
            .with_context(|| format!("can't make {}", folder.display()))?;
    }
    clap_mangen::generate_to(Cli::command(), &man)
        .with_context(|| format!("can't write pages into {}", man.display()))?;
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        clap_complete::generate_to(shell, &mut Cli::command(), "inspectd", &completions)
            .with_context(|| format!("can't write completions into {}", completions.display()))?;
    }
    Ok(())
}
