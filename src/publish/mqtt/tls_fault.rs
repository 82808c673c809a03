//! Why TLS was not made, for people: which side refused what, and which key to look at.
//!
//! Pure functions of what the client reports, of what was asked of it, and of whether this machine's
//! clock can be believed. Certificates are named by their names and times alone.

use std::io;

use jiff::Timestamp;
use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError, Error};

use super::Endpoint;

/// What a fault of TLS is told under.
#[derive(Debug, Clone, Copy)]
pub(super) struct Circumstances<'a> {
    /// The name that the broker's certificate has to bear.
    name: &'a str,
    /// Whether we show a certificate.
    shows_certificate: bool,
    /// Whether this machine's clock is synchronised.
    clock_synced: bool,
}

impl<'a> Circumstances<'a> {
    /// Those of a broker, now.
    pub(super) fn of(endpoint: &'a Endpoint, clock_synced: bool) -> Circumstances<'a> {
        Circumstances {
            name: endpoint.server_name.as_deref().unwrap_or(&endpoint.host),
            shows_certificate: endpoint.shows_certificate,
            clock_synced,
        }
    }
}

/// The fault of TLS in a fault of the connection, where it is one.
pub(super) fn within(fault: &io::Error) -> Option<&Error> {
    fault.get_ref()?.downcast_ref()
}

/// What a fault of TLS means.
pub(super) fn explain(fault: &Error, at: Circumstances) -> String {
    match fault {
        Error::InvalidCertificate(fault) => certificate(fault, at),
        Error::AlertReceived(alert) => alerted(*alert, at),
        Error::InvalidMessage(_) => no_tls(),
        fault => format!("no TLS with the broker: {fault}"),
    }
}

/// The other side speaks something else.
pub(super) fn no_tls() -> String {
    "this port of the broker does not speak TLS; check mqtt.port (with TLS it is mostly 8883), or \
     remove [mqtt.tls]"
        .to_owned()
}

/// What we find wrong with the broker's certificate.
fn certificate(fault: &CertificateError, at: Circumstances) -> String {
    use CertificateError as Fault;
    match fault {
        Fault::UnknownIssuer | Fault::BadSignature => {
            "the broker's certificate is not from an authority that we trust; check \
             mqtt.tls.ca_file"
                .to_owned()
        }
        Fault::Expired => expired(None, at),
        Fault::ExpiredContext { not_after, .. } => expired(Some(*not_after), at),
        Fault::NotValidYet => not_valid_yet(None, at),
        Fault::NotValidYetContext { not_before, .. } => not_valid_yet(Some(*not_before), at),
        Fault::NotValidForName => other_name(&[], at),
        Fault::NotValidForNameContext { presented, .. } => other_name(presented, at),
        Fault::InvalidPurpose | Fault::InvalidPurposeContext { .. } => {
            "the broker's certificate is not meant for a server; it needs the extended key usage \
             serverAuth"
                .to_owned()
        }
        // Known by no other name: `webpki::Error` of the verifier is not ours to match.
        Fault::Other(other) if format!("{other:?}").contains("CaUsedAsEndEntity") => {
            "the broker's certificate is that of an authority; give the broker one of its own, \
             signed by that authority (CA:FALSE)"
                .to_owned()
        }
        fault => format!("the broker's certificate can't be used: {fault}"),
    }
}

fn expired(not_after: Option<UnixTime>, at: Circumstances) -> String {
    let clock = if at.clock_synced {
        ""
    } else {
        ", unless this machine's clock is wrong: it is not synchronised"
    };
    let when = day(not_after).map(|day| format!(" on {day}"));
    format!(
        "the broker's certificate has expired{}; it has to be renewed{clock}",
        when.unwrap_or_default()
    )
}

fn not_valid_yet(not_before: Option<UnixTime>, at: Circumstances) -> String {
    if !at.clock_synced {
        return "the clock of this machine is not synchronised; alerts wait until it is (by it, \
                the broker's certificate is not valid yet)"
            .to_owned();
    }
    let from = day(not_before).map(|day| format!(" before {day}"));
    format!(
        "the broker's certificate is not valid yet{}; it has to be replaced",
        from.unwrap_or_default()
    )
}

/// A time as a date, where it is one.
fn day(time: Option<UnixTime>) -> Option<String> {
    let seconds = i64::try_from(time?.as_secs()).ok()?;
    let time = Timestamp::from_second(seconds).ok()?;
    Some(time.strftime("%Y-%m-%d").to_string())
}

fn other_name(presented: &[String], at: Circumstances) -> String {
    let name = at.name;
    if presented.is_empty() {
        return format!(
            "the broker's certificate bears no name at all, we look for {name}; it needs a \
             subjectAltName"
        );
    }
    let presented: Vec<&str> = presented.iter().map(|name| plain(name)).collect();
    format!(
        "the broker's certificate is not for {name} but for {}; check mqtt.host, or name the right \
         one in mqtt.tls.server_name",
        presented.join(", ")
    )
}

/// `DnsName("broker")` as `broker`.
fn plain(name: &str) -> &str {
    let inner = name
        .split_once('(')
        .and_then(|(_, rest)| rest.strip_suffix(')'));
    inner.unwrap_or(name).trim_matches('"')
}

/// What the broker finds wrong with us.
fn alerted(alert: AlertDescription, at: Circumstances) -> String {
    use AlertDescription as Alert;
    let is_about_us = matches!(
        alert,
        Alert::CertificateRequired
            | Alert::NoCertificate
            | Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::UnknownCA
            | Alert::AccessDenied
            | Alert::DecryptError
    );
    if is_about_us && at.shows_certificate {
        let reason = super::fault::words(&alert);
        return format!(
            "the broker refuses our certificate ({reason}); check mqtt.tls.cert_file, and whom the \
             broker trusts"
        );
    }
    match alert {
        // With TLS 1.2 a missing certificate is told as a failed handshake.
        Alert::HandshakeFailure if !at.shows_certificate => wants_certificate(),
        _ if is_about_us => wants_certificate(),
        Alert::ProtocolVersion => {
            "the broker speaks no TLS 1.2 or 1.3; it needs a newer version".to_owned()
        }
        alert => format!(
            "the broker refuses TLS with us ({})",
            super::fault::words(&alert)
        ),
    }
}

fn wants_certificate() -> String {
    "the broker wants a certificate of us; set mqtt.tls.cert_file and mqtt.tls.key_file".to_owned()
}

#[cfg(test)]
#[path = "tls_fault_tests.rs"]
mod tests;
