//! Whether a camera is there: its frames are fresh, not frozen, whole, and of the calibrated format.
//!
//! A pure rule fed frame by frame. It takes three good frames in a row to come back, none at all or a
//! frozen one to leave at once, and five bad ones in a row to leave. A frame may be good and yet not
//! judged: a camera that is covered is there. Time is the frames' monotonic time.

use std::time::Duration;

use crate::capture::Moment;
use crate::decide::Judged;
use crate::preprocess::{Rejection, SceneFaultKind};

/// So many good frames in a row bring a camera back.
const GOOD_IN_A_ROW: u32 = 3;

/// What a frame says of its camera.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quality {
    /// It is there.
    Good,
    /// Something is wrong with this frame.
    Bad,
    /// There is nothing new to see.
    Nothing,
}

/// A change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// It is there, after an absence of this length where that is known.
    Online(Option<Duration>),
    /// It is no longer.
    Offline,
    /// It was not there yet, and what it gives can't be used.
    Unusable,
}

/// Follows one camera.
#[derive(Debug, Default)]
pub(super) struct Presence {
    /// What was said last; nothing yet over a reload, when that of the former generation holds.
    is_online: Option<bool>,
    /// Frames of one kind at the end.
    good: u32,
    bad: u32,
    left_at: Option<Duration>,
    /// Whether it was said of a camera that was never there that its frames can't be used.
    is_unusable: bool,
}

impl Quality {
    /// None where it is too early to say.
    fn of(judgement: Result<&Judged, &Rejection>) -> Option<Self> {
        Some(match judgement {
            Ok(_) => Quality::Good,
            Err(Rejection::Settling) => return None,
            Err(Rejection::Scene(fault)) => match fault.kind {
                SceneFaultKind::Blocked | SceneFaultKind::Moved | SceneFaultKind::Changed => {
                    Quality::Good
                }
                SceneFaultKind::Frozen => Quality::Nothing,
            },
            Err(Rejection::NoFrames(_)) => Quality::Nothing,
            Err(
                Rejection::Undecodable(_)
                | Rejection::Size { .. }
                | Rejection::Format { .. }
                | Rejection::Inference(_)
                | Rejection::NotFinite
                | Rejection::Damaged(_),
            ) => Quality::Bad,
        })
    }
}

impl Presence {
    /// Says that the camera is not there; whether that is news.
    pub(super) fn leave(&mut self) -> bool {
        self.good = 0;
        self.is_online.replace(false) != Some(false)
    }

    /// Takes the next frame.
    pub(super) fn observe(
        &mut self,
        at: Moment,
        judgement: Result<&Judged, &Rejection>,
    ) -> Option<Turn> {
        let quality = Quality::of(judgement)?;
        let longer = |count: u32, of| {
            if quality == of {
                count.saturating_add(1)
            } else {
                0
            }
        };
        self.good = longer(self.good, Quality::Good);
        self.bad = longer(self.bad, Quality::Bad);
        if self.is_online != Some(true) && self.good >= GOOD_IN_A_ROW {
            self.is_online = Some(true);
            let left_at = self.left_at.take();
            return Some(Turn::Online(
                left_at.map(|left_at| at.since_boot.saturating_sub(left_at)),
            ));
        }
        let is_gone = quality == Quality::Nothing || self.bad >= Rejection::BAD_RUN;
        if self.is_online != Some(false) && is_gone {
            self.is_online = Some(false);
            self.left_at = Some(at.since_boot);
            return Some(Turn::Offline);
        }
        // Of one that has left it was said why.
        let is_unusable = self.left_at.is_none() && self.bad >= Rejection::BAD_RUN;
        let is_news = is_unusable && !std::mem::replace(&mut self.is_unusable, true);
        is_news.then_some(Turn::Unusable)
    }
}

#[cfg(test)]
#[path = "presence_tests.rs"]
mod tests;
