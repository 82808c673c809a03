//! One opening of a source, in a thread of its own: a driver that never comes back from a call holds up
//! that thread and nobody else.
//!
//! The thread opens the source, asks it for frames, hands each answer over and waits until it is taken,
//! so that nothing is lost and nothing is copied. It ends, and closes the source, after a fault, at the
//! end of the footage, or when it finds that nobody listens any more. A panic in a driver's library is a
//! fault of the source. Capture supervises the daemon's sources by it, and whoever films from a source
//! does likewise.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, TryRecvError, bounded};

use super::Stop;
use crate::capture::{CameraSettings, CaptureError, Next, Opener};
use crate::seam::caught;

/// How long a source that is let go may take to close before it is left behind.
const CLOSING: Duration = Duration::from_secs(2);

/// What a source answered.
pub type Answer = Result<Next, CaptureError>;

/// Threads of one source that may hang at a time. Each keeps a stack and perhaps a device; a driver that
/// has swallowed four will swallow the fifth.
const MOST_LEFT: usize = 4;

/// A source at work in its thread.
#[derive(Debug)]
pub struct Opening {
    answers: Receiver<Answer>,
    settings: Receiver<CameraSettings>,
    ended: Receiver<Infallible>,
}

impl Opening {
    /// Starts the thread; `patience` is how long the source is waited for at once.
    ///
    /// # Errors
    /// When the system has no thread for it.
    pub fn start(opener: Arc<dyn Opener>, patience: Duration) -> io::Result<Opening> {
        // Without room: an answer that nobody takes is not asked for twice.
        let (to, answers) = bounded(0);
        let (set, settings) = bounded(1);
        let (alive, ended) = bounded(0);
        thread::Builder::new()
            .name("source".to_owned())
            .spawn(move || {
                // Dropped last: until then the source may hold its device.
                let _alive = alive;
                work(opener.as_ref(), patience, &set, &to);
            })?;
        Ok(Opening {
            answers,
            settings,
            ended,
        })
    }

    /// The answers, in order; closed once the source is.
    pub fn answers(&self) -> &Receiver<Answer> {
        &self.answers
    }

    /// How the camera was set when it was opened, where its source says so: known by the first frame,
    /// and given once.
    pub fn settings(&self) -> Option<CameraSettings> {
        self.settings.try_recv().ok()
    }

    /// Lets the source go and waits a little until it is closed. A device can't be opened again before.
    pub fn close(self, left: &mut LeftBehind) {
        drop(self.answers);
        if self.ended.recv_timeout(CLOSING) == Err(RecvTimeoutError::Timeout) {
            left.threads.push(self.ended);
        }
    }
}

/// Opens the source and hands its answers over, until it is over or nobody takes them.
fn work(
    opener: &dyn Opener,
    patience: Duration,
    set: &Sender<CameraSettings>,
    to: &Sender<Answer>,
) {
    let opened = caught(|| opener.open());
    let mut source = match opened.unwrap_or_else(|panic| Err(CaptureError::Broken(panic))) {
        Ok(source) => source,
        Err(fault) => {
            // Who does not listen any more does not want to know.
            let _ = to.send(Err(fault));
            return;
        }
    };
    if let Ok(Some(settings)) = caught(|| source.settings()) {
        // There is room for the one; who does not listen any more does not want to know.
        let _ = set.try_send(settings);
    }
    loop {
        let answer = caught(|| source.next(patience));
        let answer = answer.unwrap_or_else(|panic| Err(CaptureError::Broken(panic)));
        let is_last = matches!(answer, Err(_) | Ok(Next::End));
        if to.send(answer).is_err() || is_last {
            break;
        }
    }
    // A library may panic where a device that is gone can't be closed; the panic has been logged.
    let _ = caught(|| drop(source));
}

/// Threads of one source that hang in its driver; each ends by itself when its call returns. They outlive
/// their generation, and count in the next.
#[derive(Debug, Default)]
pub struct LeftBehind {
    source: String,
    threads: Vec<Receiver<Infallible>>,
}

impl LeftBehind {
    /// Those of `source`: another one of the same camera owes nothing to them.
    pub(super) fn of(self, source: String) -> LeftBehind {
        if self.source == source {
            return self;
        }
        LeftBehind {
            source,
            threads: Vec::new(),
        }
    }

    /// How many there are now.
    pub fn count(&mut self) -> usize {
        let hangs = |ended: &Receiver<Infallible>| ended.try_recv() == Err(TryRecvError::Empty);
        self.threads.retain(hangs);
        self.threads.len()
    }

    /// Whether another thread may be risked.
    pub fn has_room(&mut self) -> bool {
        self.count() < MOST_LEFT
    }

    /// Waits until another thread may be risked, or a stop is asked.
    pub(super) fn wait_for_room(&mut self, stop: &Stop) {
        while !self.has_room() && !stop.wait(Duration::from_millis(500)) {}
    }
}
