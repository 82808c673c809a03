//! The journal: log lines on standard error, for people or for programs. Set up once, at start;
//! its level and format may be changed while it is written.
//!
//! Standard error may go away: a lost session, a journal that is started anew. Lines are lost then, and
//! nothing else: told to, the library would complain about it on standard error, by a panic.

use std::ffi::OsStr;
use std::io::IsTerminal as _;
use std::os::unix::fs::MetadataExt as _;

use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::{Layer, SubscriberExt as _};
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Registry, fmt, reload};

use crate::config::{Log, LogFormat};

/// For the commands that a person runs: warnings, without time or colour.
pub(super) fn to_people() {
    let lines = tracing_subscriber::fmt()
        .with_max_level(LevelFilter::WARN)
        .with_writer(std::io::stderr)
        .with_target(false)
        .with_ansi(false)
        .log_internal_errors(false)
        .without_time();
    // It fails only where it was set up before.
    let _ = lines.try_init();
}

/// What every line passes: the level, then the writer.
type Lines = Box<dyn Layer<Registry> + Send + Sync>;

/// The journal of the daemon.
pub(super) struct Journal(reload::Handle<Lines, Registry>);

/// Writes log lines from now on. Does nothing where that was set up before.
pub(super) fn start(log: &Log) -> Journal {
    let (lines, handle) = reload::Layer::new(lines(log));
    if let Err(fault) = tracing_subscriber::registry().with(lines).try_init() {
        tracing::debug!(%fault, "the journal was set up before");
    }
    Journal(handle)
}

impl Journal {
    /// Goes on in another format or from another level.
    pub(super) fn change(&self, log: &Log) {
        if let Err(fault) = self.0.reload(lines(log)) {
            tracing::warn!(%fault, "the journal goes on as it was");
        }
    }
}

fn lines(log: &Log) -> Lines {
    let level = LevelFilter::from_level(log.level.as_tracing());
    let no_color = std::env::var_os("NO_COLOR");
    let lines = fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(has_colours(
            std::io::stderr().is_terminal(),
            no_color.as_deref(),
        ))
        .log_internal_errors(false);
    match log.format {
        LogFormat::Text if is_journald() => level
            .and_then(lines.with_target(false).without_time())
            .boxed(),
        LogFormat::Text => level.and_then(lines.with_target(false)).boxed(),
        LogFormat::Json => level.and_then(lines.json().flatten_event(true)).boxed(),
    }
}

/// Colours are for a terminal; a journal would hold them as bytes. Whoever sets `NO_COLOR` to anything wants
/// none there either (no-color.org).
fn has_colours(is_terminal: bool, no_color: Option<&OsStr>) -> bool {
    is_terminal && no_color.is_none_or(OsStr::is_empty)
}

/// Whether systemd's journal takes standard error, and with it the time of each line (systemd.exec(5),
/// `JOURNAL_STREAM`: device and inode).
fn is_journald() -> bool {
    let Ok(stream) = std::env::var("JOURNAL_STREAM") else {
        return false;
    };
    std::fs::metadata("/proc/self/fd/2")
        .is_ok_and(|file| stream == format!("{}:{}", file.dev(), file.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_terminal_has_colours_and_no_color_turns_them_off_unless_it_is_empty() {
        assert!(has_colours(true, None));
        assert!(has_colours(true, Some(OsStr::new(""))));
        assert!(!has_colours(true, Some(OsStr::new("1"))));
        assert!(!has_colours(false, None));
    }
}
