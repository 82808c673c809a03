//! Relit copies: what the fit sees of light that the footage does not show.
//!
//! Light wanders more slowly than footage lasts: ten minutes show two or three of its swings, and unseen frames
//! just beyond them were called anomalous 15 to 25 times in a hundred where 1 was promised (METHOD.md,
//! section 6). So students and Gaussians also learn from some of the frames as they would be in more light or
//! in less, as far as light goes before it is put down to the scene. Nothing else sees the copies: no
//! threshold, no golden frame, no report. The paper's recipe knows none.

use crate::preprocess::scene::OTHER_LIGHT;

/// Every so many-th frame has a copy.
const EVERY: usize = 4;

/// How much brighter or darker the copy of the frame of this number is, where it has one: by turns.
pub(super) fn factor(number: usize) -> Option<f32> {
    let has_copy = number % EVERY == EVERY / 2;
    let is_brighter = (number / EVERY).is_multiple_of(2);
    let light = if is_brighter {
        OTHER_LIGHT
    } else {
        -OTHER_LIGHT
    };
    has_copy.then_some(light.exp() as f32)
}

/// So many frames with their copies.
pub(super) fn with_copies(frames: usize) -> usize {
    frames + (frames + EVERY / 2 - 1) / EVERY
}

/// How many frames there are, at most, that come to no more than `most` with their copies.
pub(super) fn without_copies(most: usize) -> usize {
    // Four frames and a copy, and up to two frames before the next one.
    let frames = most / (EVERY + 1) * EVERY + (most % (EVERY + 1)).min(EVERY / 2);
    let rest = (0..EVERY).take_while(|more| with_copies(frames + more) <= most);
    frames + rest.last().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn copies_are_counted_as_they_come() {
        for frames in 0..100 {
            let copies = (0..frames).filter(|number| factor(*number).is_some());
            assert_eq!(with_copies(frames), frames + copies.count(), "{frames}");
        }
    }

    #[test]
    fn as_many_frames_are_taken_as_there_is_room_for_with_their_copies() {
        for most in 0..100 {
            let frames = without_copies(most);
            assert!(
                with_copies(frames) <= most && most < with_copies(frames + 1),
                "{most}"
            );
        }
    }

    #[test]
    fn as_many_copies_are_brighter_as_darker() {
        let factors: Vec<f32> = (0..80).filter_map(factor).collect();
        let brighter = factors.iter().filter(|factor| **factor > 1.0).count();
        assert_eq!((factors.len(), brighter), (20, 10));
        assert!((factors[0] * factors[1] - 1.0).abs() < 1e-6);
    }
}
