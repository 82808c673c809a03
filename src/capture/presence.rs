//! Whether what a source reads is there: looked for by name and by right. A folder may be listed, but no camera and
//! no file is opened, so that whoever uses it is not disturbed. What is absent now may come later; a source that is
//! there may still fail.

use std::fs;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileTypeExt as _;
use std::path::Path;

use rustix::fs::{Access, access};

use super::child::is_there;
use super::ffmpeg::{Ffmpeg, Input};
use super::{CaptureError, SourceSpec, images};

/// Why a source could not be opened now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Absence {
    /// Something is not there, or is another thing than it should be.
    Missing(String),
    /// This user may not look; another one may.
    Hidden(String),
}

impl SourceSpec {
    /// What is missing of it; none where all that can be looked for is there.
    pub fn absence(&self) -> Option<Absence> {
        match self {
            SourceSpec::V4l2(camera) => match &camera.device {
                Some(device) => of_device(device),
                None => of_any_camera(Path::new("/dev")),
            },
            // By its number it is the node of that number; a name is known to its library alone.
            SourceSpec::Nokhwa(camera) => {
                let number = camera.device.parse::<u32>().ok()?;
                of_device(Path::new(&format!("/dev/video{number}")))
            }
            SourceSpec::Images(images) => of_images(&images.path),
            SourceSpec::Kept(kept) => of_images(&kept.path),
            SourceSpec::Ffmpeg(ffmpeg) => of_ffmpeg(ffmpeg),
            SourceSpec::Command(command) => command.absent_program().map(Absence::Missing),
            SourceSpec::Synthetic(_) => None,
        }
    }
}

/// What the system's answer to a look at `path` means.
fn absence(path: &Path, answer: &io::Error, missing: &str) -> Absence {
    match answer.kind() {
        ErrorKind::PermissionDenied => {
            Absence::Hidden(format!("this user may not look at {}", path.display()))
        }
        ErrorKind::NotFound => Absence::Missing(format!("{} {missing}: {answer}", path.display())),
        _ => Absence::Missing(format!("{} can't be looked at: {answer}", path.display())),
    }
}

fn of_device(path: &Path) -> Option<Absence> {
    let found = match fs::metadata(path) {
        Ok(found) => found,
        Err(answer) => {
            let missing = "is not there (`inspectd cameras` lists what is plugged in)";
            return Some(absence(path, &answer, missing));
        }
    };
    let path_is = |what: &str| format!("{} {what}", path.display());
    if !found.file_type().is_char_device() {
        return Some(Absence::Missing(path_is("is no device, and so no camera")));
    }
    let denied = access(path, Access::READ_OK | Access::WRITE_OK).is_err();
    denied.then(|| {
        Absence::Hidden(path_is(
            "is there, but this user may not open it: whose daemon it is must be in the group video",
        ))
    })
}

/// Any node of a camera in `devices`.
fn of_any_camera(devices: &Path) -> Option<Absence> {
    let is_camera = |entry: io::Result<fs::DirEntry>| {
        let name = entry.ok().map(|entry| entry.file_name());
        let number = name
            .as_ref()
            .and_then(|name| name.to_str()?.strip_prefix("video"));
        number.is_some_and(|number| number.parse::<u32>().is_ok())
    };
    let any = fs::read_dir(devices).is_ok_and(|mut entries| entries.any(is_camera));
    (!any).then(|| Absence::Missing(format!("there is no camera in {}", devices.display())))
}

fn of_images(path: &Path) -> Option<Absence> {
    match images::list(path) {
        Ok(_) => None,
        Err(CaptureError::Broken(what)) => Some(Absence::Missing(what)),
        Err(CaptureError::Io { source, .. }) => Some(absence(path, &source, "is not there")),
    }
}

fn of_ffmpeg(ffmpeg: &Ffmpeg) -> Option<Absence> {
    if !is_there(&ffmpeg.program) {
        let program = ffmpeg.program.display();
        let missing = format!("the program `{program}` is not there: install the package `ffmpeg`");
        return Some(Absence::Missing(missing));
    }
    let Input::File(path) = &ffmpeg.input else {
        return None;
    };
    match fs::metadata(path) {
        Err(answer) => Some(absence(path, &answer, "is not there")),
        Ok(found) if found.is_dir() => {
            let path = path.display();
            Some(Absence::Missing(format!(
                "{path} is a folder, and no video"
            )))
        }
        Ok(_) => access(path, Access::READ_OK).err().map(|_| {
            let path = path.display();
            Absence::Hidden(format!("{path} is there, but this user may not read it"))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::super::command::{Command, Output};
    use super::super::images::Images;
    use super::super::v4l2::V4l2;
    use super::*;

    fn images_of(path: &Path) -> SourceSpec {
        SourceSpec::Images(Images {
            path: path.to_owned(),
            fps: None,
            repeat: false,
        })
    }

    fn camera(device: &Path) -> SourceSpec {
        SourceSpec::V4l2(V4l2 {
            device: Some(device.to_owned()),
            ..V4l2::default()
        })
    }

    fn program(name: &str) -> SourceSpec {
        SourceSpec::Command(Command::new(name, &[], Output::Mjpeg, [0, 0], None))
    }

    #[test]
    fn what_is_not_there_is_named_and_what_is_there_says_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.jpg");
        let missing = folder.path().join("none");
        for (source, words) in [
            (images_of(folder.path()), "no image in the folder"),
            (images_of(&missing), "none is not there"),
            (camera(&missing), "none is not there"),
            (program("inspectd-not-there"), "`inspectd-not-there`"),
            (
                SourceSpec::Ffmpeg(Ffmpeg::new(Input::File(missing.clone()), None)),
                "is not there",
            ),
        ] {
            let absence = source.absence();
            let Some(Absence::Missing(said)) = &absence else {
                panic!("{source:?}: {absence:?}");
            };
            assert!(said.contains(words), "{said}");
        }
        fs::write(&file, "").unwrap();
        for source in [images_of(folder.path()), images_of(&file), program("sh")] {
            assert_eq!(source.absence(), None, "{source:?}");
        }
        let Some(Absence::Missing(said)) = camera(&file).absence() else {
            panic!("a file is no camera");
        };
        assert!(said.contains("is no device"), "{said}");
    }

    #[test]
    fn what_is_of_another_kind_is_not_said_to_be_absent() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.jpg");
        fs::write(&file, "").unwrap();
        let video = SourceSpec::Ffmpeg(Ffmpeg {
            program: "sh".into(),
            ..Ffmpeg::new(Input::File(folder.path().to_owned()), None)
        });
        for (source, words) in [
            (images_of(&file.join("b")), "can't be looked at"),
            (camera(&file.join("video0")), "can't be looked at"),
            (video, "is a folder, and no video"),
        ] {
            let Some(Absence::Missing(said)) = source.absence() else {
                panic!("{source:?}");
            };
            assert!(said.contains(words), "{said}");
            assert!(!said.contains("not there"), "{said}");
        }
    }

    #[test]
    fn any_node_of_a_camera_is_one_to_look_for() {
        let devices = tempfile::tempdir().unwrap();
        fs::write(devices.path().join("video-codec"), "").unwrap();
        assert!(of_any_camera(devices.path()).is_some());
        fs::write(devices.path().join("video3"), "").unwrap();
        assert_eq!(of_any_camera(devices.path()), None);
    }
}
