//! Kinds of light: found where there are some, none lost, each frame in exactly one.

use proptest::prelude::*;

use super::*;

fn wave(i: usize) -> f64 {
    (i as f64 * 1.7).sin()
}

fn kind_of(kinds: &[LightCell], frame: &[f64; 3]) -> usize {
    kinds.iter().position(|kind| kind.holds(frame)).unwrap()
}

#[test]
fn day_and_night_are_two_kinds_and_dusk_is_neither() {
    let day = (0..80).map(|i| [0.05 * wave(i), 0.0, 0.0]);
    let night = (0..50).map(|i| [-1.6 + 0.05 * wave(i), 0.02, -0.1]);
    let frames: Vec<[f64; 3]> = day.chain(night).collect();
    let kinds = kinds(&frames);
    assert_eq!(kinds.len(), 2);
    assert!(frames[..80].iter().all(|frame| kind_of(&kinds, frame) == 1));
    assert!(frames[80..].iter().all(|frame| kind_of(&kinds, frame) == 0));
    let dusk = [-0.7, 0.0, 0.0];
    let kind = &kinds[kind_of(&kinds, &dusk)];
    assert!(kind.spread[0].severity(dusk[0], LIGHTS[0].1) > 1.0);
}

#[test]
fn a_lamp_of_another_colour_is_another_kind_of_light() {
    let white = (0..60).map(|i| [0.02 * wave(i), 0.01 * wave(i), 0.0]);
    let infrared = (0..60).map(|i| [0.1 + 0.02 * wave(i), -0.5, -0.45]);
    let frames: Vec<[f64; 3]> = white.chain(infrared).collect();
    assert_eq!(kinds(&frames).len(), 2);
}

#[test]
fn light_that_varies_little_or_in_few_frames_has_one_kind() {
    let steady: Vec<[f64; 3]> = (0..300).map(|i| [0.3 * wave(i), 0.0, 0.0]).collect();
    assert!(kinds(&steady).is_empty());
    let few_at_night: Vec<[f64; 3]> = (0..300)
        .map(|i| {
            let level = if i < FEWEST - 1 { -1.6 } else { 0.0 };
            [level + 0.05 * wave(i), 0.0, 0.0]
        })
        .collect();
    assert!(kinds(&few_at_night).is_empty(), "39 frames are no kind");
    let said = too_few(&few_at_night, &[]);
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].starts_with("39 frames are much darker"), "{said:?}");
    assert!(too_few(&steady, &[]).is_empty());
    assert!(kinds(&[]).is_empty());
    assert!(kinds(&[[0.0; 3]; 200]).is_empty());
}

#[test]
fn too_few_frames_of_a_third_light_are_told_and_a_stray_one_is_not() {
    let day = (0..100).map(|i| [0.05 * wave(i), 0.0, 0.0]);
    let night = (0..100).map(|i| [-1.6 + 0.05 * wave(i), 0.0, 0.0]);
    let both: Vec<[f64; 3]> = day.chain(night).collect();
    assert!(too_few(&both, &kinds(&both)).is_empty());
    for (count, is_told) in [(2, false), (3, true), (39, true), (40, false)] {
        let lamp = (0..count).map(|i| [0.05 * wave(i), 0.8, 0.0]);
        let frames: Vec<[f64; 3]> = both.iter().copied().chain(lamp).collect();
        let said = too_few(&frames, &kinds(&frames));
        assert_eq!(!said.is_empty(), is_told, "{count}: {said:?}");
        let is_right = |said: &String| said.starts_with(&format!("{count} frames are in light of"));
        assert!(said.iter().all(is_right), "{said:?}");
    }
}

#[test]
fn light_that_varies_evenly_is_one_kind_however_wide() {
    let day: Vec<[f64; 3]> = (0..400)
        .map(|i| [-1.6 * (i as f64 / 400.0), 0.0, 0.0])
        .collect();
    assert!(kinds(&day).is_empty() && too_few(&day, &[]).is_empty());
}

#[test]
fn a_few_frames_at_dusk_do_not_make_one_kind_of_day_and_night() {
    let day = (0..100).map(|i| [0.05 * wave(i), 0.0, 0.0]);
    let dusk = (0..3).map(|i| [-0.4 * f64::from(i), 0.0, 0.0]);
    let night = (0..100).map(|i| [-1.6 + 0.05 * wave(i), 0.0, 0.0]);
    let frames: Vec<[f64; 3]> = day.chain(dusk).chain(night).collect();
    assert_eq!(kinds(&frames).len(), 2);
}

proptest! {
    #[test]
    fn every_frame_is_of_one_kind_and_every_kind_has_its_frames(
        frames in prop::collection::vec([-2.0..2.0_f64, -0.5..0.5_f64, -0.5..0.5_f64], 0..400),
        stranger in [-9.0..9.0_f64, -9.0..9.0_f64, -9.0..9.0_f64],
    ) {
        let kinds = kinds(&frames);
        prop_assert_ne!(kinds.len(), 1);
        if kinds.is_empty() {
            return Ok(());
        }
        for frame in frames.iter().chain([&stranger]) {
            prop_assert_eq!(kinds.iter().filter(|kind| kind.holds(frame)).count(), 1);
        }
        for kind in &kinds {
            let own = frames.iter().filter(|frame| kind.holds(frame)).count();
            prop_assert!(own >= FEWEST, "{} frames", own);
            prop_assert!(kind.is_sound());
        }
    }
}
