//! Profiles saved, loaded, switched, and damaged in every way that a disk or a person manages.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use proptest::prelude::*;

use super::*;
use crate::infer::Precision;
use crate::score::fixture;
use crate::score::tokens::Scratch;

fn names(dir: &Path) -> Vec<String> {
    let entries = fs::read_dir(dir)
        .unwrap()
        .map(|e| e.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = entries.collect();
    names.sort();
    names
}

fn load(dir: &Path) -> Result<Profile, ProfileError> {
    Profile::load_whole(dir, &fixture::teacher())
}

/// A folder with one saved Profile.
fn saved() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("cam0");
    fixture::profile(30, 1).save(&dir).unwrap();
    (folder, dir)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn a_profile_comes_back_equal_and_scores_to_the_last_bit(count in 20_usize..60, seed: u64) {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("cam0");
        let profile = fixture::profile(count, seed);
        profile.save(&dir).unwrap();
        let loaded = load(&dir).unwrap();
        prop_assert_eq!(&loaded, &profile);
        let frame = fixture::normal_frames(1, seed ^ 1).remove(0);
        let score = |p: &Profile| p.statistics().score(&frame, 0, &mut Scratch::default());
        prop_assert_eq!(score(&loaded), score(&profile));
    }
}

#[test]
fn reports_go_with_their_profile_and_are_neither_needed_nor_checked() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("cam0");
    let profile = fixture::profile(30, 1);
    let reports = |text: &str| [text, "{}"].map(|text| text.as_bytes().to_vec());
    profile.save_with_reports(&dir, reports("first")).unwrap();
    profile.save_with_reports(&dir, reports("second")).unwrap();
    let [page, numbers] = REPORTS;
    assert_eq!(fs::read(dir.join(page)).unwrap(), b"second");
    let previous = folder.path().join("cam0.previous");
    assert_eq!(fs::read(previous.join(page)).unwrap(), b"first");
    assert_eq!(load(&dir).unwrap(), profile);
    fs::write(dir.join(page), "changed").unwrap();
    fs::remove_file(dir.join(numbers)).unwrap();
    assert_eq!(load(&dir).unwrap(), profile);
    profile.save(&dir).unwrap();
    assert!(!dir.join(page).exists(), "it was of another calibration");
}

#[test]
fn equal_content_has_equal_bytes_and_the_receipt_is_no_part_of_the_identity() {
    let folder = tempfile::tempdir().unwrap();
    let (a, b) = (folder.path().join("a"), folder.path().join("b"));
    let first = fixture::profile(30, 1);
    let mut second = fixture::profile(30, 1);
    second.receipt.host = "elsewhere".to_owned();
    first.save(&a).unwrap();
    second.save(&b).unwrap();
    assert_eq!(first.id(), second.id());
    assert!(first.id().starts_with("sha256:") && first.id().len() == 71);
    for name in [MANIFEST, STUDENT, STATISTICS] {
        assert_eq!(
            fs::read(a.join(name)).unwrap(),
            fs::read(b.join(name)).unwrap(),
            "{name}"
        );
    }
    assert_ne!(
        fs::read(a.join(RECEIPT)).unwrap(),
        fs::read(b.join(RECEIPT)).unwrap()
    );
    assert_ne!(first.id(), fixture::profile(30, 2).id());
}

#[test]
fn the_former_profile_stays_as_previous() {
    let (folder, dir) = saved();
    let previous = folder.path().join("cam0.previous");
    for seed in [2, 3] {
        fixture::profile(30, seed).save(&dir).unwrap();
        assert_eq!(load(&dir).unwrap().manifest().origin.seed, seed);
        assert_eq!(load(&previous).unwrap().manifest().origin.seed, seed - 1);
    }
    assert_eq!(names(folder.path()), ["cam0", "cam0.previous"]);
}

#[test]
fn a_file_system_without_exchange_gets_two_steps() {
    let (folder, dir) = saved();
    for seed in [2, 3] {
        let unsupported = |_: &Path, _: &Path| Err(io::Error::from(rustix::io::Errno::INVAL));
        fixture::profile(30, seed)
            .save_by(&dir, Vec::new(), unsupported)
            .unwrap();
        assert_eq!(load(&dir).unwrap().manifest().origin.seed, seed);
    }
    let previous = load(&folder.path().join("cam0.previous")).unwrap();
    assert_eq!(previous.manifest().origin.seed, 2);
    assert_eq!(names(folder.path()), ["cam0", "cam0.previous"]);
}

#[test]
fn a_switch_that_fails_leaves_the_former_and_nothing_else() {
    let (folder, dir) = saved();
    let fails = |_: &Path, _: &Path| Err(io::Error::from(rustix::io::Errno::IO));
    let error = fixture::profile(30, 2)
        .save_by(&dir, Vec::new(), fails)
        .unwrap_err();
    assert!(matches!(error, ProfileError::Write { .. }), "{error:?}");
    assert_eq!(load(&dir).unwrap().manifest().origin.seed, 1);
    assert_eq!(names(folder.path()), ["cam0"]);
}

#[test]
fn what_is_no_profile_is_never_replaced() {
    let (folder, dir) = saved();
    let profile = fixture::profile(30, 2);
    let photos = folder.path().join("photos");
    fs::create_dir(&photos).unwrap();
    fs::write(photos.join("0001.png"), "a picture").unwrap();
    let file = folder.path().join("notes.txt");
    fs::write(&file, "notes").unwrap();
    let models = folder.path().join("models");
    fs::create_dir(&models).unwrap();
    fs::write(models.join(STUDENT), "another student").unwrap();
    for foreign in [&photos, &file, &models] {
        for error in [
            profile.save(foreign).unwrap_err(),
            check_target(foreign).unwrap_err(),
        ] {
            assert!(matches!(error, ProfileError::Foreign { .. }), "{error:?}");
            assert!(
                error.to_string().contains(foreign.to_str().unwrap()),
                "{error}"
            );
        }
    }
    assert_eq!(names(&photos), ["0001.png"]);
    assert_eq!(fs::read_to_string(&file).unwrap(), "notes");
    assert_eq!(names(&models), [STUDENT]);

    fs::rename(&photos, folder.path().join("cam0.previous")).unwrap();
    let error = profile.save(&dir).unwrap_err();
    assert!(
        error.to_string().contains("cam0.previous holds 0001.png"),
        "{error}"
    );
    assert_eq!(load(&dir).unwrap().manifest().origin.seed, 1);
}

#[test]
fn a_parent_that_is_missing_or_a_file_is_named() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("file"), "").unwrap();
    for parent in ["missing", "file"] {
        let parent = folder.path().join(parent);
        let error = fixture::profile(30, 1)
            .save(&parent.join("cam0"))
            .unwrap_err();
        assert!(matches!(error, ProfileError::Write { .. }), "{error:?}");
        assert!(
            error.to_string().contains(parent.to_str().unwrap()),
            "{error}"
        );
        assert!(check_target(&parent.join("cam0")).is_err());
    }
    assert_eq!(names(folder.path()), ["file"]);
}

#[test]
fn an_empty_directory_or_a_link_to_a_profile_may_be_saved_to() {
    let (folder, dir) = saved();
    let empty = folder.path().join("empty");
    fs::create_dir(&empty).unwrap();
    check_target(&empty).unwrap();
    fixture::profile(30, 2).save(&empty).unwrap();
    let link = folder.path().join("current");
    std::os::unix::fs::symlink("cam0", &link).unwrap();
    fixture::profile(30, 3).save(&link).unwrap();
    assert!(link.is_symlink());
    assert_eq!(load(&dir).unwrap().manifest().origin.seed, 3);
    assert_eq!(
        names(folder.path()),
        ["cam0", "cam0.previous", "current", "empty"]
    );
}

#[test]
fn a_damaged_file_is_named_with_the_way_out_and_may_be_replaced() {
    type Damage = (&'static str, fn(&Path));
    let damages: [Damage; 3] = [
        ("truncated", |path| {
            let bytes = fs::read(path).unwrap();
            fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
        }),
        ("tampered", |path| {
            let mut bytes = fs::read(path).unwrap();
            let digit = bytes.iter().rposition(u8::is_ascii_alphanumeric).unwrap();
            bytes[digit] = if bytes[digit] == b'0' { b'1' } else { b'0' };
            fs::write(path, bytes).unwrap();
        }),
        ("missing", |path| fs::remove_file(path).unwrap()),
    ];
    for name in [MANIFEST, STUDENT, STATISTICS, MATERIAL, RECEIPT] {
        for (damage, spoil) in damages {
            // The receipt's last digit is not what the Profile is judged by.
            if name == RECEIPT && damage == "tampered" {
                continue;
            }
            let (_folder, dir) = saved();
            spoil(&dir.join(name));
            let error = load(&dir).unwrap_err();
            let text = error.to_string();
            assert!(text.contains(name), "{damage} {name}: {text}");
            assert!(
                text.contains("inspectd calibrate"),
                "{damage} {name}: {text}"
            );
            let named = matches!(error, ProfileError::Damaged { .. })
                || name == MANIFEST && matches!(error, ProfileError::NotAProfile { .. });
            assert!(named, "{damage} {name}: {error:?}");
            fixture::profile(30, 2).save(&dir).unwrap();
            assert_eq!(
                load(&dir).unwrap().manifest().origin.seed,
                2,
                "{damage} {name}"
            );
        }
    }
}

#[test]
fn a_threshold_edited_by_hand_is_noticed() {
    let (_folder, dir) = saved();
    let path = dir.join(MANIFEST);
    let text = fs::read_to_string(&path).unwrap();
    let edited = text.replace("\"budget\": \"0.05\"", "\"budget\": \"0.06\"");
    fs::write(&path, edited).unwrap();
    let error = load(&dir).unwrap_err().to_string();
    assert!(
        error.contains("profile.json was changed after calibration"),
        "{error}"
    );
}

#[test]
fn a_newer_format_is_told_before_its_unknown_keys() {
    let (_folder, dir) = saved();
    fs::write(dir.join(MANIFEST), r#"{"format": 4, "novelty": []}"#).unwrap();
    let error = load(&dir).unwrap_err();
    assert!(
        matches!(error, ProfileError::NewerFormat { found: 4, .. }),
        "{error:?}"
    );
}

#[test]
fn another_teacher_or_other_preprocessing_is_refused() {
    let (_folder, dir) = saved();
    let refusal = |change: fn(&mut TeacherInfo)| {
        let mut other = fixture::teacher();
        change(&mut other);
        let error = Profile::load(&dir, &other).unwrap_err();
        let is_other = matches!(error, ProfileError::OtherTeacher { .. });
        assert!(is_other, "{error:?}");
        error.to_string()
    };
    let message = refusal(|other| other.sha256 = "2e".repeat(32));
    assert!(message.contains(&"1f".repeat(32)), "{message}");
    let message = refusal(|other| other.preprocessing.mean = [0.5; 3]);
    assert!(message.contains("sidecar"), "{message}");
    let message = refusal(|other| other.precision = Precision::F16);
    assert!(message.contains("sidecar now says f16"), "{message}");
}

#[test]
fn arrays_that_calibration_cannot_have_written_are_refused() {
    let profile = fixture::profile(30, 1);
    let bytes = arrays::encode(profile.statistics(), profile.scene.as_deref());
    let (statistics, scene) = arrays::decode(&bytes, profile.manifest()).unwrap();
    assert_eq!(&statistics, profile.statistics());
    assert_eq!(scene.as_ref(), profile.scene.as_deref());
    assert!(scene.is_some());
    let mut manifest = profile.manifest().clone();
    manifest.origin.student.blocks.push(9);
    let error = arrays::decode(&bytes, &manifest).unwrap_err();
    assert!(error.contains("discrepancy of width 2"), "{error}");
    let mut manifest = profile.manifest().clone();
    manifest.origin.teacher.grid.rows += 1;
    assert!(
        arrays::decode(&bytes, &manifest)
            .unwrap_err()
            .contains("map")
    );
}

#[test]
fn a_profile_of_the_first_format_is_read_as_one_without_a_scene() {
    let (_folder, dir) = saved();
    let mut profile = fixture::profile(30, 1);
    let arrays = arrays::encode(profile.statistics(), None);
    profile.manifest.format = 1;
    profile.manifest.scene = None;
    let files = &mut profile.manifest.files;
    files.insert(STATISTICS.to_owned(), sha256(&arrays));
    let text = String::from_utf8(json(&profile.manifest)).unwrap();
    let text = text.replace("  \"scene\": null,\n", "");
    assert!(!text.contains("scene"), "{text}");
    let receipt = IssuedReceipt {
        profile: identity(text.as_bytes()),
        receipt: profile.receipt.clone(),
    };
    fs::write(dir.join(MANIFEST), &text).unwrap();
    fs::write(dir.join(RECEIPT), json(&receipt)).unwrap();
    fs::write(dir.join(STATISTICS), arrays).unwrap();
    let loaded = load(&dir).unwrap();
    assert!(loaded.scene().is_none());
    assert_eq!(loaded.statistics(), profile.statistics());
    assert!(fixture::profile(30, 1).scene().is_some());
}

proptest! {
    #[test]
    fn a_byte_changed_in_the_arrays_is_an_error_or_other_values_but_no_panic(
        place: prop::sample::Index, value: u8, cut: prop::sample::Index, in_header: bool,
    ) {
        static SAVED: std::sync::LazyLock<Profile> =
            std::sync::LazyLock::new(|| fixture::profile(30, 1));
        let mut bytes = arrays::encode(SAVED.statistics(), SAVED.scene.as_deref());
        let header = 8 + u64::from_le_bytes(*bytes.first_chunk().unwrap()) as usize;
        let at = place.index(if in_header { header } else { bytes.len() });
        bytes[at] = value;
        let _ = arrays::decode(&bytes, SAVED.manifest());
        bytes.truncate(cut.index(bytes.len()));
        prop_assert!(arrays::decode(&bytes, SAVED.manifest()).is_err());
    }
}

proptest! {
    // Each case saves and syncs a Profile.
    #![proptest_config(ProptestConfig::with_cases(32))]
    #[test]
    fn a_byte_changed_in_profile_json_is_always_noticed(place: prop::sample::Index, value: u8) {
        let (_folder, dir) = saved();
        let path = dir.join(MANIFEST);
        let mut bytes = fs::read(&path).unwrap();
        let at = place.index(bytes.len());
        prop_assume!(bytes[at] != value);
        bytes[at] = value;
        fs::write(&path, bytes).unwrap();
        prop_assert!(load(&dir).is_err());
    }
}

#[test]
fn a_folder_without_profile_json_is_no_profile() {
    let folder = tempfile::tempdir().unwrap();
    for dir in [folder.path().to_owned(), folder.path().join("missing")] {
        let error = load(&dir).unwrap_err();
        assert!(
            matches!(error, ProfileError::NotAProfile { .. }),
            "{error:?}"
        );
    }
}

#[test]
#[ignore = "needs TMPDIR on a full disk: mount -t tmpfs -o size=300k"]
fn a_full_disk_leaves_the_former_and_nothing_else() {
    let (folder, dir) = saved();
    let mut large = fixture::profile(30, 2);
    large.student = vec![7; 1 << 20];
    let error = large.save(&dir).unwrap_err();
    println!("{error}");
    assert!(matches!(&error, ProfileError::Write { needed: Some(n), .. } if *n > 1 << 20));
    assert_eq!(load(&dir).unwrap().manifest().origin.seed, 1);
    assert_eq!(names(folder.path()), ["cam0"]);
}
