//! Scores held against those of calibration, and golden frames among a Profile's files.

use std::fs;
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors};

use super::*;
use crate::infer::Features;
use crate::score::fixture;
use crate::score::profile::load::read_manifest;
use crate::score::profile::{
    IssuedReceipt, MANIFEST, Manifest, Profile, ProfileError, RECEIPT, STATISTICS, arrays,
    identity, json, sha256,
};
use crate::score::statistics::Statistics;
use crate::score::tokens::Scratch;

/// Bytes that begin as a JPEG does.
const JPEG: &[u8] = b"\xff\xd8\xff golden";

fn score(statistics: &Statistics, frame: &Features) -> Score {
    statistics.score(frame, 0, &mut Scratch::default()).unwrap()
}

fn scores(statistics: &Statistics, frame: &Features) -> GoldenScores {
    GoldenScores::of(&score(statistics, frame), statistics)
}

/// A Profile with three golden frames, and their features.
fn with_golden() -> (Profile, Vec<Features>) {
    golden_in(fixture::profile(60, 1))
}

fn golden_in(profile: Profile) -> (Profile, Vec<Features>) {
    let frames = fixture::normal_frames(3, 2);
    let scored = (1..).zip(&frames).map(|(number, frame)| {
        GoldenFrame::new(number, JPEG.to_vec(), scores(profile.statistics(), frame))
    });
    let golden = scored.collect();
    (profile.with_golden(golden), frames)
}

fn load(dir: &Path) -> Result<Profile, ProfileError> {
    Profile::load_whole(dir, &fixture::teacher())
}

#[test]
fn each_score_that_moves_is_named_with_what_it_was_and_a_hair_is_none() {
    let (profile, frames) = with_golden();
    let sound = scores(profile.statistics(), &frames[0]);
    let golden = &profile.golden[0];
    assert_eq!(golden.difference(&sound), None);
    type Move = (&'static str, fn(&mut GoldenScores) -> &mut f64, f64);
    let moves: [Move; 10] = [
        ("value of the image", |s| &mut s.image_value, OF_VALUE),
        ("value of the local score", |s| &mut s.local_value, OF_VALUE),
        ("local score", |s| &mut s.local, OF_PARTS),
        ("map", |s| &mut s.map, OF_PARTS),
        ("pretrained branch", |s| &mut s.pretrained, OF_PARTS),
        ("discrepancy branch", |s| &mut s.discrepancy, OF_PARTS),
        ("part z", |s| &mut s.parts.z, OF_PARTS),
        ("part pooled_mid", |s| &mut s.parts.pooled_mid, OF_PARTS),
        ("part pooled_late", |s| &mut s.parts.pooled_late, OF_PARTS),
        ("part residual", |s| &mut s.parts.residual, OF_PARTS),
    ];
    for (name, of, tolerance) in moves {
        for by in [1.1, -1.1, f64::NAN, f64::INFINITY] {
            let mut moved = sound;
            *of(&mut moved) += by * tolerance;
            let said = golden.difference(&moved).unwrap();
            assert!(said.starts_with(&format!("the {name} is ")), "{said}");
        }
        let mut moved = sound;
        *of(&mut moved) += 0.9 * tolerance;
        assert_eq!(golden.difference(&moved), None, "{name}");
    }
}

#[test]
fn the_published_value_and_both_thresholds_are_among_what_is_compared() {
    let (profile, frames) = with_golden();
    let statistics = profile.statistics();
    for frame in &frames {
        let own = scores(statistics, frame);
        assert_eq!(own.value(), score(statistics, frame).value);
    }
    let differs = |change: fn(&mut Manifest)| {
        let mut manifest = Manifest {
            scene: None,
            ..profile.manifest().clone()
        };
        change(&mut manifest);
        let bytes = arrays::encode(statistics, None);
        let (statistics, _) = arrays::decode(&bytes, &manifest).unwrap();
        profile.golden[0].difference(&scores(&statistics, &frames[0]))
    };
    assert_eq!(differs(|_| {}), None);
    let said = differs(|manifest| manifest.deciding.scale *= 1.5).unwrap();
    assert!(said.contains("value of the image"), "{said}");
    let said = differs(|manifest| manifest.local.scale *= 1.5).unwrap();
    assert!(said.contains("value of the local score"), "{said}");
}

/// The Profile's statistics with all values of one array changed, as they are loaded.
fn with_array(profile: &Profile, name: &str, change: fn(f64) -> f64) -> Result<Statistics, String> {
    let mut bytes = arrays::encode(profile.statistics(), None);
    let (place, dtype) = {
        let arrays = SafeTensors::deserialize(&bytes).unwrap();
        let array = arrays.tensor(name).unwrap();
        let start = array.data().as_ptr() as usize - bytes.as_ptr() as usize;
        (start..start + array.data().len(), array.dtype())
    };
    match dtype {
        Dtype::F32 => {
            for value in bytes[place].as_chunks_mut::<4>().0 {
                let changed = change(f32::from_le_bytes(*value).into());
                *value = (changed as f32).to_le_bytes();
            }
        }
        _ => {
            for value in bytes[place].as_chunks_mut::<8>().0 {
                *value = change(f64::from_le_bytes(*value)).to_le_bytes();
            }
        }
    }
    let manifest = Manifest {
        scene: None,
        ..profile.manifest().clone()
    };
    arrays::decode(&bytes, &manifest).map(|(statistics, _)| statistics)
}

#[test]
fn an_array_that_is_read_otherwise_than_it_was_written_is_noticed_whichever_it_is() {
    each_array_is_noticed(fixture::profile(60, 1), 12);
    each_array_is_noticed(fixture::profile_with_bank(60, 1), 13);
}

fn each_array_is_noticed(profile: Profile, at_least: usize) {
    let (profile, frames) = golden_in(profile);
    let bytes = arrays::encode(profile.statistics(), None);
    let arrays = SafeTensors::deserialize(&bytes).unwrap();
    // Held-out scores make p-values, which nothing is decided by.
    let names = arrays
        .names()
        .into_iter()
        .filter(|name| !name.starts_with("held_out."));
    let names: Vec<String> = names.map(str::to_owned).collect();
    assert!(names.len() > at_least, "{names:?}");
    for name in names {
        let differs = |statistics: &Statistics| {
            profile
                .golden
                .iter()
                .zip(&frames)
                .any(|(golden, frame)| golden.difference(&scores(statistics, frame)).is_some())
        };
        let same = with_array(&profile, &name, |value| value).unwrap();
        assert!(!differs(&same), "{name}");
        match with_array(&profile, &name, |value| 1.3 * value + 0.3) {
            Ok(statistics) => assert!(differs(&statistics), "{name} is not noticed"),
            Err(_) => panic!("{name} is refused before it is used: this proves nothing"),
        }
    }
}

#[test]
fn golden_frames_come_back_and_are_part_of_what_the_profile_is() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("cam0");
    let (mut profile, _) = with_golden();
    profile.save(&dir).unwrap();
    assert_eq!(load(&dir).unwrap(), profile);
    assert_ne!(profile.id(), fixture::profile(60, 1).id());
    assert_eq!(fs::read(dir.join("golden-2.jpg")).unwrap(), JPEG);
    // Replaced by one without, and back.
    fixture::profile(60, 1).save(&dir).unwrap();
    assert!(!dir.join("golden-1.jpg").exists());
    profile.save(&dir).unwrap();
    assert_eq!(profile.take_golden().len(), 3);
    assert!(profile.take_golden().is_empty());
}

#[test]
#[should_panic(expected = "what is saved is whole")]
fn a_profile_whose_golden_frames_were_taken_out_is_not_saved() {
    let folder = tempfile::tempdir().unwrap();
    let (mut profile, _) = with_golden();
    profile.take_golden();
    let _ = profile.save(&folder.path().join("cam0"));
}

#[test]
fn a_golden_frame_that_is_damaged_gone_or_lies_elsewhere_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("cam0");
    let (profile, _) = with_golden();
    let second = dir.join("golden-2.jpg");
    profile.save(&dir).unwrap();
    fs::write(&second, b"\xff\xd8\xff golde!").unwrap();
    let text = load(&dir).unwrap_err().to_string();
    assert!(
        text.contains("golden-2.jpg is truncated or was changed"),
        "{text}"
    );
    fs::remove_file(&second).unwrap();
    let text = load(&dir).unwrap_err().to_string();
    assert!(text.contains("golden-2.jpg is missing"), "{text}");

    for outside in [
        "../golden-2.jpg",
        "/etc/hostname",
        "golden-.jpg",
        "golden-22.jpg",
        "",
    ] {
        profile.save(&dir).unwrap();
        let (_, mut manifest) = read_manifest(&dir).unwrap();
        manifest.golden[1].file = outside.to_owned();
        manifest.files.insert(outside.to_owned(), sha256(JPEG));
        let text = json(&manifest);
        let receipt = IssuedReceipt {
            profile: identity(&text),
            receipt: profile.receipt().clone(),
        };
        fs::write(dir.join(MANIFEST), text).unwrap();
        fs::write(dir.join(RECEIPT), json(&receipt)).unwrap();
        let text = load(&dir).unwrap_err().to_string();
        assert!(
            text.contains("profile.json names") && text.contains(outside),
            "{text}"
        );
    }
    assert!(dir.join(STATISTICS).exists());
}
