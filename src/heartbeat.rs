//! Whether a loop of the daemon is at work on one thing, and since when: what the watchdog looks at.
//!
//! A loop marks each piece of work with [`Heartbeat::during`]; waiting for the next one is no work. Any
//! thread may read it. It costs two readings of a clock and two stores a piece, and decides nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// The heartbeat of one loop; clones are the same one.
#[derive(Debug, Clone, Default)]
pub struct Heartbeat {
    /// Milliseconds of the monotonic clock, 0 while the loop waits.
    busy_since: Arc<AtomicU64>,
}

impl Heartbeat {
    /// Does a piece of work.
    pub fn during<T>(&self, work: impl FnOnce() -> T) -> T {
        self.busy_since.store(now().max(1), Relaxed);
        let done = work();
        self.busy_since.store(0, Relaxed);
        done
    }

    /// How long the loop has been at its present piece of work; `None` while it waits.
    pub fn busy_for(&self) -> Option<Duration> {
        match self.busy_since.load(Relaxed) {
            0 => None,
            since => Some(Duration::from_millis(now().saturating_sub(since))),
        }
    }
}

/// Milliseconds of the clock that the service manager's watchdog goes by: it never steps, and stands
/// still while the machine sleeps.
fn now() -> u64 {
    let now = clock_gettime(ClockId::Monotonic);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    seconds * 1000 + u64::try_from(now.tv_nsec).unwrap_or(0) / 1_000_000
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loop_is_busy_from_the_start_of_its_work_to_its_end_and_others_see_it() {
        let heartbeat = Heartbeat::default();
        let seen = heartbeat.clone();
        assert_eq!(seen.busy_for(), None);
        heartbeat.during(|| {
            std::thread::sleep(Duration::from_millis(30));
            let busy = std::thread::spawn(move || seen.busy_for()).join().unwrap();
            assert!(busy.unwrap() >= Duration::from_millis(29), "{busy:?}");
        });
        assert_eq!(heartbeat.busy_for(), None);
    }
}
