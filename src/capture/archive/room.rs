//! Room for new footage: the quota of all footage, and what stays free of the disk.
//!
//! Room is made when it is needed, by removing the oldest footage of any camera. Never removed are
//! footage that is pinned, that somebody films or reads just now, or what is no footage by its name.
//! Another process may film another camera at the same time, and make room as well: what is there is
//! looked at again before each removal, and now and then.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::{Notes, all_footages};

/// What stays free of the disk: the smaller of a twentieth of it and this. The alerts that wait for
/// the broker are on the same disk.
const FREE: u64 = 64 << 20;
/// Pictures that are written from one look at the others to the next: by no more than so many of each
/// film the quota may be passed. A look takes 5 ms for five thousand files.
const SURVEY_EVERY: u32 = 32;

/// Room for one new footage.
#[derive(Debug)]
pub(super) struct Room {
    root: PathBuf,
    quota: u64,
    /// The new footage.
    own: PathBuf,
    /// Pictures since the last look at the others.
    since_survey: u32,
    /// The other footages with their sizes, newest first.
    others: Vec<(PathBuf, u64)>,
    /// Bytes of the others.
    used: u64,
    /// What was removed.
    removed: Vec<PathBuf>,
}

/// Why there is no room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Full {
    /// The quota of all footage is used up.
    Quota,
    /// The disk is full but for what stays free.
    Disk,
}

impl Room {
    /// For `own`, beside what is there of all cameras.
    pub(super) fn new(root: &Path, quota: u64, own: &Path) -> Room {
        let mut room = Room {
            root: root.to_owned(),
            quota,
            own: own.to_owned(),
            since_survey: 0,
            others: Vec::new(),
            used: 0,
            removed: Vec::new(),
        };
        room.survey();
        room
    }

    /// Looks at what is there.
    fn survey(&mut self) {
        let others = all_footages(&self.root).filter(|footage| *footage != self.own);
        self.others = others
            .map(|footage| (footage.clone(), size(&footage)))
            .collect();
        self.others
            .sort_by(|(a, _), (b, _)| b.file_name().cmp(&a.file_name()));
        self.used = self.others.iter().map(|(_, size)| size).sum();
        self.since_survey = 0;
    }

    /// Makes room for the `more` bytes of a picture beside `own` bytes that are written already.
    pub(super) fn make(&mut self, own: u64, more: u64) -> Result<(), Full> {
        if self.since_survey >= SURVEY_EVERY {
            self.survey();
        }
        self.since_survey += 1;
        while self.lacks(own, more).is_some() {
            // What was known of the others may be over.
            self.survey();
            let Some(full) = self.lacks(own, more) else {
                break;
            };
            if !self.remove_oldest() {
                return Err(full);
            }
        }
        Ok(())
    }

    /// Of what there is not enough.
    fn lacks(&self, own: u64, more: u64) -> Option<Full> {
        if self.used + own + more > self.quota {
            Some(Full::Quota)
        } else if !self.fits_on_disk(more) {
            Some(Full::Disk)
        } else {
            None
        }
    }

    /// Whether `more` bytes could ever be had, were all else that may go removed.
    pub(super) fn could_hold(&self, own: u64, more: u64) -> bool {
        let fixed: u64 = self
            .others
            .iter()
            .filter(|(path, _)| is_pinned(path))
            .map(|(_, size)| size)
            .sum();
        let free = free_bytes(&self.root, 0).unwrap_or(u64::MAX);
        fixed + own + more <= self.quota && more <= free.saturating_add(self.used - fixed)
    }

    /// What was removed.
    pub(super) fn removed(&self) -> &[PathBuf] {
        &self.removed
    }

    fn fits_on_disk(&self, more: u64) -> bool {
        // Where the system gives no answer, writing will.
        free_bytes(&self.root, 0).is_none_or(|free| more <= free)
    }

    /// Whether there was one that may go, or has gone meanwhile.
    fn remove_oldest(&mut self) -> bool {
        while let Some((path, size)) = self.others.pop() {
            if is_pinned(&path) {
                continue;
            }
            match remove(&path) {
                Ok(Removal::Done) => {
                    self.used = self.used.saturating_sub(size);
                    self.removed.push(path);
                    return true;
                }
                Ok(Removal::Gone) => {
                    self.used = self.used.saturating_sub(size);
                    return true;
                }
                Ok(Removal::InUse) => {}
                Err(reason) => {
                    let footage = path.display();
                    tracing::warn!("the old footage {footage} can't be removed: {reason}");
                }
            }
        }
        false
    }
}

/// Notes that can't be read are somebody's, and stay.
fn is_pinned(footage: &Path) -> bool {
    Notes::read(footage).map_or(true, |notes| notes.is_some_and(|notes| notes.pinned))
}

/// What became of a footage that was to be removed.
#[derive(Debug, PartialEq, Eq)]
enum Removal {
    Done,
    /// Somebody has it locked.
    InUse,
    /// Somebody else removed it.
    Gone,
}

fn remove(footage: &Path) -> io::Result<Removal> {
    let gone_or = |fault: io::Error| match fault.kind() {
        io::ErrorKind::NotFound => Ok(Removal::Gone),
        _ => Err(fault),
    };
    let lock = match File::open(footage) {
        Ok(lock) => lock,
        Err(fault) => return gone_or(fault),
    };
    if lock.try_lock().is_err() {
        return Ok(Removal::InUse);
    }
    fs::remove_dir_all(footage).map_or_else(gone_or, |()| Ok(Removal::Done))
}

/// Bytes of the files in a folder.
fn size(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.metadata().ok())
        .map(|kind| kind.len())
        .sum()
}

/// Bytes of the disk under a folder that pictures may use, were `gained` bytes of them removed.
pub fn free_bytes(folder: &Path, gained: u64) -> Option<u64> {
    let disk = rustix::fs::statvfs(folder).ok()?;
    let all = disk.f_blocks.saturating_mul(disk.f_frsize);
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    let free = free.saturating_add(gained);
    Some(free.saturating_sub(FREE.min(all / 20)))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A footage of one file.
    fn footage(root: &Path, camera: &str, name: &str, bytes: usize) -> PathBuf {
        let folder = root.join(camera).join(name);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("000001.jpg"), vec![0; bytes]).unwrap();
        folder
    }

    #[test]
    fn footage_that_another_film_removed_counts_as_room() {
        let root = tempfile::tempdir().unwrap();
        let old = footage(root.path(), "a", "20260101T000000Z", 600);
        let own = footage(root.path(), "b", "20260201T000000Z", 0);
        let mut room = Room::new(root.path(), 1000, &own);
        fs::remove_dir_all(&old).unwrap();
        assert_eq!(room.make(0, 500), Ok(()));
        assert_eq!((room.used, room.removed().len()), (0, 0));
        // Also where it goes between the look and the removal.
        footage(root.path(), "a", "20260101T000000Z", 600);
        room.survey();
        fs::remove_dir_all(&old).unwrap();
        assert!(room.remove_oldest());
        assert_eq!((room.used, room.removed().len()), (0, 0));
        assert_eq!(remove(&old).unwrap(), Removal::Gone);
    }

    #[test]
    fn what_another_film_writes_meanwhile_counts_against_the_quota() {
        let root = tempfile::tempdir().unwrap();
        let (a, b) = ("20260201T000000Z", "20260201T000001Z");
        let [a, b] =
            [("a", a), ("b", b)].map(|(camera, name)| footage(root.path(), camera, name, 0));
        let locks = [&a, &b].map(|folder| File::open(folder).unwrap());
        locks.iter().for_each(|lock| lock.try_lock().unwrap());
        let (mut of_a, mut of_b) = (
            Room::new(root.path(), 100_000, &a),
            Room::new(root.path(), 100_000, &b),
        );
        let mut written = [0; 2];
        for picture in 2..2000 {
            for (i, (room, folder)) in [(&mut of_a, &a), (&mut of_b, &b)].into_iter().enumerate() {
                if room.make(written[i], 100).is_ok() {
                    fs::write(folder.join(format!("{picture:06}.jpg")), [0; 100]).unwrap();
                    written[i] += 100;
                }
            }
        }
        let (sum, slack) = (written.iter().sum::<u64>(), 100 * u64::from(SURVEY_EVERY));
        assert!((95_000..=100_000 + slack).contains(&sum), "{written:?}");
    }
}
