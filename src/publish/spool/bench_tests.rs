//! What the spool costs; run by hand, on a quiet machine and on the disk in question:
//! `TMPDIR=... cargo test --release --lib spool::bench_tests -- --ignored --nocapture --test-threads=1`.
//! Nothing is asserted about the figures.

use std::fs;
use std::process::Command;
use std::time::Instant;

use super::IN_DOUBT;
use super::fixture::{Caller, PLENTY, alert};
use super::{Folder, Spool};

/// What this process has caused to be written to the disk, in bytes, by the kernel's count.
fn written() -> u64 {
    let text = fs::read_to_string("/proc/self/io").unwrap();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("write_bytes: "));
    line.unwrap().parse().unwrap()
}

/// Accepts and delivers `count` alerts, so many at a time.
fn measure(count: usize, in_flight: usize) {
    let folder = tempfile::tempdir().unwrap();
    let mut caller = Caller::open(folder.path());
    let (start, before) = (Instant::now(), written());
    for first in (0..count).step_by(in_flight) {
        caller.accept(first..first + in_flight);
        for entry in caller.read(0, in_flight) {
            caller.spool.delivered(entry.seq);
        }
    }
    let status = caller.spool.close();
    let seconds = start.elapsed().as_secs_f64();
    assert_eq!((status.alerts, status.delivered_total), (0, count as u64));
    println!(
        "{in_flight} in flight: {:.0} alerts a second accepted and delivered, {:.1} kB written an alert of 400 bytes",
        count as f64 / seconds,
        (written() - before) as f64 / 1e3 / count as f64
    );
}

#[test]
#[ignore = "a measurement"]
fn accepting_and_delivering_an_alert_costs_this() {
    measure(100, 1);
    measure(64 * 20, 64);
    measure(IN_DOUBT * 8, IN_DOUBT);
}

#[test]
#[ignore = "a measurement"]
fn it_costs_this_where_an_fsync_takes_ten_milliseconds_more() {
    let calls = "fdatasync,fsync";
    let status = Command::new("strace")
        .args([
            "-f",
            "-qq",
            "-o",
            "/dev/null",
            "-e",
            &format!("trace={calls}"),
        ])
        .args(["-e", &format!("inject={calls}:delay_exit=10000")])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "--ignored", "--nocapture"])
        .arg("publish::spool::bench_tests::accepting_and_delivering_an_alert_costs_this")
        .status()
        .expect("strace is installed");
    assert!(status.success());
}

#[test]
#[ignore = "a measurement"]
fn opening_a_full_spool_takes_this_long() {
    let folder = tempfile::tempdir().unwrap();
    let mut caller = Caller::open(folder.path());
    caller.append((0..10_000).map(|number| {
        let mut alert = alert(number);
        alert.payload.resize(2000, b'x');
        alert
    }));
    drop(caller);
    let locked = Folder::lock(folder.path()).unwrap();
    let start = Instant::now();
    let spool = Spool::open(&locked, PLENTY).unwrap();
    let took = start.elapsed();
    let status = spool.close();
    println!(
        "{} alerts, {} bytes: open after {took:.1?}",
        status.alerts, status.bytes
    );
}
