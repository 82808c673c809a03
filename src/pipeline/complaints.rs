//! What the journal is told of a source that fails and fails again: the first time of each reason, then
//! once an hour with the count. A camera that is absent for a year must not fill a disk.
//!
//! Pure bookkeeping: who holds it writes the lines.

use std::time::{Duration, Instant};

/// How often a fault that persists is told.
const REPEAT: Duration = Duration::from_secs(3600);
/// Different reasons that are told within that time: a source whose every fault has words of its own is no
/// reason to write them all.
const REASONS: usize = 4;

/// The faults of one source since it last worked.
#[derive(Debug, Default)]
pub struct Complaints {
    /// When the present hour began.
    since: Option<Instant>,
    /// Told within it, without numbers.
    told: Vec<String>,
    /// Since the last line.
    untold: u64,
}

impl Complaints {
    /// Takes a fault; how many there were since the last line, itself included, where it is to be told.
    pub fn hear(&mut self, reason: &str, now: Instant) -> Option<u64> {
        let is_over = |since| now.saturating_duration_since(since) >= REPEAT;
        if self.since.is_none_or(is_over) {
            self.since = Some(now);
            self.told.clear();
        }
        self.untold += 1;
        // Another address, offset or count is not another reason.
        let reason = reason.replace(|c: char| c.is_ascii_hexdigit(), "");
        if self.told.len() == REASONS || self.told.contains(&reason) {
            return None;
        }
        self.told.push(reason);
        Some(std::mem::take(&mut self.untold))
    }

    /// The source works again: its next fault is news.
    pub fn forget(&mut self) {
        *self = Complaints::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Retry;

    /// Lines of so many days, attempt after attempt with the pauses of an absent device.
    fn lines(days: u64, reason: impl Fn(u64) -> String) -> (u64, u64, u64) {
        let retry = Retry {
            min: Duration::from_millis(500),
            max: Duration::from_secs(5),
        };
        let mut complaints = Complaints::default();
        let start = Instant::now();
        let (mut now, mut attempts, mut lines, mut counted) = (start, 0, 0, 0);
        while now < start + Duration::from_secs(days * 86_400) {
            attempts += 1;
            if let Some(count) = complaints.hear(&reason(attempts), now) {
                lines += 1;
                counted += count;
            }
            now += retry.pause(u32::try_from(attempts).unwrap(), 0.5);
        }
        (attempts, lines, counted)
    }

    #[test]
    fn a_camera_that_is_absent_for_a_day_costs_twenty_four_lines() {
        let (attempts, told, counted) = lines(1, |_| "no such device".to_owned());
        assert!(attempts > 20_000, "{attempts}");
        assert_eq!(told, 24);
        assert!(attempts - counted < 2000, "the count leaves none out");
    }

    #[test]
    fn reasons_that_never_repeat_cost_no_more_than_a_hundred_lines_a_day() {
        let novel = |attempt: u64| {
            let letters = attempt.to_string().into_bytes().into_iter();
            letters
                .map(|digit| char::from(digit - b'0' + b'p'))
                .collect()
        };
        let (_, told, _) = lines(1, novel);
        assert_eq!(told, 96);
        let (_, told, _) = lines(1, |attempt| format!("[rtsp @ 0x{attempt:x}] refused"));
        assert_eq!(told, 24, "an address makes no other reason");
    }

    #[test]
    fn another_reason_is_told_at_once_and_so_is_the_first_fault_after_good_days() {
        let now = Instant::now();
        let mut complaints = Complaints::default();
        assert_eq!(complaints.hear("unplugged", now), Some(1));
        assert_eq!(complaints.hear("unplugged", now), None);
        assert_eq!(complaints.hear("busy", now), Some(2));
        assert_eq!(complaints.hear("unplugged", now), None);
        complaints.forget();
        assert_eq!(complaints.hear("unplugged", now), Some(1));
    }
}
