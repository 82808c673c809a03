//! Banks chosen, written, damaged; and distances from them against a search one by one.

use std::fs;

use rand::RngExt as _;
use rand::SeedableRng as _;

use super::*;
use crate::infer::{Features, Grid};
use crate::preprocess::{Crop, Mask, View};
use crate::score::fixture::{
    GRID, WIDTH, normal_frames, profile_with_bank, statistics_with_bank, teacher,
};
use crate::score::profile::{Profile, ProfileError};
use crate::score::tokens::Scratch;
use crate::score::{Basis, Score};

const WIDE: usize = 40;

fn tokens(count: usize, seed: u64) -> Vec<f32> {
    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(seed);
    (0..count * WIDE)
        .map(|_| random.random_range(-1.0..1.0))
        .collect()
}

fn exact(a: &[f32], b: &[f32]) -> f64 {
    let squares = a.iter().zip(b).map(|(a, b)| f64::from(a - b).powi(2));
    squares.sum::<f64>().sqrt()
}

#[test]
fn the_distance_is_the_mean_of_the_five_largest_to_the_nearest_token() {
    let known = tokens(300, 1);
    let bank = MemoryBank::choose(&known, WIDE);
    assert_eq!(bank.count(), 300);
    let grid = Grid {
        rows: 3,
        columns: 7,
    };
    let fresh = tokens(21, 2);
    let distance = bank.distance(&fresh, &Patches::all(grid), &mut BankScratch::default());
    let mut nearest: Vec<f64> = fresh
        .chunks(WIDE)
        .map(|token| {
            let all = known.chunks(WIDE).map(|known| exact(token, known));
            all.fold(f64::INFINITY, f64::min)
        })
        .collect();
    nearest.sort_by(f64::total_cmp);
    let expected = nearest[16..].iter().sum::<f64>() / 5.0;
    assert!((distance / expected - 1.0).abs() < 1e-5);
    let known = bank.distance(&known, &Patches::all(grid), &mut BankScratch::default());
    assert!(known < 1e-2, "tokens of the bank are {known} from it");
}

#[test]
fn a_bank_holds_what_lies_furthest_apart_and_equal_tokens_once() {
    // Two heaps and a lone token; each choice is the furthest from those before.
    let line = [0.0, 0.1, 0.2, 10.0, 10.1, 4.0, 0.0, 10.0];
    let bank = MemoryBank::choose(&line, 1);
    assert_eq!(bank.rows().as_slice()[..3], [0.0, 10.1, 4.0]);
    assert_eq!(bank.count(), 6);
    let many = tokens(MOST_TOKENS + 50, 3);
    assert_eq!(MemoryBank::choose(&many, WIDE).count(), MOST_TOKENS);
}

#[test]
fn what_no_calibration_has_written_is_no_bank() {
    let sound = tokens(3, 6);
    assert!(MemoryBank::from_rows(&sound, WIDE).is_some());
    let many = tokens(MOST_TOKENS + 1, 6);
    for (values, width) in [
        (&sound[..], 0),
        (&[][..], 0),
        (&[][..], WIDE),
        (&sound[1..], WIDE),
        (&many[..], WIDE),
        (&[f32::NAN, 1.0][..], 2),
    ] {
        assert_eq!(MemoryBank::from_rows(values, width), None, "{width}");
    }
}

#[test]
fn a_token_that_is_not_finite_has_no_distance() {
    let bank = MemoryBank::choose(&tokens(20, 4), WIDE);
    let grid = Grid {
        rows: 1,
        columns: 9,
    };
    for spoilt in [f32::NAN, -f32::NAN, f32::INFINITY, f32::MAX] {
        let mut fresh = tokens(9, 5);
        fresh[4 * WIDE] = spoilt;
        let distance = bank.distance(&fresh, &Patches::all(grid), &mut BankScratch::default());
        assert!(distance.is_nan(), "{spoilt}: {distance}");
    }
}

fn score(profile: &Profile, frame: &Features) -> Score {
    let statistics = profile.statistics();
    statistics.score(frame, 0, &mut Scratch::default()).unwrap()
}

#[test]
fn a_patch_that_was_never_seen_is_an_anomaly_of_the_whole_picture() {
    let profile = profile_with_bank(60, 1);
    let mut frame = normal_frames(1, 2).remove(0);
    let before = score(&profile, &frame);
    frame.blended_tokens[..3 * WIDTH].fill(25.0);
    let after = score(&profile, &frame);
    let of = |score: &Score| score.parts.bank.unwrap();
    assert!(of(&before) < 4.0 && of(&after) > 10.0);
    let rise = of(&after) - of(&before);
    assert!((after.default - before.default - rise).abs() < 1e-9);
    assert_eq!((after.basis, after.is_anomalous()), (Basis::Image, true));
    frame.blended_tokens.clear();
    let statistics = profile.statistics();
    let refused = statistics.score(&frame, 0, &mut Scratch::default());
    assert!(refused.is_err(), "a frame without its tokens was scored");
}

#[test]
fn masked_patches_neither_teach_a_bank_nor_are_held_against_it() {
    let left = vec![[0.0, 0.0], [0.4, 0.0], [0.4, 1.0], [0.0, 1.0]];
    let view = View::new(Crop::default(), Mask::new(vec![left]).unwrap()).unwrap();
    let patches = Patches::of(&view, GRID).unwrap();
    let frames = normal_frames(40, 3);
    let spoilt = |frame: &Features| {
        let mut frame = frame.clone();
        frame.blended_tokens[WIDTH..2 * WIDTH].fill(1e3);
        frame
    };
    let wild: Vec<Features> = frames.iter().map(spoilt).collect();
    let statistics = statistics_with_bank(&frames, &patches);
    assert_eq!(statistics_with_bank(&wild, &patches), statistics);
    let score = |frame: &Features| statistics.score(frame, 0, &mut Scratch::default());
    assert_eq!(score(&frames[0]), score(&wild[0]));
}

#[test]
fn a_profile_with_a_bank_comes_back_to_the_last_bit_and_one_whose_bank_is_gone_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("cam0");
    let profile = profile_with_bank(30, 1);
    profile.save(&dir).unwrap();
    let loaded = Profile::load_whole(&dir, &teacher()).unwrap();
    assert_eq!(loaded, profile);
    let frame = normal_frames(1, 2).remove(0);
    assert_eq!(score(&loaded, &frame), score(&profile, &frame));
    let manifest = fs::read_to_string(dir.join("profile.json")).unwrap();
    assert!(manifest.contains("\"bank\""));
    crate::score::fixture::profile(30, 1).save(&dir).unwrap();
    let without = fs::read_to_string(dir.join("profile.json")).unwrap();
    assert!(!without.contains("bank"), "{without}");
    let before = "\"residual\": {";
    let claims = without.replacen(
        before,
        &format!("\"bank\": {{\"mean\": 1.0, \"deviation\": 1.0}}, {before}"),
        1,
    );
    assert_ne!(claims, without);
    fs::write(dir.join("profile.json"), claims).unwrap();
    let error = Profile::load_whole(&dir, &teacher()).unwrap_err();
    assert!(matches!(error, ProfileError::Damaged { .. }), "{error:?}");
}

#[test]
#[ignore = "a measurement: run with --ignored --nocapture"]
fn measure_the_time_of_a_bank() {
    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(1);
    let mut tokens = |count: usize| -> Vec<f32> {
        let values = (0..count * 192).map(|_| random.random_range(-1.0..1.0));
        values.collect()
    };
    let (candidates, fresh) = (tokens(5000), tokens(196));
    let start = std::time::Instant::now();
    let bank = MemoryBank::choose(&candidates, 192);
    println!("a bank of 5000 candidates: {:?}", start.elapsed());
    let grid = Grid {
        rows: 14,
        columns: 14,
    };
    let (patches, mut scratch) = (Patches::all(grid), BankScratch::default());
    let start = std::time::Instant::now();
    for _ in 0..100 {
        std::hint::black_box(bank.distance(&fresh, &patches, &mut scratch));
    }
    println!("distance of 196 x 192: {:?}", start.elapsed() / 100);
}
