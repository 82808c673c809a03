//! Several lights: each judged about its own mean, by what all of them taught, and kept in the Profile.

use super::super::budget::Pace;
use super::super::fit::{Draft, Fit, Measured, Taught};
use super::super::fixture::{self, GRID, WIDTH, fit, fit_in_lights, normal_frames};
use super::super::lines::Terms;
use super::super::moments::Moments;
use super::super::profile::Profile;
use super::super::refit::{FineFrame, Material};
use super::super::samples::FitError;
use super::super::statistics::Statistics;
use super::super::{Score, Scoring};
use super::*;
use crate::infer::{Features, Patches};

/// Frames of which every other one is taken by night, where all features are elsewhere.
fn day_and_night(count: usize, seed: u64) -> (Vec<Features>, Vec<usize>) {
    let mut frames = normal_frames(count, seed);
    let lights: Vec<usize> = (0..count).map(|i| i % 2).collect();
    let by_night = frames
        .iter_mut()
        .zip(&lights)
        .filter(|(_, light)| **light == 1);
    by_night.for_each(|(frame, _)| darken(frame));
    (frames, lights)
}

fn darken(frame: &mut Features) {
    let Features {
        pretrained,
        discrepancy,
        ..
    } = frame;
    let vectors = [
        &mut pretrained.z,
        &mut pretrained.pooled_mid,
        &mut pretrained.pooled_late,
        &mut discrepancy.residual,
        &mut discrepancy.residual_tokens,
    ];
    for vector in vectors {
        for (i, value) in vector.iter_mut().enumerate() {
            *value += 9.0 - 2.0 * (i % WIDTH) as f32;
        }
    }
}

fn measured(fit: &Fit, frame: &Features, light: usize) -> Measured {
    fit.measure(&frame.into(), frame.into(), light, &mut Scratch::default())
        .unwrap()
}

#[test]
fn what_hides_between_day_and_night_is_seen_where_each_has_its_own_mean() {
    let (frames, lights) = day_and_night(200, 1);
    let frames: Vec<&Features> = frames.iter().collect();
    let patches = Patches::all(GRID);
    let apart = fit_in_lights(&frames, &lights, &patches);
    let together = fit(&frames, &patches);
    // Halfway from day to night: no light of the two, but in the middle of the mixture.
    let mut between = normal_frames(1, 2).remove(0);
    let day = between.clone();
    darken(&mut between);
    for (dark, light) in between.pretrained.z.iter_mut().zip(&day.pretrained.z) {
        *dark = dark.midpoint(*light);
    }
    let z = |fit: &Fit, frame: &Features| measured(fit, frame, 0).parts.q[0];
    assert!(z(&apart, &between) > 10.0 * z(&apart, &day));
    assert!(z(&together, &between) < 2.0 * z(&together, &day));
}

#[test]
fn a_frame_scores_by_night_as_the_same_frame_does_by_day() {
    let (frames, lights) = day_and_night(400, 3);
    let frames: Vec<&Features> = frames.iter().collect();
    let apart = fit_in_lights(&frames, &lights, &Patches::all(GRID));
    let mean = |light: usize| -> [f64; 5] {
        let mut sums = [0.0; 5];
        for mut frame in normal_frames(100, 4) {
            if light == 1 {
                darken(&mut frame);
            }
            let measured = measured(&apart, &frame, light);
            let values = measured.parts.q.iter().chain([&measured.local]);
            sums.iter_mut()
                .zip(values)
                .for_each(|(sum, v)| *sum += v / 100.0);
        }
        sums
    };
    for (day, night) in mean(0).into_iter().zip(mean(1)) {
        // The means of 200 frames each are known to a fourteenth of a deviation.
        assert!(
            (night / day - 1.0).abs() < 0.1,
            "{night} by night, {day} by day"
        );
    }
}

#[test]
fn a_light_whose_frames_are_all_missing_is_refused() {
    let frames = normal_frames(20, 5);
    let vectors: Vec<FrameVectors> = frames.iter().map(FrameVectors::from).collect();
    let taught = vectors.iter().map(|vectors| Taught {
        vectors,
        light: 0,
        is_copy: false,
    });
    let mut moments = Moments::new(WIDTH);
    for frame in &frames {
        moments.add(&frame.discrepancy.residual_tokens);
    }
    let refused = Draft::new(
        &taught.collect::<Vec<_>>(),
        &[moments.clone(), moments],
        &Patches::all(GRID),
    );
    let expected = FitError::TooFew { needed: 1, got: 0 };
    assert_eq!(refused.unwrap_err(), expected);
}

fn calibrated(
    frames: &[Features],
    lights: &[usize],
    noise_by_night: f64,
) -> (Statistics, Vec<Measured>) {
    let all: Vec<&Features> = frames.iter().collect();
    let whole = fit_in_lights(&all, lights, &Patches::all(GRID));
    let mut held_out: Vec<Measured> = (frames.iter().zip(lights))
        .map(|(frame, light)| measured(&whole, frame, *light))
        .collect();
    let by_night = held_out.iter_mut().filter(|frame| frame.light == 1);
    by_night.for_each(|frame| frame.parts.q = frame.parts.q.map(|q| noise_by_night * q));
    let terms = Terms {
        budget: "5%".parse().unwrap(),
        pace: Pace {
            fps: 2.0,
            hits: 3,
            window: 5,
        },
        interval: None,
        alone: 0,
    };
    let statistics = Statistics::calibrate(whole, &held_out, Scoring::Default, &terms);
    (statistics.unwrap(), held_out)
}

#[test]
fn scales_are_those_of_each_light_and_lines_those_of_all() {
    let (frames, lights) = day_and_night(120, 6);
    let (statistics, held_out) = calibrated(&frames, &lights, 3.0);
    let [day, night] = statistics.scales() else {
        panic!("two lights have two scales");
    };
    assert!((night.z.deviation / day.z.deviation - 3.0).abs() < 1.0);
    let above = |light: usize| {
        let own = held_out.iter().filter(|frame| frame.light == light);
        let scores = own.map(|frame| statistics.judge(frame.clone()));
        scores.filter(Score::is_anomalous).count()
    };
    assert!(
        above(0).abs_diff(above(1)) <= 6,
        "{} and {}",
        above(0),
        above(1)
    );
}

#[test]
fn a_profile_of_two_lights_comes_back_equal_and_one_whose_scene_has_one_is_refused() {
    let (frames, lights) = day_and_night(100, 7);
    let (statistics, _) = calibrated(&frames, &lights, 1.0);
    let folder = tempfile::tempdir().unwrap();
    let profile = fixture::profile(30, 1);
    let with = |scene| {
        let (origin, receipt) = (profile.manifest().origin.clone(), profile.receipt().clone());
        let profile = Profile::new(origin, statistics.clone(), Some(scene), Vec::new(), receipt);
        let dir = folder.path().join("cam0");
        profile.save(&dir).unwrap();
        (profile, Profile::load(&dir, &fixture::teacher()))
    };
    let (saved, loaded) = with(fixture::scene_by_day_and_night(8));
    let loaded = loaded.unwrap();
    assert_eq!(loaded, saved);
    for (light, frame) in frames.iter().enumerate().take(2) {
        let score = |p: &Profile| {
            let statistics = p.statistics();
            statistics.score(frame, light, &mut Scratch::default())
        };
        assert_eq!(score(&loaded), score(&saved));
    }
    let (_, refused) = with(fixture::scene(8));
    assert!(format!("{:#}", anyhow::Error::from(refused.unwrap_err())).contains("lights"));
}

#[test]
fn a_refit_leaves_the_lights_as_they_are_and_takes_a_fine_frame_into_its_own() {
    let (frames, lights) = day_and_night(120, 9);
    let (statistics, held_out) = calibrated(&frames, &lights, 1.0);
    let fit = statistics.fit();
    let normal =
        |frame: &Features, light: usize| fit.normal_frame(frame, light, &mut Scratch::default());
    let mut material = Material {
        frames: (frames.iter().zip(&lights))
            .map(|(frame, light)| normal(frame, *light))
            .collect(),
        held_out,
        relit: Vec::new(),
        fine: Vec::new(),
        interval: None,
    };
    let terms = fixture::terms("5%".parse().unwrap());
    let of_nothing = statistics.refit(&material, &terms).unwrap().statistics;
    let q = |statistics: &Statistics, frame: &Features, light: usize| {
        measured(statistics.fit(), frame, light).parts.q[0]
    };
    let mut strange = normal_frames(1, 10).remove(0);
    darken(&mut strange);
    strange.pretrained.z.iter_mut().for_each(|v| *v += 4.0);
    let before = q(&statistics, &strange, 1);
    assert!((q(&of_nothing, &strange, 1) / before - 1.0).abs() < 1e-6);
    for (one, other) in of_nothing.scales().iter().zip(statistics.scales()) {
        assert!((one.z.mean / other.z.mean - 1.0).abs() < 1e-6);
    }
    material.fine.push(FineFrame {
        sha256: "0".repeat(64),
        frame: normal(&strange, 1),
    });
    let refit = statistics.refit(&material, &terms).unwrap();
    assert!(q(&refit.statistics, &strange, 1) < 0.9 * before);
    assert_eq!(refit.fine[0].light, 1);
}
