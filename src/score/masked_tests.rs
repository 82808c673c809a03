//! Statistics and Profiles of a camera with a mask: what is masked takes no part in any number.

use std::fs;

use super::fixture::{self, GRID, WIDTH, normal_frames, profile_of};
use super::profile::Profile;
use super::tokens::Scratch;
use super::{Basis, Score};
use crate::infer::Features;
use crate::preprocess::{Crop, Mask, View};

/// The two left columns of the fixture's five are masked.
fn view() -> View {
    let left = vec![[0.0, 0.0], [0.4, 0.0], [0.4, 1.0], [0.0, 1.0]];
    View::new(Crop::default(), Mask::new(vec![left]).unwrap()).unwrap()
}

fn score(profile: &Profile, frame: &Features) -> Score {
    let statistics = profile.statistics();
    statistics.score(frame, 0, &mut Scratch::default()).unwrap()
}

/// The frame with `value` in all tokens of a patch.
fn spoilt(frame: &Features, patch: usize, value: f32) -> Features {
    let mut frame = frame.clone();
    let tokens = &mut frame.discrepancy.residual_tokens;
    tokens[patch * WIDTH..(patch + 1) * WIDTH].fill(value);
    frame
}

#[test]
fn a_masked_token_changes_no_number_of_the_score_and_its_neighbour_does() {
    let profile = profile_of(60, 1, view());
    let frame = normal_frames(1, 2).remove(0);
    let before = score(&profile, &frame);
    assert_eq!(before.patches, *profile.statistics().fit().patches());
    for row in 0..GRID.rows {
        let masked = row * GRID.columns + 1;
        assert_eq!(before.map[masked], 0.0);
        for value in [1e6, f32::NAN] {
            assert_eq!(score(&profile, &spoilt(&frame, masked, value)), before);
        }
        let seen = score(&profile, &spoilt(&frame, masked + 1, 30.0));
        assert_eq!((seen.basis, seen.is_anomalous()), (Basis::Local, true));
        assert_eq!(seen.map[masked], 0.0);
    }
}

#[test]
fn masked_tokens_of_the_footage_teach_nothing() {
    let frames = normal_frames(60, 3);
    let patches = profile_of(20, 3, view())
        .statistics()
        .fit()
        .patches()
        .clone();
    let wild: Vec<Features> = frames
        .iter()
        .enumerate()
        .map(|(n, frame)| spoilt(frame, GRID.columns, n as f32 * 1e3))
        .collect();
    let learnt = |frames: &[Features]| fixture::fit(&frames.iter().collect::<Vec<_>>(), &patches);
    assert_eq!(learnt(&wild), learnt(&frames));
}

#[test]
fn a_profile_with_a_view_comes_back_equal_and_the_view_is_part_of_its_identity() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("cam0");
    let profile = profile_of(30, 1, view());
    profile.save(&dir).unwrap();
    let loaded = Profile::load_whole(&dir, &fixture::teacher()).unwrap();
    assert_eq!(loaded, profile);
    assert_eq!(loaded.manifest().origin.view, view());
    assert_ne!(profile.id(), fixture::profile(30, 1).id());
    let text = fs::read_to_string(dir.join("profile.json")).unwrap();
    assert!(text.contains("\"view\""), "{text}");
}

#[test]
fn a_profile_of_format_1_looks_at_the_whole_frame() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("cam0");
    fixture::profile(30, 1).save(&dir).unwrap();
    let path = dir.join("profile.json");
    let text = fs::read_to_string(&path).unwrap();
    let manifest: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert!(manifest["origin"].get("view").is_none(), "{text}");
    fs::write(&path, text.replace("\"format\": 3", "\"format\": 1")).unwrap();
    let manifest = Profile::read_manifest(&dir).unwrap();
    assert_eq!(
        (manifest.format, manifest.origin.view),
        (1, View::default())
    );
}
