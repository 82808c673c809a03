//! The map: how far each patch is from what is normal at its place.
//!
//! METHOD.md, section 3: distances of the residual tokens, normalised by their mean and deviation at
//! each position over normal frames (a fixed camera makes positions meaningful), lightly smoothed;
//! the local score is the mean of the three largest cells. Masked patches take no part: their cells
//! are 0, and nothing is drawn from them. Statistics are gathered in one pass and can be merged; they
//! know nothing of pictures.

use super::samples::FitError;
use crate::infer::{Grid, Patches};

/// Frames that the pool of all positions counts as, at each position.
const POOL_FRAMES: f64 = 10.0;

/// Cells that the local score averages.
const LOCAL_CELLS: usize = 3;

/// Count, mean and squared deviations of the distances at each position.
#[derive(Debug, Clone, PartialEq)]
pub struct PositionMoments {
    patches: Patches,
    frames: f64,
    mean: Vec<f64>,
    square: Vec<f64>,
}

impl PositionMoments {
    /// Of no frames yet.
    pub fn new(patches: Patches) -> Self {
        let Grid { rows, columns } = patches.grid();
        let positions = rows * columns;
        Self {
            patches,
            frames: 0.0,
            mean: vec![0.0; positions],
            square: vec![0.0; positions],
        }
    }

    /// Adds one frame's distances, `[P]`.
    ///
    /// # Panics
    /// If there are not as many as the grid has cells.
    pub fn add(&mut self, distances: &[f32]) {
        assert_eq!(
            distances.len(),
            self.mean.len(),
            "distances of another grid were added"
        );
        self.frames += 1.0;
        let cells = self.mean.iter_mut().zip(&mut self.square);
        for ((mean, square), &distance) in cells.zip(distances) {
            let shift = f64::from(distance) - *mean;
            *mean += shift / self.frames;
            *square += shift * (f64::from(distance) - *mean);
        }
    }

    /// Adds all that `other` saw.
    ///
    /// # Panics
    /// If `other` is of other patches.
    pub fn merge(&mut self, other: &Self) {
        assert_eq!(
            self.patches, other.patches,
            "moments of other patches were merged"
        );
        if other.frames == 0.0 {
            return;
        }
        let total = self.frames + other.frames;
        for i in 0..self.mean.len() {
            let shift = other.mean[i] - self.mean[i];
            self.mean[i] += shift * other.frames / total;
            self.square[i] += other.square[i] + shift * shift * self.frames * other.frames / total;
        }
        self.frames = total;
    }

    /// Mean and variance of the pool of all positions that are looked at.
    fn pool(&self) -> (f64, f64) {
        let means = || self.patches.kept(self.mean.iter());
        let positions = means().count() as f64;
        let mean = means().sum::<f64>() / positions;
        let between = means().map(|m| (m - mean).powi(2)).sum::<f64>() / positions;
        let squares = self.patches.kept(self.square.iter());
        let within = squares.sum::<f64>() / (positions * self.frames);
        (mean, between + within)
    }
}

/// Mean and deviation of the distance at each position over normal frames.
#[derive(Debug, Clone, PartialEq)]
pub struct MapStatistics {
    patches: Patches,
    mean: Vec<f64>,
    deviation: Vec<f64>,
}

impl MapStatistics {
    /// Each position's own frames, and ten more drawn from the pool of all positions: the mean and
    /// the deviation are those of that mixture, so a position is trusted more the more frames
    /// there are.
    ///
    /// # Errors
    /// [`FitError::TooFew`] without frames, [`FitError::NoVariation`] if all distances are equal.
    pub fn fit(positions: &PositionMoments) -> Result<Self, FitError> {
        let frames = positions.frames;
        if frames == 0.0 {
            return Err(FitError::TooFew { needed: 1, got: 0 });
        }
        let (pool_mean, pool_variance) = positions.pool();
        if pool_variance.is_nan() || pool_variance <= (f64::EPSILON * pool_mean).powi(2) {
            return Err(FitError::NoVariation { what: "the map" });
        }
        let own = frames / (frames + POOL_FRAMES);
        let mean = positions
            .mean
            .iter()
            .map(|m| own * m + (1.0 - own) * pool_mean)
            .collect();
        let deviation = |(mean, square): (&f64, &f64)| {
            let within = own * square / frames + (1.0 - own) * pool_variance;
            (within + own * (1.0 - own) * (mean - pool_mean).powi(2)).sqrt()
        };
        let deviation = positions
            .mean
            .iter()
            .zip(&positions.square)
            .map(deviation)
            .collect();
        Ok(Self::without_masked(
            positions.patches.clone(),
            mean,
            deviation,
        ))
    }

    /// Mean 0 and deviation 1 where nobody looks.
    fn without_masked(patches: Patches, mut mean: Vec<f64>, mut deviation: Vec<f64>) -> Self {
        for patch in (0..mean.len()).filter(|&patch| !patches.keeps(patch)) {
            (mean[patch], deviation[patch]) = (0.0, 1.0);
        }
        Self {
            patches,
            mean,
            deviation,
        }
    }

    /// From its arrays, `[P]` each. `None` if lengths disagree with the grid or a value is not
    /// finite, or a deviation not positive.
    pub(super) fn from_arrays(
        patches: Patches,
        mean: Vec<f64>,
        deviation: Vec<f64>,
    ) -> Option<Self> {
        let cells = patches.grid().rows * patches.grid().columns;
        let sound = mean.len() == cells
            && deviation.len() == cells
            && mean.iter().all(|v| v.is_finite())
            && deviation.iter().all(|v| v.is_finite() && *v > 0.0);
        sound.then_some(Self {
            patches,
            mean,
            deviation,
        })
    }

    /// The cells of the map, and which of them are masked.
    pub fn patches(&self) -> &Patches {
        &self.patches
    }

    /// Mean at each position, `[P]`.
    pub(super) fn mean(&self) -> &[f64] {
        &self.mean
    }

    /// Deviation at each position, `[P]`.
    pub(super) fn deviation(&self) -> &[f64] {
        &self.deviation
    }

    /// The map of one frame, from its distances, `[P]`: in standard deviations of the normal
    /// frames at each place, smoothed; 0 where it is masked.
    ///
    /// # Panics
    /// If there are not as many distances as the grid has cells.
    pub fn map(&self, distances: &[f32]) -> Vec<f32> {
        assert_eq!(
            distances.len(),
            self.mean.len(),
            "distances of another grid were mapped"
        );
        let cells = self.mean.iter().zip(&self.deviation).zip(distances);
        let normalised: Vec<f32> = cells
            .map(|((mean, deviation), &d)| ((f64::from(d) - mean) / deviation) as f32)
            .collect();
        if self.patches.are_all() {
            smooth(&normalised, self.patches.grid())
        } else {
            smooth_kept(&normalised, &self.patches)
        }
    }
}

/// Mean of the three largest cells of a map that are looked at (of all, where there are fewer).
///
/// # Panics
/// If no cell of the map is looked at.
pub fn local_score(map: &[f32], patches: &Patches) -> f64 {
    let mut cells: Vec<f32> = patches.kept(map.iter().copied()).collect();
    assert!(!cells.is_empty(), "a map has cells");
    cells.sort_unstable_by(|a, b| b.total_cmp(a));
    let largest = &cells[..LOCAL_CELLS.min(cells.len())];
    largest.iter().map(|&v| f64::from(v)).sum::<f64>() / largest.len() as f64
}

/// 3x3 binomial filter; at the border the weights inside are scaled up to sum to one.
fn smooth(map: &[f32], grid: Grid) -> Vec<f32> {
    let Grid { rows, columns } = grid;
    let along_rows: Vec<f32> = map
        .chunks(columns)
        .flat_map(|row| (0..columns).map(|c| binomial(row, c, 1)))
        .collect();
    let cell = |i: usize| {
        let column = &along_rows[i % columns..];
        binomial(&column[..(rows - 1) * columns + 1], i / columns, columns)
    };
    (0..map.len()).map(cell).collect()
}

/// The same filter, with weights only for the cells that are looked at; 0 for the others.
fn smooth_kept(map: &[f32], patches: &Patches) -> Vec<f32> {
    let Grid { rows, columns } = patches.grid();
    let cell = |i: usize| {
        if !patches.keeps(i) {
            return 0.0;
        }
        let (row, column) = (i / columns, i % columns);
        let (mut sum, mut weight) = (0.0, 0.0);
        for r in row.saturating_sub(1)..(row + 2).min(rows) {
            for c in column.saturating_sub(1)..(column + 2).min(columns) {
                if patches.keeps(r * columns + c) {
                    let near = |a: usize, b: usize| if a == b { 2.0 } else { 1.0 };
                    let own = near(r, row) * near(c, column);
                    sum += own * map[r * columns + c];
                    weight += own;
                }
            }
        }
        sum / weight
    };
    (0..map.len()).map(cell).collect()
}

/// `[1 2 1]` around the `at`-th of `values`, which are `stride` apart.
fn binomial(values: &[f32], at: usize, stride: usize) -> f32 {
    let (mut sum, mut weight) = (2.0 * values[at * stride], 2.0);
    if at > 0 {
        sum += values[(at - 1) * stride];
        weight += 1.0;
    }
    if let Some(next) = values.get((at + 1) * stride) {
        sum += next;
        weight += 1.0;
    }
    sum / weight
}

#[cfg(test)]
#[path = "map_tests.rs"]
mod tests;
