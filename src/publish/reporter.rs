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
use super::media::{Media, MediaNames};
use super::{Alert, CameraTopics, Control, Delivery, Message, ProfileIdentity, Retained};
use crate::capture::Moment;
use crate::decide::{Identity, Incident, Judged, Tracker};
use crate::preprocess::{Rejection, SceneStatistics};
use crate::score::Basis;
use crate::score::threshold::Level;

/// The least time between two states that differ in numbers only.
const STATE_EVERY: Duration = Duration::from_secs(1);
/// So many frames in a row that can't be judged make a camera as good as absent.
const REJECTED_IN_A_ROW: u32 = 5;

/// Why no frame of a camera is judged that is turned off.
const DISABLED: &str = "disabled";
/// The reason of a state that is said when inspection ends.
const STOPPED: &str = "stopped";

/// Reports on one camera.
#[derive(Debug)]
pub struct Reporter {
    topics: CameraTopics,
    identity: Identity,
    profile: Arc<ProfileIdentity>,
    said: Option<Said>,
    is_online: Option<bool>,
    level: Level,
    /// The state of the mute that was told last.
    is_muted: Option<bool>,
    /// The pictures that are on their topics, where they belong to the incident at hand.
    media: Option<MediaNames>,
    /// Frames since the last one that was judged.
    rejected: u32,
}

/// The state that was said last.
#[derive(Debug, Clone, Copy)]
struct Said {
    at: Duration,
    anomaly: bool,
    muted: bool,
    reason: Option<&'static str>,
}

#[derive(Serialize)]
struct State<'a> {
    anomaly: &'static str,
    judged: bool,
    reason: Option<&'static str>,
    score: Option<f64>,
    basis: Option<Basis>,
    raw: Option<f64>,
    threshold: Option<f64>,
    local: Option<f64>,
    local_threshold: Option<f64>,
    scene: Option<SceneStatistics>,
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
            is_online: None,
            level: Level::CALIBRATED,
            is_muted: None,
            media: None,
            rejected: 0,
        }
    }

    /// What a subscriber must know before the first frame: the camera is not there yet, which
    /// incident is open, and how the controls stand. A camera that was followed before a reload
    /// stays what it was until its first frame, or the lack of one, says otherwise.
    pub fn start(&mut self, tracker: &Tracker) -> Vec<Message> {
        let mut messages = vec![self.active(tracker)];
        if tracker.is_new() {
            self.is_online = Some(false);
            messages.insert(0, self.availability("offline"));
        }
        messages.extend(self.controls(true, tracker));
        messages
    }

    /// What is said, once, of a camera that is turned off: nobody looks, and that is on purpose.
    pub fn disabled(&mut self, at: Moment, tracker: &Tracker) -> Vec<Message> {
        self.is_online = Some(false);
        let mut messages = vec![self.availability("disabled"), self.active(tracker)];
        messages.extend(self.controls(false, tracker));
        let now = Said::new(at, Some(DISABLED), tracker);
        messages.push(self.state(0, at, None, now, tracker));
        messages
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

    /// What follows from a frame: `change` is what the tracker made of it.
    pub fn frame(
        &mut self,
        seq: u64,
        at: Moment,
        judgement: Result<&Judged, &Rejection>,
        change: Option<&Incident>,
        tracker: &Tracker,
    ) -> Vec<Message> {
        let mut messages = Vec::new();
        let is_online = self.is_online_after(judgement);
        if self.is_online.replace(is_online) != Some(is_online) {
            messages.push(self.availability(if is_online { "online" } else { "offline" }));
        }
        if let Some(incident) = change {
            messages.extend(self.incident(incident, tracker));
        }
        let now = Said::new(at, judgement.err().map(Rejection::reason), tracker);
        if self.is_muted.is_some_and(|told| told != now.muted) {
            messages.push(self.mute(tracker));
        }
        if self.said.is_none_or(|said| said.is_stale(&now)) {
            self.said = Some(now);
            messages.push(self.state(seq, at, judgement.ok(), now, tracker));
        }
        messages
    }

    /// Whether the camera can be relied on: a judged frame says yes, no frames say no, and so do
    /// [`REJECTED_IN_A_ROW`] frames that could not be judged.
    fn is_online_after(&mut self, judgement: Result<&Judged, &Rejection>) -> bool {
        let was_online = self.is_online == Some(true);
        self.rejected = match judgement {
            Ok(_) => 0,
            Err(_) => self.rejected.saturating_add(1),
        };
        match judgement {
            Ok(_) => true,
            Err(Rejection::NoFrames(_)) => false,
            Err(rejection) => {
                if self.rejected == REJECTED_IN_A_ROW {
                    tracing::warn!(
                        camera = &*self.identity.camera,
                        "{REJECTED_IN_A_ROW} frames in a row could not be judged; the last: {rejection}"
                    );
                }
                was_online && self.rejected < REJECTED_IN_A_ROW
            }
        }
    }

    /// What follows from a change of an incident.
    pub fn incident(&self, incident: &Incident, tracker: &Tracker) -> Vec<Message> {
        let topic = self.topics.alert.clone();
        let media = self.media.as_ref();
        let alert = Alert::new(topic, &self.identity, incident, &self.profile, media);
        vec![Message::Alert(Box::new(alert)), self.active(tracker)]
    }

    /// Publishes the pictures of the frame that the next report speaks of; it and those after it
    /// name them. None takes that back: they speak of a frame without pictures.
    pub fn show(&mut self, media: Option<Media>) -> Vec<Message> {
        self.media = media.as_ref().map(|media| media.names(&self.topics));
        media.map_or_else(Vec::new, |media| media.messages(&self.topics))
    }

    /// The topics of this camera.
    pub fn topics(&self) -> &CameraTopics {
        &self.topics
    }

    /// What is said when nobody looks any more: neither that the camera is there, nor that what it
    /// saw last still holds.
    pub fn stop(&mut self, at: Moment, tracker: &Tracker) -> Vec<Message> {
        let was_online = self.is_online.replace(false) != Some(false);
        let mut messages = Vec::from_iter(was_online.then(|| self.availability("offline")));
        let now = Said::new(at, Some(STOPPED), tracker);
        messages.push(self.state(0, at, None, now, tracker));
        messages
    }

    fn state(
        &self,
        seq: u64,
        at: Moment,
        judged: Option<&Judged>,
        now: Said,
        tracker: &Tracker,
    ) -> Message {
        let score = judged.map(Judged::score);
        let state = State {
            anomaly: on_off(now.anomaly),
            judged: judged.is_some(),
            reason: now.reason,
            score: score.map(|s| s.value),
            basis: score.map(|s| s.basis),
            raw: score.map(|s| s.raw),
            threshold: score.map(|s| s.threshold),
            local: score.map(|s| s.local),
            local_threshold: score.map(|s| s.local_threshold),
            scene: judged.map(|judged| judged.picture().scene),
            frame: seq,
            time: at.wall,
            profile: &self.profile.id,
            enabled: now.reason != Some(DISABLED),
            muted: now.muted,
            suppressed: tracker.suppressed(),
            threshold_value: self.level.get(),
        };
        retained(&self.topics.state, &state, Delivery::AtMostOnce)
    }

    fn active(&self, tracker: &Tracker) -> Message {
        let open: Vec<Data> = tracker
            .open()
            .map(|incident| Data::new(&self.identity, incident, &self.profile, self.media.as_ref()))
            .into_iter()
            .collect();
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
    fn new(at: Moment, reason: Option<&'static str>, tracker: &Tracker) -> Self {
        Said {
            at: at.since_boot,
            anomaly: tracker.open().is_some(),
            muted: tracker.is_muted(),
            reason,
        }
    }

    /// Whether `now` must be said. A clock that jumps back is new as well.
    fn is_stale(&self, now: &Said) -> bool {
        let same = |said: &Said| (said.anomaly, said.muted, said.reason);
        same(self) != same(now) || now.at.abs_diff(self.at) >= STATE_EVERY
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

/// A retained message of JSON.
pub(super) fn retained(topic: &str, content: &impl Serialize, delivery: Delivery) -> Message {
    let payload = serde_json::to_vec(content).expect("a message has text keys and finite numbers");
    Message::Retained(Retained {
        topic: topic.to_owned(),
        payload,
        delivery,
    })
}

#[cfg(test)]
#[path = "reporter_tests.rs"]
pub(crate) mod tests;
