//! Each refusal, brought about for real, and what is told of it.

use std::sync::Arc;

use super::super::authority::{Authority, ELSEWHERE, EXPIRED, GOOD, NOT_YET, Signed, Wanted};
use super::super::handshake::shake;
use super::super::tls;
use super::*;
use crate::config::{ClientCertificate, Issues, Tls};

const AT: Circumstances = Circumstances {
    name: "localhost",
    shows_certificate: false,
    clock_synced: true,
};

/// Calls a broker with this certificate, trusting one authority.
fn call(
    trusted: &Authority,
    broker: &Signed,
    wants: Option<&Authority>,
    client: Option<&Signed>,
) -> Error {
    let folder = tempfile::tempdir().unwrap();
    let ca_file = folder.path().join("ca");
    std::fs::write(&ca_file, trusted.pem()).unwrap();
    let tls = Tls {
        ca_file: Some(ca_file),
        client: client.map(|client| {
            let (cert_file, key_file) = client.write(folder.path(), "client");
            ClientCertificate {
                cert_file,
                key_file,
            }
        }),
        server_name: None,
    };
    let config = tls::configure("localhost", &tls, &mut Issues::default()).unwrap();
    shake(Arc::clone(&config), broker, wants).unwrap_err()
}

/// What is told where the broker shows a certificate like this.
fn told(wanted: &Wanted, at: Circumstances) -> String {
    let authority = Authority::new();
    let fault = call(&authority, &authority.server(wanted), None, None);
    explain(&fault, at)
}

#[test]
fn a_strange_authority_is_told_with_the_key_to_look_at() {
    let strange = Authority::new().server(&GOOD);
    let told = explain(&call(&Authority::new(), &strange, None, None), AT);
    assert!(
        told.contains("not from an authority that we trust"),
        "{told}"
    );
    assert!(told.contains("mqtt.tls.ca_file"), "{told}");
}

#[test]
fn an_expired_certificate_is_told_with_its_last_day() {
    let told_now = told(&EXPIRED, AT);
    assert!(told_now.contains("has expired on 2002-01-01"), "{told_now}");
    assert!(!told_now.contains("clock"), "{told_now}");
    let unsure = Circumstances {
        clock_synced: false,
        ..AT
    };
    let told = told(&EXPIRED, unsure);
    assert!(told.contains("it is not synchronised"), "{told}");
}

#[test]
fn a_certificate_of_the_future_is_the_clocks_fault_until_the_clock_is_set() {
    let told_now = told(&NOT_YET, AT);
    assert!(
        told_now.contains("not valid yet before 2190-01-01"),
        "{told_now}"
    );
    let unsure = Circumstances {
        clock_synced: false,
        ..AT
    };
    let told = told(&NOT_YET, unsure);
    let sentence = "the clock of this machine is not synchronised; alerts wait until it is";
    assert!(told.starts_with(sentence), "{told}");
}

#[test]
fn a_wrong_name_is_told_with_the_names_there_are() {
    let told = told(&ELSEWHERE, AT);
    let sentence = "is not for localhost but for broker.plant.example, 10.9.8.7;";
    assert!(told.contains(sentence), "{told}");
    assert!(told.contains("mqtt.tls.server_name"), "{told}");
}

#[test]
fn a_certificate_without_names_is_told_what_it_lacks() {
    let wanted = Wanted { names: &[], ..GOOD };
    let told = told(&wanted, AT);
    assert!(told.contains("bears no name at all"), "{told}");
}

#[test]
fn a_certificate_of_another_purpose_is_told() {
    let authority = Authority::new();
    let told = explain(&call(&authority, &authority.client("x"), None, None), AT);
    assert!(told.contains("serverAuth"), "{told}");
}

#[test]
fn a_broker_that_is_its_own_authority_is_told_apart() {
    let authority = Authority::new();
    let told = explain(&call(&authority, &authority.itself(), None, None), AT);
    assert!(told.contains("is that of an authority"), "{told}");
}

#[test]
fn a_broker_that_wants_our_certificate_says_so() {
    let authority = Authority::new();
    let broker = authority.server(&GOOD);
    let told = explain(&call(&authority, &broker, Some(&authority), None), AT);
    assert!(told.contains("wants a certificate of us"), "{told}");
    assert!(told.contains("mqtt.tls.cert_file"), "{told}");
}

#[test]
fn a_broker_that_refuses_our_certificate_says_so() {
    let authority = Authority::new();
    let broker = authority.server(&GOOD);
    let strange = Authority::new().client("press");
    let fault = call(&authority, &broker, Some(&authority), Some(&strange));
    let at = Circumstances {
        shows_certificate: true,
        ..AT
    };
    let told = explain(&fault, at);
    assert!(told.contains("refuses our certificate"), "{told}");
    assert!(told.contains("mqtt.tls.cert_file"), "{told}");
}

#[test]
fn every_alert_has_a_sentence_and_none_is_empty_of_sense() {
    for code in 0..=u8::MAX {
        for shows_certificate in [false, true] {
            let at = Circumstances {
                shows_certificate,
                ..AT
            };
            let told = explain(&Error::AlertReceived(AlertDescription::from(code)), at);
            assert!(told.starts_with("the broker "), "{told}");
        }
    }
}

#[test]
fn names_are_told_plainly_whatever_they_look_like() {
    for (name, expected) in [
        ("DnsName(\"broker\")", "broker"),
        ("IpAddress(10.0.0.1)", "10.0.0.1"),
        ("broker", "broker"),
        ("(", "("),
        ("", ""),
    ] {
        assert_eq!(plain(name), expected, "{name}");
    }
}
