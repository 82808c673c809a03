//! What a calibration asks of the machine beside its memory: priority, and heat.
//!
//! A board throttles when it is hot. That makes a calibration slower and never another one: nothing that
//! is learnt depends on a temperature.

use std::time::{Duration, Instant};

use rustix::process::{getpriority_process, setpriority_process};

use crate::publish::temperature;

/// The priority of a calibration: `nice` 10, so that a daemon beside it goes on inspecting.
const PRIORITY: i32 = 10;
/// Boards throttle from here on.
const HOT: f64 = 80.0;
/// From one reading to the next.
const PACE: Duration = Duration::from_secs(3);

/// Lowers the priority of this thread and of those that it will start. It can't be raised again.
pub(super) fn lower_priority() {
    let lowered = match getpriority_process(None) {
        Ok(now) if now < PRIORITY => setpriority_process(None, PRIORITY),
        _ => Ok(()),
    };
    if let Err(fault) = lowered {
        tracing::debug!(%fault, "the priority stays as it is");
    }
}

/// The machine's temperature over a calibration.
#[derive(Debug)]
pub(super) struct Heat {
    read_at: Instant,
    now: Option<f64>,
    hottest: Option<f64>,
}

impl Default for Heat {
    fn default() -> Self {
        let mut heat = Heat {
            read_at: Instant::now(),
            now: None,
            hottest: None,
        };
        heat.read();
        heat
    }
}

impl Heat {
    /// The temperature, in degrees Celsius, a few seconds old at most; none where there is no sensor.
    pub(super) fn now(&mut self) -> Option<f64> {
        if self.read_at.elapsed() >= PACE {
            self.read();
        }
        self.now
    }

    /// The highest of all that were read.
    pub(super) fn hottest(&self) -> Option<f64> {
        self.hottest
    }

    fn read(&mut self) {
        self.read_at = Instant::now();
        if let Some(now) = self.take(temperature()) {
            tracing::warn!(
                "the machine is at {now:.0} °C: boards slow down from {HOT:.0} °C on, and the calibration \
                 takes longer; what it learns is the same"
            );
        }
    }

    /// Takes a reading, and gives back the first that is too hot.
    fn take(&mut self, now: Option<f64>) -> Option<f64> {
        let was_hot = self.hottest.is_some_and(|hottest| hottest > HOT);
        self.now = now;
        self.hottest = self.hottest.into_iter().chain(now).reduce(f64::max);
        now.filter(|now| *now > HOT && !was_hot)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hottest_reading_is_remembered_and_the_first_that_is_too_hot_is_told_once() {
        let mut heat = Heat::default();
        (heat.now, heat.hottest) = (None, None);
        for (read, hottest, is_told) in [
            (None, None, false),
            (Some(80.0), Some(80.0), false),
            (Some(84.5), Some(84.5), true),
            (Some(70.0), Some(84.5), false),
            (Some(95.0), Some(95.0), false),
            (None, Some(95.0), false),
        ] {
            let told = heat.take(read);
            assert_eq!(told, read.filter(|_| is_told));
            assert_eq!((heat.now, heat.hottest()), (read, hottest));
        }
    }

    #[test]
    fn a_thread_that_is_nice_stays_so_and_its_threads_are_too() {
        let nice = || getpriority_process(None).unwrap();
        let of_child = std::thread::spawn(move || {
            lower_priority();
            lower_priority();
            (nice(), std::thread::spawn(nice).join().unwrap())
        });
        assert_eq!(of_child.join().unwrap(), (PRIORITY, PRIORITY));
        let of_nicer = std::thread::spawn(move || {
            setpriority_process(None, 15).unwrap();
            lower_priority();
            nice()
        });
        assert_eq!(of_nicer.join().unwrap(), 15);
    }
}
