//! inspectd: a daemon that learns what is normal from normal footage and says when the picture
//! is not.
//!
//! The modules stand in the order of the data:
//!
//! ```text
//! capture -> preprocess -> infer -> score -> decide -> publish
//!  Frame      Prepared     Features  Score   Incident   message
//! ```
//!
//! A step is a plain function of values; threads and channels live in [`pipeline`] and nowhere
//! else. [`train`] adds what calibration needs, [`evaluate`] what measuring needs; [`commands`]
//! puts them together, one file a command.
//!
//! # Invariants
//!
//! 1. A stage imports from its upstream only the message that it consumes, and nothing from
//!    downstream.
//! 2. Each outside library that does a stage's work is named in one module: v4l in
//!    `capture::v4l2::sys`, nokhwa in `capture::nokhwa`, zune-jpeg in `preprocess::jpeg`, rustfft in
//!    `preprocess::scene::shift`, tract in `infer`, gemm in `train::kernel`, rumqttc and rustls in
//!    `publish::mqtt`, rusqlite in `publish::spool`, sysinfo in `publish::machine`, sd-notify in
//!    `commands::watchdog`.
//! 3. Frames are lost at exactly one place, the link after capture (newest wins), and are counted.
//!    Alerts are never dropped in silence: they are on disk until the broker has acknowledged them,
//!    and one that finds no room is refused, which the journal and `health` say.
//! 4. No shared mutable state but shutdown, the meter, the heartbeats, and a source's count of what its
//!    earlier openings left alive; no global flags.
//! 5. Time enters at capture; steps are pure functions of values.
//! 6. `calibrate`, `score`, `evaluate` and `run` use the very same steps.
//! 7. Everything that can fail at start fails before the first thread starts.

#[cfg(not(target_os = "linux"))]
compile_error!("inspectd is a program for Linux");

pub mod config;

pub mod heartbeat;

pub mod seam;

pub mod shell;

pub mod capture;

pub mod preprocess;

pub mod infer;

pub mod score;

pub mod decide;

pub mod publish;

pub mod pipeline;

pub mod train;

pub mod evaluate;

pub mod cli;

pub mod commands;
