//! For the tests of the lines: a broker as configured, and one that is absent.

use std::sync::Arc;
use std::time::Duration;

use super::Endpoint;
use super::broker::free_port;
use crate::config::{Issues, Mqtt, Prefix, ProtocolChoice, Retry};

/// A broker on a port of this machine.
pub(super) fn mqtt(port: u16) -> Mqtt {
    Mqtt {
        enabled: true,
        host: "127.0.0.1".into(),
        port,
        prefix: Prefix::default(),
        client_id: "line".into(),
        credentials: None,
        keep_alive: Duration::from_secs(5),
        retry: Retry {
            min: Duration::from_secs(10),
            max: Duration::from_secs(60),
        },
        drain: Duration::ZERO,
        protocol: ProtocolChoice::Auto,
        tls: None,
    }
}

/// That broker, ready to be called.
pub(super) fn endpoint(mqtt: &Mqtt) -> Arc<Endpoint> {
    Arc::new(Endpoint::new(mqtt, &mut Issues::default()).unwrap())
}

/// One where nobody listens.
pub(super) fn absent() -> Arc<Endpoint> {
    endpoint(&mqtt(free_port()))
}
