//! Home Assistant: it finds the node by itself, finds it again after its own restart, and loses it
//! where discovery is turned off.

use crate::broker::{Broker, Received, Subscriber};
use crate::workshop::Workshop;

const ENDLESS: &str = "{ kind = \"synthetic\", seed = 1, defects = false }";
const DEVICE: &str = "homeassistant/device/inspectd_press/config";

fn descriptions(seen: &[Received]) -> impl Iterator<Item = &Received> {
    seen.iter().filter(|r| r.topic == DEVICE)
}

#[test]
fn a_home_assistant_that_starts_anew_is_told_again_and_one_that_wants_nothing_is_told_so() {
    let broker = Broker::start();
    let mut subscriber = Subscriber::new(broker.port);
    let workshop = Workshop::new(broker.port);
    workshop.configure(ENDLESS, "fps = 5");
    let mut daemon = workshop.start();
    subscriber
        .wait_for(60, "inspectd/press/cam0/availability", "online")
        .unwrap();
    subscriber
        .wait(10, |seen| descriptions(seen).count() == 1)
        .unwrap();
    let device = descriptions(&subscriber.seen).next().unwrap().json();
    let topics = [
        ("cam0.anomaly", "state_topic", "inspectd/press/cam0/state"),
        (
            "cam0.enabled",
            "command_topic",
            "inspectd/press/cam0/enabled/set",
        ),
    ];
    for (component, key, topic) in topics {
        assert_eq!(device["components"][component][key], topic, "{device:#}");
    }

    subscriber.say("homeassistant/status", "offline");
    subscriber.say("homeassistant/status", "online");
    subscriber
        .wait(10, |seen| descriptions(seen).count() == 2)
        .unwrap();

    workshop.replace(
        "[incident]",
        "[homeassistant]\ndiscovery = false\n[incident]",
    );
    daemon.signal("HUP");
    subscriber
        .wait(20, |seen| descriptions(seen).any(|r| r.bytes.is_empty()))
        .unwrap();
    daemon.signal("TERM");
    assert_eq!(daemon.wait(20).code(), Some(0), "{}", daemon.log());
    let mut late = Subscriber::new(broker.port);
    late.wait_for(10, "inspectd/press/availability", "offline")
        .unwrap();
    assert_eq!(descriptions(&late.seen).count(), 0, "the broker keeps none");
}
