//! Cameras through nokhwa or a program, as written: `kind = "nokhwa"`, `"csi"` and `"command"`.

use super::Issues;
use super::section::Section;
use super::v4l2::size;
use crate::capture::command::{Command, Output, is_own_csi_option};
use crate::capture::nokhwa::Nokhwa;
use crate::capture::{Fps, SourceSpec};

/// A camera by the number or the name that nokhwa has for it.
pub(super) fn nokhwa(
    section: &mut Section,
    fps: Option<Fps>,
    issues: &mut Issues,
) -> Option<SourceSpec> {
    let device = match section.get("device", issues) {
        None => "0".to_owned(),
        Some(toml::Value::String(name)) if !name.trim().is_empty() => name,
        Some(toml::Value::Integer(number)) if u32::try_from(number).is_ok() => number.to_string(),
        Some(_) => {
            let key = section.path("device");
            issues.add(key, "must be the number or the name of a camera");
            return None;
        }
    };
    let mut camera = Nokhwa::new(device);
    camera.size = size(section, issues);
    camera.format = section.get("format", issues);
    camera.fps = fps;
    Some(SourceSpec::Nokhwa(camera))
}

/// A CSI camera through rpicam-vid or libcamera-vid.
pub(super) fn csi(
    section: &mut Section,
    fps: Option<Fps>,
    issues: &mut Issues,
) -> Option<SourceSpec> {
    let camera = section.number("camera", 0, &(0..=15), issues);
    let size = size(section, issues);
    let program = section.text("program", issues);
    let program = program.as_deref().filter(|program| *program != "auto");
    let more: Vec<String> = section.get("arguments", issues).unwrap_or_default();
    if let Some(own) = more.iter().find(|argument| is_own_csi_option(argument)) {
        let why = format!("holds {own}, which is set by the other keys or must be as it is");
        issues.add(section.path("arguments"), why);
    }
    Some(SourceSpec::Command(Command::csi(
        program, camera, size, fps, &more,
    )))
}

/// Any program that writes pictures.
pub(super) fn command(
    section: &mut Section,
    fps: Option<Fps>,
    issues: &mut Issues,
) -> Option<SourceSpec> {
    let purpose = "the program and its arguments, such as [\"rpicam-vid\", \"-o\", \"-\"]";
    let words: Option<Vec<String>> = section.required("command", purpose, issues);
    let output = section.get("format", issues).unwrap_or(Output::Mjpeg);
    let is_given = section.given("size");
    let size = size(section, issues);
    if output.raw().is_some() && !is_given {
        let key = section.path("size");
        issues.add(key, "is missing: raw pictures don't tell their own size");
    }
    if let (Some(layout), Some(size)) = (output.raw(), size)
        && !layout.allows(size)
    {
        let why = "has an odd side, which pictures of this format can't have";
        issues.add(section.path("size"), why);
    }
    let words = words?;
    let Some((program, arguments)) = words.split_first().filter(|(first, _)| !first.is_empty())
    else {
        issues.add(section.path("command"), format!("is empty: give {purpose}"));
        return None;
    };
    let size = size.unwrap_or_default();
    Some(SourceSpec::Command(Command::new(
        program, arguments, output, size, fps,
    )))
}

#[cfg(test)]
#[path = "program_tests.rs"]
mod tests;
