//! Shift of the view, by phase correlation with what stands still in the normal footage.
//!
//! The view of a footage is the mean phase of each frequency over its frames: what stands still
//! keeps its phase and counts fully, what moves has any phase and counts nothing. So a part that
//! passes by, or a defect, can't pass for a shift. Footage without a common view has no steady
//! phase, and therefore no [`CommonView`]. `rustfft` is named here only.

use std::sync::Arc;

use rustfft::num_complex::Complex;
use rustfft::{Fft, FftPlanner};

use super::look::SIDE;

/// Pixels of a thumbnail, and frequencies of its transform.
pub(super) const PIXELS: usize = SIDE * SIDE;

/// A match of noise is about normally distributed with deviation 1; the greatest of the 4096 of a
/// thumbnail is seldom above 4.5.
pub(super) const TRUSTED: f32 = 6.5;

/// A view counts as in its place as long as the match there is this much of the best.
const STILL: f32 = 0.75;

/// Share of the width over which the picture fades in at each side, and likewise of the height.
const TAPER: f32 = 0.125;

/// Frequencies whose mean phase could be that of noise once in ten thousand are left out.
const NOISE: f32 = 9.0;

/// What stands still in the normal footage: of each frequency how steady its phase is, 0..1, and
/// that phase.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct CommonView {
    phases: Vec<Complex<f32>>,
    /// Root of the sum of the squared steadiness: the deviation of a match of noise.
    norm: f32,
}

/// Where the view lies in a frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Shift {
    /// Cells of the thumbnail to the right and down.
    pub(super) cells: [f32; 2],
    /// How well it matches there, in deviations of noise.
    pub(super) matched: f32,
}

impl CommonView {
    pub(super) fn from_phases(phases: Vec<Complex<f32>>) -> Option<CommonView> {
        let energy: f32 = phases.iter().map(Complex::norm_sqr).sum();
        let is_sound = phases.len() == PIXELS && energy.is_finite() && energy > 0.0;
        is_sound.then(|| CommonView {
            phases,
            norm: energy.sqrt(),
        })
    }

    /// Real and imaginary parts in turn.
    pub(super) fn numbers(&self) -> Vec<f64> {
        let pairs = self.phases.iter().flat_map(|phase| [phase.re, phase.im]);
        pairs.map(f64::from).collect()
    }

    pub(super) fn from_numbers(numbers: &[f64]) -> Option<CommonView> {
        let (pairs, _) = numbers.as_chunks::<2>();
        let phases = pairs.iter();
        CommonView::from_phases(
            phases
                .map(|&[re, im]| Complex::new(re as f32, im as f32))
                .collect(),
        )
    }
}

/// Plans and buffers of the transforms.
pub(super) struct Correlator {
    forward: Arc<dyn Fft<f32>>,
    inverse: Arc<dyn Fft<f32>>,
    window: Vec<f32>,
    plane: Vec<Complex<f32>>,
    turned: Vec<Complex<f32>>,
    scratch: Vec<Complex<f32>>,
}

impl std::fmt::Debug for Correlator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Correlator")
    }
}

impl Correlator {
    pub(super) fn new() -> Self {
        let mut planner = FftPlanner::new();
        let (forward, inverse) = (
            planner.plan_fft_forward(SIDE),
            planner.plan_fft_inverse(SIDE),
        );
        let scratch = forward
            .get_inplace_scratch_len()
            .max(inverse.get_inplace_scratch_len());
        let edge = |i: usize| {
            let from_border = (i.min(SIDE - 1 - i) as f32 + 0.5) / SIDE as f32;
            let turn = std::f32::consts::PI * (from_border / TAPER).min(1.0);
            0.5 - 0.5 * turn.cos()
        };
        let window = (0..PIXELS).map(|i| edge(i / SIDE) * edge(i % SIDE));
        Self {
            forward,
            inverse,
            window: window.collect(),
            plane: vec![Complex::default(); PIXELS],
            turned: vec![Complex::default(); PIXELS],
            scratch: vec![Complex::default(); scratch],
        }
    }

    /// The view that these thumbnails have in common.
    pub(super) fn view<'a>(
        &mut self,
        thumbnails: impl ExactSizeIterator<Item = &'a [u8]>,
        weight: &[f32],
    ) -> Option<CommonView> {
        let count = thumbnails.len() as f32;
        let mut sums = vec![Complex::<f32>::default(); PIXELS];
        for thumbnail in thumbnails {
            self.phases_of(thumbnail, weight);
            for (sum, phase) in sums.iter_mut().zip(&self.plane) {
                *sum += phase;
            }
        }
        // Of n random phases the mean has length squared 1/n: that much is taken off.
        for sum in &mut sums {
            let steadiness = sum.norm_sqr() / (count * count);
            let own = ((count * steadiness - 1.0) / (count - 1.0).max(1.0)).max(0.0);
            let is_noise = steadiness * count < NOISE;
            *sum = match sum.norm() {
                length if length > 0.0 && !is_noise => *sum * (own.sqrt() / length),
                _ => Complex::default(),
            };
        }
        CommonView::from_phases(sums)
    }

    /// Where `view` lies in a thumbnail.
    pub(super) fn shift(&mut self, view: &CommonView, thumbnail: &[u8], weight: &[f32]) -> Shift {
        self.phases_of(thumbnail, weight);
        for (own, other) in self.plane.iter_mut().zip(&view.phases) {
            *own *= other.conj();
        }
        self.transform(&Arc::clone(&self.inverse));
        let surface = &self.plane;
        let best = (0..PIXELS).max_by(|&a, &b| surface[a].re.total_cmp(&surface[b].re));
        let best = best.unwrap_or_default();
        // The cells beside no shift: a view that lies there is in its place, even if a ridge of the
        // surface (all edges in one direction) is a little higher elsewhere.
        let near = (0..9).map(|i| [(i % 3 + SIDE - 1) % SIDE, (i / 3 + SIDE - 1) % SIDE]);
        let near = near.map(|[x, y]| y * SIDE + x);
        let near = near.max_by(|&a, &b| surface[a].re.total_cmp(&surface[b].re));
        let near = near.unwrap_or_default();
        let is_still = surface[near].re >= STILL * surface[best].re;
        let at = if is_still { near } else { best };
        Shift {
            cells: self.peak(at % SIDE, at / SIDE),
            matched: surface[at].re / view.norm,
        }
    }

    /// The place of the peak at a cell, between cells by the parabola through its neighbours.
    fn peak(&self, x: usize, y: usize) -> [f32; 2] {
        let value = |dx: usize, dy: usize| {
            self.plane[(y + dy + SIDE - 1) % SIDE * SIDE + (x + dx + SIDE - 1) % SIDE].re
        };
        let vertex = |before: f32, at: f32, after: f32| {
            let bend = before - 2.0 * at + after;
            let off = if bend < 0.0 {
                (before - after) / (2.0 * bend)
            } else {
                0.0
            };
            off.clamp(-0.5, 0.5)
        };
        let signed = |i: usize| {
            let half = SIDE as f32 / 2.0;
            (i as f32 + half) % SIDE as f32 - half
        };
        [
            signed(x) + vertex(value(0, 1), value(1, 1), value(2, 1)),
            signed(y) + vertex(value(1, 0), value(1, 1), value(1, 2)),
        ]
    }

    /// Leaves in `plane` the phase of each frequency, as a number of length 1. `weight` says how much
    /// each cell counts: a painted mask stands still, and would hold the view in its place.
    fn phases_of(&mut self, thumbnail: &[u8], weight: &[f32]) {
        let cells = thumbnail.iter().zip(self.window.iter().zip(weight));
        let cells = cells.map(|(&cell, (window, weight))| (f32::from(cell), window * weight));
        let (mut sum, mut total) = (0.0, 0.0);
        for (cell, weight) in cells.clone() {
            sum += cell * weight;
            total += weight;
        }
        let mean = sum / total.max(f32::MIN_POSITIVE);
        for (value, (cell, weight)) in self.plane.iter_mut().zip(cells) {
            *value = Complex::new((cell - mean) * weight, 0.0);
        }
        self.transform(&Arc::clone(&self.forward));
        for value in &mut self.plane {
            let length = value.norm();
            // Less than rounding leaves of a flat picture is no phase.
            *value = if length > 1e-2 {
                *value / length
            } else {
                Complex::default()
            };
        }
        self.plane[0] = Complex::default();
    }

    /// Transforms rows, then columns.
    fn transform(&mut self, fft: &Arc<dyn Fft<f32>>) {
        for _ in 0..2 {
            fft.process_with_scratch(&mut self.plane, &mut self.scratch);
            for (i, value) in self.plane.iter().enumerate() {
                self.turned[i % SIDE * SIDE + i / SIDE] = *value;
            }
            std::mem::swap(&mut self.plane, &mut self.turned);
        }
    }
}
