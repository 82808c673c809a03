//! Where in the picture the anomaly is, from the map of its patches.
//!
//! The region is the patch that deviates most and those around it, joined by sides or corners, that
//! deviate at least half as much; a fixed share of the peak draws a box that is tight around strong
//! anomalies and honest about weak ones. Assumes a map of finite numbers.

use crate::infer::Grid;
use crate::score::Score;

/// A part of the picture that deviates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Region {
    /// Left, top, width and height in pixels of the frame.
    pub bbox: [u32; 4],
    /// Row and column of the patch that deviates most.
    pub peak_cell: [usize; 2],
    /// The patches of the picture.
    pub grid: Grid,
}

/// Share of the peak that a neighbouring patch must reach.
const SHARE: f32 = 0.5;

/// The region of a score's map in a frame of `width` x `height` pixels; `None` without a map.
pub(super) fn region(score: &Score, width: u32, height: u32) -> Option<Region> {
    let grid = score.grid;
    let map = &score.map;
    if map.is_empty() || map.len() != grid.rows * grid.columns {
        return None;
    }
    let peak = (0..map.len()).max_by(|a, b| map[*a].total_cmp(&map[*b]))?;
    let level = map[peak] * SHARE;
    let mut reached = vec![false; map.len()];
    let mut ahead = vec![peak];
    reached[peak] = true;
    let (mut top, mut left) = (peak / grid.columns, peak % grid.columns);
    let (mut bottom, mut right) = (top, left);
    while let Some(cell) = ahead.pop() {
        let (row, column) = (cell / grid.columns, cell % grid.columns);
        (top, bottom) = (top.min(row), bottom.max(row));
        (left, right) = (left.min(column), right.max(column));
        for r in row.saturating_sub(1)..=(row + 1).min(grid.rows - 1) {
            for c in column.saturating_sub(1)..=(column + 1).min(grid.columns - 1) {
                let next = r * grid.columns + c;
                if !reached[next] && map[next] > 0.0 && map[next] >= level {
                    reached[next] = true;
                    ahead.push(next);
                }
            }
        }
    }
    let (x, w) = pixels(left, right, grid.columns, width);
    let (y, h) = pixels(top, bottom, grid.rows, height);
    let peak_cell = [peak / grid.columns, peak % grid.columns];
    Some(Region {
        bbox: [x, y, w, h],
        peak_cell,
        grid,
    })
}

/// First pixel and length of the cells `first..=last` of `cells` over `size` pixels.
fn pixels(first: usize, last: usize, cells: usize, size: u32) -> (u32, u32) {
    let edge = |cell: usize| (cell as f64 * f64::from(size) / cells as f64).round() as u32;
    (edge(first), edge(last + 1) - edge(first))
}

#[cfg(test)]
mod tests {
    use super::super::stories::score;
    use super::*;

    fn on_a_grid(map: Vec<f32>, rows: usize, columns: usize) -> Score {
        Score {
            map,
            grid: Grid { rows, columns },
            ..score(1.0)
        }
    }

    #[test]
    fn the_box_holds_the_peak_and_its_strong_neighbours_only() {
        #[rustfmt::skip]
        let map = vec![
            0.0, 0.0, 0.0, 0.0,
            0.0, 9.0, 5.0, 0.0,
            0.0, 0.0, 0.0, 0.0,
            8.0, 0.0, 0.0, 0.0,
        ];
        let region = region(&on_a_grid(map, 4, 4), 640, 480).unwrap();
        assert_eq!(region.peak_cell, [1, 1]);
        assert_eq!(region.bbox, [160, 120, 320, 120]);
    }

    #[test]
    fn a_map_below_its_mean_everywhere_gives_the_peak_cell_alone() {
        let region = region(&on_a_grid(vec![-2.0, -1.0, -3.0, -1.5], 2, 2), 100, 50).unwrap();
        assert_eq!((region.peak_cell, region.bbox), ([0, 1], [50, 0, 50, 25]));
    }

    #[test]
    fn a_missing_or_misshapen_map_has_no_region() {
        assert_eq!(region(&on_a_grid(vec![], 0, 0), 10, 10), None);
        assert_eq!(region(&on_a_grid(vec![1.0; 3], 2, 2), 10, 10), None);
    }

    proptest::proptest! {
        #[test]
        fn the_box_lies_in_the_frame(
            map in proptest::collection::vec(-5f32..50.0, 12), width in 16u32..5000, height in 16u32..5000,
        ) {
            let [x, y, w, h] = region(&on_a_grid(map, 3, 4), width, height).unwrap().bbox;
            proptest::prop_assert!(w > 0 && h > 0 && x + w <= width && y + h <= height);
        }
    }
}
