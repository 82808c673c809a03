//! Standard output. `println!` panics when its reader has gone, as in `inspectd score ... | head`,
//! or when its disk is full; [`say!`] gives an error, and main ends without a word where there is
//! nobody left to read it.

use std::fmt::Arguments;
use std::io::{self, Write as _};

/// A line could not be written.
#[derive(Debug, thiserror::Error)]
#[error("can't write to standard output")]
pub(super) struct OutputError(#[source] io::Error);

/// Writes a line to standard output; takes what `println!` takes, and gives a `Result`.
macro_rules! say {
    ($($text:tt)*) => {
        $crate::commands::output::line(format_args!($($text)*))
    };
}
pub(super) use say;

pub(super) fn line(text: Arguments<'_>) -> Result<(), OutputError> {
    writeln!(io::stdout(), "{text}").map_err(OutputError)
}

/// Whether the command ended because the reader of its output has gone: no fault of anyone.
pub fn reader_has_gone(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<OutputError>()
        .is_some_and(|OutputError(source)| source.kind() == io::ErrorKind::BrokenPipe)
}
