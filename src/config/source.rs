//! Where a camera's frames come from, as written: one arm per kind of source.

use std::path::Path;

use super::section::Section;
use super::{Issues, program, v4l2};
use crate::capture::ffmpeg::{Ffmpeg, Input};
use crate::capture::images::Images;
use crate::capture::synthetic::Synthetic;
use crate::capture::{Fps, SourceSpec};

/// The kinds of sources by the names that they have in the file.
#[derive(serde::Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Auto,
    V4l2,
    Nokhwa,
    Csi,
    Command,
    Images,
    Ffmpeg,
    Synthetic,
}

/// The source of a camera; `None` where it is at fault.
pub(super) fn source(
    mut section: Section,
    fps: Option<Fps>,
    folder: &Path,
    issues: &mut Issues,
) -> Option<SourceSpec> {
    let kind = section.required(
        "kind",
        "auto, v4l2, nokhwa, csi, command, images, ffmpeg or synthetic",
        issues,
    )?;
    let source = match kind {
        Kind::Auto => v4l2::auto(&mut section, fps, issues),
        Kind::V4l2 => v4l2::v4l2(&mut section, fps, issues),
        Kind::Nokhwa => program::nokhwa(&mut section, fps, issues),
        Kind::Csi => program::csi(&mut section, fps, issues),
        Kind::Command => program::command(&mut section, fps, issues),
        Kind::Images => section
            .mandatory_text("path", "the folder of images", issues)
            .map(|path| {
                let repeat = section.get("repeat", issues).unwrap_or(false);
                SourceSpec::Images(Images {
                    path: folder.join(path),
                    fps,
                    repeat,
                })
            }),
        Kind::Ffmpeg => section
            .mandatory_text("input", "a URL or a file", issues)
            .map(|input| {
                let input = match Input::parse(&input) {
                    Input::File(path) => Input::File(folder.join(path)),
                    stream @ Input::Stream(_) => stream,
                };
                SourceSpec::Ffmpeg(Ffmpeg::new(input, fps))
            }),
        Kind::Synthetic => Some(SourceSpec::Synthetic(Synthetic {
            seed: section.get("seed", issues).unwrap_or(1),
            frames: section.get("frames", issues),
            fps,
            defects: section.get("defects", issues).unwrap_or(true),
            ..Synthetic::default()
        })),
    };
    section.finish(issues);
    source
}
