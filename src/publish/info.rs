//! What a node says of itself: which program, which cameras, which Profiles.

use std::sync::Arc;

use serde::Serialize;

use super::alert::shared;
use super::retained::retained;
use super::{Delivery, Message, ProfileIdentity};

/// What is said of the node on connect and on change. Never holds an address or a secret.
#[derive(Debug, Clone, Serialize)]
pub struct Info {
    /// Version of the program.
    pub version: &'static str,
    /// Schemas of the messages.
    pub schemas: [&'static str; 1],
    /// Identifier of this boot of the machine.
    #[serde(serialize_with = "shared")]
    pub boot_id: Arc<str>,
    /// When inspection began under this configuration, RFC 3339.
    pub started_at: String,
    /// The teacher's file, `sha256:...`.
    pub teacher: String,
    /// The cameras.
    pub cameras: Vec<InfoCamera>,
    /// Why the configuration that was offered last was not taken.
    pub last_reload_error: Option<String>,
}

/// What is said of a camera in [`Info`].
#[derive(Debug, Clone, Serialize)]
pub struct InfoCamera {
    /// Its name.
    pub name: String,
    /// The Profile that judges.
    #[serde(serialize_with = "shared")]
    pub profile: Arc<ProfileIdentity>,
    /// Why its former Profile was taken back when the daemon started.
    pub fallback: Option<String>,
}

impl Info {
    /// The message for `topic`.
    pub fn message(&self, topic: &str) -> Message {
        retained(topic, self, Delivery::AtLeastOnce)
    }
}
