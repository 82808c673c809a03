//! Footage to features: the teacher's pass over the normal frames, which calibration makes once.
//!
//! What later steps need of each frame is kept: the small pre-trained vectors in memory, the
//! student's inputs and targets in a [`FeatureCache`] on disk. Some frames are followed by a copy in other
//! light ([`super::relit`]). Where a run before has watched a frame of the same prepared input, the teacher
//! is spared. Long footage is thinned evenly; a frame that can't be
//! decoded is left out and named.

use std::sync::Arc;
use std::time::Duration;

use sha2::{Digest as _, Sha256};

use super::cache::{FeatureCache, frames_that_fit, spread};
use super::calibrate::Wishes;
use super::relit::{self, Copies};
use super::report::FrameNote;
use super::review::{Review, Thumbnail};
use super::unfinished::{Unfinished, Watched};
use super::{CalibrationError, Step, Supervisor};
use crate::capture::{Frame, Opener, replay};
use crate::infer::{
    Patches, PretrainedFeatures, Teacher, TeacherRunner, bank_streams, pretrained_features,
    pretrained_streams,
};
use crate::preprocess::scene::SceneFootage;
use crate::preprocess::{Prepared, Preprocessor};

/// Quarters of footage of one pace differ by no more than this factor in the median step.
const SAME_PACE: f64 = 1.25;

/// What the teacher alone saw in the footage.
pub(super) struct Seen {
    /// One per frame that was used, in the footage's order, each copy after its frame.
    pub(super) pretrained: Vec<PretrainedFeatures>,
    /// Which of them are copies.
    pub(super) copies: Copies,
    /// The streams of all of them.
    pub(super) watched: Watched,
    /// Which frames of the footage were used, counted from 0.
    pub(super) indices: Vec<usize>,
    /// How many of them a run before had watched.
    pub(super) taken_over: usize,
    /// Frames in the footage.
    pub(super) frames: usize,
    /// Names and reasons of the frames that could not be used.
    pub(super) rejected: Vec<(String, String)>,
    /// Frames that the limits allowed to be used.
    pub(super) wanted: usize,
    /// Columns and rows of the frames used, where all have the same.
    pub(super) size: Option<(u32, u32)>,
    /// What the same frames look like as a whole.
    pub(super) scene: SceneFootage,
    /// When the first of them was taken, where the footage keeps time.
    first: Option<Duration>,
    /// Names and times of the same frames.
    pub(super) notes: Vec<FrameNote>,
    /// Whether they differ.
    pub(super) review: Review,
}

impl Seen {
    fn push(&mut self, features: PretrainedFeatures, is_copy: bool) {
        self.pretrained.push(features);
        self.copies.push(is_copy);
    }

    /// Notes what is told of a frame beside its features.
    fn note(
        &mut self,
        number: usize,
        at: Option<Duration>,
        name: Option<Arc<str>>,
        preprocessor: &Preprocessor,
    ) {
        let since_first = at.map(|at| at.saturating_sub(*self.first.get_or_insert(at)));
        let thumbnail = Thumbnail::of(&preprocessor.picture());
        self.review.push(thumbnail, since_first.unwrap_or_default());
        self.notes.push(FrameNote {
            number,
            name,
            seconds: since_first.map(|since| since.as_secs_f64()),
            brightness: preprocessor.look().statistics().brightness,
        });
    }

    /// Seconds from one of the frames used to the next, in the median; none where the footage has no
    /// times, or where its quarters differ, as those of films of several paces do.
    pub(super) fn interval(&self) -> Option<f64> {
        let times: Vec<f64> = self.notes.iter().filter_map(|note| note.seconds).collect();
        let steps: Vec<f64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
        let median = |steps: &[f64]| {
            let mut steps = steps.to_vec();
            steps.sort_unstable_by(f64::total_cmp);
            steps.get(steps.len() / 2).copied()
        };
        let quarters = steps.chunks(steps.len().div_ceil(4).max(1));
        let paces: Vec<f64> = quarters.filter_map(median).collect();
        let slowest = paces.iter().copied().fold(0.0, f64::max);
        let is_one_pace = paces.iter().all(|pace| SAME_PACE * pace >= slowest);
        median(&steps).filter(|step| *step > 0.0 && is_one_pace)
    }
}

/// What looks at a frame.
struct Eye<'a> {
    preprocessor: Preprocessor,
    runner: TeacherRunner,
    /// The streams that the students need.
    kept: Vec<usize>,
    patches: &'a Patches,
    /// What it is drawn by which frames are looked at in other light too, where some are.
    relit_by: Option<u64>,
}

/// Runs the teacher over that part of `footage` which is looked at, and keeps the streams that the
/// students of `blocks` need. What was watched goes to `unfinished`, also where it ends early.
pub(super) fn watch(
    teacher: &Teacher,
    footage: &dyn Opener,
    patches: &Patches,
    blocks: &[usize],
    wishes: &Wishes,
    unfinished: &Unfinished,
    supervisor: Supervisor<'_>,
) -> Result<Seen, CalibrationError> {
    let info = teacher.info();
    let (view, bytes) = (&wishes.view, wishes.cache_bytes);
    let kept = streams_of(blocks, wishes.bank.then(|| bank_streams(info)));
    let mut eye = Eye {
        runner: teacher.runner(&[kept.as_slice(), &pretrained_streams(info)].concat())?,
        preprocessor: Preprocessor::new(&info.preprocessing).looking_at(view.clone()),
        kept,
        patches,
        relit_by: wishes.relit_by(),
    };
    let frames = count(footage, &mut eye, supervisor)?;
    let room = frames_that_fit(eye.kept.len(), info.tokens, info.width, bytes);
    let room = match wishes.relit_by() {
        Some(_) => relit::without_copies(room),
        None => room,
    };
    let wanted = spread(frames, room.min(wishes.most_frames));
    let looks = match wishes.relit_by() {
        Some(_) => relit::with_copies(wanted.len()),
        None => wanted.len(),
    };
    wishes.memory.check(wishes.needs(looks, info))?;
    unfinished.forget_other_streams(&eye.kept);
    let folder = unfinished.folder();
    let cache = FeatureCache::open(folder, &eye.kept, info.tokens, info.width, bytes)?;
    let mut seen = Seen {
        pretrained: Vec::new(),
        copies: Copies::default(),
        watched: Watched::open(folder, cache, info, view, &eye.kept)?,
        indices: Vec::new(),
        taken_over: 0,
        frames,
        rejected: Vec::new(),
        wanted: wanted.len(),
        size: None,
        scene: SceneFootage::new(footage.is_film()),
        first: None,
        notes: Vec::new(),
        review: Review::default(),
    };
    match eye.look_at_all(footage, &wanted, &mut seen, supervisor) {
        Ok(()) => seen.watched.finish()?,
        Err(error) => {
            // The error that is told is the first one.
            let _ = seen.watched.keep();
            return Err(error);
        }
    }
    Ok(seen)
}

impl Eye<'_> {
    fn look_at_all(
        &mut self,
        footage: &dyn Opener,
        wanted: &[usize],
        seen: &mut Seen,
        supervisor: Supervisor<'_>,
    ) -> Result<(), CalibrationError> {
        let total = wanted.len();
        let mut wanted = wanted.iter().peekable();
        for (index, frame) in replay(footage)?.enumerate() {
            let frame = frame?;
            let at = footage.keeps_time().then_some(frame.at.since_boot);
            if wanted.next_if_eq(&&index).is_none() {
                // Thinned footage still shows by how much one frame differs from the next.
                if seen.scene.wants_neighbour(index) && self.preprocessor.prepare(&frame).is_ok() {
                    let look = self.preprocessor.look();
                    seen.scene.take_neighbour(index, at, look);
                }
                continue;
            }
            let done = seen.indices.len() + seen.rejected.len();
            supervisor.at(Step::Watch, done, total)?;
            self.look_at(frame, index, at, seen)?;
        }
        supervisor.at(Step::Watch, total, total)
    }

    /// Looks at one frame, and at its copy where it has one, or names it where it can't be used.
    fn look_at(
        &mut self,
        frame: Frame,
        index: usize,
        at: Option<Duration>,
        seen: &mut Seen,
    ) -> Result<(), CalibrationError> {
        let prepared = match self.preprocessor.prepare(&frame) {
            Ok(prepared) => prepared,
            Err(rejection) => {
                let name = frame
                    .name
                    .map_or_else(|| format!("frame {index}"), |n| n.to_string());
                seen.rejected.push((name, rejection.to_string()));
                return Ok(());
            }
        };
        let (features, is_known) = self.features(&prepared, &mut seen.watched)?;
        seen.taken_over += usize::from(is_known);
        seen.scene.take(index, at, self.preprocessor.look());
        seen.note(index, at, frame.name.clone(), &self.preprocessor);
        let size = Some((prepared.width, prepared.height));
        if seen.indices.is_empty() {
            seen.size = size;
        } else if seen.size != size {
            seen.size = None;
        }
        let factor = (self.relit_by).and_then(|seed| relit::factor(seen.indices.len(), seed));
        seen.indices.push(index);
        seen.push(features, false);
        if let Some(factor) = factor {
            let copy = self.preprocessor.prepare_relit(&frame, factor);
            // The frame itself was sound.
            let copy = copy.map_err(|fault| CalibrationError::Inference(fault.to_string()))?;
            let (features, _) = self.features(&copy, &mut seen.watched)?;
            seen.push(features, true);
        }
        Ok(())
    }

    /// The features of the next frame, and whether they come from a run before; else the teacher looks.
    fn features(
        &self,
        prepared: &Prepared,
        watched: &mut Watched,
    ) -> Result<(PretrainedFeatures, bool), CalibrationError> {
        let input = Sha256::digest(bytemuck::cast_slice::<f32, u8>(&prepared.input)).into();
        if let Some(features) = watched.recall(&input)? {
            return Ok((features, true));
        }
        let output = self.runner.run(&prepared.input);
        let output = output.map_err(CalibrationError::Inference)?;
        let features = pretrained_features(&output, self.runner.info(), self.patches);
        let streams: Vec<&[f32]> = self.kept.iter().map(|&i| output.stream(i)).collect();
        watched.push(&input, &streams, &features)?;
        Ok((features, false))
    }
}

/// The streams that students of `blocks` read and are compared with, and those of a memory bank, rising.
fn streams_of(blocks: &[usize], bank: Option<[usize; 3]>) -> Vec<usize> {
    let mut streams: Vec<usize> = blocks.iter().flat_map(|&i| [i - 1, i]).collect();
    streams.extend(bank.into_iter().flatten());
    streams.sort_unstable();
    streams.dedup();
    streams
}

/// The number of frames: a pass of its own, cheap beside the teacher's, so that long footage can
/// be thinned evenly and the time left be told. The first one is looked at, so that the memory which
/// that takes is known.
fn count(
    footage: &dyn Opener,
    eye: &mut Eye<'_>,
    supervisor: Supervisor<'_>,
) -> Result<usize, CalibrationError> {
    let mut frames = 0;
    for frame in replay(footage)? {
        let frame = frame?;
        if frames == 0
            && let Ok(prepared) = eye.preprocessor.prepare(&frame)
        {
            let output = eye.runner.run(&prepared.input);
            output.map_err(CalibrationError::Inference)?;
        }
        frames += 1;
        supervisor.at(Step::Count, frames, frames)?;
    }
    Ok(frames)
}
