//! The gate: tells which frames differ too little from the last scored one to be scored again.
//!
//! Compared is the picture as the teacher would see it, after crop, mask and resize, with the last one
//! that passed and not with the last one that came: slow changes add up. A difference is a mean over a
//! cell of about a patch, and every cell must stay below the limit, so a small change counts as much as
//! a large one. By the frames' own time, never by a clock, at least one frame a minute passes.

use std::time::Duration;

/// The longest time that a verdict is repeated.
const LONGEST: Duration = Duration::from_secs(60);
/// Differences are summed over cells of this many pixels a side, a patch of the common teachers.
const CELL: usize = 16;

/// Follows one camera.
#[derive(Debug)]
pub struct Gate {
    /// Mean absolute difference in grey levels that makes a cell another.
    levels: f64,
    /// Columns of the pictures.
    width: usize,
    /// The last picture that passed, `[height, width, 3]`.
    last: Vec<u8>,
    /// When it was taken; none where the next one passes whatever it shows.
    passed_at: Option<Duration>,
    /// Sums over the cells of a row, while it is looked at.
    sums: Vec<u32>,
}

impl Gate {
    /// For pictures of `width` columns; `levels` of 0 let every frame pass.
    pub fn new(levels: f64, width: u32) -> Self {
        let width = width as usize;
        Gate {
            levels,
            width,
            last: Vec::new(),
            passed_at: None,
            sums: vec![0; width.div_ceil(CELL)],
        }
    }

    /// Whether a frame is to be scored; `resized` is its picture, `at` its monotonic time.
    pub fn passes(&mut self, resized: &[u8], at: Duration) -> bool {
        if self.levels <= 0.0 {
            return true;
        }
        let is_due = self.passed_at.is_none_or(|passed_at| {
            at.checked_sub(passed_at)
                .is_none_or(|since| since >= LONGEST)
        });
        let passes = is_due || self.last.len() != resized.len() || self.differs(resized);
        if passes {
            self.last.clear();
            self.last.extend_from_slice(resized);
            self.passed_at = Some(at);
        }
        passes
    }

    /// Lets the next frame pass: the last one could not be judged.
    pub fn forget(&mut self) {
        self.passed_at = None;
    }

    /// Whether any cell differs by the limit or more.
    fn differs(&mut self, resized: &[u8]) -> bool {
        let row = self.width * 3;
        let bands = resized.chunks(row * CELL).zip(self.last.chunks(row * CELL));
        for (band, last) in bands {
            self.sums.fill(0);
            for (row, last) in band.chunks(row).zip(last.chunks(row)) {
                let cells = row.chunks(CELL * 3).zip(last.chunks(CELL * 3));
                for (sum, (cell, last)) in self.sums.iter_mut().zip(cells) {
                    let values = cell.iter().zip(last);
                    *sum += values.map(|(a, b)| u32::from(a.abs_diff(*b))).sum::<u32>();
                }
            }
            let rows = band.len() / row;
            let widths = (0..self.width)
                .step_by(CELL)
                .map(|left| CELL.min(self.width - left));
            let limits = widths.map(|width| self.levels * (width * rows * 3) as f64);
            if self
                .sums
                .iter()
                .zip(limits)
                .any(|(&sum, limit)| f64::from(sum) >= limit)
            {
                return true;
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WIDTH: usize = 40;
    const HEIGHT: usize = 24;

    fn second(seconds: u64) -> Duration {
        Duration::from_secs(1_000 + seconds)
    }

    fn grey(level: u8) -> Vec<u8> {
        vec![level; WIDTH * HEIGHT * 3]
    }

    /// Grey with one pixel, all of whose channels are `by` higher.
    fn spot(x: usize, y: usize, by: u8) -> Vec<u8> {
        let mut picture = grey(100);
        let at = (y * WIDTH + x) * 3;
        picture[at..at + 3].fill(100 + by);
        picture
    }

    fn gate(levels: f64) -> Gate {
        let mut gate = Gate::new(levels, WIDTH as u32);
        assert!(gate.passes(&grey(100), second(0)), "the first one");
        gate
    }

    #[test]
    fn what_differs_by_less_than_the_limit_in_every_cell_does_not_pass() {
        assert!(!gate(2.0).passes(&grey(101), second(1)));
        assert!(!gate(2.0).passes(&grey(99), second(1)));
        assert!(gate(2.0).passes(&grey(102), second(1)));
        // 128 over 256 pixels of a cell are half a level.
        assert!(!gate(0.51).passes(&spot(5, 5, 128), second(1)));
        assert!(gate(0.5).passes(&spot(5, 5, 128), second(1)));
    }

    #[test]
    fn a_small_change_counts_at_every_place_and_cells_at_the_border_are_smaller() {
        for (x, y) in [(0, 0), (15, 15), (16, 0), (39, 0), (0, 23), (39, 23)] {
            assert!(gate(0.5).passes(&spot(x, y, 128), second(1)), "{x} {y}");
        }
        // The corner's cell has 8 x 8 pixels: 128 over 64 are two levels.
        assert!(gate(2.0).passes(&spot(39, 23, 128), second(1)));
        assert!(!gate(2.0).passes(&spot(0, 0, 128), second(1)));
    }

    #[test]
    fn slow_changes_add_up_against_the_last_frame_that_passed() {
        let mut gate = gate(3.0);
        let passed: Vec<bool> = (1..=9)
            .map(|n| gate.passes(&grey(100 + n), second(u64::from(n))))
            .collect();
        let third = [false, false, true];
        assert_eq!(passed, [third, third, third].concat());
    }

    #[test]
    fn once_a_minute_a_frame_passes_and_so_does_one_from_before() {
        let mut gate = gate(2.0);
        assert!(!gate.passes(&grey(100), second(59)));
        assert!(gate.passes(&grey(100), second(60)));
        assert!(!gate.passes(&grey(100), second(61)));
        assert!(gate.passes(&grey(100), second(5)), "the clock began anew");
    }

    #[test]
    fn a_gate_that_is_off_forgot_or_sees_another_size_lets_pass() {
        let mut off = gate(0.0);
        assert!(off.passes(&grey(100), second(1)));
        let mut gate = gate(2.0);
        gate.forget();
        assert!(gate.passes(&grey(100), second(1)));
        assert!(!gate.passes(&grey(100), second(2)));
        assert!(gate.passes(&grey(100)[..WIDTH * 3], second(3)));
    }
}
