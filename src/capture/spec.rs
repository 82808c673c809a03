//! Which source a camera has: one variant per kind, each checked when it was made.
//!
//! The configuration and the commands make a [`SourceSpec`]; from it comes the [`Opener`] that the
//! pipeline holds. Nothing is opened here.

use std::path::Path;

use super::archive::{Kept, Notes};
use super::ffmpeg::{Ffmpeg, Input};
use super::images::{Images, is_image_name};
use super::synthetic::Synthetic;
#[cfg(target_os = "linux")]
use super::v4l2::V4l2;
use super::{CaptureError, Opener};

/// A source, described.
#[derive(Debug, Clone)]
pub enum SourceSpec {
    /// A camera of Linux.
    #[cfg(target_os = "linux")]
    V4l2(V4l2),
    /// A folder of images, or one image.
    Images(Images),
    /// Footage that was filmed by `calibrate`.
    Kept(Kept),
    /// A video file or a stream.
    Ffmpeg(Ffmpeg),
    /// The synthetic scene.
    Synthetic(Synthetic),
}

impl SourceSpec {
    /// The opener of this source.
    pub fn into_opener(self) -> Box<dyn Opener> {
        match self {
            #[cfg(target_os = "linux")]
            SourceSpec::V4l2(camera) => Box::new(camera),
            SourceSpec::Images(images) => Box::new(images),
            SourceSpec::Kept(kept) => Box::new(kept),
            SourceSpec::Ffmpeg(ffmpeg) => Box::new(ffmpeg),
            SourceSpec::Synthetic(scene) => Box::new(scene),
        }
    }
}

/// The footage at `path`: a folder of images, one image, or else a video file. Read once, as fast
/// as asked.
///
/// # Errors
/// When there is nothing at `path`, or it may not be looked at; when it has notes that can't be read.
pub fn footage(path: &Path) -> Result<SourceSpec, CaptureError> {
    let kind = std::fs::metadata(path).map_err(|source| CaptureError::Io {
        what: format!(
            "can't find the footage {}; give a folder of images or a video file",
            path.display()
        ),
        source,
    })?;
    if let Some(notes) = Notes::read(path)? {
        return Ok(SourceSpec::Kept(Kept {
            path: path.to_owned(),
            notes: notes.into(),
        }));
    }
    Ok(if kind.is_dir() || is_image_name(path) {
        SourceSpec::Images(Images {
            path: path.to_owned(),
            fps: None,
            repeat: false,
        })
    } else {
        SourceSpec::Ffmpeg(Ffmpeg::new(Input::from(path), None))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn footage_is_told_by_what_lies_there() {
        let folder = tempfile::tempdir().unwrap();
        let image = folder.path().join("one.PNG");
        let video = folder.path().join("a.mp4");
        std::fs::write(&image, "").unwrap();
        std::fs::write(&video, "").unwrap();
        for (path, kind) in [
            (folder.path(), "images "),
            (&image, "images "),
            (&video, "ffmpeg "),
        ] {
            let opener = footage(path).unwrap().into_opener();
            assert_eq!(opener.describe(), format!("{kind}{}", path.display()));
            assert!(!opener.is_live());
        }
        let missing = folder.path().join("none");
        let error = footage(&missing).unwrap_err().to_string();
        assert!(error.contains(&missing.display().to_string()), "{error}");
    }
}
