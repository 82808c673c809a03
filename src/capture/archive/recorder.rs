//! Writes one footage, picture by picture, and its notes at the end.
//!
//! One process films a camera at a time. A footage that holds no picture leaves no folder; one that
//! was not finished stays without notes, and its pictures can be used.

use std::fs::{self, DirBuilder, File, TryLockError};
use std::io::{self, Write as _};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;

use super::room::Room;
use super::{Archive, ArchiveError, Full, NOTES, Notes, all_footages, stamp, time_of};

/// A footage that is being written.
#[derive(Debug)]
pub struct Recorder {
    root: PathBuf,
    folder: PathBuf,
    /// Locked, so that nobody else films this camera.
    _camera: File,
    /// Locked, so that nobody makes room with it.
    _own: File,
    room: Room,
    files: Vec<PathBuf>,
    bytes: u64,
}

impl Archive {
    /// Begins a footage of a camera.
    ///
    /// # Errors
    /// When the camera is being filmed already, or the folder can't be made.
    pub fn record(&self, camera: &str, at: Timestamp) -> Result<Recorder, ArchiveError> {
        let shelf = self.root.join(camera);
        let mut folder = DirBuilder::new();
        folder.recursive(true).mode(0o750);
        folder.create(&shelf).map_err(fails("make", &shelf))?;
        let lock = lock(&shelf, camera)?;
        let folder = new_folder(&shelf, self.after_all(at))?;
        let own = File::open(&folder).map_err(fails("open", &folder))?;
        // It is new, and this camera's lock is ours: only a file system without locks says no.
        let _ = own.try_lock();
        Ok(Recorder {
            root: self.root.clone(),
            room: Room::new(&self.root, self.quota, &folder),
            folder,
            _camera: lock,
            _own: own,
            files: Vec::new(),
            bytes: 0,
        })
    }

    /// This time, or a second after the newest footage: what is filmed now is the newest, whatever the
    /// clock of a board says that has not been set yet.
    fn after_all(&self, at: Timestamp) -> Timestamp {
        let newest = all_footages(&self.root).filter_map(|footage| time_of(&footage));
        let after = newest.max().and_then(|newest| later(newest).ok());
        after.map_or(at, |after| after.max(at))
    }
}

fn later(at: Timestamp) -> Result<Timestamp, jiff::Error> {
    at.checked_add(Duration::from_secs(1))
}

impl Recorder {
    /// Where it is.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Pictures so far.
    pub fn frames(&self) -> usize {
        self.files.len()
    }

    /// Writes a picture, a file of this kind (`jpg` or `png`), and makes room for it. Says so where
    /// there is none; what is there stays.
    ///
    /// # Errors
    /// When it can't be written for any other reason.
    pub fn keep(&mut self, bytes: &[u8], extension: &str) -> Result<Option<Full>, ArchiveError> {
        let length = bytes.len() as u64;
        if let Err(full) = self.room.make(self.bytes, length) {
            return Ok(Some(full));
        }
        let name = format!("{:06}.{extension}", self.files.len() + 1);
        let path = self.folder.join(name);
        if let Err(source) = fs::write(&path, bytes) {
            // Half a picture is none.
            let _ = fs::remove_file(&path);
            if is_full(&source) {
                return Ok(Some(Full::Disk));
            }
            return Err(fails("write", &path)(source));
        }
        self.files.push(path);
        self.bytes += length;
        Ok(None)
    }

    /// Whether there will be room for so many more pictures like those so far.
    pub fn has_room_for(&self, more: usize) -> bool {
        let mean = self.bytes / (self.files.len() as u64).max(1);
        let more = mean.saturating_mul(more as u64);
        self.room.could_hold(self.bytes, more)
    }

    /// What was removed to make room.
    pub fn removed(&self) -> &[PathBuf] {
        self.room.removed()
    }

    /// Writes the notes and returns once all is on the disk.
    ///
    /// # Errors
    /// When that can't be done: the footage then lacks its notes.
    pub fn finish(self, notes: &Notes) -> Result<(), ArchiveError> {
        for file in &self.files {
            sync(file).map_err(fails("sync", file))?;
        }
        let path = self.folder.join(NOTES);
        write_notes(&self.folder, &path, notes).map_err(fails("write", &path))?;
        let shelf = self.folder.parent().unwrap_or(&self.root);
        for folder in [&self.folder, shelf, &self.root] {
            sync(folder).map_err(fails("sync", folder))?;
        }
        Ok(())
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        if self.files.is_empty() {
            // Each goes only where it is empty, and an empty folder hurts nobody where it stays.
            let _ = fs::remove_dir(&self.folder);
            let _ = self.folder.parent().map(fs::remove_dir);
            let _ = fs::remove_dir(&self.root);
        }
    }
}

fn lock(shelf: &Path, camera: &str) -> Result<File, ArchiveError> {
    let folder = File::open(shelf).map_err(fails("open", shelf))?;
    match folder.try_lock() {
        Err(TryLockError::WouldBlock) => Err(ArchiveError::Busy {
            camera: camera.to_owned(),
        }),
        // Without locks the worst is that two films of one camera lie side by side.
        _ => Ok(folder),
    }
}

/// A folder that did not exist. Names have seconds: a second film within one takes the next.
fn new_folder(shelf: &Path, mut at: Timestamp) -> Result<PathBuf, ArchiveError> {
    loop {
        let folder = shelf.join(stamp(at));
        let Err(fault) = DirBuilder::new().mode(0o750).create(&folder) else {
            return Ok(folder);
        };
        match later(at) {
            Ok(next) if fault.kind() == io::ErrorKind::AlreadyExists => at = next,
            _ => return Err(fails("make", &folder)(fault)),
        }
    }
}

fn write_notes(folder: &Path, path: &Path, notes: &Notes) -> io::Result<()> {
    // The folder is this process's alone: nobody else has a file of this name.
    let new = folder.join(".footage.json.new");
    let mut file = File::create(&new)?;
    serde_json::to_writer(&mut file, notes)?;
    file.write_all(b"\n")?;
    file.sync_all()?;
    fs::rename(&new, path)
}

fn sync(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

fn is_full(fault: &io::Error) -> bool {
    use io::ErrorKind::{QuotaExceeded, StorageFull};
    matches!(fault.kind(), StorageFull | QuotaExceeded)
}

fn fails(verb: &str, path: &Path) -> impl FnOnce(io::Error) -> ArchiveError {
    let what = format!("can't {verb} {}", path.display());
    move |source| ArchiveError::Write { what, source }
}
