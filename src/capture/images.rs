//! A folder of images, or one image, as a source.
//!
//! Files whose name ends in `.jpg`, `.jpeg` or `.png` (in any case) come in the order of their
//! names; links are followed, anything else is passed over, folders are not entered. Files are
//! delivered as they are and never decoded here. A file that can't be read is delivered as an empty
//! [`Pixels::Encoded`], so that it shows up as a frame that can't be judged and the rest goes on;
//! the source itself fails only when the folder is gone or holds no image.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::pace::{Fps, Pace};
use super::{CaptureError, Frame, Moment, Next, Opener, Pixels, Source};

/// A larger file is no picture that preprocess would take; it is not read.
const MAX_BYTES: u64 = 256 << 20;

/// Opens a folder of images, or one image.
#[derive(Debug, Clone)]
pub struct Images {
    /// The folder or the file.
    pub path: PathBuf,
    /// The pace; as fast as asked where absent.
    pub fps: Option<Fps>,
    /// Starts over after the last file, with the folder read anew, and never ends.
    pub repeat: bool,
}

impl Opener for Images {
    fn open(&self) -> Result<Box<dyn Source>, CaptureError> {
        Ok(Box::new(OpenImages {
            files: list(&self.path)?.into_iter(),
            pace: Pace::new(self.fps),
            spec: self.clone(),
            seq: 0,
        }))
    }

    fn describe(&self) -> String {
        format!("images {}", self.path.display())
    }

    fn is_live(&self) -> bool {
        self.fps.is_some()
    }

    fn is_footage(&self) -> bool {
        true
    }
}

/// Whether the file's name is that of an image that [`Images`] takes.
pub fn is_image_name(path: &Path) -> bool {
    path.extension()
        .and_then(OsStr::to_str)
        .is_some_and(|extension| {
            ["jpg", "jpeg", "png"]
                .iter()
                .any(|known| extension.eq_ignore_ascii_case(known))
        })
}

struct OpenImages {
    spec: Images,
    files: std::vec::IntoIter<PathBuf>,
    pace: Pace,
    seq: u64,
}

impl Source for OpenImages {
    fn next(&mut self, timeout: Duration) -> Result<Next, CaptureError> {
        if self.files.as_slice().is_empty() {
            if !self.spec.repeat {
                return Ok(Next::End);
            }
            self.files = list(&self.spec.path)?.into_iter();
        }
        if !self.pace.wait(timeout) {
            return Ok(Next::Idle);
        }
        let Some(file) = self.files.next() else {
            return Ok(Next::Idle);
        };
        self.pace.taken();
        let frame = Frame {
            seq: self.seq,
            at: Moment::now(),
            name: file
                .file_name()
                .map(|name| name.to_string_lossy().into_owned().into()),
            pixels: Pixels::Encoded(self.read(&file)?),
        };
        self.seq += 1;
        Ok(Next::Frame(frame))
    }
}

impl OpenImages {
    /// The file's bytes; none where it can't be read but the folder is still there.
    fn read(&self, file: &Path) -> Result<Vec<u8>, CaptureError> {
        read_bounded(file).or_else(|reason| {
            if !self.spec.path.exists() {
                return Err(gone(&self.spec.path, reason));
            }
            tracing::warn!(file = %file.display(), %reason, "image can't be read, frame not judged");
            Ok(Vec::new())
        })
    }
}

/// Reads a regular file of a sensible size.
///
/// # Errors
/// Those of the file system; and for a device or pipe, which might never end, or a file larger than
/// any picture.
pub fn read_bounded(path: &Path) -> std::io::Result<Vec<u8>> {
    // Asked before opening: a pipe without a writer would wait for one.
    if !std::fs::metadata(path)?.is_file() {
        return Err(std::io::Error::other("not a regular file"));
    }
    let file = File::open(path)?;
    let length = file.metadata()?.len();
    let mut bytes = Vec::with_capacity(usize::try_from(length.min(MAX_BYTES)).unwrap_or(0));
    // One byte more than allowed tells a file that is too large, also one that grows meanwhile.
    file.take(MAX_BYTES + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(std::io::Error::other(format!(
            "larger than {} MiB",
            MAX_BYTES >> 20
        )));
    }
    Ok(bytes)
}

/// The image files of a folder by name, or the one file.
///
/// # Errors
/// [`CaptureError::Io`] where it can't be read, [`CaptureError::Broken`] where the folder has none.
pub fn list(path: &Path) -> Result<Vec<PathBuf>, CaptureError> {
    let kind = std::fs::metadata(path).map_err(|source| gone(path, source))?;
    if kind.is_file() {
        return Ok(vec![path.to_owned()]);
    }
    let entries = std::fs::read_dir(path).map_err(|source| gone(path, source))?;
    let mut files = Vec::new();
    for entry in entries {
        let file = entry.map_err(|source| gone(path, source))?.path();
        // `metadata` follows links. A link into the void is kept: it is an image that is missing.
        let is_folder_or_pipe = std::fs::metadata(&file).is_ok_and(|kind| !kind.is_file());
        if is_image_name(&file) && !is_folder_or_pipe {
            files.push(file);
        } else {
            tracing::debug!(file = %file.display(), "not an image, passed over");
        }
    }
    if files.is_empty() {
        return Err(CaptureError::Broken(format!(
            "no image in the folder {}; put .jpg or .png files there (folders inside are not entered)",
            path.display()
        )));
    }
    files.sort();
    Ok(files)
}

fn gone(path: &Path, source: std::io::Error) -> CaptureError {
    CaptureError::Io {
        what: format!(
            "can't read the images of {}; does it exist, and may this user read it?",
            path.display()
        ),
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for name in files {
            std::fs::write(folder.path().join(name), name.as_bytes()).unwrap();
        }
        folder
    }

    fn images(path: &Path) -> Images {
        Images {
            path: path.to_owned(),
            fps: None,
            repeat: false,
        }
    }

    /// Name and bytes of each frame until the end, at most `limit`.
    fn frames(source: &mut dyn Source, limit: usize) -> Vec<(u64, String, Vec<u8>)> {
        let mut frames = Vec::new();
        while frames.len() < limit {
            match source.next(Duration::from_secs(5)).unwrap() {
                Next::Frame(frame) => {
                    let Pixels::Encoded(bytes) = frame.pixels else {
                        panic!("a file is not decoded here");
                    };
                    frames.push((frame.seq, frame.name.unwrap().to_string(), bytes));
                }
                Next::Idle => {}
                Next::Damaged(how) => panic!("{how}"),
                Next::End => break,
            }
        }
        frames
    }

    fn names(frames: &[(u64, String, Vec<u8>)]) -> Vec<&str> {
        frames.iter().map(|(_, name, _)| name.as_str()).collect()
    }

    #[test]
    fn files_come_by_name_with_their_bytes_and_others_are_passed_over() {
        let folder = folder(&["b.PNG", "a.jpeg", "c.Jpg", "notes.txt", "png", "0.mp4"]);
        std::fs::create_dir(folder.path().join("z.png")).unwrap();
        let frames = frames(&mut *images(folder.path()).open().unwrap(), 9);
        assert_eq!(names(&frames), ["a.jpeg", "b.PNG", "c.Jpg"]);
        assert_eq!(
            frames.iter().map(|frame| frame.0).collect::<Vec<_>>(),
            [0, 1, 2]
        );
        assert!(
            frames
                .iter()
                .all(|(_, name, bytes)| name.as_bytes() == bytes)
        );
    }

    #[test]
    fn links_are_followed() {
        let elsewhere = folder(&["real.png"]);
        let folder = folder(&[]);
        std::os::unix::fs::symlink(
            elsewhere.path().join("real.png"),
            folder.path().join("link.png"),
        )
        .unwrap();
        let frames = frames(&mut *images(folder.path()).open().unwrap(), 9);
        assert_eq!(frames[0].2, b"real.png");
    }

    #[test]
    fn one_file_is_a_source_too() {
        let folder = folder(&["a.png", "b.png"]);
        let spec = images(&folder.path().join("b.png"));
        let frames = frames(&mut *spec.open().unwrap(), 9);
        assert_eq!(names(&frames), ["b.png"]);
    }

    #[test]
    fn a_file_that_vanishes_is_an_empty_frame_and_the_rest_goes_on() {
        let folder = folder(&["a.png", "b.png", "c.png"]);
        let mut source = images(folder.path()).open().unwrap();
        std::fs::remove_file(folder.path().join("b.png")).unwrap();
        let frames = frames(&mut *source, 9);
        assert_eq!(names(&frames), ["a.png", "b.png", "c.png"]);
        assert!(frames[1].2.is_empty());
        assert_eq!(frames[2].2, b"c.png");
    }

    #[test]
    fn a_folder_that_vanishes_breaks_the_source() {
        let folder = folder(&["a.png"]);
        let mut source = images(folder.path()).open().unwrap();
        let path = folder.path().display().to_string();
        drop(folder);
        let error = source.next(Duration::from_secs(5)).unwrap_err();
        assert!(error.to_string().contains(&path), "{error}");
    }

    #[test]
    fn an_empty_or_missing_folder_is_named() {
        let folder = folder(&["notes.txt"]);
        for path in [folder.path().to_owned(), folder.path().join("none")] {
            let error = images(&path).open().err().unwrap().to_string();
            assert!(error.contains(&path.display().to_string()), "{error}");
        }
    }

    #[test]
    fn repeating_starts_over_and_sees_new_files() {
        let folder = folder(&["a.png"]);
        let spec = Images {
            repeat: true,
            ..images(folder.path())
        };
        let mut source = spec.open().unwrap();
        assert_eq!(names(&frames(&mut *source, 2)), ["a.png", "a.png"]);
        std::fs::write(folder.path().join("b.png"), "b").unwrap();
        let frames = frames(&mut *source, 3);
        assert_eq!(names(&frames), ["a.png", "b.png", "a.png"]);
        assert_eq!(frames[2].0, 4);
    }

    #[test]
    fn the_pace_limits_the_rate() {
        let folder = folder(&["a.png", "b.png", "c.png", "d.png"]);
        let spec = Images {
            fps: Some(Fps::new(50.0).unwrap()),
            ..images(folder.path())
        };
        assert!(spec.is_live());
        let start = std::time::Instant::now();
        let mut source = spec.open().unwrap();
        assert!(matches!(source.next(Duration::ZERO), Ok(Next::Frame(_))));
        assert!(matches!(source.next(Duration::ZERO), Ok(Next::Idle)));
        assert_eq!(frames(&mut *source, 9).len(), 3);
        assert!(start.elapsed() >= Duration::from_millis(60));
    }
}
