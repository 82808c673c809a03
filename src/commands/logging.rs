//! Log lines. The journal of the daemon: lines on standard error, for people or for programs. Set up once, at start; a
//! reload keeps it.

use std::io::IsTerminal as _;

use tracing_subscriber::filter::LevelFilter;

use crate::config::{Log, LogFormat};

/// For the commands that a person runs: warnings, without time or colour.
pub(super) fn to_people() {
    let lines = tracing_subscriber::fmt()
        .with_max_level(LevelFilter::WARN)
        .with_writer(std::io::stderr)
        .with_target(false)
        .with_ansi(false)
        .without_time();
    // It fails only where it was set up before.
    let _ = lines.try_init();
}

/// Writes log lines from now on. Does nothing where that was set up before.
pub(super) fn start(log: &Log) {
    let lines = tracing_subscriber::fmt()
        .with_max_level(LevelFilter::from_level(log.level.as_tracing()))
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    let started = match log.format {
        LogFormat::Text => lines.with_target(false).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
    if let Err(fault) = started {
        tracing::debug!(%fault, "the journal was set up before");
    }
}
