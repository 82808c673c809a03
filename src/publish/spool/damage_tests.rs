//! Damaged files: whatever is cut off or flipped, the spool opens or says why not, never panics, and
//! never delivers anything but what was accepted.

use std::fs;
use std::path::Path;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::fixture::{Caller, PLENTY, alert, copy, is_whole};
use super::open::with_suffix;
use super::{Folder, Spool, SpoolError};

/// Alerts in the database and in its log, and one that is neither.
const WRITTEN_BACK: usize = 150;
const ALL: usize = 300;
/// Those of the last commit.
const LAST: usize = 30;

/// A spool that was closed: all of it is in the database.
fn closed() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut caller = Caller::open(folder.path());
    caller.accept(0..ALL);
    caller.close();
    folder
}

/// A spool whose first half has been written back, as a power cut leaves it.
fn sound() -> tempfile::TempDir {
    let (folder, cut) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut caller = Caller::open(folder.path());
    caller.accept(0..WRITTEN_BACK);
    drop(caller);
    let mut caller = Caller::open(folder.path());
    for group in (WRITTEN_BACK..ALL).step_by(LAST) {
        caller.accept(group..group + LAST);
    }
    copy(folder.path(), cut.path());
    cut
}

/// How many whole alerts a damaged spool still delivers and whether it tells of damage; `None`
/// where it refuses to open.
fn survivors(folder: &Path) -> Option<(usize, bool)> {
    let locked = Folder::lock(folder).unwrap();
    let opened = match Spool::open(&locked, PLENTY) {
        Ok(spool) => spool.close(),
        // A flipped version can't be told from a newer one: a human must.
        Err(SpoolError::NewerSchema { .. }) => return None,
        Err(fault) => panic!("{fault}"),
    };
    drop(locked);
    let mut caller = Caller::open(folder);
    let entries = caller.read(0, 10_000);
    assert!(entries.iter().all(is_whole), "never anything else");
    assert!(entries.is_sorted_by(|one, next| one.seq < next.seq));
    caller.accept(ALL..ALL + 1);
    let status = caller.close();
    Some((
        entries.len(),
        opened.set_aside.is_some() || status.quarantined > 0,
    ))
}

/// Damages a file of a copy in each of these ways, and prints how much outlives that.
fn damage(
    what: &str,
    sound: &Path,
    suffix: &str,
    ways: impl Iterator<Item = (String, impl FnOnce(&mut Vec<u8>))>,
) {
    let (mut runs, mut refused, mut least, mut all, mut unsaid) = (0, 0, ALL, 0, 0);
    for (name, change) in ways {
        let folder = tempfile::tempdir().unwrap();
        copy(sound, folder.path());
        let path = with_suffix(&folder.path().join("spool.db"), suffix);
        let mut bytes = fs::read(&path).unwrap();
        change(&mut bytes);
        fs::write(&path, bytes).unwrap();
        let survived = std::panic::catch_unwind(|| survivors(folder.path()));
        let survived = survived.unwrap_or_else(|_| panic!("{what}: {name}"));
        runs += 1;
        match survived {
            Some((count, is_told)) => {
                (least, all) = (least.min(count), all + count);
                unsaid += usize::from(!is_told && count < ALL);
                // What is cut off entirely can't be missed, nor can a last commit be told from one
                // that a power cut has torn.
                let is_told = is_told || count >= ALL - LAST || what == "cuts of the log";
                assert!(is_told, "{what}: {name}: {count} left, and not a word");
            }
            None => refused += 1,
        }
    }
    let opened = runs - refused;
    println!(
        "{what}: {runs} spools of {ALL} alerts, {refused} refused to open, in the others {:.1} % \
         of the alerts survived, at least {least}; {unsaid} lost some without a word",
        100.0 * all as f64 / (opened * ALL) as f64
    );
    assert!(opened > runs / 2);
}

/// One bit of each.
fn flips(seed: u64, count: usize) -> impl Iterator<Item = (String, impl FnOnce(&mut Vec<u8>))> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    (0..count).map(move |number| {
        let (place, bit) = (random.random::<u64>(), random.random_range(0..8));
        let flip = move |bytes: &mut Vec<u8>| {
            // The first ones into the header, where all depends on few bytes.
            let length = if number % 4 == 0 {
                200
            } else {
                bytes.len() as u64
            };
            let place = usize::try_from(place % length).unwrap();
            bytes[place] ^= 1 << bit;
        };
        (format!("seed {seed}, flip {number}"), flip)
    })
}

fn cuts(seed: u64, count: usize) -> impl Iterator<Item = (String, impl FnOnce(&mut Vec<u8>))> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    (0..count).map(move |number| {
        let place = random.random::<u64>();
        let cut = move |bytes: &mut Vec<u8>| {
            let length = bytes.len() as u64 + 1;
            // Some at the edges of pages.
            let left = place % length;
            let left = if number % 3 == 0 {
                left / 4096 * 4096
            } else {
                left
            };
            bytes.truncate(usize::try_from(left).unwrap());
        };
        (format!("seed {seed}, cut {number}"), cut)
    })
}

#[test]
fn flipped_bits_in_the_database_never_reach_a_subscriber() {
    damage("flips in the database", sound().path(), "", flips(1, 80));
}

#[test]
fn flipped_bits_in_a_database_that_was_closed_never_reach_a_subscriber() {
    let closed = closed();
    damage(
        "flips in a closed database",
        closed.path(),
        "",
        flips(5, 120),
    );
    damage("cuts of a closed database", closed.path(), "", cuts(6, 40));
}

#[test]
fn flipped_bits_in_the_log_never_reach_a_subscriber() {
    damage("flips in the log", sound().path(), "-wal", flips(2, 60));
}

#[test]
fn a_database_cut_short_is_survived() {
    damage("cuts of the database", sound().path(), "", cuts(3, 40));
}

#[test]
fn a_log_cut_short_is_survived() {
    damage("cuts of the log", sound().path(), "-wal", cuts(4, 40));
}

#[test]
fn an_undamaged_copy_loses_nothing() {
    let sound = sound();
    assert_eq!(survivors(sound.path()), Some((ALL, false)));
}

#[test]
fn what_can_be_read_of_a_damaged_database_is_saved_and_the_file_is_kept_as_it_was() {
    let sound = sound();
    let path = sound.path().join("spool.db");
    let mut bytes = fs::read(&path).unwrap();
    // A page of rows in the middle.
    let start = bytes.len() / 2 / 4096 * 4096;
    bytes[start..start + 4096].fill(0x5a);
    fs::write(&path, &bytes).unwrap();
    let log = fs::read(with_suffix(&path, "-wal")).unwrap();
    let locked = Folder::lock(sound.path()).unwrap();
    let status = Spool::open(&locked, PLENTY).unwrap().close();
    let aside = status.set_aside.unwrap();
    assert!(
        status.salvaged > 200 && status.salvaged < ALL as u64,
        "{}",
        status.salvaged
    );
    assert_eq!(status.alerts, status.salvaged);
    assert_eq!(
        status.accepted_total,
        ALL as u64 - (ALL as u64 - status.salvaged)
    );
    assert!(fs::read(&aside).unwrap() == bytes, "the evidence stays");
    assert!(fs::read(with_suffix(&aside, "-wal")).unwrap() == log);
    drop(locked);
    let mut caller = Caller::open(sound.path());
    let entries = caller.read(0, 1000);
    assert!(entries.len() as u64 == status.salvaged && entries.iter().all(is_whole));
    // The newest were in the log, and are behind the damage.
    assert_eq!(entries.last().unwrap().id, alert(ALL - 1).id);
    let status = caller.status(|_| true);
    assert_eq!(status.set_aside, None, "told once");
}

#[test]
fn garbage_is_set_aside_and_only_the_newest_three_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    for life in 0..5u8 {
        let garbage: Vec<u8> = (0..9000u32)
            .map(|n| (n * 7 + u32::from(life)) as u8)
            .collect();
        fs::write(folder.path().join("spool.db"), garbage).unwrap();
        let locked = Folder::lock(folder.path()).unwrap();
        let status = Spool::open(&locked, PLENTY).unwrap().close();
        assert_eq!(status.salvaged, 0);
        let name = format!("spool.db.corrupt-{}", life + 1);
        assert_eq!(status.set_aside, Some(locked.path().join(name)));
    }
    let names = fs::read_dir(folder.path()).unwrap();
    let names = names.map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = names
        .filter(|name| name.contains("corrupt") && !name.ends_with("-wal"))
        .collect();
    names.sort();
    assert_eq!(
        names,
        [
            "spool.db.corrupt-3",
            "spool.db.corrupt-4",
            "spool.db.corrupt-5"
        ]
    );
}

#[test]
fn a_foreign_database_is_set_aside_unharmed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("spool.db");
    let other = rusqlite::Connection::open(&path).unwrap();
    other
        .execute_batch("CREATE TABLE mine (x); INSERT INTO mine VALUES (7)")
        .unwrap();
    other.close().unwrap();
    let before = fs::read(&path).unwrap();
    let locked = Folder::lock(folder.path()).unwrap();
    let status = Spool::open(&locked, PLENTY).unwrap().close();
    assert_eq!(fs::read(status.set_aside.unwrap()).unwrap(), before);
}

#[test]
fn an_empty_file_is_a_new_spool_but_not_when_it_has_a_log() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("spool.db"), "").unwrap();
    let mut caller = Caller::open(folder.path());
    caller.accept(0..1);
    assert_eq!(caller.status(|_| true).set_aside, None);
    drop(caller);
    let sound = sound();
    fs::write(sound.path().join("spool.db"), "").unwrap();
    let caller = Caller::open(sound.path());
    assert!(caller.status.unwrap().set_aside.is_some());
}
