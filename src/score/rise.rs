//! Rise: how far a refit moves the lines away from what is normal, and which fine frames do it.
//!
//! Distances are told in that of the calibration: from the median of its held-out scores to its threshold,
//! of the deciding score or of the local one, whichever is further. The default score is in deviations of the
//! calibration's own frames, before a refit and after it; the paper's and the local one are as the fit gives them,
//! which a refit moves, so their distances are rough (METHOD.md, section 8). Nothing is refused here.

use super::fit::Measured;
use super::lines::{self, Terms};
use super::samples::FitError;
use super::statistics::Statistics;
use super::threshold::Threshold;

/// Lines so far out are worth a word, and a frame so far out is like no normal one. Of footage without time, small
/// labels that alarmed for nothing moved the lines 4.6 times as far out at most, a frame of a defect beyond the alarm
/// line 8 to 59 times. But two harmless ones of another kind, 1.8 times as far out at most, moved them 5.9 times (METHOD.md,
/// section 8): so the lines alone blame no frame.
pub const NOTABLE: f64 = 5.0;
/// So far out a threshold can be set by hand at most ([`super::threshold::Level::RANGE`]). Of eight defects that were
/// found, lines 9 times as far out still found three, 12 times one, 16 times none.
pub const BLINDING: f64 = 10.0;
/// Lines that were as far out before, and accepted so, are not to go further than this many times as far.
pub const FURTHER: f64 = 2.0;

/// What a refit has done to the lines.
#[derive(Debug, Clone, PartialEq)]
pub struct Rise {
    /// How far out the further of both thresholds was before, ...
    pub before: f64,
    /// ... and is now.
    pub after: f64,
    /// The fine frames without which it would not be [`NOTABLE`], by their places in the order of telling, and how
    /// far out each scores by fits that did not see it; the furthest first.
    pub by: Vec<(usize, f64)>,
}

impl Rise {
    /// Whether it is worth a word.
    pub fn is_notable(&self) -> bool {
        self.after >= NOTABLE
    }

    /// Whether one of the frames behind it is itself like no normal one. Where none is, too few of their like were
    /// told: a lone one draws the lines far where frames are counted, more of them are learnt as normal.
    pub fn is_by_far_frame(&self) -> bool {
        self.by.first().is_some_and(|(_, times)| *times >= NOTABLE)
    }

    /// Whether statistics that could see become blind, or blind ones much blinder, by a frame that is like no normal
    /// one.
    pub fn blinds(&self) -> bool {
        let is_new = self.before < BLINDING || self.after > FURTHER * self.before;
        self.after >= BLINDING && is_new && self.is_by_far_frame()
    }

    /// From what was `before` to what is `after`, beside what was `calibrated`. `measured` are the held-out frames
    /// that the new lines were drawn by, of which the last `terms.alone` are the fine ones.
    pub(super) fn of(
        [calibrated, before, after]: [&Statistics; 3],
        measured: &[Measured],
        terms: &Terms,
    ) -> Result<Rise, FitError> {
        let yard = Yard(calibrated);
        let [was, is] = [before, after].map(|own| yard.of_lines(own.deciding(), own.local()));
        let mut rise = Rise {
            before: was,
            after: is,
            by: Vec::new(),
        };
        if rise.is_notable() {
            let scores = measured
                .iter()
                .map(|frame| (after.deciding_score(frame), frame.local));
            rise.by = yard.blamed(&scores.collect::<Vec<_>>(), terms)?;
        }
        Ok(rise)
    }
}

/// Measures distances by the lines of a calibration.
struct Yard<'s>(&'s Statistics);

impl Yard<'_> {
    /// Of a frame with this deciding and this local score.
    fn of(&self, (deciding, local): (f64, f64)) -> f64 {
        let by_image = self.0.deciding().times(deciding);
        by_image.max(self.0.local().times(local))
    }

    fn of_lines(&self, deciding: &Threshold, local: &Threshold) -> f64 {
        self.of((deciding.raw(), local.raw()))
    }

    /// The fine ones of the frames with these scores, without which the lines would not be [`NOTABLE`].
    fn blamed(&self, scores: &[(f64, f64)], terms: &Terms) -> Result<Vec<(usize, f64)>, FitError> {
        let (filmed, fine) = scores.split_at(scores.len().saturating_sub(terms.alone));
        let distances = fine.iter().map(|own| self.of(*own)).enumerate();
        let mut furthest: Vec<(usize, f64)> = distances.collect();
        furthest.sort_by(|(_, a), (_, b)| b.total_cmp(a));
        // One after the other is left out, until the others alone would do no harm.
        for count in 1..=furthest.len() {
            let kept = furthest[count..].iter().map(|(place, _)| fine[*place]);
            let kept: Vec<(f64, f64)> = filmed.iter().copied().chain(kept).collect();
            let (deciding, local): (Vec<f64>, Vec<f64>) = kept.into_iter().unzip();
            let terms = Terms {
                alone: furthest.len() - count,
                ..*terms
            };
            let lines = lines::draw(&deciding, &local, &terms)?;
            if self.of_lines(&lines.image, &lines.local) < NOTABLE {
                furthest.truncate(count);
                break;
            }
        }
        Ok(furthest)
    }
}

#[cfg(test)]
#[path = "rise_tests.rs"]
mod tests;
