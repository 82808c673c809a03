//! Calibration: normal footage in, all that a Profile holds out.
//!
//! The teacher passes over the footage once, with copies of some frames in other light
//! ([`super::relit`]). Students are trained: the final one on all frames and,
//! for the light recipe, one for each of K contiguous folds on the frames outside of it. How scores
//! of unseen normal frames are spread comes from the folds: each frame is measured by a student and
//! by Gaussians that did not see its time block (METHOD.md, section 3, 1). The paper's recipe takes too
//! long to be trained K times: there the folds share one student, whose bias on its own training
//! frames was measured as small (held-out to training error 0.92 to 1.04).

use serde::Serialize;

use super::footage::{Seen, watch};
use super::golden::{choose, fetch};
use super::lesson::Lesson;
use super::memory::{Memory, Needs};
use super::recipe::Recipe;
use super::report::FrameNote;
use super::review::Review;
use super::student::Student;
use super::unfinished::Unfinished;
use super::{CalibrationError, Step, Supervisor};
use crate::capture::Opener;
use crate::infer::student_file::{TrainedBlock, to_onnx};
use crate::infer::{Patches, Teacher, TeacherInfo};
use crate::preprocess::{SceneReference, View};
use crate::score::Scoring;
use crate::score::budget::{Budget, Pace};
use crate::score::crossfit::FOLDS;
use crate::score::fit::Measured;
use crate::score::lines::Terms;
use crate::score::parts::FrameVectors;
use crate::score::refit::{NormalFrame, RelitFrame};
use crate::score::statistics::Statistics;

/// Fewer usable frames than this are refused.
pub const FEWEST_FRAMES: usize = 20;
/// Fewer usable frames than this deserve a warning (METHOD.md, section 3, 1).
pub const RECOMMENDED_FRAMES: usize = 100;

/// Frames a second that are taken to be judged where neither the user nor the footage says it.
pub const USUAL_FPS: f64 = 2.0;

/// What the user asked for.
#[derive(Debug, Clone)]
pub struct Wishes {
    /// Which score decides; the paper's trains the whole student.
    pub scoring: Scoring,
    /// Whether a memory bank is a part of the default score.
    pub bank: bool,
    /// Epochs other than the recipe's.
    pub epochs: Option<usize>,
    /// Seed of all that is random.
    pub seed: u64,
    /// The false alarms that are accepted.
    pub budget: Budget,
    /// Frames a second that will be judged; else as many as the footage has, else [`USUAL_FPS`].
    pub fps: Option<f64>,
    /// Anomalous frames that will open an incident, and of how many.
    pub hits: (usize, usize),
    /// Bytes of the feature cache.
    pub cache_bytes: u64,
    /// Frames that are used at most; longer footage is thinned evenly.
    pub most_frames: usize,
    /// The part of the picture that is looked at.
    pub view: View,
    /// The memory that calibration may take.
    pub memory: Memory,
}

impl Wishes {
    /// How students are trained.
    pub(super) fn recipe(&self) -> Recipe {
        let recipe = match self.scoring {
            Scoring::Default => Recipe::light(self.seed),
            Scoring::Paper => Recipe::paper(self.seed),
        };
        Recipe {
            epochs: self.epochs.unwrap_or(recipe.epochs),
            ..recipe
        }
    }

    /// What it is drawn by which frames are learnt from in other light too; none where the paper's recipe,
    /// which does not know it, is asked for.
    pub(super) fn relit_by(&self) -> Option<u64> {
        (self.scoring == Scoring::Default).then_some(self.seed)
    }

    /// The memory that so many frames need, copies among them.
    pub(super) fn needs(&self, frames: usize, info: &TeacherInfo) -> Needs {
        let is_examined = self.scoring == Scoring::Paper;
        let needs = Needs::of(frames, info, &self.recipe(), is_examined);
        match self.bank {
            true => needs.and_bank(info),
            false => needs,
        }
    }

    /// Refuses what even the fewest frames don't fit into: to be asked before any are filmed.
    ///
    /// # Errors
    /// [`CalibrationError::Memory`].
    pub fn check_memory(&self, info: &TeacherInfo) -> Result<(), CalibrationError> {
        self.memory.check(self.needs(FEWEST_FRAMES, info))
    }

    /// For footage with so many seconds from frame to frame.
    fn terms(&self, interval: Option<f64>) -> Terms {
        let own = interval.map(f64::recip);
        let (hits, window) = self.hits;
        Terms {
            budget: self.budget,
            pace: Pace {
                fps: self.fps.or(own).unwrap_or(USUAL_FPS),
                hits,
                window,
            },
            interval,
            alone: 0,
        }
    }
}

/// What calibration learnt.
#[derive(Debug)]
pub struct Calibration {
    /// All that scores.
    pub statistics: Statistics,
    /// The student as ONNX.
    pub student: Vec<u8>,
    /// Its blocks, 1-based, rising.
    pub blocks: Vec<usize>,
    /// Normal frames that were used.
    pub used: usize,
    /// Frames in the footage.
    pub frames: usize,
    /// Names and reasons of the frames that could not be used.
    pub rejected: Vec<(String, String)>,
    /// Columns and rows of the footage, where all frames have the same.
    pub size: Option<(u32, u32)>,
    /// Values of the teacher that the cache could not hold.
    pub clamped: u64,
    /// What the statistics were fitted on, one per frame used.
    pub taught: Vec<NormalFrame>,
    /// The same of some frames in other light.
    pub relit: Vec<RelitFrame>,
    /// The frames used, measured by statistics that did not see their block of time.
    pub held_out: Vec<Measured>,
    /// Seconds from one of the frames used to the next, where the footage keeps time.
    pub interval: Option<f64>,
    /// Their names and times.
    pub notes: Vec<FrameNote>,
    /// Whether they differ.
    pub review: Review,
    /// Whether they follow each other in time.
    pub is_film: bool,
    /// Passes over the footage that the student was trained for.
    pub epochs: usize,
    /// Width of the student's MLP.
    pub mlp_width: usize,
    /// What the scene looks like as a whole.
    pub scene: Option<SceneReference>,
    /// What the user should know of that, one sentence each.
    pub scene_warnings: Vec<String>,
    /// Files of the frames that are to be golden, to be scored by the engine.
    pub golden: Vec<Vec<u8>>,
    /// Why a frame that was to be golden is not.
    pub not_golden: Vec<String>,
    /// What a run before had done of it.
    pub taken_over: TakenOver,
}

/// What a calibration found done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct TakenOver {
    /// Frames that the teacher had looked at.
    pub frames: usize,
    /// Blocks of students that were trained.
    pub students: usize,
}

/// Learns what is normal from `footage`, goes on from what is in `unfinished`, and keeps there what
/// it does.
///
/// # Errors
/// Too few usable frames, too little memory, a full disk, footage or a teacher that fails, or a stop.
pub fn calibrate(
    teacher: &Teacher,
    footage: &dyn Opener,
    wishes: &Wishes,
    unfinished: &Unfinished,
    supervisor: Supervisor<'_>,
) -> Result<Calibration, CalibrationError> {
    let info = teacher.info();
    let patches = Patches::of(&wishes.view, info.grid)?;
    let blocks = student_blocks(info, wishes.scoring);
    let seen = watch(
        teacher, footage, &patches, &blocks, wishes, unfinished, supervisor,
    )?;
    check_enough(&seen)?;
    let scene = match wishes.scoring {
        Scoring::Default => seen.scene.fit(),
        Scoring::Paper => seen.scene.fit_as_one_light(),
    };
    let used = seen.indices.len();
    let (lights, kinds) = match &scene {
        Some(scene) => (seen.scene.lights(scene), scene.lights()),
        None => (vec![0; used], 1),
    };
    let lights = seen.copies.shared(&lights);
    let lesson = Lesson {
        info,
        patches: &patches,
        blocks: &blocks,
        seen: &seen,
        lights: (&lights, kinds),
        is_film: footage.is_film(),
        wishes,
        unfinished,
        supervisor,
    };
    let learnt = lesson.learn()?;
    let vectors = lesson.vectors(&learnt.student)?;
    let all: Vec<usize> = (0..vectors.len()).collect();
    let (fit, distances) = lesson.fit(&learnt.student, &vectors, &all)?;
    let (taught, relit) = apart(&seen, vectors, distances, &lights);
    let interval = seen.interval();
    let held_out = learnt.held_out;
    let terms = wishes.terms(interval);
    let statistics = Statistics::calibrate(fit, &held_out, wishes.scoring, &terms)?;
    supervisor.at(Step::Fit, FOLDS + 1, FOLDS + 1)?;
    let values = held_out
        .iter()
        .map(|own| statistics.judge(own.clone()).value);
    let values: Vec<(usize, f64)> = seen.indices.iter().copied().zip(values).collect();
    let (golden, not_golden) = fetch(footage, &choose(&values), supervisor)?;
    let scene_warnings = scene
        .iter()
        .flat_map(|scene| seen.scene.warnings(scene))
        .collect();
    Ok(Calibration {
        statistics,
        student: onnx(&learnt.student),
        blocks,
        used,
        frames: seen.frames,
        rejected: seen.rejected,
        size: seen.size,
        clamped: seen.watched.cache().clamped(),
        taught,
        relit,
        held_out,
        interval,
        notes: seen.notes,
        review: seen.review,
        is_film: footage.is_film(),
        epochs: wishes.recipe().epochs,
        mlp_width: learnt.student[0].parameters.shape().hidden,
        scene_warnings,
        scene,
        golden,
        not_golden,
        taken_over: TakenOver {
            frames: seen.taken_over,
            students: learnt.trained_before,
        },
    })
}

fn check_enough(seen: &Seen) -> Result<(), CalibrationError> {
    let used = seen.indices.len();
    if used >= FEWEST_FRAMES {
        return Ok(());
    }
    Err(CalibrationError::TooFewFrames {
        used,
        wanted: seen.wanted,
        frames: seen.frames,
        rejected: seen.rejected.clone(),
    })
}

/// What was fitted on the frames that were used, and on their copies in other light.
fn apart(
    seen: &Seen,
    vectors: Vec<FrameVectors>,
    distances: Vec<Vec<f32>>,
    lights: &[usize],
) -> (Vec<NormalFrame>, Vec<RelitFrame>) {
    let (mut taught, mut relit) = (Vec::new(), Vec::new());
    for (at, (vectors, distances)) in vectors.into_iter().zip(distances).enumerate() {
        let frame = NormalFrame {
            vectors,
            distances,
            from_bank: None,
            light: lights[at],
        };
        if seen.copies.is_copy(at) {
            let of = taught.len() - 1;
            relit.push(RelitFrame { of, frame });
        } else {
            taught.push(frame);
        }
    }
    (taught, relit)
}

/// The file of a student.
fn onnx(student: &[Student]) -> Vec<u8> {
    let trained: Vec<TrainedBlock<'_>> = student.iter().map(Student::trained).collect();
    to_onnx(&trained)
}

/// The light student has the middle block, which residual and map need; the paper's all but the
/// first two (and the middle one, in a teacher of fewer than five blocks).
fn student_blocks(info: &TeacherInfo, scoring: Scoring) -> Vec<usize> {
    match scoring {
        Scoring::Default => vec![info.mid()],
        Scoring::Paper => (info.mid().min(3)..=info.blocks).collect(),
    }
}
