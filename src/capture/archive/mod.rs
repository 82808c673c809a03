//! Footage that is kept: what `calibrate` filmed, for later calibrations.
//!
//! Below the state folder, `footage/<camera>/<time>/` holds pictures `000001.jpg`, ... and
//! `footage.json`, the [`Notes`], which is written last: a folder without it was cut off, and its
//! pictures are good all the same. Locks of the kernel on the folders themselves say who films and
//! who reads; they go with their process. The folder's other files are never touched.
//!
//! Footage is older or newer by its folder's name. A clock may be wrong, so each name is later than all
//! that are there, of any camera; the true times stand in the notes.

mod kept;
mod recorder;
mod room;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub use kept::Kept;
pub use recorder::Recorder;
pub use room::{Full, free_bytes};

use super::{CameraSettings, CaptureError, Layout};

/// The notes of a footage.
const NOTES: &str = "footage.json";

/// What is known of a footage beside its pictures: the content of `footage.json`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Notes {
    /// Version of inspectd that filmed it.
    pub version: String,
    /// The camera's name in the configuration.
    pub camera: String,
    /// Its source, without secrets.
    pub source: String,
    /// Columns and rows of every picture.
    pub size: [u32; 2],
    /// Whether the files are a camera's MJPEG pictures as they came: their Huffman tables may have
    /// been left out, which not every program forgives.
    pub mjpeg: bool,
    /// When the first frame was taken, by the wall clock.
    pub started_at: Timestamp,
    /// When filming ended.
    pub ended_at: Timestamp,
    /// Whether the wall clock was synchronised.
    pub synced: bool,
    /// Why filming ended.
    pub ended_by: String,
    /// Frames a second that the configuration asks for.
    pub fps_asked: Option<f64>,
    /// Frames a second that came, before thinning; none where the source has no pace of its own.
    pub fps: Option<f64>,
    /// The camera's picture controls, where it has any.
    pub controls: BTreeMap<String, i64>,
    /// The form in which the camera gave its pictures, where its source says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layout: Option<Layout>,
    /// Pictures that were kept.
    pub frames: usize,
    /// Frames that came.
    pub received: u64,
    /// Frames that were lost before they came.
    pub dropped: u64,
    /// Frames that came damaged, or in another size; none of them was kept.
    pub damaged: u64,
    /// Frames that were left out while the exposure settled.
    pub settling: u64,
    /// Times without frames, after which the source was opened anew.
    pub gaps: Vec<Gap>,
    /// How many of the pictures differ from each other.
    pub different: usize,
    /// Mean brightness, 0..1.
    pub brightness: f32,
    /// What was said against the footage.
    pub warnings: Vec<String>,
    /// Whether it stays when room is made for newer footage: to be set by hand.
    #[serde(default)]
    pub pinned: bool,
    /// When each picture was taken, after the first frame.
    pub times_ms: Vec<u64>,
}

/// A time without frames.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Gap {
    /// When it began, after the first frame.
    pub at_ms: u64,
    /// How long it took.
    pub ms: u64,
    /// Why.
    pub reason: String,
}

impl Notes {
    /// The notes in a folder; none where there are none.
    ///
    /// # Errors
    /// When they can't be read or understood.
    pub fn read(folder: &Path) -> Result<Option<Notes>, CaptureError> {
        let path = folder.join(NOTES);
        let bytes = match super::images::read_bounded(&path) {
            Ok(bytes) => bytes,
            Err(fault) if is_absent(&fault) => return Ok(None),
            Err(source) => {
                return Err(CaptureError::Io {
                    what: format!("can't read {}", path.display()),
                    source,
                });
            }
        };
        serde_json::from_slice(&bytes).map(Some).map_err(|fault| {
            CaptureError::Broken(format!(
                "{} can't be understood ({fault}): remove it, the pictures can be used without it",
                path.display()
            ))
        })
    }

    /// How the camera was set.
    pub fn settings(&self) -> CameraSettings {
        CameraSettings {
            controls: self.controls.clone(),
            fps: self.fps,
            layout: self.layout,
        }
    }
}

fn is_absent(fault: &std::io::Error) -> bool {
    use std::io::ErrorKind::{NotADirectory, NotFound};
    matches!(fault.kind(), NotFound | NotADirectory)
}

/// Why footage can't be written.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    /// Somebody else films the camera.
    #[error("{camera} is being filmed by another inspectd: wait for it, or stop it")]
    Busy {
        /// Its name.
        camera: String,
    },
    /// The system refused.
    #[error("{what}: footage goes into the state folder, check that it exists and may be written")]
    Write {
        /// What was tried, on what.
        what: String,
        /// The system's answer.
        source: std::io::Error,
    },
}

/// The footage of all cameras.
#[derive(Debug, Clone)]
pub struct Archive {
    root: PathBuf,
    quota: u64,
}

impl Archive {
    /// Below a state folder, with at most `quota` bytes in all. Makes nothing yet.
    pub fn new(state_dir: &Path, quota: u64) -> Self {
        Archive {
            root: state_dir.join("footage"),
            quota,
        }
    }

    /// The newest footage of a camera that was filmed to its end.
    ///
    /// # Errors
    /// When there is none, or what is there can't be read.
    pub fn newest(&self, camera: &str) -> Result<PathBuf, CaptureError> {
        let folder = self.root.join(camera);
        if let Err(source) = fs::read_dir(&folder)
            && !is_absent(&source)
        {
            let what = format!("can't look for footage of {camera} in {}", folder.display());
            return Err(CaptureError::Io { what, source });
        }
        let whole = footages(&folder)
            .into_iter()
            .filter(|footage| footage.join(NOTES).exists());
        whole.max().ok_or_else(|| {
            CaptureError::Broken(format!(
                "there is no footage of {camera} in {}: film some, `inspectd calibrate --camera \
                 {camera} --minutes 10`",
                folder.display()
            ))
        })
    }
}

/// Keeps a footage from being removed while the value lives. None where the file system knows no
/// locks, or where it is just being filmed.
pub fn hold(folder: &Path) -> Option<File> {
    let folder = File::open(folder).ok()?;
    folder.try_lock_shared().ok()?;
    Some(folder)
}

/// The footages in a camera's folder, whole or cut off. Whatever has another name is none.
fn footages(camera: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(camera).into_iter().flatten().flatten();
    let is_footage = |entry: &fs::DirEntry| {
        let is_stamp = entry.file_name().to_str().is_some_and(is_stamp);
        // Of the entry itself: a link is not followed, and so never emptied.
        is_stamp && entry.file_type().is_ok_and(|kind| kind.is_dir())
    };
    entries
        .filter(is_footage)
        .map(|entry| entry.path())
        .collect()
}

/// The footages of all cameras.
fn all_footages(root: &Path) -> impl Iterator<Item = PathBuf> {
    let cameras = fs::read_dir(root).into_iter().flatten().flatten();
    cameras.flat_map(|camera| footages(&camera.path()))
}

const STAMP: &str = "%Y%m%dT%H%M%SZ";

/// `20261124T034500Z`; sorts by time.
fn stamp(at: Timestamp) -> String {
    at.strftime(STAMP).to_string()
}

/// The time that a footage's name says; none where it is no time.
fn time_of(footage: &Path) -> Option<Timestamp> {
    let name = footage.file_name()?.to_str()?;
    let time = jiff::civil::DateTime::strptime(STAMP, name).ok()?;
    jiff::tz::TimeZone::UTC.to_timestamp(time).ok()
}

fn is_stamp(name: &str) -> bool {
    let shape = |c: char| if c.is_ascii_digit() { '0' } else { c };
    name.chars().map(shape).eq("00000000T000000Z".chars())
}

#[cfg(test)]
mod tests;
