//! A mask takes its pixels out of sight and nothing else: what befalls the rest is found as without.

use std::sync::Arc;

use super::fixture::{Eye, Rgb, covered, noise, reference_of, workshop};
use super::*;
use crate::preprocess::{Crop, Mask, SceneFaultKind, View};

/// Without these rectangles, `[left, top, right, bottom]`.
fn without(rectangles: &[[f64; 4]]) -> View {
    let corners = |&[left, top, right, bottom]: &[f64; 4]| {
        vec![[left, top], [right, top], [right, bottom], [left, bottom]]
    };
    let mask = Mask::new(rectangles.iter().map(corners).collect()).unwrap();
    View::new(Crop::default(), mask).unwrap()
}

/// A camera of which a part is looked at, with its reference.
struct Masked {
    eye: Eye,
    reference: Arc<SceneReference>,
    check: SceneCheck,
}

impl Masked {
    fn new(view: &View) -> Self {
        let mut eye = Eye::looking_at(view.clone());
        let reference = reference_of(&mut eye, (0..60).map(|i| workshop(i, 0, 0)));
        let reference = Arc::new(reference);
        Masked {
            eye,
            check: SceneCheck::new(Arc::clone(&reference), None),
            reference,
        }
    }

    fn kind(&mut self, picture: &[u8]) -> Option<SceneFaultKind> {
        let fault = self.check.fault(self.eye.look(picture), None);
        fault.map(|fault| fault.kind)
    }
}

#[test]
fn a_mask_disarms_nothing() {
    let strips = [0.1, 0.35, 0.6, 0.85].map(|top| [0.0, top, 1.0, top + 0.1]);
    for rectangles in [
        &[[0.25, 0.25, 0.75, 0.75]][..],
        &[[0.1, 0.1, 0.4, 0.6], [0.6, 0.3, 0.9, 0.7]],
        &[[0.5, 0.0, 1.0, 1.0]],
        &strips,
    ] {
        let mut masked = Masked::new(&without(rectangles));
        assert_eq!(masked.kind(&workshop(2000, 0, 0)), None, "{rectangles:?}");
        for dx in [20, 48, -60] {
            let moved = masked.kind(&workshop(70, dx, 0));
            assert_eq!(moved, Some(SceneFaultKind::Moved), "{rectangles:?} {dx}");
        }
        for level in [0, 110, 255] {
            let blocked = masked.kind(&noise(level, 3));
            let expected = Some(SceneFaultKind::Blocked);
            assert_eq!(blocked, expected, "{rectangles:?} {level}");
        }
    }
}

#[test]
fn what_lies_under_a_mask_changes_no_measure() {
    let mut masked = Masked::new(&without(&[[0.0, 0.0, 0.5, 1.0]]));
    let picture = workshop(80, 0, 0);
    let look = |eye: &mut Eye, picture: &[u8]| {
        let statistics = eye.look(picture).statistics();
        [
            statistics.brightness,
            statistics.contrast,
            statistics.sharpness,
        ]
    };
    let plain = look(&mut masked.eye, &picture);
    let same = look(&mut masked.eye, &covered(&picture, 0.5, 250));
    assert_eq!(plain, same);
    let measure = |masked: &mut Masked, picture: &[u8]| {
        let look = masked.eye.look(picture);
        masked.reference.measure(&look.appearance)
    };
    let measures = measure(&mut masked, &covered(&picture, 0.5, 250));
    assert!(
        measures.light[0].abs() < 0.02 && measures.changed < 0.3,
        "{measures:?}"
    );
    let whole = measure(
        &mut Masked::new(&View::default()),
        &covered(&picture, 0.5, 250),
    );
    assert!(whole.changed > 0.4, "{whole:?}");
    // The right half alone is what is measured.
    let mut cut = Eye::looking_at(
        View::new(Crop::new([0.5, 0.0, 0.5, 1.0]).unwrap(), Mask::default()).unwrap(),
    );
    let alone = look(&mut cut, &picture);
    for (a, b) in plain.into_iter().zip(alone).take(2) {
        assert!((a - b).abs() < 0.02, "{plain:?} {alone:?}");
    }
}

#[test]
fn only_cells_that_no_mask_covers_count_however_few_they_are() {
    // Strips that leave 34 % of the picture, and of most cells less than half.
    let strips: Vec<[f64; 4]> = (0..16)
        .map(|i| [0.0, f64::from(i) / 16.0, 1.0, (f64::from(i) + 0.66) / 16.0])
        .take(14)
        .collect();
    let mut masked = Masked::new(&without(&strips));
    let picture = workshop(80, 0, 0);
    let mut lit: Rgb = picture.clone();
    let rows = lit.len() * 14 / 16;
    lit[..rows].fill(255);
    // What is seen in the last rows is as ever.
    let look = masked.eye.look(&picture);
    let light = masked.check.light(look).0[0];
    assert!(light.abs() < 0.05, "{light}");
    let look = masked.eye.look(&lit);
    let light = masked.check.light(look).0[0];
    assert!(light.abs() < 0.05, "{light}");
}
