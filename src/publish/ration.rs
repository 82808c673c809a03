//! How much others may make us write to the journal: ten lines a minute of a kind, and the next one counts
//! those that were left out. Who may send us messages must not be able to fill a disk.
//!
//! Pure bookkeeping: who holds it writes the lines.

use std::time::{Duration, Instant};

/// Lines in each [`SPAN`].
const LINES: u32 = 10;
const SPAN: Duration = Duration::from_secs(60);

/// The lines of one kind.
#[derive(Debug, Default)]
pub struct Ration {
    /// When the present minute began.
    since: Option<Instant>,
    written: u32,
    left_out: u64,
}

impl Ration {
    /// Whether a line may be written; if so, how many were left out before it.
    pub fn take(&mut self, now: Instant) -> Option<u64> {
        let is_over = |since| now.saturating_duration_since(since) >= SPAN;
        if self.since.is_none_or(is_over) {
            self.since = Some(now);
            self.written = 0;
        }
        if self.written == LINES {
            self.left_out += 1;
            return None;
        }
        self.written += 1;
        Some(std::mem::take(&mut self.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_lines_a_minute_are_written_and_the_next_counts_the_others() {
        let mut ration = Ration::default();
        let start = Instant::now();
        let told: Vec<(u64, u64)> = (0..121)
            .filter_map(|second| {
                let left_out = ration.take(start + Duration::from_secs(second))?;
                Some((second, left_out))
            })
            .collect();
        let quiet = |seconds: std::ops::Range<u64>| seconds.map(|second| (second, 0));
        let mut expected: Vec<(u64, u64)> = quiet(0..10).collect();
        expected.push((60, 50));
        expected.extend(quiet(61..70));
        expected.push((120, 50));
        assert_eq!(told, expected);
    }
}
