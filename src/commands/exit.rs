//! Exit codes (sysexits): one table from errors to what the program tells its caller. README, "Operating it", says
//! the same to people: nothing else decides on a code.

use std::error::Error;
use std::io;
use std::path::PathBuf;

use rustix::io::Errno;

use sysexits::ExitCode;

use super::demo::DemoStopped;
use super::going_on::StoppedEarly;
use super::output::OutputClosed;
use crate::capture::CaptureError;
use crate::capture::archive::ArchiveError;
use crate::config::Issues;
use crate::evaluate::masks::MissingMask;
use crate::evaluate::whole::WriteError;
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

/// The command line names what is not there.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct UsageError(pub(super) String);

/// A program or a server that the work needs is not there.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub(super) struct Unavailable {
    /// What was tried, and what to do.
    pub(super) what: String,
    /// The system's answer.
    pub(super) source: io::Error,
}

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
            ProfileError::Write { source, .. }
            | ProfileError::Retire { source, .. }
            | ProfileError::Unlisted { source, .. } => code_of_writing(source),
            ProfileError::Unsynced { .. } => ExitCode::IoErr,
            ProfileError::NotAProfile { .. }
            | ProfileError::NoPrevious { .. }
            | ProfileError::Read { .. } => ExitCode::NoInput,
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
            ArchiveError::Write { source, .. } => code_of_writing(source),
        });
    }
    if let Some(error) = error.downcast_ref::<UnfinishedError>() {
        return Some(match error {
            UnfinishedError::Busy { .. } => ExitCode::TempFail,
            UnfinishedError::Folder { source, .. } => code_of_writing(source),
            UnfinishedError::Foreign { .. } => ExitCode::DataErr,
        });
    }
    if let Some(WriteError { source, .. }) = error.downcast_ref() {
        return Some(code_of_writing(source));
    }
    None
}

/// Of something that can't be written: a disk that has failed is no matter of room, rights or a path.
fn code_of_writing(source: &io::Error) -> ExitCode {
    match source.raw_os_error() == Some(Errno::IO.raw_os_error()) {
        true => ExitCode::IoErr,
        false => ExitCode::CantCreat,
    }
}

fn code_by_type(error: &(dyn Error + 'static)) -> Option<ExitCode> {
    let by_type = [
        (error.is::<Issues>(), ExitCode::Config),
        (error.is::<OutputClosed>(), ExitCode::Ok),
        (error.is::<DemoStopped>(), ExitCode::TempFail),
        (error.is::<StoppedEarly>(), ExitCode::TempFail),
        (error.is::<Stopped>(), ExitCode::IoErr),
        (error.is::<DataError>(), ExitCode::DataErr),
        (error.is::<UsageError>(), ExitCode::Usage),
        (error.is::<Unavailable>(), ExitCode::Unavailable),
        (error.is::<MissingMask>(), ExitCode::DataErr),
        (error.is::<Rejection>(), ExitCode::DataErr),
        (error.is::<ViewError>(), ExitCode::Usage),
        (error.is::<CaptureError>(), ExitCode::NoInput),
        (error.is::<io::Error>(), ExitCode::IoErr),
    ];
    by_type
        .into_iter()
        .find(|(is, _)| *is)
        .map(|(_, code)| code)
}

#[cfg(test)]
mod tests {
    use std::io::ErrorKind;

    use super::*;

    #[test]
    fn what_cannot_be_written_is_73_unless_the_disk_has_failed() {
        for (source, code) in [
            (ErrorKind::StorageFull.into(), ExitCode::CantCreat),
            (ErrorKind::PermissionDenied.into(), ExitCode::CantCreat),
            (Errno::IO.into(), ExitCode::IoErr),
        ] {
            let error = anyhow::Error::from(WriteError {
                what: "can't write t.json".to_owned(),
                source,
            });
            assert_eq!(exit_code(&error.context("in vain")), code);
        }
    }

    #[test]
    fn each_kind_of_fault_has_the_code_that_the_readme_names() {
        let denied = || io::Error::from(ErrorKind::PermissionDenied);
        let unreadable = ProfileError::Read {
            path: "p/profile.json".into(),
            source: denied(),
        };
        let unlisted = ProfileError::Unlisted {
            path: "p".into(),
            source: denied(),
        };
        let nobody = Unavailable {
            what: "nobody listens".to_owned(),
            source: ErrorKind::ConnectionRefused.into(),
        };
        for (error, code) in [
            (anyhow::Error::from(unreadable), ExitCode::NoInput),
            (unlisted.into(), ExitCode::CantCreat),
            (UsageError("no camera b".to_owned()).into(), ExitCode::Usage),
            (nobody.into(), ExitCode::Unavailable),
            (DataError("odd".to_owned()).into(), ExitCode::DataErr),
            (denied().into(), ExitCode::IoErr),
        ] {
            assert_eq!(exit_code(&error), code, "{error:?}");
        }
    }

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
