//! Golden frames and the engine: scored at the end of a calibration, to be kept, and before every use of
//! the Profile, to be compared. Both by the same [`Judge`], so what is tested is what runs.

use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use super::judge::{Judge, frame_of_file};
use crate::capture::Frame;
use crate::config::Camera;
use crate::infer::Teacher;
use crate::preprocess::Rejection;
use crate::score::profile::{GoldenFrame, GoldenScores, Profile, ProfileError};
use crate::seam::caught;

/// The Profile with these frames, each a JPEG or PNG file, and what they score by it here. It will lie
/// in `dir`.
pub(super) fn with_golden(
    profile: Profile,
    files: Vec<Vec<u8>>,
    teacher: &Teacher,
    dir: &Path,
) -> anyhow::Result<Profile> {
    let profile = Arc::new(profile);
    let mut judge = Judge::load(Arc::clone(&profile), teacher, dir)?;
    let mut golden = Vec::new();
    for file in files {
        // The footage may have changed since it was learnt from.
        match scores(&mut judge, &frame_of_file(&file)) {
            Ok(scores) => golden.push(GoldenFrame::new(golden.len() + 1, file, scores)),
            Err(reason) => tracing::warn!(
                "one golden frame less, by which machines are tested: it can't be scored: {reason}"
            ),
        }
    }
    drop(judge);
    Ok(Arc::unwrap_or_clone(profile).with_golden(golden))
}

/// Scores the golden frames of a camera's Profile, and tells the journal.
///
/// # Errors
/// As [`test`].
pub(super) fn test_camera(
    camera: &Camera,
    judge: &mut Judge,
    golden: &[GoldenFrame],
) -> Result<(), ProfileError> {
    let (name, started) = (camera.name.as_str(), Instant::now());
    test(judge, golden, &camera.profile)?;
    let seconds = started.elapsed().as_secs_f64();
    match golden.len() {
        0 => tracing::info!(
            camera = name,
            "no golden frames: its Profile is not tested here"
        ),
        frames => tracing::info!(
            camera = name,
            frames,
            seconds,
            "golden frames score as calibrated"
        ),
    }
    Ok(())
}

/// Scores the golden frames of the Profile in `dir`.
///
/// # Errors
/// [`ProfileError::OtherScores`] where one scores otherwise than at calibration, or not at all.
pub(super) fn test(
    judge: &mut Judge,
    golden: &[GoldenFrame],
    dir: &Path,
) -> Result<(), ProfileError> {
    for golden in golden {
        let frame = frame_of_file(golden.bytes());
        // Whoever reloads lives on, also where the engine panics on a model that it could load.
        let fault = match caught(|| scores(judge, &frame)) {
            Ok(Ok(now)) => golden.difference(&now),
            Ok(Err(rejection)) => Some(rejection.to_string()),
            Err(panic) => Some(panic),
        };
        if let Some(fault) = fault {
            return Err(ProfileError::OtherScores {
                dir: dir.to_owned(),
                what: format!("of {}, {fault}", golden.scored().file),
            });
        }
    }
    Ok(())
}

fn scores(judge: &mut Judge, frame: &Frame) -> Result<GoldenScores, Rejection> {
    let judged = judge.judge(frame)?;
    let statistics = judge.profile().statistics();
    Ok(GoldenScores::of(&judged.score, statistics))
}
