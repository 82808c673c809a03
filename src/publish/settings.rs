//! What a publisher goes by, made once from a configuration and anew at each reload.

use std::fmt;
use std::sync::Arc;

use super::Topics;
use super::mqtt::Endpoint;
use super::spool::Limits;
use crate::config;

/// How, where to and as whom is published.
#[derive(Clone)]
pub struct Settings {
    /// The broker as configured, ...
    pub mqtt: config::Mqtt,
    /// ... and ready to be called; `None` where there is none.
    pub endpoint: Option<Arc<Endpoint>>,
    /// The node's topics.
    pub topics: Topics,
    /// Identifier of this boot of the machine.
    pub boot_id: Arc<str>,
    /// What may wait.
    pub limits: Limits,
    /// The second sink.
    pub sink: Option<config::Sink>,
    /// What others may tell us.
    pub subscriptions: Vec<String>,
    /// Says that Home Assistant has started, and wants to hear of us again on the other topic.
    pub home_assistant: Option<HomeAssistantTopics>,
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("mqtt", &self.mqtt)
            .field("topics", &self.topics)
            .finish_non_exhaustive()
    }
}

/// Where Home Assistant and we find each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HomeAssistantTopics {
    /// Its birth message.
    pub status: String,
    /// Our discovery message.
    pub discovery: String,
}
