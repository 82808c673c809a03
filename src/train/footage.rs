//! Footage to features: the teacher's pass over the normal frames, which calibration makes once.
//!
//! What later steps need of each frame is kept: the small pre-trained vectors in memory, the
//! student's inputs and targets in a [`FeatureCache`] on disk. Long footage is thinned evenly; a
//! frame that can't be decoded is left out and named.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::cache::{FeatureCache, frames_that_fit, spread};
use super::report::FrameNote;
use super::review::{Review, Thumbnail};
use super::{CalibrationError, Step, Supervisor};
use crate::capture::{Opener, replay};
use crate::infer::{Patches, PretrainedFeatures, Teacher, pretrained_features, pretrained_streams};
use crate::preprocess::scene::SceneFootage;
use crate::preprocess::{Preprocessor, View};

/// What the teacher alone saw in the footage.
pub(super) struct Seen {
    /// One per frame that was used, in the footage's order.
    pub(super) pretrained: Vec<PretrainedFeatures>,
    /// Which frames of the footage they are, counted from 0.
    pub(super) indices: Vec<usize>,
    /// The streams of the same frames.
    pub(super) cache: FeatureCache,
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
    /// times.
    pub(super) fn interval(&self) -> Option<f64> {
        let times: Vec<f64> = self.notes.iter().filter_map(|note| note.seconds).collect();
        let mut steps: Vec<f64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
        steps.sort_unstable_by(f64::total_cmp);
        let median = steps.get(steps.len() / 2).copied();
        median.filter(|step| *step > 0.0)
    }
}

/// How much of the footage may be used, and where its features lie.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits<'a> {
    /// Bytes of the cache.
    pub(super) cache_bytes: u64,
    /// Frames.
    pub(super) frames: usize,
    /// The cache's folder.
    pub(super) folder: &'a Path,
}

/// Runs the teacher over that part of `footage` which is looked at, and keeps the streams that the students of `blocks` need.
pub(super) fn watch(
    teacher: &Teacher,
    footage: &dyn Opener,
    looked_at: (&View, &Patches),
    blocks: &[usize],
    limits: Limits<'_>,
    supervisor: Supervisor<'_>,
) -> Result<Seen, CalibrationError> {
    let info = teacher.info();
    let (view, patches) = looked_at;
    let kept = streams_of(blocks);
    let runner = teacher.runner(&[kept.as_slice(), &pretrained_streams(info)].concat())?;
    let mut preprocessor = Preprocessor::new(&info.preprocessing).looking_at(view.clone());
    let (tokens, width, bytes) = (info.tokens, info.width, limits.cache_bytes);

    let frames = count(footage, supervisor)?;
    let room = frames_that_fit(kept.len(), tokens, width, bytes).min(limits.frames);
    let mut wanted = spread(frames, room).into_iter().peekable();
    let total = wanted.len();
    let mut seen = Seen {
        pretrained: Vec::new(),
        indices: Vec::new(),
        cache: FeatureCache::create(limits.folder, &kept, tokens, width, bytes)?,
        frames,
        rejected: Vec::new(),
        wanted: total,
        size: None,
        scene: SceneFootage::new(footage.is_film()),
        first: None,
        notes: Vec::new(),
        review: Review::default(),
    };
    for (index, frame) in replay(footage)?.enumerate() {
        let frame = frame?;
        let at = footage.keeps_time().then_some(frame.at.since_boot);
        if wanted.next_if_eq(&index).is_none() {
            // Thinned footage still shows by how much one frame differs from the next.
            if seen.scene.wants_neighbour(index) && preprocessor.prepare(&frame).is_ok() {
                seen.scene.take_neighbour(index, at, preprocessor.look());
            }
            continue;
        }
        supervisor.at(
            Step::Watch,
            seen.pretrained.len() + seen.rejected.len(),
            total,
        )?;
        let prepared = match preprocessor.prepare(&frame) {
            Ok(prepared) => prepared,
            Err(rejection) => {
                let name = frame
                    .name
                    .map_or_else(|| format!("frame {index}"), |n| n.to_string());
                seen.rejected.push((name, rejection.to_string()));
                continue;
            }
        };
        let output = runner
            .run(&prepared.input)
            .map_err(CalibrationError::Inference)?;
        let streams: Vec<&[f32]> = kept.iter().map(|&i| output.stream(i)).collect();
        seen.cache.push(&streams)?;
        seen.scene.take(index, at, preprocessor.look());
        seen.note(index, at, frame.name, &preprocessor);
        let size = Some((prepared.width, prepared.height));
        if seen.pretrained.is_empty() {
            seen.size = size;
        } else if seen.size != size {
            seen.size = None;
        }
        seen.indices.push(index);
        seen.pretrained
            .push(pretrained_features(&output, info, patches));
    }
    supervisor.at(Step::Watch, total, total)?;
    Ok(seen)
}

/// The streams that students of `blocks` read and are compared with, rising.
fn streams_of(blocks: &[usize]) -> Vec<usize> {
    let mut streams: Vec<usize> = blocks.iter().flat_map(|&i| [i - 1, i]).collect();
    streams.dedup();
    streams
}

/// The number of frames: a pass of its own, cheap beside the teacher's, so that long footage can
/// be thinned evenly and the time left be told.
fn count(footage: &dyn Opener, supervisor: Supervisor<'_>) -> Result<usize, CalibrationError> {
    let mut frames = 0;
    for frame in replay(footage)? {
        frame?;
        frames += 1;
        supervisor.at(Step::Count, frames, frames)?;
    }
    Ok(frames)
}
