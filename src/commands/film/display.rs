//! What is shown while a camera is filmed: a bar on a terminal, a line every ten seconds where there
//! is none.

use std::io::Write as _;
use std::time::{Duration, Instant};

use indicatif::ProgressBar;

use crate::commands::progress;
use crate::train::review::Review;

/// Lines where there is no terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);
const BAR_EVERY: Duration = Duration::from_millis(200);
/// Telling pictures apart takes 20 ms for a thousand.
const COUNT_EVERY: Duration = Duration::from_secs(5);

/// The bar, or the lines.
pub(super) struct Display {
    bar: ProgressBar,
    span: Duration,
    said: Option<Instant>,
    counted: Option<(Instant, usize)>,
}

impl Display {
    pub(super) fn new(camera: &str, span: Duration) -> Self {
        Display {
            bar: progress::filming(camera, span),
            span,
            said: None,
            counted: None,
        }
    }

    /// Shows how far it is.
    pub(super) fn at(&mut self, elapsed: Duration, review: &Review) {
        let now = Instant::now();
        let is_hidden = self.bar.is_hidden();
        let pause = if is_hidden { LINE_EVERY } else { BAR_EVERY };
        if review.frames() == 0 || self.said.is_some_and(|said| now - said < pause) {
            return;
        }
        self.said = Some(now);
        let counts = self.counts(now, review);
        if is_hidden {
            let left = self.span.saturating_sub(elapsed).as_secs();
            // Nobody may be reading; filming goes on.
            let _ = writeln!(std::io::stderr(), "filming: {left} s left, {counts}");
        } else {
            self.bar.set_message(counts);
            self.bar.set_position(elapsed.min(self.span).as_secs());
        }
    }

    fn counts(&mut self, now: Instant, review: &Review) -> String {
        let is_due = |(at, _): &(Instant, usize)| now - *at >= COUNT_EVERY;
        if self.counted.as_ref().is_none_or(is_due) {
            self.counted = Some((now, review.different()));
        }
        let different = self.counted.map_or(0, |(_, different)| different);
        let (frames, brightness) = (review.frames(), review.brightness());
        format!("{frames} frames, {different} different, brightness {brightness:.2}")
    }
}

impl Drop for Display {
    fn drop(&mut self) {
        self.bar.finish();
    }
}
