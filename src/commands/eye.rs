//! The first two steps of a camera: frame to tensor, tensor to features, and the gate between them.
//!
//! An [`Eye`] prepares a frame and tells whether it hardly differs from the last one that was to be
//! scored; [`Models`] then pass it on unseen. A frame that was rejected here, that comes after such a one,
//! or that is the first of an opening, is never passed on so. A frame that its driver calls damaged comes
//! to neither: what the next one is held against is still the last that the models saw, and its verdict
//! stands. Nothing here judges.

use std::sync::Arc;
use std::time::Duration;

use super::inspector::{Seen, Sight};
use crate::capture::{Frame, Pixels};
use crate::config::Camera;
use crate::decide::Picture;
use crate::infer::Extractor;
use crate::preprocess::{
    Gate, Lighting, Prepared, Preprocessing, Preprocessor, Rejection, SceneReference, SceneWatch,
    SceneZ,
};
use crate::score::profile::{Origin, Profile};

/// A frame between decoding and the models.
pub(super) struct Looked {
    prepared: Prepared,
    scene_z: Option<SceneZ>,
    lighting: Lighting,
    /// The frame itself, where pictures are published or kept.
    shot: Option<Pixels>,
    /// Whether it hardly differs from the last one that was to be scored.
    is_as_before: bool,
}

/// From frame to what the models take, and whether they need to.
pub(super) struct Eye {
    preprocessor: Preprocessor,
    origin: Origin,
    scene: Option<Arc<SceneReference>>,
    watch: SceneWatch,
    gate: Gate,
    /// The opening of the source that the last frame was of.
    opening: Option<u32>,
    keeps_shots: bool,
}

impl Eye {
    /// Of a camera with this Profile, for a teacher that takes `input`. What is live may freeze, and
    /// settles after it was opened.
    pub(super) fn new(
        input: &Preprocessing,
        profile: &Profile,
        camera: &Camera,
        is_live: bool,
    ) -> Self {
        let origin = profile.manifest().origin.clone();
        let scene = profile.scene().cloned();
        Eye {
            preprocessor: Preprocessor::new(input).looking_at(origin.view.clone()),
            origin,
            watch: SceneWatch::new(scene.clone(), camera.scene, is_live),
            scene,
            gate: Gate::new(camera.gate, input.width),
            opening: None,
            keeps_shots: camera.snapshot.is_some(),
        }
    }

    /// The same for a camera whose picture was found frozen at this time.
    pub(super) fn frozen_since(self, found: Option<Duration>) -> Self {
        let watch = self.watch.frozen_since(found);
        Eye { watch, ..self }
    }

    /// The same for a camera whose frames may be kept.
    pub(super) fn keeping_shots(mut self, keeps_shots: bool) -> Self {
        self.keeps_shots |= keeps_shots;
        self
    }

    /// The next frame, and which opening of the source it is of.
    pub(super) fn look(&mut self, opening: u32, frame: Frame) -> Result<Looked, Rejection> {
        if self.opening.replace(opening) != Some(opening) {
            self.gate.forget();
        }
        let (prepared, lighting) = self
            .prepare(opening, &frame)
            .inspect_err(|_| self.gate.forget())?;
        let scene = self.scene.as_ref();
        let scene_z = scene.map(|scene| scene.z(&prepared.scene));
        // The last thing that is done: what passes must come to the models.
        let passes = self
            .gate
            .passes(self.preprocessor.resized(), frame.at.since_boot);
        Ok(Looked {
            scene_z,
            lighting,
            prepared,
            shot: self.keeps_shots.then_some(frame.pixels),
            is_as_before: !passes,
        })
    }

    fn prepare(&mut self, opening: u32, frame: &Frame) -> Result<(Prepared, Lighting), Rejection> {
        let prepared = self.preprocessor.prepare(frame)?;
        self.origin.check_frame(prepared.width, prepared.height)?;
        let look = self.preprocessor.look();
        let lighting = self.watch.look(look, opening, frame.at)?;
        Ok((prepared, lighting))
    }
}

/// Teacher and student of one camera, run where a frame needs it.
pub(super) struct Models {
    extractor: Extractor,
    /// Whether they could make something of the last frame that they were given.
    was_seen: bool,
}

impl Models {
    pub(super) fn new(extractor: Extractor) -> Self {
        Models {
            extractor,
            was_seen: false,
        }
    }

    /// What they see, unless that was seen before. What they failed on has no verdict that could be
    /// repeated.
    pub(super) fn see(&mut self, looked: Looked) -> Result<Sight, Rejection> {
        if looked.is_as_before && self.was_seen {
            return Ok(Sight::AsBefore);
        }
        // A panic leaves it so.
        self.was_seen = false;
        let seen = see(&self.extractor, looked)?;
        self.was_seen = true;
        Ok(Sight::New(Box::new(seen)))
    }
}

/// Both models on one picture; what else is known of it travels beside.
fn see(extractor: &Extractor, looked: Looked) -> Result<Seen, Rejection> {
    let Looked {
        prepared,
        scene_z,
        lighting,
        shot,
        ..
    } = looked;
    let features = extractor.features(&prepared)?;
    let Prepared {
        width,
        height,
        scene,
        ..
    } = prepared;
    Ok(Seen {
        features,
        picture: Picture {
            width,
            height,
            scene,
            scene_z,
        },
        lighting,
        shot,
    })
}
