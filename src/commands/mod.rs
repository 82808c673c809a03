//! The commands, one file each; they put the stages together and talk to people.

mod check;
mod inspection;
mod inspector;
mod logging;
mod run;
mod signals;
mod teacher;

use crate::cli::{Command, TeacherCommand};

/// Runs a command to its end.
pub fn dispatch(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Teacher(TeacherCommand::Inspect(args)) => teacher::inspect(&args),
        Command::Check(args) => check::check(&args),
        Command::Run(args) => run::run(&args),
        _ => anyhow::bail!("to come"),
    }
}

/// The exit code (sysexits) for an error.
pub fn exit_code(error: &anyhow::Error) -> sysexits::ExitCode {
    if error.is::<crate::config::Issues>() {
        return sysexits::ExitCode::Config;
    }
    if error.is::<run::Undelivered>() {
        return sysexits::ExitCode::TempFail;
    }
    sysexits::ExitCode::Software
}
