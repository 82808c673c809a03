//! What calibration knows of normal scores: the scales that every measure of a live frame is put on.
//!
//! Rests on the held-out scores alone, which no frame that comes later changes.

use super::Measure;
use crate::score::{Score, Scoring};

/// No frame is further away than so many standard deviations: single ones decide nothing.
const FARTHEST: f64 = 6.0;
/// Footage that shows a measure less often anew than this says nothing of how it moves: its error is
/// estimated from as few looks. Simulated (METHOD.md, section 7).
const FEWEST_LOOKS: f64 = 30.0;
/// Calibration is granted to be wrong by so many standard errors, which it knows but roughly. It is one
/// draw for all the time that its Profile is used, not one a window.
const ERRORS: f64 = 4.0;
/// Between the 10 % and the 90 % quantile of a normal distribution lie so many standard deviations.
const TENTHS: f64 = 2.563;

/// The held-out scores of a Profile, as drift needs them.
#[derive(Debug, Clone, PartialEq)]
pub struct DriftReference {
    profile: String,
    scoring: Scoring,
    image: Scale,
    local: Scale,
    /// How far calibration's own mean of each measure may be wrong.
    errors: [f64; Measure::ALL.len()],
}

/// Where a score lies among the held-out ones.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Scale {
    median: f64,
    unit: f64,
    /// Mean and deviation of the held-out scores, in that unit and cut as live ones are.
    mean: f64,
    deviation: f64,
}

impl DriftReference {
    /// Of the Profile with this id: its held-out scores of the whole image and of its parts, each in
    /// rising order, and which of them a [`Score`] has for the image; and of how many frames each measure
    /// takes one for new, where that is known.
    ///
    /// # Panics
    /// If there are none.
    pub fn new(
        profile: &str,
        scoring: Scoring,
        image: &[f64],
        local: &[f64],
        looks: Option<[f64; Measure::ALL.len()]>,
    ) -> Self {
        let error = |frames_a_look: f64| {
            let looks = image.len() as f64 / frames_a_look;
            if looks >= FEWEST_LOOKS {
                ERRORS / looks.sqrt()
            } else {
                f64::INFINITY
            }
        };
        DriftReference {
            profile: profile.to_owned(),
            scoring,
            image: Scale::of(image),
            local: Scale::of(local),
            errors: looks.map_or([f64::INFINITY; Measure::ALL.len()], |looks| {
                looks.map(error)
            }),
        }
    }

    /// Whether both rest on the same Profile.
    pub(super) fn is_of_profile_of(&self, other: &DriftReference) -> bool {
        self.profile == other.profile
    }

    /// The measures of a frame, in the order of [`Measure::ALL`]: on held-out frames 0 +- 1.
    pub(super) fn standardised(&self, score: &Score) -> [f64; Measure::ALL.len()] {
        let image = match self.scoring {
            Scoring::Default => score.default,
            Scoring::Paper => score.paper,
        };
        let parts = &score.parts;
        let t = |t: f64| t.clamp(-FARTHEST, FARTHEST);
        [
            self.image.place(image),
            self.local.place(score.local),
            t(parts.z),
            t(parts.pooled_mid),
            t(parts.pooled_late),
            t(parts.residual),
        ]
    }

    /// Whether drift of any measure can be told.
    pub fn tells(&self) -> bool {
        self.errors.iter().any(|error| error.is_finite())
    }

    /// How far calibration's own mean of each measure may be wrong; infinite where that is not known.
    pub(super) fn errors(&self) -> &[f64; Measure::ALL.len()] {
        &self.errors
    }
}

impl Scale {
    fn of(held_out: &[f64]) -> Self {
        let at = |share: f64| held_out[((held_out.len() - 1) as f64 * share).round() as usize];
        let median = at(0.5);
        // Scores that are all the same have no scale of their own; any will do that is a number.
        let least = (1e-9 * median.abs()).max(1e-12);
        let mut scale = Scale {
            median,
            unit: ((at(0.9) - at(0.1)) / TENTHS).max(least),
            mean: 0.0,
            deviation: 1.0,
        };
        let n = held_out.len() as f64;
        let mean = held_out.iter().map(|raw| scale.place(*raw)).sum::<f64>() / n;
        let squares = held_out
            .iter()
            .map(|raw| (scale.place(*raw) - mean).powi(2));
        let deviation = (squares.sum::<f64>() / n).sqrt();
        scale.mean = mean;
        if deviation > 0.0 {
            scale.deviation = deviation;
        }
        scale
    }

    fn place(&self, raw: f64) -> f64 {
        let cut = ((raw - self.median) / self.unit).clamp(-FARTHEST, FARTHEST);
        (cut - self.mean) / self.deviation
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn held_out_scores_are_0_and_1_on_their_own_scale_whatever_their_tail() {
        let mut scores: Vec<f64> = (0..200).map(|i| f64::from(i).powi(3)).collect();
        scores.extend([1e12, 1e15]);
        let scale = Scale::of(&scores);
        let places: Vec<f64> = scores.iter().map(|raw| scale.place(*raw)).collect();
        let n = places.len() as f64;
        let mean = places.iter().sum::<f64>() / n;
        let square = places.iter().map(|place| place * place).sum::<f64>() / n;
        assert!(
            mean.abs() < 1e-9 && (square - 1.0).abs() < 1e-9,
            "{mean} {square}"
        );
        assert!(places.iter().all(|place| place.abs() < 2.0 * FARTHEST));
    }

    #[test]
    fn scores_that_are_all_the_same_give_finite_places() {
        for score in [0.0, -7.5, 1e9] {
            let scale = Scale::of(&[score; 30]);
            for raw in [score, score + 1.0, f64::MAX, f64::MIN] {
                assert!(scale.place(raw).is_finite(), "{raw} among {score}");
            }
        }
    }
}
