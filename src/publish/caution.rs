//! At which messages, or at which subscription, a broker hangs up without a word, and for how long
//! they are left out.
//!
//! MQTT 3.1.1 has no words for what is too large or forbidden: the line breaks, and since all that
//! is retained is said anew on the next one, it would break for ever. What was alone on its way when
//! a line broke is a suspect: it goes last from now on, alone, and only after the broker has shown on
//! this connection that it is there. If that breaks the line twice, it is set aside for a while that
//! doubles, or until it is smaller than ever before; up to a size that passed then, it goes as ever. That is milder than what befalls an alert
//! (`suspicion.rs`), since nothing of this is lost: it is how things are now. A pure state, to which
//! the time is given.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::Retained;
use super::packet::size;
use super::retained::Newest;

/// So often must the line break at a suspect.
const LOSSES: u32 = 2;
/// A suspect is left out for this long first, ...
const SHORTEST: Duration = Duration::from_secs(60);
/// ... and for this long at most: then a broker that hangs up costs a connection an hour for each
/// topic.
const LONGEST: Duration = Duration::from_secs(60 * 60);
/// A connection that stood for this long without an answer shows that it is not at its end anyway.
const STANDS: Duration = Duration::from_secs(5);

/// Whether the broker has shown on this connection that it is there: by an answer, or since the
/// connection has stood for so long.
pub(super) fn is_there(has_answered: bool, stood: Option<Duration>) -> bool {
    has_answered || stood.is_some_and(|time| time >= STANDS)
}

/// How something is to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// Like everything else.
    Free,
    /// After everything else, and alone.
    Suspect,
    /// Not now.
    Aside,
}

/// What is alone on its way.
#[derive(Debug)]
pub(super) struct Trial {
    /// Its topic, or the filters of the subscription.
    pub(super) name: String,
    pub(super) bytes: u32,
    /// When it was handed over.
    pub(super) since: Instant,
    /// Whether the broker had shown before, on the same connection, that it is there.
    pub(super) is_proven: bool,
}

/// What is held against each topic, and against the filters of a subscription: one name of both.
#[derive(Debug, Default)]
pub(super) struct Caution(BTreeMap<String, Record>);

#[derive(Debug)]
struct Record {
    /// How often the line broke although the broker was there.
    losses: u32,
    /// Bytes of the smallest at which it did.
    least: u32,
    /// Bytes of the largest that passed since, below that.
    most: Option<u32>,
    /// Left out until then.
    aside: Option<Instant>,
    /// For how long it was left out last, if ever.
    pause: Option<Duration>,
}

impl Caution {
    /// How this is to be sent now, with so many bytes.
    pub(super) fn standing(&self, name: &str, bytes: u32) -> Standing {
        match self.0.get(name) {
            None => Standing::Free,
            Some(record) if record.most.is_some_and(|most| bytes <= most) => Standing::Free,
            Some(record) if record.aside.is_some() && bytes >= record.least => Standing::Aside,
            Some(_) => Standing::Suspect,
        }
    }

    /// The same for what a topic is to say.
    pub(super) fn of(&self, message: &Retained) -> Standing {
        let bytes = size(&message.topic, &message.payload);
        self.standing(&message.topic, bytes)
    }

    /// The first message that is due, small enough and to be sent like this; it goes before all others.
    pub(super) fn next<'n>(
        &self,
        newest: &'n mut Newest,
        largest: u32,
        standing: Standing,
    ) -> Option<&'n Retained> {
        let is_it = |message: &Retained| {
            size(&message.topic, &message.payload) <= largest && self.of(message) == standing
        };
        newest.prefer(is_it).then(|| newest.next()).flatten()
    }

    /// Whether a line that breaks at this brings us nearer to what it breaks at: the broker was there, or
    /// nothing was held against it so far. A broker that hangs up whatever comes teaches no more once
    /// all are suspects.
    pub(super) fn learns_by(&self, trial: &Trial) -> bool {
        trial.is_proven || self.standing(&trial.name, trial.bytes) == Standing::Free
    }

    /// This was alone on its way when the line broke. Gives the time for which it is left out now, if
    /// it is.
    pub(super) fn broke(&mut self, trial: &Trial, now: Instant) -> Option<Duration> {
        let record = self.0.entry(trial.name.clone()).or_insert(Record {
            losses: 0,
            least: u32::MAX,
            most: None,
            aside: None,
            pause: None,
        });
        record.most = record.most.filter(|most| *most < trial.bytes);
        if !trial.is_proven {
            return None;
        }
        record.losses = record.losses.saturating_add(1);
        record.least = record.least.min(trial.bytes);
        if record.losses < LOSSES {
            return None;
        }
        let doubled = |pause: Duration| (pause * 2).min(LONGEST);
        let pause = record.pause.map_or(SHORTEST, doubled);
        record.pause = Some(pause);
        record.aside = Some(now + pause);
        Some(pause)
    }

    /// The broker stands it, with so many bytes. Where it broke the line at no more, the others may
    /// have had the same cause: their time has come as well. A smaller one says nothing of those.
    pub(super) fn taken(&mut self, name: &str, bytes: u32, now: Instant) {
        if let Some(record) = self.0.get_mut(name)
            && record.losses > 0
            && bytes < record.least
        {
            record.most = record.most.max(Some(bytes));
            return;
        }
        let was_aside = |record: Record| record.pause.is_some();
        if self.0.remove(name).is_some_and(was_aside) {
            for record in self.0.values_mut() {
                record.aside = record.aside.map(|until| until.min(now));
            }
        }
    }

    /// Those whose time has come: they are suspects now.
    pub(super) fn due(&mut self, now: Instant) -> Vec<String> {
        let is_due = |record: &Record| record.aside.is_some_and(|until| until <= now);
        let due = self.0.iter_mut().filter(|(_, record)| is_due(record));
        let due = due.map(|(name, record)| {
            record.aside = None;
            name.clone()
        });
        due.collect()
    }

    /// Those that are left out.
    pub(super) fn aside(&self) -> impl Iterator<Item = &str> {
        let aside = self.0.iter().filter(|(_, record)| record.aside.is_some());
        aside.map(|(name, _)| name.as_str())
    }

    /// Somebody may have mended something: nothing is held against anything any more. Gives those
    /// that were left out.
    pub(super) fn forgive(&mut self) -> Vec<String> {
        let aside = self.aside().map(str::to_owned).collect();
        self.0.clear();
        aside
    }
}

#[cfg(test)]
#[path = "caution_tests.rs"]
mod tests;
