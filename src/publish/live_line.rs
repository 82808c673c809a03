//! The line of what is true for a moment: states, health and pictures at QoS 0; and the line on
//! which others speak to us.
//!
//! Nothing here waits for an answer: of each topic the newest message counts, and after a fault all
//! are said anew, once at QoS 1 and one by one, so that the one at which the broker hangs up is found
//! out and left out. What is heard is given to the caller as it came; nobody here understands it.

mod sending;

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::Receiver;
use tracing::warn;

use super::caution::{Caution, Standing, Trial, is_there};
use super::line::{Line, LineStatus};
use super::mqtt::{Answer, Broker, Cause, Endpoint, Happening, Wish};
use super::ration::Ration;
use super::retained::Newest;
use super::window::{Carried, SPAN, Window};
use super::{Incoming, Published, Retained};

/// Answers that wait for the line; more are dropped, since who asks has a timeout.
const ANSWERS: usize = 32;
/// The largest picture that a configuration allows, and its topic.
const LARGEST: u32 = 5 << 20;
/// The largest message that others may send us.
const LARGEST_REQUEST: u32 = 64 * 1024;
/// A connection that stands for this long after we subscribed stands that: what others have left
/// there has come by then.
const SETTLED: Duration = Duration::from_secs(60);

/// Says what is true now, and listens.
pub(super) struct LiveLine {
    line: Line,
    newest: Newest,
    answers: VecDeque<Published>,
    /// Lines about answers that are dropped.
    dropped: Ration,
    /// Lines about messages that the broker denies.
    denied: Ration,
    /// Lines about messages that are larger than it takes.
    too_large: Ration,
    /// What is on its way at QoS 1: answers, and states on trial. The client passes on nothing at all while too many are.
    window: Window,
    span: usize,
    /// What the broker takes; it ends the connection at more.
    largest: u32,
    silence: Duration,
    subscriptions: Vec<String>,
    /// Their name for the caution.
    filters: String,
    /// When they were asked for, on this connection.
    subscribed: Option<Instant>,
    /// What of them the broker refuses, and why.
    refused: Option<String>,
    /// Whether others have left a message there that is too large.
    is_flooded: bool,
    /// Whether the broker has answered anything on this connection.
    is_proven: bool,
    /// What the broker hangs up at.
    caution: Caution,
    /// Topics that are to be said one by one, since the last line broke; none that is suspect.
    unshown: BTreeSet<String>,
    /// Things sent since something suspect waits for its turn.
    waited: u32,
    /// What is alone on its way.
    trial: Option<Trial>,
}

impl LiveLine {
    pub(super) fn new(
        endpoint: Arc<Endpoint>,
        client_id: &str,
        subscriptions: Vec<String>,
    ) -> Self {
        let wish = Wish {
            client_id: format!("{client_id}-live"),
            will: None,
            largest_outgoing: LARGEST,
            largest_incoming: LARGEST_REQUEST,
        };
        let silence = endpoint.keep_alive * 2;
        LiveLine {
            line: Line::new(endpoint, wish),
            newest: Newest::default(),
            answers: VecDeque::new(),
            dropped: Ration::default(),
            denied: Ration::default(),
            too_large: Ration::default(),
            window: Window::default(),
            span: SPAN,
            largest: LARGEST,
            silence,
            filters: subscriptions.join(" "),
            subscriptions,
            subscribed: None,
            refused: None,
            is_flooded: false,
            is_proven: false,
            caution: Caution::default(),
            unshown: BTreeSet::new(),
            waited: 0,
            trial: None,
        }
    }

    /// A reload: the next session is with this endpoint, and what was left out is tried again.
    pub(super) fn renew(&mut self, endpoint: Arc<Endpoint>) {
        self.line.renew(endpoint);
        for topic in self.caution.forgive() {
            self.newest.request(topic);
        }
    }

    /// Listens to these topics from now on. Those of before are left with the connection; what
    /// comes on them asks nothing of anybody.
    pub(super) fn listen(&mut self, subscriptions: &[String]) {
        if self.subscriptions != subscriptions {
            self.subscriptions = subscriptions.to_vec();
            self.filters = subscriptions.join(" ");
            self.subscribed = None;
        }
    }

    /// The topics that are not said as they are now, because the broker hangs up at them.
    pub(super) fn unsaid(&self) -> impl Iterator<Item = &str> {
        let is_out = |name: &&str| {
            let message = self.newest.get(name);
            message.is_some_and(|message| self.caution.of(message) == Standing::Aside)
        };
        let aside = self.caution.aside();
        aside.filter(move |name| sending::are_answers(name) || is_out(name))
    }

    /// Why requests and controls are not heard, if they are not.
    pub(super) fn deafness(&self) -> Option<String> {
        if self.caution.aside().any(|name| name == self.filters) {
            let reason = if self.is_flooded {
                flooded(&self.filters)
            } else {
                UNHEARD.to_owned()
            };
            return Some(reason);
        }
        let refused = self.refused.as_ref();
        refused.map(|topics| format!("the broker refuses {topics}; see its access rules"))
    }

    /// What happens on the line, for a `select!`.
    pub(super) fn happenings(&self) -> &Receiver<Happening> {
        self.line.happenings()
    }

    pub(super) fn status(&self) -> LineStatus {
        self.line.status()
    }

    /// A message that takes the place of the topic's former one.
    pub(super) fn put(&mut self, message: Retained) {
        // Such as a picture that has grown: it has to wait for its turn.
        if self.caution.of(&message) != Standing::Free {
            self.unshown.remove(&message.topic);
        }
        self.newest.put(message);
    }

    /// An answer to a request.
    pub(super) fn answer(&mut self, response: Published) {
        if self.answers.len() < ANSWERS {
            self.answers.push_back(response);
        } else if let Some(left_out) = self.dropped.take(Instant::now()) {
            let topic = response.topic;
            warn!(topic, left_out, "too many answers wait, one is dropped");
        }
    }

    /// How long nothing need be done.
    pub(super) fn patience(&self) -> Duration {
        self.line.patience()
    }

    /// Does what can be done without waiting.
    pub(super) fn advance(&mut self) {
        let trial = self.trial.as_ref().map(|trial| trial.since);
        let since = self.window.waiting_since().into_iter().chain(trial).min();
        if since.is_some_and(|since| since.elapsed() >= self.silence) {
            self.line.lose("the broker acknowledges nothing");
            self.lost(Cause::Line);
        }
        self.line.advance();
        for topic in self.caution.due(Instant::now()) {
            self.newest.request(topic);
        }
        if self.subscribed.is_some_and(|at| at.elapsed() >= SETTLED) {
            self.caution.taken(&self.filters, 0, Instant::now());
        }
        while self.send_next() {}
    }

    /// Something happened on the line.
    pub(super) fn happened(&mut self, got: Option<Happening>) -> Option<Incoming> {
        match self.line.observe(got)? {
            Happening::Connected(broker) => {
                self.connected(&broker);
                None
            }
            Happening::Lost(loss) => {
                self.lost(loss.cause);
                None
            }
            Happening::Written(packet) => {
                self.window.written(packet);
                None
            }
            Happening::Acknowledged(packet, answer) => {
                self.is_proven = true;
                if let Some(Carried::Retained(topic)) = self.window.acknowledged(packet) {
                    self.answered(&topic, answer);
                }
                None
            }
            Happening::Subscribed(answer) => {
                self.is_proven = true;
                // A message on trial would be in the window.
                if self.window.is_empty() {
                    self.trial = None;
                }
                self.refused = answer.err();
                if let Some(refused) = &self.refused {
                    warn!(
                        refused,
                        "the broker lets us not listen; requests don't reach us"
                    );
                }
                None
            }
            Happening::Heard {
                topic,
                payload,
                retained,
            } => Some(Incoming {
                topic,
                payload,
                retained,
            }),
            _ => None,
        }
    }

    /// Says what is left and disconnects, within `timeout`.
    pub(super) fn close(mut self, timeout: Duration) {
        let deadline = Instant::now() + timeout;
        while self.line.session().is_some() && Instant::now() < deadline {
            while self.send_next() {}
            if self.newest.is_settled() && self.answers.is_empty() {
                break;
            }
            match self.happenings().recv_deadline(deadline) {
                Ok(got) => drop(self.happened(Some(got))),
                Err(_) => break,
            }
        }
        self.line.close(timeout);
    }

    fn connected(&mut self, broker: &Broker) {
        self.span = broker.in_flight.map_or(SPAN, usize::from).max(1);
        let largest = broker.largest_packet.unwrap_or(LARGEST);
        self.largest = largest.min(LARGEST);
        self.newest.request_all();
        if self.line.status().reconnects > 0 {
            self.unshown = self.to_be_shown();
        }
    }

    /// What the former line may have broken at, but for what goes alone anyway.
    fn to_be_shown(&self) -> BTreeSet<String> {
        let free = self.newest.messages();
        let free = free.filter(|message| self.caution.of(message) == Standing::Free);
        free.map(|message| message.topic.clone()).collect()
    }

    /// What the broker says of a message.
    fn answered(&mut self, topic: &str, answer: Answer) {
        let now = Instant::now();
        if let Some(trial) = self.trial.take_if(|trial| trial.name == topic) {
            self.caution.taken(&trial.name, trial.bytes, now);
        }
        self.unshown.remove(topic);
        match answer {
            Answer::Taken => self.newest.taken(topic),
            // At QoS 0 by then, so that it does not go round.
            Answer::Later(_) => self.newest.request(topic.to_owned()),
            Answer::Denied(reason) => {
                if let Some(left_out) = self.denied.take(now) {
                    warn!(
                        topic,
                        reason, left_out, "the broker does not take this message"
                    );
                }
            }
        }
    }

    /// The connection is gone, and with it who asked.
    fn lost(&mut self, cause: Cause) {
        let now = Instant::now();
        let trial = match cause {
            // Whatever was on its way from us.
            Cause::TooLarge => Some(Trial {
                name: self.filters.clone(),
                bytes: 0,
                since: now,
                is_proven: true,
            }),
            Cause::Line | Cause::Protocol => self.trial.take().or(self.answer_on_its_way()),
        };
        if let Some(trial) = trial {
            self.blame(&trial, cause, now);
        }
        self.trial = None;
        self.subscribed = None;
        self.is_proven = false;
        self.unshown.clear();
        self.waited = 0;
        self.answers.clear();
        self.window.clear();
    }

    /// Whether the broker has shown on this connection that it is there.
    fn is_there(&self) -> bool {
        is_there(self.is_proven, self.line.stood())
    }

    /// The answer that the broker has not acknowledged for longest.
    fn answer_on_its_way(&self) -> Option<Trial> {
        let Carried::Retained(topic) = self.window.oldest()? else {
            return None;
        };
        Some(Trial {
            name: topic.clone(),
            bytes: 0,
            since: Instant::now(),
            is_proven: self.is_proven,
        })
    }

    /// The line broke with this alone on its way.
    fn blame(&mut self, trial: &Trial, cause: Cause, now: Instant) {
        let is_subscription = trial.name == self.filters;
        if is_subscription {
            self.is_flooded = cause == Cause::TooLarge;
        }
        if self.caution.learns_by(trial) {
            self.line.excuse();
        }
        let Some(pause) = self.caution.broke(trial, now) else {
            return;
        };
        let again_s = pause.as_secs();
        if is_subscription {
            let reason = self.deafness();
            warn!(
                again_s,
                reason, "requests and controls are not heard for a while"
            );
        } else {
            let Trial { name, bytes, .. } = trial;
            warn!(
                topic = name,
                bytes,
                again_s,
                "the broker hangs up at this message: it is left out for a while; for pictures see \
                 camera.snapshot_max_kb, else the broker's access rules and the size that it takes"
            );
        }
    }
}

/// Why nothing is heard where the broker hangs up at the subscription.
const UNHEARD: &str = "the broker hangs up when we subscribe; see its access rules; tried again \
                       within an hour, and at once when the daemon gets SIGHUP";

/// Why nothing is heard where a message comes that we don't take.
fn flooded(filters: &str) -> String {
    format!(
        "somebody left a retained message under {filters} that is larger than we take, and it comes \
         whenever we subscribe; find its topic by mosquitto_sub --retained-only -F %t and take it \
         away by mosquitto_pub -r -n -t TOPIC; tried again within an hour, and at once when the \
         daemon gets SIGHUP"
    )
}

#[cfg(test)]
#[path = "live_line_tests.rs"]
mod tests;
