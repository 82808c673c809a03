//! The training of one block, from fresh numbers to the state that is kept.
//!
//! Every random choice (initialisation, order, queries) comes from one generator, seeded by the
//! recipe and the block's number. Buffers are made before the first step. It never looks at another
//! block and starts no thread.

use std::sync::atomic::{AtomicBool, Ordering};

use rand::SeedableRng;
use rand::seq::SliceRandom;
use rand_chacha::ChaCha8Rng;

use crate::infer::student_file::BlockShape;

use super::adam::Adam;
use super::backward::{Backward, residuals};
use super::block::{Forward, all_tokens};
use super::parameters::Parameters;
use super::recipe::Recipe;
use super::student::{Epoch, Exercise, Progress, Student, TrainError, Watch};

/// The training of one block.
pub(super) struct Course<'a> {
    /// What it learns, from what.
    pub(super) exercise: Exercise<'a>,
    /// Its sides.
    pub(super) shape: BlockShape,
    /// How.
    pub(super) recipe: &'a Recipe,
    /// The caller's view and its wish to stop.
    pub(super) watch: Watch<'a>,
    /// Another block failed: no use to go on.
    pub(super) failed: &'a AtomicBool,
}

/// Input and target of one batch, each `[B, N, D]`.
struct Pairs {
    input: Vec<f32>,
    target: Vec<f32>,
}

impl Course<'_> {
    /// Trains the block.
    pub(super) fn train(&self) -> Result<Student, TrainError> {
        let Recipe {
            epochs,
            batch,
            rate,
            ..
        } = *self.recipe;
        let BlockShape { tokens, width, .. } = self.shape;
        let mut random = ChaCha8Rng::seed_from_u64(self.recipe.seed);
        random.set_stream(self.exercise.block as u64);
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
        let mut order = self.exercise.training.to_vec();
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
                let (block, steps) = (self.exercise.block, epochs * each);
                (self.watch.progress)(Progress {
                    block,
                    step: step + 1,
                    steps,
                    loss,
                });
            }
            if !total.is_finite() {
                return Err(TrainError::Diverged {
                    block: self.exercise.block,
                    epoch: epoch + 1,
                });
            }
            examiner.examine(self, &parameters, &mut pairs, total)?;
        }
        Ok(examiner.student(self.exercise.block, parameters))
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
            self.exercise
                .cache
                .read(self.exercise.block - 1, *frame, input)?;
            self.exercise
                .cache
                .read(self.exercise.block, *frame, target)?;
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
        let held_out = (!course.exercise.held_out.is_empty()).then(|| Examination {
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
        for frames in course.exercise.held_out.chunks(course.recipe.batch) {
            let (input, target) = course.load(pairs, frames)?;
            let queries = &self.queries[..frames.len() * course.shape.tokens];
            self.forward.run(parameters, input, queries);
            squares += residuals(&self.forward, target, queries, &mut self.residuals);
            count += input.len();
        }
        Ok(squares / count as f64)
    }
}
