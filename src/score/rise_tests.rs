//! Refits by frames that are far from all that is normal, and by such that are not.

use super::super::Scoring;
use super::super::fixture::{GRID, material, normal_frames, statistics_within, terms};
use super::super::refit::{FineFrame, Material};
use super::super::threshold::Level;
use super::super::tokens::Scratch;
use super::*;
use crate::infer::{Features, Patches};

const BUDGET: &str = "1/day";

/// Statistics of 80 frames, and their material.
fn calibrated() -> (Statistics, Material) {
    let frames = normal_frames(80, 1);
    let statistics = statistics_within(&frames, BUDGET);
    assert_eq!(statistics.scoring(), Scoring::Default);
    (statistics, material(&frames, &Patches::all(GRID)))
}

/// What these frames do, told to be fine in this order.
fn rise(fine: &[Features]) -> Rise {
    rise_within(fine, &terms(BUDGET.parse().unwrap()))
}

/// Of footage that came as fast as frames are judged.
fn paced() -> Terms {
    Terms {
        interval: Some(0.5),
        ..terms(BUDGET.parse().unwrap())
    }
}

fn rise_within(fine: &[Features], terms: &Terms) -> Rise {
    let (statistics, mut material) = calibrated();
    // With the lines that these terms draw.
    let statistics = statistics.refit(&material, terms).unwrap().statistics;
    for (number, features) in fine.iter().enumerate() {
        let fit = statistics.fit();
        material.fine.push(FineFrame {
            sha256: format!("{number:064x}"),
            frame: fit.normal_frame(features, 0, &mut Scratch::default()),
        });
    }
    statistics.refit(&material, terms).unwrap().rise
}

/// As no normal frame is.
fn far(seed: u64) -> Features {
    let mut frame = normal_frames(1, seed).remove(0);
    frame.pretrained.z[0] += 200.0;
    frame
}

#[test]
fn a_line_is_blinding_where_nobody_could_set_it_by_hand() {
    let (statistics, _) = calibrated();
    let threshold = statistics.deciding();
    let furthest = Level::new(*Level::RANGE.end()).unwrap();
    let times = threshold.times(threshold.raw_at(furthest));
    assert!((times - BLINDING).abs() < 1e-6, "{times}");
    assert!((threshold.times(threshold.raw()) - 1.0).abs() < 1e-6);
}

#[test]
fn frames_like_the_footage_move_nothing_far() {
    let rise = rise(&normal_frames(4, 7));
    assert!((rise.before - 1.0).abs() < 1e-6, "{rise:?}");
    assert!(!rise.is_notable() && !rise.blinds(), "{rise:?}");
    assert_eq!(rise.by, []);
}

#[test]
fn one_frame_that_is_far_from_all_blinds_and_is_named_alone() {
    let mut fine = normal_frames(4, 7);
    fine.insert(2, far(8));
    let rise = rise(&fine);
    assert!(rise.is_notable() && rise.blinds(), "{rise:?}");
    let places: Vec<usize> = rise.by.iter().map(|(place, _)| *place).collect();
    assert_eq!(places, [2], "{rise:?}");
    assert!(rise.by[0].1 > NOTABLE, "{rise:?}");
}

#[test]
fn of_footage_with_time_a_frame_that_is_far_from_all_is_refused_and_a_normal_one_is_not() {
    let harmless = rise_within(&normal_frames(1, 7), &paced());
    assert!((harmless.before - 1.0).abs() < 1e-6, "{harmless:?}");
    assert!(!harmless.blinds(), "{harmless:?}");
    let wrong = rise_within(&[far(8)], &paced());
    assert!(wrong.blinds() && wrong.is_by_far_frame(), "{wrong:?}");
}

#[test]
fn of_footage_with_time_a_lone_frame_draws_the_lines_to_itself_and_blinds_where_it_is_far() {
    // Seconds of film, as exponential as tails are.
    let share = |i: usize| (i * 7919 % 997) as f64 / 997.0;
    let film: Vec<f64> = (0..61).map(|i| -(1.0 - share(i)).ln()).collect();
    let drawn = lines::draw(&film, &film, &paced()).unwrap().image;
    let by = |times: f64| {
        let lone = drawn.raw() + (times - 1.0) * drawn.numbers().scale;
        let scores = [film.as_slice(), &[lone]].concat();
        let terms = Terms {
            alone: 1,
            ..paced()
        };
        let line = lines::draw(&scores, &scores, &terms).unwrap().image;
        Rise {
            before: 1.0,
            after: drawn.times(line.raw()),
            by: vec![(0, times)],
        }
    };
    for times in [1.4, 3.0, NOTABLE, 9.0] {
        let rise = by(times);
        assert!((rise.after - times).abs() < 1e-6, "{rise:?}");
        assert!(!rise.blinds(), "{rise:?}");
    }
    assert!(by(1.01 * BLINDING).blinds());
}

#[test]
fn statistics_that_were_blind_before_are_told_of_and_not_blinded_again() {
    let rise = Rise {
        before: 30.0,
        after: 31.0,
        by: vec![(0, 15.0)],
    };
    assert!(rise.is_notable() && !rise.blinds());
    let blinder = Rise {
        after: 61.0,
        ..rise.clone()
    };
    assert!(blinder.blinds(), "what was accepted is no leave for more");
    let mended = Rise { after: 2.0, ..rise };
    assert!(!mended.is_notable() && !mended.blinds());
}
