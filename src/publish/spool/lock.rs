//! The state folder, which one daemon has at a time.
//!
//! The lock is the kernel's, on the file `lock`, and goes with the process however that ends; the
//! number in the file only tells humans who has it. Nothing is removed, since a lock file that comes
//! and goes can be locked by two.

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{Read as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use super::SpoolError;

/// A folder that this process alone may write into, for as long as the value lives.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    _lock: File,
}

impl Folder {
    /// Creates the folder where it is missing, and locks it.
    ///
    /// # Errors
    /// [`SpoolError::Locked`] where another process has it, [`SpoolError::Folder`] where it can't be
    /// made or written.
    pub fn lock(path: &Path) -> Result<Folder, SpoolError> {
        let fails = |path: &Path, what| {
            let path = path.to_owned();
            move |source| SpoolError::Folder { path, what, source }
        };
        let mut folder = DirBuilder::new();
        let created = folder.recursive(true).mode(0o750).create(path);
        created.map_err(fails(path, "created"))?;
        // SQLite is told to follow no link; one above the folder is the owner's business.
        let path = fs::canonicalize(path).map_err(fails(path, "found"))?;
        let name = path.join("lock");
        let mut options = writable();
        let mut file = options
            .create(true)
            .open(&name)
            .map_err(fails(&name, "written"))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(SpoolError::Locked {
                    folder: path,
                    by: holder(&mut file),
                });
            }
            Err(TryLockError::Error(source)) => return Err(fails(&name, "locked")(source)),
        }
        // On a full disk the number is missing; the lock holds all the same.
        let _ = file.set_len(0);
        let _ = write!(file, "{}", std::process::id());
        Ok(Folder { path, _lock: file })
    }

    /// Where it is, links resolved.
    pub fn path(&self) -> &Path {
        &self.path
    }
}

/// A file of the spool: never through a link, and not for everyone to read.
pub(super) fn writable() -> OpenOptions {
    let mut options = OpenOptions::new();
    options
        .read(true)
        .write(true)
        .mode(0o640)
        .custom_flags(OFlags::NOFOLLOW.bits().cast_signed());
    options
}

fn holder(lock: &mut File) -> String {
    let mut text = String::new();
    let read = lock.take(20).read_to_string(&mut text);
    match text.trim().parse::<u32>() {
        Ok(pid) if read.is_ok() => format!("process {pid}"),
        _ => "process unknown".to_owned(),
    }
}
