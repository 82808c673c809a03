//! The students: what `calibrate` adds to the steps of the daemon.
//!
//! Teacher features go to disk once ([`cache`]); then each student block learns by itself to map
//! the teacher's `x_{i-1}` to `x_i` ([`student`]), on a forward and a backward pass written by hand
//! ([`block`], [`backward`]) over the `gemm` crate, which is named in this module only. Nothing here
//! runs in the daemon: a trained student leaves as ONNX ([`crate::infer::student_file`]).

pub mod memory;

pub mod unfinished;

pub mod cache;

pub mod parameters;

pub mod block;

pub mod backward;

pub mod adam;

pub mod recipe;

mod course;

pub mod student;

mod folded;

mod kernel;

mod rows;

#[cfg(test)]
mod gradient_tests;

#[cfg(test)]
mod timing_tests;

mod footage;

mod relit;

mod alike;

mod bank;

mod lesson;

mod golden;

pub mod calibrate;

pub mod review;

pub mod report;

use std::sync::atomic::{AtomicBool, Ordering};

/// The steps of a calibration, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// The frames of the footage are counted.
    Count,
    /// The teacher looks at each.
    Watch,
    /// The students learn.
    Train,
    /// The statistics are fitted, fold by fold and then as a whole.
    Fit,
    /// The pictures of the report are drawn.
    Draw,
}

/// Who follows a calibration and may end it.
#[derive(Clone, Copy)]
pub struct Supervisor<'a> {
    /// Called with a step, how much of it is done, and how much there is.
    pub progress: &'a (dyn Fn(Step, usize, usize) + Sync),
    /// Once true, calibration ends soon; what is done stays with [`unfinished::Unfinished`].
    pub stop: &'a AtomicBool,
}

impl Supervisor<'_> {
    fn at(&self, step: Step, done: usize, total: usize) -> Result<(), CalibrationError> {
        (self.progress)(step, done, total);
        self.check()
    }

    fn check(&self) -> Result<(), CalibrationError> {
        if self.stop.load(Ordering::Relaxed) {
            Err(CalibrationError::Stopped)
        } else {
            Ok(())
        }
    }
}

/// Why there is no calibration.
#[derive(Debug, thiserror::Error)]
pub enum CalibrationError {
    /// The caller asked to stop.
    #[error("stopped; no Profile was written")]
    Stopped,
    /// More memory is needed than may be taken.
    #[error(
        "--memory allows {allowed} MB, and {needed} MB are needed, {frames} MB of them for the frames and \
         {student} MB to train one student block: allow more, use fewer frames (--frames), or take a \
         smaller teacher"
    )]
    Memory {
        /// What may be taken, in megabytes like all of them.
        allowed: u64,
        /// What is needed at least.
        needed: u64,
        /// What the frames take of it.
        frames: u64,
        /// What the training of a student block takes of it.
        student: u64,
    },
    /// Not enough to learn from.
    #[error(
        "only {used} frames can be used, and {} are the least: of {frames} in the footage \
         {wanted} were looked at (--frames and --cache bound them; give the cache more room, or film \
         at least {} normal frames){}",
        calibrate::FEWEST_FRAMES,
        calibrate::RECOMMENDED_FRAMES,
        first(rejected)
    )]
    TooFewFrames {
        /// Frames that can be used.
        used: usize,
        /// Frames that the limits allowed to be used.
        wanted: usize,
        /// Frames in the footage.
        frames: usize,
        /// Names and reasons of those that can't.
        rejected: Vec<(String, String)>,
    },
    /// The models failed.
    #[error("inference failed: {0}")]
    Inference(String),
    /// The footage can't be read.
    #[error("the footage can't be read")]
    Footage(#[from] crate::capture::CaptureError),
    /// The teacher can't be used.
    #[error(transparent)]
    Teacher(#[from] crate::infer::TeacherError),
    /// The features can't be kept.
    #[error(transparent)]
    Cache(#[from] cache::CacheError),
    /// Too little of the picture is looked at.
    #[error("the view can't be calibrated with this teacher")]
    View(#[from] crate::preprocess::ViewError),
    /// Training failed.
    #[error(transparent)]
    Train(student::TrainError),
    /// The statistics can't be fitted.
    #[error("the footage can't be described by statistics")]
    Fit(#[from] crate::score::samples::FitError),
}

impl From<student::TrainError> for CalibrationError {
    fn from(error: student::TrainError) -> Self {
        match error {
            student::TrainError::Stopped => CalibrationError::Stopped,
            other => CalibrationError::Train(other),
        }
    }
}

/// The first rejected frame, as an example.
fn first(rejected: &[(String, String)]) -> String {
    rejected.first().map_or_else(String::new, |(name, reason)| {
        format!(
            "; {} could not be used, such as {name}: {reason}",
            rejected.len()
        )
    })
}
