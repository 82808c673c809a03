//! The far end of the pipeline: delivers messages to a broker that may be absent for hours.
//!
//! One loop on one thread. It ends when its inbox closes: then it delivers what waits for as long
//! as the configuration grants, says `offline` and disconnects. It takes no more from its inbox
//! while the outbox is full, and never drops an alert: what the broker did not take is given back.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, never, select};
use tracing::{error, warn};

use super::line::Line;
use super::mqtt::{Answer, Endpoint, Happening, Wish};
use super::retained::Newest;
use super::window::{Carried, Window};
use super::{Alert, Delivery, Message, Outbox, Retained, Topics};
use crate::capture::Moment;
use crate::config::Mqtt;

/// An alert whose frame is older than this when it is sent is called late.
const LATE: Duration = Duration::from_secs(5);
/// The largest payload that is sent. An alert has about 2 kB.
const MAX_PAYLOAD: usize = 128 * 1024;
/// The largest packet: such a payload, its topic and what is around them.
const LARGEST_OUTGOING: u32 = 256 * 1024;
/// Nothing is subscribed to, so that nobody can send more than acknowledgements.
const LARGEST_INCOMING: u32 = 16 * 1024;
/// How long a goodbye may take.
const GOODBYE: Duration = Duration::from_secs(1);

/// Delivers messages.
pub struct Publisher {
    settings: Mqtt,
    topics: Topics,
    outbox: Outbox,
    newest: Newest,
    window: Window,
    line: Line,
    /// Place in the outbox of the next alert that this connection has not carried.
    next: u64,
}

impl Publisher {
    /// A publisher that has not connected yet; `outbox` may hold what a former one left.
    pub fn new(settings: Mqtt, endpoint: Arc<Endpoint>, topics: Topics, outbox: Outbox) -> Self {
        let outbox = outbox.with_capacity(settings.outbox);
        let wish = Wish {
            client_id: settings.client_id.clone(),
            will: Some(availability(&topics, "offline")),
            largest_outgoing: LARGEST_OUTGOING,
            largest_incoming: LARGEST_INCOMING,
        };
        Publisher {
            settings,
            topics,
            outbox,
            newest: Newest::default(),
            window: Window::default(),
            line: Line::new(endpoint, wish),
            next: 0,
        }
    }

    /// Takes a message that is to be heard before all others of its topic.
    pub fn announce(&mut self, message: Message) {
        self.take(message);
    }

    /// Delivers until `inbox` closes, then says goodbye. `notes` carries messages of the supervisor;
    /// its closing says that a stop was asked: then a full outbox is waited for no longer than the
    /// drain may take, or nobody would ever come to close the inbox. After that the outbox takes
    /// what the pipeline still holds, beyond its capacity, so that all of it is given back and
    /// counted. Gives back what could not be delivered.
    pub fn run(mut self, inbox: &Receiver<Message>, mut notes: Receiver<Message>) -> Outbox {
        let mut give_up: Option<Instant> = None;
        let closed = never();
        loop {
            self.advance();
            let now = Instant::now();
            let inbox = if self.outbox.is_full() && give_up.is_none_or(|at| now < at) {
                &closed
            } else {
                inbox
            };
            select! {
                recv(inbox) -> message => match message {
                    Ok(message) => self.take(message),
                    Err(_) => break,
                },
                recv(notes) -> note => match note {
                    Ok(message) => self.take(message),
                    Err(_) => {
                        notes = never();
                        give_up = Some(Instant::now() + self.settings.drain);
                    }
                },
                recv(self.line.happenings()) -> happening => self.happened(happening.ok()),
                default(self.line.patience()) => {}
            }
        }
        let has_waited = self.outbox.is_full() && give_up.is_some_and(|at| Instant::now() >= at);
        if !has_waited {
            self.drain();
        }
        self.goodbye()
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Alert(alert) => self.accept(*alert),
            Message::Retained(message) if message.payload.len() > MAX_PAYLOAD => {
                error!(
                    topic = message.topic,
                    bytes = message.payload.len(),
                    "message too large, not sent"
                );
            }
            Message::Retained(message) => self.newest.put(message),
            Message::HandOver => self.settings.drain = Duration::ZERO,
        }
    }

    fn accept(&mut self, alert: Alert) {
        let bytes = alert.encode(true).len();
        if bytes > MAX_PAYLOAD {
            error!(
                id = alert.id(),
                bytes, "alert too large for any broker, not sent"
            );
            return;
        }
        self.outbox.accept(alert);
    }

    /// Does what can be done without waiting: connect when it is time, send what has room.
    fn advance(&mut self) {
        if self.line.session().is_some() {
            if self.is_stalled() {
                self.line.lose("the broker acknowledges nothing");
                self.window.clear();
            } else {
                while self.send_next() {}
            }
        }
        self.line.advance();
    }

    /// Hands one message over; `false` where there is none or no room.
    fn send_next(&mut self) -> bool {
        let Some(session) = self.line.session() else {
            return false;
        };
        if let Some(Retained {
            topic,
            payload,
            delivery,
        }) = self.newest.next()
        {
            let counts = *delivery == Delivery::AtLeastOnce;
            if counts && !self.window.has_room()
                || !session.send(topic, payload.clone(), *delivery, true)
            {
                return false;
            }
            if counts {
                self.window.handed_over(Carried::Retained(topic.clone()));
            }
            self.newest.sent();
            return true;
        }
        let Some(entry) = self.outbox.from(self.next) else {
            return false;
        };
        let late = entry.alert.age(Moment::now().since_boot) > LATE;
        let payload = entry.alert.encode(late);
        let topic = &entry.alert.topic;
        if !self.window.has_room() || !session.send(topic, payload, Delivery::AtLeastOnce, false) {
            return false;
        }
        self.window.handed_over(Carried::Alert(entry.seq));
        self.next = entry.seq + 1;
        true
    }

    fn happened(&mut self, happening: Option<Happening>) {
        match self.line.observe(happening) {
            Some(Happening::Connected(_)) => {
                self.newest.put(availability(&self.topics, "online"));
                self.newest.request_all();
                self.next = 0;
            }
            Some(Happening::Written(packet)) => self.window.written(packet),
            Some(Happening::Acknowledged(packet, answer)) => self.answered(packet, &answer),
            Some(Happening::Lost(_)) => self.window.clear(),
            _ => {}
        }
    }

    fn answered(&mut self, packet: u16, answer: &Answer) {
        let carried = self.window.acknowledged(packet);
        if let Answer::Denied(reason) | Answer::Later(reason) = answer {
            error!(reason, ?carried, "the broker did not take a message; it is lost");
        }
        match carried {
            Some(Carried::Alert(seq)) => self.outbox.delivered(seq),
            Some(Carried::Retained(_)) => {}
            None => warn!(packet, "the broker acknowledged what was never sent"),
        }
    }

    /// Half-open connections and brokers that swallow messages end here.
    fn is_stalled(&self) -> bool {
        self.window
            .waiting_since()
            .is_some_and(|since| since.elapsed() > self.settings.keep_alive * 2)
    }

    /// Delivers what waits, for a bounded time.
    fn drain(&mut self) {
        let deadline = Instant::now() + self.settings.drain;
        loop {
            self.advance();
            let settled = self.outbox.is_empty()
                && (self.line.session().is_none() || self.newest.is_settled() && self.window.is_empty());
            let now = Instant::now();
            if settled || now >= deadline {
                return;
            }
            select! {
                recv(self.line.happenings()) -> happening => self.happened(happening.ok()),
                default(self.line.patience().min(deadline - now)) => {}
            }
        }
    }

    /// Says `offline`, disconnects, and gives back what nobody took.
    fn goodbye(mut self) -> Outbox {
        self.newest.put(availability(&self.topics, "offline"));
        let deadline = Instant::now() + GOODBYE;
        while self.line.session().is_some() && Instant::now() < deadline {
            while self.send_next() {}
            if self.newest.is_settled() && self.window.is_empty() {
                break;
            }
            match self.line.happenings().recv_deadline(deadline) {
                Ok(happening) => self.happened(Some(happening)),
                Err(_) => break,
            }
        }
        self.line.close(GOODBYE);
        self.outbox
    }
}

fn availability(topics: &Topics, payload: &str) -> Retained {
    Retained {
        topic: topics.availability(),
        payload: payload.as_bytes().to_vec(),
        delivery: Delivery::AtLeastOnce,
    }
}

#[cfg(test)]
#[path = "publisher_tests.rs"]
mod tests;
