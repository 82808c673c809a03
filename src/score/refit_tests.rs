//! Refits of nothing, of frames that are near normal, and in any order.

use super::super::fixture::{
    GRID, WIDTH, fit_with_copies, material, material_with_bank, normal_frames, statistics,
    statistics_with_bank, terms,
};
use super::super::threshold::Threshold;
use super::super::{Score, Scoring};
use super::*;
use crate::infer::Patches;

/// Normal frames that are off in a way that was not filmed, all in the same.
fn unfilmed(count: usize, seed: u64) -> Vec<Features> {
    let mut frames = normal_frames(count, seed);
    for frame in &mut frames {
        frame.pretrained.z[0] += 4.0;
        frame.pretrained.pooled_mid[3] -= 5.0;
        let tokens = &mut frame.discrepancy.residual_tokens;
        tokens[7 * WIDTH..8 * WIDTH].fill(4.0);
    }
    frames
}

/// Statistics of 80 frames and their material.
fn calibrated(scoring: Scoring) -> (Statistics, Material) {
    let frames = normal_frames(80, 1);
    (
        statistics(&frames, scoring),
        material(&frames, &Patches::all(GRID)),
    )
}

/// With these told to be fine.
fn telling(statistics: &Statistics, material: &Material, fine: &[Features]) -> Material {
    let mut told = material.clone();
    for (i, features) in fine.iter().enumerate() {
        told.fine.push(FineFrame {
            sha256: format!("{:064x}", told.fine.len() + i),
            frame: statistics
                .fit()
                .normal_frame(features, 0, &mut Scratch::default()),
        });
    }
    told
}

fn refit(statistics: &Statistics, material: &Material) -> Refit {
    let terms = terms("5%".parse().unwrap());
    statistics.refit(material, &terms).unwrap()
}

fn score(statistics: &Statistics, frame: &Features) -> Score {
    statistics.score(frame, 0, &mut Scratch::default()).unwrap()
}

fn is_near(a: f64, b: f64, what: &str) {
    assert!(
        (a - b).abs() <= 1e-9 * a.abs().max(b.abs()),
        "{what}: {a} is not {b}"
    );
}

/// The same 80 frames, every fourth of them with a copy; the held-out scores are those without.
fn calibrated_with_copies() -> (Statistics, Material) {
    let (without, mut material) = calibrated(Scoring::Default);
    let frames = normal_frames(80, 1);
    let mut copies: Vec<Features> = frames.iter().skip(2).step_by(4).cloned().collect();
    for (number, copy) in copies.iter_mut().enumerate() {
        let light = if number % 2 == 0 { 2.0 } else { -2.0 };
        copy.pretrained
            .z
            .iter_mut()
            .for_each(|value| *value += light);
        let tokens = &mut copy.discrepancy.residual_tokens;
        tokens.iter_mut().for_each(|value| *value += light);
    }
    let mut taught: Vec<(&Features, usize, bool)> = Vec::new();
    for (number, frame) in frames.iter().enumerate() {
        taught.push((frame, 0, false));
        if number % 4 == 2 {
            taught.push((&copies[number / 4], 0, true));
        }
    }
    let fit = fit_with_copies(&taught, &Patches::all(GRID));
    let mut scratch = Scratch::default();
    let mut known = |frame| fit.normal_frame(frame, 0, &mut scratch);
    material.frames = frames.iter().map(&mut known).collect();
    let relit = copies.iter().enumerate().map(|(number, copy)| RelitFrame {
        of: 4 * number + 2,
        frame: known(copy),
    });
    material.relit = relit.collect();
    let (scoring, terms) = (without.scoring(), terms("5%".parse().unwrap()));
    let statistics = Statistics::calibrate(fit, &material.held_out, scoring, &terms).unwrap();
    (statistics, material)
}

#[test]
fn the_paper_learns_from_no_copy_and_all_else_does() {
    let (without, _) = calibrated(Scoring::Default);
    let (with, _) = calibrated_with_copies();
    let mut brighter = normal_frames(1, 9).remove(0);
    brighter
        .pretrained
        .z
        .iter_mut()
        .for_each(|value| *value += 2.0);
    let q = |statistics: &Statistics| {
        let mut scratch = Scratch::default();
        let frame = (&brighter).into();
        let measured = statistics
            .fit()
            .measure(&frame, (&brighter).into(), 0, &mut scratch);
        let measured = measured.unwrap();
        (measured.paper, measured.parts.q[0])
    };
    let (without, with) = (q(&without), q(&with));
    assert_eq!(without.0, with.0);
    assert!(with.1 < 0.5 * without.1, "{with:?} {without:?}");
}

#[test]
fn a_refit_of_nothing_gives_the_same_statistics() {
    let footages = [
        calibrated(Scoring::Default),
        calibrated(Scoring::Paper),
        calibrated_with_copies(),
    ];
    for (before, material) in footages {
        let after = refit(&before, &material).statistics;
        let lines = |t: &Threshold| {
            let held_out = t.held_out().iter().copied();
            let own = [t.raw(), t.alarm_at(Default::default()).unwrap()];
            held_out.chain(own).collect::<Vec<f64>>()
        };
        for (before, after) in [
            (before.deciding(), after.deciding()),
            (before.local(), after.local()),
        ] {
            for (a, b) in lines(before).into_iter().zip(lines(after)) {
                is_near(a, b, "line");
            }
        }
        for frame in [normal_frames(1, 9), unfilmed(1, 9)].concat() {
            let (a, b) = (score(&before, &frame), score(&after, &frame));
            for (a, b, what) in [
                (a.default, b.default, "default"),
                (a.paper, b.paper, "paper"),
                (a.local, b.local, "local"),
                (a.value, b.value, "value"),
            ] {
                is_near(a, b, what);
            }
        }
        let (a, b) = (before.promise().unwrap(), after.promise().unwrap());
        is_near(a.warn.likely, b.warn.likely, "promise");
        is_near(a.alarm.high, b.alarm.high, "promise");
    }
}

#[test]
fn fine_frames_make_their_like_normal_and_leave_others_as_they_were() {
    let (before, material) = calibrated(Scoring::Default);
    let fine = unfilmed(12, 2);
    let Refit {
        statistics,
        fine: crossed,
        ..
    } = refit(&before, &telling(&before, &material, &fine));
    let anomalous = |statistics: &Statistics, frames: &[Features]| {
        let scores = frames.iter().map(|frame| score(statistics, frame));
        scores.filter(Score::is_anomalous).count()
    };
    let like = unfilmed(100, 3);
    assert_eq!(anomalous(&before, &fine), 12);
    let (was, is) = (anomalous(&before, &like), anomalous(&statistics, &like));
    assert!(was > 95 && is < 40, "{was}, then {is} of 100");
    // Told by frames that the fit did not see: no frame passes just because it was told.
    let crossed = crossed.into_iter().map(|frame| statistics.judge(frame));
    let crossed = crossed.filter(Score::is_anomalous).count();
    let seen = anomalous(&statistics, &fine);
    assert!(seen <= crossed && crossed < 12, "{seen}, {crossed}");
    let mut defect = normal_frames(1, 4).remove(0);
    defect.pretrained.z[2] += 30.0;
    assert!(score(&statistics, &defect).is_anomalous());
}

#[test]
fn one_fine_frame_is_enough_and_lowers_its_own_score() {
    let (before, material) = calibrated(Scoring::Default);
    let fine = unfilmed(1, 5);
    let after = refit(&before, &telling(&before, &material, &fine)).statistics;
    let [was, is] = [&before, &after].map(|statistics| score(statistics, &fine[0]));
    assert!(
        is.default < was.default && is.value < was.value,
        "{was:?} {is:?}"
    );
    assert!(is.local < was.local);
}

#[test]
fn of_footage_with_time_one_fine_frame_makes_its_like_normal_and_draws_the_lines_to_itself() {
    let (statistics, material) = calibrated(Scoring::Default);
    let terms = Terms {
        interval: Some(0.5),
        ..terms("60/hour".parse().unwrap())
    };
    let before = statistics.refit(&material, &terms).unwrap().statistics;
    let fine = unfilmed(1, 5);
    let told = telling(&before, &material, &fine);
    let refit = before.refit(&told, &terms).unwrap();
    let after = &refit.statistics;
    let anomalous = |statistics: &Statistics, frames: &[Features]| {
        let scores = frames.iter().map(|frame| score(statistics, frame));
        scores.filter(Score::is_anomalous).count()
    };
    let like = unfilmed(100, 3);
    let (was, is) = (anomalous(&before, &like), anomalous(after, &like));
    assert!(was > 95 && is < 33, "{was}, then {is} of 100");
    assert_eq!(anomalous(after, &fine), 0);
    let Rise {
        after: line, by, ..
    } = refit.rise;
    assert!(line < 1.1 * by[0].1, "{line} times as far, {by:?}");
    let mut defect = normal_frames(1, 4).remove(0);
    defect.pretrained.z[2] += 30.0;
    assert!(score(after, &defect).is_anomalous());
}

#[test]
fn two_refits_are_one_with_the_frames_of_both() {
    let (before, material) = calibrated(Scoring::Default);
    let fine = unfilmed(9, 6);
    let first = telling(&before, &material, &fine[..4]);
    let halfway = refit(&before, &first).statistics;
    let both = telling(&halfway, &first, &fine[4..]);
    let at_once = telling(&before, &material, &fine);
    let (a, b) = (refit(&halfway, &both), refit(&before, &at_once));
    assert_eq!(a.statistics, b.statistics);
    assert_eq!(a.fine, b.fine);
}

#[test]
fn a_memory_bank_stays_and_the_line_learns_how_far_fine_frames_are_from_it() {
    let frames = normal_frames(80, 1);
    let patches = Patches::all(GRID);
    let statistics = statistics_with_bank(&frames, &patches);
    let material = material_with_bank(&frames, &patches);
    let nothing = refit(&statistics, &material);
    let bank = |statistics: &Statistics| statistics.scales()[0].bank.unwrap();
    is_near(
        bank(&nothing.statistics).mean,
        bank(&statistics).mean,
        "mean",
    );
    let mut odd = normal_frames(3, 5);
    let spoil = |frame: &mut Features| frame.blended_tokens[..5 * WIDTH].fill(30.0);
    odd.iter_mut().for_each(spoil);
    let before = score(&statistics, &odd[0]);
    assert!(before.is_anomalous() && before.parts.bank.unwrap() > 10.0);
    let told = telling(&statistics, &material, &odd);
    let refitted = refit(&statistics, &told);
    assert_eq!(refitted.statistics.fit().bank(), statistics.fit().bank());
    let measured = refitted.fine[0].parts.bank.unwrap();
    assert!(measured > 10.0 * bank(&statistics).mean, "{measured}");
    assert!(score(&refitted.statistics, &odd[0]).value < before.value);
}

#[test]
fn a_copy_in_other_light_comes_after_its_frame_and_goes_with_it() {
    let (_, mut material) = calibrated(Scoring::Default);
    let copy = |of: usize| RelitFrame {
        of,
        frame: material.frames[40 + of].clone(),
    };
    material.relit = [copy(2), copy(6)].into();
    let frames = |is_within: fn(usize) -> bool| -> Vec<NormalFrame> {
        let frames = material.outside_of(is_within).into_iter();
        frames.map(|(frame, _)| frame.clone()).collect()
    };
    let number = |number: usize| material.frames[number].clone();
    assert_eq!(frames(|n| !(2..=3).contains(&n)), [2, 42, 3].map(number));
    assert_eq!(frames(|n| n != 5 && n != 7), [5, 7].map(number));
}

#[test]
fn copies_widen_what_is_normal_where_they_lie() {
    let (before, material) = calibrated(Scoring::Default);
    let mut relit = material.clone();
    let odd = unfilmed(20, 7);
    for (number, odd) in odd.iter().enumerate() {
        let frame = before.fit().normal_frame(odd, 0, &mut Scratch::default());
        relit.relit.push(RelitFrame {
            of: 4 * number,
            frame,
        });
    }
    let after = refit(&before, &relit).statistics;
    let other = &unfilmed(1, 8)[0];
    let (before, after) = (score(&before, other), score(&after, other));
    assert!(after.default < 0.5 * before.default, "{before:?} {after:?}");
}

#[test]
fn a_frame_that_is_not_finite_is_refused_by_its_number() {
    let (before, material) = calibrated(Scoring::Default);
    let mut fine = unfilmed(1, 7);
    fine[0].pretrained.z[0] = f32::NAN;
    let terms = terms("5%".parse().unwrap());
    let refused = before.refit(&telling(&before, &material, &fine), &terms);
    assert!(
        matches!(refused, Err(FitError::NotFinite { frame: 80 })),
        "{refused:?}"
    );
}
