//! The commands, one file each; they put the stages together and talk to people.

mod calibrate;
mod check;
mod evaluate;
mod inspection;
mod inspector;
mod judge;
mod logging;
mod progress;
mod run;
mod score;
mod signals;
mod teacher;

use crate::capture::CaptureError;
use crate::cli::{Command, TeacherCommand};
use crate::infer::TeacherError;
use crate::score::profile::ProfileError;
use crate::train::CalibrationError;

/// Runs a command to its end.
pub fn dispatch(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Teacher(TeacherCommand::Inspect(args)) => teacher::inspect(&args),
        Command::Check(args) => check::check(&args),
        Command::Run(args) => run::run(&args),
        Command::Calibrate(args) => calibrate::calibrate(&args),
        Command::Score(args) => score::score(&args),
        Command::Evaluate(args) => evaluate::evaluate(&args),
        _ => anyhow::bail!("to come"),
    }
}

/// The user's data can't be used, for a reason that no stage's own error says.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct DataError(String);

/// The exit code (sysexits) for an error: by the first error in its chain that has one.
pub fn exit_code(error: &anyhow::Error) -> sysexits::ExitCode {
    error
        .chain()
        .find_map(code_of)
        .unwrap_or(sysexits::ExitCode::Software)
}

fn code_of(error: &(dyn std::error::Error + 'static)) -> Option<sysexits::ExitCode> {
    use sysexits::ExitCode;
    if error.is::<crate::config::Issues>() {
        return Some(ExitCode::Config);
    }
    if error.is::<run::Undelivered>() {
        return Some(ExitCode::TempFail);
    }
    if let Some(error) = error.downcast_ref::<TeacherError>() {
        return Some(match error {
            TeacherError::Read { .. } => ExitCode::NoInput,
            _ => ExitCode::DataErr,
        });
    }
    if let Some(error) = error.downcast_ref::<ProfileError>() {
        return Some(match error {
            ProfileError::Write { .. } | ProfileError::Retire { .. } => ExitCode::CantCreat,
            ProfileError::NotAProfile { .. } => ExitCode::NoInput,
            _ => ExitCode::DataErr,
        });
    }
    match error.downcast_ref::<CalibrationError>() {
        Some(CalibrationError::Stopped) => return Some(ExitCode::TempFail),
        Some(CalibrationError::TooFewFrames { .. } | CalibrationError::Fit(_)) => {
            return Some(ExitCode::DataErr);
        }
        _ => {}
    }
    if error.is::<DataError>() {
        return Some(ExitCode::DataErr);
    }
    if error.is::<CaptureError>() {
        return Some(ExitCode::NoInput);
    }
    error.is::<std::io::Error>().then_some(ExitCode::IoErr)
}
