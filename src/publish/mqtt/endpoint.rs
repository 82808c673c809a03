//! Where the broker is and how it is spoken to, made once from the configuration.
//!
//! What can be wrong in the configuration is wrong here, before the first connection. An endpoint
//! is shared by all lines to the broker. It keeps certificates and keys as they were when it was
//! made: one that was renewed on disk comes with a new endpoint.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use rumqttc::{TlsConfiguration, Transport};
use rustls::ClientConfig;
use tracing::warn;

use super::tls;
use crate::config::{Credentials, Issues, Mqtt, ProtocolChoice, Retry};

/// A broker.
#[derive(Clone)]
pub struct Endpoint {
    pub(in crate::publish) host: String,
    pub(in crate::publish) port: u16,
    pub(in crate::publish) credentials: Option<Credentials>,
    pub(in crate::publish) keep_alive: Duration,
    pub(in crate::publish) retry: Retry,
    pub(in crate::publish) protocol: ProtocolChoice,
    tls: Option<Arc<ClientConfig>>,
    /// In the broker's certificate, where it is not the host.
    pub(super) server_name: Option<String>,
    /// Whether the broker is shown a certificate of ours.
    pub(super) shows_certificate: bool,
}

impl Endpoint {
    /// Reads the certificates that `mqtt` names. `None` where one is at fault: then `issues` holds
    /// every fault, under its key.
    pub fn new(mqtt: &Mqtt, issues: &mut Issues) -> Option<Endpoint> {
        let tls = match &mqtt.tls {
            None => None,
            Some(tls) => Some(tls::configure(&mqtt.host, tls, issues)?),
        };
        let section = mqtt.tls.as_ref();
        Some(Endpoint {
            host: mqtt.host.clone(),
            port: mqtt.port,
            credentials: mqtt.credentials.clone(),
            keep_alive: mqtt.keep_alive,
            retry: mqtt.retry,
            protocol: mqtt.protocol,
            tls,
            server_name: section.and_then(|tls| tls.server_name.clone()),
            shows_certificate: section.is_some_and(|tls| tls.client.is_some()),
        })
    }

    /// Warns of a password that others on the network can read.
    pub(in crate::publish) fn warn_of_open_password(&self) {
        let has_password = self.credentials.as_ref();
        let has_password = has_password.is_some_and(|credentials| !credentials.password.is_empty());
        if has_password && !self.has_tls() && !is_loopback(&self.host) {
            warn!(
                host = self.host,
                "the password goes to the broker in the clear: everybody on the way can read it; \
                 set [mqtt.tls]"
            );
        }
    }

    pub(super) fn transport(&self) -> Transport {
        match &self.tls {
            None => Transport::tcp(),
            Some(config) => {
                Transport::tls_with_config(TlsConfiguration::Rustls(Arc::clone(config)))
            }
        }
    }

    pub(super) fn has_tls(&self) -> bool {
        self.tls.is_some()
    }
}

/// Whether what is sent to the host stays on this machine.
fn is_loopback(host: &str) -> bool {
    let address = host.parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_this_machine() {
        for host in ["localhost", "127.0.0.1", "127.8.0.1", "::1"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in [
            "localhost.example",
            "10.0.0.1",
            "broker",
            "127.0.0.1.nip.io",
        ] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
