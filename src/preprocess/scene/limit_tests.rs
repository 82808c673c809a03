//! Limits that footage makes: what single bad frames, a wide spread and a dark scene do to them.

use std::sync::{Arc, LazyLock};

use super::fixture::{Eye, Rgb, lit, noise, reference, workshop};
use super::*;
use crate::preprocess::SceneFaultKind::{self, Blocked, Changed, Moved};

static WORKSHOP: LazyLock<SceneReference> =
    LazyLock::new(|| reference((0..60).map(|i| workshop(i, 0, 0))));

fn kind(reference: &SceneReference, picture: &[u8]) -> Option<SceneFaultKind> {
    after(reference, picture, None)
}

/// The fault of a picture where that of the frame before is `standing`.
fn after(
    reference: &SceneReference,
    picture: &[u8],
    standing: Option<SceneFaultKind>,
) -> Option<SceneFaultKind> {
    let mut check = SceneCheck::new(Arc::new(reference.clone()), None);
    let fault = check.fault(Eye::new().look(picture), standing);
    fault.map(|fault| fault.kind)
}

#[test]
fn a_few_bad_frames_in_the_footage_disarm_nothing() {
    let hand = |i: u64| -> Rgb { workshop(i, 0, 0).iter().map(|&v| 90 + v / 30).collect() };
    for bad in [noise(0, 3), hand(3)] {
        let good = (1..100).map(|i| workshop(i, 0, 0));
        let reference = reference(std::iter::once(bad.clone()).chain(good));
        let warnings = reference.warnings();
        assert!(
            warnings.len() == 1 && warnings[0].starts_with("set aside: 1 of"),
            "{warnings:?}"
        );
        assert_eq!(kind(&reference, &workshop(300, 0, 0)), None);
        for blocked in [bad, noise(0, 2), noise(128, 3)] {
            assert_eq!(kind(&reference, &blocked), Some(Blocked));
        }
        assert_eq!(kind(&reference, &workshop(300, 60, 0)), Some(Moved));
    }
}

#[test]
fn what_is_said_of_footage_is_that_it_has_no_common_view() {
    assert!(WORKSHOP.warnings().is_empty());
    let places = |i: u64| ((i * 97 % 300) as i64 - 150, (i * 61 % 200) as i64 - 100);
    let scattered = reference((0..60).map(|i| workshop(i, places(i).0, places(i).1)));
    let warnings = scattered.warnings();
    let said = warnings.iter().find(|said| said.contains("moved"));
    assert!(said.is_some(), "{warnings:?}");
}

#[test]
fn wide_but_honest_footage_is_not_deaf() {
    // The light varies evenly; a lamp is on or off.
    let even = reference((0..60).map(|i| {
        let gain = (-0.3 + 0.01 * i as f32).exp();
        lit(&workshop(i, 0, 0), [gain; 3])
    }));
    let lamp = reference((0..60).map(|i| {
        let gain = if i % 2 == 0 { 1.0 } else { 0.6 };
        lit(&workshop(i, 0, 0), [gain; 3])
    }));
    for (reference, normal, dark) in [(even, [0.76, 1.3], 0.45), (lamp, [0.6, 1.0], 0.35)] {
        for gain in normal {
            let picture = lit(&workshop(300, 0, 0), [gain; 3]);
            assert_eq!(kind(&reference, &picture), None, "{gain}");
        }
        let picture = lit(&workshop(300, 0, 0), [dark; 3]);
        assert_eq!(kind(&reference, &picture), Some(Changed), "{dark}");
    }
}

/// The reference with another worst match of its footage.
fn matched(lowest: f64) -> SceneReference {
    let mut reference = WORKSHOP.clone();
    let view = reference.numbers.view.as_mut().unwrap();
    view.matched.lowest = lowest;
    reference
}

/// How well the view is found in a picture.
fn match_of(picture: &[u8]) -> f64 {
    let fault = SceneCheck::new(Arc::new(matched(1e6)), None)
        .fault(Eye::new().look(picture), None)
        .unwrap();
    let (_, rest) = fault.detail.split_once("match ").unwrap();
    rest.split_once(';').unwrap().0.parse().unwrap()
}

/// The picture as a mirror shows it.
fn mirrored(picture: &[u8]) -> Rgb {
    let rows = picture.chunks_exact(3 * 640);
    rows.flat_map(|row| row.as_chunks::<3>().0.iter().rev().flatten().copied())
        .collect()
}

#[test]
fn a_view_that_is_not_found_has_moved_however_badly_its_footage_matched() {
    let reference = matched(20.0);
    for i in 0..60 {
        let picture = mirrored(&workshop(70 + i, 7 * i as i64 - 200, 3 * i as i64 - 90));
        assert_eq!(kind(&reference, &picture), Some(Moved), "{i}");
    }
}

#[test]
fn a_match_that_hovers_at_its_limit_does_not_flicker() {
    let picture = workshop(300, 0, 0);
    let matches = match_of(&picture);
    let share = 0.25;
    for (loss, standing, expected) in [
        (1.05, None, Some(Moved)),
        (0.95, Some(Moved), Some(Moved)),
        (0.95, None, None),
        (0.85, Some(Moved), None),
    ] {
        let reference = matched(loss * matches / share);
        assert_eq!(after(&reference, &picture, standing), expected, "{loss}");
    }
    // A shift that is found counts there as well.
    let reference = matched(0.95 * match_of(&workshop(300, 60, 0)) / share);
    assert_eq!(kind(&reference, &workshop(300, 60, 0)), Some(Moved));
}

#[test]
fn a_view_that_is_lost_in_another_light_is_a_change() {
    let reference = matched(1e3);
    assert_eq!(kind(&reference, &workshop(300, 0, 0)), Some(Moved), "lost");
    let dark = lit(&workshop(300, 0, 0), [0.6; 3]);
    assert_eq!(kind(&reference, &dark), Some(Changed));
    let shifted = lit(&workshop(300, 60, 0), [0.6; 3]);
    assert_eq!(kind(&WORKSHOP, &shifted), Some(Moved), "found elsewhere");
}

#[test]
fn one_step_of_colour_in_the_dark_is_no_change_but_half_the_light_is() {
    let night = |i| lit(&workshop(i, 0, 0), [0.07; 3]);
    let reference_of_night = reference((0..60).map(night));
    let mut bluish = night(300);
    bluish.iter_mut().skip(2).step_by(3).for_each(|v| *v += 2);
    assert_eq!(kind(&reference_of_night, &bluish), None);
    let evening = |i, gain| lit(&workshop(i, 0, 0), [gain; 3]);
    let reference_of_evening = reference((0..60).map(|i| evening(i, 0.25)));
    let halved = evening(300, 0.125);
    assert_eq!(kind(&reference_of_evening, &halved), Some(Changed));
}
