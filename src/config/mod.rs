//! The configuration: TOML as written, resolved once into types that can't be wrong.
//!
//! [`load`] layers the file, its drop-ins and a few environment variables, then [`resolve`] reads
//! the result key by key and collects every fault with its key path. Nothing past this module sees
//! a raw string; nothing here opens a camera, a model or a connection. `config/inspectd.toml` is the
//! manual: every key, its default, its reason.

mod camera;
mod environment;
mod files;
mod issues;
mod load;
mod mqtt;
mod name;
mod program;
mod resolve;
mod section;
mod source;
mod v4l2;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

pub use issues::{Issue, Issues};
pub use load::load;
pub use mqtt::{ClientCertificate, Credentials, Mqtt, ProtocolChoice, Retry, Tls};
pub use name::{Name, Prefix};

use crate::capture::{Fps, SourceSpec};
use crate::decide::{DriftRules, Rules};
use crate::preprocess::{Crop, Mask, SceneRules};

/// A configuration without faults.
#[derive(Debug, Clone)]
pub struct Config {
    /// This machine.
    pub node: Node,
    /// The teacher's ONNX file; `None` is the bundled one.
    pub teacher: Option<PathBuf>,
    /// The broker.
    pub mqtt: Mqtt,
    /// Alerts that wait on disk for the broker.
    pub spool: Spool,
    /// What `calibrate` films.
    pub footage: Footage,
    /// Frames of anomalies that are kept for feedback.
    pub feedback: Feedback,
    /// Where alerts go beside the broker.
    pub sink: Option<Sink>,
    /// What Home Assistant is told of us.
    pub home_assistant: HomeAssistant,
    /// At least one, names unique, in the order of the file.
    pub cameras: Vec<Camera>,
    /// The journal.
    pub log: Log,
}

/// This machine.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// Its name in topics.
    pub name: Name,
    /// The folder of all that outlives a restart; one daemon's alone.
    pub state_dir: PathBuf,
}

/// How much may wait on disk for the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spool {
    /// Alerts, at least 20.
    pub alerts: u64,
    /// Bytes of topics and payloads.
    pub bytes: u64,
}

/// What `calibrate` films and keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Footage {
    /// Bytes of all of it.
    pub bytes: u64,
}

/// Frames of anomalies that are kept for feedback.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Feedback {
    /// Bytes of those that wait for a verdict, and as much again of those that have one; 0 keeps none.
    pub bytes: u64,
}

/// Where alerts go beside the broker, as lines of JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sink {
    /// Standard output.
    Stdout,
    /// The end of a file.
    File(PathBuf),
}

impl fmt::Display for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Sink::Stdout => f.write_str("standard output"),
            Sink::File(path) => path.display().fmt(f),
        }
    }
}

/// What Home Assistant is told of us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HomeAssistant {
    /// Whether it is to find our entities by itself.
    pub discovery: bool,
    /// The first levels of its topics.
    pub prefix: Prefix,
}

/// One camera and its Profile.
#[derive(Debug, Clone)]
pub struct Camera {
    /// Its name in topics and logs.
    pub name: Name,
    /// The Profile's directory.
    pub profile: PathBuf,
    /// Where frames come from, and their pace.
    pub source: SourceSpec,
    /// That pace, where one is asked for.
    pub fps: Option<Fps>,
    /// No frame for this long: the source is closed and opened anew.
    pub deadline: Duration,
    /// How its scene is watched.
    pub scene: SceneRules,
    /// Whether its scores are held against those of calibration.
    pub drift: DriftRules,
    /// When frames become an incident.
    pub incident: Rules,
    /// The largest picture that is published, in bytes; none where none is.
    pub snapshot: Option<usize>,
    /// The part of the frame that is looked at, where it is named here.
    pub crop: Option<Crop>,
    /// What of it is not looked at, where it is named here.
    pub mask: Option<Mask>,
    /// Frames that differ by less than this many grey levels from the last scored one are given its
    /// verdict; 0 turns that off.
    pub gate: f64,
}

/// The least time for the first frame after opening: an RTSP camera takes ten seconds.
const FIRST_FRAME: Duration = Duration::from_secs(20);

impl Camera {
    /// How long it may take for the first frame after opening.
    pub fn first_frame(&self) -> Duration {
        self.deadline.max(FIRST_FRAME)
    }
}

/// The journal.
#[derive(Debug, Clone, PartialEq)]
pub struct Log {
    /// Lines for people or for programs.
    pub format: LogFormat,
    /// The least important level that is written.
    pub level: LogLevel,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One readable line.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// Levels, as the project's promise has them: error is our bug or lost data, warn the world
/// misbehaving, info a change of state, debug once a second, trace each frame.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Errors only.
    Error,
    /// And warnings.
    Warn,
    /// And changes of state.
    #[default]
    Info,
    /// And what happens each second.
    Debug,
    /// And what happens to each frame.
    Trace,
}

impl LogLevel {
    /// The level for `tracing`.
    pub fn as_tracing(self) -> tracing::Level {
        match self {
            LogLevel::Error => tracing::Level::ERROR,
            LogLevel::Warn => tracing::Level::WARN,
            LogLevel::Info => tracing::Level::INFO,
            LogLevel::Debug => tracing::Level::DEBUG,
            LogLevel::Trace => tracing::Level::TRACE,
        }
    }
}
