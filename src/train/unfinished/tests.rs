//! The folder: whose it is, what it keeps, when it is removed.

use rand::SeedableRng as _;

use super::*;
use crate::train::parameters::Parameters;
use crate::train::student::Epoch;

const SHAPE: BlockShape = BlockShape {
    tokens: 3,
    width: 8,
    heads: 2,
    hidden: 8,
};

fn student() -> Student {
    let mut random = rand_chacha::ChaCha8Rng::seed_from_u64(5);
    Student {
        block: 6,
        parameters: Parameters::xavier(SHAPE, &mut random),
        history: vec![Epoch {
            training: 0.1 + 0.2,
            held_out: Some(1.0 / 3.0),
        }],
        kept_epoch: 1,
    }
}

#[test]
fn one_calibration_at_a_time_has_the_folder_and_the_next_one_finds_it() {
    let folder = tempfile::tempdir().unwrap();
    let profile = folder.path().join("press");
    let first = Unfinished::open(&profile).unwrap();
    assert_eq!(first.folder(), folder.path().join("press.unfinished"));
    let refusal = Unfinished::open(&profile).unwrap_err().to_string();
    assert!(
        refusal.contains("press.unfinished is being worked on"),
        "{refusal}"
    );
    first.keep_student(&[7; 32], &student()).unwrap();
    drop(first);
    let second = Unfinished::open(&profile).unwrap();
    assert_eq!(second.student(&[7; 32], SHAPE), Some(student()));
    second.remove();
    assert!(!folder.path().join("press.unfinished").exists());
    assert!(Unfinished::open(&profile).unwrap().is_empty());
}

#[test]
fn a_student_comes_back_to_the_bit_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let unfinished = Unfinished::open(&folder.path().join("p")).unwrap();
    let key = [9; 32];
    unfinished.keep_student(&key, &student()).unwrap();
    assert_eq!(unfinished.student(&key, SHAPE), Some(student()));
    assert_eq!(unfinished.student(&[8; 32], SHAPE), None);
    let wider = BlockShape {
        hidden: 16,
        ..SHAPE
    };
    assert_eq!(unfinished.student(&key, wider), None);
    let path = unfinished.folder().join(name_of(&key));
    let whole = fs::read(&path).unwrap();
    for at in 0..whole.len() {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        fs::write(&path, &bytes).unwrap();
        assert_eq!(unfinished.student(&key, SHAPE), None, "bit of byte {at}");
        fs::write(&path, &whole[..at]).unwrap();
        assert_eq!(unfinished.student(&key, SHAPE), None, "cut at {at}");
    }
}

#[test]
fn students_that_nobody_will_ask_for_are_forgotten() {
    let folder = tempfile::tempdir().unwrap();
    let unfinished = Unfinished::open(&folder.path().join("p")).unwrap();
    let cut_off = format!("{}{PART}", name_of(&[9; 32]));
    fs::write(unfinished.folder().join(cut_off), "cut off").unwrap();
    for key in [1, 2, 3] {
        unfinished.keep_student(&[key; 32], &student()).unwrap();
    }
    unfinished.forget_other_students(&[[2; 32]]);
    let names = fs::read_dir(unfinished.folder()).unwrap();
    let names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, [name_of(&[2; 32]).as_str()]);
    assert!(!unfinished.is_empty());
}

#[test]
fn what_somebody_else_put_there_is_named_and_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let refusal = |name: &str| {
        let refusal = Unfinished::open(&path(name)).unwrap_err().to_string();
        assert!(
            refusal.contains("left as it is: move that away"),
            "{refusal}"
        );
        refusal
    };
    for name in ["x_ray.png", "student-list.csv", "watched/"] {
        let own = path("p.unfinished").join(name);
        match name.strip_suffix('/') {
            Some(_) => fs::create_dir_all(&own).unwrap(),
            None => {
                fs::create_dir_all(path("p.unfinished")).unwrap();
                fs::write(&own, "mine").unwrap();
            }
        }
        let named = format!("holds {}", name.trim_end_matches('/'));
        assert!(refusal("p").contains(&named), "{named}");
        assert!(own.exists());
        fs::remove_dir_all(path("p.unfinished")).unwrap();
    }
    fs::create_dir(path("own")).unwrap();
    std::os::unix::fs::symlink(path("own"), path("link.unfinished")).unwrap();
    std::os::unix::fs::symlink(path("none"), path("void.unfinished")).unwrap();
    fs::write(path("file.unfinished"), "mine").unwrap();
    for name in ["link", "void", "file"] {
        assert!(refusal(name).contains("is a link or a file"));
    }
}

#[test]
fn a_place_that_can_not_be_used_is_named() {
    let nowhere = Unfinished::open(Path::new("/nowhere/at/all"))
        .unwrap_err()
        .to_string();
    assert!(nowhere.contains("/nowhere/at/all.unfinished"), "{nowhere}");
    assert!(nowhere.contains("--out"), "{nowhere}");
}
