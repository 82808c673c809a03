//! The `inspectd` program: parse, dispatch, say what went wrong once, exit with a code that means
//! something.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;
use inspectd::{cli::Cli, commands};

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(help) => {
            // Nothing to be done if the terminal is gone.
            let _ = help.print();
            let usage = sysexits::ExitCode::Usage.into();
            return if help.use_stderr() {
                usage
            } else {
                ExitCode::SUCCESS
            };
        }
    };
    match commands::dispatch(cli.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let code = commands::exit_code(&error);
            if code != sysexits::ExitCode::Ok {
                // Nothing to be done if nobody reads it.
                let _ = writeln!(std::io::stderr(), "inspectd: {error:#}");
            }
            code.into()
        }
    }
}
