//! The spool: every alert from its acceptance to the broker's PUBACK, on disk.
//!
//! Accepted means that SQLite's COMMIT has returned with `synchronous=FULL`; what could not be
//! written is held in memory and said to be held. One thread owns the database; it never waits for
//! one of its two channels alone, so neither side can block the other for ever. It assumes that it
//! is the only one to write into its folder, which [`Folder`] sees to, and never reads a clock but
//! for intervals.

mod caps;
mod digest;
mod error;
mod held;
mod lock;
mod log;
mod open;
mod outgoing;
mod reserve;
mod row;
mod salvage;
mod store;
mod writer;

use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};
use serde::Serialize;

use crate::capture::Moment;
use crate::heartbeat::Heartbeat;

pub use error::SpoolError;
pub use lock::Folder;

use outgoing::Outgoing;
use writer::Writer;

/// How many appended alerts may be unanswered at a time. The caller keeps to it; it bounds the
/// events that the thread keeps for a caller who does not take them.
pub(super) const IN_DOUBT: usize = 256;
/// Commands on their way to the thread: an append each, and as many of the other kinds.
const COMMANDS: usize = 2 * IN_DOUBT;
/// Events on their way to the caller; what finds no room waits with the thread.
const EVENTS: usize = IN_DOUBT;

/// How much the spool may keep, alerts in quarantine and alerts held in memory included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Limits {
    /// Alerts.
    pub alerts: u64,
    /// Bytes of their topics and payloads.
    pub bytes: u64,
}

/// An alert to be taken.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct NewEntry {
    /// Unique; an id that the spool still has is not taken a second time.
    pub(super) id: String,
    pub(super) topic: String,
    pub(super) payload: Vec<u8>,
    /// Updates are the first to be refused when the spool fills.
    pub(super) is_update: bool,
    pub(super) boot_id: Arc<str>,
    /// Of the frame.
    pub(super) at: Moment,
}

/// An alert to be delivered. The wall time of its frame stands in the payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    /// Its place in the order of acceptance; never given to another alert.
    pub(super) seq: u64,
    pub(super) id: String,
    pub(super) topic: String,
    pub(super) payload: Vec<u8>,
    /// The boot that `since_boot` counts from.
    pub(super) boot_id: String,
    /// Of the frame, in whole milliseconds.
    pub(super) since_boot: Duration,
    /// Whether the wall clock was synchronised then.
    pub(super) synced: bool,
}

/// What the spool says. Each append is answered by exactly one of the first three.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Event {
    /// On disk.
    Accepted { id: String },
    /// Could not be written: kept in memory, delivered from there, lost if the process ends.
    Held { id: String, reason: String },
    /// Not taken, and counted.
    Refused { id: String, reason: String },
    /// The answer to a read.
    Batch(Vec<Entry>),
    /// How the spool is: at the start and after each transaction that changed something.
    Status(Status),
}

/// Whether alerts can be written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case", tag = "is", content = "why")]
pub enum State {
    /// They can.
    Healthy,
    /// The disk is full. Ends by itself when there is room.
    NoRoom,
    /// Another program keeps the database locked. Ends by itself when it lets go.
    Busy,
    /// The storage failed; nothing is written any more until a restart.
    Failed(String),
}

/// How the spool is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Status {
    /// Whether alerts can be written.
    pub state: State,
    /// Why alerts are refused though they can be written: a cap is reached, if it is.
    pub full: Option<String>,
    /// Alerts on disk, those in quarantine included.
    pub alerts: u64,
    /// Bytes of their topics and payloads.
    pub bytes: u64,
    /// Alerts on disk that are not to be delivered: the broker refuses them, or they are damaged.
    pub quarantined: u64,
    /// Alerts in memory that could not be written.
    pub held: u64,
    /// Alerts ever written, those that were held for a while included.
    pub accepted_total: u64,
    /// Alerts ever delivered.
    pub delivered_total: u64,
    /// Alerts ever refused.
    pub refused_total: u64,
    /// The caps.
    pub limits: Limits,
    /// Where the former database lies if it was damaged at this start.
    pub set_aside: Option<PathBuf>,
    /// Alerts that were saved from it.
    pub salvaged: u64,
    /// Wall time of the oldest alert's frame, quarantined ones included.
    pub oldest: Option<jiff::Timestamp>,
}

impl Status {
    /// Whether a read may find alerts that it did not find formerly: a page may have failed to be
    /// read, and those that were released may have been written late.
    pub(super) fn has_more(&self, former: &Status) -> bool {
        let is_back = self.state == State::Healthy && former.state != State::Healthy;
        is_back || self.quarantined < former.quarantined
    }
}

/// What the thread is asked to do.
enum Command {
    Append(NewEntry),
    Read { from: u64, limit: usize },
    Delivered(u64),
    Quarantine { seq: u64, reason: String },
    RetryQuarantined,
    Release(Vec<u64>),
    SetLimits(Limits),
}

/// The spool, opened; dropping it is [`Spool::close`] without the last word.
#[derive(Debug)]
pub struct Spool {
    /// `None` once it is closing.
    commands: Option<Sender<Command>>,
    events: Receiver<Event>,
    thread: Option<JoinHandle<Status>>,
    heartbeat: Heartbeat,
}

impl Spool {
    /// Opens the spool of this folder or creates it, makes alerts in quarantine ready again, and
    /// starts its thread. A damaged database is set aside, and what can be read of it is saved.
    ///
    /// # Errors
    /// [`SpoolError`] where no spool can be had without a human: a newer schema, a place that is no
    /// file, a disk that does not take even an empty database.
    pub fn open(folder: &Folder, limits: Limits) -> Result<Spool, SpoolError> {
        let opened = open::open(folder.path())?;
        let (to_thread, commands) = bounded(COMMANDS);
        let (to_caller, events) = bounded(EVENTS);
        let outgoing = Outgoing::new(to_caller);
        let heartbeat = Heartbeat::default();
        let watched = heartbeat.clone();
        let writer = Writer::new(opened, limits, commands, outgoing);
        let thread = std::thread::Builder::new()
            .name("spool".into())
            .spawn(move || writer.run(&watched));
        let thread = thread.map_err(|source| SpoolError::Thread { source })?;
        Ok(Spool {
            commands: Some(to_thread),
            events,
            thread: Some(thread),
            heartbeat,
        })
    }

    /// Of its thread.
    pub(super) fn heartbeat(&self) -> &Heartbeat {
        &self.heartbeat
    }

    /// Takes an alert; at most [`IN_DOUBT`] may be unanswered.
    pub(super) fn append(&self, alert: NewEntry) {
        self.ask(Command::Append(alert));
    }

    /// Asks for the oldest `limit` alerts that are ready, from place `from` on. One at a time.
    pub(super) fn read(&self, from: u64, limit: usize) {
        self.ask(Command::Read { from, limit });
    }

    /// The broker has the alert at this place.
    pub(super) fn delivered(&self, seq: u64) {
        self.ask(Command::Delivered(seq));
    }

    /// The broker does not take the alert at this place.
    pub(super) fn quarantine(&self, seq: u64, reason: String) {
        self.ask(Command::Quarantine { seq, reason });
    }

    /// Makes the alerts in quarantine ready again, but for damaged ones.
    pub(super) fn retry_quarantined(&self) {
        self.ask(Command::RetryQuarantined);
    }

    /// Makes these ready again where they are in quarantine, and not damaged.
    pub(super) fn release(&self, seqs: Vec<u64>) {
        self.ask(Command::Release(seqs));
    }

    /// Other caps from now on; what is there stays.
    pub fn set_limits(&self, limits: Limits) {
        self.ask(Command::SetLimits(limits));
    }

    /// What the spool says. It closes only where the thread has ended by a panic.
    pub(super) fn events(&self) -> &Receiver<Event> {
        &self.events
    }

    /// Writes what is queued, and ends. Alerts that are still held are lost, and counted in
    /// [`Status::held`].
    pub fn close(mut self) -> Status {
        self.end().expect("the spool's thread does not panic")
    }

    /// A panicked thread takes no commands: then the events have closed, which tells the caller.
    fn ask(&self, command: Command) {
        if let Some(commands) = &self.commands {
            let _ = commands.send(command);
        }
    }

    fn end(&mut self) -> Option<Status> {
        self.commands = None;
        self.thread.take()?.join().ok()
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        self.end();
    }
}
#[cfg(test)]
#[path = "bench_tests.rs"]
mod bench_tests;
#[cfg(test)]
#[path = "damage_tests.rs"]
mod damage_tests;
#[cfg(test)]
#[path = "fault_tests.rs"]
mod fault_tests;
#[cfg(test)]
mod fixture;
#[cfg(test)]
#[path = "model_tests.rs"]
mod model_tests;
#[cfg(test)]
#[path = "quarantine_tests.rs"]
mod quarantine_tests;
#[cfg(test)]
mod tests;
