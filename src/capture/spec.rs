//! Which source a camera has: one variant per kind, each checked when it was made.
//!
//! The configuration and the commands make a [`SourceSpec`]; from it comes the [`Opener`] that the
//! pipeline holds. Nothing is opened here.

use std::fs::File;
use std::path::Path;

use super::archive::{Kept, Notes};
use super::command::Command;
use super::ffmpeg::{Ffmpeg, Input};
use super::images::{Images, is_image_name};
use super::nokhwa::Nokhwa;
use super::synthetic::Synthetic;
use super::v4l2::V4l2;
use super::{CameraSettings, CaptureError, Device, Opener, images, nokhwa};

/// A source, described.
#[derive(Debug, Clone)]
pub enum SourceSpec {
    /// A camera of Linux.
    V4l2(V4l2),
    /// A folder of images, or one image.
    Images(Images),
    /// Footage that was filmed by `calibrate`.
    Kept(Kept),
    /// A video file or a stream.
    Ffmpeg(Ffmpeg),
    /// A camera that nokhwa knows.
    Nokhwa(Nokhwa),
    /// What a program writes to its standard output.
    Command(Command),
    /// The synthetic scene.
    Synthetic(Synthetic),
}

/// The library through which the cameras of a machine are found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Backend {
    /// The kernel's own interface.
    #[default]
    V4l2,
    /// The library nokhwa, which knows less of a camera.
    Nokhwa,
}

/// The cameras of this machine.
///
/// # Errors
/// When the system can't be asked at all; a single camera's fault stands in its [`Device::fault`].
pub fn devices(backend: Backend) -> Result<Vec<Device>, CaptureError> {
    match backend {
        Backend::V4l2 => Ok(super::v4l2::devices()),
        Backend::Nokhwa => nokhwa::devices(),
    }
}

impl SourceSpec {
    /// The device that it alone can have, by its name in the configuration; none where it names none.
    pub fn device(&self) -> Option<String> {
        match self {
            #[cfg(target_os = "linux")]
            SourceSpec::V4l2(camera) => Some(camera.device.as_ref()?.display().to_string()),
            SourceSpec::Nokhwa(camera) => Some(camera.device.clone()),
            _ => None,
        }
    }

    /// The same source, whose pictures have the form of a Profile's footage where none is configured.
    #[must_use]
    pub fn like(mut self, calibrated: &CameraSettings) -> SourceSpec {
        #[cfg(target_os = "linux")]
        if let SourceSpec::V4l2(camera) = &mut self {
            camera.format = camera.format.or(calibrated.layout);
        }
        self
    }

    /// Where `former` is the same source: what that has started and what has not ended since counts on, so that
    /// a driver or a program that hangs does not get as many anew by each reload. V4L2's threads are the pipeline's.
    pub fn count_on(&mut self, former: &SourceSpec) {
        match (self, former) {
            (SourceSpec::Nokhwa(now), SourceSpec::Nokhwa(then)) if now.device == then.device => {
                now.living = then.living.clone();
            }
            (SourceSpec::Command(now), SourceSpec::Command(then)) if now.runs_as(then) => {
                now.living = then.living.clone();
            }
            (SourceSpec::Ffmpeg(now), SourceSpec::Ffmpeg(then)) if now.input == then.input => {
                now.living = then.living.clone();
            }
            _ => {}
        }
    }

    /// The opener of this source.
    pub fn into_opener(self) -> Box<dyn Opener> {
        match self {
            SourceSpec::V4l2(camera) => Box::new(camera),
            SourceSpec::Images(images) => Box::new(images),
            SourceSpec::Kept(kept) => Box::new(kept),
            SourceSpec::Ffmpeg(ffmpeg) => Box::new(ffmpeg),
            SourceSpec::Nokhwa(camera) => Box::new(camera),
            SourceSpec::Command(command) => Box::new(command),
            SourceSpec::Synthetic(scene) => Box::new(scene),
        }
    }
}

/// The footage at `path`: a folder of images, one image, or else a video file. Read once, as fast
/// as asked.
///
/// # Errors
/// When there is nothing at `path`, it may not be read, or it is a folder without images; when it has
/// notes that can't be read.
pub fn footage(path: &Path) -> Result<SourceSpec, CaptureError> {
    let failed = |what: &str| {
        let what = format!(
            "can't {what} the footage {}; give a folder of images or a video file",
            path.display()
        );
        move |source| CaptureError::Io { what, source }
    };
    let kind = std::fs::metadata(path).map_err(failed("find"))?;
    // Only a file: a pipe without a writer would wait for one.
    if kind.is_file() {
        File::open(path).map_err(failed("read"))?;
    } else if kind.is_dir() {
        images::list(path)?;
    }
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

    #[cfg(target_os = "linux")]
    #[test]
    fn a_camera_is_asked_for_the_format_of_its_profile_unless_another_is_configured() {
        use crate::capture::Layout::{Mjpeg, Yuyv};
        for (configured, calibrated, asked) in [
            (None, None, None),
            (None, Some(Mjpeg), Some(Mjpeg)),
            (Some(Yuyv), Some(Mjpeg), Some(Yuyv)),
            (Some(Yuyv), None, Some(Yuyv)),
        ] {
            let camera = V4l2 {
                format: configured,
                ..V4l2::default()
            };
            let settings = CameraSettings {
                layout: calibrated,
                ..CameraSettings::default()
            };
            let SourceSpec::V4l2(camera) = SourceSpec::V4l2(camera).like(&settings) else {
                panic!("it is the same source");
            };
            assert_eq!(camera.format, asked);
        }
    }

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
        let empty = folder.path().join("empty");
        std::fs::create_dir(&empty).unwrap();
        for path in [missing, empty] {
            let error = footage(&path).unwrap_err().to_string();
            assert!(error.contains(&path.display().to_string()), "{error}");
        }
    }

    #[test]
    fn what_hangs_of_a_source_counts_for_the_same_source_of_the_next_configuration_alone() {
        let living = |source: &SourceSpec| match source {
            SourceSpec::Nokhwa(camera) => camera.living.clone(),
            SourceSpec::Ffmpeg(stream) => stream.living.clone(),
            other => panic!("{other:?}"),
        };
        let camera = |device: &str| SourceSpec::Nokhwa(Nokhwa::new(device.to_owned()));
        let stream = |url: &str| SourceSpec::Ffmpeg(Ffmpeg::new(Input::parse(url), None));
        // The two streams are called alike, since what may be a password is left out.
        for (former, mut same, mut other) in [
            (camera("0"), camera("0"), camera("1")),
            (
                stream("rtsp://nvr/live?channel=1"),
                stream("rtsp://nvr/live?channel=1"),
                stream("rtsp://nvr/live?channel=2"),
            ),
        ] {
            let another = |source: &SourceSpec| living(source).another("it");
            let _hanging: Vec<_> = (0..4).map(|_| another(&former).unwrap()).collect();
            same.count_on(&former);
            other.count_on(&former);
            assert!(another(&same).is_err());
            assert!(another(&other).is_ok());
        }
    }
}
