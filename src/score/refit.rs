//! Refit: statistics fitted anew on the frames of a calibration and on others that people called fine.
//!
//! Student, token Gaussian, memory bank and the offsets of the lights stay, so the vectors and distances
//! of the frames calibrated on need not be made again: they are the [`Material`]. Held-out frames were
//! measured by students that are gone; what they measured is moved by what the fine frames change in
//! fits on the same blocks of time (METHOD.md, section 8). With no fine frame nothing changes, and the
//! order of refits does not matter.

use super::crossfit::{FOLDS, contiguous_folds, folds_of};
use super::fit::{Draft, Fit, Measured, Taught};
use super::lines::Terms;
use super::paper::PaperScore;
use super::parts::{FrameVectors, PartDistances};
use super::rise::Rise;
use super::samples::FitError;
use super::statistics::Statistics;
use super::tokens::{FrameTokens, Scratch};
use crate::infer::Features;

/// What is fitted again of a normal frame.
#[derive(Debug, Clone, PartialEq)]
pub struct NormalFrame {
    /// As the teacher and the Profile's own student see it.
    pub vectors: FrameVectors,
    /// Of its residual tokens by the Profile's token Gaussian, `[P]`.
    pub distances: Vec<f32>,
    /// Distance from the memory bank; none where there is none, or where the frame is in it.
    pub from_bank: Option<f64>,
    /// The kind of light that it is of.
    pub light: usize,
}

/// A frame calibrated on, as it would be in other light.
#[derive(Debug, Clone, PartialEq)]
pub struct RelitFrame {
    /// Of which of the frames calibrated on it is a copy.
    pub of: usize,
    /// What is fitted of it.
    pub frame: NormalFrame,
}

/// A normal frame that people told of.
#[derive(Debug, Clone, PartialEq)]
pub struct FineFrame {
    /// Lower-case hexadecimal SHA-256 of its file: it is told once.
    pub sha256: String,
    /// What is fitted of it.
    pub frame: NormalFrame,
}

/// What statistics can be refitted on.
#[derive(Debug, Clone, PartialEq)]
pub struct Material {
    /// The frames calibrated on, in order of time.
    pub frames: Vec<NormalFrame>,
    /// Copies of some of them.
    pub relit: Vec<RelitFrame>,
    /// What the frames measured at calibration, by fits and students that did not see them; without maps.
    pub held_out: Vec<Measured>,
    /// The frames that people called fine, in the order of their telling.
    pub fine: Vec<FineFrame>,
    /// Seconds from one frame calibrated on to the next, where the footage kept time.
    pub interval: Option<f64>,
}

/// A frame to fit on, and whether it is a copy.
type Known<'m> = (&'m NormalFrame, bool);

/// One that is none.
fn known(frame: &NormalFrame) -> Known<'_> {
    (frame, false)
}

/// Statistics refitted.
#[derive(Debug, Clone, PartialEq)]
pub struct Refit {
    /// All that scores.
    pub statistics: Statistics,
    /// What the fine frames measure by fits that did not see them.
    pub fine: Vec<Measured>,
    /// How far they have moved the lines.
    pub rise: Rise,
}

impl Material {
    /// The frames calibrated on, of the numbers that are not within, each followed by its copy.
    fn outside_of(&self, is_within: impl Fn(usize) -> bool) -> Vec<Known<'_>> {
        let mut relit = self.relit.iter().peekable();
        let mut frames = Vec::with_capacity(self.frames.len() + self.relit.len());
        for (number, frame) in self.frames.iter().enumerate() {
            let copy = relit.next_if(|copy| copy.of == number);
            if !is_within(number) {
                frames.push(known(frame));
                frames.extend(copy.map(|copy| (&copy.frame, true)));
            }
        }
        frames
    }

    /// Whether a fine frame's file has this hash.
    pub fn knows(&self, sha256: &str) -> bool {
        self.fine.iter().any(|fine| fine.sha256 == sha256)
    }
}

impl Statistics {
    /// Fits them anew on `material`, and draws the lines for the same budget and pace.
    ///
    /// # Errors
    /// Any [`FitError`].
    pub fn refit(&self, material: &Material, terms: &Terms) -> Result<Refit, FitError> {
        let old = material.outside_of(|_| false);
        let told: Vec<Known<'_>> = material
            .fine
            .iter()
            .map(|fine| known(&fine.frame))
            .collect();
        let fine = self.fit().unseen(&old, &told)?;
        let mut held_out = self.fit().moved(material, &told)?;
        held_out.extend(fine.iter().cloned());
        let fit = self.fit().again(&[old, told].concat())?;
        let terms = Terms {
            alone: fine.len(),
            ..*terms
        };
        let statistics = Statistics::calibrate(fit, &held_out, self.scoring(), &terms)?;
        let rise = Rise::of(
            [&self.as_calibrated(material, &terms)?, self, &statistics],
            &held_out,
            &terms,
        )?;
        Ok(Refit {
            statistics,
            fine,
            rise,
        })
    }

    /// With the lines that the calibration drew, before anybody told of a frame.
    fn as_calibrated(&self, material: &Material, terms: &Terms) -> Result<Self, FitError> {
        let terms = Terms { alone: 0, ..*terms };
        let fit = self.fit().clone();
        Statistics::calibrate(fit, &material.held_out, self.scoring(), &terms)
    }
}

impl Fit {
    /// What is fitted again of a frame of this light with these features.
    pub fn normal_frame(
        &self,
        features: &Features,
        light: usize,
        scratch: &mut Scratch,
    ) -> NormalFrame {
        let tokens = FrameTokens::from(features);
        NormalFrame {
            vectors: features.into(),
            distances: self.distances(tokens.residual, light, scratch),
            from_bank: self.bank_distance(tokens, scratch),
            light,
        }
    }

    /// The same tokens and lights, with all else fitted on `frames`.
    fn again(&self, frames: &[Known<'_>]) -> Result<Fit, FitError> {
        let shifts = self.lights.iter().map(|light| light.shift.clone());
        let taught = frames.iter().map(|(frame, is_copy)| Taught {
            vectors: &frame.vectors,
            light: frame.light,
            is_copy: *is_copy,
        });
        let mut draft = Draft::about(
            shifts.collect(),
            self.tokens.clone(),
            &taught.collect::<Vec<_>>(),
            self.patches(),
        )?;
        for (frame, _) in frames {
            draft.add(frame.light, &frame.distances);
        }
        Ok(draft.finish()?.with_bank(self.bank.clone()))
    }

    /// What held-out frames measured, moved by what `told` changes for frames outside of a fit.
    fn moved(&self, material: &Material, told: &[Known<'_>]) -> Result<Vec<Measured>, FitError> {
        let (old, held_out) = (&material.frames, &material.held_out);
        let lights: Vec<usize> = old.iter().map(|frame| frame.light).collect();
        let apart: Vec<usize> = (0..old.len()).collect();
        let folds = folds_of(&lights, &apart, FOLDS);
        let mut moved = held_out.clone();
        for fold in 0..FOLDS {
            let rest = material.outside_of(|number| folds[number] == fold);
            let without = self.again(&rest)?;
            let with = self.again(&[&rest, told].concat())?;
            for frame in (0..old.len()).filter(|frame| folds[*frame] == fold) {
                let [before, after] = [&without, &with].map(|fit| fit.of(&old[frame], frame));
                moved[frame] = shifted(&held_out[frame], &before?, &after?);
            }
        }
        Ok(moved)
    }

    /// Measures the frames of `told` by fits on all of `old` and on those of `told` that are not near
    /// them in time.
    fn unseen(&self, old: &[Known<'_>], told: &[Known<'_>]) -> Result<Vec<Measured>, FitError> {
        let mut unseen = Vec::with_capacity(told.len());
        for fold in contiguous_folds(told.len(), FOLDS) {
            let rest = [&told[..fold.start], &told[fold.end..]].concat();
            let fit = self.again(&[old, &rest].concat())?;
            for frame in fold {
                unseen.push(fit.of(told[frame].0, old.len() + frame)?);
            }
        }
        Ok(unseen)
    }

    /// Measures the `number`-th frame.
    fn of(&self, frame: &NormalFrame, number: usize) -> Result<Measured, FitError> {
        let measured = self.gauge(
            &frame.vectors,
            &frame.distances,
            frame.from_bank,
            frame.light,
        );
        measured.map_err(|_| FitError::NotFinite { frame: number })
    }
}

/// `measured` as it would be after what took another measurement from `before` to `after`: distances
/// by the same factor, logarithms and the local score by the same difference.
fn shifted(measured: &Measured, before: &Measured, after: &Measured) -> Measured {
    let [own, before_q, after_q] = [measured, before, after].map(|measured| measured.parts.q);
    let scaled = |part: usize| match before_q[part] {
        0.0 => own[part],
        q => own[part] * (after_q[part] / q),
    };
    let by = |of: fn(&Measured) -> f64| of(measured) + (of(after) - of(before));
    Measured {
        paper: PaperScore {
            pretrained: by(|m| m.paper.pretrained),
            discrepancy: by(|m| m.paper.discrepancy),
        },
        parts: PartDistances {
            q: std::array::from_fn(scaled),
            // No refit changes a bank.
            bank: measured.parts.bank,
        },
        local: by(|m| m.local),
        map: Vec::new(),
        light: measured.light,
    }
}

#[cfg(test)]
#[path = "refit_tests.rs"]
mod tests;
