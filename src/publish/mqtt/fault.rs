//! Faults of a connection for people: what was tried, what came of it, which key to look at.
//!
//! Functions of what the client reports, and, for certificates, of this machine's clock. They know no
//! version of MQTT; secrets are not here to be told.

use std::fmt;
use std::io;

use super::tls_fault::{self, Circumstances};
use super::{Cause, Endpoint, Loss, Protocol};
use crate::capture::Moment;

/// Whether the connection stood, what it spoke, to whom.
pub(super) type Broken<'a> = (bool, Protocol, &'a Endpoint);

/// `NotAuthorized` as `not authorized`.
pub(super) fn words(code: &impl fmt::Debug) -> String {
    let mut words = String::new();
    for letter in format!("{code:?}").replace("QoS", "Qos").chars() {
        if letter.is_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.extend(letter.to_lowercase());
    }
    words
}

pub(super) fn silent() -> String {
    "the broker takes the connection but does not answer".to_owned()
}

pub(super) fn mute() -> String {
    "the broker does not answer a ping".to_owned()
}

pub(super) fn stuck() -> Loss {
    Loss {
        reason: "the broker takes nothing more".to_owned(),
        cause: Cause::Line,
    }
}

pub(super) fn not_spoken(protocol: Protocol) -> String {
    format!("the broker does not speak MQTT {protocol}; see mqtt.protocol")
}

pub(super) fn bad_client_id() -> String {
    "the broker refuses our client identifier; change mqtt.client_id".to_owned()
}

pub(super) fn bad_password(endpoint: &Endpoint) -> String {
    if endpoint.credentials.is_some() {
        "the broker refuses user or password; check mqtt.username and mqtt.password_file".to_owned()
    } else {
        "the broker wants a user; set mqtt.username and mqtt.password_file".to_owned()
    }
}

pub(super) fn not_authorised(endpoint: &Endpoint) -> String {
    if endpoint.credentials.is_some() {
        "the broker does not let this user in; check mqtt.username, mqtt.password_file and the \
         broker's access rules"
            .to_owned()
    } else {
        "the broker lets nobody in without a user; set mqtt.username and mqtt.password_file"
            .to_owned()
    }
}

/// The broker closed the connection.
pub(super) fn closed((was_up, protocol, endpoint): Broken) -> (Cause, String) {
    if was_up {
        return (Cause::Line, "the broker closed the connection".to_owned());
    }
    let tls = match (endpoint.has_tls(), endpoint.shows_certificate) {
        (false, _) => ", or this port wants TLS: mqtt.tls",
        (true, false) => ", or it wants a certificate of us: mqtt.tls.cert_file",
        (true, true) => ", or it does not take our certificate: mqtt.tls.cert_file",
    };
    (
        Cause::Protocol,
        format!(
            "the broker closed the connection without an answer: it may not speak MQTT \
             {protocol}{tls}"
        ),
    )
}

/// What came is no MQTT.
pub(super) fn garbled(fault: &impl fmt::Display, (was_up, _, endpoint): Broken) -> (Cause, String) {
    if was_up || endpoint.has_tls() {
        return (Cause::Protocol, fault.to_string());
    }
    let reason = "the broker's first answer is no MQTT: this port may want TLS, see mqtt.tls";
    (Cause::Protocol, reason.to_owned())
}

/// A message came that is larger than `most`.
pub(super) fn too_large(bytes: usize, most: usize) -> (Cause, String) {
    let reason = format!("the broker sends a message of {bytes} bytes, we take {most} at most");
    (Cause::TooLarge, reason)
}

/// Reading or writing failed.
pub(super) fn reading(fault: &io::Error, line: Broken) -> (Cause, String) {
    use io::ErrorKind as Kind;
    // With TLS 1.3 the broker looks at our certificate after TLS stands for us.
    if let Some(fault) = tls_fault::within(fault) {
        return (Cause::Line, explain(fault, line.2));
    }
    match fault.kind() {
        Kind::UnexpectedEof | Kind::ConnectionReset | Kind::BrokenPipe => closed(line),
        _ => (Cause::Line, fault.to_string()),
    }
}

/// The connection was not made.
pub(super) fn connecting(fault: &io::Error) -> String {
    match fault.kind() {
        io::ErrorKind::ConnectionRefused => {
            "nobody listens there; does the broker run, are mqtt.host and mqtt.port right?"
                .to_owned()
        }
        _ => fault.to_string(),
    }
}

/// The connection was made, TLS was not.
pub(super) fn tls(fault: &rumqttc::TlsError, endpoint: &Endpoint) -> String {
    use io::ErrorKind as Kind;
    match fault {
        rumqttc::TlsError::TLS(fault) => explain(fault, endpoint),
        rumqttc::TlsError::Io(fault) => match tls_fault::within(fault) {
            Some(fault) => explain(fault, endpoint),
            None if matches!(fault.kind(), Kind::UnexpectedEof | Kind::ConnectionReset) => {
                tls_fault::no_tls()
            }
            None => fault.to_string(),
        },
        fault => fault.to_string(),
    }
}

fn explain(fault: &rustls::Error, endpoint: &Endpoint) -> String {
    let at = Circumstances::of(endpoint, Moment::now().synced);
    tls_fault::explain(fault, at)
}
