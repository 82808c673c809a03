//! Which of the first frames after an opening were taken while the exposure still settled.
//!
//! A camera with automatic exposure begins too dark or too bright and swings to where it stays.
//! Those frames show no normal scene. Only brightness is looked at, and nothing is kept here.

/// What is no change of brightness in any case: 2.5 grey levels.
const LEAST: f32 = 0.01;

/// How many of these first frames are to be left out, by their brightness (0..1).
///
/// The second half says where the brightness stays and how much a settled scene varies.
pub(super) fn unsettled(brightness: &[f32]) -> usize {
    let (early, late) = brightness.split_at(brightness.len() / 2);
    let mut sorted = late.to_vec();
    sorted.sort_by(f32::total_cmp);
    let (Some(low), Some(high)) = (sorted.first(), sorted.last()) else {
        return 0;
    };
    let settled = sorted[sorted.len() / 2];
    let allowed = LEAST + (high - low);
    let is_off = |value: &f32| (value - settled).abs() > allowed;
    early.iter().rposition(is_off).map_or(0, |last| last + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_swing_is_left_out_to_its_last_frame() {
        let swing = [
            0.1, 0.5, 0.8, 0.6, 0.45, 0.5, 0.505, 0.5, 0.498, 0.5, 0.5, 0.5,
        ];
        assert_eq!(unsettled(&swing), 5);
    }

    #[test]
    fn a_settled_scene_keeps_all_frames_also_one_that_moves() {
        assert_eq!(unsettled(&[0.4; 8]), 0);
        assert_eq!(
            unsettled(&[0.40, 0.43, 0.41, 0.44, 0.40, 0.44, 0.42, 0.41]),
            0
        );
        assert_eq!(unsettled(&[0.4]), 0);
        assert_eq!(unsettled(&[]), 0);
    }
}
