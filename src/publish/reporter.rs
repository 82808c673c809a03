//! What is said about one camera, and about the node: which messages follow from a frame.
//!
//! A pure step with a memory of what was said last. State is said once a second at most, and at
//! once when it changes; by the frames' monotonic time, so a replay says the same. Nothing here
//! knows the broker.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;

use super::alert::{Data, milliseconds, shared};
use super::{Alert, CameraTopics, Delivery, Message, ProfileIdentity, Retained};
use crate::capture::Moment;
use crate::decide::{Identity, Incident, Judged, Tracker};
use crate::preprocess::{Rejection, SceneStatistics};
use crate::score::Basis;

/// The least time between two states that differ in numbers only.
const STATE_EVERY: Duration = Duration::from_secs(1);
/// So many frames in a row that can't be judged make a camera as good as absent.
const REJECTED_IN_A_ROW: u32 = 5;

/// Reports on one camera.
#[derive(Debug)]
pub struct Reporter {
    topics: CameraTopics,
    identity: Identity,
    profile: Arc<ProfileIdentity>,
    said: Option<Said>,
    is_online: Option<bool>,
    /// Frames since the last one that was judged.
    rejected: u32,
}

/// The state that was said last.
#[derive(Debug, Clone, Copy)]
struct Said {
    at: Duration,
    anomaly: bool,
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
            rejected: 0,
        }
    }

    /// What a subscriber must know before the first frame: the camera is not there yet, and which
    /// incident is open.
    pub fn start(&mut self, tracker: &Tracker) -> Vec<Message> {
        self.is_online = Some(false);
        vec![self.availability("offline"), self.active(tracker)]
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
        let now = Said {
            at: at.since_boot,
            anomaly: tracker.open().is_some(),
            reason: judgement.err().map(Rejection::reason),
        };
        if self.said.is_none_or(|said| said.is_stale(&now)) {
            self.said = Some(now);
            messages.push(self.state(seq, at, judgement, now));
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
        let alert = Alert::new(topic, &self.identity, incident, &self.profile);
        vec![Message::Alert(Box::new(alert)), self.active(tracker)]
    }

    /// What is said when nobody looks any more.
    pub fn stop(&mut self) -> Option<Message> {
        let was_online = self.is_online.replace(false) != Some(false);
        was_online.then(|| self.availability("offline"))
    }

    fn state(
        &self,
        seq: u64,
        at: Moment,
        judgement: Result<&Judged, &Rejection>,
        now: Said,
    ) -> Message {
        let judged = judgement.ok();
        let score = judged.map(Judged::score);
        let state = State {
            anomaly: if now.anomaly { "ON" } else { "OFF" },
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
        };
        retained(&self.topics.state, &state, Delivery::AtMostOnce)
    }

    fn active(&self, tracker: &Tracker) -> Message {
        let open: Vec<Data> = tracker
            .open()
            .map(|incident| Data::new(&self.identity, incident, &self.profile))
            .into_iter()
            .collect();
        retained(&self.topics.active, &open, Delivery::AtLeastOnce)
    }

    fn availability(&self, payload: &str) -> Message {
        Message::Retained(Retained {
            topic: self.topics.availability.clone(),
            payload: payload.as_bytes().to_vec(),
            delivery: Delivery::AtLeastOnce,
        })
    }
}

impl Said {
    /// Whether `now` must be said. A clock that jumps back is new as well.
    fn is_stale(&self, now: &Said) -> bool {
        let changed = self.anomaly != now.anomaly || self.reason != now.reason;
        changed || now.at.abs_diff(self.at) >= STATE_EVERY
    }
}

/// What is said of the node on connect and on change. Never holds an address or a secret.
#[derive(Debug, Clone, Serialize)]
pub struct Info {
    /// Version of the program.
    pub version: &'static str,
    /// Schemas of the messages.
    pub schemas: [&'static str; 1],
    /// Identifier of this boot of the machine.
    #[serde(serialize_with = "shared")]
    pub boot_id: Arc<str>,
    /// When inspection began under this configuration, RFC 3339.
    pub started_at: String,
    /// The teacher's file, `sha256:...`.
    pub teacher: String,
    /// The cameras.
    pub cameras: Vec<InfoCamera>,
    /// Why the configuration that was offered last was not taken.
    pub last_reload_error: Option<String>,
}

/// What is said of a camera in [`Info`].
#[derive(Debug, Clone, Serialize)]
pub struct InfoCamera {
    /// Its name.
    pub name: String,
    /// The Profile that judges.
    #[serde(serialize_with = "shared")]
    pub profile: Arc<ProfileIdentity>,
}

impl Info {
    /// The message for `topic`.
    pub fn message(&self, topic: &str) -> Message {
        retained(topic, self, Delivery::AtLeastOnce)
    }
}

fn retained(topic: &str, content: &impl Serialize, delivery: Delivery) -> Message {
    let payload = serde_json::to_vec(content).expect("a message has text keys and finite numbers");
    Message::Retained(Retained {
        topic: topic.to_owned(),
        payload,
        delivery,
    })
}

#[cfg(test)]
mod tests {
    use super::super::Topics;
    use super::*;
    use crate::decide::{Rules, stories};

    /// What a camera says of its availability, frame by frame: `.` is a judged frame, `x` a rejected
    /// one, `-` none.
    fn said(story: &str) -> String {
        let names = ("press".parse().unwrap(), "cam0".parse().unwrap());
        let topics = Topics::new(&crate::config::Prefix::default(), &names.0).camera(&names.1);
        let identity = Identity {
            node: "press".into(),
            camera: "cam0".into(),
            boot_id: "b".into(),
        };
        let profile = ProfileIdentity {
            id: "sha256:9a".into(),
            teacher: "sha256:1f".into(),
            calibrated_at: None,
            normal_frames: 420,
        };
        let mut reporter = Reporter::new(topics, identity, Arc::new(profile));
        let tracker = stories::tracker(Rules::default());
        let judged = stories::judged(-1.0);
        let damaged = Rejection::Undecodable("half a picture".into());
        let none = Rejection::NoFrames("unplugged".into());
        reporter.start(&tracker);
        let mut heard = String::new();
        for (n, frame) in (0u64..).zip(story.chars()) {
            let judgement = match frame {
                '.' => Ok(&judged),
                'x' => Err(&damaged),
                _ => Err(&none),
            };
            let messages = reporter.frame(n, stories::moment(n), judgement, None, &tracker);
            let availability = messages.iter().find_map(|message| match message {
                Message::Retained(r) if r.topic.ends_with("availability") => Some(&r.payload[..]),
                _ => None,
            });
            heard.push(match availability {
                Some(b"online") => '+',
                Some(_) => '-',
                None => '.',
            });
        }
        heard
    }

    #[test]
    fn a_camera_is_online_from_its_first_judged_frame_to_the_first_absence() {
        assert_eq!(said("..-.."), "+.-+.");
        assert_eq!(said("xx.."), "..+.");
    }

    #[test]
    fn five_frames_in_a_row_that_cannot_be_judged_take_a_camera_offline() {
        assert_eq!(said(".xxxx.xxxxxx."), "+.........-.+");
    }
}
