//! Unfinished: what a calibration has done so far, in a folder of its own beside the Profile-to-be.
//!
//! The same command goes on from there after a stop, a kill or a power cut. Everything is known by the
//! SHA-256 of what it was made of, so other footage or settings find nothing of theirs and write over it;
//! what is torn or damaged is made anew and never an error. A link, and a folder with anything else in it, are
//! somebody's own and are left as they are. A lock of the kernel on the folder itself, which goes
//! with its process, keeps two calibrations apart.

mod student_note;
mod watched;

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use super::student::Student;
use crate::infer::student_file::BlockShape;

pub(super) use watched::Watched;

/// A SHA-256.
pub type Digest = [u8; 32];

/// What stands before the digest in the name of a trained student.
const STUDENT: &str = "student-";
/// What stands after the name of a file that is not whole yet.
const PART: &str = ".part";

/// Why there is no folder to keep what is done in.
#[derive(Debug, thiserror::Error)]
pub enum UnfinishedError {
    /// Somebody else makes the same Profile.
    #[error(
        "{} is being worked on by another inspectd: wait for it, stop it, or give another --out or DIR",
        .folder.display()
    )]
    Busy {
        /// The folder.
        folder: PathBuf,
    },
    /// Something else lies there.
    #[error(
        "{} is where a calibration keeps what is done until its Profile is saved, but it {what}, so it is \
         left as it is: move that away, or give another --out or DIR", .folder.display()
    )]
    Foreign {
        /// The folder.
        folder: PathBuf,
        /// What is foreign.
        what: String,
    },
    /// The system refused.
    #[error(
        "can't use {}, where a calibration keeps what is done until its Profile is saved: see to it, \
         or give another --out or DIR",
        .folder.display()
    )]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// The system's answer.
        source: io::Error,
    },
}

/// The folder of a calibration that is under way.
#[derive(Debug)]
pub struct Unfinished {
    folder: PathBuf,
    /// Locked for as long as it is open.
    _lock: File,
}

impl Unfinished {
    /// The folder for the Profile that will lie at `profile`: `<profile>.unfinished`, made where there is
    /// none.
    ///
    /// # Errors
    /// When another process has it, it can't be made, or something else lies there.
    pub fn open(profile: &Path) -> Result<Self, UnfinishedError> {
        let mut folder: OsString = profile.as_os_str().to_owned();
        folder.push(".unfinished");
        let folder = PathBuf::from(folder);
        match lock(&folder).and_then(|lock| Ok((lock, stranger(&folder)?))) {
            Ok((lock, None)) => Ok(Unfinished {
                folder,
                _lock: lock,
            }),
            Ok((_, Some(name))) => {
                let what = format!("holds {}, which is none of that", name.display());
                Err(UnfinishedError::Foreign { folder, what })
            }
            Err(source) => Err(match source.kind() {
                io::ErrorKind::WouldBlock => UnfinishedError::Busy { folder },
                io::ErrorKind::NotADirectory => {
                    let what = "is a link or a file".to_owned();
                    UnfinishedError::Foreign { folder, what }
                }
                _ => UnfinishedError::Folder { folder, source },
            }),
        }
    }

    /// Where it lies.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether there is nothing in it from which to go on.
    pub fn is_empty(&self) -> bool {
        let holds = |entry: fs::DirEntry| {
            let is_frames = entry.file_name() == watched::NAME;
            let bytes = entry.metadata().map_or(0, |file| file.len());
            is_student(&entry.file_name()) || (is_frames && bytes > 0)
        };
        let mut entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        !entries.any(holds)
    }

    /// Removes the folder, with the lock still held. What can't be removed stays, and the journal says so.
    pub fn remove(self) {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        for entry in entries.filter(|entry| is_own(&entry.file_name())) {
            // What stays keeps the folder from being removed, and is told there.
            let _ = fs::remove_file(entry.path());
        }
        if let Err(fault) = fs::remove_dir(&self.folder) {
            let folder = self.folder.display();
            tracing::warn!(
                "{folder} is of no use any more but can't be removed ({fault}): delete it"
            );
        }
    }

    /// A student that was trained before on what `key` is of.
    pub(super) fn student(&self, key: &Digest, shape: BlockShape) -> Option<Student> {
        let bytes = fs::read(self.folder.join(name_of(key))).ok()?;
        student_note::read(&bytes, shape)
    }

    /// Keeps a student, whole or not at all.
    pub(super) fn keep_student(&self, key: &Digest, student: &Student) -> io::Result<()> {
        let name = name_of(key);
        let part = self.folder.join(format!("{name}{PART}"));
        let mut file = File::create(&part)?;
        let written = file
            .write_all(&student_note::write(student))
            .and_then(|()| file.sync_all())
            .and_then(|()| fs::rename(&part, self.folder.join(name)));
        if written.is_err() {
            // The room is needed: the error that is told is the first one.
            let _ = fs::remove_file(&part);
        }
        written.and_then(|()| File::open(&self.folder)?.sync_all())
    }

    /// Removes all streams but these: they are of a calibration that asked for others.
    pub(super) fn forget_other_streams(&self, streams: &[usize]) {
        self.forget(|name| stream(name).is_some_and(|number| !streams.contains(&number)));
    }

    /// Removes all students but those of these keys: nobody will ask for them.
    pub(super) fn forget_other_students(&self, keys: &[Digest]) {
        let names: Vec<String> = keys.iter().map(name_of).collect();
        self.forget(|student| {
            is_student(student) && !names.iter().any(|name| student == name.as_str())
        });
    }

    fn forget(&self, is_useless: impl Fn(&OsStr) -> bool) {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        for entry in entries.filter(|entry| is_useless(&entry.file_name())) {
            // What stays for now goes with the folder.
            let _ = fs::remove_file(entry.path());
        }
    }
}

fn name_of(key: &Digest) -> String {
    let digits = key.iter().map(|byte| format!("{byte:02x}"));
    format!("{STUDENT}{}", digits.collect::<String>())
}

/// Whether a student is called so, whole or not yet.
fn is_student(name: &OsStr) -> bool {
    let key = name.to_str().and_then(|name| name.strip_prefix(STUDENT));
    let key = key.map(|key| key.strip_suffix(PART).unwrap_or(key));
    key.is_some_and(|key| key.len() == 64 && key.bytes().all(|c| c.is_ascii_hexdigit()))
}

/// Whether a calibration writes files of this name.
fn is_own(name: &OsStr) -> bool {
    stream(name).is_some() || is_student(name) || name == watched::NAME
}

/// The number of the stream that a file is called after.
fn stream(name: &OsStr) -> Option<usize> {
    name.to_str()?.strip_prefix("x_")?.parse().ok()
}

/// Something in the folder that no calibration put there.
fn stranger(folder: &Path) -> io::Result<Option<OsString>> {
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if !(is_own(&entry.file_name()) && entry.file_type()?.is_file()) {
            return Ok(Some(entry.file_name()));
        }
    }
    Ok(None)
}

/// Makes the folder where there is none, and locks it.
fn lock(folder: &Path) -> io::Result<File> {
    loop {
        match fs::create_dir(folder) {
            Err(fault) if fault.kind() != io::ErrorKind::AlreadyExists => return Err(fault),
            _ => {}
        }
        // A link is not followed: what it leads to may be anybody's.
        let flags = OFlags::DIRECTORY | OFlags::NOFOLLOW;
        let mut options = File::options();
        let options = options.read(true).custom_flags(flags.bits().cast_signed());
        let lock = match options.open(folder) {
            // One that finished has just removed it.
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => continue,
            lock => lock?,
        };
        match lock.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => return Err(io::ErrorKind::WouldBlock.into()),
            // A file system without locks: nobody else is known of.
            Err(fs::TryLockError::Error(_)) => return Ok(lock),
        }
        // One that finishes removes the folder before it lets go of it.
        let is_there = fs::metadata(folder).is_ok_and(|now| {
            lock.metadata()
                .is_ok_and(|own| (own.dev(), own.ino()) == (now.dev(), now.ino()))
        });
        if is_there {
            return Ok(lock);
        }
    }
}

#[cfg(test)]
mod tests;
