//! The thread of the spool: gathers commands into transactions, and decides what a failed one means.
//!
//! Appends wait for company for a moment, deliveries for up to a second. A full disk is a state that
//! passes: what can't be written is held, deletes go on from the reserve, and writing is tried again
//! each second. A failed write or fsync is final: the kernel has forgotten what it could not write,
//! and a second fsync would succeed without it, so nothing is written any more and nothing accepted.

mod transaction;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use crossbeam_channel::Receiver;
use tracing::{error, warn};

use super::caps::{Caps, Load};
use super::error::Fault;
use super::held::Held;
use super::open::Opened;
use super::outgoing::{Outgoing, Woken};
use super::reserve::Reserve;
use super::row::Row;
use super::store::{Ban, Store};
use super::{Command, Event, Limits, NewEntry, State, Status};
use crate::heartbeat::Heartbeat;
use crate::publish::Ration;

/// How long the first append of a group waits for others, and how many make a group.
const GATHER: Duration = Duration::from_millis(20);
const GROUP: usize = 64;
/// How long a delivery may wait for a transaction; lost ones only mean that it is sent twice.
const LATEST: Duration = Duration::from_secs(1);

/// What the thread owns.
pub(super) struct Writer {
    store: Store,
    reserve: Reserve,
    commands: Receiver<Command>,
    outgoing: Outgoing,
    caps: Caps,
    state: State,
    /// Not written yet, not answered yet.
    appends: Vec<NewEntry>,
    held: Held,
    /// Delivered, but still on disk.
    delivered: BTreeSet<u64>,
    /// To go to quarantine, but still ready on disk.
    banned: BTreeMap<u64, Ban>,
    /// To be ready again, but still in quarantine on disk.
    released: BTreeSet<u64>,
    /// Lines about alerts that go to quarantine.
    told: Ration,
    /// When the appends, the other changes and the held ones are to be written.
    appends_due: Option<Instant>,
    changes_due: Option<Instant>,
    retry_due: Option<Instant>,
    /// What the opening found.
    set_aside: Option<PathBuf>,
    salvaged: u64,
}

/// What becomes of an append.
enum Admission {
    /// It has a place, and is to be written.
    New(Row),
    /// Its id is there, or comes twice in this group.
    Known(String),
    Refused(String, String),
}

impl Writer {
    pub(super) fn new(
        opened: Opened,
        limits: Limits,
        commands: Receiver<Command>,
        outgoing: Outgoing,
    ) -> Self {
        let mut writer = Writer {
            store: opened.store,
            reserve: opened.reserve,
            commands,
            outgoing,
            caps: Caps::new(limits),
            state: State::Healthy,
            appends: Vec::new(),
            held: Held::default(),
            delivered: BTreeSet::new(),
            banned: BTreeMap::new(),
            released: BTreeSet::new(),
            told: Ration::default(),
            appends_due: None,
            changes_due: None,
            retry_due: None,
            set_aside: opened.set_aside,
            salvaged: opened.salvaged,
        };
        if opened.is_full {
            writer.fell(Fault::NoRoom);
        }
        writer
    }

    /// Works until the commands end.
    pub(super) fn run(mut self, heartbeat: &Heartbeat) -> Status {
        self.tell();
        loop {
            let due = [
                self.appends_due,
                self.changes_due,
                self.retry_due,
                self.caps.due(),
            ];
            let due = due.into_iter().flatten().min();
            let command = match self.outgoing.wait(&self.commands, due) {
                Woken::Command(command) => Some(command),
                Woken::Time => None,
                Woken::Closed => break,
            };
            heartbeat.during(|| {
                if let Some(command) = command {
                    self.obey(command);
                }
                self.act();
            });
        }
        self.finish()
    }

    fn obey(&mut self, command: Command) {
        match command {
            Command::Append(alert) => {
                self.appends.push(alert);
                let due = self
                    .appends_due
                    .get_or_insert_with(|| Instant::now() + GATHER);
                if self.appends.len() >= GROUP {
                    *due = Instant::now();
                }
            }
            Command::Read { from, limit } => self.read(from, limit),
            Command::Delivered(seq) if self.held.delivered(seq) => {
                self.store.totals.delivered += 1;
                self.tell();
            }
            Command::Delivered(seq) => {
                self.delivered.insert(seq);
                self.changed();
            }
            Command::Quarantine { seq, reason } => {
                if let Some(left_out) = self.told.take(Instant::now()) {
                    warn!(
                        seq,
                        reason, left_out, "alert goes to quarantine: it is kept, but not sent"
                    );
                }
                if !self.held.ban(seq, &reason) {
                    self.banned.insert(seq, Ban::Quarantined(reason));
                    self.changed();
                }
            }
            Command::RetryQuarantined => self.retry_quarantined(),
            Command::Release(seqs) => self.release(seqs),
            Command::SetLimits(limits) => {
                self.caps.limits = limits;
                self.tell();
            }
        }
    }

    /// Something other than an append is to be written before long.
    fn changed(&mut self) {
        self.changes_due
            .get_or_insert_with(|| Instant::now() + LATEST);
    }

    /// Does what is due.
    fn act(&mut self) {
        let now = Instant::now();
        let is_due = |due: Option<Instant>| due.is_some_and(|due| due <= now);
        if is_due(self.appends_due) {
            self.commit();
        }
        if is_due(self.changes_due) {
            self.changes_due = None;
            if !matches!(self.state, State::Failed(_)) {
                // What can't be deleted now is tried again, and is not delivered meanwhile.
                if self.write(&[], false).is_err() {
                    self.changed();
                }
            }
        }
        if is_due(self.retry_due) {
            self.retry();
        }
        if is_due(self.caps.due()) {
            self.caps.tell();
        }
    }

    /// Writes and answers the appends that were gathered.
    fn commit(&mut self) {
        self.appends_due = None;
        let admissions = self.admit();
        let rows = admissions.iter().filter_map(|admission| match admission {
            Admission::New(row) => Some(row),
            _ => None,
        });
        let rows: Vec<&Row> = rows.collect();
        let is_written = self.state == State::Healthy && self.write(&rows, true).is_ok();
        for admission in admissions {
            let event = match admission {
                Admission::New(row) if is_written => Event::Accepted { id: row.id },
                Admission::New(row) => self.hold(row),
                Admission::Known(id) if self.held.has(&id) => self.say_held(id),
                Admission::Known(id) => Event::Accepted { id },
                Admission::Refused(id, reason) => self.refuse(id, reason),
            };
            self.outgoing.push(event);
        }
        self.tell();
    }

    /// Looks at each append: is it new, is there room.
    fn admit(&mut self) -> Vec<Admission> {
        let mut load = self.load();
        let mut ids = BTreeSet::new();
        let mut admissions = Vec::new();
        for alert in std::mem::take(&mut self.appends) {
            let is_known = ids.contains(&alert.id)
                || self.held.has(&alert.id)
                || self.store.contains(&alert.id).unwrap_or(false);
            let is_update = alert.is_update;
            let row = Row::new(self.store.totals.next_seq, alert);
            admissions.push(if is_known {
                Admission::Known(row.id)
            } else if let Some(reason) = self.caps.refuses(load.with(&row), is_update) {
                Admission::Refused(row.id, reason)
            } else {
                self.store.totals.next_seq += 1;
                load = load.with(&row);
                ids.insert(row.id.clone());
                Admission::New(row)
            });
        }
        admissions
    }

    fn load(&self) -> Load {
        let held = self.held.load();
        Load {
            alerts: self.store.totals.alerts + held.alerts,
            bytes: self.store.totals.bytes + held.bytes,
        }
    }

    fn hold(&mut self, row: Row) -> Event {
        let id = row.id.clone();
        match self.held.keep(row) {
            Ok(()) => self.say_held(id),
            Err(row) => {
                let held = self.held.len();
                let why = self.trouble();
                self.refuse(
                    row.id,
                    format!("{why}, and {held} alerts are held in memory already"),
                )
            }
        }
    }

    fn say_held(&self, id: String) -> Event {
        let reason = self.trouble();
        Event::Held { id, reason }
    }

    fn trouble(&self) -> String {
        match &self.state {
            State::Healthy => "the spool could not be written".into(),
            State::NoRoom => "no room on the disk".into(),
            State::Busy => "another program keeps the spool locked".into(),
            State::Failed(reason) => format!("the storage failed ({reason})"),
        }
    }

    fn refuse(&mut self, id: String, reason: String) -> Event {
        self.store.totals.refused += 1;
        self.caps.refused(&id, &reason);
        Event::Refused { id, reason }
    }

    fn read(&mut self, from: u64, limit: usize) {
        if !self.appends.is_empty() {
            self.commit();
        }
        let is_wanted = |seq| !self.delivered.contains(&seq) && !self.banned.contains_key(&seq);
        let (mut rows, damaged) = match self.store.read(from, limit, is_wanted) {
            Ok(found) => found,
            Err(fault) => {
                self.fell(fault);
                (Vec::new(), Vec::new())
            }
        };
        for seq in damaged {
            error!(
                seq,
                "an alert in the spool is damaged: it is kept for you to look at, not sent"
            );
            self.banned.insert(seq, Ban::Damaged);
            self.changed();
        }
        rows.extend(self.held.ready(from, limit).cloned());
        rows.sort_unstable_by_key(|row| row.seq);
        rows.truncate(limit);
        let batch = rows.into_iter().map(Into::into).collect();
        self.outgoing.push(Event::Batch(batch));
    }

    fn status(&self) -> Status {
        let totals = &self.store.totals;
        let oldest = self.store.oldest().ok().flatten();
        Status {
            state: self.state.clone(),
            full: self.caps.trouble(self.load()),
            alerts: totals.alerts,
            bytes: totals.bytes,
            quarantined: totals.quarantined,
            held: self.held.len() as u64,
            accepted_total: totals.accepted,
            delivered_total: totals.delivered,
            refused_total: totals.refused,
            limits: self.caps.limits,
            set_aside: self.set_aside.clone(),
            salvaged: self.salvaged,
            oldest: oldest.into_iter().chain(self.held.oldest()).min(),
        }
    }

    fn tell(&mut self) {
        let status = self.status();
        self.outgoing.status(status);
    }

    /// Writes what is left, and the log back.
    fn finish(mut self) -> Status {
        self.commit();
        if !matches!(self.state, State::Failed(_)) {
            self.retry();
        }
        if !matches!(self.state, State::Failed(_))
            && let Err(fault) = self.store.empty_log()
        {
            // All of it is in the log, and found there at the next start.
            warn!(?fault, "the spool's log could not be written back");
        }
        self.caps.tell();
        if !self.held.is_empty() {
            error!(
                alerts = self.held.len(),
                "alerts that were only held in memory are lost"
            );
        }
        self.status()
    }
}
