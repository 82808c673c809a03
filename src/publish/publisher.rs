//! The far end of the pipeline: takes messages, makes alerts safe, and delivers to a broker that may
//! be absent for days.
//!
//! One loop on one thread. Alerts go to the spool first and to the broker from there; of all else
//! the newest of a topic counts. The loop ends when its inbox closes: then it waits until what it
//! took is safe, delivers for as long as the configuration grants, says `offline` and disconnects.
//! It never waits for the broker while there are messages to take, and never drops an alert.

use std::collections::VecDeque;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, bounded, never, select};
use tracing::{debug, info, warn};

use super::health::{HealthReport, SpoolHealth};
use super::lines::Lines;
use super::mqtt::Happening;
use super::ration::Ration;
use super::request;
use super::sink::Sink;
use super::spool::{Event, IN_DOUBT, Spool, State, Status};
use super::told::{ToSupervisor, Told};
use super::{Alert, Incoming, Message, Retained, Settings};
use crate::heartbeat::Heartbeat;

/// The longest that the loop sleeps.
const PATIENCE: Duration = Duration::from_secs(1);

/// Delivers messages.
pub struct Publisher {
    settings: Settings,
    spool: Spool,
    status: Option<Status>,
    sink: Option<Sink>,
    /// Alerts that a sink was to have alone, and did not take.
    unwritten: u64,
    /// Alerts that the spool has not answered yet, in their order.
    in_doubt: VecDeque<Alert>,
    lines: Option<Lines>,
    /// What was last said of the node's health, but for what is known here alone.
    health: Option<HealthReport>,
    supervisor: ToSupervisor,
    has_told_failure: bool,
    /// Lines about requests that are refused.
    refused: Ration,
    heartbeat: Heartbeat,
}

/// What is left when the publisher has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Left {
    /// Alerts that wait on disk for the next start.
    pub spooled: u64,
    /// Alerts on disk that the broker does not take; the next start tries them again.
    pub quarantined: u64,
    /// Accepted alerts that are lost: they could not be written and were not delivered.
    pub lost: u64,
    /// Alerts that are lost because there was no broker, and the sink did not take them.
    pub unwritten: u64,
}

impl Publisher {
    /// A publisher that has not connected yet. What is heard goes to `to`, whose reader may be slow:
    /// of what is set the newest waits, and a request that does not fit is answered as such.
    pub fn new(settings: Settings, spool: Spool, to: Sender<Told>) -> Self {
        Publisher {
            lines: Lines::new(&settings),
            sink: settings.sink.clone().map(Sink::new),
            unwritten: 0,
            status: None,
            settings,
            spool,
            in_doubt: VecDeque::new(),
            health: None,
            supervisor: ToSupervisor::new(to),
            has_told_failure: false,
            refused: Ration::default(),
            heartbeat: Heartbeat::default(),
        }
    }

    /// The heartbeats of its own loop and of the spool's.
    pub fn heartbeats(&self) -> [(&'static str, Heartbeat); 2] {
        let spool = self.spool.heartbeat().clone();
        [("publish", self.heartbeat.clone()), ("spool", spool)]
    }

    /// Delivers until `inbox` closes, then says goodbye.
    pub fn run(mut self, inbox: &Receiver<Message>) -> Left {
        let closed = never();
        // Without room and without a reader, for as long as nothing waits for the supervisor.
        let (nobody, _unread) = bounded(0);
        let to_supervisor = self.supervisor.sender();
        let heartbeat = self.heartbeat.clone();
        loop {
            heartbeat.during(|| self.advance());
            let inbox = if self.in_doubt.len() < IN_DOUBT {
                inbox
            } else {
                &closed
            };
            let to = if self.supervisor.waits() {
                &to_supervisor
            } else {
                &nobody
            };
            select! {
                recv(inbox) -> message => match message {
                    Ok(message) => heartbeat.during(|| self.take(message)),
                    Err(_) => break,
                },
                recv(self.spool.events()) -> event => {
                    heartbeat.during(|| self.answered(event.ok()));
                }
                recv(self.alerts()) -> got => {
                    heartbeat.during(|| self.lines_happened(|it| it.alerts_happened(got.ok())));
                }
                recv(self.live()) -> got => {
                    heartbeat.during(|| self.lines_happened(|it| it.live_happened(got.ok())));
                }
                send(to, self.supervisor.next()) -> _ => {}
                default(self.patience()) => {}
            }
        }
        self.drain();
        self.goodbye()
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Alert(alert) => self.accept(*alert),
            Message::Retained(message) => self.put(message),
            Message::Response(response) => {
                if let Some(lines) = &mut self.lines {
                    lines.live.answer(response);
                }
            }
            Message::Health(report) => self.say_health(*report),
            Message::Settings(settings) => self.change(*settings, Vec::new()),
            Message::Renamed(settings, farewell) => self.change(*settings, farewell),
            Message::Controls(topics) => self.supervisor.allow(topics),
        }
    }

    /// Says how the node is, with what is known here alone.
    fn say_health(&mut self, report: HealthReport) {
        let broker = self.lines.as_ref().map(Lines::health);
        let spool = SpoolHealth::of(self.status.as_ref());
        for message in report.complete(&broker.unwrap_or_default(), &spool) {
            self.take(message);
        }
        self.health = Some(report.without_reply());
    }

    /// Something happens on a line. When both stand, health is said anew: what waits was said without them.
    fn lines_happened(&mut self, what: impl FnOnce(&mut Self)) {
        let is_up = |it: &Self| it.lines.as_ref().is_some_and(Lines::stand);
        let was_up = is_up(self);
        what(self);
        if !was_up
            && is_up(self)
            && let Some(report) = self.health.take()
        {
            self.say_health(report);
        }
    }

    /// An alert for the spool, or, where there is no broker, for the sink alone.
    fn accept(&mut self, alert: Alert) {
        if self.lines.is_none() {
            alert.log();
            self.write(&alert);
            return;
        }
        self.spool.append(alert.to_spool());
        self.in_doubt.push_back(alert);
    }

    fn write(&mut self, alert: &Alert) {
        if let Some(sink) = &mut self.sink {
            sink.write(&alert.encode());
        }
    }

    /// Where there is a broker, it has them all the same.
    fn close_sink(&mut self) {
        let missed = self.sink.take().map_or(0, Sink::close);
        if self.lines.is_none() {
            self.unwritten += missed;
        }
    }

    fn put(&mut self, message: Retained) {
        if let Some(lines) = &mut self.lines {
            lines.put(message);
        }
    }

    /// What the spool says.
    fn answered(&mut self, event: Option<Event>) {
        match event {
            Some(Event::Accepted { .. }) => {
                if let Some(alert) = self.in_doubt.pop_front() {
                    alert.log();
                    self.write(&alert);
                }
                self.more();
            }
            Some(Event::Held { id, reason }) => {
                // The spool has said so, for all of them at once.
                debug!(id, reason, "alert held in memory");
                if let Some(alert) = self.in_doubt.pop_front() {
                    self.write(&alert);
                }
                self.more();
            }
            Some(Event::Refused { id, reason }) => {
                debug!(id, reason, "alert refused");
                if let Some(alert) = self.in_doubt.pop_front() {
                    self.write(&alert);
                }
            }
            Some(Event::Batch(entries)) => {
                if let Some(lines) = &mut self.lines {
                    lines.alerts.page(entries);
                }
            }
            Some(Event::Status(status)) => self.heed(status),
            // Its thread ends by a panic alone, and that ends the process.
            None => {}
        }
    }

    fn more(&mut self) {
        if let Some(lines) = &mut self.lines {
            lines.alerts.more();
        }
    }

    fn heed(&mut self, status: Status) {
        if let State::Failed(reason) = &status.state
            && !self.has_told_failure
        {
            self.has_told_failure = true;
            self.supervisor.disk_failed(reason.clone());
        }
        let has_more = self.status.as_ref().is_some_and(|it| status.has_more(it));
        self.status = Some(status);
        if has_more && let Some(lines) = &mut self.lines {
            lines.alerts.read_anew();
        }
    }

    fn advance(&mut self) {
        if let Some(lines) = &mut self.lines {
            lines.alerts.advance(&self.spool);
            lines.live.advance();
        }
    }

    fn alerts_happened(&mut self, got: Option<Happening>) {
        if let Some(lines) = &mut self.lines {
            lines.alerts.happened(got, &self.spool);
        }
    }

    fn live_happened(&mut self, got: Option<Happening>) {
        let Some(lines) = &mut self.lines else { return };
        let Some(heard) = lines.live.happened(got) else {
            return;
        };
        if let Some(topics) = &self.settings.home_assistant
            && heard.topic == topics.status
        {
            if heard.payload == b"online" {
                lines.alerts.repeat(&topics.discovery);
            }
            return;
        }
        // It may be of last year, and a thousand of them would crowd out who asks now.
        if heard.retained {
            return;
        }
        if let Err(heard) = self.supervisor.hear(heard) {
            self.refuse(&heard);
        }
    }

    /// Answers a request that can't be heard now.
    fn refuse(&mut self, Incoming { topic, payload, .. }: &Incoming) {
        if let Some(left_out) = self.refused.take(Instant::now()) {
            warn!(topic, left_out, "too many requests at once, one is refused");
        }
        if let Some(answer) = request::busy(&self.settings.topics, topic, payload) {
            self.take(answer);
        }
    }

    fn alerts(&self) -> &Receiver<Happening> {
        match &self.lines {
            Some(lines) => lines.alerts.happenings(),
            None => &NOTHING,
        }
    }

    fn live(&self) -> &Receiver<Happening> {
        match &self.lines {
            Some(lines) => lines.live.happenings(),
            None => &NOTHING,
        }
    }

    fn patience(&self) -> Duration {
        let lines = self.lines.iter();
        let lines = lines.flat_map(|lines| [lines.alerts.patience(), lines.live.patience()]);
        lines.fold(PATIENCE, Duration::min)
    }

    /// Goes on under other settings. Where the broker or the topics have changed, this is a goodbye
    /// and a new beginning; what waits in the spool waits for the new broker. `farewell` is said last under
    /// topics that are left for others.
    fn change(&mut self, settings: Settings, farewell: Vec<Retained>) {
        let is_same =
            settings.mqtt == self.settings.mqtt && settings.topics == self.settings.topics;
        self.close_sink();
        self.sink = settings.sink.clone().map(Sink::new);
        self.spool.set_limits(settings.limits);
        self.spool.retry_quarantined();
        self.settings = settings;
        if is_same {
            if let (Some(lines), Some(endpoint)) = (&mut self.lines, &self.settings.endpoint) {
                lines.alerts.renew(Arc::clone(endpoint));
                lines.live.renew(Arc::clone(endpoint));
                lines.live.listen(&self.settings.subscriptions);
                lines.alerts.start_anew();
            }
            return;
        }
        if let Some(lines) = self.lines.take() {
            lines.close(farewell, &self.spool);
        }
        // It has the former topic.
        self.health = None;
        self.lines = Lines::new(&self.settings);
    }

    /// Waits until all that was taken is safe, and delivers for a bounded time.
    fn drain(&mut self) {
        let deadline = Instant::now() + self.settings.mqtt.drain;
        loop {
            self.advance();
            let lines = self.lines.as_ref();
            let is_settled = lines.is_none_or(|lines| lines.alerts.is_settled());
            let is_over = is_settled || Instant::now() >= deadline;
            if self.in_doubt.is_empty() && is_over {
                return;
            }
            select! {
                recv(self.spool.events()) -> event => self.answered(event.ok()),
                recv(self.alerts()) -> got => self.alerts_happened(got.ok()),
                recv(self.live()) -> got => self.live_happened(got.ok()),
                default(self.patience().min(Duration::from_millis(100))) => {}
            }
        }
    }

    fn goodbye(mut self) -> Left {
        self.close_sink();
        if let Some(lines) = self.lines.take() {
            lines.close(Vec::new(), &self.spool);
        }
        let status = self.spool.close();
        let spooled = status.alerts - status.quarantined;
        if spooled > 0 {
            info!(
                alerts = spooled,
                "alerts wait in the spool for the next start"
            );
        }
        Left {
            spooled,
            quarantined: status.quarantined,
            lost: status.held,
            unwritten: self.unwritten,
        }
    }
}

static NOTHING: LazyLock<Receiver<Happening>> = LazyLock::new(never);

#[cfg(test)]
#[path = "publisher_tests.rs"]
mod tests;
