//! What the review says of footage whose faults are known.

use super::*;
use crate::capture::synthetic::{Product, Synthetic};
use crate::capture::{Pixels, replay};

/// A picture of one grey with noise of this deviation or so.
fn grey(level: u8, noise: u8, seed: u32) -> Thumbnail {
    let mut state = seed.wrapping_mul(2_654_435_761).wrapping_add(1);
    let data: Vec<u8> = (0..320 * 240)
        .flat_map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let noise = (state >> 16) % (2 * u32::from(noise) + 1);
            [level.saturating_add(noise as u8); 3]
        })
        .collect();
    Thumbnail::of(&Picture {
        width: 320,
        height: 240,
        data: data.into(),
    })
}

fn review(thumbnails: impl IntoIterator<Item = Thumbnail>) -> Review {
    let mut review = Review::default();
    for (seconds, thumbnail) in (0..).zip(thumbnails) {
        review.push(thumbnail, Duration::from_secs(seconds));
    }
    review
}

/// Pictures of the belt.
fn belt(numbers: impl Iterator<Item = u64>) -> Vec<Thumbnail> {
    let scene = |start| Synthetic {
        seed: 3,
        product: Product::default(),
        start,
        frames: Some(1),
        ..Synthetic::default()
    };
    let thumbnail = |number| {
        let frame = replay(&scene(number)).unwrap().next().unwrap().unwrap();
        let Pixels::Rgb8 {
            width,
            height,
            data,
        } = frame.pixels
        else {
            panic!("the scene is drawn");
        };
        Thumbnail::of(&Picture {
            width,
            height,
            data: data.into(),
        })
    };
    numbers.map(thumbnail).collect()
}

#[test]
fn a_noisy_still_is_one_picture_and_the_warning_has_both_numbers() {
    let still = review((0..200).map(|seed| grey(100, 6, seed)));
    assert_eq!(still.different(), 1);
    let warnings = still.warnings();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(
        warnings[0].starts_with("200 frames, 1 different ones"),
        "{warnings:?}"
    );
}

#[test]
fn three_pictures_in_turn_are_three() {
    let three = belt([0, 20, 40].into_iter());
    let shown = review(three.iter().cycle().take(150).cloned());
    assert_eq!(shown.different(), 3);
    assert!(shown.warnings()[0].contains("150 frames, 3 different"));
}

#[test]
fn a_belt_in_motion_is_nothing_to_warn_of() {
    let moving = review(belt((0..240).step_by(2)));
    assert!(moving.different() > 60, "{}", moving.different());
    assert!(moving.warnings().is_empty(), "{:?}", moving.warnings());
}

#[test]
fn few_dark_bright_and_changing_footage_is_told() {
    let words = |review: &Review| review.warnings().join("\n");
    let few = review(belt((0..60).step_by(3)));
    assert!(words(&few).contains("20 frames are few"), "{}", words(&few));
    let dark = review((0..120).map(|seed| grey(4, 3, seed)));
    assert!(words(&dark).contains("very dark"), "{}", words(&dark));
    let bright = review((0..120).map(|seed| grey(250, 3, seed)));
    assert!(words(&bright).contains("very bright"), "{}", words(&bright));
    let dawn = review((0..120).map(|i| grey(80 + i / 3, 3, i.into())));
    assert!(
        words(&dawn).contains("the light changed while filming: brightness 0.3"),
        "{}",
        words(&dawn)
    );
}

#[test]
fn long_footage_keeps_a_bounded_number_of_thumbnails() {
    let one = grey(100, 3, 1);
    let long = review((0..3 * MOST + 5).map(|_| one.clone()));
    assert_eq!(long.frames(), 3 * MOST + 5);
    assert!(long.kept.len() <= MOST, "{}", long.kept.len());
    assert!(long.kept.len() >= MOST / 2, "{}", long.kept.len());
}

#[test]
fn a_picture_smaller_than_a_thumbnail_is_no_trouble() {
    let picture = Picture {
        width: 16,
        height: 17,
        data: vec![128; 16 * 17 * 3].into(),
    };
    let small = Thumbnail::of(&picture);
    assert_eq!(small.cells.distance(&small.cells), 0.0);
}

/// A picture of steps in all directions that stand `dx` pixels from their place, with noise.
fn steps(dx: u32, seed: u32) -> Thumbnail {
    let pixel = |x: u32, y: u32| {
        let (x, y) = ((x + 100 - dx) / 23, y / 17);
        let cell = (x * 2_654_435_761_u32.wrapping_mul(y + 1) % 0xffff).wrapping_mul(0x9e37_79b9);
        let noise = (x ^ y ^ seed).wrapping_mul(0x85eb_ca6b) >> 30;
        [(40 + (cell >> 25) + noise) as u8; 3]
    };
    let data = (0..240).flat_map(|y| (0..320).flat_map(move |x| pixel(x, y)));
    Thumbnail::of(&Picture {
        width: 320,
        height: 240,
        data: data.collect(),
    })
}

#[test]
fn a_view_that_moved_is_told_with_the_time() {
    let bumped = |second: u32| steps(if second < 310 { 0 } else { 16 }, second);
    let words = review((0..400).map(bumped)).warnings().join("\n");
    assert!(
        words.contains("the view moved by 5 % of its width while filming, after 5 min 10 s"),
        "{words}"
    );
    let words = review((0..400).map(|second| steps(0, second))).warnings();
    assert!(!words.join("\n").contains("view"), "{words:?}");
}
