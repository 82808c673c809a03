//! Training of student blocks, and the trained student.
//!
//! Each block learns alone from the teacher's features in the cache; blocks run on several threads,
//! one block a thread at a time. A block's numbers come from the seed, its own number and its frames only, so
//! neither the number of threads nor the other blocks change them. Nothing is written anywhere.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use sha2::{Digest as _, Sha256};

use super::block::{Forward, all_tokens};
use super::cache::{CacheError, FeatureCache};
use super::course::Course;
use super::parameters::Parameters;
use super::unfinished::Digest;
use crate::infer::student_file::{BlockShape, TrainedBlock};

pub use super::recipe::Recipe;

/// One block to be trained, and what it learns from.
#[derive(Debug, Clone, Copy)]
pub struct Exercise<'a> {
    /// It holds `x_{block-1}` and `x_block`.
    pub cache: &'a FeatureCache,
    /// The cache's frames to learn from.
    pub training: &'a [usize],
    /// Frames that choose the epoch whose state is kept; without any, the last state is.
    pub held_out: &'a [usize],
    /// The block's number, 1-based.
    pub block: usize,
}

impl Exercise<'_> {
    /// Of all that the trained block follows from: this program, the streams, the recipe, the sides.
    pub fn key(&self, shape: BlockShape, recipe: &Recipe) -> Digest {
        let (version, block) = (env!("CARGO_PKG_VERSION"), self.block);
        let frames = (self.training.len(), self.held_out.len());
        let mut key = Sha256::new();
        key.update(format!("{version} {block} {shape:?} {recipe:?} {frames:?}"));
        let frames = self.training.iter().chain(self.held_out);
        frames.for_each(|frame| key.update(self.cache.digest(*frame)));
        key.finalize().into()
    }
}

/// How a caller follows a training and ends it.
#[derive(Clone, Copy)]
pub struct Watch<'a> {
    /// Called after each step, from the training threads.
    pub progress: &'a (dyn Fn(Progress) + Sync),
    /// Called with each block as soon as it is trained, and its place among those that were given, from
    /// the training threads.
    pub trained: &'a (dyn Fn(usize, &Student) + Sync),
    /// Once true, training ends within one step.
    pub stop: &'a AtomicBool,
}

/// One step done.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Progress {
    /// The block, 1-based.
    pub block: usize,
    /// Steps of this block done.
    pub step: usize,
    /// Steps of this block in all.
    pub steps: usize,
    /// The loss of the step's batch.
    pub loss: f64,
}

/// Why there are no students.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// The caller asked to stop.
    #[error("training was stopped")]
    Stopped,
    /// The cached features can't be read.
    #[error(transparent)]
    Cache(#[from] CacheError),
    /// Nothing to learn from.
    #[error("there are no frames to train on; give more footage")]
    NoFrames,
    /// The loss grew beyond all bounds.
    #[error(
        "the student of block {block} diverged in epoch {epoch}: its loss is no longer a number; \
         try a lower learning rate or another seed"
    )]
    Diverged {
        /// The block, 1-based.
        block: usize,
        /// The epoch, from 1.
        epoch: usize,
    },
}

/// The losses of one epoch.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Epoch {
    /// Mean over the epoch's steps, on their queries.
    pub training: f64,
    /// Over all tokens of the held-out frames, where there are any.
    pub held_out: Option<f64>,
}

/// A trained block: an estimate of `x_block` from the teacher's `x_{block-1}`.
#[derive(Debug, Clone, PartialEq)]
pub struct Student {
    /// Its number, 1-based.
    pub block: usize,
    /// Its numbers.
    pub parameters: Parameters,
    /// How the training went.
    pub history: Vec<Epoch>,
    /// The epoch whose state this is, from 1.
    pub kept_epoch: usize,
}

/// Buffers for [`Student::forward`].
#[derive(Debug)]
pub struct Scratch {
    forward: Forward,
    queries: Vec<usize>,
}

impl Scratch {
    /// For at most `images` pictures at once.
    pub fn new(shape: BlockShape, images: usize) -> Self {
        let forward = Forward::new(shape, images, shape.tokens);
        Scratch {
            forward,
            queries: all_tokens(shape.tokens, images),
        }
    }
}

impl Student {
    /// The student's output for whole pictures: `[n, tokens, width]` to the same.
    ///
    /// Panics where `n` is more than `scratch` was made for.
    pub fn forward<'a>(&self, scratch: &'a mut Scratch, input: &[f32]) -> &'a [f32] {
        let tokens = input.len() / self.parameters.shape().width;
        scratch
            .forward
            .run(&self.parameters, input, &scratch.queries[..tokens])
    }

    /// What [`crate::infer::student_file::to_onnx`] writes.
    pub fn trained(&self) -> TrainedBlock<'_> {
        TrainedBlock {
            block: self.block,
            shape: self.parameters.shape(),
            tensors: self.parameters.tensors(),
        }
    }
}

/// Trains a student block for each of `exercises`, on at most `threads` threads; they come back in the
/// same order.
pub fn train_students(
    exercises: &[Exercise<'_>],
    shape: BlockShape,
    recipe: &Recipe,
    threads: usize,
    watch: Watch<'_>,
) -> Result<Vec<Student>, TrainError> {
    let is_sound = |own: &Exercise<'_>| own.block > 0;
    assert!(exercises.iter().all(is_sound), "blocks count from 1");
    if exercises.iter().any(|own| own.training.is_empty()) {
        return Err(TrainError::NoFrames);
    }
    let (next, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
    let work = || {
        let mut done = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(exercise) = exercises.get(at) else {
                return done;
            };
            let course = Course {
                exercise: *exercise,
                shape,
                recipe,
                watch,
                failed: &failed,
            };
            let student = course.train();
            match &student {
                Ok(student) => (watch.trained)(at, student),
                Err(_) => failed.store(true, Ordering::Relaxed),
            }
            done.push((at, student));
        }
    };
    let mut done: Vec<(usize, Result<Student, TrainError>)> = thread::scope(|scope| {
        let spawn = |_| scope.spawn(work);
        let workers: Vec<_> = (0..threads.clamp(1, exercises.len().max(1)))
            .map(spawn)
            .collect();
        let join = |worker: thread::ScopedJoinHandle<'_, _>| match worker.join() {
            Ok(done) => done,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        workers.into_iter().flat_map(join).collect()
    });
    // A failure makes the other blocks stop: tell the failure, not them.
    done.sort_by_key(|(at, student)| (!matches!(student, Err(e) if !e.is_stop()), *at));
    done.into_iter().map(|(_, student)| student).collect()
}

impl TrainError {
    fn is_stop(&self) -> bool {
        matches!(self, TrainError::Stopped)
    }
}

#[cfg(test)]
mod tests;
