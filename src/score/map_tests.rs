//! The map's statistics, its smoothing, and what a mask takes out of both.

use super::*;
use crate::preprocess::{Crop, Mask, View};

const GRID: Grid = Grid {
    rows: 3,
    columns: 4,
};

fn unmasked(grid: Grid) -> Patches {
    Patches::all(grid)
}

/// The grid with the first `columns` of its four columns masked.
fn without_left(columns: usize) -> Patches {
    let end = columns as f64 / 4.0;
    let left = vec![[0.0, 0.0], [end, 0.0], [end, 1.0], [0.0, 1.0]];
    let view = View::new(Crop::default(), Mask::new(vec![left]).unwrap()).unwrap();
    Patches::of(&view, GRID).unwrap()
}

/// The columns from `first` on.
fn right(map: &[f32], first: usize) -> Vec<f32> {
    map.chunks(4)
        .flat_map(|row| row[first..].to_vec())
        .collect()
}

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
    let mut whole = PositionMoments::new(unmasked(GRID));
    all.iter().for_each(|f| whole.add(f));
    let (mut first, mut second) = (
        PositionMoments::new(unmasked(GRID)),
        PositionMoments::new(unmasked(GRID)),
    );
    all[..2].iter().for_each(|f| first.add(f));
    all[2..].iter().for_each(|f| second.add(f));
    first.merge(&PositionMoments::new(unmasked(GRID)));
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
    let mut moments = PositionMoments::new(unmasked(grid));
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
    let mut moments = PositionMoments::new(unmasked(GRID));
    moments.add(&frames(1)[0]);
    let fitted = MapStatistics::fit(&moments).unwrap();
    assert!(fitted.map(&frames(2)[1]).iter().all(|v| v.is_finite()));
}

#[test]
fn distances_that_never_vary_are_refused() {
    let mut moments = PositionMoments::new(unmasked(GRID));
    moments.add(&[1.5; 12]);
    moments.add(&[1.5; 12]);
    let refused = FitError::NoVariation { what: "the map" };
    assert_eq!(MapStatistics::fit(&moments), Err(refused));
}

#[test]
fn the_local_score_is_the_mean_of_the_three_largest() {
    let local = |cells: &[f32]| {
        let columns = cells.len();
        local_score(cells, &unmasked(Grid { rows: 1, columns }))
    };
    assert_eq!(local(&[1.0, 9.0, -3.0, 6.0, 3.0]), 6.0);
    assert_eq!(local(&[1.0, 2.0]), 1.5);
}

#[test]
fn a_masked_map_is_that_of_a_grid_without_its_masked_columns() {
    let patches = without_left(2);
    let half = Grid {
        rows: 3,
        columns: 2,
    };
    let mut masked = PositionMoments::new(patches.clone());
    let mut alone = PositionMoments::new(unmasked(half));
    for frame in frames(12) {
        let mut wild = frame.clone();
        for row in wild.chunks_mut(4) {
            row[..2].fill(frame[0] * 1e6);
        }
        masked.add(&wild);
        alone.add(&right(&frame, 2));
    }
    let masked = MapStatistics::fit(&masked).unwrap();
    let alone = MapStatistics::fit(&alone).unwrap();
    let mut frame = frames(20).remove(19);
    frame[6] = 40.0;
    let expected = alone.map(&right(&frame, 2));
    for (row, wild) in frame.chunks_mut(4).zip([1e9, f32::NAN, -1e9]) {
        row[..2].fill(wild);
    }
    let map = masked.map(&frame);
    for row in map.chunks(4) {
        assert_eq!(row[..2], [0.0, 0.0]);
    }
    for (found, expected) in right(&map, 2).iter().zip(&expected) {
        assert!((found - expected).abs() < 1e-5, "{found} is not {expected}");
    }
    let local = local_score(&map, &patches);
    assert!((local - local_score(&expected, &unmasked(half))).abs() < 1e-5);
}

#[test]
fn zeros_of_masked_cells_do_not_lift_a_local_score_below_zero() {
    let patches = without_left(2);
    let map: Vec<f32> = [0.0, 0.0, -1.0, -2.0].repeat(3);
    assert_eq!(local_score(&map, &patches), -1.0);
}

#[test]
fn smoothing_by_weights_equals_smoothing_by_rows_and_columns() {
    for frame in frames(5) {
        let quick = smooth(&frame, GRID);
        for (a, b) in quick.iter().zip(smooth_kept(&frame, &unmasked(GRID))) {
            assert!((a - b).abs() < 1e-5, "{a} {b}");
        }
    }
}

#[test]
fn statistics_with_a_mask_are_read_back_as_they_were_written() {
    let mut moments = PositionMoments::new(without_left(1));
    frames(6).iter().for_each(|frame| moments.add(frame));
    let fitted = MapStatistics::fit(&moments).unwrap();
    let (mean, deviation) = (fitted.mean.clone(), fitted.deviation.clone());
    let back = MapStatistics::from_arrays(without_left(1), mean, deviation);
    assert_eq!(back, Some(fitted));
}
