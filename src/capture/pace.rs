//! The pace of a source: at most so many frames a second.
//!
//! Due times form a grid on the monotonic clock, so the mean rate does not drift with the time that
//! a frame takes. After a stall the grid starts anew: missed frames are never made up in a burst.

use std::time::{Duration, Instant};

use super::{CaptureError, Frame};

/// Frames a second: finite, above 0, at most 1000.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Fps(f64);

impl Fps {
    /// The fastest pace that makes sense.
    pub const MAX: f64 = 1000.0;

    /// Checks a number of frames a second.
    ///
    /// # Errors
    /// When it is not above 0 and at most [`Fps::MAX`].
    pub fn new(frames_per_second: f64) -> Result<Self, CaptureError> {
        if frames_per_second > 0.0 && frames_per_second <= Self::MAX {
            Ok(Self(frames_per_second))
        } else {
            Err(CaptureError::Broken(format!(
                "{frames_per_second} is no pace; give frames a second, above 0 and at most {}",
                Self::MAX
            )))
        }
    }

    /// Frames a second.
    pub fn get(self) -> f64 {
        self.0
    }

    /// The time from one frame to the next. A pace slower than one frame in 30 years is taken as
    /// that.
    pub fn period(self) -> Duration {
        Duration::from_secs_f64((1.0 / self.0).min(1e9))
    }
}

/// Passes over the frames of a source that does not wait, above its [`Fps`].
#[derive(Debug)]
pub(super) struct Thinning {
    period: Duration,
    last: Option<Duration>,
}

impl Thinning {
    pub(super) fn new(fps: Option<Fps>) -> Self {
        Self {
            period: fps.map_or(Duration::ZERO, Fps::period),
            last: None,
        }
    }

    /// Whether nearly a period has gone by since the last frame that passed.
    pub(super) fn passes(&mut self, frame: &Frame) -> bool {
        let now = frame.at.since_boot;
        let is_due = self
            .last
            .is_none_or(|last| now < last || now - last >= self.period.mul_f64(0.9));
        if is_due {
            self.last = Some(now);
        }
        is_due
    }
}

/// Holds a source to its [`Fps`]; without one, every frame is due at once.
#[derive(Debug)]
pub(super) struct Pace {
    period: Duration,
    due: Option<Instant>,
}

impl Pace {
    pub(super) fn new(fps: Option<Fps>) -> Self {
        Self {
            period: fps.map_or(Duration::ZERO, Fps::period),
            due: None,
        }
    }

    /// Sleeps until the next frame is due, but no longer than `timeout`; whether it is due.
    pub(super) fn wait(&mut self, timeout: Duration) -> bool {
        let now = Instant::now();
        let left = self.until_due(now);
        if left > timeout {
            std::thread::sleep(timeout);
            return false;
        }
        if !left.is_zero() {
            std::thread::sleep(left);
        }
        true
    }

    /// Notes that the frame which was due has been taken.
    pub(super) fn taken(&mut self) {
        self.take(Instant::now());
    }

    /// How long after `now` the next frame is due.
    pub(super) fn until_due(&self, now: Instant) -> Duration {
        self.due
            .map_or(Duration::ZERO, |due| due.saturating_duration_since(now))
    }

    /// Notes that the frame due was taken at `now`.
    pub(super) fn take(&mut self, now: Instant) {
        let on_grid = self.due.map(|due| due + self.period);
        self.due = Some(match on_grid {
            Some(next) if next > now => next,
            _ => now + self.period,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Frames at the given moments (ms) that the pace of 10 a second lets through.
    fn taken(moments: impl IntoIterator<Item = u64>) -> Vec<u64> {
        let start = Instant::now();
        let mut pace = Pace::new(Some(Fps::new(10.0).unwrap()));
        let mut taken = Vec::new();
        for ms in moments {
            let now = start + Duration::from_millis(ms);
            if pace.until_due(now).is_zero() {
                pace.take(now);
                taken.push(ms);
            }
        }
        taken
    }

    #[test]
    fn a_late_frame_does_not_shift_those_after_it() {
        assert_eq!(taken([0, 130, 200, 310, 399, 400]), [0, 130, 200, 310, 400]);
    }

    #[test]
    fn a_stall_is_not_made_up_in_a_burst() {
        // Due at 100; the source stalls until 1000. The next is due a whole period later.
        assert_eq!(taken([0, 1000, 1001, 1050, 1099, 1100]), [0, 1000, 1100]);
    }

    #[test]
    fn without_a_pace_every_frame_is_due() {
        let mut pace = Pace::new(None);
        assert!((0..1000).all(|_| pace.wait(Duration::ZERO)));
    }

    #[test]
    fn waiting_ends_at_the_timeout_when_the_frame_is_due_later() {
        let mut pace = Pace::new(Some(Fps::new(0.1).unwrap()));
        assert!(pace.wait(Duration::ZERO));
        pace.taken();
        let start = Instant::now();
        assert!(!pace.wait(Duration::from_millis(30)));
        assert!(start.elapsed() >= Duration::from_millis(30));
        assert!(start.elapsed() < Duration::from_secs(5));
    }

    #[test]
    fn a_pace_that_is_no_pace_is_refused() {
        for bad in [0.0, -1.0, f64::NAN, f64::INFINITY, 1000.1] {
            assert!(Fps::new(bad).is_err(), "{bad}");
        }
        // 1 / (smallest subnormal) is infinite and would panic in Duration.
        assert_eq!(
            Fps::new(5e-324).unwrap().period(),
            Duration::from_secs(1_000_000_000)
        );
    }
}
