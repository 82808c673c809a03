//! The way back from the stages to capture: whether the frames of a source can be used at all.
//!
//! The last stage notes what became of each frame; capture asks. A frame belongs to one opening of its
//! source, so that frames of a former one, still on their way, say nothing about the next. Part of the
//! meter: it counts, and decides nothing but when a run is long enough.

use std::sync::{Mutex, PoisonError};

use crate::preprocess::Rejection;

/// What became of the latest frames of one source.
#[derive(Debug, Default)]
pub(super) struct Streak(Mutex<Run>);

#[derive(Debug, Default)]
struct Run {
    opening: u32,
    /// Bad frames in a row.
    bad: u32,
    /// Why the last one of them was bad, or how the picture is frozen.
    last: String,
    is_frozen: bool,
}

/// Why a source is to be opened anew although it gives frames.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Unfit {
    /// Its frames can't be used.
    Bad(String),
    /// It repeats one picture.
    Frozen(String),
}

impl Streak {
    /// Notes what became of a frame of this opening.
    pub(super) fn note(&self, opening: u32, verdict: &Result<bool, Rejection>) {
        let mut run = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if opening < run.opening {
            return;
        }
        if opening > run.opening {
            *run = Run {
                opening,
                ..Run::default()
            };
        }
        match verdict {
            // There was no frame.
            Err(Rejection::NoFrames(_)) => {}
            Err(rejection) if rejection.is_bad_frame() => {
                run.bad += 1;
                run.last = rejection.to_string();
            }
            Err(rejection) if rejection.is_frozen() => {
                run.is_frozen = true;
                run.last = rejection.to_string();
            }
            _ => {
                run.bad = 0;
                run.is_frozen = false;
            }
        }
    }

    /// Why the source, at this opening, is to be opened anew.
    pub(super) fn unfit(&self, opening: u32) -> Option<Unfit> {
        let run = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if run.opening != opening {
            return None;
        }
        let last = &run.last;
        match *run {
            Run { bad, .. } if bad >= Rejection::BAD_RUN => Some(Unfit::Bad(format!(
                "five frames in a row could not be used; the last: {last}"
            ))),
            Run {
                is_frozen: true, ..
            } => Some(Unfit::Frozen(last.clone())),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn damaged() -> Result<bool, Rejection> {
        Err(Rejection::Damaged("cut short".to_owned()))
    }

    #[test]
    fn five_bad_frames_in_a_row_are_a_fault_and_four_are_not() {
        let streak = Streak::default();
        let note = |verdict: &Result<bool, Rejection>, times| {
            (0..times).for_each(|_| streak.note(1, verdict));
        };
        note(&damaged(), 4);
        note(&Ok(false), 1);
        note(&damaged(), 2);
        note(&Err(Rejection::NoFrames("gone".to_owned())), 3);
        note(&Err(Rejection::Undecodable("no EOI".to_owned())), 2);
        assert_eq!(streak.unfit(1), None);
        let other = Rejection::Format {
            width: 320,
            height: 240,
            expected_width: 640,
            expected_height: 480,
        };
        note(&Err(other), 1);
        let Some(Unfit::Bad(reason)) = streak.unfit(1) else {
            panic!("{streak:?}");
        };
        assert!(
            reason.contains("five frames") && reason.contains("320x240"),
            "{reason}"
        );
    }

    #[test]
    fn a_frame_that_the_models_fail_on_is_not_its_cameras_fault() {
        let streak = Streak::default();
        for _ in 0..4 {
            streak.note(1, &damaged());
        }
        streak.note(1, &Err(Rejection::NotFinite));
        streak.note(1, &damaged());
        assert_eq!(streak.unfit(1), None);
    }

    #[test]
    fn frames_of_a_former_opening_say_nothing_of_the_present_one() {
        let streak = Streak::default();
        (0..5).for_each(|_| streak.note(1, &damaged()));
        assert_eq!(streak.unfit(2), None, "what was found is of the first");
        streak.note(2, &Ok(false));
        (0..5).for_each(|_| streak.note(1, &damaged()));
        assert_eq!(streak.unfit(2), None, "they came late");
    }
}
