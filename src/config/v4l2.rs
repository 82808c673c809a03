//! The cameras of Linux, as written: `kind = "v4l2"`, and `kind = "auto"`, which is the same with the
//! camera looked for.

use super::Issues;
use super::section::Section;
use crate::capture::v4l2::V4l2;
use crate::capture::{Fps, Layout, SourceSpec};
use crate::preprocess::{MAX_PIXELS, MAX_SIDE, MIN_SIDE, accept_size};

/// A camera by its node.
pub(super) fn v4l2(
    section: &mut Section,
    fps: Option<Fps>,
    issues: &mut Issues,
) -> Option<SourceSpec> {
    let purpose = "the camera's node, best below /dev/v4l/by-id; `inspectd cameras` lists them";
    let device = section.mandatory_text("device", purpose, issues);
    let source = camera(section, device.as_deref(), fps, issues);
    device.and(source)
}

/// The first camera that can be used.
pub(super) fn auto(
    section: &mut Section,
    fps: Option<Fps>,
    issues: &mut Issues,
) -> Option<SourceSpec> {
    camera(section, None, fps, issues)
}

fn camera(
    section: &mut Section,
    device: Option<&str>,
    fps: Option<Fps>,
    issues: &mut Issues,
) -> Option<SourceSpec> {
    let size = size(section, issues);
    let format: Option<Layout> = section.get("format", issues);
    let controls = controls(section, issues);
    Some(SourceSpec::V4l2(V4l2 {
        device: device.map(Into::into),
        size,
        format,
        fps,
        controls,
    }))
}

/// Columns and rows, written as `1280x720`, of a picture that preprocess takes.
pub(super) fn size(section: &mut Section, issues: &mut Issues) -> Option<[u32; 2]> {
    let text: String = section.get("size", issues)?;
    let sides = text
        .split_once('x')
        .and_then(|(width, height)| Some((width.parse().ok()?, height.parse().ok()?)));
    let fault = match sides {
        None => "give columns and rows, such as \"1280x720\"".to_owned(),
        Some((width, height)) => match accept_size(width, height) {
            Ok(()) => return Some([width, height]),
            Err(_) => format!(
                "a side has {MIN_SIDE} to {MAX_SIDE} pixels, and a picture {} megapixels at most",
                MAX_PIXELS >> 20
            ),
        },
    };
    issues.add(section.path("size"), format!("is \"{text}\": {fault}"));
    None
}

/// Names of controls with integers; `true` and `false` are 1 and 0.
fn controls(section: &mut Section, issues: &mut Issues) -> Vec<(String, i64)> {
    let table: toml::Table = section.get("controls", issues).unwrap_or_default();
    let key = section.path("controls");
    let mut controls = Vec::new();
    for (name, value) in table {
        match value {
            toml::Value::Integer(value) => controls.push((name, value)),
            toml::Value::Boolean(value) => controls.push((name, value.into())),
            other => issues.add(
                format!("{key}.{name}"),
                format!(
                    "is a {}; controls take integers, true or false",
                    other.type_str()
                ),
            ),
        }
    }
    controls
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Option<SourceSpec>, Vec<String>) {
        let mut issues = Issues::default();
        let mut section = Section::root(text.parse().unwrap());
        let source = v4l2(&mut section, None, &mut issues);
        section.finish(&mut issues);
        (
            source,
            issues.iter().map(|issue| issue.key.clone()).collect(),
        )
    }

    #[test]
    fn a_camera_is_read_whole() {
        let (source, issues) = read(
            r#"
            device = "/dev/video0"
            size = "1280x720"
            format = "nv12"
            controls = { gain = -3, white_balance_automatic = false, auto_exposure = true }
            "#,
        );
        assert!(issues.is_empty(), "{issues:?}");
        let Some(SourceSpec::V4l2(V4l2 {
            device,
            size,
            format,
            fps,
            mut controls,
        })) = source
        else {
            panic!("a camera of Linux");
        };
        assert_eq!(device, Some("/dev/video0".into()));
        assert_eq!((size, format), (Some([1280, 720]), Some(Layout::Nv12)));
        assert_eq!(fps, None);
        controls.sort();
        let expected = [
            ("auto_exposure", 1),
            ("gain", -3),
            ("white_balance_automatic", 0),
        ];
        let expected = expected.map(|(name, value)| (name.to_owned(), value));
        assert_eq!(controls, expected);
    }

    #[test]
    fn sizes_formats_and_controls_that_are_none_are_named() {
        for size in [
            "1280",
            "1280x",
            "x",
            "0x480",
            "640x480x3",
            "640 x 480",
            "99999x1",
            "-1x5",
            "8x8",
            "16384x16384",
        ] {
            let (_, issues) = read(&format!("device = \"d\"\nsize = \"{size}\""));
            assert_eq!(issues, ["size"], "{size}");
        }
        for (text, key) in [
            ("format = \"h264\"", "format"),
            ("format = 1", "format"),
            ("controls = { gain = 0.5 }", "controls.gain"),
            ("controls = { gain = \"1\" }", "controls.gain"),
            ("controls = [1]", "controls"),
        ] {
            let (_, issues) = read(&format!("device = \"d\"\n{text}"));
            assert_eq!(issues, [key], "{text}");
        }
        let (source, issues) = read("");
        assert!(source.is_none());
        assert_eq!(issues, ["device"]);
    }
}
