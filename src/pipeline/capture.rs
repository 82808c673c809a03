//! The thread of one source: `run` is the policy (open anew after any fault, with growing pauses),
//! `run_once` the work from opening to the first fault.
//!
//! A source that gives no frame for its deadline is dropped like one that fails. Each fault travels
//! down the pipeline as an item that can't be judged, so that subscribers learn of it; so does the
//! end of the footage.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use tracing::{debug, info, warn};

use super::link::{Sender, Sent};
use super::{Item, Meter, Stamp, Stop};
use crate::capture::{CaptureError, Frame, Moment, Next, Opener};
use crate::config::Retry;
use crate::preprocess::Rejection;

/// How long a source is waited for at once: the longest that a stop takes to be heard.
const PATIENCE: Duration = Duration::from_millis(200);

/// Frames for this long make the next pause the shortest again.
const STABLE: Duration = Duration::from_secs(30);

/// One source and where its frames go.
pub(super) struct Capture {
    pub(super) camera: usize,
    pub(super) name: String,
    pub(super) opener: Box<dyn Opener>,
    pub(super) deadline: Duration,
    pub(super) retry: Retry,
    pub(super) clock: fn() -> Moment,
    pub(super) to: Sender<Item<Frame>>,
    pub(super) stop: Stop,
    pub(super) meter: Arc<Meter>,
}

/// Why a source ended without a fault.
#[derive(Debug, PartialEq, Eq)]
enum End {
    /// There is no more footage.
    Footage,
    /// Stop was asked, or the next stage is gone.
    Asked,
}

impl Capture {
    /// Opens the source again and again, until its footage ends or a stop is asked.
    pub(super) fn run(self) {
        let camera = self.name.as_str();
        let mut failures = 0;
        while !self.stop.is_asked() {
            let opened = Instant::now();
            let fault = match self.run_once() {
                Ok(End::Footage) => {
                    info!(camera, "the footage has ended");
                    // The next stage may be gone; nothing is left to be done either way.
                    let _ = self.pass_on_absence("the footage has ended".to_owned());
                    return;
                }
                Ok(End::Asked) => return,
                Err(fault) => fault,
            };
            let was_stable = opened.elapsed() >= STABLE + self.deadline;
            failures = if was_stable { 0 } else { failures + 1 };
            let pause = self.retry.pause(failures, rand::random());
            let reason = chain(&fault);
            let retry_s = pause.as_secs_f64();
            warn!(
                camera,
                source = self.opener.describe(),
                reason,
                retry_s,
                "no frames"
            );
            self.meter.camera(self.camera).faults.fetch_add(1, Relaxed);
            if self.pass_on_absence(reason).is_none() {
                return;
            }
            self.stop.wait(pause);
        }
    }

    /// Opens the source and passes its frames on, until the first fault.
    fn run_once(&self) -> Result<End, CaptureError> {
        let mut source = self.opener.open()?;
        debug!(
            camera = self.name,
            source = self.opener.describe(),
            "opened"
        );
        let mut last = Instant::now();
        while !self.stop.is_asked() {
            match source.next(PATIENCE.min(self.deadline))? {
                Next::Frame(frame) => {
                    last = Instant::now();
                    if self.pass_on(frame).is_none() {
                        return Ok(End::Asked);
                    }
                }
                Next::Damaged(how) => {
                    last = Instant::now();
                    if self.pass_on_rejection(Rejection::Damaged(how)).is_none() {
                        return Ok(End::Asked);
                    }
                }
                Next::Idle if last.elapsed() >= self.deadline => {
                    let seconds = self.deadline.as_secs_f64();
                    return Err(CaptureError::Broken(format!(
                        "no frame for {seconds} s (deadline_s)"
                    )));
                }
                Next::Idle => {}
                Next::End => return Ok(End::Footage),
            }
        }
        Ok(End::Asked)
    }

    /// Says that there are no frames and why, behind the frames that there were; `None` when the
    /// next stage is gone.
    fn pass_on_absence(&self, reason: String) -> Option<()> {
        self.pass_on_rejection(Rejection::NoFrames(reason))
    }

    /// `None` when the next stage is gone.
    fn pass_on_rejection(&self, rejection: Rejection) -> Option<()> {
        let stamp = Stamp {
            seq: 0,
            at: (self.clock)(),
        };
        let item = Item {
            camera: self.camera,
            stamp,
            content: Err(rejection),
        };
        self.to.send_behind(item).ok()
    }

    /// `None` when the next stage is gone.
    fn pass_on(&self, frame: Frame) -> Option<()> {
        let meter = self.meter.camera(self.camera);
        meter.captured.fetch_add(1, Relaxed);
        let stamp = Stamp {
            seq: frame.seq,
            at: frame.at,
        };
        let item = Item {
            camera: self.camera,
            stamp,
            content: Ok(frame),
        };
        let sent = self.to.send(item).ok()?;
        let is_lost = matches!(sent, Sent::Replaced(Item { content: Ok(_), .. }));
        meter.replaced.fetch_add(u64::from(is_lost), Relaxed);
        Some(())
    }
}

/// An error and its sources in one line.
fn chain(fault: &CaptureError) -> String {
    let mut text = fault.to_string();
    let mut source = std::error::Error::source(fault);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    text
}
