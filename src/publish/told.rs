//! What the supervisor is told, and the way to it: it may be away for seconds.
//!
//! The channel has no room, so that all waits here until the supervisor takes it, one at a time, in the order
//! in which it came. Of what others set the newest of each control waits and no other: an older one is acted on
//! by nobody. No more of these wait than there are controls, and of the rest [`MOST_REQUESTS`]; one more comes
//! back, to be answered.

use std::collections::VecDeque;

use crossbeam_channel::Sender;

use super::{Control, Incoming, Message, Topics};
use crate::config::Name;

/// So many requests wait: one may take the supervisor seconds, and who asks has a timeout.
const MOST_REQUESTS: usize = 16;

/// What the supervisor is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// Somebody speaks to us.
    Heard {
        /// What is said.
        said: Incoming,
        /// Whether more waits behind it.
        more: bool,
    },
    /// The spool's disk has failed: what comes now is safe nowhere, and a restart is due.
    DiskFailed(String),
}

impl Message {
    /// Says on which topics these cameras are set.
    pub fn controls(topics: &Topics, cameras: &[Name]) -> Message {
        let controls = cameras.iter().flat_map(|camera| {
            let topics = topics.camera(camera);
            Control::ALL.map(|control| topics.set(control))
        });
        Message::Controls(controls.collect())
    }
}

/// The way to the supervisor. Nobody else sends on it.
#[derive(Debug)]
pub(super) struct ToSupervisor {
    to: Sender<Told>,
    /// The topics on which controls are set: anybody may publish on others, and on any number of them.
    controls: Vec<String>,
    waiting: VecDeque<Queued>,
    /// Why the disk failed, until that is told.
    failed: Option<String>,
}

/// What waits for the supervisor.
#[derive(Debug)]
struct Queued {
    said: Incoming,
    sets_control: bool,
}

impl ToSupervisor {
    pub(super) fn new(to: Sender<Told>) -> Self {
        ToSupervisor {
            to,
            controls: Vec::new(),
            waiting: VecDeque::new(),
            failed: None,
        }
    }

    /// The sender, for a `select!` that takes [`ToSupervisor::next`] while something waits.
    pub(super) fn sender(&self) -> Sender<Told> {
        self.to.clone()
    }

    /// Whether something waits to be told.
    pub(super) fn waits(&self) -> bool {
        self.failed.is_some() || !self.waiting.is_empty()
    }

    /// Takes out what has waited longest; that the disk has failed goes first.
    pub(super) fn next(&mut self) -> Told {
        if let Some(reason) = self.failed.take() {
            return Told::DiskFailed(reason);
        }
        let first = self.waiting.pop_front();
        let Queued { said, .. } = first.expect("it is asked for while something waits");
        let more = self.waits();
        Told::Heard { said, more }
    }

    /// The topics on which controls are set from now on. What waits on others has no camera any more.
    pub(super) fn allow(&mut self, controls: Vec<String>) {
        let is_allowed = |one: &Queued| !one.sets_control || controls.contains(&one.said.topic);
        self.waiting.retain(is_allowed);
        self.controls = controls;
    }

    /// What somebody says to us; it comes back where it sets no control of ours and finds no place.
    pub(super) fn hear(&mut self, said: Incoming) -> Result<(), Incoming> {
        let sets_control = self.controls.contains(&said.topic);
        if sets_control {
            // At the end, since a request that came in between may turn the same control.
            self.waiting
                .retain(|former| former.said.topic != said.topic);
        } else if self.requests() >= MOST_REQUESTS {
            return Err(said);
        }
        self.waiting.push_back(Queued { said, sets_control });
        Ok(())
    }

    /// How many requests wait.
    fn requests(&self) -> usize {
        self.waiting.iter().filter(|one| !one.sets_control).count()
    }

    /// The disk has failed.
    pub(super) fn disk_failed(&mut self, reason: String) {
        self.failed = Some(reason);
    }
}

#[cfg(test)]
mod tests {
    use crossbeam_channel::bounded;

    use super::*;

    fn heard(topic: &str, payload: &str) -> Incoming {
        Incoming {
            topic: topic.to_owned(),
            payload: payload.as_bytes().to_vec(),
            retained: false,
        }
    }

    /// Takes out all that waits, as `topic payload`.
    fn read(way: &mut ToSupervisor) -> Vec<String> {
        let mut read = Vec::new();
        while way.waits() {
            let Told::Heard { said, more } = way.next() else {
                panic!("the disk has not failed");
            };
            assert_eq!(more, way.waits());
            let payload = String::from_utf8(said.payload).unwrap();
            read.push(format!("{} {payload}", said.topic));
        }
        read
    }

    /// A way with three controls.
    fn way() -> ToSupervisor {
        let mut way = ToSupervisor::new(bounded(0).0);
        way.allow(["a", "b", "c"].map(str::to_owned).to_vec());
        way
    }

    #[test]
    fn only_the_newest_of_each_control_is_told_in_the_order_in_which_these_came() {
        let mut way = way();
        let ramp = (0..60).map(|n| ("a", n.to_string()));
        let scene = [("b", "ON"), ("c", "ON"), ("b", "OFF")];
        let scene = scene.map(|(topic, payload)| (topic, payload.to_owned()));
        for (topic, payload) in ramp.chain(scene) {
            assert_eq!(way.hear(heard(topic, &payload)), Ok(()));
        }
        assert_eq!(read(&mut way), ["a 59", "c ON", "b OFF"]);
        assert!(!way.waits());
    }

    #[test]
    fn a_control_that_was_set_before_and_after_a_request_is_told_after_it() {
        let mut way = way();
        for (topic, payload) in [("a", "1"), ("request", "1"), ("b", "1"), ("a", "2")] {
            way.hear(heard(topic, payload)).unwrap();
        }
        assert_eq!(read(&mut way), ["request 1", "b 1", "a 2"]);
    }

    #[test]
    fn a_request_that_finds_no_place_comes_back_and_controls_find_theirs() {
        let mut way = way();
        // Topics that are no control of ours get no place of their own, however many there are.
        for n in 0..MOST_REQUESTS {
            assert_eq!(way.hear(heard(&format!("d{n}"), "ON")), Ok(()));
        }
        let late = heard("request", "late");
        assert_eq!(way.hear(late.clone()), Err(late.clone()));
        way.hear(heard("a", "1")).unwrap();
        way.next();
        assert_eq!(way.hear(late.clone()), Ok(()));
        assert_eq!(way.hear(late.clone()), Err(late));
        let read = read(&mut way);
        assert_eq!(read.len(), MOST_REQUESTS + 1);
        assert_eq!(read[MOST_REQUESTS - 1..], ["a 1", "request late"]);
    }

    #[test]
    fn what_waits_for_a_camera_that_is_no_more_is_forgotten_and_a_request_is_not() {
        let mut way = way();
        for topic in ["a", "request", "b", "c"] {
            way.hear(heard(topic, "1")).unwrap();
        }
        way.allow(vec!["c".to_owned()]);
        assert_eq!(read(&mut way), ["request 1", "c 1"]);
    }

    #[test]
    fn that_the_disk_has_failed_is_told_before_all_that_waits() {
        let mut way = way();
        way.hear(heard("a", "1")).unwrap();
        way.disk_failed("test".to_owned());
        assert_eq!(way.next(), Told::DiskFailed("test".to_owned()));
        assert_eq!(read(&mut way), ["a 1"]);
    }
}
