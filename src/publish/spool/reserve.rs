//! A file that does nothing but take room, to be given up when the disk is full: then alerts that
//! were delivered can still be deleted, and the log written back.
//!
//! Its blocks are really allocated, not merely promised. On a small disk it is small.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{FallocateFlags, fallocate};
use tracing::debug;

use super::lock::writable;

/// The sizes that are tried: the first is four times the longest log, the last is enough for some
/// deletes. Each is tried where the one before does not fit.
const SIZES: [u64; 4] = [4 << 20, 1 << 20, 256 << 10, 64 << 10];

/// The room in reserve.
#[derive(Debug)]
pub(super) struct Reserve {
    path: PathBuf,
    /// What it was the last time, and must be again before the disk counts as having room.
    size: Option<u64>,
    is_there: bool,
}

impl Reserve {
    /// The reserve of a folder as a former life left it.
    pub(super) fn find(folder: &Path) -> Self {
        let path = folder.join("spool.reserve");
        let size = fs::symlink_metadata(&path)
            .ok()
            .filter(fs::Metadata::is_file)
            .map(|metadata| metadata.len())
            .filter(|size| SIZES.contains(size));
        Reserve {
            path,
            size,
            is_there: size.is_some(),
        }
    }

    /// Takes the room; `false` where there is not enough.
    pub(super) fn make(&mut self) -> bool {
        if self.is_there {
            return true;
        }
        let last = self.size;
        for size in SIZES
            .into_iter()
            .filter(|size| last.is_none_or(|last| *size == last))
        {
            match self.allocate(size) {
                Ok(()) => {
                    self.size = Some(size);
                    self.is_there = true;
                    return true;
                }
                Err(fault) => {
                    let path = self.path.display();
                    debug!(%path, size, %fault, "no room for the reserve");
                    self.release();
                }
            }
        }
        false
    }

    /// Gives the room back; whether there was any.
    pub(super) fn release(&mut self) -> bool {
        self.is_there = false;
        fs::remove_file(&self.path).is_ok()
    }

    fn allocate(&self, size: u64) -> io::Result<()> {
        let file: File = writable().create(true).open(&self.path)?;
        match fallocate(&file, FallocateFlags::empty(), 0, size) {
            // FAT and some network file systems allocate only what is written.
            Err(rustix::io::Errno::OPNOTSUPP) => write_zeros(&file, size),
            allocated => Ok(allocated?),
        }
    }
}

fn write_zeros(mut file: &File, size: u64) -> io::Result<()> {
    let zeros = io::Read::take(io::repeat(0), size);
    io::copy(&mut { zeros }, &mut file)?;
    file.sync_all()
}
