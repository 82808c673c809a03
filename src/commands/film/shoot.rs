//! One filming, from opening to opening of the source.
//!
//! The source works in a thread of its own, so that a driver that never comes back holds up that thread
//! and nobody else: it is given up after the deadline that the daemon would keep.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crossbeam_channel::RecvTimeoutError;

use super::display::Display;
use super::take::Take;
use super::{Fault, Script};
use crate::capture::archive::Full;
use crate::capture::{CameraSettings, CaptureError, Next};
use crate::pipeline::{Deadline, LeftBehind, Opening};

/// How long a source is waited for at once: the longest that a Ctrl-C takes to be heard.
const PATIENCE: Duration = Duration::from_millis(200);
/// A source that broke is opened anew so often, without a frame in between, ...
const ATTEMPTS: u32 = 5;
/// ... after this pause.
const PAUSE: Duration = Duration::from_secs(2);

/// The policy: from opening to opening.
pub(super) struct Shoot<'a> {
    script: &'a Script<'a>,
    take: Take<'a>,
    display: Display,
    settings: CameraSettings,
    started: Instant,
    enough: &'a AtomicBool,
    left: LeftBehind,
}

impl<'a> Shoot<'a> {
    pub(super) fn new(script: &'a Script<'a>, enough: &'a AtomicBool) -> Self {
        Shoot {
            script,
            take: Take::new(script),
            display: Display::new(script.camera.name.as_str(), script.span),
            settings: CameraSettings::default(),
            started: Instant::now(),
            enough,
            left: LeftBehind::default(),
        }
    }

    /// What was filmed, and how the camera was set.
    pub(super) fn over(self) -> (Take<'a>, CameraSettings) {
        (self.take, self.settings)
    }

    /// Films until the end, and says what it was. A source that fails before its first frame fails
    /// at once: somebody is waiting in front of the screen.
    pub(super) fn run(&mut self) -> Result<String, Fault> {
        let mut failures = 0;
        loop {
            let before = self.take.received;
            let fault = match self.run_once() {
                Ok(ended) => {
                    self.take.closed()?;
                    return Ok(ended);
                }
                Err(Fault::Source(fault)) if self.take.first.is_some() => fault,
                Err(fault) => return Err(fault),
            };
            self.take.closed()?;
            // A Ctrl-C in a terminal ends the source's own child as well.
            if let Some(end) = self.end() {
                return Ok(end);
            }
            let reason = fault.chain();
            failures = if self.take.received > before {
                1
            } else {
                failures + 1
            };
            // Footage that is opened anew begins anew.
            let is_over = failures > ATTEMPTS || !self.script.is_live();
            if is_over || !self.left.has_room() {
                return Ok(format!("the camera stopped: {reason}"));
            }
            tracing::warn!("the camera stopped and is opened anew: {reason}");
            self.take.broke(reason);
            self.pause();
        }
    }

    /// Opens the source and takes its frames, to the end or the first fault; then lets it go.
    fn run_once(&mut self) -> Result<String, Fault> {
        let opener = Arc::clone(&self.script.opener);
        let patience = PATIENCE.min(self.script.camera.deadline);
        let opening = Opening::start(opener, patience).map_err(|source| CaptureError::Io {
            what: "can't start a thread for the camera".to_owned(),
            source,
        })?;
        let result = self.take_frames(&opening);
        opening.close(&mut self.left);
        result
    }

    fn take_frames(&mut self, opening: &Opening) -> Result<String, Fault> {
        self.take.opened();
        let camera = self.script.camera;
        let mut deadline = Deadline::new(camera.deadline, camera.first_frame());
        loop {
            if let Some(end) = self.end() {
                return Ok(end);
            }
            let answer = match opening
                .answers()
                .recv_timeout(PATIENCE.min(deadline.left()))
            {
                Ok(answer) => answer?,
                Err(RecvTimeoutError::Timeout) => Next::Idle,
                Err(RecvTimeoutError::Disconnected) => {
                    let why = "its thread has ended".to_owned();
                    return Err(CaptureError::Broken(why).into());
                }
            };
            if let Some(settings) = opening.settings() {
                self.note_settings(settings);
            }
            match answer {
                Next::Frame(frame) => {
                    deadline.meet();
                    self.take.frame(frame)?;
                }
                Next::Damaged(how) => {
                    deadline.meet();
                    self.take.damaged(&how)?;
                }
                Next::Idle => {
                    if let Some(why) = deadline.missed() {
                        return Err(CaptureError::Broken(why).into());
                    }
                }
                Next::End => return Ok("the footage ended".to_owned()),
            }
            self.display.at(self.started.elapsed(), &self.take.review);
        }
    }

    /// Why filming is over, where it is.
    fn end(&self) -> Option<String> {
        let why = if self.enough.load(Ordering::Relaxed) {
            "it was asked to end"
        } else if let Some(full) = self.take.full {
            match full {
                Full::Quota => "the quota of footage is used up ([footage] megabytes)",
                Full::Disk => "the disk is full",
            }
        } else if self.take.is_complete() {
            "all frames are there"
        } else if self.started.elapsed() >= self.script.span {
            "the time is over"
        } else {
            return None;
        };
        Some(why.to_owned())
    }

    fn pause(&self) {
        let until = Instant::now() + PAUSE;
        while Instant::now() < until && self.end().is_none() {
            std::thread::sleep(PATIENCE);
        }
    }

    /// How the camera was set first; a difference later is told.
    fn note_settings(&mut self, now: CameraSettings) {
        if self.take.first.is_none() {
            self.settings = now;
            return;
        }
        for difference in self.settings.differences(&now) {
            tracing::warn!("the camera is set differently since it was opened anew: {difference}");
        }
    }
}
