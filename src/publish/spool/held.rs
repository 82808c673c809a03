//! Alerts that could not be written: in memory, in the same order as those on disk.
//!
//! Bounded, since a disk may stay full for days; when it is full the next alert is refused.

use std::collections::BTreeMap;

use super::caps::Load;
use super::row::Row;

/// At 2 kB an alert half a megabyte: the life of a few minutes of incidents.
pub(super) const MOST_HELD: usize = 256;

/// What is held.
#[derive(Debug, Default)]
pub(super) struct Held {
    rows: BTreeMap<u64, Kept>,
}

/// An alert that is held.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) row: Row,
    /// Why it is not to be delivered.
    pub(super) ban: Option<String>,
}

impl Held {
    /// Takes an alert, or gives it back where there are too many.
    pub(super) fn keep(&mut self, row: Row) -> Result<(), Row> {
        if self.rows.len() >= MOST_HELD {
            return Err(row);
        }
        self.rows.insert(row.seq, Kept { row, ban: None });
        Ok(())
    }

    pub(super) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub(super) fn has(&self, id: &str) -> bool {
        self.rows.values().any(|kept| kept.row.id == id)
    }

    pub(super) fn load(&self) -> Load {
        let rows = self.rows.values();
        rows.fold(Load::default(), |load, kept| load.with(&kept.row))
    }

    pub(super) fn oldest(&self) -> Option<jiff::Timestamp> {
        self.rows.values().find_map(|kept| kept.row.wall())
    }

    /// The broker has it; whether it was held.
    pub(super) fn delivered(&mut self, seq: u64) -> bool {
        self.rows.remove(&seq).is_some()
    }

    /// The broker does not take it; whether it is held.
    pub(super) fn ban(&mut self, seq: u64, reason: &str) -> bool {
        let kept = self.rows.get_mut(&seq);
        kept.is_some_and(|kept| {
            kept.ban = Some(reason.to_owned());
            true
        })
    }

    /// Makes all ready again.
    pub(super) fn unban(&mut self) {
        self.rows.values_mut().for_each(|kept| kept.ban = None);
    }

    /// Makes this one ready again, where it is held.
    pub(super) fn release(&mut self, seq: u64) {
        if let Some(kept) = self.rows.get_mut(&seq) {
            kept.ban = None;
        }
    }

    /// The oldest that are ready.
    pub(super) fn ready(&self, from: u64, limit: usize) -> impl Iterator<Item = &Row> {
        let ready = self
            .rows
            .range(from..)
            .filter(|(_, kept)| kept.ban.is_none());
        ready.map(|(_, kept)| &kept.row).take(limit)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Kept> {
        self.rows.values()
    }

    /// They are on disk now.
    pub(super) fn clear(&mut self) {
        self.rows.clear();
    }
}
