//! The map: how far each patch is from what is normal at its place.
//!
//! METHOD.md, section 3: distances of the residual tokens, normalised by their mean and deviation at
//! each position over normal frames (a fixed camera makes positions meaningful), lightly smoothed;
//! the local score is the mean of the three largest cells. Statistics are gathered in one pass and
//! can be merged; they know nothing of pictures.

use super::samples::FitError;
use crate::infer::Grid;

/// Frames that the pool of all positions counts as, at each position.
const POOL_FRAMES: f64 = 10.0;

/// Cells that the local score averages.
const LOCAL_CELLS: usize = 3;

/// Count, mean and squared deviations of the distances at each position.
#[derive(Debug, Clone, PartialEq)]
pub struct PositionMoments {
    grid: Grid,
    frames: f64,
    mean: Vec<f64>,
    square: Vec<f64>,
}

impl PositionMoments {
    /// Of no frames yet.
    pub fn new(grid: Grid) -> Self {
        let positions = grid.rows * grid.columns;
        Self {
            grid,
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
    /// If `other` is of another grid.
    pub fn merge(&mut self, other: &Self) {
        assert_eq!(self.grid, other.grid, "moments of another grid were merged");
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

    /// Mean and variance of the pool of all positions.
    fn pool(&self) -> (f64, f64) {
        let positions = self.mean.len() as f64;
        let mean = self.mean.iter().sum::<f64>() / positions;
        let between = self.mean.iter().map(|m| (m - mean).powi(2)).sum::<f64>() / positions;
        let within = self.square.iter().sum::<f64>() / (positions * self.frames);
        (mean, between + within)
    }
}

/// Mean and deviation of the distance at each position over normal frames.
#[derive(Debug, Clone, PartialEq)]
pub struct MapStatistics {
    grid: Grid,
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
        Ok(Self {
            grid: positions.grid,
            mean,
            deviation,
        })
    }

    /// From its arrays, `[P]` each. `None` if lengths disagree with the grid or a value is not
    /// finite, or a deviation not positive.
    pub(super) fn from_arrays(grid: Grid, mean: Vec<f64>, deviation: Vec<f64>) -> Option<Self> {
        let cells = grid.rows * grid.columns;
        let sound = mean.len() == cells
            && deviation.len() == cells
            && mean.iter().all(|v| v.is_finite())
            && deviation.iter().all(|v| v.is_finite() && *v > 0.0);
        sound.then_some(Self {
            grid,
            mean,
            deviation,
        })
    }

    /// Rows and columns of the map.
    pub fn grid(&self) -> Grid {
        self.grid
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
    /// frames at each place, smoothed.
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
        smooth(&normalised, self.grid)
    }
}

/// Mean of the three largest cells of a map (of all, where there are fewer).
///
/// # Panics
/// If the map has no cells.
pub fn local_score(map: &[f32]) -> f64 {
    assert!(!map.is_empty(), "a map has cells");
    let mut cells = map.to_vec();
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
mod tests {
    use super::*;

    const GRID: Grid = Grid {
        rows: 3,
        columns: 4,
    };

    fn frames(count: usize) -> Vec<Vec<f32>> {
        let cell = |f: usize, p: usize| (p as f32) + ((f * 7 + p * 3) % 5) as f32 / 5.0;
        (0..count)
            .map(|f| (0..12).map(|p| cell(f, p)).collect())
            .collect()
    }

    #[test]
    fn a_constant_map_stays_constant_when_smoothed() {
        for grid in [
            GRID,
            Grid {
                rows: 1,
                columns: 12,
            },
            Grid {
                rows: 12,
                columns: 1,
            },
        ] {
            assert!(smooth(&[2.5; 12], grid).iter().all(|&v| v == 2.5));
        }
    }

    #[test]
    fn a_single_peak_spreads_by_binomial_weights() {
        let mut map = [0.0_f32; 25];
        map[12] = 16.0;
        let smoothed = smooth(
            &map,
            Grid {
                rows: 5,
                columns: 5,
            },
        );
        assert_eq!(smoothed[12], 4.0);
        assert_eq!(
            [smoothed[7], smoothed[11], smoothed[13], smoothed[17]],
            [2.0; 4]
        );
        assert_eq!(
            [smoothed[6], smoothed[8], smoothed[16], smoothed[18]],
            [1.0; 4]
        );
        assert_eq!(smoothed.iter().sum::<f32>(), 16.0);
    }

    #[test]
    fn moments_merged_equal_one_pass() {
        let all = frames(9);
        let mut whole = PositionMoments::new(GRID);
        all.iter().for_each(|f| whole.add(f));
        let (mut first, mut second) = (PositionMoments::new(GRID), PositionMoments::new(GRID));
        all[..2].iter().for_each(|f| first.add(f));
        all[2..].iter().for_each(|f| second.add(f));
        first.merge(&PositionMoments::new(GRID));
        first.merge(&second);
        assert_eq!(first.frames, whole.frames);
        for i in 0..12 {
            assert!((first.mean[i] - whole.mean[i]).abs() < 1e-12);
            assert!((first.square[i] - whole.square[i]).abs() < 1e-12);
        }
    }

    #[test]
    fn shrinkage_equals_ten_frames_drawn_from_the_pool() {
        // Thirty frames and a pool that is exactly ten of them (two positions of five values).
        let grid = Grid {
            rows: 1,
            columns: 2,
        };
        let mut moments = PositionMoments::new(grid);
        let values = |f: usize| [(f % 5) as f32, 3.0 + (f % 5) as f32 * 2.0];
        (0..30).for_each(|f| moments.add(&values(f)));
        let fitted = MapStatistics::fit(&moments).unwrap();
        let pool: Vec<f64> = (0..5).flat_map(|f| values(f).map(f64::from)).collect();
        let mut mixture: Vec<f64> = (0..30).map(|f| f64::from(values(f)[1])).collect();
        mixture.extend(pool);
        let mean = mixture.iter().sum::<f64>() / 40.0;
        let variance = mixture.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / 40.0;
        assert!((fitted.mean[1] - mean).abs() < 1e-12);
        assert!((fitted.deviation[1] - variance.sqrt()).abs() < 1e-12);
    }

    #[test]
    fn one_frame_has_the_pool_to_lean_on() {
        let mut moments = PositionMoments::new(GRID);
        moments.add(&frames(1)[0]);
        let fitted = MapStatistics::fit(&moments).unwrap();
        assert!(fitted.map(&frames(2)[1]).iter().all(|v| v.is_finite()));
    }

    #[test]
    fn distances_that_never_vary_are_refused() {
        let mut moments = PositionMoments::new(GRID);
        moments.add(&[1.5; 12]);
        moments.add(&[1.5; 12]);
        let refused = FitError::NoVariation { what: "the map" };
        assert_eq!(MapStatistics::fit(&moments), Err(refused));
    }

    #[test]
    fn the_local_score_is_the_mean_of_the_three_largest() {
        assert_eq!(local_score(&[1.0, 9.0, -3.0, 6.0, 3.0]), 6.0);
        assert_eq!(local_score(&[1.0, 2.0]), 1.5);
    }
}
