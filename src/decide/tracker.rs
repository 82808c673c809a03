//! The life of the incidents of one camera.
//!
//! At most one incident is open. It opens when `hits` of the last `window` judged frames are
//! anomalous, and closes when the score has stayed under the release line for `release_after` judged
//! frames. In the cooldown after it, while the camera is muted, and beyond the hourly cap nothing
//! opens: what would have opened is counted, and the next report tells the count.

use std::collections::VecDeque;
use std::time::Duration;

use super::{Cause, EndedBy, Identity, Incident, Judged, Phase, Rules};
use crate::capture::Moment;
use crate::preprocess::Rejection;

/// The span of [`Rules::hourly_cap`].
const HOUR: Duration = Duration::from_secs(3600);

/// Whether reports are kept back, and until when.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Mute {
    /// Everything is reported.
    #[default]
    Off,
    /// Until it is taken back.
    On,
    /// Until a frame is taken at this time since boot, or later.
    Until(Duration),
}

/// Follows one camera.
#[derive(Debug)]
pub struct Tracker {
    identity: Identity,
    rules: Rules,
    /// The last judged frames: each anomalous one, `None` for the others.
    recent: VecDeque<Option<Hit>>,
    open: Option<Open>,
    /// Monotonic time until which nothing opens.
    cooling_until: Duration,
    /// Monotonic times at which incidents opened, of the last hour.
    opened: VecDeque<Duration>,
    mute: Mute,
    /// Whether the hourly cap keeps an incident back at present.
    is_capped: bool,
    suppressed: u64,
    /// Whether the crowd of hits at hand was counted as suppressed already.
    counted: bool,
    last_seen: Option<Moment>,
}

/// An anomalous frame.
#[derive(Debug, Clone)]
struct Hit {
    seq: u64,
    at: Moment,
    judged: Judged,
}

/// An open incident and what the rules need to know of it.
#[derive(Debug)]
struct Open {
    last: Incident,
    reported_at: Duration,
    reported_value: f64,
    calm: usize,
}

impl Tracker {
    /// A camera of which nothing has been seen.
    pub fn new(identity: Identity, rules: Rules) -> Self {
        Tracker {
            identity,
            rules,
            recent: VecDeque::new(),
            open: None,
            cooling_until: Duration::ZERO,
            opened: VecDeque::new(),
            mute: Mute::Off,
            is_capped: false,
            suppressed: 0,
            counted: false,
            last_seen: None,
        }
    }

    /// The same camera under other rules: an open incident stays open.
    pub fn with_rules(mut self, rules: Rules) -> Self {
        self.rules = rules;
        self
    }

    /// Whether nothing was ever seen of the camera.
    pub fn is_new(&self) -> bool {
        self.last_seen.is_none()
    }

    /// The last report of the incident that is open.
    pub fn open(&self) -> Option<&Incident> {
        self.open.as_ref().map(|open| &open.last)
    }

    /// Keeps reports back from now on, or no longer. What is open is followed in silence, and its
    /// closing is reported all the same: nobody shall believe that it goes on.
    pub fn mute(&mut self, mute: Mute) {
        self.mute = mute;
    }

    /// Whether reports are kept back.
    pub fn is_muted(&self) -> bool {
        self.mute != Mute::Off
    }

    /// Incidents that were kept back since the last one that opened.
    pub fn suppressed(&self) -> u64 {
        self.suppressed
    }

    /// Whether an incident would be open now, had the hour not seen as many as
    /// [`Rules::hourly_cap`] already.
    pub fn is_capped(&self) -> bool {
        self.is_capped
    }

    /// Takes the next frame, and reports where an incident changes by it.
    ///
    /// A frame that can't be judged changes nothing: the window keeps what it has.
    pub fn observe(
        &mut self,
        seq: u64,
        at: Moment,
        judgement: Result<&Judged, &Rejection>,
    ) -> Option<Incident> {
        self.last_seen = Some(at);
        if matches!(self.mute, Mute::Until(end) if at.since_boot >= end) {
            self.mute = Mute::Off;
        }
        let judged = judgement.ok()?;
        self.forget_shots(judged);
        let is_hit = judged.score().is_anomalous();
        self.recent.push_back(is_hit.then(|| Hit {
            seq,
            at,
            judged: judged.clone(),
        }));
        while self.recent.len() > self.rules.window {
            self.recent.pop_front();
        }
        if self.open.is_some() {
            self.follow(seq, at, judged)
        } else {
            self.watch(seq, at)
        }
    }

    /// Ends the inspection: an open incident is closed as stopped.
    pub fn stop(&mut self) -> Option<Incident> {
        let at = self.last_seen?;
        self.close(at, EndedBy::Stopped)
    }

    fn hits(&self) -> usize {
        self.recent.iter().flatten().count()
    }

    /// Lets go of the pictures that no incident can need any more: the worst frame is looked for
    /// among the recent ones, and `next` outlasts all those that are no worse.
    fn forget_shots(&mut self, next: &Judged) {
        let is_open = self.open.is_some();
        for hit in self.recent.iter_mut().flatten() {
            if is_open || hit.judged.score().value <= next.score().value {
                hit.judged.shot = None;
            }
        }
    }

    /// Whether the hour before `now` leaves room for another incident.
    fn has_room(&mut self, now: Duration) -> bool {
        while let Some(first) = self.opened.front()
            && now.saturating_sub(*first) >= HOUR
        {
            self.opened.pop_front();
        }
        self.opened.len() < self.rules.hourly_cap as usize
    }

    /// A frame while no incident is open. Only an anomalous one opens, even where the window held
    /// enough of them before, as it does at the end of a cooldown.
    fn watch(&mut self, seq: u64, at: Moment) -> Option<Incident> {
        if self.hits() < self.rules.hits {
            self.counted = false;
            self.is_capped = false;
            return None;
        }
        let is_cooling = at.since_boot < self.cooling_until;
        self.is_capped = !is_cooling && !self.is_muted() && !self.has_room(at.since_boot);
        if is_cooling || self.is_muted() || self.is_capped {
            self.suppressed += u64::from(!self.counted);
            self.counted = true;
            return None;
        }
        self.recent.back()?.as_ref()?;
        let first = self.recent.iter().flatten().next()?;
        let value = |hit: &Hit| hit.judged.score().value;
        let worst = self.recent.iter().flatten();
        let worst = worst.max_by(|a, b| value(a).total_cmp(&value(b)))?.clone();
        let incident = Incident {
            id: self.identity.incident_id(seq, &at),
            report: 1,
            phase: Phase::Opened,
            cause: Cause::Anomaly,
            started: first.at,
            ended: None,
            ended_by: None,
            at,
            suppressed: std::mem::take(&mut self.suppressed),
            hits: self.hits(),
            window: self.rules.window,
            worst_seq: worst.seq,
            worst_at: worst.at,
            worst: worst.judged,
        };
        self.opened.push_back(at.since_boot);
        self.open = Some(Open {
            reported_at: at.since_boot,
            reported_value: incident.worst.score().value,
            last: incident.clone(),
            calm: 0,
        });
        Some(incident)
    }

    /// A frame while an incident is open.
    fn follow(&mut self, seq: u64, at: Moment, judged: &Judged) -> Option<Incident> {
        let hits = self.hits();
        let rules = self.rules;
        let is_muted = self.is_muted();
        let open = self.open.as_mut()?;
        let score = judged.score();
        if score.value > open.last.worst.score().value {
            (open.last.worst_seq, open.last.worst_at) = (seq, at);
            open.last.worst = judged.clone();
        }
        open.last.hits = hits;
        let is_calm = !score.is_anomalous() && score.value < rules.release;
        open.calm = if is_calm { open.calm + 1 } else { 0 };
        if open.calm >= rules.release_after {
            return self.close(at, EndedBy::Released);
        }
        let worst = open.last.worst.score().value;
        let has_risen = worst >= open.reported_value + rules.notable_rise.max(f64::EPSILON);
        let is_due = at.since_boot.saturating_sub(open.reported_at) >= rules.update_every;
        if is_muted || !has_risen && !is_due {
            return None;
        }
        (open.reported_at, open.reported_value) = (at.since_boot, worst);
        open.last.report += 1;
        open.last.phase = Phase::Updated;
        open.last.at = at;
        Some(open.last.clone())
    }

    fn close(&mut self, at: Moment, ended_by: EndedBy) -> Option<Incident> {
        let mut incident = self.open.take()?.last;
        incident.report += 1;
        incident.phase = Phase::Closed;
        incident.at = at;
        incident.ended = Some(at);
        incident.ended_by = Some(ended_by);
        self.recent.clear();
        self.counted = false;
        self.cooling_until = at.since_boot.saturating_add(self.rules.cooldown);
        Some(incident)
    }
}

#[cfg(test)]
#[path = "tracker_tests.rs"]
pub(crate) mod tests;

#[cfg(test)]
#[path = "quiet_tests.rs"]
mod quiet_tests;
