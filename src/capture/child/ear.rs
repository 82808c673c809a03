//! Who hears what a child complains of: it goes to the log, the last of it into an error, and what it
//! says of the pictures is heeded.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::super::blot::blotted;
use super::Task;
use super::shadow::{Says, Shadow};

/// Complaints that an error quotes.
const LAST_WORDS: usize = 4;

/// Longer lines are cut: memory stays bounded whatever the child does.
const LONGEST: usize = 4096;

/// Warnings let into the log per [`WINDOW`]; a broken stream complains about every packet, for years.
const WARNINGS: u32 = 10;
const WINDOW: Duration = Duration::from_secs(3600);

/// A stream that has not failed within this time was there: what its program says later is news.
const CALLING: Duration = Duration::from_secs(30);

/// Hears one child.
pub(super) struct Ear {
    name: String,
    input: String,
    secret: Option<String>,
    is_live: bool,
    says: fn(&str) -> Says,
    /// What has come of a line.
    line: Vec<u8>,
    last: VecDeque<String>,
    started: Instant,
    /// Since when warnings are counted, and how many there were.
    window: (Instant, u32),
    /// What the complaints mean for the pictures.
    pub(super) shadow: Shadow,
}

impl Ear {
    pub(super) fn new(name: &str, task: &Task) -> Self {
        let started = Instant::now();
        Self {
            name: name.to_owned(),
            input: task.input.clone(),
            secret: task.secret.clone(),
            is_live: task.is_live,
            says: task.says,
            line: Vec::new(),
            last: VecDeque::with_capacity(LAST_WORDS),
            started,
            window: (started, 0),
            shadow: Shadow::default(),
        }
    }

    /// Hears a piece of what the child says: parts of lines, or many.
    pub(super) fn hear(&mut self, piece: &[u8]) {
        for part in piece.split_inclusive(|byte| *byte == b'\n') {
            self.line.extend(part);
            if part.ends_with(b"\n") || self.line.len() >= LONGEST {
                self.end_line();
            }
        }
    }

    /// The last complaints, also one that was not finished.
    pub(super) fn last_words(mut self) -> Vec<String> {
        if !self.line.is_empty() {
            self.end_line();
        }
        self.last.into()
    }

    fn end_line(&mut self) {
        let text = self.shown(&String::from_utf8_lossy(&self.line));
        self.line.clear();
        self.shadow.hear((self.says)(&text), &text, Instant::now());
        if self.window.0.elapsed() > WINDOW {
            self.window = (Instant::now(), 0);
        }
        let (input, name) = (&self.input, &self.name);
        // One that can't be called is called again each few seconds, for a year if need be; why
        // stands in the error that each attempt ends with.
        let is_called = self.is_live && self.started.elapsed() < CALLING;
        if is_grave(&text) && !is_called && self.window.1 < WARNINGS {
            self.window.1 += 1;
            tracing::warn!(%input, "{name}: {text}");
        } else {
            tracing::debug!(%input, "{name}: {text}");
        }
        if self.last.len() == LAST_WORDS {
            self.last.pop_front();
        }
        self.last.push_back(text);
    }

    /// A line with what is secret blotted out.
    fn shown(&self, line: &str) -> String {
        let line = line.trim_end();
        match &self.secret {
            Some(secret) => blotted(&line.replace(secret, &self.input)),
            None => blotted(line),
        }
    }
}

/// Whether a line of ffmpeg's, or of libcamera's, tells of a fault.
fn is_grave(text: &str) -> bool {
    ["[error]", "[fatal]", "[panic]", "ERROR"]
        .iter()
        .any(|level| text.contains(level))
}
