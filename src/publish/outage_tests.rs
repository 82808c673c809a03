//! The publisher through long and ugly outages: a broker whose faults are drawn from seeds, and a
//! day without one.

use std::collections::HashSet;
use std::sync::Mutex;
use std::time::Instant;

use super::fixture::{Desk, NOTHING_LEFT, alerts, id};
use super::*;
use crate::config::{ProtocolChoice, Retry};
use crate::publish::broker::{Broker, Subscriber};
use crate::publish::faulty::{Chance, Faults, Faulty, Publish, Speaks};

/// What became of the alerts of one seed.
#[derive(Debug, Default)]
struct Outcome {
    seed: u64,
    faults: Faults,
    missing: Vec<String>,
    /// Deliveries beyond the first.
    duplicates: usize,
    connections: usize,
    starts: usize,
    left: u64,
    quarantined: u64,
    lost: u64,
}

/// A mixture of faults: each is there or not, and rare or frequent.
fn draw(seed: u64) -> (Faults, ProtocolChoice) {
    let mut chance = Chance(seed);
    let mut rate = |most: f64| {
        let is_there = chance.is(0.5);
        let rate = most * chance.draw();
        if is_there { rate } else { 0.0 }
    };
    let mut faults = Faults {
        drop_at_connect: rate(0.5),
        refuse: rate(0.5),
        reset_reading: rate(0.05),
        reset_writing: rate(0.05),
        dismiss: rate(0.03),
        half_open: rate(0.004),
        mute: rate(0.01),
        late: rate(0.5),
        later: rate(0.05),
        twice: rate(0.02),
        unknown: rate(0.02),
        ..Faults::default()
    };
    if chance.is(0.3) {
        faults.receive_maximum = Some(1 + (chance.draw() * 8.0) as u16);
        // A packet id that comes round at once makes a second PUBACK one for the next message: the
        // broker would say that it has what it has not.
        faults.twice = 0.0;
    }
    if chance.is(0.3) {
        faults.largest_packet = Some(8 * 1024);
    }
    let protocol = [ProtocolChoice::Auto, ProtocolChoice::V5, ProtocolChoice::V3]
        [(chance.draw() * 3.0) as usize];
    if protocol == ProtocolChoice::Auto {
        faults.speaks =
            [Speaks::Both, Speaks::V3, Speaks::V3AndCloses][(chance.draw() * 3.0) as usize];
    }
    (faults, protocol)
}

/// Alerts through a faulty broker until it has acknowledged all, and a stop.
fn survive(seed: u64, incidents: u64) -> Outcome {
    let (faults, protocol) = draw(seed);
    let broker = Faulty::start(seed, faults.clone());
    let mut desk = Desk::new(broker.port);
    // Half-open connections and missing PUBACKs cost twice that.
    desk.keep_alive = Duration::from_millis(150);
    let (min, max) = (Duration::from_millis(2), Duration::from_millis(20));
    desk.retry = Retry { min, max };
    desk.protocol = protocol;
    let messages = alerts(incidents);
    let expected: HashSet<String> = messages.iter().map(id).collect();
    let (sender, publisher) = desk.open();
    for message in messages {
        sender.send(message).unwrap();
    }
    let acknowledged = |seen: &[Publish]| -> HashSet<String> {
        let alerts = seen.iter().filter(|p| p.is_alert() && p.acknowledged);
        alerts.map(Publish::id).collect()
    };
    let is_all = |seen: &[Publish]| seen.len() >= expected.len() && acknowledged(seen) == expected;
    let _ = broker.wait(Duration::from_secs(40), is_all);
    drop(sender);
    let mut left = publisher.join().unwrap();
    let (mut starts, quarantined) = (1, left.quarantined);
    // What the broker has taken must be forgotten before long; the drain may end in a pause.
    while left.spooled > 0 && starts < 100 {
        let (sender, publisher) = desk.open();
        std::thread::sleep(Duration::from_millis(100));
        drop(sender);
        left = publisher.join().unwrap();
        starts += 1;
    }
    let seen = broker.alerts();
    let taken = acknowledged(&seen);
    Outcome {
        seed,
        faults,
        missing: expected.difference(&taken).cloned().collect(),
        duplicates: seen.len().saturating_sub(expected.len()),
        connections: broker.connections(),
        starts,
        left: left.spooled,
        quarantined: quarantined + left.quarantined,
        lost: left.lost,
    }
}

/// Many seeds, a few at a time: most of their time is waiting.
fn survive_all(seeds: std::ops::Range<u64>, incidents: u64) {
    const AT_A_TIME: usize = 10;
    let seeds = Mutex::new(seeds);
    let outcomes = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_A_TIME {
            scope.spawn(|| {
                loop {
                    let Some(seed) = seeds.lock().unwrap().next() else {
                        return;
                    };
                    let outcome = survive(seed, incidents);
                    let Outcome {
                        seed,
                        starts,
                        faults,
                        ..
                    } = &outcome;
                    println!("seed {seed}, {starts} starts: {faults:?}");
                    outcomes.lock().unwrap().push(outcome);
                }
            });
        }
    });
    let outcomes = outcomes.into_inner().unwrap();
    let sum = |count: fn(&Outcome) -> usize| outcomes.iter().map(count).sum::<usize>();
    println!(
        "{} seeds, {} alerts each: {} missing, {} duplicates, {} connections, {} in quarantine",
        outcomes.len(),
        2 * incidents,
        sum(|o| o.missing.len()),
        sum(|o| o.duplicates),
        sum(|o| o.connections),
        sum(|o| o.quarantined as usize),
    );
    for outcome in &outcomes {
        assert!(outcome.missing.is_empty(), "{outcome:?}");
        assert_eq!((outcome.left, outcome.lost), (0, 0), "{outcome:?}");
        assert_eq!(outcome.quarantined, 0, "innocent: {outcome:?}");
    }
    assert!(
        sum(|o| o.connections) > 10 * outcomes.len(),
        "hardly a fault"
    );
}

#[test]
fn every_alert_arrives_at_a_broker_with_any_mixture_of_faults() {
    survive_all(0..20, 250);
}

#[test]
#[ignore = "takes minutes: cargo test --release --lib any_mixture -- --ignored --nocapture"]
fn every_alert_arrives_with_any_mixture_of_faults_of_two_hundred_seeds() {
    survive_all(1000..1200, 250);
}

/// Processor time of this process, in seconds, and its memory, in bytes.
fn cost() -> (f64, u64) {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let (_, fields) = stat.rsplit_once(") ").unwrap();
    let fields: Vec<&str> = fields.split(' ').collect();
    // utime and stime in ticks of 10 ms (proc(5), fields 14 and 15).
    let ticks: u64 = fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap();
    let statm = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = statm.split(' ').nth(1).unwrap().parse().unwrap();
    (ticks as f64 / 100.0, pages * 4096)
}

#[test]
#[ignore = "measures for a minute: cargo test --release --lib a_day -- --ignored --nocapture"]
fn a_day_without_a_broker_takes_no_memory_and_hardly_any_time() {
    // A day at an alert a minute and an attempt to connect a minute, as fast as 40 of each a second.
    const MINUTES: usize = 24 * 60;
    // It keeps the subscriber's session over the day. The subscriber's own attempts to connect are
    // in the time that is measured.
    let mut broker = Broker::start();
    let mut subscriber = Subscriber::new(broker.port);
    broker.stop();
    let mut desk = Desk::new(broker.port);
    let pause = Duration::from_millis(25);
    desk.retry = Retry {
        min: pause,
        max: pause,
    };
    let messages = alerts(MINUTES as u64 / 2);
    let (sender, publisher) = desk.open();
    let start = cost();
    let mut memory = Vec::new();
    for (n, message) in messages.into_iter().enumerate() {
        sender.send(message).unwrap();
        std::thread::sleep(pause);
        if n % (MINUTES / 8) == MINUTES / 8 - 1 {
            memory.push(cost().1 >> 10);
        }
    }
    let spent = cost().0 - start.0;
    let share = 100.0 * spent / (MINUTES as f64 * 60.0);
    println!("processor: {spent:.2} s, {share:.4} % of a day; memory in kB: {memory:?}");
    let back = Instant::now();
    broker.resume();
    subscriber.wait_for_alerts(60, MINUTES).unwrap();
    println!("delivered {MINUTES} alerts within {:?}", back.elapsed());
    drop(sender);
    assert_eq!(publisher.join().unwrap(), NOTHING_LEFT);
    assert!(share < 1.0);
    assert!(
        memory.iter().max().unwrap() - memory[0] < 4096,
        "{memory:?}"
    );
}
