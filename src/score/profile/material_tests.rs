//! Material written, read, damaged; and Profiles refined.

use std::fs;

use proptest::prelude::*;

use super::*;
use crate::score::fixture;
use crate::score::profile::golden::{GoldenFrame, GoldenScores};
use crate::score::profile::recall::{Recall, is_recall_name};
use crate::score::profile::{Profile, ProfileError, RecallFrame, Refined};
use crate::score::threshold::Level;
use crate::score::tokens::Scratch;

/// Bytes that begin as a JPEG does.
const JPEG: &[u8] = b"\xff\xd8\xff bad";

/// The fixture's material with two fine frames, and the manifest that it belongs to.
fn material(count: usize, seed: u64) -> (Material, Manifest) {
    whole(fixture::profile(count, seed), seed)
}

fn whole(mut profile: Profile, seed: u64) -> (Material, Manifest) {
    let mut material = profile.take_material().unwrap();
    let fine = fixture::normal_frames(2, seed + 1);
    let fit = profile.statistics().fit();
    for (number, frame) in fine.iter().enumerate() {
        material.fine.push(FineFrame {
            sha256: format!("{number:064x}"),
            frame: fit.normal_frame(frame, 0, &mut Scratch::default()),
        });
    }
    let copies = [2, 6].map(|of| {
        let frame = NormalFrame {
            distances: vec![of as f32; material.frames[of].distances.len()],
            ..material.frames[of].clone()
        };
        RelitFrame { of, frame }
    });
    material.relit = copies.into();
    (material, profile.manifest().clone())
}

/// A recall frame that scored this.
fn bad(number: usize, value: f64) -> RecallFrame {
    RecallFrame::new(number, JPEG.to_vec(), value, false)
}

#[test]
fn material_comes_back_to_the_last_bit() {
    for interval in [None, Some(0.5)] {
        let (mut whole, manifest) = material(30, 1);
        whole.interval = interval;
        assert_eq!(decode(&encode(&whole), &manifest).unwrap(), whole);
        whole.fine.clear();
        whole.relit.clear();
        assert_eq!(decode(&encode(&whole), &manifest).unwrap(), whole);
    }
}

#[test]
fn distances_from_a_memory_bank_come_back_and_are_asked_for_where_there_is_one() {
    let (whole, manifest) = whole(fixture::profile_with_bank(30, 1), 1);
    assert!(whole.held_out.iter().all(|own| own.parts.bank.is_some()));
    assert!(whole.fine[0].frame.from_bank.is_some());
    assert_eq!(decode(&encode(&whole), &manifest).unwrap(), whole);
    let without = encode(&material(30, 1).0);
    let refused = decode(&without, &manifest).unwrap_err();
    assert!(refused.contains("held_out.bank"), "{refused}");
}

#[test]
fn material_of_another_footage_or_student_is_refused() {
    let (whole, manifest) = material(30, 1);
    let bytes = encode(&whole);
    let refused = |change: fn(&mut Manifest)| {
        let mut manifest = manifest.clone();
        change(&mut manifest);
        decode(&bytes, &manifest).unwrap_err()
    };
    assert!(refused(|m| m.origin.normal_frames = 31).contains("held_out"));
    assert!(refused(|m| m.origin.student.blocks.push(9)).contains("frames.d"));
    assert!(refused(|m| m.origin.teacher.grid.rows += 1).contains("frames.features"));
    let (mut infinite, manifest) = material(30, 1);
    infinite.frames[3].distances[2] = f32::INFINITY;
    assert!(decode(&encode(&infinite), &manifest).is_err());
}

#[test]
fn copies_of_no_frame_or_in_no_order_are_refused() {
    let (whole, manifest) = material(30, 1);
    for of in [[2, 30], [6, 2], [2, 2]] {
        let mut copies = whole.clone();
        copies.relit[0].of = of[0];
        copies.relit[1].of = of[1];
        let refused = decode(&encode(&copies), &manifest).unwrap_err();
        assert!(refused.contains("relit.of"), "{of:?}: {refused}");
    }
}

proptest! {
    #[test]
    fn a_byte_changed_in_the_material_is_an_error_or_other_values_but_no_panic(
        place: prop::sample::Index, value: u8, cut: prop::sample::Index, in_header: bool,
    ) {
        static WHOLE: std::sync::LazyLock<(Material, Manifest)> =
            std::sync::LazyLock::new(|| material(30, 1));
        let (material, manifest) = &*WHOLE;
        let mut bytes = encode(material);
        let header = 8 + u64::from_le_bytes(*bytes.first_chunk().unwrap()) as usize;
        let at = place.index(if in_header { header } else { bytes.len() });
        bytes[at] = value;
        let _ = decode(&bytes, manifest);
        bytes.truncate(cut.index(bytes.len()));
        prop_assert!(decode(&bytes, manifest).is_err());
    }
}

#[test]
fn scoring_needs_neither_material_nor_recall_frames_and_refining_checks_both() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("cam0");
    let profile = fixture::profile(30, 1).with_recall(vec![bad(1, 0.8)]);
    profile.save(&dir).unwrap();
    let teacher = fixture::teacher();
    let whole = Profile::load_whole(&dir, &teacher).unwrap();
    assert_eq!(whole, profile);
    assert_eq!(Profile::read_recall(&dir).unwrap(), [bad(1, 0.8)]);
    for name in ["material.safetensors", "recall-1.jpg"] {
        fs::write(dir.join(name), "changed").unwrap();
        let scoring = Profile::load(&dir, &teacher).unwrap();
        assert_eq!(scoring.id(), profile.id());
        let error = Profile::load_whole(&dir, &teacher).unwrap_err();
        assert!(matches!(error, ProfileError::Damaged { .. }), "{error:?}");
        assert!(error.to_string().contains(name), "{error}");
        profile.save(&dir).unwrap();
    }
}

#[test]
fn a_refined_profile_has_the_numbers_of_its_statistics_and_no_frame_that_was_not_scored_anew() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("cam0");
    let profile = fixture::profile(30, 1);
    let score =
        profile
            .statistics()
            .score(&fixture::normal_frames(1, 2)[0], 0, &mut Scratch::default());
    let scores = GoldenScores::of(&score.unwrap(), profile.statistics());
    let golden = GoldenFrame::new(1, JPEG.to_vec(), scores);
    let mut profile = profile
        .with_golden(vec![golden])
        .with_recall(vec![bad(1, 0.8)]);
    let (id, material) = (profile.id().to_owned(), profile.take_material().unwrap());
    let other = fixture::statistics_within(&fixture::normal_frames(30, 3), "20%");
    let by = Refined { fine: 3, bad: 1 };
    let at = "2026-09-02T08:00:00Z".parse().unwrap();
    let refined = profile
        .refined(other.clone(), by, at)
        .with_material(material);
    let refined = refined.with_recall(vec![bad(1, 0.4), bad(2, 0.7)]);
    refined.save(&dir).unwrap();
    let loaded = Profile::load_whole(&dir, &fixture::teacher()).unwrap();
    assert_eq!(loaded, refined);
    assert_ne!(loaded.id(), id);
    assert_eq!(loaded.statistics(), &other);
    let manifest = loaded.manifest();
    assert_eq!(
        (manifest.refined.as_slice(), manifest.golden.len()),
        (&[by][..], 0)
    );
    assert!(!dir.join("golden-1.jpg").exists());
    assert_eq!(manifest.promise.as_ref(), other.promise());
    assert_eq!(loaded.receipt().made_at(), at);
    assert_eq!(manifest.missed(), 1);
    let at = |level: f64| manifest.missed_at(Level::new(level).unwrap());
    assert_eq!([at(0.3), at(0.5), at(0.7)], [0, 1, 2]);
}

#[test]
fn a_recall_frame_whose_scene_is_at_fault_is_found_whatever_the_threshold() {
    let normal = RecallFrame::new(1, JPEG.to_vec(), 0.3, true);
    let anomalous = RecallFrame::new(2, JPEG.to_vec(), 0.7, true);
    let frames = vec![normal, anomalous, bad(3, 0.6), bad(4, 0.4)];
    let profile = fixture::profile(30, 1).with_recall(frames);
    let manifest = profile.manifest();
    let at = |level: f64| manifest.missed_at(Level::new(level).unwrap());
    assert_eq!([at(0.3), at(0.5), at(0.9)], [0, 1, 2]);
    assert_eq!(manifest.missed(), at(0.5));
    // As an earlier version wrote of a scene at fault.
    let former = r#"{"file":"recall-1.jpg","value":0.3}"#;
    let former: Recall = serde_json::from_str(former).unwrap();
    assert!(!former.passes_at(Level::new(0.9).unwrap()));
}

#[test]
fn a_recall_frame_has_a_name_of_its_own_and_no_other_is_read() {
    for name in ["recall-1.jpg", "recall-32.png"] {
        assert!(is_recall_name(name.as_ref()), "{name}");
    }
    for name in [
        "recall-.jpg",
        "recall-1.gif",
        "recall-123.jpg",
        "recall-/etc.jpg",
        "golden-1.jpg",
    ] {
        assert!(!is_recall_name(name.as_ref()), "{name}");
    }
}
