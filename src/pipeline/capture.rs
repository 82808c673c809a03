//! The supervisor of one source: `run` is the policy (open anew after any fault, with growing pauses),
//! `run_once` the work from one opening to its first fault.
//!
//! The source works in a thread of its own ([`Opening`]). One that gives no frame for its deadline is
//! given up, whatever it hangs in, and so is a camera whose frames the later stages can't use or find
//! frozen. Each fault travels down the pipeline as an item that can't be judged, so that subscribers
//! learn of it; so does the end of the footage.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use crossbeam_channel::select;
use tracing::{debug, info, warn};

use super::complaints::Complaints;
use super::deadline::Deadline;
use super::link::{Sender, Sent};
use super::opening::{LeftBehind, Opening};
use super::streak::Unfit;
use super::{Item, Meter, Stamp, Stop};
use crate::capture::{Frame, Moment, Next, Opener};
use crate::config::Retry;
use crate::preprocess::Rejection;

/// How long a source is waited for at once: how late it may find that nobody listens any more.
const PATIENCE: Duration = Duration::from_millis(200);

/// Frames for this long make the next pause the shortest again, ...
const STABLE: Duration = Duration::from_secs(30);
/// ... and for this long the next fault news: a camera that fails each minute is told of once an hour.
const LASTING: Duration = Duration::from_secs(600);

/// One source and where its frames go.
pub(super) struct Capture {
    pub(super) camera: usize,
    pub(super) name: String,
    pub(super) opener: Arc<dyn Opener>,
    pub(super) left_behind: LeftBehind,
    pub(super) deadline: Duration,
    pub(super) first_frame: Duration,
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

/// Why a source is opened anew.
#[derive(Debug)]
enum Fault {
    /// There are no frames, or none that can be used.
    NoFrames(String),
    /// There are frames, and they say so themselves: the camera's incident must stay open.
    Frozen(String),
}

/// One opening of the source, as the frames tell it.
struct Life {
    number: u32,
    deadline: Deadline,
}

impl Capture {
    /// Opens the source again and again, until its footage ends or a stop is asked; the threads that hang
    /// in its driver then.
    pub(super) fn run(mut self) -> LeftBehind {
        let mut left = std::mem::take(&mut self.left_behind).of(self.opener.describe());
        let camera = self.name.as_str();
        let mut complaints = Complaints::default();
        let mut failures = 0;
        for number in 1.. {
            let next = self.wait_for_room(number, &mut left, &mut complaints);
            if next.is_none() || self.stop.is_asked() {
                break;
            }
            let mut life = Life {
                number,
                deadline: Deadline::new(self.deadline, self.first_frame),
            };
            let fault = match self.run_once(&mut life, &mut left) {
                Ok(End::Footage) => {
                    info!(camera, "the footage has ended");
                    // The next stage may be gone; nothing is left to be done either way.
                    let _ = self.pass_on_absence(number, "the footage has ended".to_owned());
                    break;
                }
                Ok(End::Asked) => break,
                Err(fault) => fault,
            };
            if life.deadline.lived() >= LASTING {
                complaints.forget();
            }
            if life.deadline.lived() >= STABLE {
                failures = 0;
            } else {
                failures += 1;
            }
            let pause = self.retry.pause(failures, rand::random());
            self.complain(&fault, pause, &mut complaints);
            if self.stop.wait(pause) {
                break;
            }
        }
        left
    }

    /// Opens the source and passes its frames on until the first fault, tells subscribers of it, and
    /// lets the source go.
    fn run_once(&self, life: &mut Life, left: &mut LeftBehind) -> Result<End, Fault> {
        let (camera, source) = (&self.name, self.opener.describe());
        debug!(camera, source, attempt = life.number, "opening");
        let opener = Arc::clone(&self.opener);
        let opening = Opening::start(opener, PATIENCE.min(self.deadline));
        let result = match &opening {
            Ok(opening) => self.pass_frames(opening, life),
            Err(fault) => Err(Fault::NoFrames(format!(
                "no thread could be started for it: {fault}"
            ))),
        };
        let meter = self.meter.camera(self.camera);
        meter.gives_frames.store(false, Relaxed);
        if let Err(Fault::NoFrames(reason)) = &result
            && self.pass_on_absence(life.number, reason.clone()).is_none()
        {
            return Ok(End::Asked);
        }
        if let Ok(opening) = opening {
            opening.close(left);
        }
        let hanging = left.count();
        if hanging > 0 {
            debug!(camera, hanging, "threads hang in the driver");
        }
        result
    }

    /// Passes frames on, until there are none.
    fn pass_frames(&self, opening: &Opening, life: &mut Life) -> Result<End, Fault> {
        loop {
            let answer = select! {
                recv(self.stop.channel()) -> _ => return Ok(End::Asked),
                recv(opening.answers()) -> answer => answer,
                default(life.deadline.left()) => Ok(Ok(Next::Idle)),
            };
            let passed_on = match answer {
                Ok(Ok(Next::Frame(frame))) => self.pass_on(life.number, frame),
                Ok(Ok(Next::Damaged(how))) => {
                    self.pass_on_rejection(life.number, Rejection::Damaged(how))
                }
                Ok(Ok(Next::Idle)) => {
                    let silence = life.deadline.missed().map(Fault::NoFrames);
                    match silence.or_else(|| self.unfit(life)) {
                        Some(fault) => return Err(fault),
                        None => continue,
                    }
                }
                Ok(Ok(Next::End)) => return Ok(End::Footage),
                Ok(Err(fault)) => return Err(Fault::NoFrames(fault.chain())),
                Err(_) => return Err(Fault::NoFrames("its thread has ended".to_owned())),
            };
            if passed_on.is_none() {
                return Ok(End::Asked);
            }
            life.deadline.meet();
            if let Some(fault) = self.unfit(life) {
                return Err(fault);
            }
        }
    }

    /// Whether the later stages can't use what this opening gives. Footage is what it is: opened anew it
    /// would begin again, with the same frames.
    fn unfit(&self, life: &Life) -> Option<Fault> {
        if self.opener.is_footage() {
            return None;
        }
        let unfit = self.meter.camera(self.camera).streak.unfit(life.number)?;
        Some(match unfit {
            Unfit::Bad(reason) => Fault::NoFrames(reason),
            Unfit::Frozen(reason) => Fault::Frozen(reason),
        })
    }

    /// Counts the fault, and tells the journal where that is news.
    fn complain(&self, fault: &Fault, pause: Duration, complaints: &mut Complaints) {
        self.meter.camera(self.camera).faults.fetch_add(1, Relaxed);
        let (camera, source) = (self.name.as_str(), self.opener.describe());
        let retry_s = pause.as_secs_f64();
        let (reason, what) = match fault {
            Fault::NoFrames(reason) => (reason, "no frames"),
            Fault::Frozen(reason) => (reason, "the picture is frozen: the source is opened anew"),
        };
        match complaints.hear(reason, Instant::now()) {
            Some(faults) => warn!(camera, source, reason, faults, retry_s, "{what}"),
            None => debug!(camera, source, reason, retry_s, "{what}"),
        }
    }

    /// Waits while too many threads hang in the driver; `None` when the next stage is gone. Subscribers are told
    /// here too: before a reload the camera may have given frames beside those threads.
    fn wait_for_room(
        &self,
        number: u32,
        left: &mut LeftBehind,
        complaints: &mut Complaints,
    ) -> Option<()> {
        if left.has_room() {
            return Some(());
        }
        let (camera, hanging) = (self.name.as_str(), left.count());
        let reason = "the driver does not come back: the source is opened again when one of its calls \
                      does; unplug the camera, or restart the machine";
        if complaints.hear(reason, Instant::now()).is_some() {
            warn!(camera, hanging, "{reason}");
        }
        self.pass_on_absence(number, reason.to_owned())?;
        left.wait_for_room(&self.stop);
        Some(())
    }

    /// Says that there are no frames and why, behind the frames that there were; `None` when the
    /// next stage is gone.
    fn pass_on_absence(&self, opening: u32, reason: String) -> Option<()> {
        self.pass_on_rejection(opening, Rejection::NoFrames(reason))
    }

    /// `None` when the next stage is gone.
    fn pass_on_rejection(&self, opening: u32, rejection: Rejection) -> Option<()> {
        let stamp = Stamp {
            seq: 0,
            at: (self.clock)(),
        };
        let item = Item {
            camera: self.camera,
            opening,
            stamp,
            content: Err(rejection),
        };
        for former in self.to.send_kept(item).ok()? {
            self.count(&former);
        }
        Some(())
    }

    /// `None` when the next stage is gone.
    fn pass_on(&self, opening: u32, frame: Frame) -> Option<()> {
        let meter = self.meter.camera(self.camera);
        meter.captured.fetch_add(1, Relaxed);
        meter.gives_frames.store(true, Relaxed);
        let stamp = Stamp {
            seq: frame.seq,
            at: frame.at,
        };
        let item = Item {
            camera: self.camera,
            opening,
            stamp,
            content: Ok(frame),
        };
        if let Sent::Replaced(former) = self.to.send(item).ok()? {
            self.count(&former);
        }
        Some(())
    }

    /// Counts what gave way, where it is a frame.
    fn count(&self, former: &Item<Frame>) {
        let meter = self.meter.camera(self.camera);
        let is_frame = former.content.is_ok();
        meter.replaced.fetch_add(u64::from(is_frame), Relaxed);
    }
}
