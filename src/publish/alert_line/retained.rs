//! The retained messages of the line of alerts: when they go, and what the broker says of them.
//!
//! They go first, until the line has broken too often with them on their way: then they go after the
//! alerts and one by one, so that the one at which the broker hangs up is found out and left out. No
//! alert is on its way beside a message that is on trial.

use std::time::Instant;

use tracing::{error, warn};

use super::{AlertLine, RETAINED_TRIALS};
use crate::publish::caution::{Standing, Trial, is_there};
use crate::publish::mqtt::Answer;
use crate::publish::packet::size;
use crate::publish::window::Carried;
use crate::publish::{Delivery, Retained};

impl AlertLine {
    /// Whether retained messages go after the alerts and one by one.
    pub(super) fn is_careful(&self) -> bool {
        self.retained_failures >= RETAINED_TRIALS
    }

    /// Makes those due again that were left out for long enough.
    pub(super) fn request_what_was_left_out(&mut self) {
        for topic in self.caution.due(Instant::now()) {
            self.newest.request(topic);
        }
    }

    /// The topics that are not said as they are now, because the broker hangs up at them.
    pub(in crate::publish) fn unsaid(&self) -> impl Iterator<Item = &str> {
        let is_out = |topic: &&str| {
            let message = self.newest.get(topic);
            message.is_some_and(|message| self.caution.of(message) == Standing::Aside)
        };
        self.caution.aside().filter(is_out)
    }

    /// Hands a retained message over; `false` where there is none or no room.
    pub(super) fn send_retained(&mut self) -> bool {
        self.leave_out() || self.send_one(Standing::Free, self.is_careful())
    }

    /// Hands one over that may break the line; `false` where there is none, or now is not the time.
    pub(super) fn send_suspect(&mut self) -> bool {
        self.is_there() && self.send_one(Standing::Suspect, true)
    }

    /// Whether the broker has shown on this connection that it is there.
    fn is_there(&self) -> bool {
        is_there(self.is_proven, self.line.stood())
    }

    /// Passes over the next message where it is not to be sent; whether it was so. What is behind it holds up
    /// nothing: those that may go overtake it, until it is the next.
    fn leave_out(&mut self) -> bool {
        let Some(Retained { topic, payload, .. }) = self.newest.next() else {
            return false;
        };
        let bytes = size(topic, payload);
        if bytes > self.largest {
            error!(
                topic,
                bytes = payload.len(),
                most = self.largest,
                "message larger than is sent to this broker: not sent"
            );
        } else if self.caution.standing(topic, bytes) != Standing::Aside {
            return false;
        }
        self.newest.sent();
        true
    }

    fn send_one(&mut self, standing: Standing, is_trial: bool) -> bool {
        // An alert on trial travels alone, and so does what is on trial here.
        let is_alert_on_trial = self.suspicion.is_any() && !self.sent.is_empty();
        let is_busy = is_trial && !self.window.is_empty();
        if is_alert_on_trial || is_busy || self.trial.is_some() || !self.window.has_room(self.span)
        {
            return false;
        }
        let next = self.caution.next(&mut self.newest, self.largest, standing);
        let (Some(session), Some(message)) = (self.line.session(), next) else {
            return false;
        };
        let (topic, payload) = (message.topic.clone(), message.payload.clone());
        let bytes = size(&topic, &payload);
        if !session.send(&topic, payload, Delivery::AtLeastOnce, true) {
            return false;
        }
        self.trial = is_trial.then(|| Trial {
            name: topic.clone(),
            bytes,
            since: Instant::now(),
            is_proven: self.is_there(),
        });
        self.window.handed_over(Carried::Retained(topic));
        self.newest.sent();
        true
    }

    /// What the broker says of a retained message.
    pub(super) fn heard_of(&mut self, topic: &str, answer: Answer) {
        // A denial proves as well that the broker answers.
        self.is_proven = true;
        if let Some(trial) = self.trial.take() {
            let now = Instant::now();
            self.caution.taken(&trial.name, trial.bytes, now);
        }
        if self.newest.is_settled() && !self.window.has_retained() {
            self.retained_failures = 0;
        }
        let reason = match answer {
            Answer::Taken => {
                // The answer to one may not empty the topic for the next.
                if !self.window.has(&Carried::Retained(topic.to_owned())) {
                    self.newest.taken(topic);
                }
                return;
            }
            Answer::Denied(reason) => reason,
            Answer::Later(reason) => {
                let pause = self.retry.max;
                let put_off = (Instant::now() + pause, Vec::new());
                let (_, topics) = self.put_off.get_or_insert(put_off);
                topics.push(topic.to_owned());
                reason
            }
        };
        if let Some(left_out) = self.denied.take(Instant::now()) {
            warn!(
                topic,
                reason, left_out, "the broker does not take this message"
            );
        }
    }

    /// The line broke: was it at one of them?
    pub(super) fn lost_retained(&mut self) {
        if self.window.has_retained() {
            self.retained_failures = self.retained_failures.saturating_add(1);
        }
        let Some(trial) = self.trial.take() else {
            return;
        };
        if self.caution.learns_by(&trial) {
            self.line.excuse();
        }
        if let Some(pause) = self.caution.broke(&trial, Instant::now()) {
            let Trial { name, bytes, .. } = trial;
            warn!(
                topic = name,
                bytes,
                again_s = pause.as_secs(),
                "the broker hangs up at this message: it is left out for a while; see the broker's \
                 access rules and the size that it takes"
            );
        }
    }
}
