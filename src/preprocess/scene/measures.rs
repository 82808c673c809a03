//! Measures of a whole picture against the normal footage: light and histogram.
//!
//! Each is taken over the cells of a coarse grid and is such that a third of them alone can't move it,
//! but for the histogram, which therefore counts only together with the share of changed cells.

use super::look::{Appearance, BINS, CELLS};
use super::spread::Spread;

/// Added to a level before its logarithm, so that noise in the dark is no great ratio.
const DARK: f32 = 8.0;
/// Likewise where colours are compared, whose limit is lower: at level 8 one step of a camera's colour,
/// two levels of blue, is 0.06. So much would hide that the light of a dim scene fell by half.
const DARK_TINT: f32 = 24.0;
/// A cell has changed when it is this much lighter or darker (natural logarithm), ...
const CELL_MARGIN: f32 = 0.2;
/// ... beyond so many deviations of its own.
const CELL_DEVIATIONS: f32 = 4.0;

/// Global measures of one look against a reference.
#[derive(Debug, Clone, Copy)]
pub(super) struct Measures {
    /// The logarithm by which two thirds of the cells are lighter, all colours together; then that of
    /// red beside green and of blue beside green.
    pub(super) light: [f64; 3],
    /// Earth mover's distance of the histograms, as a share of the range from black to white.
    pub(super) histogram: f64,
    /// Share of the cells that changed.
    pub(super) changed: f64,
}

/// The arrays that measures need.
pub(super) struct Arrays<'a> {
    pub(super) cells: &'a [[f32; 3]],
    pub(super) cell_spread: &'a [f32],
    pub(super) used: &'a [bool],
    pub(super) histogram: &'a [f32; BINS],
}

impl Arrays<'_> {
    pub(super) fn measure(&self, cells: &[[u8; 3]], histogram: &[f32; BINS]) -> Measures {
        let mut ratios = [[0.0_f32; CELLS]; 3];
        let (mut count, mut changed) = (0, 0);
        for (i, cell) in cells.iter().enumerate().filter(|(i, _)| self.used[*i]) {
            let ratios_of = |dark: f32| -> [f32; 3] {
                std::array::from_fn(|c| ratio(cell[c].into(), self.cells[i][c], dark))
            };
            let all = ratios_of(DARK).iter().sum::<f32>() / 3.0;
            let [r, g, b] = ratios_of(DARK_TINT);
            let limit = CELL_MARGIN + CELL_DEVIATIONS * self.cell_spread[i];
            changed += usize::from(all.abs() > limit);
            for (row, value) in ratios.iter_mut().zip([all, r - g, b - g]) {
                row[count] = value;
            }
            count += 1;
        }
        Measures {
            light: ratios.map(|mut row| agreed(&mut row[..count]).into()),
            histogram: earth_mover(histogram, self.histogram),
            changed: changed as f64 / count.max(1) as f64,
        }
    }
}

/// Median colour of each cell over the frames, and the deviation of its logarithm.
pub(super) fn fit_cells(frames: &[Appearance]) -> (Vec<[f32; 3]>, Vec<f32>) {
    let mut column = vec![0.0; frames.len()];
    let mut cells = vec![[0.0; 3]; CELLS];
    for (i, cell) in cells.iter_mut().enumerate() {
        for (channel, value) in cell.iter_mut().enumerate() {
            for (slot, frame) in column.iter_mut().zip(frames) {
                *slot = frame.cells[i][channel].into();
            }
            *value = median(&mut column);
        }
    }
    let spread = |i: usize| {
        let values = frames.iter().map(|frame| {
            let logarithm = |&level: &u8| ratio(level.into(), 255.0, DARK);
            let sum: f32 = frame.cells[i].iter().map(logarithm).sum();
            f64::from(sum / 3.0)
        });
        Spread::of(values).map_or(0.0, |spread| spread.deviation as f32)
    };
    let spreads = (0..CELLS).map(spread).collect();
    (cells, spreads)
}

/// Logarithm of one level beside another.
fn ratio(level: f32, other: f32, dark: f32) -> f32 {
    ((level + dark) / (other + dark)).ln()
}

/// The value nearest to 0 on which two thirds agree, as far as they do: of values that rise or fall
/// together it is about the median, and a third of them alone moves it nowhere.
fn agreed(values: &mut [f32]) -> f32 {
    let third = values.len() / 3;
    if values.is_empty() {
        return 0.0;
    }
    let (_, &mut low, above) = values.select_nth_unstable_by(third, f32::total_cmp);
    let last = above.len().saturating_sub(third + 1);
    let high = match above {
        [] => low,
        above => *above.select_nth_unstable_by(last, f32::total_cmp).1,
    };
    0.0_f32.clamp(low, high)
}

/// The middle value; 0 of none.
fn median(values: &mut [f32]) -> f32 {
    let middle = values.len() / 2;
    if values.is_empty() {
        return 0.0;
    }
    *values.select_nth_unstable_by(middle, f32::total_cmp).1
}

/// Earth mover's distance of two histograms, as a share of their range.
fn earth_mover(a: &[f32; BINS], b: &[f32; BINS]) -> f64 {
    let (mut carried, mut moved) = (0.0_f64, 0.0);
    for (a, b) in a.iter().zip(b) {
        carried += f64::from(a - b);
        moved += carried.abs();
    }
    moved / BINS as f64
}
