//! Files of kept frames: written beside their place, synced and moved there, so that a power cut leaves a
//! whole picture or none. Each failure names what was tried, on what.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use super::shelf::Kept;
use crate::config::Name;
use crate::decide::is_incident_id;

/// What a picture has at the end of its name that was being written when the daemon was killed.
const UNFINISHED: &str = ".new";

/// Writes a file of this name. What is unfinished does not stay.
pub(super) fn write(folder: &Path, name: &str, bytes: &[u8]) -> Result<(), String> {
    let new = folder.join(format!(".{name}{UNFINISHED}"));
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o640);
    let written = options.open(&new).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&new, folder.join(name))
    });
    if let Err(fault) = written {
        let _ = fs::remove_file(&new);
        return Err(fails("write into", folder)(fault));
    }
    sync(folder)
}

/// Moves a file into a folder, which is made where it is not there; both folders are then on the disk.
/// `false` where the file is gone.
pub(super) fn move_into(folder: &Path, file: &Path) -> Result<bool, String> {
    make(folder)?;
    let (Some(from), Some(name)) = (file.parent(), file.file_name()) else {
        return Ok(false);
    };
    match fs::rename(file, folder.join(name)) {
        Err(fault) if fault.kind() == io::ErrorKind::NotFound => return Ok(false),
        moved => moved.map_err(fails("move into", folder))?,
    }
    sync(folder)?;
    sync(from)?;
    Ok(true)
}

/// Makes a folder and those above it.
pub(super) fn make(folder: &Path) -> Result<(), String> {
    if folder.is_dir() {
        return Ok(());
    }
    let above = folder.parent().unwrap_or(Path::new("/"));
    make(above)?;
    let made = DirBuilder::new().mode(0o750).create(folder);
    made.map_err(fails("make", folder))?;
    sync(above)
}

/// Removes a file; one that is gone already is no fault.
pub(super) fn remove(file: &Path) -> Result<(), String> {
    match fs::remove_file(file) {
        Err(fault) if fault.kind() != io::ErrorKind::NotFound => Err(fails("remove", file)(fault)),
        _ => Ok(()),
    }
}

/// The frames of a camera in a folder. Whatever has another name is somebody's, and stays.
pub(super) fn frames(folder: &Path, camera: &Name) -> Vec<Kept> {
    let frame = |(name, path): (String, PathBuf)| {
        let (id, end) = name.split_once('.')?;
        let extension = ["jpg", "png"].into_iter().find(|known| *known == end)?;
        let meta = fs::symlink_metadata(path).ok()?;
        (is_incident_id(id) && meta.is_file()).then(|| Kept {
            id: id.to_owned(),
            camera: camera.clone(),
            extension,
            bytes: meta.len(),
        })
    };
    entries(folder).into_iter().filter_map(frame).collect()
}

/// Removes what a killed daemon left unfinished in a folder.
pub(super) fn tidy(folder: &Path) {
    for (name, path) in entries(folder) {
        if name.starts_with('.') && name.ends_with(UNFINISHED) {
            let _ = fs::remove_file(path);
        }
    }
}

/// The folders below one that have the name of a camera.
pub(super) fn cameras(root: &Path) -> Vec<(Name, PathBuf)> {
    let named = |(name, path): (String, PathBuf)| Some((name.parse().ok()?, path));
    entries(root).into_iter().filter_map(named).collect()
}

/// What is in a folder, by name; nothing where it can't be read.
fn entries(folder: &Path) -> Vec<(String, PathBuf)> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let named = |entry: fs::DirEntry| Some((entry.file_name().into_string().ok()?, entry.path()));
    entries.filter_map(named).collect()
}

fn sync(folder: &Path) -> Result<(), String> {
    let synced = File::open(folder).and_then(|folder| folder.sync_all());
    synced.map_err(fails("sync", folder))
}

fn fails(verb: &str, path: &Path) -> impl FnOnce(io::Error) -> String {
    let what = format!("can't {verb} {}", path.display());
    move |fault| format!("{what}: {fault}")
}
