//! TLS with certificates on both sides, and a broker that lets each node say only what is its own.
//! Whatever keeps us out is told in its own sentence, and no alert is lost by it.

use std::path::{Path, PathBuf};

use crate::authority::{Authority, ELSEWHERE, EXPIRED, GOOD, NOT_YET};
use crate::secure_broker::{NODE, Reader, SecureBroker, TLS};
use crate::workshop::{Daemon, Workshop};

#[track_caller]
fn end(mut daemon: Daemon) -> String {
    daemon.signal("TERM");
    assert_eq!(daemon.wait(30).code(), Some(0), "{}", daemon.log());
    daemon.log()
}

/// Runs a node whose rules allow it its own topics alone; gives its journal.
fn run_within_the_rules(protocol: &str) -> String {
    let broker = SecureBroker::start(&GOOD);
    let mut reader = Reader::new(&broker);
    let workshop = broker.workshop();
    workshop.replace("[mqtt]", &format!("[mqtt]\nprotocol = \"{protocol}\""));
    let daemon = workshop.start();
    reader.wait_for("five alerts", |reader| reader.alerts().len() >= 5);
    let own = |topic: &str| format!("inspectd/{NODE}/{topic}");
    for topic in ["availability", "info", "cam0/state", "cam0/availability"] {
        reader.wait_for(topic, |reader| {
            reader.seen.iter().any(|(seen, _)| *seen == own(topic))
        });
    }
    let spoken = format!("\"protocol\":\"{protocol}\"");
    daemon.wait_for_journal(40, |log| {
        log.lines()
            .any(|line| line.contains("connected to the broker") && line.contains(&spoken))
    });
    let reported = daemon.reported();
    reader.wait_for("all alerts of the journal", |reader| {
        let alerts = reader.alerts();
        reported.iter().all(|id| alerts.contains(id))
    });
    let strange = reader
        .seen
        .iter()
        .find(|(topic, _)| topic.starts_with("homeassistant/"));
    assert_eq!(strange, None, "the broker's rules hold");
    let log = end(daemon);
    assert!(!log.contains("\"ERROR\""), "{log}");
    log
}

#[test]
fn a_node_with_a_certificate_delivers_over_mqtt_5_and_tells_what_it_may_not_say() {
    let log = run_within_the_rules("5");
    let denied = log
        .lines()
        .find(|line| line.contains("the broker does not take this message"));
    let denied = denied.unwrap_or_else(|| panic!("{log}"));
    assert!(
        denied.contains("homeassistant/device/inspectd_press/config")
            && denied.contains("not authorized"),
        "{denied}"
    );
}

#[test]
fn a_node_with_a_certificate_delivers_over_mqtt_3_1_1() {
    // A 3.1.1 broker acknowledges what its rules forbid: there is nothing that could be told.
    run_within_the_rules("3.1.1");
}

/// Says whether this machine's clock counts as synchronised, as the daemon finds it.
fn clock_is_synced() -> bool {
    Path::new("/run/systemd/timesync/synchronized").exists()
}

/// Starts a node that can't connect, waits for this sentence in its journal and for three alerts,
/// and makes sure that it never connected.
fn kept_out(workshop: &Workshop, sentence: &str) -> Daemon {
    let daemon = workshop.start();
    daemon.wait_for_journal(40, |log| {
        log.contains("no connection to the broker") && log.contains(sentence)
    });
    daemon.wait_for_journal(40, |log| log.matches("\"incident\"").count() >= 3);
    assert!(
        !daemon.log().contains("connected to the broker"),
        "{}",
        daemon.log()
    );
    daemon
}

/// The alerts that waited in the spool at the end.
fn waited(log: &str) -> u64 {
    let lines = log
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let mut told = lines.filter_map(|line| line["alerts"].as_u64());
    told.next().unwrap_or_else(|| panic!("{log}"))
}

#[test]
fn a_strange_authority_keeps_us_out_until_a_reload_brings_the_right_one() {
    let broker = SecureBroker::start(&GOOD);
    let mut reader = Reader::new(&broker);
    let workshop = broker.workshop();
    let ca_file: PathBuf = workshop.folder.path().join("ca.crt");
    std::fs::write(&ca_file, Authority::new().pem()).unwrap();
    let daemon = kept_out(
        &workshop,
        "not from an authority that we trust; check mqtt.tls.ca_file",
    );
    let kept = daemon.reported();
    assert!(reader.alerts().is_empty());
    // The same path, another content: the configuration's text does not change.
    std::fs::write(&ca_file, broker.authority.pem()).unwrap();
    daemon.signal("HUP");
    reader.wait_for("the alerts that waited", |reader| {
        let alerts = reader.alerts();
        kept.iter().all(|id| alerts.contains(id))
    });
    end(daemon);
}

#[test]
fn a_certificate_that_is_renewed_while_connected_counts_from_the_next_connection_on() {
    let mut broker = SecureBroker::start(&GOOD);
    let workshop = broker.workshop();
    let daemon = workshop.start();
    let connected =
        |count| move |log: &str| log.matches("connected to the broker").count() >= count;
    // Two lines each time.
    daemon.wait_for_journal(40, connected(2));
    // A new authority for all; the connections stand and nobody notices yet.
    broker.authority = Authority::new();
    std::fs::write(broker.path().join("ca.crt"), broker.authority.pem()).unwrap();
    broker
        .authority
        .server(&GOOD)
        .write(broker.path(), "broker");
    broker
        .authority
        .client(NODE)
        .write(workshop.folder.path(), NODE);
    std::fs::write(
        workshop.folder.path().join("ca.crt"),
        broker.authority.pem(),
    )
    .unwrap();
    daemon.signal("HUP");
    daemon.wait_for_journal(40, |log| log.matches("\"inspecting\"").count() >= 2);
    assert_eq!(daemon.log().matches("connected to the broker").count(), 2);
    broker.resume();
    daemon.wait_for_journal(40, connected(4));
    end(daemon);
}

#[test]
fn an_expired_certificate_keeps_us_out() {
    let broker = SecureBroker::start(&EXPIRED);
    let workshop = broker.workshop();
    let log = end(kept_out(&workshop, "has expired on 2002-01-01"));
    assert!(waited(&log) >= 3, "{log}");
}

#[test]
fn a_certificate_of_the_future_keeps_us_out() {
    let broker = SecureBroker::start(&NOT_YET);
    let workshop = broker.workshop();
    let sentence = if clock_is_synced() {
        "the broker's certificate is not valid yet before 2190-01-01"
    } else {
        "the clock of this machine is not synchronised; alerts wait until it is"
    };
    let log = end(kept_out(&workshop, sentence));
    assert!(waited(&log) >= 3, "{log}");
}

#[test]
fn a_certificate_for_another_name_keeps_us_out_until_the_name_is_given() {
    let broker = SecureBroker::start(&ELSEWHERE);
    let workshop = broker.workshop();
    let sentence = "is not for 127.0.0.1 but for broker.plant.example, 10.9.8.7";
    let daemon = kept_out(&workshop, sentence);
    assert!(
        daemon.log().contains("mqtt.tls.server_name"),
        "{}",
        daemon.log()
    );
    let name = "[mqtt.tls]\nserver_name = \"broker.plant.example\"";
    workshop.replace("[mqtt.tls]", name);
    daemon.signal("HUP");
    daemon.wait_for_journal(40, |log| log.contains("connected to the broker"));
    end(daemon);
}

#[test]
fn a_node_without_a_certificate_is_kept_out() {
    for protocol in ["5", "3.1.1"] {
        let broker = SecureBroker::start(&GOOD);
        let workshop = broker.workshop();
        workshop.replace("cert_file = \"press.crt\"\nkey_file = \"press.key\"\n", "");
        workshop.replace("[mqtt]", &format!("[mqtt]\nprotocol = \"{protocol}\""));
        let sentence = "the broker wants a certificate of us; set mqtt.tls.cert_file";
        let log = end(kept_out(&workshop, sentence));
        assert!(waited(&log) >= 3, "{log}");
    }
}

#[test]
fn a_node_with_a_strangers_certificate_is_kept_out() {
    let broker = SecureBroker::start(&GOOD);
    let workshop = broker.workshop();
    let stranger = Authority::new().client(NODE);
    stranger.write(workshop.folder.path(), NODE);
    let log = end(kept_out(&workshop, "the broker refuses our certificate"));
    assert!(waited(&log) >= 3, "{log}");
}

#[test]
fn plain_tcp_to_a_port_that_wants_tls_is_told() {
    let broker = SecureBroker::start(&GOOD);
    let workshop = broker.workshop();
    workshop.replace(TLS, "");
    let log = end(kept_out(&workshop, "want"));
    let faults = log.lines().filter(|line| line.contains("no connection"));
    for fault in faults {
        assert!(
            fault.contains("wants TLS") || fault.contains("want TLS"),
            "{fault}"
        );
        assert!(fault.contains("mqtt.tls"), "{fault}");
    }
    assert!(waited(&log) >= 3, "{log}");
}

#[test]
fn tls_to_a_port_that_speaks_plain_mqtt_is_told() {
    let broker = crate::broker::Broker::start();
    let secure = SecureBroker::start(&GOOD);
    let workshop = secure.workshop();
    let port = |port| format!("port = {port}");
    workshop.replace(&port(secure.port), &port(broker.port));
    let log = end(kept_out(&workshop, "does not speak TLS; check mqtt.port"));
    assert!(waited(&log) >= 3, "{log}");
}

#[test]
fn check_tells_every_fault_of_the_certificates_at_once() {
    let workshop = Workshop::new(1);
    workshop.configure("{ kind = \"synthetic\" }", "");
    let there = workshop.folder.path();
    let authority = Authority::new();
    authority.client("a").write(there, "press");
    let (_, other) = authority.client("b").write(there, "other");
    std::fs::rename(other, there.join("press.key")).unwrap();
    std::fs::write(there.join("ca.crt"), "no certificate").unwrap();
    workshop.replace("[incident]", &format!("{TLS}[incident]"));
    for command in ["check", "run"] {
        let output = workshop.inspectd(&[command]);
        assert_eq!(output.status.code(), Some(78), "{command}");
        let text = String::from_utf8(output.stderr).unwrap();
        assert!(text.contains("has 2 faults"), "{text}");
        for fault in ["mqtt.tls.ca_file: ", "mqtt.tls.key_file: "] {
            assert!(text.contains(&format!("\n  {fault}")), "{text}");
        }
    }
}
