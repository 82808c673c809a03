//! One look held against a reference: what is a fault, of which kind, and what is none.

use std::sync::{Arc, LazyLock};

use proptest::prelude::*;

use super::fixture::{Eye, Rgb, belt, blurred, covered, lit, reference, workshop};
use super::*;
use crate::preprocess::SceneFaultKind::{self, Blocked, Changed, Moved};
use crate::preprocess::View;

static BELT: LazyLock<Arc<SceneReference>> =
    LazyLock::new(|| Arc::new(reference(belt(0, 100, false))));
static WORKSHOP: LazyLock<Arc<SceneReference>> =
    LazyLock::new(|| Arc::new(reference((0..60).map(|i| workshop(i, 0, 0)))));

fn kind(reference: &Arc<SceneReference>, picture: &[u8]) -> Option<SceneFaultKind> {
    let mut check = SceneCheck::new(Arc::clone(reference), None);
    let fault = check.fault(Eye::new().look(picture), None)?;
    assert!(
        fault.severity > 1.0 && !fault.detail.is_empty(),
        "{fault:?}"
    );
    Some(fault.kind)
}

/// A frame of each scene that its reference has not seen.
fn scenes() -> [(&'static LazyLock<Arc<SceneReference>>, Rgb); 2] {
    let belt = belt(2000, 1, false).next().unwrap();
    [(&BELT, belt), (&WORKSHOP, workshop(2000, 0, 0))]
}

#[test]
fn moving_parts_and_defects_are_no_fault_of_the_scene() {
    let mut check = SceneCheck::new(Arc::clone(&BELT), None);
    let mut eye = Eye::new();
    for (i, picture) in belt(500, 400, true).enumerate() {
        let fault = check.fault(eye.look(&picture), None);
        assert_eq!(fault, None, "frame {i}");
    }
    for i in 500..550 {
        assert_eq!(kind(&WORKSHOP, &workshop(i, 0, 0)), None, "frame {i}");
    }
}

#[test]
fn what_covers_a_third_of_the_picture_is_left_to_the_models() {
    for (reference, picture) in scenes() {
        for shade in [10, 128, 250] {
            let covered = covered(&picture, 0.33, shade);
            assert_eq!(kind(reference, &covered), None, "shade {shade}");
        }
    }
}

#[test]
fn a_little_other_light_is_no_fault_but_is_told_and_what_lies_there_is_no_light() {
    for (reference, picture) in scenes() {
        let check = SceneCheck::new(Arc::clone(reference), None);
        let said = |picture: &[u8]| check.other_light(Eye::new().look(picture));
        for gain in [[0.85; 3], [1.15; 3]] {
            let picture = lit(&picture, gain);
            assert_eq!(kind(reference, &picture), None);
            let fault = said(&picture).expect("the light is told");
            assert_eq!(fault.kind, Changed);
            assert!(
                fault.severity == 1.0 && fault.detail.contains("the light is"),
                "{fault:?}"
            );
        }
        assert_eq!(said(&picture), None);
        for shade in [10, 250] {
            assert_eq!(said(&covered(&picture, 0.33, shade)), None);
        }
    }
}

#[test]
fn another_light_is_a_change() {
    for (reference, picture) in scenes() {
        for gain in [[0.6; 3], [1.5; 3], [1.15, 1.0, 0.85]] {
            assert_eq!(
                kind(reference, &lit(&picture, gain)),
                Some(Changed),
                "{gain:?}"
            );
        }
        assert_eq!(kind(reference, &lit(&picture, [0.93; 3])), None);
    }
}

#[test]
fn a_shifted_view_has_moved_from_a_fiftieth_of_the_width_on() {
    for (dx, dy) in [(0, 5), (5, 0)] {
        let picture = workshop(70, dx, dy);
        assert_eq!(kind(&WORKSHOP, &picture), None, "{dx} {dy}");
    }
    for (dx, dy) in [(20, 0), (-60, 0), (100, 50), (0, -20)] {
        assert_eq!(
            kind(&WORKSHOP, &workshop(70, dx, dy)),
            Some(Moved),
            "{dx} {dy}"
        );
    }
    let mut check = SceneCheck::new(Arc::clone(&WORKSHOP), None);
    let fault = check
        .fault(Eye::new().look(&workshop(70, 60, 20)), None)
        .unwrap();
    let expected = "the view is shifted by 60 x 21 of 640 x 480 pixels; limit 13";
    assert_eq!(fault.detail, expected);
    let mut patient = SceneCheck::new(Arc::clone(&WORKSHOP), Some(0.2));
    let fault = patient.fault(Eye::new().look(&workshop(70, 60, 20)), None);
    assert_eq!(fault, None);
}

#[test]
fn a_covered_lens_and_a_blurred_picture_are_blocked() {
    for (reference, picture) in scenes() {
        for level in [0, 3, 128, 255] {
            let plain = vec![level; picture.len()];
            assert_eq!(kind(reference, &plain), Some(Blocked), "level {level}");
        }
        assert_eq!(kind(reference, &blurred(&picture, 16)), Some(Blocked));
        assert_eq!(kind(reference, &blurred(&picture, 2)), None);
        let fog: Rgb = picture.iter().map(|&v| 150 + v / 12).collect();
        assert_eq!(kind(reference, &fog), Some(Blocked));
    }
}

#[test]
fn pictures_without_a_common_view_have_no_limit_of_shift() {
    let places = |i: u64| ((i * 97 % 300) as i64 - 150, (i * 61 % 200) as i64 - 100);
    let scattered = reference((0..60).map(|i| workshop(i, places(i).0, places(i).1)));
    assert_eq!(scattered.shift_limit(), None);
    // The belt has little but its rails that stands still.
    assert_eq!(BELT.shift_limit(), None);
    let limit = WORKSHOP.shift_limit().unwrap();
    assert!((0.02..0.03).contains(&limit), "{limit}");
}

#[test]
fn z_values_count_deviations_of_the_normal_footage() {
    let mut eye = Eye::new();
    let normal = WORKSHOP.z(&eye.look(&workshop(90, 0, 0)).statistics());
    assert!(normal.brightness_z.abs() < 4.0, "{normal:?}");
    let dark = WORKSHOP.z(&eye.look(&lit(&workshop(90, 0, 0), [0.5; 3])).statistics());
    assert!(
        dark.brightness_z < -5.0 && dark.contrast_z < -3.0,
        "{dark:?}"
    );
}

#[test]
fn a_reference_comes_back_from_its_arrays() {
    let arrays = BELT.arrays();
    let find = |name: &str| {
        let found = arrays.iter().find(|(known, ..)| *known == name);
        found
            .map(|(.., values)| values.clone())
            .ok_or_else(|| name.to_owned())
    };
    let again = SceneReference::from_arrays(BELT.numbers().clone(), find).unwrap();
    assert_eq!(again, **BELT);
    let broken = |name: &str| find(name).map(|values| vec![f64::NAN; values.len()]);
    let refused = SceneReference::from_arrays(BELT.numbers().clone(), broken);
    assert!(refused.unwrap_err().contains("scene.cells"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn no_picture_makes_it_panic_or_say_what_is_no_number(
        width in 16_u32..90, height in 16_u32..90, seed: u64, low: u8, high: u8,
    ) {
        let byte = |i: u64| {
            let mixed = (i ^ seed).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 56;
            (mixed as u8).clamp(low.min(high), low.max(high))
        };
        let data: Rgb = (0..u64::from(3 * width * height)).map(byte).collect();
        let (mut eye, mut footage) = (Eye::new(), SceneFootage::new(true));
        let mut check = SceneCheck::new(Arc::clone(&BELT), None);
        let look = eye.look_at(width, height, &data);
        if let Some(fault) = check.fault(look, None) {
            prop_assert!(fault.severity.is_finite());
        }
        footage.take(0, None, look);
        let own = footage.fit().unwrap();
        let z = own.z(&look.statistics());
        prop_assert!(z.brightness_z.is_finite() && z.sharpness_z.is_finite());
        let mut own = SceneCheck::new(Arc::new(own), None);
        prop_assert_eq!(own.fault(look, None), None);
    }
}

/// Not a test of speed: `cargo test --release --lib cost_of_a_look -- --ignored --nocapture`.
#[test]
#[ignore = "prints what a look costs"]
fn the_cost_of_a_look_is_printed() {
    let (mut eye, picture) = (Eye::new(), workshop(1, 0, 0));
    let mut check = SceneCheck::new(Arc::clone(&WORKSHOP), None);
    let time = |what: &str, work: &mut dyn FnMut()| {
        work();
        let mut times: Vec<_> = (0..300)
            .map(|_| {
                let started = std::time::Instant::now();
                work();
                started.elapsed()
            })
            .collect();
        times.sort();
        println!("{what}: {:?} (median), {:?} (least)", times[150], times[0]);
    };
    time("decode, resize, look, normalise", &mut || {
        eye.look(&picture);
    });
    let resized = eye.look(&picture).picture().to_vec();
    let resized = fast_image_resize::images::Image::from_vec_u8(
        224,
        224,
        resized,
        fast_image_resize::PixelType::U8x3,
    );
    let (resized, mut look) = (resized.unwrap(), Look::new(224, 224, &View::default()));
    time("look", &mut || look.take(&resized, (640, 480)).unwrap());
    time("check", &mut || {
        std::hint::black_box(check.fault(&look, None));
    });
}
