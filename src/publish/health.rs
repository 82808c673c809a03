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
}

/// Whether alerts are safe.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SpoolState {
    /// They survive a power cut.
    Healthy,
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
    /// Alerts that the broker refuses.
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
    pub(super) fn of(alerts: LineStatus, live: LineStatus) -> Self {
        BrokerHealth {
            connected: alerts.connected && live.connected,
            protocol: Some(match alerts.protocol {
                Protocol::V5 => "5",
                Protocol::V3 => "3.1.1",
            }),
            reconnects_total: alerts.reconnects + live.reconnects,
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
mod tests {
    use std::path::Path;

    use serde_json::Value;

    use super::super::{Machine, Published, Retained};
    use super::*;

    fn keys(value: &Value) -> Vec<&str> {
        value
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect()
    }

    /// What a supervisor of one camera found.
    fn health() -> Health {
        let camera = CameraHealth {
            name: "cam0".into(),
            captured: 5,
            replaced: 1,
            judged: 3,
            gated: 0,
            anomalous: 0,
            rejected: [("size", 1)].into(),
            faults: 0,
        };
        let latency = Latency {
            infer_ms: Some(12.5),
            ..Latency::default()
        };
        let readings = Machine::new().read(Path::new("/"));
        Health::new(Moment::now(), 3.5, readings, vec![camera], latency)
    }

    fn full() -> SpoolHealth {
        SpoolHealth {
            state: SpoolState::NoRoom,
            reason: Some("full".into()),
            alerts: 2,
            bytes: 900,
            max_alerts: 2,
            max_bytes: 1000,
            quarantined: 0,
            held: 0,
            accepted_total: 7,
            delivered_total: 5,
            refused_total: 1,
            set_aside: None,
        }
    }

    #[test]
    fn a_report_is_said_and_answered_with_every_field_of_the_contract() {
        let reply = Reply::new("r/health_check".into(), json!("a7"));
        let Message::Health(report) = health().report("n/health".into(), Some(reply)) else {
            panic!("no health");
        };
        let messages = report.complete(&BrokerHealth::default(), &full());
        let [
            Message::Retained(Retained {
                topic,
                payload,
                delivery,
            }),
            Message::Response(answer),
        ] = &messages[..]
        else {
            panic!("{messages:?}");
        };
        assert_eq!(
            (topic.as_str(), *delivery),
            ("n/health", Delivery::AtMostOnce)
        );
        let said: Value = serde_json::from_slice(payload).unwrap();
        let expected = [
            "broker",
            "cameras",
            "clock",
            "cpu",
            "disk",
            "latency",
            "memory",
            "spool",
            "temperature_c",
            "time",
            "uptime_s",
            "version",
        ];
        assert_eq!(keys(&said), expected);
        assert_eq!(
            (&said["spool"]["state"], &said["broker"]["protocol"]),
            (&json!("no_room"), &Value::Null)
        );
        assert_eq!(
            (&said["latency"]["infer_ms"], &said["latency"]["decide_ms"]),
            (&json!(12.5), &Value::Null)
        );
        assert_eq!(said["cameras"][0]["rejected"], json!({"size": 1}));
        let Published { topic, payload } = answer;
        let answer: Value = serde_json::from_slice(payload).unwrap();
        assert_eq!(
            (topic.as_str(), &answer["transaction"]),
            ("r/health_check", &json!("a7"))
        );
        assert_eq!(answer["data"], said);
    }
}
