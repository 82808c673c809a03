//! A line to the broker: the policy around its sessions.
//!
//! A line opens one [`Session`] after the other, with growing pauses drawn at random between them,
//! and chooses the version of MQTT. It never blocks and has no thread: its owner asks it to
//! [`Line::advance`] and lets it [`Line::observe`] what happens. It knows nothing of messages.

use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, never};
use tracing::{debug, info, warn};

use super::mqtt::{Cause, Endpoint, Happening, Loss, Protocol, Session, Wish};
use crate::config::ProtocolChoice;

/// A connection that stood for this long makes the next pause the shortest again.
const STABLE: Duration = Duration::from_secs(60);
/// A fault that persists is said again after this long: an outage of a day is no full journal.
const REPEAT: Duration = Duration::from_secs(60);
/// Different faults that are told apart; above, the oldest is forgotten.
const FAULTS: usize = 4;
/// The longest time for which nothing need be done.
const PATIENCE: Duration = Duration::from_secs(1);

/// A line, standing or not.
pub(super) struct Line {
    endpoint: Arc<Endpoint>,
    wish: Wish,
    state: State,
    /// Of the session, or of the next.
    protocol: Protocol,
    /// In a row.
    failures: u32,
    connects: u64,
    said: Said,
}

/// What a line says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct LineStatus {
    /// Whether the broker has accepted us.
    pub(super) connected: bool,
    /// The version of MQTT that is spoken or tried next.
    pub(super) protocol: Protocol,
    /// How often the broker accepted us after the first time.
    pub(super) reconnects: u64,
}

enum State {
    /// Nothing until then.
    Waiting(Instant),
    /// Asked to connect.
    Connecting(Session),
    /// Stands since then.
    Up(Session, Instant),
}

impl Line {
    /// A line that connects when it is first asked to advance.
    pub(super) fn new(endpoint: Arc<Endpoint>, wish: Wish) -> Line {
        let protocol = first(endpoint.protocol);
        Line {
            endpoint,
            wish,
            state: State::Waiting(Instant::now()),
            protocol,
            failures: 0,
            connects: 0,
            said: Said::default(),
        }
    }

    /// The next session is with this endpoint, made of the same configuration: certificates may have
    /// been renewed. A pause ends, since whoever mended something wants to see it work.
    pub(super) fn renew(&mut self, endpoint: Arc<Endpoint>) {
        self.endpoint = endpoint;
        if self.is_waiting() {
            self.failures = 0;
            self.state = State::Waiting(Instant::now());
        }
    }

    /// Connects when it is time.
    pub(super) fn advance(&mut self) {
        if !matches!(self.state, State::Waiting(until) if Instant::now() >= until) {
            return;
        }
        match Session::open(&self.endpoint, &self.wish, self.protocol) {
            Ok(session) => self.state = State::Connecting(session),
            Err(fault) => self.lose(&format!("no thread for the connection: {fault}")),
        }
    }

    /// What happens on the session, for [`Line::observe`]; nothing ever while there is none.
    pub(super) fn happenings(&self) -> &Receiver<Happening> {
        static NOTHING: LazyLock<Receiver<Happening>> = LazyLock::new(never);
        match &self.state {
            State::Connecting(session) | State::Up(session, _) => session.happenings(),
            State::Waiting(_) => &NOTHING,
        }
    }

    /// Takes what was received from [`Line::happenings`], `None` where its sender has gone, and
    /// passes on what concerns the owner.
    pub(super) fn observe(&mut self, got: Option<Happening>) -> Option<Happening> {
        if self.is_waiting() {
            return None;
        }
        match got {
            Some(Happening::Alive) => None,
            Some(Happening::Connected(broker)) => {
                self.connected();
                Some(Happening::Connected(broker))
            }
            Some(Happening::Lost(loss)) => {
                self.lost(&loss);
                Some(Happening::Lost(loss))
            }
            None => {
                let loss = Loss {
                    reason: "the connection's thread ended".to_owned(),
                    cause: Cause::Line,
                };
                self.lost(&loss);
                Some(Happening::Lost(loss))
            }
            other => other,
        }
    }

    /// The session while it stands.
    pub(super) fn session(&self) -> Option<&Session> {
        match &self.state {
            State::Up(session, _) => Some(session),
            State::Connecting(_) | State::Waiting(_) => None,
        }
    }

    /// For how long it has stood.
    pub(super) fn stood(&self) -> Option<Duration> {
        match &self.state {
            State::Up(_, since) => Some(since.elapsed()),
            State::Connecting(_) | State::Waiting(_) => None,
        }
    }

    /// Whether it is in a pause between two attempts.
    pub(super) fn is_waiting(&self) -> bool {
        matches!(self.state, State::Waiting(_))
    }

    /// Gives the session up, where its owner finds it stalled.
    pub(super) fn lose(&mut self, reason: &str) {
        self.lost(&Loss {
            reason: reason.to_owned(),
            cause: Cause::Line,
        });
    }

    /// The last loss was at one message, which is a suspect now or left out before long: it is no
    /// failure, and the pause is the shortest. Else the line would be down for most of the time until
    /// the last of many such messages is found.
    pub(super) fn excuse(&mut self) {
        if self.is_waiting() {
            self.failures = 0;
            let pause = self.endpoint.retry.pause(self.failures, rand::random());
            self.state = State::Waiting(Instant::now() + pause);
        }
    }

    /// How long nothing need be done, at most a second.
    pub(super) fn patience(&self) -> Duration {
        match &self.state {
            State::Waiting(until) => until
                .saturating_duration_since(Instant::now())
                .min(PATIENCE),
            State::Connecting(_) | State::Up(..) => PATIENCE,
        }
    }

    /// How it is.
    pub(super) fn status(&self) -> LineStatus {
        LineStatus {
            connected: self.session().is_some(),
            protocol: self.protocol,
            reconnects: self.connects.saturating_sub(1),
        }
    }

    /// Ends it, with a DISCONNECT where it stands.
    pub(super) fn close(self, timeout: Duration) {
        if let State::Up(session, _) = self.state {
            session.disconnect(timeout);
        }
    }

    fn connected(&mut self) {
        let state = std::mem::replace(&mut self.state, State::Waiting(Instant::now()));
        if let State::Connecting(session) | State::Up(session, _) = state {
            let Endpoint { host, port, .. } = &*self.endpoint;
            let client = &self.wish.client_id;
            info!(client, host, port, protocol = %self.protocol, "connected to the broker");
            self.state = State::Up(session, Instant::now());
            self.connects += 1;
        }
    }

    fn lost(&mut self, loss: &Loss) {
        let (stood, was_up) = match &self.state {
            State::Up(_, since) => (since.elapsed() >= STABLE, true),
            State::Connecting(_) | State::Waiting(_) => (false, false),
        };
        self.failures = if stood {
            0
        } else {
            self.failures.saturating_add(1)
        };
        let pause = self.endpoint.retry.pause(self.failures, rand::random());
        self.complain(&loss.reason, pause);
        self.state = State::Waiting(Instant::now() + pause);
        if self.endpoint.protocol == ProtocolChoice::Auto {
            self.protocol = next(self.protocol, was_up, loss);
        }
    }

    fn complain(&mut self, reason: &str, pause: Duration) {
        let Endpoint { host, port, .. } = &*self.endpoint;
        let client = &self.wish.client_id;
        let (protocol, retry_s) = (self.protocol, pause.as_secs_f64());
        if self.said.is_due(reason, Instant::now()) {
            warn!(client, host, port, %protocol, reason, retry_s, "no connection to the broker");
        } else {
            debug!(client, host, port, %protocol, reason, retry_s, "no connection to the broker");
        }
    }
}

/// The version to begin with.
fn first(choice: ProtocolChoice) -> Protocol {
    match choice {
        ProtocolChoice::Auto | ProtocolChoice::V5 => Protocol::V5,
        ProtocolChoice::V3 => Protocol::V3,
    }
}

/// The version to try next, where either may be: the other one when this one may be the reason. A
/// broker that accepted 3.1.1 is asked for 5 again when it comes back, since it may have been
/// restarted in the middle of the first attempt, or replaced by a newer one.
fn next(protocol: Protocol, was_up: bool, loss: &Loss) -> Protocol {
    if was_up {
        Protocol::V5
    } else if loss.cause == Cause::Protocol {
        protocol.other()
    } else {
        protocol
    }
}

/// What was said lately.
#[derive(Default)]
struct Said(Vec<(String, Instant)>);

impl Said {
    /// Whether this reason is new or was last said long ago; then it counts as said.
    fn is_due(&mut self, reason: &str, now: Instant) -> bool {
        if let Some((_, at)) = self.0.iter_mut().find(|(known, _)| known == reason) {
            let is_due = now.saturating_duration_since(*at) >= REPEAT;
            if is_due {
                *at = now;
            }
            return is_due;
        }
        if self.0.len() == FAULTS {
            self.0.remove(0);
        }
        self.0.push((reason.to_owned(), now));
        true
    }
}

#[cfg(test)]
#[path = "line_tests.rs"]
mod tests;
