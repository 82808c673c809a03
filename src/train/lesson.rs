//! What a calibration does with the features once the teacher has seen the footage: students are
//! trained, frames are measured, statistics are fitted.
//!
//! Students run here by their own forward pass, on the cached f16 features; scoring runs them by the
//! engine on the teacher's f32 output. The tests hold the two against each other.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use super::alike::{first_alike, unit};
use super::bank::{BlendedTokens, Candidates};
use super::calibrate::Wishes;
use super::footage::Seen;
use super::student::{Exercise, Scratch, Student, Watch, train_students};
use super::unfinished::{Digest, Unfinished};
use super::{CalibrationError, Step, Supervisor};
use crate::infer::{DiscrepancyFeatures, Patches, TeacherInfo, discrepancy_features};
use crate::score::Scoring;
use crate::score::bank::MemoryBank;
use crate::score::crossfit::{FOLDS, folds_of};
use crate::score::fit::{Draft, Fit, Measured, Taught};
use crate::score::moments::Moments;
use crate::score::parts::FrameVectors;
use crate::score::tokens::{self, FrameTokens};

/// What every step of one calibration reads.
pub(super) struct Lesson<'a> {
    pub(super) info: &'a TeacherInfo,
    /// What of a picture the statistics are about. The student learns from all tokens: masked ones
    /// are nearly the same in every frame and teach next to nothing.
    pub(super) patches: &'a Patches,
    /// The student's blocks, 1-based, rising.
    pub(super) blocks: &'a [usize],
    pub(super) seen: &'a Seen,
    /// Of which kind of light each frame is, copies among them, and how many there are.
    pub(super) lights: (&'a [usize], usize),
    /// Whether the frames follow each other in time; else those that show the same stay together.
    pub(super) is_film: bool,
    pub(super) wishes: &'a Wishes,
    /// Where students that are trained lie.
    pub(super) unfinished: &'a Unfinished,
    pub(super) supervisor: Supervisor<'a>,
}

/// What a lesson gives.
pub(super) struct Learnt {
    /// The blocks of the student.
    pub(super) student: Vec<Student>,
    /// The measurements of all frames that are no copies, by students and fits that did not see them.
    pub(super) held_out: Vec<Measured>,
    /// How many blocks of all students a run before had trained.
    pub(super) trained_before: usize,
}

impl Lesson<'_> {
    /// As the scoring that is wished for needs it.
    pub(super) fn learn(&self) -> Result<Learnt, CalibrationError> {
        match self.wishes.scoring {
            Scoring::Default => self.learn_light(),
            Scoring::Paper => self.learn_paper(),
        }
    }

    /// One student on all frames, and one a fold on the frames outside of it.
    fn learn_light(&self) -> Result<Learnt, CalibrationError> {
        let all = self.frames();
        let folds = self.folds();
        let mut courses: Vec<Vec<usize>> =
            (folds.iter().map(|fold| self.seen.copies.outside(fold))).collect();
        courses.push(all);
        let exercises = courses
            .iter()
            .flat_map(|frames| self.exercises(frames, &[]));
        let (students, trained_before) = self.train(&exercises.collect::<Vec<_>>())?;
        let mut students: Vec<&[Student]> = students.chunks(self.blocks.len()).collect();
        let last = students.pop().expect("there is a course on all frames");
        let mut held_out = Vec::new();
        for (number, (fold, student)) in folds.iter().zip(&students).enumerate() {
            self.supervisor.at(Step::Fit, number, FOLDS + 1)?;
            let vectors = self.vectors(student)?;
            let (fit, _) = self.fit(student, &vectors, &courses[number])?;
            held_out.extend(self.measure(student, &fit, &vectors, fold)?);
        }
        Ok(Learnt {
            student: last.to_vec(),
            held_out: in_order(held_out),
            trained_before,
        })
    }

    /// One student for all; only the Gaussians are cross-fitted. The last tenth of the footage
    /// chooses the epoch that is kept (METHOD.md, section 2).
    fn learn_paper(&self) -> Result<Learnt, CalibrationError> {
        let all = self.frames();
        let (training, choosing) = all.split_at(all.len() - all.len().div_ceil(10));
        let (student, trained_before) = self.train(&self.exercises(training, choosing))?;
        let vectors = self.vectors(&student)?;
        let mut held_out = Vec::new();
        for (number, fold) in self.folds().iter().enumerate() {
            self.supervisor.at(Step::Fit, number, FOLDS + 1)?;
            let (fit, _) = self.fit(&student, &vectors, &self.seen.copies.outside(fold))?;
            held_out.extend(self.measure(&student, &fit, &vectors, fold)?);
        }
        Ok(Learnt {
            student,
            held_out: in_order(held_out),
            trained_before,
        })
    }

    /// The frames of each fold, in order of time, without copies.
    fn folds(&self) -> Vec<Vec<usize>> {
        let own = self.seen.copies.frames();
        let firsts = if self.is_film {
            (0..own.len()).collect()
        } else {
            let z = own.iter().map(|&frame| &self.seen.pretrained[frame].z);
            first_alike(&z.map(|z| unit(z)).collect::<Vec<_>>())
        };
        let lights: Vec<usize> = own.iter().map(|&frame| self.lights.0[frame]).collect();
        let of = folds_of(&lights, &firsts, FOLDS);
        let frames = |fold| {
            let numbers = (0..of.len()).filter(|&number| of[number] == fold);
            numbers.map(|number| own[number]).collect()
        };
        (0..FOLDS).map(frames).collect()
    }

    /// What `frames` teach, given the vectors of all; and the distances of their residual tokens.
    pub(super) fn fit(
        &self,
        student: &[Student],
        vectors: &[FrameVectors],
        frames: &[usize],
    ) -> Result<(Fit, Vec<Vec<f32>>), CalibrationError> {
        let mid = self.mid(student);
        let (lights, kinds) = self.lights;
        let mut moments = vec![Moments::new(self.info.width); kinds];
        self.each(mid, frames, |frame, features| {
            let tokens = &features.residual_tokens;
            moments[lights[frame]].add(&self.patches.kept_tokens(tokens, self.info.width));
        })?;
        let taught = |&frame: &usize| Taught {
            vectors: &vectors[frame],
            light: lights[frame],
            is_copy: self.seen.copies.is_copy(frame),
        };
        let chosen: Vec<Taught<'_>> = frames.iter().map(taught).collect();
        let mut draft = Draft::new(&chosen, &moments, self.patches)?;
        let mut distances = Vec::with_capacity(frames.len());
        self.each(mid, frames, |frame, features| {
            distances.push(draft.place(lights[frame], &features.residual_tokens));
        })?;
        let bank = self.bank(frames)?;
        Ok((draft.finish()?.with_bank(bank), distances))
    }

    /// A memory bank of these frames without copies, where one is asked for.
    fn bank(&self, frames: &[usize]) -> Result<Option<MemoryBank>, CalibrationError> {
        if !self.wishes.bank {
            return Ok(None);
        }
        let own = frames.iter().filter(|at| !self.seen.copies.is_copy(**at));
        let count = own.clone().count();
        let mut candidates = Candidates::new(self.info.width, count, self.wishes.seed);
        let mut blended = self.blended_tokens();
        for &frame in own {
            self.supervisor.check()?;
            let tokens = blended.read(frame)?;
            candidates.take(&self.patches.kept_tokens(&tokens, self.info.width));
        }
        Ok(Some(candidates.bank()))
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

    /// Measures frames that `fit` and `student` did not see, each with its number.
    fn measure(
        &self,
        student: &[Student],
        fit: &Fit,
        vectors: &[FrameVectors],
        frames: &[usize],
    ) -> Result<Vec<(usize, Measured)>, CalibrationError> {
        let mut measured = Vec::with_capacity(frames.len());
        let mut scratch = tokens::Scratch::default();
        let mut blended = self.blended_tokens();
        self.each(self.mid(student), frames, |frame, features| {
            let (vectors, light) = (&vectors[frame], self.lights.0[frame]);
            let mut measure = || -> Result<Measured, CalibrationError> {
                let tokens = FrameTokens {
                    residual: &features.residual_tokens,
                    blended: &blended.read(frame)?,
                };
                let own = fit.measure(vectors, tokens, light, &mut scratch);
                own.map_err(|rejection| CalibrationError::Inference(rejection.to_string()))
            };
            measured.push(measure().map(|own| (frame, own)));
        })?;
        measured.into_iter().collect()
    }

    fn blended_tokens(&self) -> BlendedTokens<'_> {
        BlendedTokens::of(self.seen.watched.cache(), self.info, self.wishes.bank)
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
                self.seen
                    .watched
                    .cache()
                    .read(block.block - 1, frame, &mut input)?;
                pair.0 = block.block;
                pair.1.copy_from_slice(block.forward(&mut scratch, &input));
                self.seen
                    .watched
                    .cache()
                    .read(block.block, frame, &mut pair.2)?;
            }
            let pairs: Vec<_> = pairs
                .iter()
                .map(|(b, s, t)| (*b, s.as_slice(), t.as_slice()))
                .collect();
            visit(frame, discrepancy_features(&pairs, self.info, self.patches));
        }
        Ok(())
    }

    /// All frames, copies among them.
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

    /// Each block of a student, to be trained on the same frames.
    fn exercises<'e>(&'e self, training: &'e [usize], held_out: &'e [usize]) -> Vec<Exercise<'e>> {
        let exercise = |&block| Exercise {
            cache: self.seen.watched.cache(),
            training,
            held_out,
            block,
        };
        self.blocks.iter().map(exercise).collect()
    }

    /// A trained block for each exercise, and how many of them a run before had trained. Each is kept as
    /// soon as it is trained.
    fn train(&self, exercises: &[Exercise<'_>]) -> Result<(Vec<Student>, usize), CalibrationError> {
        let recipe = self.wishes.recipe();
        let info = self.info;
        let shape = recipe.shape(info.tokens, info.width, info.heads);
        let keys: Vec<Digest> = exercises
            .iter()
            .map(|own| own.key(shape, &recipe))
            .collect();
        self.unfinished.forget_other_students(&keys);
        let find = |key| self.unfinished.student(key, shape);
        let mut students: Vec<Option<Student>> = keys.iter().map(find).collect();
        let missing: Vec<usize> = (0..keys.len()).filter(|&i| students[i].is_none()).collect();
        let before = keys.len() - missing.len();

        let steps = |own: &Exercise<'_>| own.training.len().div_ceil(recipe.batch) * recipe.epochs;
        let total = exercises.iter().map(steps).sum::<usize>();
        let to_do = missing.iter().map(|&i| steps(&exercises[i])).sum::<usize>();
        let done = AtomicUsize::new(total - to_do);
        let progress = |_| {
            let done = done.fetch_add(1, Ordering::Relaxed) + 1;
            // A stop is noticed by the training itself.
            let _ = self.supervisor.at(Step::Train, done, total);
        };
        let trained = |at: usize, student: &Student| {
            if let Err(fault) = self.unfinished.keep_student(&keys[missing[at]], student) {
                let folder = self.unfinished.folder().display();
                tracing::warn!(
                    "a trained student can't be kept in {folder}, and a stop loses it: {fault}"
                );
            }
        };
        let watch = Watch {
            progress: &progress,
            trained: &trained,
            stop: self.supervisor.stop,
        };
        let to_do: Vec<Exercise<'_>> = missing.iter().map(|&i| exercises[i]).collect();
        let new = train_students(&to_do, shape, &recipe, self.threads(), watch)?;
        for (at, student) in missing.into_iter().zip(new) {
            students[at] = Some(student);
        }
        Ok((students.into_iter().flatten().collect(), before))
    }

    /// Students that are trained at a time. More threads than cores gain nothing and take memory.
    fn threads(&self) -> usize {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let needs = self.wishes.needs(self.seen.pretrained.len(), self.info);
        cores.min(self.wishes.memory.students(needs))
    }
}

/// Measurements in the order of their frames.
fn in_order(mut measured: Vec<(usize, Measured)>) -> Vec<Measured> {
    measured.sort_unstable_by_key(|(frame, _)| *frame);
    measured.into_iter().map(|(_, measured)| measured).collect()
}
