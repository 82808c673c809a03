//! Statistics: everything about normal frames that scoring uses, and the scorer itself.
//!
//! A fold's [`Fit`] measures the frames that it did not see, and from those measurements the
//! [`Statistics`] take their scales, one set for each light, and the thresholds of all. Both measure by
//! the very same code. Images, models and files are unknown here.

use super::budget::Promise;
use super::fit::{Fit, Measured};
use super::lines::{self, Lines, Terms};
use super::looks::frames_a_look;
use super::parts::{FrameVectors, PartScales};
use super::samples::FitError;
use super::threshold::{Level, Threshold};
use super::tokens::Scratch;
use super::{Basis, Parts, Score, Scoring};
use crate::infer::Features;
use crate::preprocess::Rejection;

/// Everything that calibration learns about normal frames, apart from the student.
#[derive(Debug, Clone, PartialEq)]
pub struct Statistics {
    pub(super) scoring: Scoring,
    pub(super) fit: Fit,
    /// One set for each light of the fit.
    pub(super) scales: Vec<PartScales>,
    pub(super) deciding: Threshold,
    pub(super) local: Threshold,
    pub(super) promise: Option<Promise>,
    /// See [`Statistics::looks`].
    pub(super) looks: Option<[f64; 6]>,
}

impl Statistics {
    /// Takes the scales of the parts and the lines from measurements of `held_out` normal frames:
    /// each by a fit (and a student) that did not see it, in order of time.
    ///
    /// # Errors
    /// Any [`FitError`]; two held-out frames of each light are the least.
    pub fn calibrate(
        fit: Fit,
        held_out: &[Measured],
        scoring: Scoring,
        terms: &Terms,
    ) -> Result<Self, FitError> {
        // Frames that stand alone were chosen because they scored high: they say nothing of the others.
        let chosen = held_out.len().saturating_sub(terms.alone);
        let scales = (0..fit.lights()).map(|light| {
            let own = held_out[..chosen]
                .iter()
                .filter(|frame| frame.light == light);
            PartScales::calibrate(&own.map(|frame| frame.parts).collect::<Vec<_>>())
        });
        let scales: Vec<PartScales> = scales.collect::<Result<_, _>>()?;
        let deciding: Vec<f64> = held_out
            .iter()
            .map(|f| deciding(scoring, &scales, f))
            .collect();
        let local: Vec<f64> = held_out.iter().map(|frame| frame.local).collect();
        let parts = held_out[..chosen]
            .iter()
            .map(|frame| scales[frame.light].apply(&frame.parts));
        let looks = looks(
            &deciding[..chosen],
            &local[..chosen],
            &parts.collect::<Vec<_>>(),
        );
        let Lines {
            image,
            local,
            promise,
        } = lines::draw(&deciding, &local, terms)?;
        Ok(Self {
            scoring,
            fit,
            scales,
            deciding: image,
            local,
            promise: Some(promise),
            looks: Some(looks),
        })
    }

    /// Scores a frame of this light. Working memory is kept in `scratch` between frames.
    ///
    /// # Errors
    /// As [`Fit::measure`].
    pub fn score(
        &self,
        features: &Features,
        light: usize,
        scratch: &mut Scratch,
    ) -> Result<Score, Rejection> {
        self.score_at(features, light, scratch, Level::CALIBRATED)
    }

    /// [`Statistics::score`] with both thresholds moved to `level`.
    ///
    /// # Errors
    /// As [`Fit::measure`].
    pub fn score_at(
        &self,
        features: &Features,
        light: usize,
        scratch: &mut Scratch,
        level: Level,
    ) -> Result<Score, Rejection> {
        let frame = FrameVectors::from(features);
        let measured = self.fit.measure(&frame, features.into(), light, scratch)?;
        Ok(self.judge_at(measured, level))
    }

    /// The score of a frame that was measured by these statistics' own [`Fit`].
    pub fn judge(&self, measured: Measured) -> Score {
        self.judge_at(measured, Level::CALIBRATED)
    }

    /// [`Statistics::judge`] with both thresholds moved to `level`: a frame stays anomalous exactly
    /// where its published value is above 0.5.
    pub fn judge_at(&self, measured: Measured, level: Level) -> Score {
        let parts = self.scales[measured.light].apply(&measured.parts);
        let image = deciding(self.scoring, &self.scales, &measured);
        let is_alarm = |line: &Threshold, raw: f64| line.alarm_at(level).is_some_and(|at| raw > at);
        let by_local =
            self.local.value_at(measured.local, level) > self.deciding.value_at(image, level);
        let (basis, line, raw) = if by_local {
            (Basis::Local, &self.local, measured.local)
        } else {
            (Basis::Image, &self.deciding, image)
        };
        Score {
            basis,
            raw,
            threshold: line.raw_at(level),
            value: line.value_at(raw, level),
            p_value: line.p_value(raw),
            pretrained: measured.paper.pretrained,
            discrepancy: measured.paper.discrepancy,
            paper: measured.paper.sum(),
            default: parts.sum(),
            parts,
            local: measured.local,
            local_threshold: self.local.raw_at(level),
            is_alarm: is_alarm(&self.deciding, image) || is_alarm(&self.local, measured.local),
            map: measured.map,
            patches: self.fit.patches().clone(),
        }
    }

    /// The deciding score of a frame that was measured by these statistics' own [`Fit`].
    pub(super) fn deciding_score(&self, measured: &Measured) -> f64 {
        deciding(self.scoring, &self.scales, measured)
    }

    /// Which score decides.
    pub fn scoring(&self) -> Scoring {
        self.scoring
    }

    /// What the normal frames taught.
    pub fn fit(&self) -> &Fit {
        &self.fit
    }

    /// Mean and deviation of each part, in each light.
    pub fn scales(&self) -> &[PartScales] {
        &self.scales
    }

    /// Threshold of the deciding score.
    pub fn deciding(&self) -> &Threshold {
        &self.deciding
    }

    /// Threshold of the local score.
    pub fn local(&self) -> &Threshold {
        &self.local
    }

    /// How many held-out frames count as one where means are compared: of the deciding score, the local
    /// one, and each of the four parts. None in a Profile of format 1 or 2.
    pub fn looks(&self) -> Option<[f64; 6]> {
        self.looks
    }

    /// How many false alarms were promised; none in a Profile of format 1 or 2.
    pub fn promise(&self) -> Option<&Promise> {
        self.promise.as_ref()
    }
}

/// Frames that count as one, by the deciding score, the local one and each part.
fn looks(deciding: &[f64], local: &[f64], parts: &[Parts]) -> [f64; 6] {
    let part = |of: fn(&Parts) -> f64| frames_a_look(&parts.iter().map(of).collect::<Vec<_>>());
    [
        frames_a_look(deciding),
        frames_a_look(local),
        part(|parts| parts.z),
        part(|parts| parts.pooled_mid),
        part(|parts| parts.pooled_late),
        part(|parts| parts.residual),
    ]
}

/// The deciding score of a measured frame.
fn deciding(scoring: Scoring, scales: &[PartScales], measured: &Measured) -> f64 {
    match scoring {
        Scoring::Default => scales[measured.light].apply(&measured.parts).sum(),
        Scoring::Paper => measured.paper.sum(),
    }
}

#[cfg(test)]
mod tests {
    use super::super::fixture::{GRID, WIDTH, normal_frames, statistics};
    use super::*;

    fn score(statistics: &Statistics, frame: &Features) -> Score {
        statistics.score(frame, 0, &mut Scratch::default()).unwrap()
    }

    #[test]
    fn the_score_is_the_sum_of_its_parts_and_decides_as_asked() {
        let frames = normal_frames(60, 1);
        let fresh = &normal_frames(1, 2)[0];
        let default = score(&statistics(&frames, Scoring::Default), fresh);
        let parts = default.parts;
        let sum = parts.z + parts.pooled_mid + parts.pooled_late + parts.residual;
        assert_eq!(default.default, sum);
        let deciding = |s: &Score| {
            if s.basis == Basis::Local {
                s.local
            } else {
                s.default
            }
        };
        assert_eq!(default.raw, deciding(&default));
        assert_eq!(default.paper, default.pretrained + default.discrepancy);
        let paper = score(&statistics(&frames, Scoring::Paper), fresh);
        assert_eq!(paper.paper, default.paper);
        assert_eq!(paper.default, default.default);
    }

    #[test]
    fn unseen_normal_frames_score_about_zero_and_alarm_about_as_often_as_asked() {
        let statistics = statistics(&normal_frames(200, 3), Scoring::Default);
        let fresh = normal_frames(400, 4);
        let scores: Vec<Score> = fresh
            .iter()
            .map(|frame| score(&statistics, frame))
            .collect();
        let mean = scores.iter().map(|s| s.default).sum::<f64>() / 400.0;
        assert!(mean.abs() < 0.5, "mean {mean}");
        let alarms = scores
            .iter()
            .filter(|s| s.default > statistics.deciding.raw())
            .count();
        // Five percent were asked for: 20 of 400, 4.4 deviation, and the threshold's own error.
        assert!((4..=44).contains(&alarms), "{alarms} of 400");
    }

    #[test]
    fn a_patch_that_differs_is_found_at_its_place() {
        let statistics = statistics(&normal_frames(60, 5), Scoring::Default);
        let mut frame = normal_frames(1, 6).remove(0);
        let before = score(&statistics, &frame);
        let patch = 2 * GRID.columns + 3;
        let tokens = &mut frame.discrepancy.residual_tokens;
        tokens[patch * WIDTH..(patch + 1) * WIDTH].fill(12.0);
        let after = score(&statistics, &frame);
        let peak = (0..after.map.len()).max_by(|&a, &b| after.map[a].total_cmp(&after.map[b]));
        assert_eq!(peak, Some(patch));
        assert!(after.local > before.local && after.local > after.local_threshold);
        assert!(after.is_anomalous());
        assert_eq!((after.basis, after.raw), (Basis::Local, after.local));
        assert_eq!(after.default, before.default);
    }

    #[test]
    fn a_frame_is_anomalous_if_either_basis_is_and_its_value_says_so() {
        let frames = normal_frames(60, 11);
        let statistics = statistics(&frames, Scoring::Paper);
        let frame = FrameVectors::from(&frames[0]);
        let fit = &statistics.fit;
        let measured = fit.measure(&frame, (&frames[0]).into(), 0, &mut Scratch::default());
        let measured = measured.unwrap();
        let above = |line: f64| [line - 9.0, line, line.next_up(), line + 9.0];
        for level in [0.05, 0.31, 0.5, 0.77, 0.95].map(|value| Level::new(value).unwrap()) {
            let lines = [&statistics.deciding, &statistics.local].map(|line| line.raw_at(level));
            let [image, local] = lines;
            for (raw, spot) in above(image)
                .into_iter()
                .flat_map(|raw| above(local).map(|spot| (raw, spot)))
            {
                let mut measured = measured.clone();
                measured.paper.pretrained = raw;
                measured.paper.discrepancy = 0.0;
                measured.local = spot;
                let score = statistics.judge_at(measured, level);
                assert_eq!(score.is_anomalous(), raw > image || spot > local);
                assert_eq!(score.is_anomalous(), score.value > 0.5, "{raw} {spot}");
                assert_eq!(score.local_threshold, local);
            }
        }
    }

    #[test]
    fn features_that_are_not_finite_are_rejected() {
        let statistics = statistics(&normal_frames(60, 7), Scoring::Default);
        let sound = normal_frames(1, 8).remove(0);
        let spoilt: [fn(&mut Features); 4] = [
            |f| f.pretrained.pooled_late[3] = f32::NAN,
            |f| f.pretrained.z[0] = f32::INFINITY,
            |f| f.discrepancy.d[1] = f64::NEG_INFINITY,
            |f| f.discrepancy.residual_tokens[7] = f32::NAN,
        ];
        for spoil in spoilt {
            let mut frame = sound.clone();
            spoil(&mut frame);
            let rejected = statistics.score(&frame, 0, &mut Scratch::default());
            assert_eq!(rejected, Err(Rejection::NotFinite));
        }
    }

    #[test]
    fn features_of_another_shape_are_rejected_not_misread() {
        let statistics = statistics(&normal_frames(60, 9), Scoring::Default);
        let mut frame = normal_frames(1, 10).remove(0);
        frame.discrepancy.residual_tokens.truncate(WIDTH * 3);
        let rejected = statistics.score(&frame, 0, &mut Scratch::default());
        assert!(matches!(rejected, Err(Rejection::Inference(_))));
    }
}
