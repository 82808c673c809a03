//! Training of student blocks, and the trained student.
//!
//! Each block learns alone from the teacher's features in the cache; blocks run on several threads,
//! one block a thread at a time. A block's numbers come from the seed and its own number only, so
//! neither the number of threads nor the other blocks change them. Nothing is written anywhere.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use crate::infer::student_file::{BlockShape, TrainedBlock};

use super::block::{Forward, all_tokens};
use super::cache::{CacheError, FeatureCache};
use super::course::Course;
use super::parameters::Parameters;

pub use super::recipe::Recipe;

/// What the students learn from.
#[derive(Debug, Clone, Copy)]
pub struct Material<'a> {
    /// For each block `i` to be trained it holds `x_{i-1}` and `x_i`.
    pub cache: &'a FeatureCache,
    /// The cache's frames to learn from.
    pub training: &'a [usize],
    /// Frames that choose the epoch whose state is kept; without any, the last state is.
    pub held_out: &'a [usize],
}

/// How a caller follows a training and ends it.
#[derive(Clone, Copy)]
pub struct Watch<'a> {
    /// Called after each step, from the training threads.
    pub progress: &'a (dyn Fn(Progress) + Sync),
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
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
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

/// Trains a student for each of `blocks` (1-based), on at most `threads` threads; they come back in
/// the order of `blocks`.
pub fn train_students(
    material: Material<'_>,
    blocks: &[usize],
    shape: BlockShape,
    recipe: &Recipe,
    threads: usize,
    watch: Watch<'_>,
) -> Result<Vec<Student>, TrainError> {
    assert!(blocks.iter().all(|block| *block > 0), "blocks count from 1");
    if material.training.is_empty() {
        return Err(TrainError::NoFrames);
    }
    let (next, failed) = (AtomicUsize::new(0), AtomicBool::new(false));
    let work = || {
        let mut done = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(block) = blocks.get(at) else {
                return done;
            };
            let course = Course {
                material,
                shape,
                recipe,
                watch,
                failed: &failed,
                block: *block,
            };
            let student = course.train();
            failed.fetch_or(student.is_err(), Ordering::Relaxed);
            done.push((at, student));
        }
    };
    let mut done: Vec<(usize, Result<Student, TrainError>)> = thread::scope(|scope| {
        let spawn = |_| scope.spawn(work);
        let workers: Vec<_> = (0..threads.clamp(1, blocks.len().max(1)))
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
