//! A review of footage before it is learnt from: does it show what normally happens?
//!
//! Of each picture a thumbnail of 32x32 mean grey values is kept. How many of them differ, whether
//! the light and the view stayed, and how bright they are is all that is asked; the review never leaves
//! a picture out by itself. Memory is bounded: of long footage every second thumbnail is dropped, again
//! and again.

use std::time::Duration;

use super::calibrate::RECOMMENDED_FRAMES;
use crate::preprocess::Picture;
use crate::preprocess::scene::Drift;

/// Columns and rows of a thumbnail.
const SIDE: usize = 32;
/// Columns and rows of the finer one by which the view is followed, in cells of the other.
const FINER: usize = Drift::SIDE / SIDE;
/// Most thumbnails that are kept, 2 kB each.
const MOST: usize = 2048;
/// More different pictures than this are not told apart: whoever has as many films enough.
const MOST_DIFFERENT: usize = 256;
/// Fewer different pictures than this are too few to learn from, ...
const FEW_DIFFERENT: usize = 20;
/// ... and so is a smaller share of all.
const SHARE_DIFFERENT: f64 = 0.1;
/// Thumbnails closer than this many times the noise show the same.
const NOISE_MARGIN: f64 = 3.0;
/// Bounds of that distance in grey levels. Below, the rounding of a JPEG shows; above, it is no noise
/// (a camera's noise of 3 grey levels is 0.2 in the mean of a cell), but a scene that never rests.
const SAME: (f64, f64) = (0.3, 1.5);
/// Consecutive differences up to this quantile are taken for noise.
const NOISE_QUANTILE: f64 = 0.1;
/// Mean brightness outside of this shows little.
const SENSIBLE: (f32, f32) = (0.06, 0.94);
/// A change of the light by this factor deserves a warning: what is learnt then spans both.
pub(super) const LIGHT_FACTOR: f32 = 1.1;

/// Mean grey values of the cells of a picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Thumbnail {
    cells: Cells,
    /// Of finer cells, in grey levels.
    fine: Vec<u8>,
    /// Columns and rows of the picture.
    size: (u32, u32),
}

/// In 256ths of a grey level.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Cells(Box<[u16]>);

impl Thumbnail {
    /// Of a picture.
    pub fn of(picture: &Picture<'_>) -> Self {
        const FINE: usize = Drift::SIDE;
        let (width, height) = (picture.width as usize, picture.height as usize);
        let mut sums = vec![(0u64, 0u64); FINE * FINE];
        let rows = picture.data.chunks_exact((3 * width).max(1));
        for (y, row) in rows.enumerate() {
            let cells = &mut sums[y * FINE / height * FINE..][..FINE];
            for (x, pixel) in row.as_chunks::<3>().0.iter().enumerate() {
                let [r, g, b] = pixel.map(u64::from);
                let (sum, count) = &mut cells[x * FINE / width];
                // Rec. 601, in 256ths.
                *sum += 77 * r + 150 * g + 29 * b;
                *count += 1;
            }
        }
        // A picture of fewer pixels a side leaves cells empty: they are all equal then.
        let mean = |(sum, count): (u64, u64)| u16::try_from(sum / count.max(1)).unwrap_or(u16::MAX);
        let cell = |i: usize| {
            let corner = i / SIDE * FINER * FINE + i % SIDE * FINER;
            let within = (0..FINER * FINER).map(|j| sums[corner + j / FINER * FINE + j % FINER]);
            mean(within.fold((0, 0), |all, one| (all.0 + one.0, all.1 + one.1)))
        };
        Thumbnail {
            cells: Cells((0..SIDE * SIDE).map(cell).collect()),
            fine: sums.iter().map(|&sum| (mean(sum) >> 8) as u8).collect(),
            size: (picture.width, picture.height),
        }
    }

    /// Mean, 0..1.
    pub fn brightness(&self) -> f32 {
        self.cells.brightness()
    }
}

impl Cells {
    /// Mean, 0..1.
    fn brightness(&self) -> f32 {
        let sum: u64 = self.0.iter().map(|&value| u64::from(value)).sum();
        (sum as f64 / (self.0.len() * 255 * 256) as f64) as f32
    }

    /// Mean absolute difference in grey levels.
    fn distance(&self, other: &Cells) -> f64 {
        let pairs = self.0.iter().zip(&other.0);
        let sum: u32 = pairs.map(|(&a, &b)| u32::from(a.abs_diff(b))).sum();
        f64::from(sum) / (self.0.len() * 256) as f64
    }
}

/// What was seen of a footage so far.
#[derive(Debug)]
pub struct Review {
    /// Every `stride`-th picture.
    kept: Vec<Cells>,
    stride: usize,
    frames: usize,
    drift: Drift,
}

impl Default for Review {
    fn default() -> Self {
        Review {
            kept: Vec::new(),
            stride: 1,
            frames: 0,
            drift: Drift::default(),
        }
    }
}

impl Review {
    /// Looks at the next picture, taken so long after the first.
    pub fn push(&mut self, thumbnail: Thumbnail, at: Duration) {
        let Thumbnail { cells, fine, size } = thumbnail;
        self.drift.push(fine, size, at);
        if self.frames.is_multiple_of(self.stride) {
            if self.kept.len() == MOST {
                let mut index = 0;
                self.kept.retain(|_| {
                    index += 1;
                    index % 2 == 1
                });
                self.stride *= 2;
            }
            if self.frames.is_multiple_of(self.stride) {
                self.kept.push(cells);
            }
        }
        self.frames += 1;
    }

    /// Pictures so far.
    pub fn frames(&self) -> usize {
        self.frames
    }

    /// Pictures that differ from each other by more than noise, of those kept; at most
    /// [`MOST_DIFFERENT`] are told apart.
    ///
    /// Greedy: a picture that is near to none before it leads a new kind. Takes 20 ms for a thousand
    /// pictures that all differ.
    pub fn different(&self) -> usize {
        let same = self.same();
        let mut leaders: Vec<&Cells> = Vec::new();
        for thumbnail in &self.kept {
            if leaders.len() == MOST_DIFFERENT {
                break;
            }
            // The latest first: in a film it is the most alike.
            let is_known = |leader: &&Cells| leader.distance(thumbnail) <= same;
            if !leaders.iter().rev().any(is_known) {
                leaders.push(thumbnail);
            }
        }
        leaders.len()
    }

    /// Mean brightness, 0..1.
    pub fn brightness(&self) -> f32 {
        mean(&self.brightnesses())
    }

    /// What speaks against learning from this footage, one sentence each.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        warnings.extend(self.fewness());
        warnings.extend(self.sameness());
        warnings.extend(self.darkness());
        warnings.extend(self.change_of_light());
        warnings.extend(self.change_of_view());
        warnings
    }

    pub(super) fn fewness(&self) -> Option<String> {
        (self.frames < RECOMMENDED_FRAMES).then(|| {
            format!(
                "{} frames are few: {RECOMMENDED_FRAMES} or more are better",
                self.frames
            )
        })
    }

    pub(super) fn sameness(&self) -> Option<String> {
        let (different, kept) = (self.different(), self.kept.len());
        let is_enough = different >= FEW_DIFFERENT
            && (different == MOST_DIFFERENT || different as f64 >= SHARE_DIFFERENT * kept as f64);
        (!is_enough && kept > 1 && different < kept).then(|| {
            format!(
                "{} frames, {different} different ones: next to nothing moves in front of the \
                 camera; film what normally happens there",
                self.frames
            )
        })
    }

    pub(super) fn darkness(&self) -> Option<String> {
        let brightness = self.brightness();
        let (what, advice) = if brightness < SENSIBLE.0 {
            ("dark", "give more light or exposure")
        } else if brightness > SENSIBLE.1 {
            ("bright", "give less light or exposure")
        } else {
            return None;
        };
        let is_there = self.frames > 0;
        is_there
            .then(|| format!("the pictures are very {what} (mean {brightness:.2} of 1): {advice}"))
    }

    /// Of the first third against the last, where it is more than each third varies in itself.
    fn change_of_light(&self) -> Option<String> {
        let all = self.brightnesses();
        let third = all.len() / 3;
        if third < 3 {
            return None;
        }
        let (first, last) = (&all[..third], &all[all.len() - third..]);
        let (then, now) = (mean(first), mean(last));
        let factor = then.max(now) / then.min(now).max(1e-3);
        let spread = deviation(first).max(deviation(last));
        (factor > LIGHT_FACTOR && (now - then).abs() > 2.0 * spread).then(|| {
            format!(
                "the light changed while filming: brightness {then:.2} in the first third, \
                 {now:.2} in the last; film again if that is not normal"
            )
        })
    }

    pub(super) fn change_of_view(&self) -> Option<String> {
        let moved = self.drift.moved()?;
        let (minutes, seconds) = (moved.at.as_secs() / 60, moved.at.as_secs() % 60);
        let how = match moved.share {
            Some(share) => format!("the view moved by {:.0} % of its width", 100.0 * share),
            None => "the camera was turned to another view".to_owned(),
        };
        Some(format!(
            "{how} while filming, after {minutes} min {seconds} s: what is learnt spans both; fix the \
             camera and film again"
        ))
    }

    /// The greatest distance of pictures that show the same.
    fn same(&self) -> f64 {
        let mut steps: Vec<f64> = self
            .kept
            .windows(2)
            .map(|pair| pair[0].distance(&pair[1]))
            .collect();
        steps.sort_by(f64::total_cmp);
        let at = (steps.len() as f64 * NOISE_QUANTILE) as usize;
        let noise = steps.get(at).copied().unwrap_or(0.0);
        (NOISE_MARGIN * noise).clamp(SAME.0, SAME.1)
    }

    fn brightnesses(&self) -> Vec<f32> {
        self.kept.iter().map(Cells::brightness).collect()
    }
}

fn mean(values: &[f32]) -> f32 {
    values.iter().sum::<f32>() / values.len().max(1) as f32
}

fn deviation(values: &[f32]) -> f32 {
    let mean = mean(values);
    let squares: f32 = values.iter().map(|value| (value - mean).powi(2)).sum();
    (squares / values.len().max(1) as f32).sqrt()
}

#[cfg(test)]
#[path = "review_tests.rs"]
mod tests;
