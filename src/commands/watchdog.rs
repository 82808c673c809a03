//! What the service manager is told: ready, stopping, how many cameras give frames, and that the daemon is
//! alive. The only place that speaks to it.
//!
//! Alive means that no loop has been at one thing for half of the watchdog's interval. A camera or a broker
//! that is missing is degraded, not hung; a stage that hangs is named in the journal and no longer vouched
//! for, so that the service manager ends the process and starts it anew. Where there is no service manager,
//! nothing here ever wakes.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, bounded, never, select, tick};
use sd_notify::NotifyState;
use tracing::{error, info, warn};

use crate::heartbeat::Heartbeat;

/// How often the status is looked at where there is no watchdog, and at the least.
const STATUS_EVERY: Duration = Duration::from_secs(5);
/// How long a generation may end while the daemon is vouched for: a frame of each camera on a slow board.
const ENDING: Duration = Duration::from_secs(300);

/// A loop that is watched, by its name.
pub(super) type Watched = (&'static str, Heartbeat);

/// How the daemon is at one moment.
pub(super) struct Look {
    /// All loops.
    pub(super) loops: Vec<Watched>,
    /// Cameras that give frames, of how many.
    pub(super) cameras: (usize, usize),
}

/// Speaks to the service manager.
pub(super) struct Watchdog {
    interval: Option<Duration>,
    ticks: Receiver<Instant>,
    status: String,
    is_ready: bool,
    /// The loops that hang, as the journal knows them.
    hung: Vec<&'static str>,
    has_failed: bool,
}

impl Watchdog {
    /// By the environment that the service manager gave, if there is one.
    pub(super) fn new() -> Watchdog {
        if std::env::var_os("NOTIFY_SOCKET").is_none() {
            return Watchdog::every(None, never());
        }
        let interval = sd_notify::watchdog_enabled().filter(|interval| !interval.is_zero());
        let quarter = interval.map_or(STATUS_EVERY, |interval| interval / 4);
        Watchdog::every(interval, tick(quarter.min(STATUS_EVERY)))
    }

    fn every(interval: Option<Duration>, ticks: Receiver<Instant>) -> Watchdog {
        Watchdog {
            interval,
            ticks,
            status: String::new(),
            is_ready: false,
            hung: Vec::new(),
            has_failed: false,
        }
    }

    /// When to [`Watchdog::look`].
    pub(super) fn ticks(&self) -> &Receiver<Instant> {
        &self.ticks
    }

    /// Inspection has begun. Said once.
    pub(super) fn ready(&mut self) {
        if !self.is_ready {
            self.is_ready = true;
            self.tell(&[NotifyState::Ready]);
        }
    }

    /// The daemon ends: from here on the service manager's time limit for stopping counts.
    pub(super) fn stopping(&mut self) {
        self.tell(&[NotifyState::Stopping]);
    }

    /// Says that the daemon is alive, where it is, and how its cameras are.
    pub(super) fn look(&mut self, look: &Look) {
        let (giving, all) = look.cameras;
        let status = format!("{giving} of {all} cameras give frames");
        if self.status != status {
            self.tell(&[NotifyState::Status(&status)]);
            self.status = status;
        }
        if let Some(interval) = self.interval
            && self.is_alive(&look.loops, interval / 2)
        {
            self.tell(&[NotifyState::Watchdog]);
        }
    }

    /// Does work that takes seconds, on a thread of its own, and meanwhile looks at what is to be seen.
    pub(super) fn during<T: Send>(&mut self, seen: &Look, work: impl FnOnce() -> T + Send) -> T {
        let started = Instant::now();
        thread::scope(|scope| {
            let (done, finished) = bounded::<()>(0);
            let work = scope.spawn(move || {
                let _done = done;
                work()
            });
            loop {
                select! {
                    recv(finished) -> _ => break,
                    recv(self.ticks) -> _ => {
                        if started.elapsed() < ENDING {
                            self.look(seen);
                        }
                    }
                }
            }
            match work.join() {
                Ok(done) => done,
                Err(panic) => std::panic::resume_unwind(panic),
            }
        })
    }

    /// Whether no loop hangs; those that do, and those that go on, are named in the journal once.
    fn is_alive(&mut self, loops: &[Watched], longest: Duration) -> bool {
        let hangs = |heartbeat: &Heartbeat| heartbeat.busy_for().filter(|busy| *busy > longest);
        for (name, heartbeat) in loops {
            let was_hung = self.hung.contains(name);
            match hangs(heartbeat) {
                Some(busy) if !was_hung => {
                    let busy_s = busy.as_secs_f64();
                    error!(
                        stage = name,
                        busy_s, "a stage hangs: the watchdog is not served until it goes on"
                    );
                    self.hung.push(name);
                }
                None if was_hung => {
                    info!(stage = name, "a stage that hung goes on");
                    self.hung.retain(|hung| hung != name);
                }
                _ => {}
            }
        }
        // A loop of a former generation is gone with it.
        self.hung
            .retain(|hung| loops.iter().any(|(name, _)| name == hung));
        self.hung.is_empty()
    }

    fn tell(&mut self, states: &[NotifyState<'_>]) {
        let Err(fault) = sd_notify::notify(states) else {
            self.has_failed = false;
            return;
        };
        if !self.has_failed {
            let socket = std::env::var_os("NOTIFY_SOCKET").unwrap_or_default();
            let socket = Path::new(&socket).display();
            warn!(%socket, %fault, "can't reach the service manager that NOTIFY_SOCKET names");
        }
        self.has_failed = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loop_that_waits_is_alive_and_one_that_is_at_one_thing_for_too_long_is_not() {
        let mut watchdog = Watchdog::every(None, never());
        let (idle, busy) = (Heartbeat::default(), Heartbeat::default());
        let loops = [("infer", idle), ("decide", busy.clone())];
        let longest = Duration::from_millis(40);
        assert!(watchdog.is_alive(&loops, longest));
        busy.during(|| {
            assert!(watchdog.is_alive(&loops, longest), "it has just begun");
            thread::sleep(Duration::from_millis(60));
            assert!(!watchdog.is_alive(&loops, longest));
            assert_eq!(watchdog.hung, ["decide"]);
        });
        assert!(watchdog.is_alive(&loops, longest), "it goes on");
    }

    #[test]
    fn work_that_takes_long_is_looked_after_to_its_end() {
        let mut watchdog = Watchdog::every(None, tick(Duration::from_millis(5)));
        watchdog.interval = Some(Duration::from_millis(20));
        let busy = Heartbeat::default();
        let seen = Look {
            loops: vec![("decide", busy.clone())],
            cameras: (1, 2),
        };
        let done = watchdog.during(&seen, || {
            busy.during(|| thread::sleep(Duration::from_millis(100)));
            7
        });
        assert_eq!(done, 7);
        assert_eq!(watchdog.status, "1 of 2 cameras give frames");
        assert_eq!(
            watchdog.hung,
            ["decide"],
            "it was looked at again and again"
        );
    }
}
