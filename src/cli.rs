//! Names and help of the commands; no behaviour.

mod profile;
mod refine;

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use clap::{Args, Parser, Subcommand};

use crate::capture::{Backend, Fps};
use crate::preprocess::{Crop, Mask};
use crate::publish::schema;
use crate::score::Scoring;
use crate::score::budget::Budget;
use crate::train::memory::Memory;

use profile::PROFILE_EXAMPLE;
pub use profile::{InstallArgs, ProfileCommand, RollbackArgs, ShowArgs};
pub use refine::RefineArgs;

/// Learns what is normal in front of a fixed camera, and says over MQTT when it is not.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100, arg_required_else_help = true)]
pub struct Cli {
    /// The command.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands, in the order in which a user meets them.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Shows the whole thing on made-up footage: calibrates, runs, publishes, and tells what it caught
    #[command(after_help = DEMO_EXAMPLE)]
    Demo(DemoArgs),
    /// Learns what is normal from normal footage and writes a Profile
    #[command(after_help = CALIBRATE_EXAMPLE)]
    Calibrate(Box<CalibrateArgs>),
    /// Scores image files, one line each; where the scene can't be judged it says so beside the score
    #[command(after_help = SCORE_EXAMPLE)]
    Score(ScoreArgs),
    /// Measures a Profile on labelled images: AUROC and more, for each score
    #[command(after_help = EVALUATE_EXAMPLE)]
    Evaluate(EvaluateArgs),
    /// Looks at Profiles, installs those that were made elsewhere, and takes the former one back
    #[command(subcommand, after_help = PROFILE_EXAMPLE)]
    Profile(ProfileCommand),
    /// Lists the cameras of this machine, with formats, sizes, rates and controls
    #[command(after_help = CAMERAS_EXAMPLE)]
    Cameras(CamerasArgs),
    /// Loads and checks a configuration and all that it names; starts nothing
    #[command(after_help = CHECK_EXAMPLE)]
    Check(CheckArgs),
    /// Runs the daemon
    #[command(after_help = RUN_EXAMPLE)]
    Run(RunArgs),
    /// Looks at teachers
    #[command(subcommand, after_help = TEACHER_EXAMPLE)]
    Teacher(TeacherCommand),
    /// Prints the MQTT contract: AsyncAPI, or the JSON Schema of one payload
    #[command(after_help = SCHEMA_EXAMPLE)]
    Schema(SchemaArgs),
}

/// `inspectd teacher ...`
#[derive(Debug, Subcommand)]
pub enum TeacherCommand {
    /// Tells what was found in a ViT's ONNX file
    #[command(after_help = TEACHER_EXAMPLE)]
    Inspect(InspectArgs),
}

/// `inspectd calibrate`
#[derive(Debug, Args)]
pub struct CalibrateArgs {
    /// Normal footage: a folder of JPEG or PNG images (in the order of their names), or a video
    /// file; with --camera also `last`, the newest that was filmed of it. May be given again: by day
    /// and by night
    #[arg(long, value_name = "PATH", required_unless_present_any = ["camera", "refine"])]
    pub footage: Vec<PathBuf>,
    /// A camera of the configuration: films it, unless --footage is given, and calibrates on that
    #[arg(long, value_name = "NAME")]
    pub camera: Option<String>,
    /// The configuration that has the camera
    #[arg(
        long,
        value_name = "FILE",
        default_value = "/etc/inspectd/config.toml",
        requires = "camera"
    )]
    pub config: PathBuf,
    /// How long to film; Ctrl-C ends it early and calibrates on what there is
    #[arg(long, value_name = "M", default_value_t = 10.0, value_parser = minutes, requires = "camera",
        conflicts_with = "footage")]
    pub minutes: f64,
    /// Films, and stops there
    #[arg(long, requires = "camera", conflicts_with_all = [
        "footage", "out", "teacher", "epochs", "seed", "scoring", "memory_bank", "false_alarms", "fps", "cache",
        "memory", "crop", "mask", "dump", "report",
    ])]
    pub film_only: bool,
    /// Keeps what does not come as JPEG as PNG, without loss and five times as large
    #[arg(long, requires = "camera", conflicts_with = "footage")]
    pub lossless: bool,
    /// The Profile's directory. An existing Profile is replaced in one step and kept as DIR.previous
    /// [default: with --camera the one that the configuration names]
    #[arg(long, value_name = "DIR", required_unless_present = "camera")]
    pub out: Option<PathBuf>,
    /// A plain ViT, with its sidecar <name>.toml beside it [default: the bundled teacher]
    #[arg(long, value_name = "ONNX")]
    pub teacher: Option<PathBuf>,
    /// Passes over the footage when training the student [default: 10; 30 with --scoring paper]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub epochs: Option<u16>,
    /// Seed of all that is random: same seed, same machine, same Profile
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub seed: u64,
    /// Which score decides: the default, a sum of parts, or the paper's (trains the whole student)
    #[arg(long, value_enum, default_value_t = Scoring::Default)]
    pub scoring: Scoring,
    /// Remembers a thousand normal patches as well, and scores how far a frame's are from them: may
    /// find more with few frames (README, "Figures"), for a tenth of the time of a frame. A part of the
    /// default score
    #[arg(long, conflicts_with = "scoring")]
    pub memory_bank: bool,
    /// The false alarms that you accept: incidents per hour, shift, day or week, or a share of frames
    /// such as 0.1%
    #[arg(long, value_name = "BUDGET", default_value = "1/day")]
    pub false_alarms: Budget,
    /// Frames a second that will be judged, where the budget is one of time [default: the camera's
    /// `fps`, else the rate that footage filmed by --camera came at, else 2]
    #[arg(long, value_name = "N", value_parser = fps)]
    pub fps: Option<f64>,
    /// Room for the teacher's features beside the Profile, in DIR.unfinished, in megabytes; longer
    /// footage is thinned evenly to fit
    #[arg(long, value_name = "MB", default_value_t = 2048, value_parser = clap::value_parser!(u64).range(1..))]
    pub cache: u64,
    /// Memory that it takes at most, such as 500MB. What can't be done within is refused before the
    /// teacher looks at the footage [default: as it needs, up to half of what is free]
    #[arg(long, value_name = "SIZE")]
    pub memory: Option<Memory>,
    /// Frames that are filmed and used at most, evenly over the time
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = frames)]
    pub frames: usize,
    /// The part of the frame that is looked at, as shares of its width and height: 0.25,0,0.5,1 is
    /// the middle half. The Profile remembers it [default: with --camera as configured, and that of the
    /// former Profile where neither crop nor mask is given; else the whole frame]
    #[arg(long, value_name = "X,Y,W,H")]
    pub crop: Option<Crop>,
    /// A polygon that is not looked at, with corners as shares of the whole frame: "0,0 0.3,0 0,0.2".
    /// May be given again. The Profile remembers it [default: as for --crop]
    #[arg(long, value_name = "POINTS")]
    pub mask: Vec<Mask>,
    /// Writes z.npy [n, D] and d.npy [n, blocks] of the frames used into this folder
    #[arg(long, value_name = "DIR")]
    pub dump: Option<PathBuf>,
    /// Writes the report here too; it always lies in the Profile as report.html
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Prints the result as one line of JSON
    #[arg(long)]
    pub json: bool,
    /// `--refine` and what belongs to it.
    #[command(flatten)]
    pub refine: RefineArgs,
}

/// `inspectd score`
#[derive(Debug, Args)]
pub struct ScoreArgs {
    /// The Profile's directory
    #[arg(long, value_name = "DIR")]
    pub profile: PathBuf,
    /// The teacher, if it no longer lies where it was at calibration
    #[arg(long, value_name = "ONNX")]
    pub teacher: Option<PathBuf>,
    /// JPEG or PNG files
    #[arg(required = true, value_name = "IMAGE")]
    pub images: Vec<PathBuf>,
    /// The largest shift of the view that is normal, as the camera's `moved_beyond` in the configuration
    #[arg(long, value_name = "SHARE", value_parser = shift)]
    pub moved_beyond: Option<f64>,
    /// One JSON object a line
    #[arg(long)]
    pub json: bool,
    /// Writes the picture with its heat map as a PNG into this folder
    #[arg(long, value_name = "DIR")]
    pub heatmap: Option<PathBuf>,
}

/// `inspectd evaluate`
#[derive(Debug, Args)]
pub struct EvaluateArgs {
    /// The Profile's directory
    #[arg(long, value_name = "DIR")]
    pub profile: PathBuf,
    /// The teacher, if it no longer lies where it was at calibration
    #[arg(long, value_name = "ONNX")]
    pub teacher: Option<PathBuf>,
    /// Normal images that calibration did not see
    #[arg(long, value_name = "DIR")]
    pub normal: PathBuf,
    /// Anomalous images
    #[arg(long, value_name = "DIR")]
    pub anomalous: PathBuf,
    /// Masks of the anomalous images: same file stem, anything above mid grey is defect
    #[arg(long, value_name = "DIR")]
    pub masks: Option<PathBuf>,
    /// Writes the table as JSON into this file
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Writes z.npy [n, D], d.npy [n, blocks] and scores.csv into this folder
    #[arg(long, value_name = "DIR")]
    pub dump: Option<PathBuf>,
}

/// `inspectd run`
#[derive(Debug, Args)]
pub struct RunArgs {
    /// The configuration; config/inspectd.toml is its manual
    #[arg(long, value_name = "FILE", default_value = "/etc/inspectd/config.toml")]
    pub config: PathBuf,
}

/// `inspectd cameras`
#[derive(Debug, Args)]
pub struct CamerasArgs {
    /// Through which library cameras are looked for
    #[arg(long, value_enum, default_value_t = Backend::default())]
    pub backend: Backend,
    /// Prints one line of JSON: an array
    #[arg(long)]
    pub json: bool,
}

/// `inspectd check`
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// The configuration
    #[arg(long, value_name = "FILE", default_value = "/etc/inspectd/config.toml")]
    pub config: PathBuf,
    /// Prints the result as one line of JSON
    #[arg(long)]
    pub json: bool,
}

/// `inspectd teacher inspect`
#[derive(Debug, Args)]
pub struct InspectArgs {
    /// The file [default: the bundled teacher]
    #[arg(value_name = "ONNX")]
    pub file: Option<PathBuf>,
    /// Looks at N made-up frames as well, on one core, and tells how long it takes for one
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub frames: Option<u32>,
    /// Prints the result as one line of JSON
    #[arg(long)]
    pub json: bool,
}

/// `inspectd schema`
#[derive(Debug, Args)]
pub struct SchemaArgs {
    /// A payload [default: asyncapi.yaml, which has all topics]
    #[arg(value_name = "NAME", value_parser = schema_names(), hide_possible_values = true)]
    pub name: Option<String>,
    /// Prints the names of the payloads
    #[arg(long, conflicts_with = "name")]
    pub list: bool,
    /// Writes all files of the contract into this folder
    #[arg(long, value_name = "DIR", conflicts_with_all = ["name", "list"])]
    pub out: Option<PathBuf>,
}

/// `inspectd demo`
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Where footage, Profile, log and heat maps are left to look at
    #[arg(long, value_name = "DIR", default_value = "demo-out")]
    pub out: PathBuf,
    /// Seed of the scene, its defects and the training
    #[arg(long, value_name = "N", default_value_t = 7)]
    pub seed: u64,
    /// A teacher instead of the bundled one
    #[arg(long, value_name = "ONNX")]
    pub teacher: Option<PathBuf>,
    /// A broker that is already there, HOST:PORT [default: starts mosquitto on a free port]
    #[arg(long, value_name = "HOST:PORT")]
    pub broker: Option<Address>,
    /// Prints the result as one line of JSON
    #[arg(long)]
    pub json: bool,
}

/// A host and a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// Name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
}

impl std::str::FromStr for Address {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Address, Self::Err> {
        let wrong = "HOST:PORT is needed, such as localhost:1883";
        let (host, port) = text.rsplit_once(':').ok_or(wrong)?;
        let port = port.parse().map_err(|_| wrong)?;
        Ok(Address {
            host: host.to_owned(),
            port,
        })
    }
}

fn schema_names() -> PossibleValuesParser {
    PossibleValuesParser::new(schema::ALL.map(|schema| schema.name))
}

fn fps(text: &str) -> Result<f64, String> {
    let fps = text.parse().ok().and_then(|fps| Fps::new(fps).ok());
    fps.map(Fps::get)
        .ok_or_else(|| "frames a second are needed, above 0 and at most 1000".to_owned())
}

fn shift(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(share) if (0.001..=0.5).contains(&share) => Ok(share),
        _ => Err("a share of the width from 0.001 to 0.5 is needed, such as 0.05".to_owned()),
    }
}

fn minutes(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(minutes) if minutes > 0.0 && minutes <= 10_080.0 => Ok(minutes),
        _ => Err("minutes above 0 and up to a week are needed, such as 10 or 0.5".to_owned()),
    }
}

fn frames(text: &str) -> Result<usize, String> {
    let least = crate::train::calibrate::FEWEST_FRAMES;
    match text.parse::<usize>() {
        Ok(frames) if frames >= least => Ok(frames),
        _ => Err(format!("a number of at least {least} is needed")),
    }
}

const DEMO_EXAMPLE: &str = "Example:\n  inspectd demo --out /tmp/demo";
const CALIBRATE_EXAMPLE: &str = "Example:\n  inspectd calibrate --footage normal.mp4 --out /var/lib/inspectd/press\n  inspectd calibrate --footage normal/ --out press --teacher vit_tiny.onnx --scoring paper\n  inspectd calibrate --camera cam0 --minutes 10\n  inspectd calibrate --camera cam0 --footage last --false-alarms 1/week\n  inspectd calibrate --footage day/ --footage night/ --out press\n  inspectd calibrate --footage normal/ --out press --crop 0.25,0,0.5,1 --mask '0.3,0 0.5,0 0.4,0.2'\n  inspectd calibrate --refine --camera cam0\n  inspectd calibrate --refine --out press --fine false-alarms/ --bad missed/part.jpg\n  inspectd calibrate --footage normal/ --out press --memory 500MB\n\nAfter a stop or a power cut the same command goes on from DIR.unfinished.";
const SCORE_EXAMPLE: &str = "Example:\n  inspectd score --profile press --heatmap maps/ today/*.jpg\n  inspectd score --profile press --json part.png | jq .score";
const EVALUATE_EXAMPLE: &str = "Example:\n  inspectd evaluate --profile tile --normal test/good --anomalous test/bad --masks test/mask --json table.json";
const CHECK_EXAMPLE: &str = "Example:\n  inspectd check --config config/inspectd.toml";
const CAMERAS_EXAMPLE: &str =
    "Example:\n  inspectd cameras\n  inspectd cameras --json | jq '.[].device'";
const RUN_EXAMPLE: &str = "Example:\n  inspectd run --config /etc/inspectd/config.toml\n\nSIGTERM drains and stops, SIGHUP re-reads configuration and Profiles.";
const TEACHER_EXAMPLE: &str = "Example:\n  inspectd teacher inspect vit_tiny.onnx --json\n  inspectd teacher inspect --frames 20";
const SCHEMA_EXAMPLE: &str = "Example:\n  inspectd schema > asyncapi.yaml\n  inspectd schema alert | jq .properties.data\n  inspectd schema --out contract/";
