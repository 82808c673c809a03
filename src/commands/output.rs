//! What the commands print. A standard output that can't take it is an error like any other, not a
//! panic; one that nobody reads any more (`| head -1`) ends the command quietly. And the folders that results
//! are written into.

use std::fmt::Arguments;
use std::fs;
use std::io::{ErrorKind, Write as _};
use std::path::Path;

use crate::evaluate::whole::WriteError;

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
pub(super) fn make_folder(folder: &Path) -> Result<(), WriteError> {
    fs::create_dir_all(folder).map_err(|source| WriteError {
        what: format!("can't make the folder {}", folder.display()),
        source,
    })
}

/// The same, of a folder that must take files.
pub(super) fn make_writable(folder: &Path) -> Result<(), WriteError> {
    make_folder(folder)?;
    let mut probe = tempfile::Builder::new();
    let probe = probe.prefix(".inspectd-new-").tempfile_in(folder);
    probe.map(drop).map_err(|source| WriteError {
        what: format!("can't write into the folder {}", folder.display()),
        source,
    })
}

/// As `println!`, but gives an error where that would panic.
macro_rules! say {
    ($($text:tt)*) => {
        $crate::commands::output::line(format_args!($($text)*))
    };
}

pub(super) use say;
