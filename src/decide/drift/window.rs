//! The last hours of a camera in two dozen batches, and how far chance alone may move their mean.
//!
//! Neighbouring frames are near-copies, so the error of a mean is never taken from the frames but from
//! how the batches differ. Time that nothing was counted in passes unseen: the window is one of
//! watching, not of the clock.

use std::collections::VecDeque;
use std::time::Duration;

use super::{Measure, Shift};

const MEASURES: usize = Measure::ALL.len();
/// Batches of a window.
const BATCHES: usize = 24;
/// Batches that say anything: half of a window.
const ENOUGH: usize = BATCHES / 2;
/// A pause counts for at most this share of a batch, so that a batch has more frames than that.
const PAUSES: u32 = 5;
/// A shift that is no larger matters to nobody, however sure it is; in standard deviations of the
/// held-out frames.
const LEAST: f64 = 0.4;
/// Standard errors that chance is granted. The errors are estimated from two dozen batches at most,
/// whence so many; measured in `tests.rs`: under one false alarm in a year of a camera.
const ERRORS: f64 = 6.0;

/// Frames that follow each other.
#[derive(Debug, Clone, Copy, Default)]
struct Batch {
    frames: u64,
    span: Duration,
    sums: [f64; MEASURES],
    squares: [f64; MEASURES],
}

impl Batch {
    fn mean(&self, measure: usize) -> f64 {
        self.sums[measure] / self.frames as f64
    }

    /// Squared distances from the batch's own mean.
    fn around(&self, measure: usize) -> f64 {
        (self.squares[measure] - self.sums[measure] * self.mean(measure)).max(0.0)
    }
}

/// The frames that are looked back on.
#[derive(Debug)]
pub(super) struct Window {
    length: Duration,
    /// Whole ones, the oldest first.
    batches: VecDeque<Batch>,
    current: Batch,
    /// When the last frame was taken.
    last: Option<Duration>,
}

impl Window {
    pub(super) fn new(length: Duration) -> Self {
        Window {
            length,
            batches: VecDeque::with_capacity(BATCHES),
            current: Batch::default(),
            last: None,
        }
    }

    pub(super) fn length(&self) -> Duration {
        self.length
    }

    /// Takes a frame's measures; whether they end a batch.
    pub(super) fn take(&mut self, at: Duration, values: &[f64; MEASURES]) -> bool {
        let span = self.length / BATCHES as u32;
        let pause = self
            .last
            .map_or(Duration::ZERO, |last| at.saturating_sub(last));
        self.last = Some(at);
        let batch = &mut self.current;
        batch.frames += 1;
        batch.span += pause.min(span / PAUSES);
        for (measure, value) in values.iter().enumerate() {
            batch.sums[measure] += value;
            batch.squares[measure] += value * value;
        }
        if batch.span < span {
            return false;
        }
        if self.batches.len() == BATCHES {
            self.batches.pop_front();
        }
        self.batches.push_back(std::mem::take(&mut self.current));
        true
    }

    /// Frames in whole batches, and their time.
    pub(super) fn size(&self) -> (u64, Duration) {
        let batches = self.batches.iter();
        batches.fold((0, Duration::ZERO), |(frames, span), batch| {
            (frames + batch.frames, span + batch.span)
        })
    }

    /// The measure that is furthest towards its limit, where `errors` are how far calibration may be
    /// wrong; `None` while there is too little, or where calibration knows of none.
    pub(super) fn furthest(&self, errors: &[f64; MEASURES]) -> Option<Shift> {
        let is_enough = self.batches.len() >= ENOUGH;
        let shifts = (0..MEASURES).map(|measure| self.shift(measure, errors[measure]));
        let furthest = shifts.max_by(|a, b| a.share().total_cmp(&b.share()));
        furthest.filter(|shift| is_enough && shift.limit.is_finite())
    }

    fn shift(&self, measure: usize, error: f64) -> Shift {
        let (frames, _) = self.size();
        let frames = frames.max(1) as f64;
        let shift = self.batches.iter().map(|b| b.sums[measure]).sum::<f64>() / frames;
        let around = self.batches.iter().map(|b| b.around(measure)).sum::<f64>();
        let chance = self.chance(measure, around / frames);
        Shift {
            measure: Measure::ALL[measure],
            shift,
            limit: LEAST.max(ERRORS * chance.sqrt() + error),
        }
    }

    /// The variance that chance gives the mean of the window: the largest of what four looks at the
    /// batches say, since the smallest would take a slow scene for many looks at a quick one.
    fn chance(&self, measure: usize, within: f64) -> f64 {
        let means = || {
            self.batches
                .iter()
                .map(|b| b.sums[measure] / b.frames as f64)
        };
        let count = self.batches.len() as f64;
        let mean = means().sum::<f64>() / count;
        let around = means().map(|m| (m - mean).powi(2)).sum::<f64>();
        let alone = around / (count - 1.0) / count;
        // Batches that resemble their neighbours are fewer than they seem.
        let neighbours = means().zip(means().skip(1));
        let beside = neighbours
            .map(|(a, b)| (a - mean) * (b - mean))
            .sum::<f64>();
        // The estimate is too low by about that much, as each is against the batches' own mean.
        let bias = 1.5 / count;
        let alike = if around > 0.0 { beside / around } else { 0.0 };
        let alike = (alike + bias).clamp(0.0, 0.9);
        // A scene that stands still gives frames of one look. Where those of a batch differ less than
        // normal ones do (variance 1), the rest of the variety may show at any time.
        let unseen = 1.0 - 2.0 * within;
        [
            alone * (1.0 + alike) / (1.0 - alike),
            self.chance_of_groups(measure, 2),
            self.chance_of_groups(measure, 4),
            unseen,
        ]
        .into_iter()
        .fold(alone, f64::max)
    }

    /// The same from groups of batches that follow each other.
    fn chance_of_groups(&self, measure: usize, size: usize) -> f64 {
        let count = self.batches.len() / size;
        let of_group = |group: usize| {
            let batches = self.batches.range(group * size..(group + 1) * size);
            batches.map(|b| b.mean(measure)).sum::<f64>() / size as f64
        };
        let mean = (0..count).map(of_group).sum::<f64>() / count as f64;
        let around = (0..count).map(|group| (of_group(group) - mean).powi(2));
        around.sum::<f64>() / (count - 1).max(1) as f64 / count.max(1) as f64
    }
}
