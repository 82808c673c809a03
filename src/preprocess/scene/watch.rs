//! SceneWatch: whether one camera's pictures can be judged, frame after frame.
//!
//! It holds each look against the reference and knows what only time shows: a frozen picture, and an
//! exposure that settles after a start. Time comes with the frames; a replay decides the same.

use std::sync::Arc;
use std::time::Duration;

use super::super::{Rejection, SceneFault, SceneFaultKind};
use super::check::{Lighting, SceneCheck};
use super::footage::mean_difference;
use super::look::Look;
use super::reference::SceneReference;
use super::repeats::Repeats;
use crate::capture::Moment;

/// So many equal frames at least make a frozen picture, however slow the source is.
const FEWEST_EQUAL: u64 = 5;

/// Light within this (natural logarithm) has not changed.
const STEADY: f64 = 0.05;

/// Settling ends after so many times the duration for which the light must be steady.
const PATIENCE: u32 = 2;

/// How a camera's scene is watched.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SceneRules {
    /// Whether pictures are held against the normal footage: blocked, moved, changed.
    pub compares: bool,
    /// A live source that repeats one picture for this long is frozen; zero turns that off.
    pub frozen_after: Duration,
    /// After an opening of a live source its light must be steady for this long; zero turns that off.
    pub settle: Duration,
    /// The largest shift of the view, as a share of the width; none is the footage's own limit.
    pub moved_beyond: Option<f64>,
}

impl Default for SceneRules {
    fn default() -> Self {
        Self {
            compares: true,
            frozen_after: Duration::from_secs(20),
            settle: Duration::from_secs(2),
            moved_beyond: None,
        }
    }
}

/// Follows the scene of one camera.
#[derive(Debug)]
pub struct SceneWatch {
    rules: SceneRules,
    is_live: bool,
    /// By which lights are told apart, also where nothing is compared.
    reference: Option<Arc<SceneReference>>,
    check: Option<SceneCheck>,
    /// Pictures that differ by less, in grey levels, are one picture.
    still_below: f64,
    /// So many of them at least ...
    fewest_equal: u64,
    /// ... for at least this long make a frozen one; none where none is looked for.
    frozen_after: Option<Duration>,
    repeats: Repeats,
    /// Whether an opening must first give two different pictures: none where the footage repeats some.
    must_change: bool,
    /// Whether it has.
    has_changed: bool,
    /// The opening of the source that the last frame was of.
    opening: Option<u32>,
    still: Option<Still>,
    settling: Option<Settling>,
    /// The fault of the frame before.
    standing: Option<SceneFaultKind>,
}

/// A picture and how long it has been repeated. It outlasts a reopening of the source.
#[derive(Debug)]
struct Still {
    picture: Vec<u8>,
    since: Duration,
    frames: u64,
    is_frozen: bool,
}

/// A source that was opened a moment ago.
#[derive(Debug)]
struct Settling {
    opened: Duration,
    /// Since when the light is as it is now.
    steady_since: Duration,
    light: [f64; 3],
}

impl SceneWatch {
    /// For a camera whose Profile has `reference`; one of an older format has none, and then only
    /// a frozen picture is a fault.
    pub fn new(
        reference: Option<Arc<SceneReference>>,
        rules: SceneRules,
        is_live: bool,
    ) -> SceneWatch {
        let known = reference.as_deref();
        let pauses = known.map(|known| known.numbers.pauses).unwrap_or_default();
        // Footage that repeats pictures, as encoders of still scenes do, asks for patience.
        let (fewest_equal, pause) = match pauses.seconds {
            Some(seconds) => (FEWEST_EQUAL, Duration::try_from_secs_f64(3.0 * seconds)),
            None => (pauses.frames.saturating_mul(2), Ok(Duration::ZERO)),
        };
        let is_sought = is_live && !rules.frozen_after.is_zero() && !pauses.prevail();
        let frozen_after = rules.frozen_after.max(pause.unwrap_or(Duration::MAX));
        Self {
            rules,
            is_live,
            still_below: known
                .and_then(SceneReference::still_below)
                .unwrap_or_default(),
            fewest_equal: fewest_equal.max(FEWEST_EQUAL),
            frozen_after: is_sought.then_some(frozen_after),
            repeats: Repeats::default(),
            must_change: is_sought && pauses.repeated == 0,
            has_changed: false,
            check: (reference.clone().filter(|_| rules.compares))
                .map(|reference| SceneCheck::new(reference, rules.moved_beyond)),
            reference,
            opening: None,
            still: None,
            settling: None,
            standing: None,
        }
    }

    /// The same for a camera whose picture a former watch found frozen at this time, by the frames'
    /// clock: it is so until another one comes.
    pub fn frozen_since(mut self, found: Option<Duration>) -> SceneWatch {
        self.still = found.zip(self.frozen_after).map(|(found, limit)| Still {
            picture: Vec::new(),
            since: found.saturating_sub(limit),
            frames: 0,
            is_frozen: true,
        });
        self
    }

    /// Looks at a frame of the source's `opening`, counted from 1, taken `at`, and tells its light.
    ///
    /// # Errors
    /// [`Rejection::Scene`] where the camera does not see what it was calibrated for, and
    /// [`Rejection::Settling`] soon after a start.
    pub fn look(&mut self, look: &Look, opening: u32, at: Moment) -> Result<Lighting, Rejection> {
        let at = at.since_boot;
        let is_opened = self.opening.replace(opening) != Some(opening);
        self.has_changed &= !is_opened;
        let standing = self.standing;
        let check = self.check.as_mut();
        let seen = check.and_then(|check| check.fault(look, standing));
        // The noise of another light may lie below the floor of this one.
        let still_below = match seen {
            None => self.still_below,
            Some(_) => 0.0,
        };
        let frozen = self.frozen(look, still_below, is_opened, at);
        let settles = self.is_live && self.settles(look, is_opened, at);
        // A camera that hangs may give one new picture each time it is opened.
        let may_be_still = self.must_change && !self.has_changed && seen.is_none();
        if (settles || may_be_still) && frozen.is_none() {
            return Err(Rejection::Settling);
        }
        // A covered camera repeats its black picture: that it is covered says more.
        let fault = match (frozen, seen) {
            (_, Some(seen)) if seen.kind == SceneFaultKind::Blocked => Some(seen),
            (frozen, seen) => frozen.or(seen),
        };
        self.standing = fault.as_ref().map(|fault| fault.kind);
        match fault {
            Some(fault) => Err(Rejection::Scene(fault)),
            None => {
                let (check, reference) = (self.check.as_ref(), self.reference.as_deref());
                Ok(Lighting::of(look, check, reference))
            }
        }
    }

    /// Where pictures that differ by less than `still_below` are one.
    fn frozen(
        &mut self,
        look: &Look,
        still_below: f64,
        is_opened: bool,
        at: Duration,
    ) -> Option<SceneFault> {
        let limit = self.frozen_after?;
        let is_known = self.repeats.knows(look.picture());
        let is_same = self.still.as_ref().is_some_and(|still| {
            // The first one of a picture that was frozen before is taken for that one.
            let is_first = still.picture.is_empty();
            is_known || is_first || mean_difference(&still.picture, look.picture()) < still_below
        });
        self.has_changed |= !is_same && !is_opened;
        let mut still = self.still.take().unwrap_or_else(|| Still {
            picture: Vec::new(),
            since: at,
            frames: 0,
            is_frozen: false,
        });
        if !is_same || still.picture.is_empty() {
            still.picture.clear();
            still.picture.extend_from_slice(look.picture());
        }
        if is_same {
            still.frames += 1;
        } else {
            still = Still {
                since: at,
                frames: 1,
                is_frozen: false,
                ..still
            };
        }
        let lasted = at.saturating_sub(still.since);
        still.is_frozen |= still.frames >= self.fewest_equal && lasted >= limit;
        let fault = still.is_frozen.then(|| SceneFault {
            kind: SceneFaultKind::Frozen,
            scene: look.statistics(),
            width: look.appearance.size.0,
            height: look.appearance.size.1,
            severity: lasted.div_duration_f32(limit),
            detail: format!(
                "the picture has not changed for {:.0} s ({} frames); limit {:.0} s",
                lasted.as_secs_f64(),
                still.frames,
                limit.as_secs_f64()
            ),
        });
        self.still = Some(still);
        fault
    }

    /// Whether exposure and white balance still swing in.
    fn settles(&mut self, look: &Look, is_opened: bool, at: Duration) -> bool {
        let settle = self.rules.settle;
        if settle.is_zero() || (!is_opened && self.settling.is_none()) {
            return false;
        }
        let (light, is_normal) = match &self.check {
            Some(check) => check.light(look),
            None => (
                [f64::from(look.statistics().brightness + 0.03).ln(); 3],
                false,
            ),
        };
        let former = self.settling.take().filter(|_| !is_opened);
        let mut settling = former.unwrap_or(Settling {
            opened: at,
            steady_since: at,
            light,
        });
        let mut steps = light.iter().zip(settling.light);
        if !is_normal && steps.any(|(now, then)| (now - then).abs() > STEADY) {
            settling.steady_since = at;
            settling.light = light;
        }
        let is_over = at.saturating_sub(settling.steady_since) >= settle
            || at.saturating_sub(settling.opened) >= settle * PATIENCE;
        if !is_over {
            self.settling = Some(settling);
        }
        !is_over
    }
}
