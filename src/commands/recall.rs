//! Recall frames and the engine: what people called bad is scored by each Profile that is to take
//! another's place, and none of it may pass as normal unless somebody accepts that.

use std::path::Path;
use std::sync::Arc;

use super::exit::DataError;
use super::judge::{Judge, frame_of_file};
use crate::infer::{Teacher, TeacherInfo};
use crate::preprocess::SceneRules;
use crate::score::profile::{MOST_RECALL, Profile, ProfileError, RECALL_BYTES, RecallFrame};
use crate::score::threshold::Level;

/// A picture that somebody called bad.
pub(super) struct Bad {
    /// What people know it by.
    pub(super) name: String,
    /// A JPEG or PNG file.
    pub(super) file: Vec<u8>,
    /// What it scored by the Profile whose place is taken, as published; none where its scene was at
    /// fault.
    pub(super) before: Option<f64>,
    /// Whether somebody has accepted already that it passes.
    pub(super) is_accepted: bool,
}

impl Bad {
    /// Of a Profile in `dir`.
    pub(super) fn kept(frame: &RecallFrame, dir: &Path) -> Bad {
        let recall = frame.scored();
        Bad {
            name: dir.join(&recall.file).display().to_string(),
            file: frame.bytes().to_vec(),
            before: (!recall.has_scene_fault()).then_some(recall.value),
            is_accepted: recall.is_missed,
        }
    }

    /// Whether the Profile whose place is taken finds it.
    pub(super) fn was_found(&self) -> bool {
        self.before
            .is_none_or(|value| value > Level::CALIBRATED.get())
    }
}

/// The recall frames of the Profile that a calibration onto `dir` replaces. One that can't be read is
/// no reason not to calibrate.
pub(super) fn former(dir: &Path, teacher: &TeacherInfo) -> Vec<Bad> {
    let frames = match Profile::read_recall(dir) {
        Ok(frames) => frames,
        Err(ProfileError::NotAProfile { .. }) => return Vec::new(),
        Err(fault) => {
            tracing::warn!("bad frames of the former Profile are not carried over: {fault}");
            return Vec::new();
        }
    };
    let own = Profile::read_manifest(dir).map(|manifest| manifest.origin.teacher.sha256);
    if !frames.is_empty() && own.is_ok_and(|own| own != teacher.sha256) {
        tracing::warn!("the bad frames of the former Profile are tested by another teacher now");
    }
    frames.iter().map(|frame| Bad::kept(frame, dir)).collect()
}

/// As many of `bad`, in their order, as a Profile holds; of the others each is told.
pub(super) fn within_bounds(bad: Vec<Bad>) -> Vec<Bad> {
    let (mut kept, mut bytes) = (Vec::new(), 0);
    for frame in bad {
        if kept.len() < MOST_RECALL && bytes + frame.file.len() <= RECALL_BYTES {
            bytes += frame.file.len();
            kept.push(frame);
        } else {
            tracing::warn!(
                "{} is not kept, and tests no threshold: a Profile holds {MOST_RECALL} bad frames of {} \
                 MiB together",
                frame.name,
                RECALL_BYTES >> 20
            );
        }
    }
    kept
}

/// `profile` with these frames, as it scores them for a camera whose scene is watched by `rules`: what the daemon
/// would find at fault does not pass. It will lie in `dir`.
///
/// # Errors
/// [`DataError`] where one passes as normal that did not, and that is not accepted.
pub(super) fn with_recall(
    profile: Profile,
    bad: Vec<Bad>,
    teacher: &Teacher,
    dir: &Path,
    rules: &SceneRules,
    accepts_missed: bool,
) -> anyhow::Result<Profile> {
    if bad.is_empty() {
        return Ok(profile);
    }
    let profile = Arc::new(profile);
    let all = bad.len();
    let mut judge = Judge::load(Arc::clone(&profile), teacher, dir)?.watching(rules);
    let (mut frames, mut missed) = (Vec::new(), Vec::new());
    for bad in bad {
        let judged = match judge.judge(&frame_of_file(&bad.file)) {
            Ok(judged) => judged,
            Err(reason) if accepts_missed => {
                tracing::warn!("{} tests this Profile no more: {reason}", bad.name);
                continue;
            }
            Err(reason) => {
                missed.push(format!(
                    "{} (it can't be judged any more: {reason})",
                    bad.name
                ));
                continue;
            }
        };
        let (number, value) = (frames.len() + 1, judged.score.value);
        let frame = RecallFrame::new(number, bad.file, value, judged.is_scene_fault);
        if frame.scored().is_missed {
            let said = missing(&bad.name, bad.before, value);
            if accepts_missed || bad.is_accepted {
                tracing::warn!("a bad frame passes as normal: {said}");
            } else {
                missed.push(said);
            }
        }
        frames.push(frame);
    }
    drop(judge);
    if !missed.is_empty() {
        return Err(refusal(&missed, all).into());
    }
    Ok(Arc::unwrap_or_clone(profile).with_recall(frames))
}

/// Why nothing was written, where these of all bad frames pass.
fn refusal(missed: &[String], all: usize) -> DataError {
    DataError(format!(
        "{} of {all} bad frames would pass, so nothing was written: {}; leave out fine frames that look \
         like them, accept more false alarms (--false-alarms, in a new calibration), or write it all the \
         same with --accept-missed",
        missed.len(),
        missed.join(", ")
    ))
}

/// How far a frame lies below the threshold.
fn missing(name: &str, before: Option<f64>, value: f64) -> String {
    let line = Level::CALIBRATED.get();
    let before = match before {
        None => "the former Profile finds its scene at fault".to_owned(),
        Some(value) if value > line => format!("{value:.3} by the former Profile"),
        Some(_) => "the former Profile does not find it either".to_owned(),
    };
    format!("{name} ({value:.3} where more than {line} is anomalous; {before})")
}
