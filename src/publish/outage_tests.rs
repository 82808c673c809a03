//! The publisher through long and ugly outages: a broker whose faults are drawn from seeds, and a
//! day without one.

use std::time::Instant;

use super::super::broker::{Broker, Subscriber, free_port};
use super::tests::{Desk, NOTHING_LEFT, alerts};
use super::*;
use crate::config::Retry;

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
    let mut desk = Desk::new(free_port());
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
    let broker = Broker::start_on(desk.port);
    let mut subscriber = Subscriber::new(broker.port);
    let back = Instant::now();
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
