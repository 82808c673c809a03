//! The life of the incidents of one camera and one cause.
//!
//! At most one is open. It opens when `hits` of the last `window` frames that say anything of the
//! cause show it, and closes after `release_after` calm ones in a row. In the cooldown after it,
//! while the camera is muted, and beyond the hourly cap nothing opens: what would have opened is
//! counted, and the next report tells the count. Other causes are never looked at here.

use std::collections::VecDeque;
use std::time::Duration;

use super::evidence::Sign;
use super::{Cause, DriftLevel, EndedBy, Evidence, Identity, Incident, Phase, Rules};
use crate::capture::Moment;

/// The span of [`Rules::hourly_cap`].
const HOUR: Duration = Duration::from_secs(3600);
/// Hits of the window that keep their picture, the worst of them: a long window of raw pictures would fill
/// a board's memory while scores fall.
const SHOTS: usize = 8;

/// A frame and what holds while it is looked at.
pub(super) struct Now<'a> {
    pub(super) seq: u64,
    pub(super) at: Moment,
    pub(super) rules: &'a Rules,
    pub(super) identity: &'a Identity,
    pub(super) is_muted: bool,
    pub(super) drift: Option<DriftLevel>,
}

/// Follows one cause.
#[derive(Debug)]
pub(super) struct Track {
    pub(super) cause: Cause,
    /// The last frames that said anything of it: each that showed it, `None` for the others.
    recent: VecDeque<Option<Hit>>,
    /// The hits at hand, while they are enough for an incident.
    crowd: Option<Crowd>,
    open: Option<Open>,
    /// Monotonic time until which nothing opens.
    cooling_until: Duration,
    /// Monotonic times at which incidents opened, of the last hour.
    opened: VecDeque<Duration>,
    /// Whether the hourly cap keeps an incident back at present.
    is_capped: bool,
    suppressed: u64,
}

/// A frame that shows the cause.
#[derive(Debug, Clone)]
struct Hit {
    seq: u64,
    at: Moment,
    evidence: Evidence,
}

/// As many hits as an incident needs.
#[derive(Debug)]
struct Crowd {
    first: Moment,
    /// Whether they were counted as suppressed already.
    is_counted: bool,
}

/// An open incident and what the rules need to know of it.
#[derive(Debug)]
struct Open {
    /// As it was reported last.
    reported: Incident,
    /// As it is now: hits and the worst frame may have changed since.
    now: Incident,
    calm: usize,
}

impl Track {
    pub(super) fn new(cause: Cause) -> Self {
        Track {
            cause,
            recent: VecDeque::new(),
            crowd: None,
            open: None,
            cooling_until: Duration::ZERO,
            opened: VecDeque::new(),
            is_capped: false,
            suppressed: 0,
        }
    }

    /// The last report of the incident that is open.
    pub(super) fn open(&self) -> Option<&Incident> {
        self.open.as_ref().map(|open| &open.reported)
    }

    /// Whether the cause is there, be it reported or kept back.
    pub(super) fn is_present(&self) -> bool {
        self.open.is_some() || self.crowd.is_some()
    }

    pub(super) fn suppressed(&self) -> u64 {
        self.suppressed
    }

    pub(super) fn is_capped(&self) -> bool {
        self.is_capped
    }

    /// Takes what the next frame says, and reports where the incident changes by it.
    pub(super) fn observe(&mut self, now: &Now<'_>, sign: Sign) -> Option<Incident> {
        self.forget_shots(&sign);
        let is_calm = matches!(sign, Sign::Calm);
        self.recent.push_back(match sign {
            Sign::Hit(evidence) => Some(Hit {
                seq: now.seq,
                at: now.at,
                evidence,
            }),
            Sign::Near | Sign::Calm => None,
        });
        while self.recent.len() > now.rules.window {
            self.recent.pop_front();
        }
        if self.open.is_some() {
            self.follow(now, is_calm)
        } else {
            self.watch(now)
        }
    }

    fn hits(&self) -> usize {
        self.recent.iter().flatten().count()
    }

    /// Lets go of the pictures that no incident can need any more: the worst frame is looked for
    /// among the recent ones, and the next hit outlasts all those that are no worse.
    fn forget_shots(&mut self, next: &Sign) {
        let is_open = self.open.is_some();
        let next = match next {
            Sign::Hit(evidence) => evidence.degree(),
            Sign::Near | Sign::Calm => 0.0,
        };
        for hit in self.recent.iter_mut().flatten() {
            if is_open || hit.evidence.degree() <= next {
                hit.evidence.forget_shot();
            }
        }
        let with_shot = self.recent.iter_mut().flatten();
        let with_shot = with_shot.filter(|hit| hit.evidence.has_shot());
        for hit in with_shot.skip(SHOTS - 1) {
            hit.evidence.forget_shot();
        }
    }

    /// Whether the hour before `now` leaves room for another incident.
    fn has_room(&mut self, now: &Now<'_>) -> bool {
        while let Some(first) = self.opened.front()
            && now.at.since_boot.saturating_sub(*first) >= HOUR
        {
            self.opened.pop_front();
        }
        self.opened.len() < now.rules.hourly_cap as usize
    }

    /// The hits that open, and how long they must have gone on.
    fn patience(&self, rules: &Rules) -> (usize, Duration) {
        match self.cause {
            Cause::Anomaly => (rules.hits, Duration::ZERO),
            // Whoever finds a camera frozen, or scores drifting, has waited for that already.
            Cause::CameraFrozen | Cause::Drift => (1, Duration::ZERO),
            // A light that only explains a score has the patience of the score.
            Cause::SceneChanged if self.is_by_score() => (rules.hits, Duration::ZERO),
            // A hand that passes is not worth an alert.
            Cause::CameraBlocked | Cause::CameraMoved | Cause::SceneChanged => {
                (rules.hits, rules.scene_after)
            }
        }
    }

    /// Calm frames in a row that close.
    fn release_after(&self, rules: &Rules) -> usize {
        match self.cause {
            // It is calm by the mean of hours.
            Cause::Drift => 1,
            _ => rules.release_after,
        }
    }

    /// Whether the last hit is a fault for its score's sake: its severity does not pass the limit.
    fn is_by_score(&self) -> bool {
        let last = self.recent.iter().rev().flatten().next();
        last.is_some_and(|hit| match &hit.evidence {
            Evidence::Scene(fault) => fault.severity <= 1.0,
            Evidence::Score(_) | Evidence::Drift(_) => false,
        })
    }

    /// A frame while no incident is open. Only one that shows the cause opens, even where the window
    /// held enough of them before, as it does at the end of a cooldown.
    fn watch(&mut self, now: &Now<'_>) -> Option<Incident> {
        let (enough, lasting) = self.patience(now.rules);
        let mut hits = self.recent.iter().flatten();
        let (first, last) = (hits.next(), hits.next_back());
        let span = first.map(|first| (first.at, last.unwrap_or(first).at));
        let Some((first, last)) = span.filter(|_| self.hits() >= enough) else {
            self.crowd = None;
            self.is_capped = false;
            return None;
        };
        let crowd = self.crowd.get_or_insert(Crowd {
            first,
            is_counted: false,
        });
        let started = crowd.first;
        if last.since_boot.saturating_sub(started.since_boot) < lasting {
            return None;
        }
        if self.is_kept_back(now) {
            let crowd = self.crowd.as_mut()?;
            self.suppressed += u64::from(!crowd.is_counted);
            crowd.is_counted = true;
            return None;
        }
        self.recent.back()?.as_ref()?;
        self.begin(now, started)
    }

    /// Whether an incident may not open now.
    fn is_kept_back(&mut self, now: &Now<'_>) -> bool {
        let is_cooling = now.at.since_boot < self.cooling_until;
        self.is_capped = !is_cooling && !now.is_muted && !self.has_room(now);
        is_cooling || now.is_muted || self.is_capped
    }

    fn begin(&mut self, now: &Now<'_>, started: Moment) -> Option<Incident> {
        let degree = |hit: &Hit| hit.evidence.degree();
        let hits = self.recent.iter().flatten();
        let is_alarm = hits.clone().any(|hit| hit.evidence.is_alarm());
        let worst = hits.max_by(|a, b| degree(a).total_cmp(&degree(b)))?.clone();
        let incident = Incident {
            id: now.identity.incident_id(self.cause, now.seq, &now.at),
            report: 1,
            phase: Phase::Opened,
            cause: self.cause,
            started,
            ended: None,
            ended_by: None,
            at: now.at,
            suppressed: std::mem::take(&mut self.suppressed),
            hits: self.hits(),
            window: now.rules.window,
            worst_seq: worst.seq,
            worst_at: worst.at,
            worst: worst.evidence,
            is_alarm,
            drift: now.drift,
        };
        self.opened.push_back(now.at.since_boot);
        self.open = Some(Open {
            reported: incident.clone(),
            now: incident.clone(),
            calm: 0,
        });
        Some(incident)
    }

    /// A frame while an incident is open.
    fn follow(&mut self, now: &Now<'_>, is_calm: bool) -> Option<Incident> {
        let hits = self.hits();
        let rules = now.rules;
        let release_after = self.release_after(rules);
        // It goes on for days, and says nothing new each time.
        let is_news_by_time = self.cause != Cause::Drift;
        let open = self.open.as_mut()?;
        let incident = &mut open.now;
        if let Some(Some(hit)) = self.recent.back() {
            incident.is_alarm |= hit.evidence.is_alarm();
        }
        if let Some(Some(hit)) = self.recent.back()
            && hit.evidence.degree() > incident.worst.degree()
        {
            (incident.worst_seq, incident.worst_at) = (hit.seq, hit.at);
            incident.worst = hit.evidence.clone();
        }
        incident.hits = hits;
        incident.drift = now.drift;
        open.calm = if is_calm { open.calm + 1 } else { 0 };
        if open.calm >= release_after {
            return self.close(now.at, rules.cooldown, EndedBy::Released);
        }
        let rise = incident.worst.degree() - open.reported.worst.degree();
        let is_graver = incident.is_alarm && !open.reported.is_alarm;
        let has_risen = is_graver || rise >= rules.notable_rise.max(f64::EPSILON);
        let since_report = now
            .at
            .since_boot
            .saturating_sub(open.reported.at.since_boot);
        let is_due = is_news_by_time && since_report >= rules.update_every;
        if now.is_muted || !has_risen && !is_due {
            return None;
        }
        incident.report += 1;
        incident.phase = Phase::Updated;
        incident.at = now.at;
        open.reported = incident.clone();
        Some(open.reported.clone())
    }

    /// Ends the watch: closes what is open, and forgets the hits of what is not. Nobody knows how it goes on, so
    /// they are no part of an incident that comes later.
    pub(super) fn stop(&mut self, at: Moment, cooldown: Duration) -> Option<Incident> {
        let closed = self.close(at, cooldown, EndedBy::Stopped);
        self.recent.clear();
        self.crowd = None;
        self.is_capped = false;
        closed
    }

    /// Closes what is open.
    fn close(&mut self, at: Moment, cooldown: Duration, ended_by: EndedBy) -> Option<Incident> {
        let mut incident = self.open.take()?.now;
        incident.report += 1;
        incident.phase = Phase::Closed;
        incident.at = at;
        incident.ended = Some(at);
        incident.ended_by = Some(ended_by);
        self.recent.clear();
        self.crowd = None;
        self.cooling_until = at.since_boot.saturating_add(cooldown);
        Some(incident)
    }

    /// Which of the recent hits still have their picture.
    #[cfg(test)]
    pub(super) fn kept(&self) -> Vec<bool> {
        let judged = self.recent.iter().flatten();
        let judged = judged.filter_map(|hit| hit.evidence.judged());
        judged.map(|judged| judged.shot().is_some()).collect()
    }
}
