//! What was watched, found again, cut off and damaged; each test has a folder of its own.

use std::fs;

use tempfile::TempDir;

use super::*;
use crate::infer::{Grid, Precision};
use crate::preprocess::{Interpolation, Preprocessing};

const FRAMES: usize = 9;

fn info() -> TeacherInfo {
    TeacherInfo {
        sha256: "teacher".to_owned(),
        blocks: 12,
        width: 4,
        heads: 2,
        tokens: 5,
        prefix_tokens: 1,
        grid: Grid {
            rows: 2,
            columns: 2,
        },
        preprocessing: Preprocessing {
            width: 16,
            height: 16,
            mean: [0.5; 3],
            std: [0.5; 3],
            interpolation: Interpolation::Bilinear,
        },
        precision: Precision::F32,
    }
}

fn open(folder: &Path, info: &TeacherInfo) -> Watched {
    let cache = FeatureCache::open(folder, &[5, 6], 5, 4, 1 << 20).unwrap();
    Watched::open(folder, cache, info, &View::default(), &[5, 6]).unwrap()
}

fn input(frame: usize) -> Digest {
    [frame as u8 + 1; 32]
}

fn features(frame: usize) -> PretrainedFeatures {
    let vector = |length: usize| {
        (0..length)
            .map(|i| (frame * 31 + i) as f32 * 0.37)
            .collect()
    };
    PretrainedFeatures {
        z: vector(4),
        pooled_mid: vector(8),
        pooled_late: vector(8),
    }
}

fn push(watched: &mut Watched, frame: usize) {
    let streams = [5, 6].map(|stream| vec![(frame * 10 + stream) as f32; 20]);
    let streams = [streams[0].as_slice(), streams[1].as_slice()];
    watched
        .push(&input(frame), &streams, &features(frame))
        .unwrap();
}

/// A folder in which all frames were watched and kept.
fn kept() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut watched = open(folder.path(), &info());
    (0..FRAMES).for_each(|frame| push(&mut watched, frame));
    watched.finish().unwrap();
    folder
}

/// Which frames a run after that is spared; the others are pushed as ever. Checks all of them.
fn recalled(folder: &Path) -> Vec<usize> {
    let mut watched = open(folder, &info());
    let mut recalled = Vec::new();
    for frame in 0..FRAMES {
        match watched.recall(&input(frame)).unwrap() {
            Some(own) => {
                assert_eq!(own, features(frame));
                recalled.push(frame);
            }
            None => push(&mut watched, frame),
        }
    }
    watched.finish().unwrap();
    let mut values = vec![0.0; 20];
    for frame in 0..FRAMES {
        for stream in [5, 6] {
            watched.cache().read(stream, frame, &mut values).unwrap();
            assert_eq!(values, vec![(frame * 10 + stream) as f32; 20]);
        }
    }
    recalled
}

#[test]
fn what_was_kept_is_found_again_and_what_was_not_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let mut watched = open(folder.path(), &info());
    (0..4).for_each(|frame| push(&mut watched, frame));
    watched.keep().unwrap();
    (4..6).for_each(|frame| push(&mut watched, frame));
    drop(watched);
    assert_eq!(recalled(folder.path()), [0, 1, 2, 3]);
    assert_eq!(recalled(folder.path()), (0..FRAMES).collect::<Vec<_>>());
}

#[test]
fn what_is_done_is_kept_by_itself_after_some_frames() {
    let folder = tempfile::tempdir().unwrap();
    let mut watched = open(folder.path(), &info());
    let entries = || fs::metadata(folder.path().join(NAME)).unwrap().len();
    (0..BATCH - 1).for_each(|frame| push(&mut watched, frame));
    assert_eq!(entries(), 0);
    push(&mut watched, BATCH - 1);
    assert_eq!(entries(), (BATCH * watched.entry_bytes()) as u64);
}

#[test]
fn no_bit_that_flips_and_no_cut_is_ever_taken_for_a_feature() {
    for name in [NAME, "x_5", "x_6"] {
        let length = fs::read(kept().path().join(name)).unwrap().len();
        for at in (0..length).step_by(37) {
            let folder = kept();
            let path = folder.path().join(name);
            let mut bytes = fs::read(&path).unwrap();
            bytes[at] ^= 1 << (at % 8);
            fs::write(&path, &bytes).unwrap();
            let damaged = at * FRAMES / length;
            let others = (0..FRAMES).filter(|frame| *frame != damaged);
            assert_eq!(recalled(folder.path()), others.collect::<Vec<_>>());

            let folder = kept();
            let path = folder.path().join(name);
            fs::write(&path, &bytes[..at]).unwrap();
            assert_eq!(recalled(folder.path()), (0..damaged).collect::<Vec<_>>());
        }
    }
}

#[test]
fn another_teacher_view_or_frame_finds_nothing() {
    let folder = kept();
    let mut other = info();
    other.sha256.push('2');
    let none = open(folder.path(), &other).recall(&input(0));
    assert_eq!(none.unwrap(), None);
    let cache = || FeatureCache::open(folder.path(), &[5, 6], 5, 4, 1 << 20).unwrap();
    let view = View::new("0,0,0.5,1".parse().unwrap(), Default::default()).unwrap();
    let mut watched = Watched::open(folder.path(), cache(), &info(), &view, &[5, 6]).unwrap();
    assert_eq!(watched.recall(&input(0)).unwrap(), None);
    // The second frame's entry stands in the second place, and nowhere else.
    assert_eq!(
        open(folder.path(), &info()).recall(&input(1)).unwrap(),
        None
    );
    let mut entries = fs::read(folder.path().join(NAME)).unwrap();
    let each = entries.len() / FRAMES;
    entries.copy_within(each..2 * each, 0);
    fs::write(folder.path().join(NAME), entries).unwrap();
    assert_eq!(
        open(folder.path(), &info()).recall(&input(1)).unwrap(),
        None
    );
}

#[test]
fn fewer_frames_than_before_give_back_their_room() {
    let folder = kept();
    let mut watched = open(folder.path(), &info());
    assert!(watched.recall(&input(0)).unwrap().is_some());
    watched.finish().unwrap();
    let bytes = |name: &str| fs::metadata(folder.path().join(name)).unwrap().len();
    assert_eq!(bytes(NAME), watched.entry_bytes() as u64);
    assert_eq!((bytes("x_5"), bytes("x_6")), (40, 40));
}
