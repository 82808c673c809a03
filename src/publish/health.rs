//! How the node is, on the wire: the machine, the pipeline, the spool, the broker.
//!
//! The supervisor makes a [`HealthReport`] of what it knows and sends it to the publisher, which
//! alone knows the spool and the line to the broker, and completes it. The newest one is retained.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::json;

use super::alert::milliseconds;
use super::line::LineStatus;
use super::machine::Readings;
use super::mqtt::Protocol;
use super::retained::retained;
use super::spool::{State, Status};
use super::{Delivery, Message, Reply};
use crate::capture::Moment;

/// What the supervisor knows.
#[derive(Debug, Clone, Serialize)]
pub struct Health {
    /// When it was measured.
    #[serde(serialize_with = "milliseconds")]
    pub time: Timestamp,
    /// Seconds since the program started.
    pub uptime_s: f64,
    /// Version of the program.
    pub version: &'static str,
    /// The machine.
    #[serde(flatten)]
    pub machine: Readings,
    clock: Clock,
    /// The cameras that are inspected.
    pub cameras: Vec<CameraHealth>,
    /// The stages.
    pub latency: Latency,
}

#[derive(Debug, Clone, Serialize)]
struct Clock {
    synced: bool,
}

/// The counters of a camera since its pipeline was started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CameraHealth {
    /// Its name.
    pub name: String,
    /// Frames that the source gave.
    pub captured: u64,
    /// Frames that gave way to newer ones.
    pub replaced: u64,
    /// Frames with a score of their own.
    pub judged: u64,
    /// Frames that were given the verdict of an earlier one, which they hardly differ from.
    pub gated: u64,
    /// Frames of both kinds that are anomalous by themselves.
    pub anomalous: u64,
    /// Frames that could not be judged, by reason.
    pub rejected: BTreeMap<&'static str, u64>,
    /// Failures of the source.
    pub faults: u64,
}

/// Milliseconds that the stages took for a frame since the last report: mean and longest. None
/// where no frame came.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize)]
pub struct Latency {
    /// Decoding and resizing.
    pub prepare_ms: Option<f64>,
    /// Its longest.
    pub prepare_max_ms: Option<f64>,
    /// The models.
    pub infer_ms: Option<f64>,
    /// Its longest.
    pub infer_max_ms: Option<f64>,
    /// Scoring and deciding.
    pub decide_ms: Option<f64>,
    /// Its longest.
    pub decide_max_ms: Option<f64>,
}

/// The line to the broker.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct BrokerHealth {
    /// Whether it stands.
    pub connected: bool,
    /// Version of MQTT that is spoken, or tried next; none without a broker.
    pub protocol: Option<&'static str>,
    /// Connections made anew since the start.
    pub reconnects_total: u64,
    /// What the broker does not let us say or hear, and what to do; none where all is well.
    pub reason: Option<String>,
}

/// Whether alerts are safe.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SpoolState {
    /// They survive a power cut, and none is kept from the broker.
    Healthy,
    /// They survive a power cut, but some are not sent: the broker does not take them, or they are damaged.
    Quarantine,
    /// The disk or the spool is full, or another program has the database: they are kept in memory, as far as there
    /// is room, or refused.
    NoRoom,
    /// Storage does not answer; they are kept in memory.
    Failed,
    /// There is no spool; they are kept in memory.
    #[default]
    Off,
}

/// The alerts between their acceptance and the broker's acknowledgement.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct SpoolHealth {
    /// Whether they are safe.
    pub state: SpoolState,
    /// Why not.
    pub reason: Option<String>,
    /// Alerts that wait on disk.
    pub alerts: u64,
    /// Bytes of these and of those in quarantine.
    pub bytes: u64,
    /// The most alerts that may wait.
    pub max_alerts: u64,
    /// The most bytes.
    pub max_bytes: u64,
    /// Alerts that the broker refuses, or that are damaged.
    pub quarantined: u64,
    /// Alerts that wait in memory because storage can't take them.
    pub held: u64,
    /// Ever accepted by this spool, ...
    pub accepted_total: u64,
    /// ... acknowledged by the broker, ...
    pub delivered_total: u64,
    /// ... and not accepted.
    pub refused_total: u64,
    /// The damaged spool that was set aside at the start.
    pub set_aside: Option<String>,
}

/// What is to be said, but for what the publisher alone knows.
#[derive(Debug, Clone)]
pub struct HealthReport {
    topic: String,
    health: Health,
    reply: Option<Reply>,
}

#[derive(Serialize)]
struct Whole<'a> {
    #[serde(flatten)]
    health: &'a Health,
    broker: &'a BrokerHealth,
    spool: &'a SpoolHealth,
}

impl BrokerHealth {
    /// The line of the alerts and that of everything else.
    pub(super) fn of(alerts: LineStatus, live: LineStatus, reason: Option<String>) -> Self {
        BrokerHealth {
            connected: alerts.connected && live.connected,
            protocol: Some(match alerts.protocol {
                Protocol::V5 => "5",
                Protocol::V3 => "3.1.1",
            }),
            reconnects_total: alerts.reconnects + live.reconnects,
            reason,
        }
    }
}

impl SpoolHealth {
    /// The spool as it said last; off where it said nothing yet.
    pub(super) fn of(status: Option<&Status>) -> Self {
        let Some(status) = status else {
            return SpoolHealth::default();
        };
        let (state, reason) = match &status.state {
            State::Healthy if status.full.is_some() => (SpoolState::NoRoom, status.full.clone()),
            State::Healthy if status.quarantined > 0 => {
                let reason = why_quarantined(status.quarantined);
                (SpoolState::Quarantine, Some(reason))
            }
            State::Healthy => (SpoolState::Healthy, None),
            State::NoRoom => (SpoolState::NoRoom, Some("the disk is full".to_owned())),
            State::Busy => {
                let reason = "another program keeps the database locked";
                (SpoolState::NoRoom, Some(reason.to_owned()))
            }
            State::Failed(reason) => (SpoolState::Failed, Some(reason.clone())),
        };
        let set_aside = status.set_aside.as_ref();
        SpoolHealth {
            state,
            reason,
            alerts: status.alerts.saturating_sub(status.quarantined),
            bytes: status.bytes,
            max_alerts: status.limits.alerts,
            max_bytes: status.limits.bytes,
            quarantined: status.quarantined,
            held: status.held,
            accepted_total: status.accepted_total,
            delivered_total: status.delivered_total,
            refused_total: status.refused_total,
            set_aside: set_aside.map(|path| path.display().to_string()),
        }
    }
}

/// Nobody may see the journal of a board: what to do stands here as well.
fn why_quarantined(alerts: u64) -> String {
    format!(
        "alerts that are kept but not sent: {alerts}; the broker denies them or finds them too large, or they \
         are damaged, as the journal says; allow them in the broker's access rules: what it denied is tried again \
         within an hour, all of them at request/reload"
    )
}

impl Health {
    /// What was measured at `now`.
    pub fn new(
        now: Moment,
        uptime_s: f64,
        machine: Readings,
        cameras: Vec<CameraHealth>,
        latency: Latency,
    ) -> Self {
        Health {
            time: now.wall,
            uptime_s,
            version: env!("CARGO_PKG_VERSION"),
            machine,
            clock: Clock { synced: now.synced },
            cameras,
            latency,
        }
    }

    /// To be said on `topic`, and to whoever asked.
    pub fn report(self, topic: String, reply: Option<Reply>) -> Message {
        Message::Health(Box::new(HealthReport {
            topic,
            health: self,
            reply,
        }))
    }
}

impl HealthReport {
    /// The same, when whoever asked was answered.
    pub fn without_reply(self) -> HealthReport {
        HealthReport {
            reply: None,
            ..self
        }
    }

    /// The whole message, and the answer to whoever asked for it.
    pub fn complete(&self, broker: &BrokerHealth, spool: &SpoolHealth) -> Vec<Message> {
        let whole = Whole {
            health: &self.health,
            broker,
            spool,
        };
        let mut messages = vec![retained(&self.topic, &whole, Delivery::AtMostOnce)];
        messages.extend(self.reply.as_ref().map(|reply| reply.ok(json!(whole))));
        messages
    }
}

#[cfg(test)]
#[path = "health_tests.rs"]
mod tests;
