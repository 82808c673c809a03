//! The incidents of one camera, whatever their causes.
//!
//! Each cause has a [`Track`] of its own, so that several incidents may be open at once, one of each
//! cause: an anomaly that was open when the camera was blocked stays open, because nobody can say
//! that it is over. Rules and mute are common to them. Never says twice that an incident opened.

use std::time::Duration;

use super::drift::DriftWatch;
use super::evidence::Sign;
use super::track::{Now, Track};
use super::{Cause, Drift, DriftReference, DriftRules, Identity, Incident, Judged, Rules};
use crate::capture::Moment;
use crate::preprocess::Rejection;

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

impl Mute {
    /// When it ends by itself, since boot.
    pub fn end(self) -> Option<Duration> {
        match self {
            Mute::Until(end) => Some(end),
            Mute::Off | Mute::On => None,
        }
    }
}

/// Follows one camera.
#[derive(Debug)]
pub struct Tracker {
    identity: Identity,
    rules: Rules,
    tracks: [Track; Cause::ALL.len()],
    /// None where nobody watches for drift.
    drift: Option<DriftWatch>,
    mute: Mute,
    last_seen: Option<Moment>,
}

impl Tracker {
    /// A camera of which nothing has been seen.
    pub fn new(identity: Identity, rules: Rules) -> Self {
        Tracker {
            identity,
            rules,
            tracks: Cause::ALL.map(Track::new),
            drift: None,
            mute: Mute::Off,
            last_seen: None,
        }
    }

    /// The same camera under other rules: what is open stays open.
    pub fn with_rules(mut self, rules: Rules) -> Self {
        self.rules = rules;
        self
    }

    /// The same camera held against the scores of its Profile's calibration. What was watched before
    /// counts on where the Profile is the same.
    pub fn watching(mut self, reference: DriftReference, rules: DriftRules) -> Self {
        let former = self.drift.take();
        let watch = || DriftWatch::new(reference, rules.window, former);
        self.drift = rules.watches.then(watch);
        self
    }

    /// How the scores stand against those of calibration; `None` where nobody watches.
    pub fn drift(&self) -> Option<&Drift> {
        self.drift.as_ref().map(DriftWatch::drift)
    }

    /// Whether nothing was seen of the camera since it was last stopped, if ever.
    pub fn is_new(&self) -> bool {
        self.last_seen.is_none()
    }

    /// The last report of each incident that is open; at most one of a cause.
    pub fn open(&self) -> impl Iterator<Item = &Incident> {
        self.tracks.iter().filter_map(Track::open)
    }

    /// Keeps reports back from now on, or no longer. What is open is followed in silence, and its
    /// closing is reported all the same: nobody shall believe that it goes on.
    pub fn mute(&mut self, mute: Mute) {
        self.mute = mute;
    }

    /// Ends a mute whose time is over at `now` since boot; whether there was one. A frame does so by
    /// itself: this is for a camera that gives none.
    pub fn end_mute(&mut self, now: Duration) -> bool {
        let is_over = self.mute.end().is_some_and(|end| now >= end);
        if is_over {
            self.mute = Mute::Off;
        }
        is_over
    }

    /// When the mute ends by itself, since boot.
    pub fn mute_end(&self) -> Option<Duration> {
        self.mute.end()
    }

    /// Whether reports are kept back.
    pub fn is_muted(&self) -> bool {
        self.mute != Mute::Off
    }

    /// Incidents that were kept back since the last one of their cause that opened.
    pub fn suppressed(&self) -> u64 {
        self.tracks.iter().map(Track::suppressed).sum()
    }

    /// Whether an incident would be open now, had the hour not seen as many of its cause as
    /// [`Rules::hourly_cap`] already.
    pub fn is_capped(&self) -> bool {
        self.tracks.iter().any(Track::is_capped)
    }

    /// Takes the next frame, and reports the incidents that change by it.
    ///
    /// A frame that says nothing of a cause changes nothing there: the window keeps what it has.
    pub fn observe(
        &mut self,
        seq: u64,
        at: Moment,
        judgement: Result<&Judged, &Rejection>,
    ) -> Vec<Incident> {
        self.last_seen = Some(at);
        self.end_mute(at.since_boot);
        let mut of_drift = self.sign_of_drift(at, judgement);
        let now = Now {
            seq,
            at,
            rules: &self.rules,
            identity: &self.identity,
            is_muted: self.mute != Mute::Off,
            drift: self.drift.as_ref().map(|watch| watch.drift().level),
        };
        let tracks = self.tracks.iter_mut();
        let changes = tracks.filter_map(|track| {
            let sign = match track.cause {
                Cause::Drift => of_drift.take(),
                cause => Sign::of(cause, judgement, now.rules),
            }?;
            track.observe(&now, sign)
        });
        changes.collect()
    }

    /// What the next frame says of drift. Neither one that can't be judged nor one within an anomaly
    /// does: a defect that lies there for hours is an anomaly.
    fn sign_of_drift(
        &mut self,
        at: Moment,
        judgement: Result<&Judged, &Rejection>,
    ) -> Option<Sign> {
        let Some(watch) = &mut self.drift else {
            // What is open from a time when somebody watched is over.
            return Some(Sign::Calm);
        };
        let judged = judgement.ok()?;
        let is_anomaly = |track: &Track| track.cause == Cause::Anomaly && track.is_present();
        if self.tracks.iter().any(is_anomaly) {
            return None;
        }
        watch.observe(at, judged)
    }

    /// Ends the inspection: what is open is closed as stopped, and what was about to open begins anew.
    pub fn stop(&mut self) -> Vec<Incident> {
        let Some(at) = self.last_seen.take() else {
            return Vec::new();
        };
        let cooldown = self.rules.cooldown;
        let tracks = self.tracks.iter_mut();
        let closed = tracks.filter_map(|track| track.stop(at, cooldown));
        closed.collect()
    }

    /// Which of the recent anomalous frames still have their picture.
    #[cfg(test)]
    fn kept(&self) -> Vec<bool> {
        self.tracks[0].kept()
    }
}

#[cfg(test)]
#[path = "tracker_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "quiet_tests.rs"]
mod quiet_tests;

#[cfg(test)]
#[path = "causes_tests.rs"]
mod causes_tests;
