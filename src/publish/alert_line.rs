//! The line of what must arrive: alerts from the spool, oldest first, and retained messages of QoS 1.
//!
//! It subscribes to nothing, so that nothing from outside can hurt it. After any fault it starts
//! anew from the oldest alert that the broker has not acknowledged: repetitions, never gaps. An
//! alert that brings the line down again and again while nothing else is on its way, or that the
//! broker denies, is put into quarantine, so that it holds up no other.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::Receiver;
use tracing::{error, warn};

use super::line::{Line, LineStatus};
use super::mqtt::{Answer, Broker, Endpoint, Happening, Loss, Wish};
use super::retained::Newest;
use super::spool::{Entry, Spool};
use super::window::{Carried, SPAN, Window};
use super::{Delivery, Retained, Topics, late};
use crate::capture::Moment;

/// The largest packet that is sent. An alert has about 2 kB.
pub(super) const LARGEST: u32 = 128 * 1024;
/// Alerts that are read from the spool at once, about 128 kB.
const PAGE: usize = 64;
/// So often may an alert fail alone before it goes into quarantine.
const TRIALS: u32 = 5;
/// How long an alert that is on trial may go without an answer.
const TRIAL: Duration = Duration::from_secs(10);
/// The pause after an answer that says "perhaps later".
const LATER: Duration = Duration::from_secs(1);

/// Delivers alerts and what is retained at QoS 1.
pub(super) struct AlertLine {
    line: Line,
    topics: Topics,
    boot_id: Arc<str>,
    silence: Duration,
    window: Window,
    newest: Newest,
    /// Read from the spool, not yet handed over on this connection.
    ready: VecDeque<Entry>,
    /// Handed over on this connection and not acknowledged.
    sent: BTreeMap<u64, Entry>,
    reading: Reading,
    largest: u32,
    span: usize,
    /// Whether this connection's broker has acknowledged anything.
    is_proven: bool,
    suspect: Option<Suspect>,
    /// Nothing is sent until then: the broker has asked for patience.
    hold: Option<Instant>,
}

/// How far the spool is read.
#[derive(Debug, Default)]
struct Reading {
    /// Where the next page begins.
    from: u64,
    /// Whether there may be more on disk than was read.
    more: bool,
    /// Whether a page was asked for, and whether it will be of use.
    asked: Option<bool>,
}

/// An alert that was the oldest on its way when the line broke. It travels alone until it arrives.
#[derive(Debug)]
struct Suspect {
    seq: u64,
    failures: u32,
}

impl AlertLine {
    pub(super) fn new(
        endpoint: Arc<Endpoint>,
        client_id: &str,
        topics: Topics,
        boot_id: Arc<str>,
    ) -> Self {
        let silence = endpoint.keep_alive * 2;
        let wish = Wish {
            client_id: client_id.to_owned(),
            will: Some(availability(&topics, "offline")),
            largest_outgoing: LARGEST,
            largest_incoming: 16 * 1024,
        };
        AlertLine {
            line: Line::new(endpoint, wish),
            topics,
            boot_id,
            silence,
            window: Window::default(),
            newest: Newest::default(),
            ready: VecDeque::new(),
            sent: BTreeMap::new(),
            reading: Reading::default(),
            largest: LARGEST,
            span: SPAN,
            is_proven: false,
            suspect: None,
            hold: None,
        }
    }

    /// The next session is with this endpoint.
    pub(super) fn renew(&mut self, endpoint: Arc<Endpoint>) {
        self.line.renew(endpoint);
    }

    /// What happens on the line, for a `select!`.
    pub(super) fn happenings(&self) -> &Receiver<Happening> {
        self.line.happenings()
    }

    pub(super) fn status(&self) -> LineStatus {
        self.line.status()
    }

    /// A retained message of QoS 1; takes the place of the topic's former one.
    pub(super) fn put(&mut self, message: Retained) {
        self.newest.put(message);
    }

    /// Says a retained message again, such as the one for a Home Assistant that was restarted.
    pub(super) fn repeat(&mut self, topic: &str) {
        self.newest.request(topic.to_owned());
    }

    /// There is a new alert in the spool.
    pub(super) fn more(&mut self) {
        self.reading.more = true;
    }

    /// How long nothing need be done.
    pub(super) fn patience(&self) -> Duration {
        let hold = self.hold.map_or(Duration::MAX, left);
        self.line.patience().min(hold)
    }

    /// Does what can be done without waiting: connect when it is time, read, send what has room.
    pub(super) fn advance(&mut self, spool: &Spool) {
        if self.line.session().is_some() && self.is_stalled() {
            self.line.lose("the broker acknowledges nothing");
            self.lost(spool);
        }
        self.line.advance();
        let is_held = self.hold.is_some_and(|until| left(until) > Duration::ZERO);
        if self.line.session().is_none() || is_held {
            return;
        }
        self.hold = None;
        while self.send_retained() || self.send_alert(spool) {}
        let reading = &mut self.reading;
        if reading.more && reading.asked.is_none() && self.ready.len() < PAGE / 2 {
            reading.asked = Some(true);
            spool.read(reading.from, PAGE);
        }
    }

    /// A page of the spool has come.
    pub(super) fn page(&mut self, entries: Vec<Entry>) {
        let Some(is_of_use) = self.reading.asked.take() else {
            return;
        };
        if !is_of_use {
            return;
        }
        self.reading.more = entries.len() >= PAGE;
        if let Some(last) = entries.last() {
            self.reading.from = last.seq + 1;
        }
        self.ready.extend(entries);
    }

    /// Something happened on the line.
    pub(super) fn happened(&mut self, got: Option<Happening>, spool: &Spool) {
        match self.line.observe(got) {
            Some(Happening::Connected(broker)) => self.connected(&broker),
            Some(Happening::Written(packet)) => self.window.written(packet),
            Some(Happening::Acknowledged(packet, answer)) => {
                match self.window.acknowledged(packet) {
                    Some(Carried::Alert(seq)) => self.answered(seq, answer, spool),
                    Some(Carried::Retained(topic)) => self.heard_of(&topic, answer),
                    None => warn!(packet, "the broker acknowledged what was never sent"),
                }
            }
            Some(Happening::Lost(Loss { .. })) => self.lost(spool),
            _ => {}
        }
    }

    /// Whether all is delivered that can be: `false` as long as waiting is of use.
    pub(super) fn is_settled(&self) -> bool {
        if self.line.is_waiting() {
            return true;
        }
        let is_read = !self.reading.more && self.reading.asked.is_none();
        self.line.session().is_some()
            && is_read
            && self.ready.is_empty()
            && self.newest.is_settled()
            && self.window.is_empty()
    }

    /// Says `offline` and disconnects, within `timeout`.
    pub(super) fn close(mut self, spool: &Spool, timeout: Duration) {
        if self.line.session().is_some() {
            // Alerts that are not on their way by now wait for the next start.
            self.ready.clear();
            self.reading = Reading::default();
            self.hold = None;
            self.put(availability(&self.topics, "offline"));
            let deadline = Instant::now() + timeout;
            while self.line.session().is_some() && left(deadline) > Duration::ZERO {
                while self.send_retained() {}
                if self.newest.is_settled() && self.window.is_empty() {
                    break;
                }
                let Ok(got) = self.happenings().recv_deadline(deadline) else {
                    break;
                };
                self.happened(Some(got), spool);
            }
        }
        self.line.close(timeout);
    }

    fn connected(&mut self, broker: &Broker) {
        self.window.clear();
        self.sent.clear();
        self.start_over();
        self.is_proven = false;
        let limit = broker.largest_packet.unwrap_or(LARGEST);
        self.largest = limit.min(LARGEST);
        self.span = SPAN.min(broker.in_flight.map_or(SPAN, usize::from)).max(1);
        self.put(availability(&self.topics, "online"));
        self.newest.request_all();
    }

    /// Reads the spool from its oldest alert.
    fn start_over(&mut self) {
        self.ready.clear();
        self.reading = Reading {
            from: 0,
            more: true,
            asked: self.reading.asked.map(|_| false),
        };
    }

    /// Hands a retained message over; `false` where there is none or no room.
    fn send_retained(&mut self) -> bool {
        let (Some(session), Some(message)) = (self.line.session(), self.newest.next()) else {
            return false;
        };
        let (topic, payload) = (message.topic.clone(), message.payload.clone());
        if size(&topic, &payload) > self.largest {
            error!(
                topic,
                bytes = payload.len(),
                "message too large for the broker, not sent"
            );
            self.newest.sent();
            return true;
        }
        if !self.window.has_room(self.span)
            || !session.send(&topic, payload, Delivery::AtLeastOnce, true)
        {
            return false;
        }
        self.window.handed_over(Carried::Retained(topic));
        self.newest.sent();
        true
    }

    /// Hands an alert over; `false` where there is none or no room.
    fn send_alert(&mut self, spool: &Spool) -> bool {
        let is_on_trial = self.suspect.is_some() && !self.sent.is_empty();
        let (Some(session), Some(entry)) = (self.line.session(), self.ready.front()) else {
            return false;
        };
        if is_on_trial || !self.window.has_room(self.span) {
            return false;
        }
        let payload = late::payload(entry, &Moment::now(), &self.boot_id);
        let bytes = size(&entry.topic, &payload);
        if bytes > self.largest {
            let reason = format!("{bytes} bytes, the broker takes {}", self.largest);
            self.set_aside(self.ready[0].seq, &reason, spool);
            return true;
        }
        if !session.send(&entry.topic, payload, Delivery::AtLeastOnce, false) {
            return false;
        }
        self.window.handed_over(Carried::Alert(entry.seq));
        if let Some(entry) = self.ready.pop_front() {
            self.sent.insert(entry.seq, entry);
        }
        true
    }

    /// What the broker says of an alert.
    fn answered(&mut self, seq: u64, answer: Answer, spool: &Spool) {
        let entry = self.sent.remove(&seq);
        match answer {
            Answer::Taken => {
                self.is_proven = true;
                spool.delivered(seq);
                self.suspect.take_if(|suspect| suspect.seq == seq);
            }
            Answer::Denied(reason) => self.set_aside(seq, &reason, spool),
            Answer::Later(reason) => {
                self.hold = Some(Instant::now() + LATER);
                if self.has_failed_too_often(seq) {
                    self.set_aside(seq, &reason, spool);
                } else if let Some(entry) = entry {
                    let place = self.ready.partition_point(|ready| ready.seq < seq);
                    self.ready.insert(place, entry);
                }
            }
        }
    }

    /// What the broker says of a retained message.
    fn heard_of(&mut self, topic: &str, answer: Answer) {
        match answer {
            Answer::Taken => self.is_proven = true,
            Answer::Denied(reason) | Answer::Later(reason) => {
                // A denial proves as well that the broker answers.
                self.is_proven = true;
                warn!(topic, reason, "the broker does not take this message");
            }
        }
    }

    /// The connection is gone, and with it what was on its way.
    fn lost(&mut self, spool: &Spool) {
        let oldest = self.sent.keys().next().copied();
        self.window.clear();
        self.sent.clear();
        self.start_over();
        // A broker that acknowledged nothing at all says nothing of an alert.
        let Some(seq) = oldest.filter(|_| self.is_proven) else {
            return;
        };
        if self.has_failed_too_often(seq) {
            let reason = "the line broke each time that this alert was on its way alone";
            self.set_aside(seq, reason, spool);
        }
    }

    /// Counts a failure of an alert; the first one only puts it on trial.
    fn has_failed_too_often(&mut self, seq: u64) -> bool {
        match &mut self.suspect {
            Some(suspect) if suspect.seq == seq => {
                suspect.failures += 1;
                suspect.failures >= TRIALS
            }
            _ => {
                self.suspect = Some(Suspect { seq, failures: 0 });
                false
            }
        }
    }

    fn set_aside(&mut self, seq: u64, reason: &str, spool: &Spool) {
        self.ready.retain(|entry| entry.seq != seq);
        self.suspect.take_if(|suspect| suspect.seq == seq);
        spool.quarantine(seq, reason.to_owned());
    }

    /// Half-open connections and brokers that swallow messages end here.
    fn is_stalled(&self) -> bool {
        let patience = if self.suspect.is_some() && self.is_proven {
            self.silence.min(TRIAL)
        } else {
            self.silence
        };
        self.window
            .waiting_since()
            .is_some_and(|since| since.elapsed() > patience)
    }
}

fn availability(topics: &Topics, payload: &str) -> Retained {
    Retained {
        topic: topics.availability(),
        payload: payload.as_bytes().to_vec(),
        delivery: Delivery::AtLeastOnce,
    }
}

/// Bytes of a PUBLISH packet, its header generously counted (MQTT 5, 3.3).
fn size(topic: &str, payload: &[u8]) -> u32 {
    u32::try_from(topic.len() + payload.len() + 16).unwrap_or(u32::MAX)
}

fn left(until: Instant) -> Duration {
    until.saturating_duration_since(Instant::now())
}
