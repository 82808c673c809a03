//! What the commands print. A standard output that can't take it is an error like any other, not a
//! panic; one that nobody reads any more (`| head -1`) ends the command quietly.

use std::fmt::Arguments;
use std::fs;
use std::io::{ErrorKind, Write as _};
use std::path::Path;

use anyhow::Context as _;

/// Nobody reads the output any more.
#[derive(Debug, thiserror::Error)]
#[error("standard output was closed")]
pub(super) struct OutputClosed;

/// Prints a line; called by `say!`.
pub(super) fn line(text: Arguments<'_>) -> anyhow::Result<()> {
    writeln!(std::io::stdout().lock(), "{text}").map_err(|error| match error.kind() {
        ErrorKind::BrokenPipe => OutputClosed.into(),
        _ => anyhow::Error::from(error).context("can't write to standard output"),
    })
}

/// Makes the folder that a result will be written into, before the work that leads to it.
pub(super) fn make_folder(folder: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(folder)
        .with_context(|| format!("can't make the folder {}", folder.display()))
}

/// As `println!`, but gives an error where that would panic.
macro_rules! say {
    ($($text:tt)*) => {
        $crate::commands::output::line(format_args!($($text)*))
    };
}

pub(super) use say;
