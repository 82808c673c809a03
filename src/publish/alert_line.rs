//! The line of what must arrive: alerts from the spool, oldest first, and retained messages of QoS 1.
//!
//! It subscribes to nothing, so that nothing from outside can hurt it. After any fault it starts
//! anew from the oldest alert that the broker has not acknowledged: repetitions, never gaps. An
//! alert that brings the line down again and again although the broker takes others, or that the
//! broker denies, is put into quarantine, so that it holds up no other; one that was denied is tried
//! again when the broker may have changed its mind. Retained messages that bring the line down go
//! after the alerts, one by one.

mod retained;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::Receiver;
use tracing::warn;

use super::caution::{Caution, Trial};
use super::denials::Denials;
use super::line::{Line, LineStatus};
use super::mqtt::{Answer, Broker, Endpoint, Happening, Loss, Wish};
use super::packet::event_size;
use super::pages::Pages;
use super::ration::Ration;
use super::retained::Newest;
use super::spool::{Entry, Spool};
use super::suspicion::Suspicion;
use super::window::{Carried, SPAN, Window};
use super::{Retained, Topics, late};
use crate::capture::Moment;
use crate::config::Retry;

/// The largest packet that is sent. An alert has about 2 kB.
pub(super) const LARGEST: u32 = 128 * 1024;
/// How long an alert that is on trial may go without an answer.
const TRIAL: Duration = Duration::from_secs(10);
/// So often may the line break with retained messages on their way before alerts go first, and the
/// former one by one.
const RETAINED_TRIALS: u32 = 3;

/// Delivers alerts and what is retained at QoS 1.
pub(super) struct AlertLine {
    line: Line,
    topics: Topics,
    boot_id: Arc<str>,
    silence: Duration,
    window: Window,
    newest: Newest,
    pages: Pages,
    /// Handed over on this connection and not acknowledged.
    sent: BTreeMap<u64, Entry>,
    largest: u32,
    span: usize,
    /// Whether this connection's broker has acknowledged anything.
    is_proven: bool,
    suspicion: Suspicion,
    denials: Denials,
    /// How often in a row the line broke with retained messages on their way.
    retained_failures: u32,
    /// Retained messages at which it breaks.
    caution: Caution,
    /// The retained message that is alone on its way.
    trial: Option<Trial>,
    retry: Retry,
    /// Answers in a row that ask for patience.
    laters: u32,
    /// No alert is sent until then: the broker has asked for patience.
    hold: Option<Instant>,
    /// Retained messages that it wants later, and when they are said again.
    put_off: Option<(Instant, Vec<String>)>,
    /// Lines about retained messages that are denied.
    denied: Ration,
}

impl AlertLine {
    pub(super) fn new(
        endpoint: Arc<Endpoint>,
        client_id: &str,
        topics: Topics,
        boot_id: Arc<str>,
    ) -> Self {
        let (silence, retry) = (endpoint.keep_alive * 2, endpoint.retry);
        let wish = Wish {
            client_id: client_id.to_owned(),
            will: Some(Retained::availability(&topics, "offline")),
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
            pages: Pages::default(),
            sent: BTreeMap::new(),
            largest: LARGEST,
            span: SPAN,
            is_proven: false,
            suspicion: Suspicion::default(),
            denials: Denials::default(),
            retained_failures: 0,
            caution: Caution::default(),
            trial: None,
            retry,
            laters: 0,
            hold: None,
            put_off: None,
            denied: Ration::default(),
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

    /// Whether the node is there.
    pub(super) fn say(&mut self, word: &str) {
        self.put(Retained::availability(&self.topics, word));
    }

    /// Says a retained message again, such as the one for a Home Assistant that was restarted.
    pub(super) fn repeat(&mut self, topic: &str) {
        self.newest.request(topic.to_owned());
    }

    /// There is a new alert in the spool.
    pub(super) fn more(&mut self) {
        self.pages.more();
    }

    /// There may be alerts in the spool that were passed over.
    pub(super) fn read_anew(&mut self) {
        self.pages.start_over();
    }

    /// A reload: what was left out is tried again, and there may be old alerts in the spool that were
    /// not to be sent before.
    pub(super) fn start_anew(&mut self) {
        for topic in self.caution.forgive() {
            self.newest.request(topic);
        }
        self.denials.clear();
        self.pages.start_over();
    }

    /// How long nothing need be done.
    pub(super) fn patience(&self) -> Duration {
        let patience = self.line.patience();
        if self.line.session().is_none() {
            return patience;
        }
        let stalled = self
            .window
            .waiting_since()
            .map(|since| since + self.limit());
        let said_again = self.put_off.as_ref().map(|(at, _)| *at);
        let due = [self.hold, said_again, stalled].into_iter().flatten().min();
        patience.min(due.map_or(Duration::MAX, left))
    }

    /// Does what can be done without waiting: connect when it is time, read, send what has room.
    pub(super) fn advance(&mut self, spool: &Spool) {
        if self.line.session().is_some() && self.is_stalled() {
            self.line.lose("the broker acknowledges nothing");
            self.lost(spool);
        }
        self.line.advance();
        if self.line.session().is_none() {
            return;
        }
        self.hold = self.hold.filter(|until| !left(*until).is_zero());
        if let Some((_, topics)) = self.put_off.take_if(|(at, _)| left(*at).is_zero()) {
            for topic in topics {
                self.newest.request(topic);
            }
        }
        self.request_what_was_left_out();
        self.release(spool, |denials| denials.probes(Instant::now()));
        if !self.is_careful() {
            while self.send_retained() {}
        }
        while self.hold.is_none() && self.send_alert(spool) {}
        self.pages.ask(spool);
        if self.sent.is_empty() && (self.pages.is_empty() || self.hold.is_some()) {
            while self.send_retained() || self.send_suspect() {}
        }
    }

    /// A page of the spool has come.
    pub(super) fn page(&mut self, entries: Vec<Entry>) {
        self.pages.page(entries, |seq| self.sent.contains_key(&seq));
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
        self.line.session().is_some()
            && self.pages.is_empty()
            && self.newest.is_settled()
            && self.window.is_empty()
    }

    /// Says what is left and disconnects, within `timeout`. Where that finds no room, it does not
    /// disconnect: then the broker says `offline`, when the connection breaks.
    pub(super) fn close(mut self, spool: &Spool, timeout: Duration) {
        // Alerts that are not on their way by now wait for the next start.
        self.pages.end();
        let deadline = Instant::now() + timeout;
        while self.line.session().is_some() {
            while self.send_retained() || self.send_suspect() {}
            if self.newest.is_settled() && self.window.is_empty() {
                break;
            }
            match self.happenings().recv_deadline(deadline) {
                Ok(got) => self.happened(Some(got), spool),
                Err(_) => break,
            }
        }
        if self.newest.is_settled() {
            self.line.close(timeout);
        }
    }

    fn connected(&mut self, broker: &Broker) {
        self.window.clear();
        self.sent.clear();
        self.pages.start_over();
        self.suspicion.connected();
        self.denials.connected(Instant::now());
        self.is_proven = false;
        let limit = broker.largest_packet.unwrap_or(LARGEST);
        self.largest = limit.min(LARGEST);
        self.span = SPAN.min(broker.in_flight.map_or(SPAN, usize::from)).max(1);
        self.say("online");
        self.newest.request_all();
    }

    /// Hands an alert over; `false` where there is none or no room.
    fn send_alert(&mut self, spool: &Spool) -> bool {
        let is_held_up = self.suspicion.is_any() && !self.window.is_empty();
        if is_held_up || self.trial.is_some() || !self.window.has_room(self.span) {
            return false;
        }
        let Some(place) = self.suspicion.turn(&self.pages.ready()) else {
            return false;
        };
        let (Some(session), Some(entry)) = (self.line.session(), self.pages.get(place)) else {
            return false;
        };
        let seq = entry.seq;
        let payload = late::payload(entry, &Moment::now(), &self.boot_id);
        let bytes = event_size(&entry.topic, &payload);
        if bytes > self.largest {
            let reason = format!("{bytes} bytes, the broker takes {}", self.largest);
            self.denials.forget(seq);
            self.set_aside(seq, &reason, spool);
            return true;
        }
        if !session.send_event(&entry.topic, payload) {
            return false;
        }
        self.window.handed_over(Carried::Alert(seq));
        if let Some(entry) = self.pages.take(place) {
            self.sent.insert(seq, entry);
        }
        true
    }

    /// What the broker says of an alert.
    fn answered(&mut self, seq: u64, answer: Answer, spool: &Spool) {
        let entry = self.sent.remove(&seq);
        match answer {
            Answer::Taken => {
                self.is_proven = true;
                self.laters = 0;
                self.suspicion.taken(seq);
                self.pages.settle(seq);
                spool.delivered(seq);
                let topic = entry.map(|entry| entry.topic).unwrap_or_default();
                self.release(spool, |denials| denials.taken(&topic, seq, Instant::now()));
            }
            Answer::Denied(reason) => {
                if let Some(entry) = entry {
                    self.denials.denied(&entry.topic, seq, Instant::now());
                }
                self.set_aside(seq, &reason, spool);
            }
            Answer::Later(reason) => {
                self.laters = self.laters.saturating_add(1);
                let pause = self.retry.pause(self.laters, rand::random());
                self.hold = Some(Instant::now() + pause);
                if self.suspicion.failed(seq) {
                    self.denials.forget(seq);
                    self.set_aside(seq, &reason, spool);
                } else if let Some(entry) = entry {
                    self.pages.put_back(entry);
                }
            }
        }
    }

    /// The connection is gone, and with it what was on its way.
    fn lost(&mut self, spool: &Spool) {
        let oldest = self.sent.keys().next().copied();
        let are_alerts_first = self.is_careful();
        self.lost_retained();
        self.window.clear();
        self.sent.clear();
        self.pages.start_over();
        // All retained messages are said on the next connection.
        self.put_off = None;
        // A broker that acknowledged nothing at all says nothing of an alert, unless that came first.
        let Some(seq) = oldest.filter(|_| self.is_proven || are_alerts_first) else {
            return;
        };
        if self.suspicion.failed(seq) {
            let reason = "the line broke each time that this alert was on its way alone";
            self.denials.forget(seq);
            self.set_aside(seq, reason, spool);
        }
    }

    fn set_aside(&mut self, seq: u64, reason: &str, spool: &Spool) {
        self.pages.settle(seq);
        self.suspicion.forget(seq);
        spool.quarantine(seq, reason.to_owned());
    }

    /// Makes denied alerts ready again.
    fn release(&mut self, spool: &Spool, which: impl FnOnce(&mut Denials) -> Vec<u64>) {
        let seqs = which(&mut self.denials);
        if !seqs.is_empty() {
            spool.release(seqs);
            self.pages.start_over();
        }
    }

    /// How long the broker may acknowledge nothing.
    fn limit(&self) -> Duration {
        if (self.suspicion.is_any() || self.trial.is_some()) && self.is_proven {
            self.silence.min(TRIAL)
        } else {
            self.silence
        }
    }

    /// Half-open connections and brokers that swallow messages end here.
    fn is_stalled(&self) -> bool {
        let since = self.window.waiting_since();
        since.is_some_and(|since| since.elapsed() >= self.limit())
    }
}

fn left(until: Instant) -> Duration {
    until.saturating_duration_since(Instant::now())
}

#[cfg(test)]
#[path = "alert_line_tests.rs"]
mod tests;
