//! The alerts that the broker's answers have denied, and when one of them is tried again.
//!
//! Rules of access are mended at the broker, which tells nobody. So of each topic one denied alert
//! at a time is a probe: after a new connection, after the broker took another alert of this topic,
//! or after an hour; never twice within an hour. While probes are denied, nothing else is sent or
//! written; once one is taken, all of its topic are tried again, oldest first. Alerts that broke the
//! line are not here: those wait for a reload or a start. A pure state, to which the time is given.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound::{Excluded, Unbounded};
use std::time::{Duration, Instant};

/// Between two probes of a topic. Each costs two small writes to the disk.
const PAUSE: Duration = Duration::from_secs(60 * 60);

/// What was denied, by topic: access rules are about topics.
#[derive(Debug, Default)]
pub(super) struct Denials(BTreeMap<String, Denied>);

#[derive(Debug)]
struct Denied {
    /// Their places in the spool.
    seqs: BTreeSet<u64>,
    /// The probe on its way, or the last one: they take turns, since a broker may deny one for its
    /// content and another for its topic.
    probe: Option<u64>,
    /// The next probe, unless there is a reason to think that something has changed.
    due: Instant,
    /// No probe before then, whatever the reason.
    rest: Option<Instant>,
}

impl Denials {
    /// The broker denies this alert.
    pub(super) fn denied(&mut self, topic: &str, seq: u64, now: Instant) {
        let denied = self.0.entry(topic.to_owned()).or_insert(Denied {
            seqs: BTreeSet::new(),
            probe: None,
            due: now,
            rest: None,
        });
        if denied.seqs.is_empty() {
            denied.due = now + PAUSE;
        }
        denied.seqs.insert(seq);
    }

    /// A new connection: the broker may have been restarted with other rules.
    pub(super) fn connected(&mut self, now: Instant) {
        for denied in self.0.values_mut() {
            denied.due = denied.due.min(now);
        }
    }

    /// The broker took this alert; the denied ones that are to be tried again at once.
    pub(super) fn taken(&mut self, topic: &str, seq: u64, now: Instant) -> Vec<u64> {
        let Some(denied) = self.0.get_mut(topic) else {
            return Vec::new();
        };
        if denied.probe != Some(seq) {
            denied.due = denied.due.min(now);
            return Vec::new();
        }
        denied.probe = None;
        denied.seqs.remove(&seq);
        std::mem::take(&mut denied.seqs).into_iter().collect()
    }

    /// The probes whose time has come; from now on they count as under way.
    pub(super) fn probes(&mut self, now: Instant) -> Vec<u64> {
        let mut probes = Vec::new();
        for denied in self.0.values_mut() {
            let is_resting = denied.rest.is_some_and(|until| now < until);
            if denied.seqs.is_empty() || now < denied.due || is_resting {
                continue;
            }
            let after = denied.probe.map_or(Unbounded, Excluded);
            let next = denied.seqs.range((after, Unbounded)).next();
            denied.probe = next.or(denied.seqs.first()).copied();
            denied.due = now + PAUSE;
            denied.rest = Some(now + PAUSE);
            probes.extend(denied.probe);
        }
        probes
    }

    /// This one is in quarantine for another reason now.
    pub(super) fn forget(&mut self, seq: u64) {
        for denied in self.0.values_mut() {
            denied.seqs.remove(&seq);
        }
    }

    /// All are being tried again: a reload.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
#[path = "denials_tests.rs"]
mod tests;
