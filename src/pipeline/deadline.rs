//! How long an opening of a source may give no frame before it is given up, on the monotonic clock.

use std::time::{Duration, Instant};

/// Counts from the opening, then from each frame.
#[derive(Debug)]
pub struct Deadline {
    usual: Duration,
    /// A source may take longer for its first frame.
    first_frame: Duration,
    /// When it was opened or gave its latest frame.
    since: Instant,
    /// When the first frame came.
    first: Option<Instant>,
}

impl Deadline {
    /// Of a source that is opened now.
    pub fn new(usual: Duration, first_frame: Duration) -> Deadline {
        Deadline {
            usual,
            first_frame,
            since: Instant::now(),
            first: None,
        }
    }

    /// A frame came, damaged or not.
    pub fn meet(&mut self) {
        self.since = Instant::now();
        self.first.get_or_insert(self.since);
    }

    /// Time that is left.
    pub fn left(&self) -> Duration {
        self.limit().saturating_sub(self.since.elapsed())
    }

    /// What it is called when nothing came in time; none as long as there is time.
    pub fn missed(&self) -> Option<String> {
        if !self.left().is_zero() {
            return None;
        }
        let seconds = self.limit().as_secs_f64();
        Some(match self.first {
            Some(_) => format!("no frame for {seconds} s (deadline_s)"),
            None => format!("no first frame within {seconds} s of opening it"),
        })
    }

    /// For how long it gave frames.
    pub(super) fn lived(&self) -> Duration {
        self.first
            .map_or(Duration::ZERO, |first| self.since - first)
    }

    fn limit(&self) -> Duration {
        self.first.map_or(self.first_frame, |_| self.usual)
    }
}
