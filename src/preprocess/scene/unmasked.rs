//! Unmasked: which pixels of the resized picture show the scene, and none of a mask's paint.
//!
//! A mask is painted before the resize, whose filter then mixes its colour into what lies beside it:
//! pixels so near to it do not count either. All of it is worked out once for a camera.

use std::ops::Range;

use super::super::View;
use super::look::{GRID, SIDE};

/// How far the filter of a resize reaches, in pixels of its result: the bicubic one's two.
const REACH: usize = 2;
/// Points of a pixel, across and down, of which none may be masked.
const POINTS: usize = 4;
/// Cells of a thumbnail over which its weight falls to nothing before the mask: its edge must not
/// stand out of the picture as one that never moves.
const FADE: usize = 3;

/// Which pixels count.
#[derive(Debug, PartialEq)]
pub(super) struct Unmasked {
    /// Columns of the pictures.
    pub(super) width: usize,
    /// Pixels that count, row by row.
    pub(super) pixels: Vec<Range<usize>>,
    /// Those of them whose neighbour to the right counts as well.
    pub(super) across: Vec<Range<usize>>,
    /// Those whose neighbour below counts as well.
    pub(super) down: Vec<Range<usize>>,
    /// Cells of the grid of which less than half is masked, row by row.
    pub(super) cells: Vec<bool>,
    /// How much each cell of a thumbnail counts, 0..1.
    pub(super) weight: Vec<f32>,
}

impl Unmasked {
    /// Of pictures of `width` x `height` that show this view.
    pub(super) fn of(view: &View, width: usize, height: usize) -> Self {
        let masked = touched(view, width, height);
        let shown = shown(&masked, width);
        let below = |i: usize| shown.get(i + width).copied().unwrap_or(false);
        let right = |i: usize| !(i + 1).is_multiple_of(width) && shown[i + 1];
        let cells: Vec<bool> = view.masked_patches(GRID, GRID);
        Unmasked {
            width,
            pixels: runs(width, height, |i| shown[i]),
            across: runs(width, height, |i| shown[i] && right(i)),
            down: runs(width, height, |i| shown[i] && below(i)),
            cells: cells.into_iter().map(|masked| !masked).collect(),
            weight: weight(&touched(view, SIDE, SIDE)),
        }
    }

    /// How many pixels count.
    pub(super) fn count(&self) -> usize {
        self.pixels.iter().map(Range::len).sum()
    }
}

/// Which of `width` x `height` pixels over the crop a mask touches.
fn touched(view: &View, width: usize, height: usize) -> Vec<bool> {
    let points = view.masked_points(width * POINTS, height * POINTS);
    let mut touched = vec![false; width * height];
    for (y, row) in points.chunks_exact(width * POINTS).enumerate() {
        let pixels = &mut touched[y / POINTS * width..][..width];
        for (pixel, points) in pixels.iter_mut().zip(row.chunks_exact(POINTS)) {
            *pixel |= points.contains(&true);
        }
    }
    touched
}

/// The pixels that no paint reaches; where that leaves none, those that are not painted.
fn shown(masked: &[bool], width: usize) -> Vec<bool> {
    let far = |reach: usize| -> Vec<bool> {
        let near = spread(masked, width, reach);
        near.into_iter().map(|near| !near).collect()
    };
    let all = [far(REACH), far(0), vec![true; masked.len()]];
    let found = all.into_iter().find(|shown| shown.contains(&true));
    found.unwrap_or_default()
}

/// True wherever something true lies within `reach`, across and down.
fn spread(values: &[bool], width: usize, reach: usize) -> Vec<bool> {
    let near = |at: usize, end: usize| at.saturating_sub(reach)..(at + reach + 1).min(end);
    let across: Vec<bool> = values
        .chunks_exact(width)
        .flat_map(|row| (0..width).map(move |x| row[near(x, width)].contains(&true)))
        .collect();
    let height = values.len() / width;
    let value = |i: usize| near(i / width, height).any(|y| across[y * width + i % width]);
    (0..values.len()).map(value).collect()
}

/// The pixels for which `is_one` holds; no run goes beyond its row.
fn runs(width: usize, height: usize, is_one: impl Fn(usize) -> bool) -> Vec<Range<usize>> {
    let mut runs: Vec<Range<usize>> = Vec::new();
    for i in (0..width * height).filter(|&i| is_one(i)) {
        match runs.last_mut() {
            Some(run) if run.end == i && i % width != 0 => run.end = i + 1,
            _ => runs.push(i..i + 1),
        }
    }
    runs
}

/// What lies farther than [`FADE`] from a mask counts, and fades towards it.
fn weight(masked: &[bool]) -> Vec<f32> {
    let far = spread(masked, SIDE, FADE);
    let mut weight: Vec<f32> = far.iter().map(|&near| f32::from(u8::from(!near))).collect();
    // A mean across, then down: each pass turns the square.
    for _ in 0..2 {
        let mut turned = vec![0.0; weight.len()];
        for (y, row) in weight.chunks_exact(SIDE).enumerate() {
            for x in 0..SIDE {
                let near = &row[x.saturating_sub(FADE)..(x + FADE + 1).min(SIDE)];
                turned[x * SIDE + y] = near.iter().sum::<f32>() / near.len() as f32;
            }
        }
        weight = turned;
    }
    weight
}
