//! Frame to score in one call, for the commands that judge files; the daemon runs the same steps, each
//! in its own thread.

use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;

use super::golden;
use crate::capture::images::read_bounded;
use crate::capture::{Frame, Moment, Pixels};
use crate::evaluate::heatmap::Scale;
use crate::infer::{
    Extractor, Features, StudentRunner, Teacher, TeacherFile, TeacherInfo, TeacherRunner,
    bank_streams, pretrained_streams,
};
use crate::preprocess::scene::SceneCheck;
use crate::preprocess::{
    Lighting, Preprocessor, Rejection, SceneFault, SceneReference, SceneRules,
};
use crate::score::Score;
use crate::score::profile::Profile;
use crate::score::tokens::Scratch;

/// A Profile with its teacher, ready to judge.
pub(super) struct Judge {
    preprocessor: Preprocessor,
    extractor: Extractor,
    reference: Option<Arc<SceneReference>>,
    /// None where scenes are not compared.
    check: Option<SceneCheck>,
    profile: Arc<Profile>,
    scratch: Scratch,
}

/// One frame judged.
pub(super) struct Judged {
    pub(super) features: Features,
    pub(super) score: Score,
    /// The kind of light that it is of.
    pub(super) light: usize,
    /// Why the daemon would not score it.
    pub(super) fault: Option<SceneFault>,
    /// Whether that is so whatever it scores.
    pub(super) is_scene_fault: bool,
}

impl Judge {
    /// Loads the Profile in `dir` and its teacher: the one given, or the one that the Profile's
    /// receipt remembers; and scores its golden frames.
    pub(super) fn open(dir: &Path, teacher: Option<&Path>) -> anyhow::Result<Judge> {
        let teacher = teacher_of(dir, teacher)?;
        let mut profile = Profile::load(dir, teacher.info())?;
        let golden = profile.take_golden();
        let mut judge = Judge::load(Arc::new(profile), &teacher, dir)?;
        golden::test(&mut judge, &golden, dir)?;
        Ok(judge)
    }

    /// Of a Profile that lies in `dir`, or will.
    pub(super) fn load(
        profile: Arc<Profile>,
        teacher: &Teacher,
        dir: &Path,
    ) -> anyhow::Result<Judge> {
        let student = load_student(&profile, dir)?;
        let runner = teacher.runner(&streams(&profile, &student, teacher.info()))?;
        Ok(Judge::new(profile, runner, student))
    }

    /// Of models that are loaded.
    pub(super) fn new(
        profile: Arc<Profile>,
        teacher: TeacherRunner,
        student: StudentRunner,
    ) -> Judge {
        let view = profile.manifest().origin.view.clone();
        let preprocessor = Preprocessor::new(&teacher.info().preprocessing).looking_at(view);
        let judge = Judge {
            preprocessor,
            extractor: extractor(&profile, teacher, student),
            reference: profile.scene().cloned(),
            check: None,
            profile,
            scratch: Scratch::default(),
        };
        judge.watching(&SceneRules::default())
    }

    /// The same for a camera whose scene is watched by these rules. A single frame is neither frozen nor settling.
    pub(super) fn watching(self, rules: &SceneRules) -> Judge {
        let reference = self.reference.clone().filter(|_| rules.compares);
        let check = reference.map(|reference| SceneCheck::new(reference, rules.moved_beyond));
        Judge { check, ..self }
    }

    pub(super) fn profile(&self) -> &Profile {
        &self.profile
    }

    /// Judges one frame. One whose scene is at fault is scored all the same, and its fault told.
    pub(super) fn judge(&mut self, frame: &Frame) -> Result<Judged, Rejection> {
        let prepared = self.preprocessor.prepare(frame)?;
        self.profile
            .manifest()
            .origin
            .check_frame(prepared.width, prepared.height)?;
        let look = self.preprocessor.look();
        let check = self.check.as_mut();
        let fault = check.and_then(|check| check.fault(look, None));
        let lighting = Lighting::of(look, self.check.as_ref(), self.reference.as_deref());
        let features = self.extractor.features(&prepared)?;
        let statistics = self.profile.statistics();
        let score = statistics.score(&features, lighting.light, &mut self.scratch)?;
        let is_scene_fault = fault.is_some();
        let fault = fault.or(lighting.unlearnt.filter(|_| score.is_suspect()));
        Ok(Judged {
            features,
            score,
            light: lighting.light,
            fault,
            is_scene_fault,
        })
    }
}

/// The teacher of the Profile in `dir`: the one given, or the one that its receipt remembers.
pub(super) fn teacher_of(dir: &Path, given: Option<&Path>) -> anyhow::Result<Teacher> {
    let remembered = Profile::read_receipt(dir)?.teacher;
    match (given, &remembered) {
        (None, Some(path)) => load_teacher(Some(path)).with_context(|| {
            format!(
                "the Profile {} remembers its teacher at {}; if it lies elsewhere now, say \
                 where with --teacher",
                dir.display(),
                path.display()
            )
        }),
        _ => load_teacher(given),
    }
}

/// Loads a teacher and warns if its sidecar had to be guessed.
pub(super) fn load_teacher(path: Option<&Path>) -> anyhow::Result<Teacher> {
    let file = TeacherFile::open(path)?;
    if file.sidecar_assumed {
        tracing::warn!(
            "{} has no sidecar: mean and std are taken as 0.5; write {} if that is wrong",
            file.name,
            crate::infer::sidecar_of(Path::new(&file.name)).display()
        );
    }
    Ok(Teacher::load(&file)?)
}

/// What the teacher must yield for a Profile with this student.
pub(super) fn streams(
    profile: &Profile,
    student: &StudentRunner,
    info: &TeacherInfo,
) -> Vec<usize> {
    let mut streams = student.streams();
    streams.extend(pretrained_streams(info));
    if profile.statistics().fit().bank().is_some() {
        streams.extend(bank_streams(info));
    }
    streams
}

/// What a Profile looks at, and by what.
pub(super) fn extractor(
    profile: &Profile,
    teacher: TeacherRunner,
    student: StudentRunner,
) -> Extractor {
    let fit = profile.statistics().fit();
    Extractor::new(teacher, student)
        .looking_at(fit.patches().clone())
        .blending(fit.bank().is_some())
}

/// The student of a Profile that lies in `dir`.
pub(super) fn load_student(profile: &Profile, dir: &Path) -> anyhow::Result<StudentRunner> {
    let blocks = &profile.manifest().origin.student.blocks;
    StudentRunner::load(profile.student(), blocks).map_err(|fault| {
        let dir = dir.display();
        anyhow::anyhow!("can't run the student of the Profile {dir}: {fault}; calibrate again")
    })
}

/// An image file as a frame.
pub(super) fn frame_of(path: &Path) -> std::io::Result<Frame> {
    Ok(Frame {
        seq: 0,
        at: Moment::now(),
        name: path.file_name().map(|name| name.to_string_lossy().into()),
        pixels: Pixels::Encoded(read_bounded(path)?),
    })
}

/// The bytes of an image file as a frame.
pub(super) fn frame_of_file(bytes: &[u8]) -> Frame {
    Frame {
        seq: 0,
        at: Moment::now(),
        name: None,
        pixels: Pixels::Encoded(bytes.to_vec()),
    }
}

/// The strongest colour of a heat map stands for twice the local threshold, which a control may have
/// moved as low as it likes.
pub(super) fn heat_scale(score: &Score) -> Scale {
    heat_scale_to(score.local_threshold)
}

/// The same for any frame, by the local score's threshold.
pub(super) fn heat_scale_to(local_threshold: f64) -> Scale {
    Scale {
        low: 1.0,
        high: (2.0 * local_threshold as f32).max(2.0),
    }
}
