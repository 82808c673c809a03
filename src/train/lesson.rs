//! What a calibration does with the features once the teacher has seen the footage: students are
//! trained, frames are measured, statistics are fitted.
//!
//! Students run here by their own forward pass, on the cached f16 features; scoring runs them by the
//! engine on the teacher's f32 output. The tests hold the two against each other.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::calibrate::Wishes;
use super::footage::Seen;
use super::student::{Material, Recipe, Scratch, Student, Watch, train_students};
use super::{CalibrationError, Step, Supervisor};
use crate::infer::{DiscrepancyFeatures, Patches, TeacherInfo, discrepancy_features};
use crate::score::Scoring;
use crate::score::crossfit::{FOLDS, contiguous_folds, outside};
use crate::score::map::{MapStatistics, PositionMoments};
use crate::score::moments::Moments;
use crate::score::parts::FrameVectors;
use crate::score::statistics::{Fit, Measured};
use crate::score::tokens::{self, TokenGaussian};

/// What every step of one calibration reads.
pub(super) struct Lesson<'a> {
    pub(super) info: &'a TeacherInfo,
    /// What of a picture the statistics are about. The student learns from all tokens: masked ones
    /// are nearly the same in every frame and teach next to nothing.
    pub(super) patches: &'a Patches,
    /// The student's blocks, 1-based, rising.
    pub(super) blocks: &'a [usize],
    pub(super) seen: &'a Seen,
    pub(super) wishes: &'a Wishes,
    pub(super) supervisor: Supervisor<'a>,
}

/// The blocks of a student, and the measurements of all frames by those that did not see them.
type Learnt = (Vec<Student>, Vec<Measured>);

impl Lesson<'_> {
    /// One student on all frames, and one a fold on the frames outside of it.
    pub(super) fn learn_light(&self) -> Result<Learnt, CalibrationError> {
        let all = self.frames();
        let folds = contiguous_folds(all.len(), FOLDS);
        let mut courses: Vec<Vec<usize>> = folds
            .iter()
            .map(|fold| outside(&all, fold).copied().collect())
            .collect();
        courses.push(all.clone());
        let mut students = self.train_each(&courses)?;
        let last = students.pop().expect("there is a course on all frames");
        let mut held_out = Vec::with_capacity(all.len());
        for (number, (fold, student)) in folds.into_iter().zip(&students).enumerate() {
            self.supervisor.at(Step::Fit, number, FOLDS + 1)?;
            let vectors = self.vectors(student)?;
            let (fit, _) = self.fit(student, &vectors, &courses[number])?;
            held_out.extend(self.measure(student, &fit, &vectors, &all[fold])?);
        }
        Ok((last, held_out))
    }

    /// One student for all; only the Gaussians are cross-fitted. The last tenth of the footage
    /// chooses the epoch that is kept (METHOD.md, section 2).
    pub(super) fn learn_paper(&self) -> Result<Learnt, CalibrationError> {
        let all = self.frames();
        let (training, choosing) = all.split_at(all.len() - all.len().div_ceil(10));
        let threads = thread::available_parallelism().map_or(1, usize::from);
        let steps = Steps::of(self, &[training]);
        let student = self.train(training, choosing, threads, &steps)?;
        let vectors = self.vectors(&student)?;
        let mut held_out = Vec::with_capacity(all.len());
        for (number, fold) in contiguous_folds(all.len(), FOLDS).into_iter().enumerate() {
            self.supervisor.at(Step::Fit, number, FOLDS + 1)?;
            let rest: Vec<usize> = outside(&all, &fold).copied().collect();
            let (fit, _) = self.fit(&student, &vectors, &rest)?;
            held_out.extend(self.measure(&student, &fit, &vectors, &all[fold])?);
        }
        Ok((student, held_out))
    }

    /// What `frames` teach, given the vectors of all; and the distances of their residual tokens.
    pub(super) fn fit(
        &self,
        student: &[Student],
        vectors: &[FrameVectors],
        frames: &[usize],
    ) -> Result<(Fit, Vec<Vec<f32>>), CalibrationError> {
        let mid = self.mid(student);
        let mut moments = Moments::new(self.info.width);
        self.each(mid, frames, |_, features| {
            let tokens = &features.residual_tokens;
            moments.add(&self.patches.kept_tokens(tokens, self.info.width));
        })?;
        let gaussian = TokenGaussian::fit(&moments)?;
        let mut positions = PositionMoments::new(self.patches.clone());
        let mut distances = Vec::with_capacity(frames.len());
        let mut scratch = tokens::Scratch::default();
        self.each(mid, frames, |_, features| {
            distances.push(gaussian.distances(&features.residual_tokens, &mut scratch));
        })?;
        distances.iter().for_each(|frame| positions.add(frame));
        let chosen: Vec<&FrameVectors> = frames.iter().map(|&frame| &vectors[frame]).collect();
        let fit = Fit::new(&chosen, gaussian, MapStatistics::fit(&positions)?)?;
        Ok((fit, distances))
    }

    /// The small vectors of all frames as this student sees them.
    pub(super) fn vectors(
        &self,
        student: &[Student],
    ) -> Result<Vec<FrameVectors>, CalibrationError> {
        let mut vectors = Vec::with_capacity(self.seen.pretrained.len());
        self.each(student, &self.frames(), |frame, discrepancy| {
            let pretrained = &self.seen.pretrained[frame];
            vectors.push(FrameVectors::new(pretrained, &discrepancy));
        })?;
        Ok(vectors)
    }

    /// Measures frames that `fit` and `student` did not see.
    fn measure(
        &self,
        student: &[Student],
        fit: &Fit,
        vectors: &[FrameVectors],
        frames: &[usize],
    ) -> Result<Vec<Measured>, CalibrationError> {
        let mut measured = Vec::with_capacity(frames.len());
        let mut scratch = tokens::Scratch::default();
        self.each(self.mid(student), frames, |frame, features| {
            measured.push(fit.measure(&vectors[frame], &features.residual_tokens, &mut scratch));
        })?;
        let finite: Result<Vec<Measured>, _> = measured.into_iter().collect();
        finite.map_err(|rejection| CalibrationError::Inference(rejection.to_string()))
    }

    /// Runs the student on the cached features of `frames`.
    fn each(
        &self,
        student: &[Student],
        frames: &[usize],
        mut visit: impl FnMut(usize, DiscrepancyFeatures),
    ) -> Result<(), CalibrationError> {
        let shape = student[0].parameters.shape();
        let size = shape.tokens * shape.width;
        let mut scratch = Scratch::new(shape, 1);
        let mut input = vec![0f32; size];
        let mut pairs = vec![(0, vec![0f32; size], vec![0f32; size]); student.len()];
        for &frame in frames {
            self.supervisor.check()?;
            for (block, pair) in student.iter().zip(&mut pairs) {
                self.seen.cache.read(block.block - 1, frame, &mut input)?;
                pair.0 = block.block;
                pair.1.copy_from_slice(block.forward(&mut scratch, &input));
                self.seen.cache.read(block.block, frame, &mut pair.2)?;
            }
            let pairs: Vec<_> = pairs
                .iter()
                .map(|(b, s, t)| (*b, s.as_slice(), t.as_slice()))
                .collect();
            visit(frame, discrepancy_features(&pairs, self.info, self.patches));
        }
        Ok(())
    }

    fn frames(&self) -> Vec<usize> {
        (0..self.seen.pretrained.len()).collect()
    }

    /// The middle block alone: all that the map needs.
    fn mid<'s>(&self, student: &'s [Student]) -> &'s [Student] {
        let at = student
            .iter()
            .position(|block| block.block == self.info.mid());
        std::slice::from_ref(&student[at.expect("every student has the middle block")])
    }

    /// A student for each list of training frames, one a thread.
    fn train_each(&self, courses: &[Vec<usize>]) -> Result<Vec<Vec<Student>>, CalibrationError> {
        let steps = Steps::of(self, courses);
        thread::scope(|scope| {
            let spawn = |training: &'_ Vec<usize>| {
                let (training, steps) = (training.clone(), &steps);
                scope.spawn(move || self.train(&training, &[], 1, steps))
            };
            let running: Vec<_> = courses.iter().map(spawn).collect();
            let join = |thread: thread::ScopedJoinHandle<'_, _>| match thread.join() {
                Ok(student) => student,
                Err(panic) => std::panic::resume_unwind(panic),
            };
            running.into_iter().map(join).collect()
        })
    }

    fn train(
        &self,
        training: &[usize],
        choosing: &[usize],
        threads: usize,
        steps: &Steps,
    ) -> Result<Vec<Student>, CalibrationError> {
        let recipe = self.recipe();
        let info = self.info;
        let shape = recipe.shape(info.tokens, info.width, info.heads);
        let material = Material {
            cache: &self.seen.cache,
            training,
            held_out: choosing,
        };
        let progress = |_| {
            let done = steps.done.fetch_add(1, Ordering::Relaxed) + 1;
            // A stop is noticed by the training itself.
            let _ = self.supervisor.at(Step::Train, done, steps.total);
        };
        let watch = Watch {
            progress: &progress,
            stop: self.supervisor.stop,
        };
        Ok(train_students(
            material,
            self.blocks,
            shape,
            &recipe,
            threads,
            watch,
        )?)
    }

    pub(super) fn recipe(&self) -> Recipe {
        let recipe = match self.wishes.scoring {
            Scoring::Default => Recipe::light(self.wishes.seed),
            Scoring::Paper => Recipe::paper(self.wishes.seed),
        };
        Recipe {
            epochs: self.wishes.epochs.unwrap_or(recipe.epochs),
            ..recipe
        }
    }
}

/// Steps of all trainings together, for the progress bar.
struct Steps {
    done: AtomicUsize,
    total: usize,
}

impl Steps {
    fn of<T: AsRef<[usize]>>(lesson: &Lesson<'_>, courses: &[T]) -> Steps {
        let recipe = lesson.recipe();
        let each = |course: &T| course.as_ref().len().div_ceil(recipe.batch) * recipe.epochs;
        let total = courses.iter().map(each).sum::<usize>() * lesson.blocks.len();
        Steps {
            done: AtomicUsize::new(0),
            total,
        }
    }
}
