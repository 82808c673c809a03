//! Going on: a calibration that was stopped, killed, cut off or refused keeps what it has done, and says how
//! it goes on. No two commands work on one Profile.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::Context as _;

use crate::train::CalibrationError;
use crate::train::unfinished::Unfinished;

/// Stopped on the way; what was done is kept.
#[derive(Debug, thiserror::Error)]
#[error(
    "stopped; no Profile was written; {again} goes on from {}, or delete it",
    .folder.display()
)]
pub(super) struct StoppedEarly {
    folder: PathBuf,
    /// What goes on.
    again: &'static str,
}

/// Does `work`, which makes the Profile that will lie at `place`, with the folder of what is done of it.
/// Once that is of no use any more it is removed. `again` says what goes on after a stop.
pub(super) fn going_on<T>(
    place: &Path,
    again: &'static str,
    stop: &AtomicBool,
    work: impl FnOnce(&Unfinished) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let unfinished = Unfinished::open(place)?;
    let made = work(&unfinished);
    let is_kept = made.as_ref().is_err_and(may_yet_succeed) && !unfinished.is_empty();
    if !is_kept {
        unfinished.remove();
        return made;
    }
    let folder = unfinished.folder().to_owned();
    if stop.load(Ordering::Relaxed) {
        return Err(StoppedEarly { folder, again }.into());
    }
    made.with_context(|| {
        let folder = folder.display();
        format!(
            "what was done is kept in {folder}, and the next calibration of the same footage and Profile goes \
             on from there; or delete it"
        )
    })
}

/// Does `work` on the Profile that lies at `place`, while nobody else calibrates or refines it. What a
/// calibration of it has left unfinished stays as it is.
pub(super) fn alone<T>(
    place: &Path,
    work: impl FnOnce() -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let unfinished = Unfinished::open(place)?;
    let done = work();
    if unfinished.is_empty() {
        unfinished.remove();
    }
    done
}

/// Whether a calibration that failed may come to its end on the same footage.
fn may_yet_succeed(error: &anyhow::Error) -> bool {
    let cause = error.chain().find_map(|cause| cause.downcast_ref());
    !matches!(
        cause,
        Some(CalibrationError::TooFewFrames { .. } | CalibrationError::Fit(_))
    )
}
