//! What is said about one camera: which messages follow from a frame, and from a control that is
//! turned.
//!
//! A pure step with a memory of what was said last. State is said once a second at most, and at
//! once when it changes; by the frames' monotonic time, so a replay says the same. Nothing here
//! knows the broker.

use std::sync::Arc;
use std::time::Duration;

use super::alert::Data;
use super::journal::Journal;
use super::media::{Media, MediaNames};
use super::presence::{Presence, Turn};
use super::retained::retained;
use super::state::{Blind, State, on_off};
use super::{Alert, CameraTopics, Control, Delivery, Message, ProfileIdentity, Retained};
use crate::capture::Moment;
use crate::decide::{Identity, Incident, Judged, Tracker};
use crate::preprocess::Rejection;
use crate::score::threshold::Level;

/// The least time between two states that differ in numbers only.
const STATE_EVERY: Duration = Duration::from_secs(1);

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

/// The state that a frame said last.
#[derive(Debug, Clone)]
struct Said {
    at: Duration,
    state: State,
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

    /// The same of a camera that is turned on, with its state, which without a frame would follow late or never:
    /// it says again what was seen last.
    pub fn mute_turned(&mut self, at: Moment, tracker: &Tracker) -> [Message; 2] {
        let control = self.mute(tracker);
        let state = if let Some(said) = &mut self.said {
            said.state.mute(tracker);
            said.state.message(&self.topics)
        } else {
            let none = Rejection::NoFrames("none has come yet".to_owned());
            self.blind_state(at, Blind::Rejected(&none), tracker)
        };
        [control, state]
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
        if self.is_muted.is_some_and(|told| told != tracker.is_muted()) {
            messages.push(self.mute(tracker));
        }
        let judgement = judgement.map_err(Blind::Rejected);
        let is_due = |said: &Said| said.is_stale(at, judgement.err(), tracker);
        if self.said.as_ref().is_none_or(is_due) {
            let state = self.state((seq, at), judgement, tracker);
            messages.push(state.message(&self.topics));
            self.said = Some(Said {
                at: at.since_boot,
                state,
            });
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
        let state = self.state((0, at), Err(blind), tracker);
        state.message(&self.topics)
    }

    fn state(
        &self,
        frame: (u64, Moment),
        judgement: Result<&Judged, Blind<'_>>,
        tracker: &Tracker,
    ) -> State {
        State::new(frame, judgement, tracker, &self.profile.id, self.level)
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

impl Said {
    /// Whether another must be said now. A clock that jumps back is news as well.
    fn is_stale(&self, at: Moment, blind: Option<Blind<'_>>, tracker: &Tracker) -> bool {
        self.state.differs(blind, tracker) || at.since_boot.abs_diff(self.at) >= STATE_EVERY
    }
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
