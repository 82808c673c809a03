//! The second sink: alerts as lines of JSON, on standard output or at the end of a file.
//!
//! For trials without a broker and for other shippers. A thread of its own writes each line whole;
//! a pipe that nobody reads, or a disk that hangs, holds up that thread and nothing else: what it
//! can't take is counted and told. A reload opens the file anew, so that it may be rotated.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::FileTypeExt as _;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded};
use tracing::{info, warn};

use crate::config::Sink as Target;

/// Lines that wait for the thread: some storms of alerts, about half a megabyte.
const DEPTH: usize = 256;
/// How long the last lines may take.
const GOODBYE: Duration = Duration::from_secs(1);

/// Where lines go.
#[derive(Debug)]
pub(super) struct Sink {
    /// `None` once it is closing, or where there is no thread.
    lines: Option<Sender<Vec<u8>>>,
    thread: Option<JoinHandle<()>>,
    target: Target,
    /// Lines that the thread had no room for since the last one that it had.
    missed: u64,
    /// Lines that it was given ...
    given: u64,
    /// ... and those that it has written: its only word, because it may hang.
    written: Arc<AtomicU64>,
}

impl Sink {
    /// A thread that opens it.
    pub(super) fn new(target: Target) -> Self {
        let (to_thread, lines) = bounded(DEPTH);
        let writer = Writer::new(target.clone());
        let written = Arc::clone(&writer.written);
        let thread = thread::Builder::new().name("sink".to_owned());
        let thread = thread.spawn(move || writer.run(&lines));
        if let Err(fault) = &thread {
            warn!(sink = %target, %fault, "no thread for the sink; it gets nothing");
        }
        Sink {
            lines: thread.is_ok().then_some(to_thread),
            thread: thread.ok(),
            target,
            missed: 0,
            given: 0,
            written,
        }
    }

    /// Has a payload written, which is one line of JSON, and the end of the line.
    pub(super) fn write(&mut self, payload: &[u8]) {
        self.given += 1;
        let Some(lines) = &self.lines else { return };
        let line = [payload, b"\n"].concat();
        if lines.try_send(line).is_err() {
            if self.missed == 0 {
                warn!(sink = %self.target, "the sink takes no more lines; does anybody read it?");
            }
            self.missed += 1;
        } else if self.missed > 0 {
            info!(sink = %self.target, missed = self.missed, "the sink takes lines again");
            self.missed = 0;
        }
    }

    /// Waits a moment for the last lines; how many of all were never written.
    pub(super) fn close(mut self) -> u64 {
        self.lines = None;
        let deadline = Instant::now() + GOODBYE;
        let hangs = |thread: &JoinHandle<()>| !thread.is_finished();
        while self.thread.as_ref().is_some_and(hangs) && Instant::now() < deadline {
            thread::sleep(Duration::from_millis(2));
        }
        self.given - self.written.load(Relaxed)
    }
}

/// What the thread does.
#[derive(Debug)]
struct Writer {
    target: Target,
    file: Option<File>,
    /// Lines that could not be written since the last one that could.
    failed: u64,
    /// All that could.
    written: Arc<AtomicU64>,
}

impl Writer {
    fn new(target: Target) -> Self {
        Writer {
            target,
            file: None,
            failed: 0,
            written: Arc::default(),
        }
    }

    fn run(mut self, lines: &Receiver<Vec<u8>>) {
        // A wrong path is told now, not by the first alert, which is lost then.
        if self.opens_at_once()
            && let Err(fault) = self.append(b"")
        {
            warn!(sink = %self.target, %fault, "the sink can't be opened: alerts will be lost there until it can");
        }
        lines.iter().for_each(|line| self.write(&line));
    }

    fn write(&mut self, line: &[u8]) {
        let appended = self.append(line);
        self.written.fetch_add(u64::from(appended.is_ok()), Relaxed);
        match appended {
            Ok(()) if self.failed > 0 => {
                info!(sink = %self.target, failed = self.failed, "lines can be written again");
                self.failed = 0;
            }
            Ok(()) => {}
            Err(fault) => {
                if self.failed == 0 {
                    warn!(sink = %self.target, %fault, "alerts can't be written to the sink");
                }
                self.failed += 1;
                self.file = None;
            }
        }
    }

    /// Whether it is safe to try: a pipe waits for its reader, and a device may do anything.
    fn opens_at_once(&self) -> bool {
        let Target::File(path) = &self.target else {
            return false;
        };
        path.metadata().map_or(true, |found| {
            let kind = found.file_type();
            !(kind.is_fifo() || kind.is_char_device() || kind.is_block_device())
        })
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
        let mut writer = Writer::new(Target::File(path.clone()));
        writer.write(b"{}\n");
        assert_eq!(writer.failed, 1, "its folder is not there");
        std::fs::create_dir(path.parent().unwrap()).unwrap();
        writer.write(b"{\"n\":1}\n");
        assert_eq!(writer.failed, 0);
        drop(writer);
        let mut sink = Sink::new(Target::File(path.clone()));
        sink.write(b"{\"n\":2}");
        sink.write(b"{\"n\":3}");
        assert_eq!(sink.close(), 0);
        let text = std::fs::read_to_string(path).unwrap();
        assert_eq!(text, "{\"n\":1}\n{\"n\":2}\n{\"n\":3}\n");
    }

    #[test]
    fn a_pipe_that_nobody_reads_holds_up_nothing_and_what_it_misses_is_counted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pipe");
        let made = std::process::Command::new("mkfifo").arg(&path).status();
        assert!(made.unwrap().success());
        let mut sink = Sink::new(Target::File(path));
        for _ in 0..DEPTH + 10 {
            sink.write(b"{}");
        }
        // One may be in the thread's hands.
        assert!((9..=10).contains(&sink.missed), "{}", sink.missed);
        assert_eq!(sink.close(), DEPTH as u64 + 10);
    }

    #[test]
    fn a_folder_is_tried_at_the_start_and_what_it_does_not_take_is_counted() {
        let folder = tempfile::tempdir().unwrap();
        let target = Target::File(folder.path().to_path_buf());
        assert!(Writer::new(target.clone()).opens_at_once());
        assert!(!Writer::new(Target::File("/dev/null".into())).opens_at_once());
        let mut sink = Sink::new(target);
        for _ in 0..3 {
            sink.write(b"{}");
        }
        assert_eq!(sink.close(), 3);
    }
}
