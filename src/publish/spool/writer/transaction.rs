//! What the thread writes, and what it does when that fails: a full disk and a foreign lock pass, a
//! failed storage does not.
//!
//! The states change here only. Rows leave memory when the transaction that holds them has been
//! committed, and not before.

use std::time::{Duration, Instant};

use tracing::{error, info, warn};

use super::Writer;
use crate::publish::spool::State;
use crate::publish::spool::error::Fault;
use crate::publish::spool::row::Row;
use crate::publish::spool::store::{Ban, Change};

/// Between two tries to write what is held.
const RETRY: Duration = Duration::from_secs(1);

impl Writer {
    /// One transaction: new rows, all changes that wait and, on request, what is held.
    pub(super) fn write(&mut self, rows: &[&Row], with_held: bool) -> Result<(), ()> {
        if matches!(self.state, State::Failed(_)) {
            return Err(());
        }
        let mut inserts = Vec::new();
        if with_held {
            let held = self.held.all();
            inserts.extend(held.map(|kept| (&kept.row, kept.ban.as_deref())));
        }
        let held = inserts.len();
        inserts.extend(rows.iter().map(|row| (*row, None)));
        let change = Change {
            inserts,
            delivered: Some(&self.delivered),
            released: Some(&self.released),
            banned: Some(&self.banned),
            retry_quarantined: false,
        };
        if let Err(fault) = self.store.write(&change) {
            self.fell(fault);
            return Err(());
        }
        self.delivered.clear();
        self.released.clear();
        self.banned.clear();
        self.changes_due = None;
        if held > 0 {
            self.held.clear();
            info!("{held} alerts that were held are on disk now");
        }
        self.caps.watch(self.load());
        // What was committed stays committed, whatever happens here.
        if let Err(fault) = self.store.shorten_log() {
            self.fell(fault);
        }
        self.tell();
        Ok(())
    }

    /// Something could not be written.
    pub(super) fn fell(&mut self, fault: Fault) {
        match (fault, &self.state) {
            (_, State::Failed(_)) => return,
            (Fault::Damaged(reason) | Fault::Broken(reason), _) => {
                error!(
                    reason,
                    "the spool's storage failed: alerts are only held in memory until a restart; \
                     check the disk"
                );
                self.state = State::Failed(reason);
                self.retry_due = None;
                self.tell();
                return;
            }
            (Fault::NoRoom, State::NoRoom) | (Fault::Busy, State::NoRoom | State::Busy) => {}
            (Fault::NoRoom, _) => {
                warn!(
                    "no room on the disk for the spool: alerts are held in memory until there is; \
                     free some"
                );
                self.state = State::NoRoom;
                self.give_way();
                if self.state != State::NoRoom {
                    return;
                }
                // What can be deleted is deleted at once: it makes room.
                if !(self.delivered.is_empty() && self.banned.is_empty()) {
                    self.changes_due = Some(Instant::now());
                }
            }
            (Fault::Busy, _) => {
                warn!(
                    "another program keeps the spool locked: alerts are held in memory until it \
                     lets go; end that one"
                );
                self.state = State::Busy;
            }
        }
        self.retry_due = Some(Instant::now() + RETRY);
        self.tell();
    }

    /// Gives up the reserve, for deletes alone.
    fn give_way(&mut self) {
        self.reserve.release();
        if let Err(fault) = self.store.forbid_growth() {
            self.fell(fault);
        }
    }

    /// Tries to write what is held. Without room for the reserve only the space of delivered rows
    /// can be taken, which the database reuses.
    pub(super) fn retry(&mut self) {
        self.retry_due = Some(Instant::now() + RETRY);
        let has_room = match self.state {
            State::NoRoom => self.reserve.make() && self.store.allow_growth().is_ok(),
            _ => true,
        };
        if !has_room && self.held.is_empty() {
            return;
        }
        let is_written = self.write(&[], true).is_ok();
        match (&self.state, has_room, is_written) {
            (State::NoRoom, true, false) => self.give_way(),
            (State::NoRoom | State::Busy, true, true) => {
                self.state = State::Healthy;
                self.retry_due = None;
                info!("the spool can be written again");
                self.tell();
            }
            _ => {}
        }
    }

    /// Makes the alerts in quarantine ready again, but for damaged ones.
    pub(super) fn retry_quarantined(&mut self) {
        self.held.unban();
        // Those that are not on disk yet need not go there.
        self.banned.retain(|_, ban| *ban == Ban::Damaged);
        let change = Change {
            delivered: Some(&self.delivered),
            banned: Some(&self.banned),
            retry_quarantined: true,
            ..Change::default()
        };
        if matches!(self.state, State::Failed(_)) {
            return;
        }
        match self.store.write(&change) {
            Ok(()) => {
                self.delivered.clear();
                self.released.clear();
                self.banned.clear();
            }
            Err(fault) => self.fell(fault),
        }
        self.tell();
    }

    /// Makes these ready again, at once: the next read finds them. What can't be written now waits
    /// for the next transaction.
    pub(super) fn release(&mut self, seqs: Vec<u64>) {
        for seq in &seqs {
            self.held.release(*seq);
            // One that is not on disk yet need not go there.
            if self.banned.get(seq).is_some_and(|ban| *ban != Ban::Damaged) {
                self.banned.remove(seq);
            }
        }
        self.released.extend(seqs);
        if self.write(&[], false).is_err() {
            self.changed();
        }
    }
}
