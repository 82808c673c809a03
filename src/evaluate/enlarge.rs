//! A map from patches to pixels.

use crate::infer::Grid;
use crate::preprocess::{Rect, View};

/// `map`, `[rows * columns]`, enlarged bilinearly to `[height, width]`: cell centres lie at pixel
/// centres, the border repeats.
pub fn enlarge(map: &[f32], grid: Grid, width: usize, height: usize) -> Vec<f32> {
    let columns = weights(grid.columns, width);
    let rows = weights(grid.rows, height);
    let mut pixels = Vec::with_capacity(width * height);
    for &(top, bottom, down) in &rows {
        let (top, bottom) = (&map[top * grid.columns..], &map[bottom * grid.columns..]);
        for &(left, right, across) in &columns {
            let above = top[left] + across * (top[right] - top[left]);
            let below = bottom[left] + across * (bottom[right] - bottom[left]);
            pixels.push(above + down * (below - above));
        }
    }
    pixels
}

/// The same over the part of a picture of `width` x `height` that `view` shows; 0 beside it.
pub fn enlarge_in_view(
    map: &[f32],
    grid: Grid,
    view: &View,
    (width, height): (u32, u32),
) -> Vec<f32> {
    let Rect {
        x,
        y,
        width: columns,
        height: rows,
    } = view.crop().pixels(width, height);
    let [x, y, columns, rows, width, height] =
        [x, y, columns, rows, width, height].map(|n| n as usize);
    let part = enlarge(map, grid, columns, rows);
    if (columns, rows) == (width, height) {
        return part;
    }
    let mut pixels = vec![0.0; width * height];
    let lines = pixels.chunks_exact_mut(width).skip(y);
    for (line, part) in lines.zip(part.chunks_exact(columns)) {
        line[x..x + columns].copy_from_slice(part);
    }
    pixels
}

/// For each pixel the two cells that it lies between and its place between them, 0..1.
fn weights(cells: usize, pixels: usize) -> Vec<(usize, usize, f32)> {
    let scale = cells as f32 / pixels as f32;
    let of = |pixel: usize| {
        let at = ((pixel as f32 + 0.5) * scale - 0.5).clamp(0.0, (cells - 1) as f32);
        let first = at as usize;
        (first, (first + 1).min(cells - 1), at - first as f32)
    };
    (0..pixels).map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cell_centres_keep_their_values_and_the_middle_is_the_mean() {
        let grid = Grid {
            rows: 2,
            columns: 2,
        };
        let pixels = enlarge(&[0.0, 1.0, 2.0, 3.0], grid, 6, 6);
        assert_eq!(pixels[6 + 1], 0.0);
        assert_eq!(pixels[6 + 4], 1.0);
        assert_eq!(pixels[4 * 6 + 1], 2.0);
        assert_eq!(pixels[0], 0.0);
        let four = [pixels[14], pixels[15], pixels[20], pixels[21]];
        assert!((four.iter().sum::<f32>() / 4.0 - 1.5).abs() < 1e-6);
    }

    #[test]
    fn a_crop_is_enlarged_at_its_place_and_nothing_beside_it() {
        let crop = crate::preprocess::Crop::new([0.5, 0.25, 0.5, 0.5]).unwrap();
        let view = View::new(crop, Default::default()).unwrap();
        let grid = Grid {
            rows: 1,
            columns: 1,
        };
        let pixels = enlarge_in_view(&[7.0], grid, &view, (4, 4));
        let row = [0.0, 0.0, 7.0, 7.0];
        assert_eq!(pixels, [[0.0; 4], row, row, [0.0; 4]].concat());
        let whole = enlarge_in_view(&[7.0], grid, &View::default(), (4, 4));
        assert_eq!(whole, [7.0; 16]);
    }

    #[test]
    fn values_between_two_cells_are_linear_and_flat_beyond_the_outermost() {
        let grid = Grid {
            rows: 1,
            columns: 4,
        };
        // Middles of the cells at pixels 9.5, 29.5, 49.5, 69.5.
        let pixels = enlarge(&[0.0, 1.0, 2.0, 3.0], grid, 80, 1);
        for (pixel, value) in pixels.iter().enumerate().take(70).skip(10) {
            let expected = (pixel as f32 + 0.5) / 20.0 - 0.5;
            assert!((value - expected).abs() < 1e-5, "{pixel}: {value}");
        }
        assert_eq!((pixels[0], pixels[79]), (0.0, 3.0));
    }
}
