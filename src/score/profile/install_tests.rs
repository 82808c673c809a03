//! Profiles staged beside their place: what is copied, what is refused, and what is left of it.

use std::io;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

use rustix::io::Errno;

use super::*;
use crate::score::fixture;
use crate::score::profile::previous_of;

/// A folder with the Profile of seed 2, made elsewhere with its reports, and that of seed 1 in place.
fn brought() -> (tempfile::TempDir, PathBuf, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let [from, dir] = ["from", "cam0"].map(|name| folder.path().join(name));
    let reports = ["page", "{}"].map(|text| text.as_bytes().to_vec());
    fixture::profile(30, 2)
        .save_with_reports(&from, reports)
        .unwrap();
    fixture::profile(30, 1).save(&dir).unwrap();
    (folder, from, dir)
}

fn stage(from: &Path, dir: &Path) -> Result<(Profile, Staged), ProfileError> {
    Profile::stage(from, dir, &fixture::teacher())
}

fn seed(dir: &Path) -> u64 {
    let profile = Profile::load_whole(dir, &fixture::teacher()).unwrap();
    profile.manifest().origin.seed
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let name = |entry: io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
    let mut names: Vec<String> = entries.map(name).collect();
    names.sort();
    names
}

#[test]
fn what_is_staged_is_the_same_to_the_byte_and_takes_the_place_in_one_step() {
    let (folder, from, dir) = brought();
    let (profile, staged) = stage(&from, &dir).unwrap();
    assert_eq!(seed(&dir), 1, "nothing is switched yet");
    assert_eq!(profile.id(), Profile::read_id(&from).unwrap());
    staged.switch_in().unwrap();
    assert_eq!(names(&dir), names(&from));
    for name in names(&from) {
        let [there, here] = [&from, &dir].map(|dir| fs::read(dir.join(&name)).unwrap());
        assert_eq!(there, here, "{name}");
    }
    assert_eq!(seed(&previous_of(&dir).unwrap()), 1);
    assert_eq!(names(folder.path()), ["cam0", "cam0.previous", "from"]);
}

#[test]
fn a_place_where_there_is_none_and_a_file_system_without_exchange_will_do() {
    let (folder, from, dir) = brought();
    let fresh = folder.path().join("fresh");
    let (_, staged) = stage(&from, &fresh).unwrap();
    staged.switch_in().unwrap();
    assert_eq!(seed(&fresh), 2);
    let (_, staged) = stage(&from, &dir).unwrap();
    let unsupported = |_: &Path, _: &Path| Err(io::Error::from(Errno::INVAL));
    staged.switch_in_by(unsupported).unwrap();
    assert_eq!(
        [&dir, &previous_of(&dir).unwrap()].map(|dir| seed(dir)),
        [2, 1]
    );
    let expected = ["cam0", "cam0.previous", "fresh", "from"];
    assert_eq!(names(folder.path()), expected);
}

#[test]
fn what_is_not_switched_in_leaves_nothing() {
    let (folder, from, dir) = brought();
    drop(stage(&from, &dir).unwrap());
    let (_, staged) = stage(&from, &dir).unwrap();
    let fails = |_: &Path, _: &Path| Err(io::Error::from(Errno::IO));
    let error = staged.switch_in_by(fails).unwrap_err();
    assert!(matches!(error, ProfileError::Write { .. }), "{error:?}");
    assert_eq!(seed(&dir), 1);
    assert_eq!(names(folder.path()), ["cam0", "from"]);
}

#[test]
fn a_byte_changed_in_any_file_is_noticed_and_named_where_it_was_copied_from() {
    for name in [MANIFEST, RECEIPT, STUDENT, STATISTICS, MATERIAL] {
        let (folder, from, dir) = brought();
        let path = from.join(name);
        let whole = fs::read(&path).unwrap();
        let mut bytes = whole.clone();
        // The receipt is no part of what the Profile is: its first digits are the identity.
        let digit = bytes.iter().position(u8::is_ascii_hexdigit).unwrap();
        let at = if name == RECEIPT {
            digit
        } else {
            bytes.len() / 2
        };
        bytes[at] ^= 1;
        fs::write(&path, bytes).unwrap();
        let error = stage(&from, &dir).err().unwrap();
        let torn = matches!(error, ProfileError::Torn { .. });
        assert!(torn || name == MANIFEST, "{name}: {error:?}");
        assert!(
            error.to_string().contains(from.to_str().unwrap()),
            "{error}"
        );
        fs::remove_file(&path).unwrap();
        let error = stage(&from, &dir).err().unwrap();
        let gone = matches!(
            error,
            ProfileError::Torn { .. } | ProfileError::NotAProfile { .. }
        );
        assert!(gone && !error.to_string().contains("cam0"), "{error}");
        assert_eq!((seed(&dir), names(folder.path()).len()), (1, 2), "{name}");
    }
}

#[test]
fn what_is_no_part_of_the_profile_is_not_copied_and_links_only_where_a_hash_vouches() {
    let (folder, from, dir) = brought();
    fs::write(from.join("notes.txt"), "notes").unwrap();
    fs::create_dir(from.join("more")).unwrap();
    let [page, numbers] = REPORTS.map(|name| from.join(name));
    fs::remove_file(&page).unwrap();
    fs::write(folder.path().join("secret"), "secret").unwrap();
    symlink("../secret", &page).unwrap();
    let student = folder.path().join("a student");
    fs::rename(from.join(STUDENT), &student).unwrap();
    symlink(&student, from.join(STUDENT)).unwrap();
    stage(&from, &dir).unwrap().1.switch_in().unwrap();
    assert!(numbers.is_file() && !dir.join(STUDENT).is_symlink());
    let expected = [MATERIAL, MANIFEST, RECEIPT, REPORTS[1], STATISTICS, STUDENT];
    assert_eq!(names(&dir), expected);

    fs::remove_file(from.join(STUDENT)).unwrap();
    fs::create_dir(from.join(STUDENT)).unwrap();
    let error = stage(&from, &dir).err().unwrap().to_string();
    assert!(error.contains("student.onnx is no file"), "{error}");
}

#[test]
fn one_for_another_teacher_is_refused_by_where_it_was_copied_from() {
    let (_folder, from, dir) = brought();
    let mut other = fixture::teacher();
    other.sha256 = "2e".repeat(32);
    let error = Profile::stage(&from, &dir, &other).err().unwrap();
    let named = matches!(&error, ProfileError::OtherTeacher { dir, .. } if *dir == from);
    assert!(named, "{error:?}");
    assert_eq!(seed(&dir), 1);
}

#[test]
fn what_was_cut_off_goes_with_the_next_switch_and_that_of_others_stays() {
    let (folder, from, dir) = brought();
    let (_, staged) = stage(&from, &dir).unwrap();
    // As a kill leaves it.
    let left = staged.aside.folder.keep();
    assert!(left.join(MANIFEST).exists());
    let others = [".inspectd-new-cam0.b.123456", ".inspectd-new-123456"];
    for other in others {
        fs::create_dir(folder.path().join(other)).unwrap();
    }
    drop(stage(&from, &dir).unwrap());
    assert!(left.exists(), "it may be the former one, until another is");
    stage(&from, &dir).unwrap().1.switch_in().unwrap();
    assert!(!left.exists());
    let expected = [others[1], others[0], "cam0", "cam0.previous", "from"];
    assert_eq!(names(folder.path()), expected);
    fs::create_dir(&left).unwrap();
    fixture::profile(30, 3).save(&dir).unwrap();
    assert_eq!(names(folder.path()), expected, "as a calibration does");
}
