//! The former Profile taken back, and all that keeps it from that.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use super::*;
use crate::score::fixture;
use crate::score::profile::{MANIFEST, STUDENT};

/// A folder with the Profile of seed 2 in place of that of seed 1.
fn saved() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("cam0");
    for seed in [1, 2] {
        fixture::profile(30, seed).save(&dir).unwrap();
    }
    (folder, dir)
}

/// The seeds of the Profile in place and of the previous one.
fn seeds(dir: &Path) -> [Option<u64>; 2] {
    let previous = previous_of(dir).unwrap();
    [dir, &previous].map(|dir| {
        let profile = Profile::load(dir, &fixture::teacher()).ok()?;
        Some(profile.manifest().origin.seed)
    })
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap();
    let name = |entry: io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
    let mut names: Vec<String> = entries.map(name).collect();
    names.sort();
    names
}

#[test]
fn the_former_profile_comes_back_and_rolled_back_twice_all_is_as_it_was() {
    let unsupported: Exchange = |_, _| Err(io::Error::from(Errno::INVAL));
    for exchange in [exchange as Exchange, unsupported] {
        let (folder, dir) = saved();
        let back = Profile::roll_back_by(&dir, None, exchange).unwrap();
        assert_eq!(back.manifest().origin.seed, 1);
        assert_eq!(seeds(&dir), [Some(1), Some(2)]);
        Profile::roll_back_by(&dir, None, exchange).unwrap();
        assert_eq!(seeds(&dir), [Some(2), Some(1)]);
        assert_eq!(names(folder.path()), ["cam0", "cam0.previous"]);
    }
}

#[test]
fn a_link_stays_and_its_target_is_rolled_back() {
    let (folder, dir) = saved();
    let link = folder.path().join("current");
    std::os::unix::fs::symlink("cam0", &link).unwrap();
    Profile::roll_back(&link, None).unwrap();
    assert!(link.is_symlink());
    assert_eq!(seeds(&dir), [Some(1), Some(2)]);
}

#[test]
fn an_exchange_that_fails_changes_nothing() {
    let (folder, dir) = saved();
    let fails = |_: &Path, _: &Path| Err(io::Error::from(Errno::IO));
    let error = Profile::roll_back_by(&dir, None, fails).unwrap_err();
    assert!(matches!(error, ProfileError::Write { .. }), "{error:?}");
    assert_eq!(seeds(&dir), [Some(2), Some(1)]);
    assert_eq!(names(folder.path()), ["cam0", "cam0.previous"]);
}

#[test]
fn without_a_previous_profile_there_is_nothing_to_take_back() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("cam0");
    fixture::profile(30, 1).save(&dir).unwrap();
    for absent in [&dir, &folder.path().join("none")] {
        let error = Profile::roll_back(absent, None).unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, ProfileError::NoPrevious { .. }), "{text}");
        assert!(
            text.contains(".previous; `inspectd calibrate` keeps"),
            "{text}"
        );
    }
    assert_eq!(seeds(&dir), [Some(1), None]);
}

#[test]
fn a_previous_profile_that_is_damaged_or_none_stays_where_it_is() {
    let (_folder, dir) = saved();
    let previous = previous_of(&dir).unwrap();
    fs::write(previous.join(STUDENT), "another student").unwrap();
    let text = Profile::roll_back(&dir, None).unwrap_err().to_string();
    assert!(
        text.contains("cam0.previous/student.onnx is truncated or was changed"),
        "{text}"
    );
    assert!(
        text.ends_with(&format!("--footage PATH --out {}`", dir.display())),
        "{text}"
    );
    fs::write(previous.join("0001.png"), "a picture").unwrap();
    let error = Profile::roll_back(&dir, None).unwrap_err();
    assert!(matches!(error, ProfileError::Foreign { .. }), "{error:?}");
    fs::remove_dir_all(&previous).unwrap();
    assert_eq!(seeds(&dir), [Some(2), None]);
}

#[test]
fn a_profile_of_another_teacher_comes_back_only_where_that_teacher_is_named() {
    let (_folder, dir) = saved();
    let mut other = fixture::teacher();
    other.sha256 = "2e".repeat(32);
    let error = Profile::roll_back(&dir, Some(&other)).unwrap_err();
    assert!(
        matches!(error, ProfileError::OtherTeacher { .. }),
        "{error:?}"
    );

    // In place is now one for the other teacher.
    let path = dir.join(MANIFEST);
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replace(&"1f".repeat(32), &other.sha256)).unwrap();
    let error = Profile::roll_back(&dir, None).unwrap_err();
    assert!(
        matches!(error, ProfileError::OtherTeacher { .. }),
        "{error:?}"
    );
    assert_eq!(seeds(&dir)[1], Some(1));
    Profile::roll_back(&dir, Some(&fixture::teacher())).unwrap();
    assert_eq!(seeds(&dir)[0], Some(1));
}

#[test]
fn what_is_damaged_or_gone_is_replaced_by_the_former_one() {
    let (folder, dir) = saved();
    fs::write(dir.join(MANIFEST), "{").unwrap();
    Profile::roll_back(&dir, None).unwrap();
    assert_eq!(seeds(&dir), [Some(1), None]);
    fs::rename(&dir, folder.path().join("cam0.previous.aside")).unwrap();
    fs::remove_dir_all(previous_of(&dir).unwrap()).unwrap();
    fs::rename(
        folder.path().join("cam0.previous.aside"),
        previous_of(&dir).unwrap(),
    )
    .unwrap();
    Profile::roll_back(&dir, None).unwrap();
    assert_eq!(seeds(&dir), [Some(1), None]);
    assert_eq!(names(folder.path()), ["cam0"]);
}
