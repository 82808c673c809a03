//! The moment of a frame, read from the system's clocks.
//!
//! Wall time comes with the kernel's word on whether it can be believed; durations are to be taken
//! from [`Moment::since_boot`] alone. Nothing is kept between two readings, and nothing here waits.

use std::path::Path;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use super::Moment;

/// systemd-timesyncd touches this file at its first answer from a server, and
/// systemd-time-wait-sync relies on it; it lies in a tmpfs, so a reboot forgets it.
const SYNCHRONISED: &str = "/run/systemd/timesync/synchronized";

impl Moment {
    /// The present moment. Costs two clock readings and one `stat` (below 2 us), so that it may be
    /// asked for every frame.
    ///
    /// `synced` is false on a machine whose clock is kept by something that does not leave
    /// systemd's mark: unknown counts as not synchronised.
    pub fn now() -> Self {
        let boot = clock_gettime(ClockId::Boottime);
        Self {
            wall: jiff::Timestamp::now(),
            since_boot: Duration::new(
                u64::try_from(boot.tv_sec).unwrap_or(0),
                u32::try_from(boot.tv_nsec).unwrap_or(0),
            ),
            synced: Path::new(SYNCHRONISED).exists(),
        }
    }

    /// The moment that lies so long before this one.
    pub(super) fn before(self, age: Duration) -> Self {
        Self {
            wall: self.wall.checked_sub(age).unwrap_or(self.wall),
            since_boot: self.since_boot.saturating_sub(age),
            synced: self.synced,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_since_boot_agrees_with_the_kernels_uptime() {
        let before: f64 = uptime();
        let now = Moment::now().since_boot.as_secs_f64();
        let after: f64 = uptime();
        // /proc/uptime has two decimals.
        assert!(
            before - 0.02 <= now && now <= after + 0.02,
            "{before} {now} {after}"
        );
    }

    #[test]
    fn a_later_moment_is_later_on_both_clocks() {
        let first = Moment::now();
        std::thread::sleep(Duration::from_millis(5));
        let second = Moment::now();
        assert!(second.since_boot >= first.since_boot + Duration::from_millis(5));
        assert!(second.wall > first.wall);
    }

    fn uptime() -> f64 {
        let text = std::fs::read_to_string("/proc/uptime").unwrap();
        text.split_whitespace().next().unwrap().parse().unwrap()
    }
}
