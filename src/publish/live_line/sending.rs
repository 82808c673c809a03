//! What goes next on the live line: the subscription, answers, what is said; what may break the line
//! comes last.
//!
//! After a line broke, and for whatever is suspect, one thing at a time is on its way and has to be
//! answered, states at QoS 1; else nothing waits for an answer.

use std::time::Instant;

use tracing::warn;

use super::LiveLine;
use crate::publish::caution::{Standing, Trial};
use crate::publish::packet::size;
use crate::publish::ration::Ration;
use crate::publish::window::Carried;
use crate::publish::{Delivery, Published, Retained};

/// So much goes before what is suspect, at most, while that waits: others never end where many
/// cameras put states.
const TURN: u32 = 64;
/// How the name of all answers ends, for the caution.
const ANSWERS: &str = "/response/+";

/// All answers have one name: others choose the last level of their topics, without end.
fn name_of_answers(topic: &str) -> String {
    let (node, _) = topic.rsplit_once("/response/").unwrap_or((topic, ""));
    format!("{node}{ANSWERS}")
}

pub(super) fn are_answers(name: &str) -> bool {
    name.ends_with(ANSWERS)
}

impl LiveLine {
    /// Hands one thing over, or drops it; `false` where there is none or no room.
    pub(super) fn send_next(&mut self) -> bool {
        if self.line.session().is_none() || self.trial.is_some() {
            return false;
        }
        if self.leave_out() {
            return true;
        }
        if !self.is_suspect_waiting() {
            self.waited = 0;
        }
        if self.waited < TURN && self.send(Standing::Free) {
            self.waited += 1;
            return true;
        }
        let is_sent = self.is_there() && self.send(Standing::Suspect);
        if is_sent {
            self.waited = 0;
        }
        is_sent
    }

    /// Whether something suspect could go now but for the others.
    pub(super) fn is_suspect_waiting(&self) -> bool {
        if !self.is_there() || !self.unshown.is_empty() {
            return false;
        }
        let is_suspect = |name: &str| self.caution.standing(name, 0) == Standing::Suspect;
        let has_to_listen = self.subscribed.is_none() && !self.subscriptions.is_empty();
        let answer = self.answers.front();
        let message = |message: &Retained| self.caution.of(message) == Standing::Suspect;
        has_to_listen && is_suspect(&self.filters)
            || answer.is_some_and(|answer| is_suspect(&name_of_answers(&answer.topic)))
            || self.newest.is_due(message)
    }

    fn send(&mut self, standing: Standing) -> bool {
        let is_trial = standing == Standing::Suspect || !self.unshown.is_empty();
        if is_trial && !self.window.is_empty() {
            return false;
        }
        self.subscribe(standing, is_trial)
            || self.send_answer(standing, is_trial)
            || self.say(standing, is_trial)
    }

    fn subscribe(&mut self, standing: Standing, is_trial: bool) -> bool {
        if self.subscribed.is_some()
            || self.subscriptions.is_empty()
            || self.caution.standing(&self.filters, 0) != standing
        {
            return false;
        }
        let Some(session) = self.line.session() else {
            return false;
        };
        if !session.subscribe(&self.subscriptions) {
            return false;
        }
        self.subscribed = Some(Instant::now());
        self.try_alone(is_trial, self.filters.clone(), 0);
        true
    }

    fn send_answer(&mut self, standing: Standing, is_trial: bool) -> bool {
        let (Some(session), Some(Published { topic, payload })) =
            (self.line.session(), self.answers.front())
        else {
            return false;
        };
        // By the topic alone: nobody can make an answer smaller.
        let name = name_of_answers(topic);
        if self.caution.standing(&name, 0) != standing || !self.window.has_room(self.span) {
            return false;
        }
        if !session.send(topic, payload.clone(), Delivery::AtLeastOnce, false) {
            return false;
        }
        self.answers.pop_front();
        self.window.handed_over(Carried::Retained(name.clone()));
        self.try_alone(is_trial, name, 0);
        true
    }

    fn say(&mut self, standing: Standing, is_trial: bool) -> bool {
        let next = self.caution.next(&mut self.newest, self.largest, standing);
        let (Some(session), Some(message)) = (self.line.session(), next) else {
            return false;
        };
        let (topic, payload) = (message.topic.clone(), message.payload.clone());
        let bytes = size(&topic, &payload);
        let delivery = if is_trial {
            Delivery::AtLeastOnce
        } else {
            Delivery::AtMostOnce
        };
        if !session.send(&topic, payload, delivery, true) {
            return false;
        }
        self.newest.sent();
        if is_trial {
            self.window.handed_over(Carried::Retained(topic.clone()));
        }
        self.try_alone(is_trial, topic, bytes);
        true
    }

    fn try_alone(&mut self, is_trial: bool, name: String, bytes: u32) {
        self.trial = is_trial.then(|| Trial {
            name,
            bytes,
            since: Instant::now(),
            is_proven: self.is_there(),
        });
    }

    /// Drops what is due where the broker would end the connection at it; whether there was any.
    pub(super) fn leave_out(&mut self) -> bool {
        let now = Instant::now();
        let (caution, largest) = (&self.caution, self.largest);
        if let Some(Published { topic, payload }) = self.answers.front() {
            let is_aside = caution.standing(&name_of_answers(topic), 0) == Standing::Aside;
            let bytes = size(topic, payload);
            if is_aside && let Some(left_out) = self.dropped.take(now) {
                warn!(
                    topic,
                    left_out, "the broker hangs up at such answers, one is dropped"
                );
            } else if !is_aside && bytes > largest {
                tell_too_large(&mut self.too_large, topic, bytes, largest);
            }
            if is_aside || bytes > largest {
                self.answers.pop_front();
                return true;
            }
        }
        let is_aside = |message: &Retained| caution.of(message) == Standing::Aside;
        let is_too_large = |message: &Retained| size(&message.topic, &message.payload) > largest;
        let is_it = |message: &Retained| is_too_large(message) || is_aside(message);
        // Wherever it stands among the others: while it is unshown, they go one by one.
        if !self.newest.prefer(is_it) {
            return false;
        }
        let Some(message) = self.newest.next() else {
            return false;
        };
        if is_too_large(message) {
            let bytes = size(&message.topic, &message.payload);
            tell_too_large(&mut self.too_large, &message.topic, bytes, largest);
        }
        self.unshown.remove(&message.topic);
        self.newest.sent();
        true
    }
}

/// The broker has said that it takes no message as large as this.
fn tell_too_large(ration: &mut Ration, topic: &str, bytes: u32, largest: u32) {
    if let Some(left_out) = ration.take(Instant::now()) {
        warn!(
            topic,
            bytes,
            largest,
            left_out,
            "the broker takes no message as large as this, it is not sent; for pictures see \
             camera.snapshot_max_kb"
        );
    }
}
