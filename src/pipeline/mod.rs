//! Threads and the links between them, and nothing of images.
//!
//! ```text
//! source -> capture (one of each a camera) =newest=> prepare -> infer -> decide -> outlet
//! '------------------------------- one generation -----------------------------'
//! ```
//!
//! The steps are closures that the caller gives, per camera; every thread but source and capture serves
//! all cameras. A source may hang in its driver; capture supervises it and never does. Stopping is one
//! mechanism: capture is asked, returns, its sender drops, and each inbox closes in turn. A stage that fails
//! drops its ends: the same path.

mod capture;
mod complaints;
mod deadline;
mod generation;
mod link;
mod meter;
mod opening;
mod outlet;
mod stage;
mod stop;
mod streak;

pub use complaints::Complaints;
pub use deadline::Deadline;
pub use generation::{Finished, Running, start};
pub use link::{Closed, FanIn, Receiver, Sender, Sent, newest, waiting};
pub use meter::{CameraCounts, Meter, Reader, Report, StageTime, log_pauses};
pub use opening::{Answer, LeftBehind, Opening};
pub use outlet::Outlet;
pub use stage::{Decide, Decided, Failure, Step};
pub use stop::{Asker, Stop, stop};

use std::time::Duration;

use crate::capture::{Frame, Moment, Opener};
use crate::config::Retry;
use crate::preprocess::Rejection;

/// What travels between the stages: a frame of a camera in some form, or why there is none.
#[derive(Debug, Clone, PartialEq)]
pub struct Item<T> {
    /// Index of the camera.
    pub camera: usize,
    /// Which opening of its source, counted from 1.
    pub opening: u32,
    /// Which frame.
    pub stamp: Stamp,
    /// The frame, or why it can't be judged.
    pub content: Result<T, Rejection>,
}

/// Which frame of a camera, and when it was taken.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stamp {
    /// Number since the source was opened.
    pub seq: u64,
    /// When it was taken.
    pub at: Moment,
}

/// Everything that the pipeline needs of one camera.
pub struct Camera<P, D: Decide> {
    /// For logs and counters.
    pub name: String,
    /// The source.
    pub opener: Box<dyn Opener>,
    /// What a former generation left in its driver.
    pub left_behind: LeftBehind,
    /// No frame for this long: the source is given up and opened anew.
    pub deadline: Duration,
    /// The same for its first frame, which takes longer: some cameras must be called first.
    pub first_frame: Duration,
    /// Pauses between attempts to open it.
    pub retry: Retry,
    /// Decodes and resizes a frame; a panic in it is a rejection.
    pub prepare: Step<Frame, P>,
    /// Runs the models; a panic in it is a rejection.
    pub infer: Step<P, D::Seen>,
    /// Decides.
    pub decide: D,
}
