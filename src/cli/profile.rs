//! Names and help of what is done with Profiles once they are made.

use std::path::PathBuf;

use clap::{Args, Subcommand};

pub(super) const PROFILE_EXAMPLE: &str = "Example:\n  inspectd profile show press\n  inspectd profile show press --json | jq .previous.calibrated_at\n  sudo -u inspectd inspectd profile install /tmp/press /var/lib/inspectd/press && sudo systemctl reload inspectd\n  inspectd profile rollback press && systemctl reload inspectd";

/// `inspectd profile ...`
#[derive(Debug, Subcommand)]
pub enum ProfileCommand {
    /// Tells what a Profile is and whether it is whole, and which one it has replaced
    #[command(after_help = PROFILE_EXAMPLE)]
    Show(ShowArgs),
    /// Puts a Profile that was made elsewhere in the place of the one in DIR, in one step, once it is
    /// verified and its golden frames score here as they did there; DIR.previous keeps the former one
    #[command(after_help = PROFILE_EXAMPLE)]
    Install(InstallArgs),
    /// Puts the former Profile, DIR.previous, in the place of the one in DIR; twice, and all is as before
    #[command(after_help = PROFILE_EXAMPLE)]
    Rollback(RollbackArgs),
}

/// `inspectd profile show`
#[derive(Debug, Args)]
pub struct ShowArgs {
    /// The Profile's directory
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,
    /// Prints the result as one line of JSON
    #[arg(long)]
    pub json: bool,
}

/// `inspectd profile install`
#[derive(Debug, Args)]
pub struct InstallArgs {
    /// The folder that the Profile was copied into
    #[arg(value_name = "FROM")]
    pub from: PathBuf,
    /// The Profile's directory from now on; there may be none yet
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,
    /// The teacher that this machine uses [default: that of the Profile in DIR, else of the new one]
    #[arg(long, value_name = "ONNX")]
    pub teacher: Option<PathBuf>,
    /// Prints the result as one line of JSON
    #[arg(long)]
    pub json: bool,
}

/// `inspectd profile rollback`
#[derive(Debug, Args)]
pub struct RollbackArgs {
    /// The Profile's directory
    #[arg(value_name = "DIR")]
    pub dir: PathBuf,
    /// The teacher that the former one must be for [default: that of the Profile in DIR]
    #[arg(long, value_name = "ONNX")]
    pub teacher: Option<PathBuf>,
    /// Prints the result as one line of JSON
    #[arg(long)]
    pub json: bool,
}
