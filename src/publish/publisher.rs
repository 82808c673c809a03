//! The far end of the pipeline: delivers messages to a broker that may be absent for hours.
//!
//! One loop on one thread. It ends when its inbox closes: then it delivers what waits for as long
//! as the configuration grants, says `offline` and disconnects. It takes no more from its inbox
//! while the outbox is full, and never drops an alert: what the broker did not take is given back.

use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, never, select};
use tracing::{error, info, warn};

use super::mqtt::{Happening, MAX_PAYLOAD, Session};
use super::retained::Newest;
use super::window::{Carried, Window};
use super::{Alert, Delivery, Message, Outbox, Retained, Topics};
use crate::capture::Moment;
use crate::config::Mqtt;

/// An alert whose frame is older than this when it is sent is called late.
const LATE: Duration = Duration::from_secs(5);
/// A connection that stood for this long makes the next pause the shortest again.
const STABLE: Duration = Duration::from_secs(60);
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
    failures: u32,
}

/// The line to the broker.
enum Line {
    /// Nothing until then.
    Waiting(Instant),
    /// Asked to connect.
    Connecting(Session),
    /// Stands since then.
    Up(Session, Instant),
}

impl Publisher {
    /// A publisher that has not connected yet; `outbox` may hold what a former one left.
    pub fn new(settings: Mqtt, topics: Topics, outbox: Outbox) -> Self {
        let outbox = outbox.with_capacity(settings.outbox);
        Publisher {
            settings,
            topics,
            outbox,
            newest: Newest::default(),
            window: Window::default(),
            line: Line::Waiting(Instant::now()),
            next: 0,
            failures: 0,
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
                recv(self.happenings()) -> happening => self.happened(happening.ok()),
                default(self.patience()) => {}
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
            // Nobody can ask through this publisher yet.
            Message::Response(_) => {}
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
        match &self.line {
            Line::Waiting(until) if Instant::now() >= *until => self.connect(),
            Line::Up(..) if self.is_stalled() => self.lost("the broker acknowledges nothing"),
            Line::Up(..) => while self.send_next() {},
            _ => {}
        }
    }

    fn connect(&mut self) {
        let will = self.availability("offline");
        match Session::open(&self.settings, &will) {
            Ok(session) => self.line = Line::Connecting(session),
            Err(fault) => self.lost(&format!("no thread for the connection: {fault}")),
        }
    }

    /// Hands one message over; `false` where there is none or no room.
    fn send_next(&mut self) -> bool {
        let Line::Up(session, _) = &self.line else {
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
        match happening {
            Some(Happening::Connected) => self.connected(),
            Some(Happening::Written(packet)) => self.window.written(packet),
            Some(Happening::Acknowledged(packet)) => match self.window.acknowledged(packet) {
                Some(Carried::Alert(seq)) => self.outbox.delivered(seq),
                Some(Carried::Retained(_)) => {}
                None => warn!(packet, "the broker acknowledged what was never sent"),
            },
            Some(Happening::Alive) => {}
            Some(Happening::Lost(reason)) => self.lost(&reason),
            None => self.lost("the connection's thread ended"),
        }
    }

    fn connected(&mut self) {
        let line = std::mem::replace(&mut self.line, Line::Waiting(Instant::now()));
        if let Line::Connecting(session) | Line::Up(session, _) = line {
            let Mqtt { host, port, .. } = &self.settings;
            info!(
                host,
                port,
                waiting = self.outbox.len(),
                "connected to the broker"
            );
            self.line = Line::Up(session, Instant::now());
            let online = self.availability("online");
            self.newest.put(online);
            self.newest.request_all();
            self.next = 0;
        }
    }

    fn lost(&mut self, reason: &str) {
        let stood = matches!(&self.line, Line::Up(_, since) if since.elapsed() >= STABLE);
        self.failures = if stood {
            0
        } else {
            self.failures.saturating_add(1)
        };
        let pause = self.settings.retry.pause(self.failures, rand::random());
        let Mqtt { host, port, .. } = &self.settings;
        warn!(
            host,
            port,
            reason,
            retry_s = pause.as_secs_f64(),
            waiting = self.outbox.len(),
            "no connection to the broker; alerts wait"
        );
        self.line = Line::Waiting(Instant::now() + pause);
        self.window.clear();
    }

    /// Half-open connections and brokers that swallow messages end here.
    fn is_stalled(&self) -> bool {
        self.window
            .waiting_since()
            .is_some_and(|since| since.elapsed() > self.settings.keep_alive * 2)
    }

    fn happenings(&self) -> &Receiver<Happening> {
        static NOTHING: std::sync::LazyLock<Receiver<Happening>> = std::sync::LazyLock::new(never);
        match &self.line {
            Line::Connecting(session) | Line::Up(session, _) => session.happenings(),
            Line::Waiting(_) => &NOTHING,
        }
    }

    /// How long nothing need be done.
    fn patience(&self) -> Duration {
        let longest = Duration::from_secs(1);
        match &self.line {
            Line::Waiting(until) => until.saturating_duration_since(Instant::now()).min(longest),
            Line::Connecting(_) | Line::Up(..) => longest,
        }
    }

    /// Delivers what waits, for a bounded time.
    fn drain(&mut self) {
        let deadline = Instant::now() + self.settings.drain;
        let is_up = |line: &Line| matches!(line, Line::Up(..));
        loop {
            self.advance();
            let settled = self.outbox.is_empty()
                && (!is_up(&self.line) || self.newest.is_settled() && self.window.is_empty());
            let now = Instant::now();
            if settled || now >= deadline {
                return;
            }
            select! {
                recv(self.happenings()) -> happening => self.happened(happening.ok()),
                default(self.patience().min(deadline - now)) => {}
            }
        }
    }

    /// Says `offline`, disconnects, and gives back what nobody took.
    fn goodbye(mut self) -> Outbox {
        if matches!(self.line, Line::Up(..)) {
            let offline = self.availability("offline");
            self.newest.put(offline);
            let deadline = Instant::now() + GOODBYE;
            while matches!(self.line, Line::Up(..)) && Instant::now() < deadline {
                while self.send_next() {}
                if self.newest.is_settled() && self.window.is_empty() {
                    break;
                }
                match self.happenings().recv_deadline(deadline) {
                    Ok(happening) => self.happened(Some(happening)),
                    Err(_) => break,
                }
            }
            if let Line::Up(session, _) = self.line {
                session.disconnect(GOODBYE);
            }
        }
        self.outbox
    }

    fn availability(&self, payload: &str) -> Retained {
        Retained {
            topic: self.topics.availability(),
            payload: payload.as_bytes().to_vec(),
            delivery: Delivery::AtLeastOnce,
        }
    }
}

#[cfg(test)]
#[path = "publisher_tests.rs"]
mod tests;
