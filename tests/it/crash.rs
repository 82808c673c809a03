//! Kills without warning: of the daemon and of the broker, at random moments. What the journal calls
//! accepted arrives; repetitions are counted.

use std::collections::{HashMap, HashSet};
use std::thread;
use std::time::Duration;

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::broker::{Broker, Subscriber};
use crate::workshop::Workshop;

/// Reports of one incident as fast as frames come.
const STORM: &str = "fps = 20\n[camera.incident]\nupdate_every_s = 0.01";
const JSON_LOG: &str = "[log]\nformat = \"json\"\nlevel = \"debug\"\n[mqtt]";

/// With no more than so many alerts, nothing is shown.
const FEWEST: usize = 20;

/// What came of the alerts that were accepted.
#[derive(Debug)]
struct Outcome {
    accepted: usize,
    missing: Vec<String>,
    repeated: usize,
}

fn outcome(accepted: &HashSet<String>, subscriber: &Subscriber) -> Outcome {
    let mut times: HashMap<String, usize> = HashMap::new();
    let alerts = subscriber.seen.iter();
    for alert in alerts.filter(|r| r.topic.ends_with("/alert")) {
        let id = alert.json()["id"].as_str().unwrap().to_owned();
        *times.entry(id).or_default() += 1;
    }
    let missing = accepted.iter().filter(|id| !times.contains_key(*id));
    Outcome {
        accepted: accepted.len(),
        missing: missing.cloned().collect(),
        repeated: times.values().map(|n| n - 1).sum(),
    }
}

/// A camera that reports at every frame, to this broker.
fn storm(broker: &Broker) -> Workshop {
    let workshop = Workshop::new(broker.port);
    workshop.configure(&workshop.noise(), STORM);
    workshop.replace("[mqtt]", JSON_LOG);
    workshop
}

/// Kills the daemon so many times, or more where the machine is so busy that little was accepted, each round
/// with longer lives, since a start takes longer there; then one more start delivers what is left.
fn kill_the_daemon(kills: u32) -> Outcome {
    let broker = Broker::start();
    let mut subscriber = Subscriber::new(broker.port);
    let workshop = storm(&broker);
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let mut accepted = HashSet::new();
    for kill in 0..5 * kills {
        if kill >= kills && accepted.len() > FEWEST {
            break;
        }
        let daemon = workshop.start();
        let longest = 1500 * u64::from(1 + kill / kills);
        thread::sleep(Duration::from_millis(random.random_range(50..longest)));
        daemon.signal("KILL");
        accepted.extend(daemon.ended().reported());
    }
    deliver_the_rest(&workshop, &mut accepted, &mut subscriber);
    outcome(&accepted, &subscriber)
}

/// Kills the broker so many times under a daemon that goes on.
fn kill_the_broker(kills: u32) -> Outcome {
    let mut broker = Broker::start();
    let mut subscriber = Subscriber::new(broker.port);
    let workshop = storm(&broker);
    let mut random = ChaCha8Rng::seed_from_u64(11);
    let mut daemon = workshop.start();
    for _ in 0..kills {
        thread::sleep(Duration::from_millis(random.random_range(200..1200)));
        broker.kill();
        thread::sleep(Duration::from_millis(random.random_range(0..500)));
        broker.resume();
    }
    daemon.signal("TERM");
    assert_eq!(daemon.wait(30).code(), Some(0), "{}", daemon.log());
    let mut accepted: HashSet<String> = daemon.reported().into_iter().collect();
    deliver_the_rest(&workshop, &mut accepted, &mut subscriber);
    outcome(&accepted, &subscriber)
}

/// Starts the daemon on a normal picture, so that it has nothing to do but to deliver.
fn deliver_the_rest(
    workshop: &Workshop,
    accepted: &mut HashSet<String>,
    subscriber: &mut Subscriber,
) {
    workshop.configure(
        "{ kind = \"synthetic\", seed = 1, defects = false }",
        "fps = 2",
    );
    workshop.replace("[mqtt]", JSON_LOG);
    let mut daemon = workshop.start();
    let wanted = accepted.len();
    subscriber
        .wait(120, |seen| {
            let alerts = seen.iter().filter(|r| r.topic.ends_with("/alert"));
            let ids: HashSet<String> = alerts
                .map(|r| r.json()["id"].as_str().unwrap().to_owned())
                .collect();
            accepted.iter().filter(|id| ids.contains(*id)).count() == wanted
        })
        .unwrap_or_else(|_| eprintln!("not all alerts came within two minutes"));
    daemon.signal("TERM");
    assert_eq!(daemon.wait(30).code(), Some(0), "{}", daemon.log());
}

#[test]
fn a_daemon_killed_ten_times_loses_no_accepted_alert() {
    let outcome = kill_the_daemon(10);
    assert!(outcome.accepted > FEWEST, "{outcome:?}");
    assert_eq!(outcome.missing, Vec::<String>::new(), "{outcome:?}");
}

#[test]
fn a_broker_killed_five_times_loses_no_accepted_alert() {
    let outcome = kill_the_broker(5);
    assert!(outcome.accepted > FEWEST, "{outcome:?}");
    assert_eq!(outcome.missing, Vec::<String>::new(), "{outcome:?}");
}

#[test]
#[ignore = "takes minutes: cargo test --release --test it crash -- --ignored --nocapture"]
fn a_hundred_kills_of_the_daemon_and_thirty_of_the_broker() {
    for outcome in [kill_the_daemon(100), kill_the_broker(30)] {
        println!(
            "accepted {}, missing {}, repeated {}",
            outcome.accepted,
            outcome.missing.len(),
            outcome.repeated
        );
        assert_eq!(outcome.missing, Vec::<String>::new());
    }
}
