//! One camera's Profile as it was loaded: what it asks of the camera and of the configuration, and what is
//! told of it. It starts nothing.

use std::sync::Arc;

use super::judge::load_student;
use crate::capture::{Calibrated, Fps, Opener};
use crate::config::{Camera, Issues};
use crate::decide::DriftReference;
use crate::infer::{StudentRunner, Teacher};
use crate::publish::ProfileIdentity;
use crate::score::budget::{Budget, Promise};
use crate::score::profile::{GoldenFrame, Profile};
use crate::score::threshold::Threshold;

/// Frames may come this much faster than the Profile's lines were drawn for before that is worth a word.
const PACE_MARGIN: f64 = 1.25;

/// A camera's Profile and its student.
pub(super) struct Loaded {
    pub(super) profile: Arc<Profile>,
    pub(super) student: StudentRunner,
    /// Let go once they were scored.
    pub(super) golden: Vec<GoldenFrame>,
    /// Why this is the former one, taken back at the start.
    pub(super) fallback: Option<String>,
}

impl Loaded {
    /// Loads the camera's Profile.
    ///
    /// # Errors
    /// Where it or its student can't be used with this teacher; the text says what to do.
    pub(super) fn load(camera: &Camera, teacher: &Teacher) -> anyhow::Result<Loaded> {
        let mut profile = Profile::load(&camera.profile, teacher.info())?;
        let golden = profile.take_golden();
        let student = load_student(&profile, &camera.profile)?;
        Ok(Loaded {
            profile: Arc::new(profile),
            student,
            golden,
            fallback: None,
        })
    }

    /// Refuses a view that the configuration names and the Profile does not have.
    pub(super) fn check_view(&self, camera: &Camera, index: usize, issues: &mut Issues) {
        let view = &self.profile.manifest().origin.view;
        let mut differs = |key: &str| {
            issues.add(
                format!("camera[{index}].{key}"),
                format!(
                    "is not what the Profile {} was calibrated with: calibrate again with --{key}, or \
                     leave {key} out here to use the Profile's own",
                    camera.profile.display()
                ),
            );
        };
        if camera.crop.is_some_and(|crop| crop != view.crop()) {
            differs("crop");
        }
        if camera.mask.as_ref().is_some_and(|mask| mask != view.mask()) {
            differs("mask");
        }
    }

    /// Says where the camera is judged otherwise than its Profile's lines were drawn for. The promise is about
    /// another number of false alarms then, which is no reason not to watch.
    pub(super) fn warn_of_pace(&self, camera: &Camera) {
        let Some(Promise { budget, pace, .. }) = self.profile.statistics().promise() else {
            return;
        };
        let rules = camera.incident;
        let is_within = |fps: Fps| fps.get() <= PACE_MARGIN * pace.fps;
        let is_kept = (rules.hits, rules.window) == (pace.hits, pace.window)
            && camera.fps.is_some_and(is_within)
            && camera.gate == 0.0;
        if !is_kept && matches!(budget, Budget::Per(..)) {
            tracing::warn!(
                camera = %camera.name,
                "the Profile's lines were drawn for {budget} false alarms at {:.3} frames a second and {} of \
                 {} for an incident, without a gate, and the configuration says otherwise: set fps = {:.3} or less, and hits, \
                 window and gate so; else expect another number of them",
                pace.fps,
                pace.hits,
                pace.window,
                pace.fps
            );
        }
    }

    /// Says where drift is to be watched for, and the Profile's footage does not show how scores move.
    pub(super) fn tell_of_drift(&self, camera: &Camera) {
        if camera.drift.watches && !self.drift_reference().tells() {
            tracing::info!(
                camera = %camera.name,
                "drift is not watched for: the footage of the Profile is too short, or of too slow a \
                 scene, to show how scores move by themselves; calibrate on footage of some hours"
            );
        }
    }

    /// The camera's source, held to the settings of its Profile's footage.
    pub(super) fn opener(&self, camera: &Camera) -> Box<dyn Opener> {
        let source = camera.source.clone();
        match &self.profile.manifest().origin.camera {
            Some(settings) => {
                let opener = source.like(settings).into_opener();
                Box::new(Calibrated::new(opener, settings.clone()))
            }
            None => source.into_opener(),
        }
    }

    /// What the live scores are held against.
    pub(super) fn drift_reference(&self) -> DriftReference {
        let statistics = self.profile.statistics();
        let [image, local] = [statistics.deciding(), statistics.local()].map(Threshold::held_out);
        let (id, scoring) = (self.profile.id(), statistics.scoring());
        DriftReference::new(id, scoring, image, local, statistics.looks())
    }

    /// What subscribers are told of the Profile.
    pub(super) fn identity(&self) -> ProfileIdentity {
        let profile = &self.profile;
        let origin = &profile.manifest().origin;
        ProfileIdentity {
            id: profile.id().to_owned(),
            teacher: format!("sha256:{}", origin.teacher.sha256),
            calibrated_at: Some(format!("{:.3}", profile.receipt().calibrated_at)),
            normal_frames: origin.normal_frames as u64,
        }
    }
}
