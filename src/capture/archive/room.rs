//! Room for new footage: the quota of all footage, and what stays free of the disk.
//!
//! Room is made when it is needed, by removing the oldest footage of any camera. Never removed are
//! footage that is pinned, that somebody films or reads just now, or what is no footage by its name.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::{Notes, footages};

/// What stays free of the disk: the smaller of a twentieth of it and this. The alerts that wait for
/// the broker are on the same disk.
const FREE: u64 = 64 << 20;

/// Room for one new footage.
#[derive(Debug)]
pub(super) struct Room {
    root: PathBuf,
    quota: u64,
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
    /// Looks at what is there beside `own`, of all cameras.
    pub(super) fn survey(root: &Path, quota: u64, own: &Path) -> Room {
        let cameras = fs::read_dir(root).into_iter().flatten().flatten();
        let all = cameras.flat_map(|camera| footages(&camera.path()));
        let mut others: Vec<(PathBuf, u64)> = all
            .filter(|footage| footage != own)
            .map(|footage| (footage.clone(), size(&footage)))
            .collect();
        others.sort_by(|(a, _), (b, _)| b.file_name().cmp(&a.file_name()));
        Room {
            root: root.to_owned(),
            quota,
            used: others.iter().map(|(_, size)| size).sum(),
            others,
            removed: Vec::new(),
        }
    }

    /// Makes room for `more` bytes beside `own` bytes that are written already.
    pub(super) fn make(&mut self, own: u64, more: u64) -> Result<(), Full> {
        loop {
            let full = if self.used + own + more > self.quota {
                Full::Quota
            } else if !self.fits_on_disk(more) {
                Full::Disk
            } else {
                return Ok(());
            };
            if !self.remove_oldest() {
                return Err(full);
            }
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
        let free = free_bytes(&self.root).unwrap_or(u64::MAX);
        fixed + own + more <= self.quota && more <= free.saturating_add(self.used - fixed)
    }

    /// What was removed.
    pub(super) fn removed(&self) -> &[PathBuf] {
        &self.removed
    }

    fn fits_on_disk(&self, more: u64) -> bool {
        // Where the system gives no answer, writing will.
        free_bytes(&self.root).is_none_or(|free| more <= free)
    }

    /// Whether there was one that may go.
    fn remove_oldest(&mut self) -> bool {
        while let Some((path, size)) = self.others.pop() {
            if is_pinned(&path) {
                continue;
            }
            match remove(&path) {
                Ok(true) => {
                    self.used = self.used.saturating_sub(size);
                    self.removed.push(path);
                    return true;
                }
                Ok(false) => {}
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

/// Whether it was removed: not while somebody has it locked.
fn remove(footage: &Path) -> io::Result<bool> {
    let lock = File::open(footage)?;
    if lock.try_lock().is_err() {
        return Ok(false);
    }
    fs::remove_dir_all(footage)?;
    Ok(true)
}

/// Bytes of the files in a folder.
fn size(folder: &Path) -> u64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .filter_map(|entry| entry.metadata().ok())
        .map(|kind| kind.len())
        .sum()
}

/// Bytes of the disk that may be used.
fn free_bytes(folder: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(folder).ok()?;
    let all = disk.f_blocks.saturating_mul(disk.f_frsize);
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    Some(free.saturating_sub(FREE.min(all / 20)))
}
