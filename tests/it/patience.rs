//! Waiting for what comes by itself.

use std::thread::sleep;
use std::time::{Duration, Instant};

/// So many seconds, times `INSPECTD_TEST_PATIENCE` where it is set: an emulated processor takes a hundred times as
/// long for a frame.
pub(crate) fn patience(seconds: u64) -> Duration {
    let times = std::env::var("INSPECTD_TEST_PATIENCE").map(|times| times.parse::<u32>().unwrap());
    Duration::from_secs(seconds) * times.unwrap_or(1)
}

/// Waits until something holds, so many seconds with [`patience`]; `otherwise` says how it stands if it never does.
#[track_caller]
pub(crate) fn wait_until(
    seconds: u64,
    otherwise: impl Fn() -> String,
    mut holds: impl FnMut() -> bool,
) {
    let deadline = Instant::now() + patience(seconds);
    while !holds() {
        assert!(
            Instant::now() < deadline,
            "not within {seconds} s: {}",
            otherwise()
        );
        sleep(Duration::from_millis(20));
    }
}
