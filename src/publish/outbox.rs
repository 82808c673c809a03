//! The alerts between their acceptance and the broker's PUBACK, oldest first.
//!
//! In memory: what it holds survives a lost connection and a reloaded configuration, not the
//! process. Bounded; whoever fills it looks at [`Outbox::is_full`] first and waits.

use std::collections::VecDeque;

use super::Alert;

/// The alerts that wait.
#[derive(Debug)]
pub struct Outbox {
    entries: VecDeque<Entry>,
    next: u64,
    capacity: usize,
}

/// An alert that waits.
#[derive(Debug)]
pub(super) struct Entry {
    /// Its place in the order of acceptance.
    pub(super) seq: u64,
    pub(super) alert: Alert,
}

impl Outbox {
    /// Room for `capacity` alerts, at least 1.
    pub fn new(capacity: usize) -> Self {
        Outbox {
            entries: VecDeque::new(),
            next: 0,
            capacity: capacity.max(1),
        }
    }

    /// The same alerts under another capacity; none is dropped where that is smaller.
    pub fn with_capacity(mut self, capacity: usize) -> Self {
        self.capacity = capacity.max(1);
        self
    }

    /// Whether the next alert has to wait.
    pub fn is_full(&self) -> bool {
        self.entries.len() >= self.capacity
    }

    /// The alerts that wait.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing waits.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Takes responsibility for an alert.
    pub fn accept(&mut self, alert: Alert) {
        let entry = Entry {
            seq: self.next,
            alert,
        };
        self.next += 1;
        self.entries.push_back(entry);
    }

    /// The oldest alert whose place is `from` or later.
    pub(super) fn from(&self, from: u64) -> Option<&Entry> {
        self.entries
            .get(self.entries.partition_point(|entry| entry.seq < from))
    }

    /// The broker has the alert at this place.
    pub(super) fn delivered(&mut self, seq: u64) {
        if let Ok(index) = self.entries.binary_search_by_key(&seq, |entry| entry.seq) {
            self.entries.remove(index);
        }
    }
}
