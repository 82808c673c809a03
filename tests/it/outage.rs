//! A broker that is late, killed, or never there: every alert in the journal arrives or is counted.

use std::collections::HashSet;
use std::thread;
use std::time::Duration;

use crate::broker::{Broker, Subscriber, free_port};
use crate::workshop::Workshop;

const DEFECTS: &str = "{ kind = \"synthetic\", seed = 1, defects = true }";
const JSON_LOG: &str = "[log]\nformat = \"json\"\nlevel = \"debug\"\n[mqtt]";

#[test]
fn a_broker_killed_in_the_middle_loses_no_alert_of_the_journal() {
    let mut broker = Broker::start();
    let mut subscriber = Subscriber::new(broker.port);
    let workshop = Workshop::new(broker.port);
    workshop.configure(DEFECTS, "fps = 25");
    workshop.replace("[mqtt]", JSON_LOG);
    let mut daemon = workshop.start();
    subscriber.wait_for_alerts(60, 1).unwrap();
    for round in 1..4 {
        broker.kill();
        thread::sleep(Duration::from_millis(700));
        broker.resume();
        subscriber.wait_for_alerts(60, 1 + 3 * round).unwrap();
    }
    daemon.signal("TERM");
    assert_eq!(daemon.wait(20).code(), Some(0), "{}", daemon.log());
    let reported = daemon.reported();
    assert!(reported.len() >= 10, "{reported:?}");
    subscriber.wait_for_alerts(20, reported.len()).unwrap();
    let alerts = subscriber.alerts();
    let got: HashSet<&str> = alerts.iter().map(|a| a["id"].as_str().unwrap()).collect();
    assert_eq!(got, reported.iter().map(String::as_str).collect());
    for received in subscriber
        .seen
        .iter()
        .filter(|r| r.topic.ends_with("/alert"))
    {
        let mut received = received.json();
        let mut first = alerts
            .iter()
            .find(|a| a["id"] == received["id"])
            .unwrap()
            .clone();
        for event in [&mut received, &mut first] {
            event["data"]["late"].take();
        }
        assert_eq!(received, first, "a repetition is the same but for `late`");
    }
}

#[test]
fn an_alert_that_waited_is_called_late_and_one_that_did_not_is_not() {
    let mut broker = Broker::start();
    let mut subscriber = Subscriber::new(broker.port);
    broker.stop();
    let workshop = Workshop::new(broker.port);
    workshop.configure(
        &workshop.noise(),
        "fps = 5\n[camera.incident]\nupdate_every_s = 1",
    );
    workshop.replace("[mqtt]", JSON_LOG);
    let mut daemon = workshop.start();
    while daemon.reported().len() < 8 {
        thread::sleep(Duration::from_millis(100));
        assert!(daemon.is_running(), "{}", daemon.log());
    }
    broker.resume();
    subscriber.wait_for_alerts(30, 8).unwrap();
    let first = &subscriber.alerts()[0]["data"];
    assert_eq!(
        (&first["phase"], &first["late"]),
        (&"opened".into(), &true.into())
    );
    subscriber
        .wait(30, |seen| {
            seen.iter()
                .any(|r| r.topic.ends_with("/alert") && r.json()["data"]["late"] == false)
        })
        .unwrap();
    daemon.signal("TERM");
    assert_eq!(daemon.wait(20).code(), Some(0), "{}", daemon.log());
}

#[test]
fn what_an_absent_broker_never_took_is_delivered_after_the_next_start() {
    let port = free_port();
    let workshop = Workshop::new(port);
    let storm = "fps = 5\n[camera.incident]\nupdate_every_s = 0.2";
    workshop.configure(&workshop.noise(), storm);
    workshop.replace("[mqtt]", JSON_LOG);
    let mut daemon = workshop.start();
    while daemon.reported().len() < 8 {
        thread::sleep(Duration::from_millis(100));
        assert!(daemon.is_running(), "{}", daemon.log());
    }
    daemon.signal("TERM");
    assert_eq!(daemon.wait(20).code(), Some(0), "{}", daemon.log());
    let reported = daemon.reported();
    let log = daemon.log();
    let waiting = format!("\"alerts\":{}", reported.len());
    assert!(log.contains("wait in the spool"), "{log}");
    assert!(log.contains(&waiting), "{log}");

    let broker = Broker::start_on(port);
    let mut subscriber = Subscriber::new(broker.port);
    workshop.configure("{ kind = \"synthetic\", seed = 1, frames = 30 }", "fps = 5");
    let mut daemon = workshop.start();
    subscriber.wait_for_alerts(30, reported.len()).unwrap();
    assert_eq!(daemon.wait(60).code(), Some(0), "{}", daemon.log());
    let alerts = subscriber.alerts();
    let got: Vec<&str> = alerts.iter().map(|a| a["id"].as_str().unwrap()).collect();
    assert_eq!(got[..reported.len()], reported, "in their order");
}
