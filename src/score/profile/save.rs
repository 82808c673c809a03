//! Saving a Profile: written beside its place, synced, then switched in by one atomic step.
//!
//! The former Profile stays as `DIR.previous`. Until the switch nothing in place is touched, and a
//! failure removes what was written. A directory that holds anything but a Profile is never
//! replaced.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};
use rustix::io::Errno;

use super::golden::is_golden_name;
use super::recall::is_recall_name;
use super::{
    IssuedReceipt, MANIFEST, MATERIAL, Profile, ProfileError, RECEIPT, REPORTS, STATISTICS, STUDENT,
};
use super::{arrays, json, material};

/// Random characters at the end of the name of a folder aside.
const ASIDE_RANDOM: usize = 6;

/// Swaps two paths atomically.
pub(super) type Exchange = fn(&Path, &Path) -> io::Result<()>;

impl Profile {
    /// Saves the Profile as `dir`, whose parent must exist.
    ///
    /// # Errors
    /// [`ProfileError::Foreign`] if something else lies there, [`ProfileError::Write`] if it can't
    /// be written; [`ProfileError::Unsynced`] and [`ProfileError::Retire`] once the new one is in
    /// place.
    ///
    /// # Panics
    /// If its golden frames were taken out, or it was not loaded whole.
    pub fn save(&self, dir: &Path) -> Result<(), ProfileError> {
        self.save_by(dir, Vec::new(), exchange)
    }

    /// The same, with the contents of [`REPORTS`] beside the Profile's own files.
    ///
    /// # Errors
    /// As [`Profile::save`].
    pub fn save_with_reports(&self, dir: &Path, reports: [Vec<u8>; 2]) -> Result<(), ProfileError> {
        let reports = REPORTS.into_iter().zip(reports).collect();
        self.save_by(dir, reports, exchange)
    }

    pub(super) fn save_by(
        &self,
        dir: &Path,
        beside: Vec<(&'static str, Vec<u8>)>,
        exchange: Exchange,
    ) -> Result<(), ProfileError> {
        let place = Place::find(dir)?;
        let mut files = beside;
        files.extend(self.files());
        let aside = place.write_aside(&files)?;
        place.switch_in(aside, exchange)
    }

    /// Names and contents of the files.
    fn files(&self) -> Vec<(&str, Vec<u8>)> {
        let (own, told) = (self, &self.manifest);
        assert_eq!(
            (own.golden.len(), own.recall.len(), own.material.is_some()),
            (told.golden.len(), told.recall.len(), told.has_material()),
            "what is saved is whole"
        );
        let receipt = IssuedReceipt {
            profile: self.id.clone(),
            receipt: self.receipt.clone(),
        };
        let mut files = vec![
            (MANIFEST, json(&self.manifest)),
            (RECEIPT, json(&receipt)),
            (STUDENT, self.student.clone()),
            (
                STATISTICS,
                arrays::encode(&self.statistics, self.scene.as_deref()),
            ),
        ];
        let golden = self.golden.iter();
        files.extend(golden.map(|frame| (frame.scored().file.as_str(), frame.bytes().to_vec())));
        let recall = self.recall.iter();
        files.extend(recall.map(|frame| (frame.scored().file.as_str(), frame.bytes().to_vec())));
        files.extend((self.material.iter()).map(|own| (MATERIAL, material::encode(own))));
        files
    }
}

/// Checks that a Profile could be saved as `dir`: to be asked before calibration takes its time. Gives
/// where it would really lie.
///
/// # Errors
/// As [`Profile::save`].
pub fn check_target(dir: &Path) -> Result<PathBuf, ProfileError> {
    let place = Place::find(dir)?;
    let probe = tempfile::Builder::new()
        .prefix(".inspectd-new-")
        .tempdir_in(&place.parent);
    let path = place.parent;
    probe.map(drop).map_err(|source| ProfileError::Write {
        path,
        needed: None,
        source,
    })?;
    Ok(place.dir)
}

/// Files of a Profile beside its place, synced, that nobody uses yet. Dropped, they are removed.
pub(super) struct Aside {
    pub(super) folder: tempfile::TempDir,
    /// Bytes of all files.
    needed: usize,
}

/// Where a Profile goes.
pub(super) struct Place {
    /// Exists, symbolic links resolved.
    pub(super) parent: PathBuf,
    pub(super) dir: PathBuf,
    /// `dir` with `.previous` after it.
    pub(super) previous: PathBuf,
    /// Whether a Profile is there, whole or damaged.
    pub(super) taken: bool,
}

impl Place {
    pub(super) fn find(dir: &Path) -> Result<Self, ProfileError> {
        // A link's target is what gets replaced, so that the link stays.
        let real = match fs::canonicalize(dir) {
            Ok(real) => real,
            Err(_) => absent(dir)?,
        };
        let (Some(parent), Some(name)) = (real.parent(), real.file_name()) else {
            return Err(foreign(dir, "is the root of the file system"));
        };
        let mut previous: OsString = name.to_owned();
        previous.push(".previous");
        let previous = parent.join(previous);
        holds_profile(&previous)?;
        let (taken, parent) = (holds_profile(&real)?, parent.to_owned());
        Ok(Self {
            parent,
            dir: real,
            previous,
            taken,
        })
    }

    /// Writes files, by name, into a new folder beside the place.
    pub(super) fn write_aside(
        &self,
        files: &[(impl AsRef<str>, Vec<u8>)],
    ) -> Result<Aside, ProfileError> {
        let needed = files.iter().map(|(_, bytes)| bytes.len()).sum();
        let fails = |path: &Path| {
            let path = path.to_owned();
            move |source| ProfileError::Write {
                path,
                needed: Some(needed),
                source,
            }
        };
        let mut folder = tempfile::Builder::new();
        let prefix = self.aside();
        let folder = folder.prefix(&prefix).rand_bytes(ASIDE_RANDOM);
        let folder = folder.tempdir_in(&self.parent);
        let folder = folder.map_err(fails(&self.parent))?;
        for (name, bytes) in files {
            let name = name.as_ref();
            let written = write_synced(&folder.path().join(name), bytes);
            written.map_err(fails(&self.dir.join(name)))?;
        }
        sync_dir(folder.path()).map_err(fails(&self.dir))?;
        Ok(Aside { folder, needed })
    }

    /// Puts what was written aside in place, for good. Only then goes what a kill or a power cut has left
    /// beside this place before: it may have been the former Profile, and by now there is a newer one.
    pub(super) fn switch_in(self, aside: Aside, exchange: Exchange) -> Result<(), ProfileError> {
        self.take(aside, exchange)?;
        let synced = sync_dir(&self.parent);
        self.sweep();
        synced.map_err(|source| ProfileError::Unsynced {
            dir: self.dir,
            source,
        })
    }

    /// What the names of this place's folders aside begin with.
    fn aside(&self) -> OsString {
        let mut name = OsString::from(".inspectd-new-");
        name.push(self.dir.file_name().unwrap_or_default());
        name.push(".");
        name
    }

    fn sweep(&self) {
        let prefix = self.aside();
        let is_left = |name: &OsStr| {
            let rest = name.as_encoded_bytes();
            let rest = rest.strip_prefix(prefix.as_encoded_bytes());
            // No dot: those of `press.b` are not those of `press`.
            rest.is_some_and(|rest| rest.len() == ASIDE_RANDOM && !rest.contains(&b'.'))
        };
        let entries = fs::read_dir(&self.parent).into_iter().flatten().flatten();
        for entry in entries.filter(|entry| is_left(&entry.file_name())) {
            // What stays is only in the way, and the next one tries again.
            let _ = fs::remove_dir_all(entry.path());
        }
    }

    /// Puts `aside` in place.
    fn take(&self, aside: Aside, exchange: Exchange) -> Result<(), ProfileError> {
        let (new, needed) = (aside.folder, Some(aside.needed));
        let failed = |source| ProfileError::Write {
            path: self.dir.clone(),
            needed,
            source,
        };
        if !self.taken {
            // Fails if anything but an empty directory appeared there in the meantime.
            fs::rename(new.path(), &self.dir).map_err(failed)?;
            let _ = new.keep(); // moved away: there is nothing to clean up
            return Ok(());
        }
        match exchange(new.path(), &self.dir) {
            Ok(()) => self.retire(new.keep()),
            Err(error) if is_unsupported(&error) => {
                self.take_in_two_steps(new.path()).map_err(failed)?;
                let _ = new.keep();
                Ok(())
            }
            Err(error) => Err(failed(error)),
        }
    }

    /// Keeps the former Profile, now at `former`, as the previous one.
    fn retire(&self, former: PathBuf) -> Result<(), ProfileError> {
        let retired = self
            .clear_previous()
            .and_then(|()| fs::rename(&former, &self.previous));
        let (dir, previous) = (self.dir.clone(), self.previous.clone());
        retired.map_err(|source| ProfileError::Retire {
            dir,
            former,
            previous,
            source,
        })
    }

    /// For file systems that can't exchange: between the two steps a reader finds no Profile.
    fn take_in_two_steps(&self, new: &Path) -> io::Result<()> {
        self.clear_previous()?;
        fs::rename(&self.dir, &self.previous)?;
        fs::rename(new, &self.dir).inspect_err(|_| {
            // The error that is reported is the first one; the former lies in either place.
            let _ = fs::rename(&self.previous, &self.dir);
        })
    }

    fn clear_previous(&self) -> io::Result<()> {
        match fs::remove_dir_all(&self.previous) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }
}

/// The real path of a directory that is yet to be made.
fn absent(dir: &Path) -> Result<PathBuf, ProfileError> {
    let Some(name) = dir.file_name() else {
        return Err(foreign(dir, "names no directory"));
    };
    if dir.is_symlink() {
        return Err(foreign(dir, "is a link to nothing"));
    }
    let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty());
    let parent = parent.unwrap_or(Path::new("."));
    match fs::canonicalize(parent) {
        Ok(real) if real.is_dir() => Ok(real.join(name)),
        other => {
            let source = other.err().unwrap_or(io::ErrorKind::NotADirectory.into());
            Err(ProfileError::Write {
                path: parent.to_owned(),
                needed: None,
                source,
            })
        }
    }
}

/// Whether a Profile, whole or damaged, is at `dir`; nothing and an empty directory are none.
pub(super) fn holds_profile(dir: &Path) -> Result<bool, ProfileError> {
    let entries = match fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        // A file, not a directory.
        Err(error) if error.kind() == io::ErrorKind::NotADirectory => {
            return Err(foreign(dir, "is a file"));
        }
        Err(source) => return Err(unlisted(dir, source)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|source| unlisted(dir, source))?;
        names.push(entry.file_name());
    }
    let ours = [MANIFEST, RECEIPT, STUDENT, STATISTICS, MATERIAL];
    let is_ours = |name: &OsStr| {
        let mut fixed = ours.iter().chain(&REPORTS);
        fixed.any(|own| *own == name) || is_golden_name(name) || is_recall_name(name)
    };
    if let Some(other) = names.iter().find(|name| !is_ours(name)) {
        let what = format!("holds {}, which is no part of a Profile", other.display());
        return Err(foreign(dir, &what));
    }
    let telling = names
        .iter()
        .any(|name| name == MANIFEST || name == STATISTICS);
    if !names.is_empty() && !telling {
        return Err(foreign(dir, "holds files that alone make no Profile"));
    }
    Ok(telling)
}

fn unlisted(path: &Path, source: io::Error) -> ProfileError {
    ProfileError::Unlisted {
        path: path.to_owned(),
        source,
    }
}

fn foreign(path: &Path, what: &str) -> ProfileError {
    ProfileError::Foreign {
        path: path.to_owned(),
        what: what.to_owned(),
    }
}

fn write_synced(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = File::create_new(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}

pub(super) fn sync_dir(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

pub(super) fn exchange(a: &Path, b: &Path) -> io::Result<()> {
    Ok(renameat_with(CWD, a, CWD, b, RenameFlags::EXCHANGE)?)
}

pub(super) fn is_unsupported(error: &io::Error) -> bool {
    let unsupported = [Errno::INVAL, Errno::NOSYS, Errno::OPNOTSUPP];
    unsupported
        .iter()
        .any(|errno| error.raw_os_error() == Some(errno.raw_os_error()))
}
