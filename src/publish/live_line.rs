//! The line of what is true for a moment: states, health and pictures at QoS 0; and the line on
//! which others speak to us.
//!
//! Nothing here waits for an answer: of each topic the newest message counts, and after a fault all
//! are said anew. What is heard is given to the caller as it came; nobody here understands it.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::Receiver;
use tracing::warn;

use super::line::{Line, LineStatus};
use super::mqtt::{Answer, Endpoint, Happening, Loss, Wish};
use super::packet::size;
use super::ration::Ration;
use super::retained::Newest;
use super::window::{Carried, SPAN, Window};
use super::{Delivery, Incoming, Published, Retained};

/// Answers that wait for the line; more are dropped, since who asks has a timeout.
const ANSWERS: usize = 32;
/// The largest picture that a configuration allows, and its topic.
const LARGEST: u32 = 5 << 20;
/// The largest message that others may send us.
const LARGEST_REQUEST: u32 = 64 * 1024;

/// Says what is true now, and listens.
pub(super) struct LiveLine {
    line: Line,
    newest: Newest,
    answers: VecDeque<Published>,
    /// Lines about answers that are dropped.
    dropped: Ration,
    /// Answers on their way. The client passes on nothing at all while too many are.
    window: Window,
    span: usize,
    /// What the broker takes; it ends the connection at more.
    largest: u32,
    silence: Duration,
    subscriptions: Vec<String>,
    is_subscribed: bool,
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
            window: Window::default(),
            span: SPAN,
            largest: LARGEST,
            silence,
            subscriptions,
            is_subscribed: false,
        }
    }

    /// The next session is with this endpoint.
    pub(super) fn renew(&mut self, endpoint: Arc<Endpoint>) {
        self.line.renew(endpoint);
    }

    /// Listens to these topics from now on. Those of before are left with the connection; what
    /// comes on them asks nothing of anybody.
    pub(super) fn listen(&mut self, subscriptions: &[String]) {
        if self.subscriptions != subscriptions {
            self.subscriptions = subscriptions.to_vec();
            self.is_subscribed = subscriptions.is_empty();
        }
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
        let since = self.window.waiting_since();
        if since.is_some_and(|since| since.elapsed() >= self.silence) {
            self.line.lose("the broker acknowledges nothing");
            self.lost();
        }
        self.line.advance();
        while self.send_next() {}
    }

    /// Something happened on the line.
    pub(super) fn happened(&mut self, got: Option<Happening>) -> Option<Incoming> {
        match self.line.observe(got)? {
            Happening::Connected(broker) => {
                self.span = broker.in_flight.map_or(SPAN, usize::from).max(1);
                self.largest = broker
                    .largest_packet
                    .map_or(LARGEST, |most| most.min(LARGEST));
                self.is_subscribed = self.subscriptions.is_empty();
                self.newest.request_all();
                None
            }
            Happening::Lost(Loss { .. }) => {
                self.lost();
                None
            }
            Happening::Written(packet) => {
                self.window.written(packet);
                None
            }
            Happening::Acknowledged(packet, answer) => {
                if let (Some(Carried::Retained(topic)), Answer::Denied(reason)) =
                    (self.window.acknowledged(packet), answer)
                {
                    warn!(topic, reason, "the broker does not take this answer");
                }
                None
            }
            Happening::Subscribed(Err(refused)) => {
                warn!(
                    refused,
                    "the broker lets us not listen; requests don't reach us"
                );
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

    /// The connection is gone, and with it who asked.
    fn lost(&mut self) {
        self.answers.clear();
        self.window.clear();
    }

    /// Hands one message over; `false` where there is none or no room.
    fn send_next(&mut self) -> bool {
        if self.line.session().is_some() && self.drop_too_large() {
            return true;
        }
        let Some(session) = self.line.session() else {
            return false;
        };
        if !self.is_subscribed {
            self.is_subscribed = session.subscribe(&self.subscriptions);
            return self.is_subscribed;
        }
        if let Some(Published { topic, payload }) = self.answers.front()
            && self.window.has_room(self.span)
        {
            let is_sent = session.send(topic, payload.clone(), Delivery::AtLeastOnce, false);
            if is_sent {
                self.window.handed_over(Carried::Retained(topic.clone()));
                self.answers.pop_front();
            }
            return is_sent;
        }
        let Some(Retained { topic, payload, .. }) = self.newest.next() else {
            return false;
        };
        let is_sent = session.send(topic, payload.clone(), Delivery::AtMostOnce, true);
        if is_sent {
            self.newest.sent();
        }
        is_sent
    }

    /// Drops the next message where the broker would end the connection at it; whether it was so.
    fn drop_too_large(&mut self) -> bool {
        let largest = self.largest;
        let is_too_large = |topic: &str, payload: &[u8]| {
            let bytes = size(topic, payload);
            if bytes > largest {
                warn!(
                    topic,
                    bytes,
                    largest,
                    "the broker takes no message as large as this, it is not sent; for pictures \
                     see camera.snapshot_max_kb"
                );
            }
            bytes > largest
        };
        if let Some(answer) = self.answers.front()
            && is_too_large(&answer.topic, &answer.payload)
        {
            self.answers.pop_front();
            return true;
        }
        if let Some(message) = self.newest.next()
            && is_too_large(&message.topic, &message.payload)
        {
            self.newest.sent();
            return true;
        }
        false
    }
}
