//! The commands, one file each; they put the stages together and talk to people.

mod teacher;

use crate::cli::{Command, TeacherCommand};

/// Runs a command to its end.
pub fn dispatch(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Teacher(TeacherCommand::Inspect(args)) => teacher::inspect(&args),
        _ => anyhow::bail!("to come"),
    }
}

/// The exit code (sysexits) for an error.
pub fn exit_code(_error: &anyhow::Error) -> sysexits::ExitCode {
    sysexits::ExitCode::Software
}
