//! Scores to incidents: persistence, hysteresis, cooldown, and how many are too many.
//!
//! A [`Tracker`] follows one camera. It is a plain value fed with values: time comes with the
//! frames, durations are measured on the monotonic clock alone, so a replay decides the same. A
//! frame that can't be judged never says that anything is normal. Nothing here sends anything.

mod drift;
mod evidence;
mod incident;
mod region;
mod track;
mod tracker;

#[cfg(test)]
pub(crate) mod stories;

use std::sync::Arc;
use std::time::Duration;

pub use drift::{Drift, DriftLevel, DriftReference, DriftRules, Drifted, Measure, Shift};
pub use evidence::Evidence;
pub use incident::{Cause, EndedBy, Identity, Incident, Phase, is_incident_id};
pub use region::Region;
pub use tracker::{Mute, Tracker};

use crate::capture::Pixels;
use crate::preprocess::{Rect, Rejection, SceneFault, SceneStatistics, SceneZ};
use crate::score::Score;

/// When frames become an incident, and when it ends.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rules {
    /// Frames that show a cause, among the last `window` ones that say anything of it, that open an
    /// incident, `1..=window`.
    pub hits: usize,
    /// Frames that are looked back on.
    pub window: usize,
    /// A camera that is blocked or moved, or another light, must last this long to open one.
    pub scene_after: Duration,
    /// A frame is calm when it is not anomalous and its score's `value` is below this line,
    /// `0..=0.5`; the threshold is at 0.5.
    pub release: f64,
    /// Calm frames in a row that close an incident, at least 1.
    pub release_after: usize,
    /// After an incident, no other one of its cause opens for this long; those that would are counted.
    pub cooldown: Duration,
    /// An open incident is reported again at most this often.
    pub update_every: Duration,
    /// The worst `value` having risen by this much since the last report is reported at once, and so is
    /// the first frame beyond the alarm line.
    pub notable_rise: f64,
    /// Incidents of a cause that may open within any hour; those beyond are counted like those of the
    /// cooldown.
    pub hourly_cap: u32,
}

impl Default for Rules {
    fn default() -> Self {
        Rules {
            hits: 3,
            window: 5,
            scene_after: Duration::from_secs(2),
            release: 0.45,
            release_after: 5,
            cooldown: Duration::from_secs(30),
            update_every: Duration::from_secs(10),
            notable_rise: 0.1,
            hourly_cap: 12,
        }
    }
}

/// What is known of a picture besides its score.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Picture {
    /// Columns of the frame.
    pub width: u32,
    /// Rows of the frame.
    pub height: u32,
    /// Its global appearance.
    pub scene: SceneStatistics,
    /// The same against the normal footage, where that is known.
    pub scene_z: Option<SceneZ>,
}

impl Picture {
    /// The picture that a fault of the scene was found in.
    pub fn of_fault(fault: &SceneFault) -> Picture {
        Picture {
            width: fault.width,
            height: fault.height,
            scene: fault.scene,
            scene_z: None,
        }
    }

    /// Whether what is known of it are numbers.
    pub fn is_finite(&self) -> bool {
        let SceneStatistics {
            brightness,
            contrast,
            sharpness,
        } = self.scene;
        [brightness, contrast, sharpness]
            .iter()
            .all(|number| number.is_finite())
    }
}

/// A frame that could be judged: every number of it is finite.
#[derive(Debug, Clone, PartialEq)]
pub struct Judged {
    score: Score,
    picture: Picture,
    /// The part of the frame that was looked at.
    crop: Rect,
    /// The frame itself, where it is kept.
    shot: Option<Arc<Pixels>>,
    /// Whether the score is that of an earlier frame.
    is_repeated: bool,
}

impl Judged {
    /// Checks a score.
    ///
    /// # Errors
    ///
    /// [`Rejection::NotFinite`] where a number of the score or of the scene is not finite.
    pub fn new(score: Score, picture: Picture) -> Result<Self, Rejection> {
        let numbers = [
            score.raw,
            score.threshold,
            score.value,
            score.p_value,
            score.pretrained,
            score.discrepancy,
            score.paper,
            score.default,
            score.parts.z,
            score.parts.pooled_mid,
            score.parts.pooled_late,
            score.parts.residual,
            score.local,
            score.local_threshold,
        ];
        let is_whole = picture.is_finite()
            && score.map.iter().all(|cell| cell.is_finite())
            && (numbers.iter().chain(&score.parts.bank)).all(|number| number.is_finite());
        if is_whole {
            Ok(Judged {
                score,
                picture,
                crop: Rect::whole(picture.width, picture.height),
                shot: None,
                is_repeated: false,
            })
        } else {
            Err(Rejection::NotFinite)
        }
    }

    /// The same with the frame itself, so that an incident's worst frame brings its picture.
    pub fn with_shot(mut self, shot: Arc<Pixels>) -> Self {
        self.shot = Some(shot);
        self
    }

    /// The same where only this part of the frame was looked at.
    pub fn within(self, crop: Rect) -> Self {
        Judged { crop, ..self }
    }

    /// The same for a later frame that was not scored because it hardly differs.
    pub fn repeated(self) -> Self {
        Judged {
            is_repeated: true,
            ..self
        }
    }

    /// Whether the score is that of an earlier frame.
    pub fn is_repeated(&self) -> bool {
        self.is_repeated
    }

    /// The same frame under another score.
    ///
    /// # Errors
    /// As [`Judged::new`].
    pub fn rescored(&self, score: Score) -> Result<Self, Rejection> {
        let judged = Judged::new(score, self.picture)?.within(self.crop);
        let shot = self.shot.clone();
        Ok(Judged { shot, ..judged })
    }

    /// The frame itself, where it was kept.
    pub fn shot(&self) -> Option<&Arc<Pixels>> {
        self.shot.as_ref()
    }

    /// The score.
    pub fn score(&self) -> &Score {
        &self.score
    }

    /// The picture.
    pub fn picture(&self) -> Picture {
        self.picture
    }

    /// Where in the picture the anomaly is.
    pub fn region(&self) -> Option<Region> {
        region::region(&self.score, self.crop)
    }
}
