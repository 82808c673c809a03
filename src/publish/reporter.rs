//! What is said about one camera: which messages follow from a frame, and from a control that is
//! turned.
//!
//! A pure step with a memory of what was said last. State is said once a second at most, and at
//! once when it changes; by the frames' monotonic time, so a replay says the same. Nothing here
//! knows the broker.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use super::alert::{Data, milliseconds};
use super::journal::Journal;
use super::measured::{Drift, Scene, Score, shortened};
use super::media::{Media, MediaNames};
use super::presence::{Presence, Turn};
use super::retained::retained;
use super::{Alert, CameraTopics, Control, Delivery, Message, ProfileIdentity, Retained};
use crate::capture::Moment;
use crate::decide::{Cause, Identity, Incident, Judged, Picture, Tracker};
use crate::preprocess::Rejection;
use crate::score::Basis;
use crate::score::threshold::Level;

/// The least time between two states that differ in numbers only.
const STATE_EVERY: Duration = Duration::from_secs(1);

/// Why no frame is judged.
#[derive(Debug, Clone, Copy)]
enum Blind<'a> {
    /// It could not be.
    Rejected(&'a Rejection),
    /// The camera is turned off.
    Disabled,
    /// Inspection has ended.
    Stopped,
}

/// Reports on one camera.
#[derive(Debug)]
pub struct Reporter {
    topics: CameraTopics,
    identity: Identity,
    profile: Arc<ProfileIdentity>,
    said: Option<Said>,
    presence: Presence,
    /// What the journal is told of it.
    journal: Journal,
    level: Level,
    /// The state of the mute that was told last.
    is_muted: Option<bool>,
    /// The pictures that are on their topics, and the incident that they belong to.
    media: Option<(String, MediaNames)>,
}

/// The state that was said last.
#[derive(Debug, Clone)]
struct Said {
    at: Duration,
    causes: Vec<Cause>,
    muted: bool,
    reason: Option<&'static str>,
}

#[derive(Serialize)]
struct State<'a> {
    anomaly: &'static str,
    causes: &'a [Cause],
    judged: bool,
    reason: Option<&'static str>,
    detail: Option<String>,
    score: Option<f64>,
    basis: Option<Basis>,
    raw: Option<f64>,
    threshold: Option<f64>,
    local: Option<f64>,
    local_threshold: Option<f64>,
    scene: Option<Scene>,
    drift: Option<Drift>,
    frame: u64,
    #[serde(serialize_with = "milliseconds")]
    time: Timestamp,
    profile: &'a str,
    enabled: bool,
    muted: bool,
    suppressed: u64,
    threshold_value: f64,
}

impl Reporter {
    /// A camera about which nothing was said.
    pub fn new(topics: CameraTopics, identity: Identity, profile: Arc<ProfileIdentity>) -> Self {
        Reporter {
            topics,
            identity,
            profile,
            said: None,
            presence: Presence::default(),
            journal: Journal::default(),
            level: Level::CALIBRATED,
            is_muted: None,
            media: None,
        }
    }

    /// What a subscriber must know before the first frame: the camera is not there yet, which
    /// incidents are open, and how the controls stand. A camera that was followed before a reload
    /// stays what it was until its first frame, or the lack of one, says otherwise.
    pub fn start(&mut self, tracker: &Tracker) -> Vec<Message> {
        let mut messages = vec![self.active(tracker)];
        if tracker.is_new() {
            self.presence.leave();
            messages.insert(0, self.availability("offline"));
        }
        messages.extend(self.controls(true, tracker));
        messages
    }

    /// What is said, once, of a camera that is turned off: nobody looks, and that is on purpose.
    pub fn disabled(&mut self, at: Moment, tracker: &Tracker) -> Vec<Message> {
        self.presence.leave();
        let mut messages = vec![self.availability("disabled"), self.active(tracker)];
        messages.extend(self.controls(false, tracker));
        messages.push(self.disabled_state(at, tracker));
        messages
    }

    /// The state of a camera that is turned off: no frame says anew how its controls stand.
    pub fn disabled_state(&self, at: Moment, tracker: &Tracker) -> Message {
        self.blind_state(at, Blind::Disabled, tracker)
    }

    /// The same for a camera whose frames become anomalous at `level`.
    pub fn with_level(mut self, level: Level) -> Self {
        self.level = level;
        self
    }

    /// How a control stands.
    pub fn tell(&mut self, control: Control, enabled: bool, tracker: &Tracker) -> Message {
        match control {
            Control::Enabled => self.control(control, on_off(enabled)),
            Control::Threshold => self.threshold(self.level),
            Control::Mute => self.mute(tracker),
        }
    }

    /// Where frames become anomalous from now on, told as the control's state.
    pub fn threshold(&mut self, level: Level) -> Message {
        self.level = level;
        self.control(Control::Threshold, &level.get().to_string())
    }

    /// Whether reports are kept back, told as the control's state.
    pub fn mute(&mut self, tracker: &Tracker) -> Message {
        self.is_muted = Some(tracker.is_muted());
        self.control(Control::Mute, on_off(tracker.is_muted()))
    }

    /// How the controls of a camera stand that is turned on or off.
    fn controls(&mut self, enabled: bool, tracker: &Tracker) -> [Message; 3] {
        Control::ALL.map(|control| self.tell(control, enabled, tracker))
    }

    /// What follows from a frame: `changes` is what the tracker made of it.
    pub fn frame(
        &mut self,
        seq: u64,
        at: Moment,
        judgement: Result<&Judged, &Rejection>,
        changes: &[Incident],
        tracker: &Tracker,
    ) -> Vec<Message> {
        let mut messages = Vec::new();
        if let Some(turn) = self.presence.observe(at, judgement) {
            messages.extend(self.turn(turn, at, judgement.err()));
        }
        messages.extend(self.incidents(changes, tracker));
        let judgement = judgement.map_err(Blind::Rejected);
        let now = Said::new(at, judgement.err(), tracker);
        if self.is_muted.is_some_and(|told| told != now.muted) {
            messages.push(self.mute(tracker));
        }
        if self.said.as_ref().is_none_or(|said| said.is_stale(&now)) {
            messages.push(self.state(seq, at, judgement, &now, tracker));
            self.said = Some(now);
        }
        messages
    }

    /// The camera comes or goes, which the journal learns too; None where subscribers know.
    fn turn(&mut self, turn: Turn, at: Moment, rejection: Option<&Rejection>) -> Option<Message> {
        let camera = &self.identity.camera;
        self.journal.tell(camera, turn, at, rejection);
        match turn {
            Turn::Online(_) => Some(self.availability("online")),
            Turn::Offline => Some(self.availability("offline")),
            Turn::Unusable => None,
        }
    }

    /// What follows from changes of incidents.
    pub fn incidents(&self, changes: &[Incident], tracker: &Tracker) -> Vec<Message> {
        let alert = |incident| {
            let topic = self.topics.alert.clone();
            let media = self.media_of(incident);
            let alert = Alert::new(topic, &self.identity, incident, &self.profile, media);
            Message::Alert(Box::new(alert))
        };
        let mut messages: Vec<Message> = changes.iter().map(alert).collect();
        messages.extend((!changes.is_empty()).then(|| self.active(tracker)));
        messages
    }

    /// Publishes the pictures of the frame that the next report of `incident` speaks of; it and those
    /// after it name them. None takes that back: they speak of a frame without pictures.
    pub fn show(&mut self, incident: &Incident, media: Option<Media>) -> Vec<Message> {
        let names = media.as_ref().map(|media| media.names(&self.topics));
        self.media = names.map(|names| (incident.id.clone(), names));
        media.map_or_else(Vec::new, |media| media.messages(&self.topics))
    }

    /// The pictures of an incident's worst frame, while they are on their topics.
    fn media_of(&self, incident: &Incident) -> Option<&MediaNames> {
        let shown = self.media.as_ref();
        shown
            .filter(|(id, _)| *id == incident.id)
            .map(|(_, names)| names)
    }

    /// The topics of this camera.
    pub fn topics(&self) -> &CameraTopics {
        &self.topics
    }

    /// What is said when nobody looks any more: neither that the camera is there, nor that what it
    /// saw last still holds.
    pub fn stop(&mut self, at: Moment, tracker: &Tracker) -> Vec<Message> {
        let was_online = self.presence.leave();
        let mut messages = Vec::from_iter(was_online.then(|| self.availability("offline")));
        messages.push(self.blind_state(at, Blind::Stopped, tracker));
        messages
    }

    fn blind_state(&self, at: Moment, blind: Blind<'_>, tracker: &Tracker) -> Message {
        let now = Said::new(at, Some(blind), tracker);
        self.state(0, at, Err(blind), &now, tracker)
    }

    fn state(
        &self,
        seq: u64,
        at: Moment,
        judgement: Result<&Judged, Blind<'_>>,
        now: &Said,
        tracker: &Tracker,
    ) -> Message {
        let judged = judgement.ok();
        let picture = match judgement {
            Ok(judged) => Some(judged.picture()),
            Err(blind) => blind.picture(),
        };
        let score = judged.map(|judged| Score::new(judged.score()));
        let score = score.as_ref();
        let drift = tracker.drift();
        let state = State {
            anomaly: on_off(now.causes.contains(&Cause::Anomaly)),
            causes: &now.causes,
            judged: judged.is_some(),
            reason: now.reason,
            detail: judgement.err().map(Blind::detail),
            score: score.map(Score::value),
            basis: score.map(Score::basis),
            raw: score.map(|score| score.raw().0),
            threshold: score.map(|score| score.raw().1),
            local: score.map(|score| score.local().0),
            local_threshold: score.map(|score| score.local().1),
            scene: picture.map(|picture| Scene::new(&picture, drift.map(|drift| drift.level))),
            drift: drift.map(|drift| Drift::new(drift, &at)),
            frame: seq,
            time: at.wall,
            profile: &self.profile.id,
            enabled: !matches!(judgement, Err(Blind::Disabled)),
            muted: now.muted,
            suppressed: tracker.suppressed(),
            threshold_value: self.level.get(),
        };
        retained(&self.topics.state, &state, Delivery::AtMostOnce)
    }

    fn active(&self, tracker: &Tracker) -> Message {
        let of = |incident| {
            let media = self.media_of(incident);
            Data::new(&self.identity, incident, &self.profile, media)
        };
        let open: Vec<Data> = tracker.open().map(of).collect();
        retained(&self.topics.active, &open, Delivery::AtLeastOnce)
    }

    fn availability(&self, payload: &str) -> Message {
        word(self.topics.availability.clone(), payload)
    }

    fn control(&self, control: Control, payload: &str) -> Message {
        word(self.topics.state_of(control), payload)
    }
}

impl Blind<'_> {
    /// One word for programs.
    fn reason(self) -> &'static str {
        match self {
            Blind::Rejected(rejection) => rejection.reason(),
            Blind::Disabled => "disabled",
            Blind::Stopped => "stopped",
        }
    }

    /// The same for people.
    fn detail(self) -> String {
        match self {
            Blind::Rejected(rejection) => shortened(rejection),
            Blind::Disabled => "the camera is turned off".to_owned(),
            Blind::Stopped => "the inspection has ended".to_owned(),
        }
    }

    /// What was seen all the same.
    fn picture(self) -> Option<Picture> {
        match self {
            Blind::Rejected(Rejection::Scene(fault)) => {
                Some(Picture::of_fault(fault)).filter(Picture::is_finite)
            }
            _ => None,
        }
    }
}

impl Said {
    fn new(at: Moment, blind: Option<Blind<'_>>, tracker: &Tracker) -> Self {
        Said {
            at: at.since_boot,
            causes: tracker.open().map(|incident| incident.cause).collect(),
            muted: tracker.is_muted(),
            reason: blind.map(Blind::reason),
        }
    }

    /// Whether `now` must be said. A clock that jumps back is new as well.
    fn is_stale(&self, now: &Said) -> bool {
        (&self.causes, self.muted, self.reason) != (&now.causes, now.muted, now.reason)
            || now.at.abs_diff(self.at) >= STATE_EVERY
    }
}

fn on_off(is_on: bool) -> &'static str {
    if is_on { "ON" } else { "OFF" }
}

/// A retained message of one word.
fn word(topic: String, payload: &str) -> Message {
    Message::Retained(Retained {
        topic,
        payload: payload.as_bytes().to_vec(),
        delivery: Delivery::AtLeastOnce,
    })
}

#[cfg(test)]
#[path = "reporter_tests.rs"]
pub(crate) mod tests;
