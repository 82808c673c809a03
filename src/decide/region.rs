//! Where in the picture the anomaly is, from the map of its patches.
//!
//! The region is the patch that deviates most and those around it, joined by sides or corners, that
//! deviate at least half as much; a fixed share of the peak draws a box that is tight around strong
//! anomalies and honest about weak ones. Masked patches are none of it. Assumes a map of finite numbers.

use crate::infer::Grid;
use crate::preprocess::Rect;
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

/// The region of a score's map, whose patches lie over the `crop` of a frame; `None` without a map.
pub(super) fn region(score: &Score, crop: Rect) -> Option<Region> {
    let grid = score.patches.grid();
    let map = &score.map;
    if map.is_empty() || map.len() != grid.rows * grid.columns {
        return None;
    }
    let kept = score.patches.kept(0..map.len());
    let peak = kept.max_by(|a, b| map[*a].total_cmp(&map[*b]))?;
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
    let (x, w) = pixels(left, right, grid.columns, crop.width);
    let (y, h) = pixels(top, bottom, grid.rows, crop.height);
    let peak_cell = [peak / grid.columns, peak % grid.columns];
    Some(Region {
        bbox: [crop.x + x, crop.y + y, w, h],
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
    use crate::infer::Patches;
    use crate::preprocess::{Crop, Mask, View};

    fn region(score: &Score, width: u32, height: u32) -> Option<Region> {
        super::region(score, Rect::whole(width, height))
    }

    fn on_a_grid(map: Vec<f32>, rows: usize, columns: usize) -> Score {
        Score {
            map,
            patches: Patches::all(Grid { rows, columns }),
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

    #[test]
    fn the_box_is_in_pixels_of_the_whole_frame_where_a_crop_is_looked_at() {
        let score = on_a_grid(vec![0.0, 0.0, 9.0, 0.0], 2, 2);
        let crop = Rect {
            x: 320,
            y: 100,
            width: 200,
            height: 80,
        };
        let region = super::region(&score, crop).unwrap();
        assert_eq!(region.bbox, [320, 140, 100, 40]);
    }

    #[test]
    fn a_masked_patch_is_never_the_peak() {
        let left = vec![[0.0, 0.0], [0.5, 0.0], [0.5, 1.0], [0.0, 1.0]];
        let view = View::new(Crop::default(), Mask::new(vec![left]).unwrap()).unwrap();
        let mut score = on_a_grid(vec![0.0, -2.0, 0.0, -1.0], 2, 2);
        score.patches = Patches::of(&view, score.patches.grid()).unwrap();
        let region = region(&score, 100, 100).unwrap();
        assert_eq!((region.peak_cell, region.bbox), ([1, 1], [50, 50, 50, 50]));
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
