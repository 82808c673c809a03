//! Incidents and states to messages, and messages to the broker.
//!
//! A [`Reporter`] turns what decide found about one camera into [`Message`]s, a pure step; the
//! [`Publisher`] is the far end of the pipeline and delivers them. Alerts are never dropped: they
//! wait in the spool, on disk, until the broker has acknowledged them. Of a retained message only
//! the newest of a topic is kept. The wire format is the MQTT contract.

mod alert;
mod alert_line;
mod caution;
mod denials;
pub mod discovery;
mod flapping;
mod health;
mod info;
mod journal;
mod late;
mod line;
mod lines;
mod live_line;
mod machine;
mod measured;
mod media;
mod mqtt;
mod packet;
mod pages;
mod presence;
mod publisher;
mod ration;
mod reporter;
mod request;
mod response;
mod retained;
pub mod schema;
mod settings;
mod sink;
mod spool;
mod state;
mod suspicion;
mod told;
mod topics;
mod window;

pub use alert::{Alert, ProfileIdentity};
pub use health::{
    BrokerHealth, CameraHealth, Health, HealthReport, Latency, SpoolHealth, SpoolState,
};
pub use info::{Info, InfoCamera};
pub use machine::{Machine, Readings, temperature};
pub use media::{Media, MediaNames};
pub use mqtt::{Endpoint, Protocol};
pub use publisher::{Left, Publisher};
pub use ration::Ration;
pub use reporter::Reporter;
#[cfg(test)]
pub(crate) use reporter::tests as camera;
pub use request::{
    Feedback, Heard, Hush, MAX_REQUEST, Position, Refusal, Request, Setting, Verdict,
};
pub use response::Reply;
pub use settings::{HomeAssistantTopics, Settings};
pub use spool::{Folder, Limits, Spool, SpoolError, State, Status};
pub use told::Told;
pub use topics::{CameraTopics, Control, Topics, Verb, homeassistant_config, homeassistant_status};

/// What the publisher is asked to deliver.
#[derive(Debug, Clone)]
pub enum Message {
    /// A change of an incident's phase; delivered at least once.
    Alert(Box<Alert>),
    /// How something is now; the newest of each topic is delivered.
    Retained(Retained),
    /// The answer to a request; lost with the line, like the request.
    Response(Published),
    /// How the node is; the publisher adds what it alone knows, and the newest is delivered.
    Health(Box<HealthReport>),
    /// A reload: how to go on.
    Settings(Box<Settings>),
    /// The same under other topics, and the last words under the former ones, which take them off the broker.
    Renamed(Box<Settings>, Vec<Retained>),
    /// The topics on which controls are set: of these the newest message reaches the supervisor, however
    /// long it is away.
    Controls(Vec<String>),
}

/// A message as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incoming {
    /// The whole topic.
    pub topic: String,
    /// The payload.
    pub payload: Vec<u8>,
    /// Whether the broker had kept it.
    pub retained: bool,
}

/// A retained message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retained {
    /// The whole topic.
    pub topic: String,
    /// The payload.
    pub payload: Vec<u8>,
    /// How sure its delivery is.
    pub delivery: Delivery,
}

/// A message that is not retained; QoS 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Published {
    /// The whole topic.
    pub topic: String,
    /// The payload.
    pub payload: Vec<u8>,
}

/// How sure a delivery is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// QoS 0: lost with the connection; for what is said anew each second.
    AtMostOnce,
    /// QoS 1: until the broker acknowledges.
    AtLeastOnce,
}

#[cfg(test)]
#[path = "../../tests/it/broker.rs"]
pub(crate) mod broker;

#[cfg(test)]
mod faulty;

#[cfg(test)]
mod line_fixture;
