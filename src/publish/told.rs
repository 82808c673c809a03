//! What the supervisor is told, and the way to it, which has few places: it may be away for seconds.
//!
//! Of what others set the newest of each control always gets through, in the order in which the controls
//! came; no more wait than there are controls. A request that finds no place comes back, to be answered.

use std::collections::VecDeque;

use crossbeam_channel::Sender;

use super::{Control, Incoming, Message, Topics};
use crate::config::Name;

/// What the supervisor is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Told {
    /// Somebody speaks to us.
    Heard(Incoming),
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
    /// The topics that may wait: anybody may publish on others, and on any number of them.
    controls: Vec<String>,
    /// What was set and has found no place yet: the newest of each topic.
    waiting: VecDeque<Incoming>,
}

impl ToSupervisor {
    pub(super) fn new(to: Sender<Told>) -> Self {
        ToSupervisor {
            to,
            controls: Vec::new(),
            waiting: VecDeque::new(),
        }
    }

    /// The sender, for a `select!` that takes [`ToSupervisor::next`] while something waits.
    pub(super) fn sender(&self) -> Sender<Told> {
        self.to.clone()
    }

    /// Whether something that was set waits for a place.
    pub(super) fn waits(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Takes out what has waited longest.
    pub(super) fn next(&mut self) -> Told {
        let first = self.waiting.pop_front();
        Told::Heard(first.expect("it is asked for while something waits"))
    }

    /// The topics on which controls are set from now on. What waits on others has no camera any more.
    pub(super) fn allow(&mut self, controls: Vec<String>) {
        self.waiting.retain(|heard| controls.contains(&heard.topic));
        self.controls = controls;
    }

    /// What somebody says to us; it comes back where it sets no control of ours and finds no place.
    pub(super) fn hear(&mut self, heard: Incoming) -> Result<(), Incoming> {
        if !self.controls.contains(&heard.topic) {
            return self.ask(heard);
        }
        self.set(heard);
        self.pass_on();
        Ok(())
    }

    fn set(&mut self, heard: Incoming) {
        let mut waiting = self.waiting.iter_mut();
        match waiting.find(|former| former.topic == heard.topic) {
            Some(former) => *former = heard,
            None => self.waiting.push_back(heard),
        }
    }

    /// A request overtakes nothing that was set before it.
    fn ask(&mut self, heard: Incoming) -> Result<(), Incoming> {
        self.pass_on();
        if self.waits() || self.to.is_full() {
            return Err(heard);
        }
        // A supervisor that has ended does nothing more.
        let _ = self.to.try_send(Told::Heard(heard));
        Ok(())
    }

    /// The disk has failed; whether there was a place to say so.
    pub(super) fn disk_failed(&self, reason: String) -> bool {
        self.to.try_send(Told::DiskFailed(reason)).is_ok()
    }

    /// Puts what waits into the places that are free. Only we send, so they stay free until then.
    fn pass_on(&mut self) {
        while self.waits() && !self.to.is_full() {
            let next = self.next();
            // A supervisor that has ended does nothing more.
            let _ = self.to.try_send(next);
        }
    }
}

#[cfg(test)]
mod tests {
    use crossbeam_channel::{Receiver, bounded};

    use super::*;

    fn heard(topic: &str, payload: &str) -> Incoming {
        Incoming {
            topic: topic.to_owned(),
            payload: payload.as_bytes().to_vec(),
            retained: false,
        }
    }

    /// What was told by now, as `topic payload`; what waits follows into the places that get free.
    fn read(way: &mut ToSupervisor, told: &Receiver<Told>) -> Vec<String> {
        let mut read = Vec::new();
        while let Ok(Told::Heard(heard)) = told.try_recv() {
            let payload = String::from_utf8(heard.payload).unwrap();
            read.push(format!("{} {payload}", heard.topic));
            way.pass_on();
        }
        read
    }

    /// A way with so many places, and three controls.
    fn way(places: usize) -> (ToSupervisor, Receiver<Told>) {
        let (to, told) = bounded(places);
        let mut way = ToSupervisor::new(to);
        way.allow(["a", "b", "c"].map(str::to_owned).to_vec());
        (way, told)
    }

    #[test]
    fn the_newest_of_each_control_gets_through_in_the_order_in_which_the_controls_came() {
        let (mut way, told) = way(2);
        let ramp = (0..60).map(|n| ("a", n.to_string()));
        let scene = [("b", "ON"), ("c", "ON"), ("b", "OFF")];
        let scene = scene.map(|(topic, payload)| (topic, payload.to_owned()));
        for (topic, payload) in ramp.chain(scene) {
            assert_eq!(way.hear(heard(topic, &payload)), Ok(()));
        }
        assert_eq!(
            read(&mut way, &told),
            ["a 0", "a 1", "a 59", "b OFF", "c ON"]
        );
        assert!(!way.waits());
    }

    #[test]
    fn a_request_that_finds_no_place_comes_back_and_overtakes_nothing_that_was_set() {
        let (mut way, told) = way(2);
        let refused = |payload| Err(heard("request", payload));
        assert_eq!(way.hear(heard("request", "1")), Ok(()));
        way.hear(heard("a", "1")).unwrap();
        assert_eq!(way.hear(heard("request", "2")), refused("2"));
        way.hear(heard("a", "2")).unwrap();
        way.hear(heard("b", "1")).unwrap();
        told.recv().unwrap();
        // The place that got free belongs to what was set before, and more of that waits.
        assert_eq!(way.hear(heard("request", "3")), refused("3"));
        assert_eq!(read(&mut way, &told), ["a 1", "a 2", "b 1"]);
        assert_eq!(way.hear(heard("request", "4")), Ok(()));
        assert_eq!(read(&mut way, &told), ["request 4"]);
    }

    #[test]
    fn topics_that_are_no_control_of_ours_never_wait() {
        let (mut way, told) = way(1);
        assert_eq!(way.hear(heard("d", "0")), Ok(()));
        for n in 1..100 {
            let unknown = heard(&format!("d{n}"), "ON");
            assert_eq!(way.hear(unknown.clone()), Err(unknown));
        }
        assert!(!way.waits());
        assert_eq!(read(&mut way, &told), ["d 0"]);
    }

    #[test]
    fn what_waits_for_a_camera_that_is_no_more_is_forgotten() {
        let (mut way, told) = way(1);
        for topic in ["a", "b", "c"] {
            way.hear(heard(topic, "1")).unwrap();
        }
        way.allow(vec!["c".to_owned()]);
        assert_eq!(read(&mut way, &told), ["a 1", "c 1"]);
    }

    #[test]
    fn a_supervisor_that_has_ended_leaves_nothing_waiting() {
        let (mut way, told) = way(1);
        drop(told);
        assert_eq!(way.hear(heard("a", "1")), Ok(()));
        assert_eq!(way.hear(heard("request", "1")), Ok(()));
        assert!(!way.waits() && !way.disk_failed("test".to_owned()));
    }
}
