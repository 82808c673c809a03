//! Incidents and states to messages, and messages to the broker.
//!
//! A [`Reporter`] turns what decide found about one camera into [`Message`]s, a pure step; the
//! [`Publisher`] is the far end of the pipeline and delivers them. Alerts are never dropped: they
//! wait in the outbox until the broker has acknowledged them, and a full outbox blocks the sender.
//! Of a retained message only the newest of a topic is kept. The wire format is the MQTT contract.

mod alert;
pub mod discovery;
mod mqtt;
mod outbox;
mod publisher;
mod reporter;
mod retained;
pub mod schema;
mod topics;
mod window;

pub use alert::{Alert, ProfileIdentity};
pub use outbox::Outbox;
pub use publisher::Publisher;
pub use reporter::{Info, InfoCamera, Reporter};
pub use topics::{CameraTopics, Control, Topics, Verb, homeassistant_config, homeassistant_status};

/// What the publisher is asked to deliver.
#[derive(Debug, Clone)]
pub enum Message {
    /// A change of an incident's phase; delivered at least once.
    Alert(Box<Alert>),
    /// How something is now; the newest of each topic is delivered.
    Retained(Retained),
    /// A successor takes over: what waits is given back at the end instead of being drained, so that
    /// a reload does not keep inspection waiting for an absent broker.
    HandOver,
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
mod stalling;
