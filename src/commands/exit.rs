//! Exit codes (sysexits): one table from errors to what the program tells its caller.

use std::error::Error;
use std::path::PathBuf;

use sysexits::ExitCode;

use super::demo::DemoStopped;
use super::going_on::StoppedEarly;
use super::output::OutputClosed;
use crate::capture::CaptureError;
use crate::capture::archive::ArchiveError;
use crate::config::Issues;
use crate::evaluate::masks::MissingMask;
use crate::infer::TeacherError;
use crate::preprocess::{Rejection, ViewError};
use crate::publish::SpoolError;
use crate::score::profile::ProfileError;
use crate::train::CalibrationError;
use crate::train::cache::CacheError;
use crate::train::student::TrainError;
use crate::train::unfinished::UnfinishedError;

/// The user's data can't be used, for a reason that no stage's own error says.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct DataError(pub(super) String);

/// The daemon can't go on.
#[derive(Debug, thiserror::Error)]
pub(super) enum Stopped {
    /// What comes now is safe nowhere.
    #[error(
        "the disk under {folder} has failed: {reason}; alerts that came since were delivered where \
         the broker was there, {lost} are lost; check the disk, then start again"
    )]
    DiskFailed {
        /// The state folder.
        folder: PathBuf,
        /// What the spool says.
        reason: String,
        /// Alerts that nobody has.
        lost: u64,
    },
    /// The disk was full to the end.
    #[error(
        "{lost} alerts are lost: there was no room for them under {folder} and the broker did not \
         take them in time; free some space"
    )]
    NoRoom {
        /// The state folder.
        folder: PathBuf,
        /// Alerts that nobody has.
        lost: u64,
    },
    /// Without a broker, the sink is all that gets them.
    #[error(
        "{lost} alerts are lost: sink.jsonl did not take them, and mqtt is off; see the warnings above"
    )]
    Unwritten {
        /// Alerts that nobody has.
        lost: u64,
    },
}

/// The exit code for an error: by the first in its chain that has one.
pub fn exit_code(error: &anyhow::Error) -> ExitCode {
    error
        .chain()
        .find_map(code_of)
        .unwrap_or(ExitCode::Software)
}

fn code_of(error: &(dyn Error + 'static)) -> Option<ExitCode> {
    if let Some(error) = error.downcast_ref::<CalibrationError>() {
        return code_of_calibration(error);
    }
    code_of_storage(error).or_else(|| code_by_type(error))
}

/// Those that are transparent are asked here: their own error is not in the chain, only what it comes from.
fn code_of_calibration(error: &CalibrationError) -> Option<ExitCode> {
    match error {
        CalibrationError::Stopped => Some(ExitCode::TempFail),
        CalibrationError::TooFewFrames { .. } | CalibrationError::Fit(_) => Some(ExitCode::DataErr),
        CalibrationError::Memory { .. } => Some(ExitCode::Usage),
        CalibrationError::Teacher(error) => code_of_storage(error),
        CalibrationError::Cache(error) | CalibrationError::Train(TrainError::Cache(error)) => {
            code_of_cache(error)
        }
        _ => None,
    }
}

fn code_of_cache(error: &CacheError) -> Option<ExitCode> {
    use std::io::ErrorKind::{QuotaExceeded, StorageFull};
    match error {
        CacheError::Io { source, .. } => Some(match source.kind() {
            StorageFull | QuotaExceeded => ExitCode::CantCreat,
            _ => ExitCode::IoErr,
        }),
        CacheError::NotFinite { .. } => Some(ExitCode::DataErr),
        CacheError::Full { .. } => Some(ExitCode::Usage),
        CacheError::NoStream { .. } | CacheError::NoFrame { .. } => None,
    }
}

/// Where something is kept, and may be there, in use, or damaged.
fn code_of_storage(error: &(dyn Error + 'static)) -> Option<ExitCode> {
    if let Some(error) = error.downcast_ref::<TeacherError>() {
        return Some(match error {
            TeacherError::Read { .. } => ExitCode::NoInput,
            _ => ExitCode::DataErr,
        });
    }
    if let Some(error) = error.downcast_ref::<ProfileError>() {
        return Some(match error {
            ProfileError::Write { .. } | ProfileError::Retire { .. } => ExitCode::CantCreat,
            ProfileError::NotAProfile { .. } | ProfileError::NoPrevious { .. } => ExitCode::NoInput,
            _ => ExitCode::DataErr,
        });
    }
    if let Some(error) = error.downcast_ref::<SpoolError>() {
        return Some(match error {
            SpoolError::Locked { .. } | SpoolError::Busy { .. } | SpoolError::Thread { .. } => {
                ExitCode::TempFail
            }
            SpoolError::Folder { .. } | SpoolError::NoRoom { .. } => ExitCode::CantCreat,
            SpoolError::NotAFile { .. } | SpoolError::NewerSchema { .. } => ExitCode::DataErr,
            SpoolError::Storage { .. } => ExitCode::IoErr,
        });
    }
    if let Some(error) = error.downcast_ref::<ArchiveError>() {
        return Some(match error {
            ArchiveError::Busy { .. } => ExitCode::TempFail,
            ArchiveError::Write { .. } => ExitCode::CantCreat,
        });
    }
    if let Some(error) = error.downcast_ref::<UnfinishedError>() {
        return Some(match error {
            UnfinishedError::Busy { .. } => ExitCode::TempFail,
            UnfinishedError::Folder { .. } => ExitCode::CantCreat,
            UnfinishedError::Foreign { .. } => ExitCode::DataErr,
        });
    }
    None
}

fn code_by_type(error: &(dyn Error + 'static)) -> Option<ExitCode> {
    let by_type = [
        (error.is::<Issues>(), ExitCode::Config),
        (error.is::<OutputClosed>(), ExitCode::Ok),
        (error.is::<DemoStopped>(), ExitCode::TempFail),
        (error.is::<StoppedEarly>(), ExitCode::TempFail),
        (error.is::<Stopped>(), ExitCode::IoErr),
        (error.is::<DataError>(), ExitCode::DataErr),
        (error.is::<MissingMask>(), ExitCode::DataErr),
        (error.is::<Rejection>(), ExitCode::DataErr),
        (error.is::<ViewError>(), ExitCode::Usage),
        (error.is::<CaptureError>(), ExitCode::NoInput),
        (error.is::<std::io::Error>(), ExitCode::IoErr),
    ];
    by_type
        .into_iter()
        .find(|(is, _)| *is)
        .map(|(_, code)| code)
}

#[cfg(test)]
mod tests {
    use std::io::{self, ErrorKind};

    use super::*;

    #[test]
    fn a_calibration_that_fails_for_its_teacher_or_its_disk_is_no_bug_of_ours() {
        let io = |kind: ErrorKind| CacheError::Io {
            what: "can't write the features".into(),
            source: io::Error::from(kind),
        };
        let damaged = || CacheError::NotFinite {
            stream: 2,
            frame: 0,
        };
        let of_training = |error: CacheError| CalibrationError::Train(TrainError::Cache(error));
        for (error, code) in [
            (CalibrationError::Cache(damaged()), ExitCode::DataErr),
            (of_training(damaged()), ExitCode::DataErr),
            (
                CalibrationError::Cache(io(ErrorKind::StorageFull)),
                ExitCode::CantCreat,
            ),
            (
                of_training(io(ErrorKind::QuotaExceeded)),
                ExitCode::CantCreat,
            ),
            (of_training(io(ErrorKind::UnexpectedEof)), ExitCode::IoErr),
            (CalibrationError::Inference("it".into()), ExitCode::Software),
        ] {
            let error = anyhow::Error::from(error).context("can't calibrate on f");
            assert_eq!(exit_code(&error), code, "{error:?}");
        }
    }
}
