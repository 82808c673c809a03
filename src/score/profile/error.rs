//! What can be wrong with a Profile or with the place for one, and the way out of each.

use std::path::{Path, PathBuf};

use rustix::io::Errno;

use super::save::holds_profile;
use crate::shell::word;

/// Why a Profile could not be loaded or saved. Nothing half-written is left behind.
#[derive(Debug, thiserror::Error)]
pub enum ProfileError {
    /// There is no Profile there.
    #[error(
        "{} is no Profile: it has no profile.json; check the path, or make one with `inspectd calibrate \
         --camera NAME` (in the package `systemctl start inspectd-calibrate@NAME`), or from any pictures with \
         `inspectd calibrate --footage PATH --out {}`", .dir.display(), word(.dir)
    )]
    NotAProfile {
        /// Where one was expected.
        dir: PathBuf,
    },
    /// A file could not be read.
    #[error("reading {} failed", .path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// Made by a newer inspectd.
    #[error(
        "{} is of format {found}, this inspectd reads up to {}: update inspectd, or {}",
        .path.display(), super::FORMAT, way_out(.path)
    )]
    NewerFormat {
        /// `profile.json`.
        path: PathBuf,
        /// Its version.
        found: u64,
    },
    /// A file is missing, or is not what calibration wrote.
    #[error("{} {what}: {}", .path.display(), way_out(.path))]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// A file of a Profile that is to be installed is missing, or is not what it was where it was made.
    #[error(
        "{} {what}: copy the Profile over once more from where it was made", .path.display()
    )]
    Torn {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        what: String,
    },
    /// Made for another teacher, or for other preprocessing.
    #[error(
        "the Profile in {} was made for {what}: give that teacher (--teacher, or `path` of [teacher] in the \
         configuration), or calibrate again with this one (`--camera NAME --footage last` takes what was filmed before)", .dir.display()
    )]
    OtherTeacher {
        /// The Profile.
        dir: PathBuf,
        /// The teacher that it was made for, and the one given.
        what: String,
    },
    /// On this machine it scores otherwise than where it was made.
    #[error(
        "the Profile in {} does not score here as it did at calibration: {what}; no score of it can be \
         trusted here. Try another build of inspectd, check this machine's memory, or calibrate again",
        .dir.display()
    )]
    OtherScores {
        /// The Profile.
        dir: PathBuf,
        /// The golden frame, what it scores here and what it did.
        what: String,
    },
    /// There is nothing to take back.
    #[error(
        "{} has no previous Profile: there is none in {}; `inspectd calibrate` keeps the one that it \
         replaces, and `inspectd profile show` says what is there", .dir.display(), .previous.display()
    )]
    NoPrevious {
        /// Where the Profile is.
        dir: PathBuf,
        /// Where the previous one would be.
        previous: PathBuf,
    },
    /// Nobody can tell what lies where the Profile should go.
    #[error("{} can't be listed, so it is left as it is{}", .path.display(), by_whom(.source))]
    Unlisted {
        /// The directory.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// Something else lies where the Profile should go.
    #[error("{} {what}, so it is left as it is: choose another --out or DIR, or move it away", .path.display())]
    Foreign {
        /// The thing.
        path: PathBuf,
        /// Why it is no Profile.
        what: String,
    },
    /// A file or directory could not be written.
    #[error(
        "writing {} failed{}; what was there before is untouched: free some space, check that the \
         directory exists and may be written, or choose another --out or DIR",
        .path.display(), in_all(.needed)
    )]
    Write {
        /// What was being written.
        path: PathBuf,
        /// Bytes of the whole Profile, once they are known.
        needed: Option<usize>,
        /// The system's answer.
        source: std::io::Error,
    },
    /// The new Profile is in place, but may not be on the disk yet.
    #[error(
        "the new Profile is in {}, but the system could not confirm that it would outlive a power \
         cut: check the disk, and save again", .dir.display()
    )]
    Unsynced {
        /// The new Profile.
        dir: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// The new Profile is in place, but the former could not be put aside.
    #[error(
        "the new Profile is in {}, but moving the former from {} to {} failed: move it by hand, or \
         delete it, and see that what is there belongs to this user", .dir.display(), .former.display(), .previous.display()
    )]
    Retire {
        /// The new Profile.
        dir: PathBuf,
        /// Where the former lies.
        former: PathBuf,
        /// Where it should go.
        previous: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
}

impl ProfileError {
    /// What is wrong with the Profile itself, such that another one in its place may do; none where it is
    /// asked for in vain.
    pub fn damage(&self) -> Option<String> {
        match self {
            ProfileError::Damaged { path, what } => Some(format!("{} {what}", path.display())),
            ProfileError::OtherScores { what, .. } => {
                Some(format!("it does not score here as it did: {what}"))
            }
            // What is left of one, without it.
            ProfileError::NotAProfile { dir } if holds_profile(dir).is_ok_and(|holds| holds) => {
                Some(format!("{} has no profile.json", dir.display()))
            }
            // A bad sector, not a missing right.
            ProfileError::Read { path, source }
                if source.raw_os_error() == Some(Errno::IO.raw_os_error()) =>
            {
                Some(format!("reading {} failed ({source})", path.display()))
            }
            _ => None,
        }
    }

    /// The same of a Profile that is to be copied from this folder: what helps is another copy.
    #[must_use]
    pub fn in_copied(self, from: &Path) -> ProfileError {
        match self {
            ProfileError::Damaged { path, what } => ProfileError::Torn {
                path: from.join(path.file_name().unwrap_or_default()),
                what,
            },
            ProfileError::OtherTeacher { what, .. } => ProfileError::OtherTeacher {
                dir: from.to_owned(),
                what,
            },
            other => other,
        }
    }
}

fn in_all(needed: &Option<usize>) -> String {
    needed
        .map(|bytes| format!(" ({bytes} bytes are needed in all)"))
        .unwrap_or_default()
}

/// Who may list what this user may not.
fn by_whom(source: &std::io::Error) -> &'static str {
    match source.kind() {
        std::io::ErrorKind::PermissionDenied => {
            ": run it as the user that it belongs to, with the package by `sudo -u inspectd`"
        }
        _ => "",
    }
}

/// What to do about a Profile, one of whose files can't be used.
fn way_out(file: &Path) -> String {
    let dir = file.parent().unwrap_or(file);
    match dir.to_string_lossy().strip_suffix(".previous") {
        Some(dir) => format!(
            "it can't be taken back; calibrate again with `inspectd calibrate --footage PATH --out {}`",
            word(Path::new(dir))
        ),
        None => format!(
            "calibrate again with `inspectd calibrate --footage PATH --out {0}`, or take the former \
             one back with `inspectd profile rollback {0}`",
            word(dir)
        ),
    }
}
