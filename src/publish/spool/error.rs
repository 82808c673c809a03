//! What can be wrong with a spool: at its opening, told to a human with the way out, and later,
//! told to the thread that decides what to do about it.
//!
//! It is here that SQLite's codes are read; nowhere else does one branch on them.

use std::path::PathBuf;

use rusqlite::ErrorCode;
use rusqlite::ffi;

/// Why there is no spool.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// Another daemon has the folder.
    #[error(
        "another inspectd ({}) works in {}: stop it, or give this one a folder of its own with \
         node.state_dir", .by, .folder.display()
    )]
    Locked {
        /// The state folder.
        folder: PathBuf,
        /// The other one, such as `process 4711`.
        by: String,
    },
    /// The folder, or a file in it, can't be made, read or written.
    #[error(
        "{} can't be {what}: give this user the right to write there, or set node.state_dir to a \
         folder that may be written", .path.display()
    )]
    Folder {
        /// The folder or file.
        path: PathBuf,
        /// What was tried, such as `created`.
        what: &'static str,
        /// The system's answer.
        source: std::io::Error,
    },
    /// Something else lies where a file of the spool should be.
    #[error("{} is {what}, so it is left as it is: move it away, or set node.state_dir", .path.display())]
    NotAFile {
        /// The thing.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// Written by a newer inspectd.
    #[error(
        "{} has schema {found}, this inspectd knows up to {}: update inspectd, or move the file \
         away together with its -wal", .path.display(), super::store::SCHEMA
    )]
    NewerSchema {
        /// The database.
        path: PathBuf,
        /// Its schema.
        found: i64,
    },
    /// The disk does not take even an empty database.
    #[error("no room on the disk for {}: free some, or set node.state_dir", .path.display())]
    NoRoom {
        /// The database.
        path: PathBuf,
    },
    /// Another program has it.
    #[error("{} is kept locked by another program, such as sqlite3: end that one", .path.display())]
    Busy {
        /// The database.
        path: PathBuf,
    },
    /// The storage does not work.
    #[error("opening {} failed ({reason}): check the disk and the system's log", .path.display())]
    Storage {
        /// The database.
        path: PathBuf,
        /// SQLite's answer.
        reason: String,
    },
    /// No thread to be had.
    #[error("the spool's thread could not be started: look at the limits of processes and memory")]
    Thread {
        /// The system's answer.
        source: std::io::Error,
    },
}

/// What SQLite's answer means for whoever asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// The disk is full; nothing was changed.
    NoRoom,
    /// Another program has the lock; nothing was changed.
    Busy,
    /// What is in the file is not what a spool writes.
    Damaged(String),
    /// The storage does not work. What was written last may be lost though it can still be read,
    /// so that nothing may be tried a second time on the same handle.
    Broken(String),
}

impl From<rusqlite::Error> for Fault {
    fn from(fault: rusqlite::Error) -> Self {
        let text = fault.to_string();
        let Some(code) = fault.sqlite_error() else {
            // A column of the wrong type, a row that is not there.
            return Fault::Damaged(text);
        };
        let text = format!("{text}, code {}", code.extended_code);
        match (code.code, code.extended_code) {
            // The wal-index grows by pages of its own, and SQLite has no other word for a full disk.
            (ErrorCode::DiskFull, _) | (_, ffi::SQLITE_IOERR_SHMSIZE) => Fault::NoRoom,
            (ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked, _) => Fault::Busy,
            // A sector that can't be read is lost, whatever one does: the rest can be saved.
            (ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase, _)
            | (_, ffi::SQLITE_IOERR_READ | ffi::SQLITE_IOERR_CORRUPTFS) => Fault::Damaged(text),
            // A header that forbids writing: the file itself was opened for writing before.
            (ErrorCode::ReadOnly, ffi::SQLITE_READONLY) => Fault::Damaged(text),
            // Tables or columns are missing.
            (ErrorCode::Unknown, ffi::SQLITE_ERROR) => Fault::Damaged(text),
            _ => Fault::Broken(text),
        }
    }
}
