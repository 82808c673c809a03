//! Where a panic is caught, and what happens to all others.
//!
//! Drivers, decoders and models work on what the world sends, and theirs may panic: at a seam that costs
//! one frame, one opening or one file. More than a few a minute in a stage mean a fault that does not go
//! away. Any other panic is our bug: the process ends, rather than live on with a stage missing. So
//! [`caught`] is the one place that catches: a panic that is caught elsewhere ends the daemon all the same,
//! because the hook comes first.

use std::cell::Cell;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use tracing::error;

/// Exit status of an internal fault, `EX_SOFTWARE`.
pub const EX_SOFTWARE: i32 = 70;

thread_local! {
    /// Whether this thread is inside of [`caught`].
    static AT_SEAM: Cell<bool> = const { Cell::new(false) };
}

/// Runs a step; a panic in it becomes its text. What the step left half-done must not matter: the
/// steps keep nothing between two frames but buffers that they overwrite. One may stand within another.
pub fn caught<T>(step: impl FnOnce() -> T) -> Result<T, String> {
    let was = AT_SEAM.replace(true);
    let result = catch_unwind(AssertUnwindSafe(step));
    AT_SEAM.set(was);
    result.map_err(|panic| text(panic.as_ref()))
}

fn text(panic: &(dyn std::any::Any + Send)) -> String {
    let known = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let known = known.or_else(|| panic.downcast_ref::<String>().cloned());
    format!(
        "panic: {}",
        known.unwrap_or_else(|| "without a message".to_owned())
    )
}

/// Logs every panic, and ends the process with [`EX_SOFTWARE`] on one outside of the seam.
pub fn exit_on_panic() {
    std::panic::set_hook(Box::new(|panic| {
        let thread = std::thread::current();
        let thread = thread.name().unwrap_or("unnamed");
        let backtrace = std::backtrace::Backtrace::capture();
        error!(thread, %panic, %backtrace, "panic");
        if !AT_SEAM.get() {
            std::process::exit(EX_SOFTWARE);
        }
    }));
}

/// How many panics a stage survives.
#[derive(Debug, Default)]
pub struct PanicBudget(VecDeque<Instant>);

impl PanicBudget {
    /// Panics within [`Self::SPAN`] that a stage survives. One bad frame is the world's fault, five
    /// a minute are ours.
    const LIMIT: usize = 5;
    const SPAN: Duration = Duration::from_secs(60);

    /// Counts a panic; `false` when it was one too many.
    pub fn spend(&mut self, now: Instant) -> bool {
        self.0.push_back(now);
        while self
            .0
            .front()
            .is_some_and(|first| now.duration_since(*first) > Self::SPAN)
        {
            self.0.pop_front();
        }
        self.0.len() <= Self::LIMIT
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_its_text() {
        assert_eq!(caught(|| 1), Ok(1));
        let fault = caught(|| -> i32 { panic!("row {} of 3", 7) });
        assert_eq!(fault, Err("panic: row 7 of 3".to_owned()));
    }

    #[test]
    fn a_seam_within_a_seam_leaves_the_outer_one_whole() {
        assert!(!AT_SEAM.get());
        let outer = caught(|| {
            let inner = caught(|| panic!("within"));
            assert!(inner.is_err() && AT_SEAM.get());
        });
        assert_eq!((outer, AT_SEAM.get()), (Ok(()), false));
    }

    #[test]
    fn five_panics_a_minute_are_survived_and_six_are_not() {
        let start = Instant::now();
        let mut budget = PanicBudget::default();
        let at = |seconds| start + Duration::from_secs(seconds);
        assert!((0..5).all(|n| budget.spend(at(n))));
        assert!(!budget.spend(at(30)));
        let mut slow = PanicBudget::default();
        assert!((0..100).all(|n| slow.spend(at(13 * n))));
    }
}
