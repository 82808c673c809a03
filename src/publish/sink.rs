//! The second sink: alerts as lines of JSON, on standard output or at the end of a file.
//!
//! For trials without a broker and for other shippers. A line is written whole when its alert is
//! accepted. A sink that can't be written is told when that begins, is tried again with each alert,
//! and never holds up delivery. A reload opens the file anew, so that it may be rotated.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};

use tracing::{info, warn};

use crate::config::Sink as Target;

/// Where lines go.
#[derive(Debug)]
pub(super) struct Sink {
    target: Target,
    file: Option<File>,
    /// Lines that could not be written since the last one that could.
    missed: u64,
}

impl Sink {
    /// Opens nothing yet.
    pub(super) fn new(target: Target) -> Self {
        Sink {
            target,
            file: None,
            missed: 0,
        }
    }

    /// Writes a payload, which is one line of JSON, and the end of the line.
    pub(super) fn write(&mut self, payload: &[u8]) {
        let line = [payload, b"\n"].concat();
        match self.append(&line) {
            Ok(()) if self.missed > 0 => {
                info!(sink = %self.target, missed = self.missed, "the sink takes lines again");
                self.missed = 0;
            }
            Ok(()) => {}
            Err(fault) => {
                if self.missed == 0 {
                    warn!(sink = %self.target, %fault, "alerts can't be written to the sink");
                }
                self.missed += 1;
                self.file = None;
            }
        }
    }

    fn append(&mut self, line: &[u8]) -> io::Result<()> {
        let Target::File(path) = &self.target else {
            let mut out = io::stdout().lock();
            return out.write_all(line).and_then(|()| out.flush());
        };
        let file = match self.file.take() {
            Some(file) => file,
            None => OpenOptions::new().append(true).create(true).open(path)?,
        };
        // One call, so that lines of two writers don't mix.
        self.file.insert(file).write_all(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_appended_and_a_sink_that_comes_back_is_written_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("later/alerts.jsonl");
        let mut sink = Sink::new(Target::File(path.clone()));
        sink.write(b"{}");
        assert_eq!(sink.missed, 1, "its folder is not there");
        std::fs::create_dir(path.parent().unwrap()).unwrap();
        sink.write(b"{\"n\":1}");
        sink.write(b"{\"n\":2}");
        assert_eq!(sink.missed, 0);
        drop(sink);
        Sink::new(Target::File(path.clone())).write(b"{\"n\":3}");
        let text = std::fs::read_to_string(path).unwrap();
        assert_eq!(text, "{\"n\":1}\n{\"n\":2}\n{\"n\":3}\n");
    }
}
