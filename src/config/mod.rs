//! The configuration: TOML as written, resolved once into types that can't be wrong.
//!
//! [`load`] layers the file, its drop-ins and a few environment variables, then [`resolve`] reads
//! the result key by key and collects every fault with its key path. Nothing past this module sees
//! a raw string; nothing here opens a camera, a model or a connection. `config/inspectd.toml` is the
//! manual: every key, its default, its reason.

mod environment;
mod issues;
mod load;
mod name;
mod resolve;
mod section;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

pub use issues::{Issue, Issues};
pub use load::load;
pub use name::{Name, Prefix};

use crate::capture::SourceSpec;
use crate::decide::Rules;

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

/// The broker and how to speak to it.
#[derive(Debug, Clone, PartialEq)]
pub struct Mqtt {
    /// Whether there is one.
    pub enabled: bool,
    /// Host name or address.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// First levels of every topic.
    pub prefix: Prefix,
    /// Client identifier, 1 to 64 bytes; unique at the broker.
    pub client_id: String,
    /// User and password, where the broker wants them.
    pub credentials: Option<Credentials>,
    /// Silence after which either side pings; a dead broker is noticed within twice of it.
    pub keep_alive: Duration,
    /// Shortest and longest pause before the next attempt to connect.
    pub retry: Retry,
    /// How long a stopping daemon tries to deliver what waits.
    pub drain: Duration,
}

/// Bounds of an exponential back-off.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Retry {
    /// First pause, above 0.
    pub min: Duration,
    /// Longest pause, not below `min`.
    pub max: Duration,
}

impl Retry {
    /// The pause after so many failures in a row; `draw` in 0..1 spreads the callers evenly between
    /// the shortest pause and the ceiling, which doubles from failure to failure.
    pub fn pause(&self, failures: u32, draw: f64) -> Duration {
        let doubled = self
            .min
            .saturating_mul(1u32.checked_shl(failures).unwrap_or(u32::MAX));
        let ceiling = doubled.min(self.max).max(self.min);
        self.min + (ceiling - self.min).mul_f64(draw.clamp(0.0, 1.0))
    }
}

/// A user name and its password. The password never appears in `Debug` output.
#[derive(Clone, PartialEq)]
pub struct Credentials {
    /// User name.
    pub username: String,
    /// Password; empty where no file was named.
    pub password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("username", &self.username)
            .finish_non_exhaustive()
    }
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
    /// No frame for this long: the source is closed and opened anew.
    pub deadline: Duration,
    /// When frames become an incident.
    pub incident: Rules,
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
