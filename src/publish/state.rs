//! What is seen now of one camera, on the wire; kept by the reporter to be said again where only a control
//! has changed since.

use jiff::Timestamp;
use serde::Serialize;

use super::alert::milliseconds;
use super::measured::{Drift, Scene, Score, shortened};
use super::retained::retained;
use super::{CameraTopics, Delivery, Message};
use crate::capture::Moment;
use crate::decide::{Cause, Judged, Picture, Tracker};
use crate::preprocess::Rejection;
use crate::score::Basis;
use crate::score::threshold::Level;

/// Why no frame is judged.
#[derive(Debug, Clone, Copy)]
pub(super) enum Blind<'a> {
    /// It could not be.
    Rejected(&'a Rejection),
    /// The camera is turned off.
    Disabled,
    /// Inspection has ended.
    Stopped,
}

/// What is seen now.
#[derive(Debug, Clone, Serialize)]
pub(super) struct State {
    anomaly: &'static str,
    causes: Vec<Cause>,
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
    profile: String,
    enabled: bool,
    muted: bool,
    suppressed: u64,
    threshold_value: f64,
}

impl State {
    /// By frame `seq`, taken `at`, of which `tracker` knows, with a Profile of this id and frames anomalous at
    /// `level`.
    pub(super) fn new(
        (seq, at): (u64, Moment),
        judgement: Result<&Judged, Blind<'_>>,
        tracker: &Tracker,
        profile: &str,
        level: Level,
    ) -> State {
        let judged = judgement.ok();
        let picture = match judgement {
            Ok(judged) => Some(judged.picture()),
            Err(blind) => blind.picture(),
        };
        let score = judged.map(|judged| Score::new(judged.score()));
        let score = score.as_ref();
        let drift = tracker.drift();
        let causes: Vec<Cause> = tracker.open().map(|incident| incident.cause).collect();
        State {
            anomaly: on_off(causes.contains(&Cause::Anomaly)),
            causes,
            judged: judged.is_some(),
            reason: judgement.err().map(Blind::reason),
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
            profile: profile.to_owned(),
            enabled: !matches!(judgement, Err(Blind::Disabled)),
            muted: tracker.is_muted(),
            suppressed: tracker.suppressed(),
            threshold_value: level.get(),
        }
    }

    /// Whether a state by this judgement would differ in more than numbers.
    pub(super) fn differs(&self, blind: Option<Blind<'_>>, tracker: &Tracker) -> bool {
        let open = tracker.open().map(|incident| incident.cause);
        !open.eq(self.causes.iter().copied())
            || self.muted != tracker.is_muted()
            || self.reason != blind.map(Blind::reason)
    }

    /// The same where a mute has begun or ended since.
    pub(super) fn mute(&mut self, tracker: &Tracker) {
        self.muted = tracker.is_muted();
        self.suppressed = tracker.suppressed();
    }

    /// As a message.
    pub(super) fn message(&self, topics: &CameraTopics) -> Message {
        retained(&topics.state, self, Delivery::AtMostOnce)
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

/// How a switch is said to stand.
pub(super) fn on_off(is_on: bool) -> &'static str {
    if is_on { "ON" } else { "OFF" }
}

#[cfg(test)]
mod tests {
    use crate::decide::{Mute, Rules, stories};
    use crate::preprocess::Rejection;
    use crate::publish::camera::{reporter, told};

    #[test]
    fn a_mute_that_ends_between_two_frames_is_in_the_state_at_once_and_all_else_there_stays() {
        let (mut tracker, mut reporter) = (stories::tracker(Rules::default()), reporter());
        let end = stories::moment(10);
        tracker.mute(Mute::Until(end.since_boot));
        let (at, judged) = (stories::moment(0), stories::judged(-3.0));
        tracker.observe(7, at, Ok(&judged));
        let before = told(&reporter.frame(7, at, Ok(&judged), &[], &tracker));
        let (topic, mut expected) = before.last().unwrap().clone();
        assert_eq!(expected["muted"], true);
        assert!(tracker.end_mute(end.since_boot));
        expected["muted"] = false.into();
        let said = told(&reporter.mute_turned(end, &tracker));
        let control = ("cam0/mute/state".to_owned(), "OFF".into());
        assert_eq!(said, [control, (topic, expected)]);
        // The next frame has nothing to add.
        let judged = stories::judged(-3.0);
        let next = reporter.frame(8, at, Ok(&judged), &[], &tracker);
        assert!(next.is_empty(), "{next:?}");
    }

    #[test]
    fn the_state_of_a_camera_that_gave_no_frame_yet_says_so_with_the_end_of_its_mute() {
        let (mut tracker, mut reporter) = (stories::tracker(Rules::default()), reporter());
        reporter.start(&tracker);
        for (mute, muted) in [(Mute::On, true), (Mute::Off, false)] {
            tracker.mute(mute);
            let said = told(&reporter.mute_turned(stories::moment(3), &tracker));
            let state = &said[1].1;
            assert_eq!(
                (&state["muted"], &state["judged"], &state["reason"]),
                (&muted.into(), &false.into(), &"no_frames".into())
            );
        }
        let none = Rejection::NoFrames("unplugged".to_owned());
        let first = told(&reporter.frame(0, stories::moment(4), Err(&none), &[], &tracker));
        assert_eq!(first[0].0, "cam0/state", "{first:?}");
    }
}
