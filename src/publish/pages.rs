//! Alerts on their way from the spool to the line: read page by page, oldest first.
//!
//! A page that was asked for before a new beginning is thrown away when it comes, and an alert that
//! was settled after a page was asked for is struck from it: so nothing stale is sent. It assumes
//! that one page is asked for at a time and that pages come in that order.

use std::collections::{BTreeSet, VecDeque};

use super::spool::{Entry, Spool};

/// Alerts that are read at once, about 128 kB.
const PAGE: usize = 64;

/// What was read and not handed over yet, and how far the spool is read.
#[derive(Debug, Default)]
pub(super) struct Pages {
    ready: VecDeque<Entry>,
    /// Where the next page begins.
    from: u64,
    /// Whether there may be more on disk than was read.
    more: bool,
    /// Whether a page was asked for, and whether it will be of use.
    asked: Option<bool>,
    /// Settled since then.
    settled: BTreeSet<u64>,
}

impl Pages {
    /// Reads from the oldest alert again.
    pub(super) fn start_over(&mut self) {
        self.ready.clear();
        self.from = 0;
        self.more = true;
        self.asked = self.asked.map(|_| false);
    }

    /// There is a new alert in the spool.
    pub(super) fn more(&mut self) {
        self.more = true;
    }

    /// Asks for a page where it is time.
    pub(super) fn ask(&mut self, spool: &Spool) {
        if self.more && self.asked.is_none() && self.ready.len() < PAGE / 2 {
            self.asked = Some(true);
            self.settled.clear();
            spool.read(self.from, PAGE);
        }
    }

    /// A page has come; `is_sent` says what is on its way already.
    pub(super) fn page(&mut self, entries: Vec<Entry>, is_sent: impl Fn(u64) -> bool) {
        if self.asked.take() != Some(true) {
            return;
        }
        self.more = entries.len() >= PAGE;
        if let Some(last) = entries.last() {
            self.from = last.seq + 1;
        }
        let is_new = |entry: &Entry| !is_sent(entry.seq) && !self.settled.contains(&entry.seq);
        self.ready.extend(entries.into_iter().filter(is_new));
    }

    /// The places of the alerts that are ready, oldest first.
    pub(super) fn ready(&self) -> impl Iterator<Item = u64> + Clone {
        self.ready.iter().map(|entry| entry.seq)
    }

    /// The n-th of those.
    pub(super) fn get(&self, place: usize) -> Option<&Entry> {
        self.ready.get(place)
    }

    /// Takes the n-th out, to be handed over.
    pub(super) fn take(&mut self, place: usize) -> Option<Entry> {
        self.ready.remove(place)
    }

    /// Puts one back that is to be sent again, into its place.
    pub(super) fn put_back(&mut self, entry: Entry) {
        let place = self.ready.partition_point(|ready| ready.seq < entry.seq);
        self.ready.insert(place, entry);
    }

    /// This one is delivered or in quarantine.
    pub(super) fn settle(&mut self, seq: u64) {
        self.ready.retain(|entry| entry.seq != seq);
        if self.asked.is_some() {
            self.settled.insert(seq);
        }
    }

    /// Whether everything was read and handed over.
    pub(super) fn is_empty(&self) -> bool {
        self.ready.is_empty() && !self.more && self.asked.is_none()
    }

    /// Forgets everything: nothing more is to be sent.
    pub(super) fn end(&mut self) {
        *self = Pages::default();
    }
}
