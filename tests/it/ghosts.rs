//! What a node leaves at the broker where its configuration has changed, by a reload or by a restart: nothing of
//! a camera that is gone, nor of a name that it had. What others say there stays.

use crate::broker::patience::wait_until;
use crate::broker::{Broker, Received, Subscriber};
use crate::workshop::{Daemon, Workshop};

const QUIET: &str = "{ kind = \"synthetic\", seed = 1, defects = false }";
const STATE: &str = "inspectd/press/cam0/state";

/// What the broker keeps, once it says what is new.
fn kept(port: u16, new: &str) -> Vec<Received> {
    let mut late = Subscriber::new(port);
    let is_new = |r: &Received| r.topic == new && !r.retained;
    late.wait(20, |seen| seen.iter().any(is_new)).unwrap();
    late.seen.retain(|r| r.retained);
    std::mem::take(&mut late.seen)
}

/// The topics that the broker keeps below a level.
fn topics_below(level: &str, port: u16, new: &str) -> Vec<String> {
    let kept = kept(port, new).into_iter().map(|r| r.topic);
    kept.filter(|topic| topic.starts_with(level)).collect()
}

/// Waits until each of these is emptied after what was seen by then.
fn wait_until_emptied(subscriber: &mut Subscriber, topics: &[String], from: usize) {
    let is_emptied = |seen: &[Received], topic: &String| {
        let mut later = seen.iter().skip(from);
        later.any(|r| r.topic == *topic && r.bytes.is_empty())
    };
    let are_emptied = |seen: &[Received]| topics.iter().all(|topic| is_emptied(seen, topic));
    subscriber.wait(30, are_emptied).unwrap();
}

fn stop(daemon: &mut Daemon) {
    daemon.signal("TERM");
    assert_eq!(daemon.wait(20).code(), Some(0), "{}", daemon.log());
}

/// Waits until a camera is seen.
fn wait_for_state(subscriber: &mut Subscriber, topic: &str) {
    let is_said = |seen: &[Received]| seen.iter().any(|r| r.topic == topic && !r.bytes.is_empty());
    subscriber.wait(60, is_said).unwrap();
}

#[test]
fn a_camera_that_a_restart_leaves_out_is_taken_off_a_broker_that_comes_later_and_no_other_is() {
    let mut broker = Broker::start();
    let port = broker.port;
    let mut subscriber = Subscriber::new(port);
    // Another board that has our name.
    let foreign = "inspectd/press/cam7/availability";
    subscriber.keep(foreign, "online");
    let workshop = Workshop::new(port);
    let both = [("cam0", QUIET, "fps = 5"), ("cam1", QUIET, "fps = 5")];
    workshop.configure_all(&both);
    let mut daemon = workshop.start();
    wait_for_state(&mut subscriber, STATE);
    wait_for_state(&mut subscriber, "inspectd/press/cam1/state");
    let gone = "inspectd/press/cam1/";
    let former = topics_below(gone, port, STATE);
    assert!(former.len() >= 6, "{former:?}");
    stop(&mut daemon);
    broker.stop();
    workshop.configure_all(&both[..1]);
    // Nobody hears the first of these.
    let mut daemon = workshop.start();
    daemon.wait_for_journal(60, |log| log.contains("inspecting"));
    stop(&mut daemon);
    let mut daemon = workshop.start();
    daemon.wait_for_journal(60, |log| log.contains("inspecting"));
    broker.resume();
    // By what it keeps: who was subscribed before may come back after a message of QoS 0.
    let left = || topics_below(gone, port, STATE);
    wait_until(
        30,
        || format!("{:?} are left", left()),
        || left().is_empty(),
    );
    let kept = kept(port, STATE);
    let others: Vec<&str> = kept.iter().map(|r| r.topic.as_str()).collect();
    for topic in [foreign, STATE, "inspectd/press/info"] {
        assert!(others.contains(&topic), "{topic} is not among {others:?}");
    }
    stop(&mut daemon);
}

#[test]
fn a_node_that_a_restart_renames_leaves_nothing_under_its_former_name_not_even_its_will() {
    let broker = Broker::start();
    let port = broker.port;
    let mut subscriber = Subscriber::new(port);
    let workshop = Workshop::new(port);
    workshop.configure(QUIET, "fps = 5");
    let daemon = workshop.start();
    wait_for_state(&mut subscriber, STATE);
    let mut former = topics_below("inspectd/press/", port, STATE);
    assert!(former.len() >= 9, "{former:?}");
    former.push("homeassistant/device/inspectd_press/config".to_owned());
    daemon.signal("KILL");
    subscriber
        .wait_for(15, "inspectd/press/availability", "offline")
        .unwrap();
    drop(daemon);
    workshop.replace("name = \"press\"", "name = \"mill\"");
    let from = subscriber.seen.len();
    let mut daemon = workshop.start();
    wait_until_emptied(&mut subscriber, &former, from);
    let kept = kept(port, "inspectd/mill/cam0/state");
    let left = kept.iter().find(|r| r.topic.contains("press"));
    assert_eq!(left, None);
    stop(&mut daemon);
}

#[test]
fn a_node_that_a_reload_renames_closes_its_incidents_and_leaves_nothing_behind() {
    let broker = Broker::start();
    let port = broker.port;
    let mut subscriber = Subscriber::new(port);
    let workshop = Workshop::new(port);
    workshop.configure(&workshop.noise(), "fps = 5");
    let mut daemon = workshop.start();
    subscriber.wait_for_alerts(60, 1).unwrap();
    let former = topics_below("inspectd/press/", port, STATE);
    workshop.replace("name = \"press\"", "name = \"mill\"");
    let from = subscriber.seen.len();
    daemon.signal("HUP");
    wait_for_state(&mut subscriber, "inspectd/mill/cam0/state");
    wait_until_emptied(&mut subscriber, &former, from);
    let is_closed = |seen: &[Received]| {
        let alerts = seen
            .iter()
            .filter(|r| r.topic == "inspectd/press/cam0/alert");
        let mut phases = alerts.map(|r| r.json()["data"]["phase"].clone());
        phases.any(|phase| phase == "closed")
    };
    subscriber.wait(10, is_closed).unwrap();
    // The word of the line that was closed comes before it is taken off for good.
    let is_last = |seen: &[Received]| {
        let mut words = seen
            .iter()
            .filter(|r| r.topic == "inspectd/press/availability");
        words.next_back().is_some_and(|r| r.bytes.is_empty())
    };
    subscriber.wait(10, is_last).unwrap();
    let kept = kept(port, "inspectd/mill/cam0/state");
    let left = kept.iter().find(|r| r.topic.contains("press"));
    assert_eq!(left, None);
    stop(&mut daemon);
}
