//! What `inspectd calibrate --refine` is told.

use std::path::PathBuf;

use clap::{ArgGroup, Args};

/// `inspectd calibrate --refine`
#[derive(Debug, Args)]
#[command(next_help_heading = "Refining")]
#[command(group = ArgGroup::new("told").args(["camera", "fine", "bad"]).multiple(true))]
pub struct RefineArgs {
    /// Refines the Profile that is there, in seconds: frames that people called fine become normal,
    /// those that they called bad must be found from now on. With --camera those of
    /// `request/feedback`, else those of --fine and --bad
    #[arg(long, requires = "told", conflicts_with_all = [
        "footage", "minutes", "film_only", "lossless", "epochs", "seed", "scoring", "false_alarms", "fps",
        "cache", "memory", "memory_bank", "frames", "crop", "mask", "dump", "report",
    ])]
    pub refine: bool,
    /// Frames that are fine though they alarm: JPEG or PNG files, or folders of them
    // Clap asks for --refine no more where --footage, which conflicts with it, is given: hence both here.
    #[arg(long, value_name = "PATH", num_args = 1.., requires = "refine",
        conflicts_with_all = ["camera", "footage"])]
    pub fine: Vec<PathBuf>,
    /// Frames that are bad, and must be found: files or folders likewise
    #[arg(long, value_name = "PATH", num_args = 1.., requires = "refine",
        conflicts_with_all = ["camera", "footage"])]
    pub bad: Vec<PathBuf>,
    /// Writes the Profile though it calls frames normal that people called bad, and remembers which
    #[arg(long, conflicts_with = "film_only")]
    pub accept_missed: bool,
    /// Writes the Profile though a fine frame that is like no normal one has moved its threshold ten times as
    /// far out as calibration drew it, or further, where most of what is anomalous passes
    #[arg(long, requires = "refine", conflicts_with_all = ["footage", "film_only"])]
    pub accept_rise: bool,
}
