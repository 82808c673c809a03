//! Training of student blocks, and the trained student.
//!
//! Each block learns alone from the teacher's features in the cache; blocks run on several threads,
//! one block a thread at a time. A block's numbers come from the seed and its own number only, so
//! neither the number of threads nor the other blocks change them. Nothing is written anywhere.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::infer::student_file::{BlockShape, TrainedBlock};

use super::adam::{Adam, Rate};
use super::backward::{Backward, residuals};
use super::block::{Forward, all_tokens};
use super::cache::{CacheError, FeatureCache};
use super::parameters::Parameters;

/// How students are trained.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Recipe {
    /// Learning rate.
    pub rate: Rate,
    /// Passes over the training frames.
    pub epochs: usize,
    /// Frames a step.
    pub batch: usize,
    /// Share of the tokens that are queries in a step, 0..=1; keys and values are always all.
    pub query_share: f64,
    /// Width of the MLP as a multiple of the stream's.
    pub mlp_ratio: usize,
    /// What initialisation, order and queries follow from.
    pub seed: u64,
}

impl Recipe {
    /// METHOD section 3: MLP ratio 1, one-cycle rate, 10 epochs, a quarter of the tokens.
    pub fn light(seed: u64) -> Self {
        let rate = Rate::OneCycle { max: 1e-3 };
        Recipe {
            rate,
            epochs: 10,
            batch: 8,
            query_share: 0.25,
            mlp_ratio: 1,
            seed,
        }
    }

    /// METHOD section 2: the teacher's MLP, 1e-4, 30 epochs of batches of 32, all tokens.
    pub fn paper(seed: u64) -> Self {
        let rate = Rate::Constant(1e-4);
        Recipe {
            rate,
            epochs: 30,
            batch: 32,
            query_share: 1.0,
            mlp_ratio: 4,
            seed,
        }
    }

    /// The sides of this recipe's student of a teacher.
    pub fn shape(&self, tokens: usize, width: usize, heads: usize) -> BlockShape {
        BlockShape {
            tokens,
            width,
            heads,
            hidden: self.mlp_ratio * width,
        }
    }

    fn queries(&self, tokens: usize) -> usize {
        ((self.query_share * tokens as f64).round() as usize).clamp(1, tokens)
    }
}

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

/// The training of one block.
struct Course<'a> {
    material: Material<'a>,
    shape: BlockShape,
    recipe: &'a Recipe,
    watch: Watch<'a>,
    failed: &'a AtomicBool,
    block: usize,
}

/// Input and target of one batch, each `[B, N, D]`.
struct Pairs {
    input: Vec<f32>,
    target: Vec<f32>,
}

impl Course<'_> {
    fn train(&self) -> Result<Student, TrainError> {
        let Recipe {
            epochs,
            batch,
            rate,
            ..
        } = *self.recipe;
        let BlockShape { tokens, width, .. } = self.shape;
        let mut random = ChaCha8Rng::seed_from_u64(self.recipe.seed);
        random.set_stream(self.block as u64);
        let mut parameters = Parameters::xavier(self.shape, &mut random);
        let mut adam = Adam::new(parameters.values().len());
        let asked = self.recipe.queries(tokens);
        let mut forward = Forward::new(self.shape, batch, asked);
        let mut backward = Backward::new(self.shape, batch, asked);
        let room = batch * tokens * width;
        let mut pairs = Pairs {
            input: vec![0.0; room],
            target: vec![0.0; room],
        };
        let mut queries = Queries::new(tokens, asked);
        let mut examiner = Examiner::new(self);
        let mut order = self.material.training.to_vec();
        let each = order.len().div_ceil(batch);
        for epoch in 0..epochs {
            order.shuffle(&mut random);
            let mut total = 0.0;
            for (step, frames) in order.chunks(batch).enumerate() {
                let step = epoch * each + step;
                let (input, target) = self.load(&mut pairs, frames)?;
                let chosen = queries.choose(frames.len(), &mut random);
                forward.run(&parameters, input, chosen);
                let loss = backward.run(&parameters, &forward, target, chosen);
                let gradient = backward.gradient().values();
                adam.step(
                    parameters.values_mut(),
                    gradient,
                    rate.at(step, epochs * each),
                );
                total += loss * frames.len() as f64 / order.len() as f64;
                let (block, steps) = (self.block, epochs * each);
                (self.watch.progress)(Progress {
                    block,
                    step: step + 1,
                    steps,
                    loss,
                });
            }
            if !total.is_finite() {
                return Err(TrainError::Diverged {
                    block: self.block,
                    epoch: epoch + 1,
                });
            }
            examiner.examine(self, &parameters, &mut pairs, total)?;
        }
        Ok(examiner.student(self.block, parameters))
    }

    /// Reads a batch; the one place where a stop is noticed.
    fn load<'p>(
        &self,
        pairs: &'p mut Pairs,
        frames: &[usize],
    ) -> Result<(&'p [f32], &'p [f32]), TrainError> {
        if self.watch.stop.load(Ordering::Relaxed) || self.failed.load(Ordering::Relaxed) {
            return Err(TrainError::Stopped);
        }
        let size = self.shape.tokens * self.shape.width;
        let rows = pairs
            .input
            .chunks_exact_mut(size)
            .zip(pairs.target.chunks_exact_mut(size));
        for (frame, (input, target)) in frames.iter().zip(rows) {
            self.material.cache.read(self.block - 1, *frame, input)?;
            self.material.cache.read(self.block, *frame, target)?;
        }
        let used = frames.len() * size;
        Ok((&pairs.input[..used], &pairs.target[..used]))
    }
}

/// Draws the query tokens of a step: for each picture some of its tokens, none twice.
struct Queries {
    tokens: Vec<usize>,
    asked: usize,
    chosen: Vec<usize>,
}

impl Queries {
    fn new(tokens: usize, asked: usize) -> Self {
        Queries {
            tokens: (0..tokens).collect(),
            asked,
            chosen: Vec::new(),
        }
    }

    fn choose(&mut self, images: usize, random: &mut ChaCha8Rng) -> &[usize] {
        self.chosen.clear();
        for _ in 0..images {
            if self.asked < self.tokens.len() {
                let (some, _) = self.tokens.partial_shuffle(random, self.asked);
                self.chosen.extend_from_slice(some);
            } else {
                self.chosen.extend_from_slice(&self.tokens);
            }
        }
        &self.chosen
    }
}

/// Judges each epoch's state by the held-out frames, and keeps the best.
struct Examiner {
    history: Vec<Epoch>,
    best: Option<(f64, usize, Parameters)>,
    held_out: Option<Examination>,
}

struct Examination {
    forward: Forward,
    queries: Vec<usize>,
    residuals: Vec<f32>,
}

impl Examiner {
    fn new(course: &Course<'_>) -> Self {
        let (shape, batch) = (course.shape, course.recipe.batch);
        let held_out = (!course.material.held_out.is_empty()).then(|| Examination {
            forward: Forward::new(shape, batch, shape.tokens),
            queries: all_tokens(shape.tokens, batch),
            residuals: vec![0.0; batch * shape.tokens * shape.width],
        });
        Examiner {
            history: Vec::new(),
            best: None,
            held_out,
        }
    }

    fn examine(
        &mut self,
        course: &Course<'_>,
        parameters: &Parameters,
        pairs: &mut Pairs,
        training: f64,
    ) -> Result<(), TrainError> {
        let mut epoch = Epoch {
            training,
            held_out: None,
        };
        if let Some(examination) = &mut self.held_out {
            let loss = examination.loss(course, parameters, pairs)?;
            epoch.held_out = Some(loss);
            if self.best.as_ref().is_none_or(|(least, ..)| loss < *least) {
                self.best = Some((loss, self.history.len() + 1, parameters.clone()));
            }
        }
        self.history.push(epoch);
        Ok(())
    }

    fn student(self, block: usize, last: Parameters) -> Student {
        let epochs = self.history.len();
        let (kept_epoch, parameters) = self
            .best
            .map_or((epochs, last), |(_, epoch, parameters)| (epoch, parameters));
        Student {
            block,
            parameters,
            history: self.history,
            kept_epoch,
        }
    }
}

impl Examination {
    /// The mean loss over all tokens of the held-out frames.
    fn loss(
        &mut self,
        course: &Course<'_>,
        parameters: &Parameters,
        pairs: &mut Pairs,
    ) -> Result<f64, TrainError> {
        let (mut squares, mut count) = (0.0, 0);
        for frames in course.material.held_out.chunks(course.recipe.batch) {
            let (input, target) = course.load(pairs, frames)?;
            let queries = &self.queries[..frames.len() * course.shape.tokens];
            self.forward.run(parameters, input, queries);
            squares += residuals(&self.forward, target, queries, &mut self.residuals);
            count += input.len();
        }
        Ok(squares / count as f64)
    }
}
