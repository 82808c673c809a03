//! Footage on disk: what stays, what goes, and who may write.

use super::*;
use crate::capture::{Next, Opener as _, Pixels, SourceSpec, footage};

const T0: i64 = 1_800_000_000;

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(T0 + seconds).unwrap()
}

fn notes(camera: &str, frames: usize) -> Notes {
    Notes {
        version: "0".to_owned(),
        camera: camera.to_owned(),
        source: "synthetic".to_owned(),
        size: [64, 48],
        mjpeg: false,
        started_at: at(0),
        ended_at: at(60),
        synced: true,
        ended_by: "the time is over".to_owned(),
        fps_asked: None,
        fps: Some(29.97),
        controls: BTreeMap::from([("gain".to_owned(), 4)]),
        layout: Some(Layout::Yuyv),
        frames,
        received: 3,
        dropped: 0,
        damaged: 0,
        settling: 0,
        gaps: Vec::new(),
        different: frames,
        brightness: 0.5,
        warnings: Vec::new(),
        pinned: false,
        times_ms: (0..frames as u64).map(|i| 600 * i).collect(),
    }
}

/// A whole footage of `count` pictures of 100 kB.
fn filmed(archive: &Archive, camera: &str, seconds: i64, count: usize) -> PathBuf {
    let mut recorder = archive.record(camera, at(seconds)).unwrap();
    for _ in 0..count {
        assert_eq!(recorder.keep(&[0; 100_000], "jpg").unwrap(), None);
    }
    let folder = recorder.folder().to_owned();
    recorder.finish(&notes(camera, count)).unwrap();
    folder
}

fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().flatten();
    let mut names: Vec<String> = entries
        .map(|entry| entry.file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_whole_footage_has_its_pictures_and_its_notes_and_nothing_else() {
    let state = tempfile::tempdir().unwrap();
    let archive = Archive::new(state.path(), 1 << 30);
    let folder = filmed(&archive, "cam0", 0, 2);
    assert_eq!(folder, state.path().join("footage/cam0/20270115T080000Z"));
    assert_eq!(names(&folder), ["000001.jpg", "000002.jpg", "footage.json"]);
    assert_eq!(Notes::read(&folder).unwrap().unwrap(), notes("cam0", 2));
    assert_eq!(archive.newest("cam0").unwrap(), folder);
    let missing = archive.newest("cam1").unwrap_err().to_string();
    assert!(missing.contains("--minutes"), "{missing}");
}

#[test]
fn a_footage_without_a_picture_leaves_no_folder() {
    let state = tempfile::tempdir().unwrap();
    let archive = Archive::new(state.path(), 1 << 30);
    drop(archive.record("cam0", at(0)).unwrap());
    assert_eq!(names(state.path()), [""; 0]);
    let folder = filmed(&archive, "cam0", 0, 1);
    drop(archive.record("cam0", at(5)).unwrap());
    assert_eq!(names(folder.parent().unwrap()), ["20270115T080000Z"]);
}

#[test]
fn a_footage_that_was_cut_off_has_no_notes_and_its_pictures_can_be_used() {
    let state = tempfile::tempdir().unwrap();
    let archive = Archive::new(state.path(), 1 << 30);
    let mut recorder = archive.record("cam0", at(0)).unwrap();
    recorder.keep(b"picture", "jpg").unwrap();
    let folder = recorder.folder().to_owned();
    drop(recorder);
    assert_eq!(names(&folder), ["000001.jpg"]);
    assert!(archive.newest("cam0").is_err());
    assert!(matches!(footage(&folder).unwrap(), SourceSpec::Images(_)));
}

#[test]
fn a_camera_is_filmed_by_one_at_a_time_and_two_cameras_by_two() {
    let state = tempfile::tempdir().unwrap();
    let archive = Archive::new(state.path(), 1 << 30);
    let first = archive.record("cam0", at(0)).unwrap();
    let second = archive.record("cam0", at(9)).unwrap_err();
    assert!(matches!(second, ArchiveError::Busy { .. }), "{second}");
    archive.record("cam1", at(0)).unwrap();
    drop(first);
    archive.record("cam0", at(9)).unwrap();
}

#[test]
fn two_footages_that_begin_within_a_second_have_folders_of_their_own() {
    let state = tempfile::tempdir().unwrap();
    let archive = Archive::new(state.path(), 1 << 30);
    let (first, second) = (
        filmed(&archive, "cam0", 0, 1),
        filmed(&archive, "cam0", 0, 1),
    );
    assert!(first < second);
    assert_eq!(archive.newest("cam0").unwrap(), second);
}

#[test]
fn the_oldest_footage_of_any_camera_makes_room_but_not_what_is_pinned_or_held() {
    let state = tempfile::tempdir().unwrap();
    let archive = Archive::new(state.path(), 1 << 20);
    let pinned = filmed(&archive, "a", 0, 2);
    let mut pin = notes("a", 2);
    pin.pinned = true;
    fs::write(pinned.join(NOTES), serde_json::to_vec(&pin).unwrap()).unwrap();
    let held = filmed(&archive, "a", 1, 2);
    let old = filmed(&archive, "b", 2, 2);
    let new = filmed(&archive, "b", 3, 2);
    let feedback = state.path().join("footage/a/feedback");
    fs::create_dir(&feedback).unwrap();
    fs::write(feedback.join("000001.jpg"), [0; 500_000]).unwrap();
    let _hold = hold(&held).unwrap();

    // 800 kB are there, 1049 kB allowed: the third picture of 100 kB needs room.
    let mut recorder = archive.record("a", at(4)).unwrap();
    for _ in 0..3 {
        assert_eq!(recorder.keep(&[0; 100_000], "jpg").unwrap(), None);
    }
    assert_eq!(recorder.removed(), std::slice::from_ref(&old));
    assert!(!old.exists() && new.exists());
    // 400 kB can't go: there is room for six, and the newest of the others goes before it is full.
    for _ in 3..6 {
        assert_eq!(recorder.keep(&[0; 100_000], "jpg").unwrap(), None);
    }
    assert_eq!(
        recorder.keep(&[0; 100_000], "jpg").unwrap(),
        Some(Full::Quota)
    );
    assert!(pinned.exists() && held.exists() && feedback.exists());
    assert!(!new.exists());
    assert_eq!(recorder.frames(), 6);
}

#[test]
fn what_will_not_fit_is_known_after_the_first_pictures() {
    let state = tempfile::tempdir().unwrap();
    let archive = Archive::new(state.path(), 1 << 20);
    filmed(&archive, "b", 0, 8);
    let mut recorder = archive.record("a", at(1)).unwrap();
    recorder.keep(&[0; 100_000], "jpg").unwrap();
    assert!(recorder.has_room_for(9), "the other footage may go");
    assert!(!recorder.has_room_for(10));
}

#[test]
fn kept_footage_comes_back_with_the_times_of_its_frames() {
    let state = tempfile::tempdir().unwrap();
    let archive = Archive::new(state.path(), 1 << 30);
    let folder = filmed(&archive, "cam0", 0, 3);
    // Somebody takes a picture away; the others keep their times.
    fs::remove_file(folder.join("000002.jpg")).unwrap();
    let mut source = footage(&folder).unwrap().into_opener().open().unwrap();
    let mut times = Vec::new();
    while let Next::Frame(frame) = source.next(std::time::Duration::ZERO).unwrap() {
        times.push(frame.at.since_boot.as_millis());
        assert!(matches!(frame.pixels, Pixels::Encoded(_)));
    }
    assert_eq!(times, [0, 1200]);
}

#[test]
fn a_cameras_mjpeg_comes_back_as_such() {
    let state = tempfile::tempdir().unwrap();
    let archive = Archive::new(state.path(), 1 << 30);
    let mut recorder = archive.record("cam0", at(0)).unwrap();
    recorder.keep(b"as it came", "jpg").unwrap();
    let folder = recorder.folder().to_owned();
    let mut notes = notes("cam0", 1);
    notes.mjpeg = true;
    recorder.finish(&notes).unwrap();
    let mut source = Kept {
        path: folder,
        notes: notes.into(),
    }
    .open()
    .unwrap();
    let Next::Frame(frame) = source.next(std::time::Duration::ZERO).unwrap() else {
        panic!("no frame");
    };
    let Pixels::Raw(raw) = frame.pixels else {
        panic!("not raw");
    };
    assert_eq!((raw.width, raw.height), (64, 48));
    assert_eq!(raw.data, b"as it came");
}

#[test]
fn what_was_filmed_last_is_the_newest_whatever_its_clock_said() {
    let state = tempfile::tempdir().unwrap();
    let archive = Archive::new(state.path(), 1 << 20);
    let month = filmed(&archive, "cam0", 0, 2);
    let other = filmed(&archive, "cam1", 100, 2);
    // A board without a clock, before its time was set: a year ago.
    let now = filmed(&archive, "cam0", -31_536_000, 2);
    assert_eq!(archive.newest("cam0").unwrap(), now);
    assert!(now.file_name() > other.file_name(), "{}", now.display());
    // 600 kB are there: room is made by the oldest, and what was just filmed stays.
    let mut recorder = archive.record("cam0", at(-31_536_000)).unwrap();
    for _ in 0..7 {
        assert_eq!(recorder.keep(&[0; 100_000], "jpg").unwrap(), None);
    }
    assert_eq!(recorder.removed(), [month, other]);
    assert!(now.exists());
}

#[test]
fn a_folder_whose_name_is_no_time_is_in_nobodys_way() {
    let state = tempfile::tempdir().unwrap();
    let archive = Archive::new(state.path(), 1 << 30);
    for name in ["99999999T999999Z", "99991231T235959Z"] {
        fs::create_dir_all(state.path().join("footage/cam1").join(name)).unwrap();
    }
    let folder = filmed(&archive, "cam0", 0, 1);
    assert!(folder.ends_with("20270115T080000Z"), "{}", folder.display());
}
