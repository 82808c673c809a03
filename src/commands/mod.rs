//! The commands, one file each; they put the stages together and talk to people.

mod asked_view;
mod board;
mod calibrate;
mod cameras;
mod check;
mod controls;
mod darkroom;
mod demo;
mod evaluate;
mod exit;
mod eye;
mod fallback;
mod feedback;
mod film;
mod gallery;
mod generation;
mod going_on;
mod golden;
mod health;
mod inspection;
mod inspector;
mod install;
mod introduction;
mod judge;
mod keeper;
mod leftovers;
mod loaded;
mod logging;
mod made;
mod order;
mod origin;
mod output;
mod places;
mod profile;
mod progress;
mod recall;
mod refine;
mod reload;
mod report;
mod requests;
mod run;
mod schema;
mod score;
mod signals;
mod state_file;
mod teacher;
mod turn;
mod waiting;
mod watchdog;

pub use exit::exit_code;

use crate::cli::{Command, ProfileCommand, TeacherCommand};

/// Runs a command to its end.
pub fn dispatch(command: Command) -> anyhow::Result<()> {
    if !matches!(command, Command::Run(_)) {
        logging::to_people();
    }
    match command {
        Command::Demo(args) => demo::demo(&args),
        Command::Calibrate(args) => calibrate::calibrate(&args),
        Command::Score(args) => score::score(&args),
        Command::Evaluate(args) => evaluate::evaluate(&args),
        Command::Profile(ProfileCommand::Show(args)) => profile::show(&args),
        Command::Profile(ProfileCommand::Install(args)) => install::install(&args),
        Command::Profile(ProfileCommand::Rollback(args)) => profile::rollback(&args),
        Command::Cameras(args) => cameras::cameras(&args),
        Command::Check(args) => check::check(&args),
        Command::Run(args) => run::run(&args),
        Command::Teacher(TeacherCommand::Inspect(args)) => teacher::inspect(&args),
        Command::Schema(args) => schema::schema(&args),
    }
}
