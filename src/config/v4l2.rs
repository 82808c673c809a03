//! The cameras of Linux, as written: `kind = "v4l2"`, and `kind = "auto"`, which is the same with the
//! camera looked for. On other systems the first is a fault, and so is the second unless another
//! backend takes it.

use super::Issues;
use super::section::Section;
use crate::capture::{Fps, Layout, SourceSpec};

/// Sizes beyond this are typing errors.
const LARGEST: u32 = 16_384;

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
    #[cfg(target_os = "linux")]
    {
        Some(SourceSpec::V4l2(crate::capture::v4l2::V4l2 {
            device: device.map(Into::into),
            size,
            format,
            fps,
        }))
    }
    #[cfg(not(target_os = "linux"))]
    {
        let _ = (device, size, format, fps);
        let key = section.path("kind");
        issues.add(key, "is for Linux alone; use \"nokhwa\" here");
        None
    }
}

/// Columns and rows, written as `1280x720`.
fn size(section: &mut Section, issues: &mut Issues) -> Option<[u32; 2]> {
    let text: String = section.get("size", issues)?;
    let size = text.split_once('x').and_then(|(width, height)| {
        let side = |text: &str| {
            text.parse()
                .ok()
                .filter(|side| (1..=LARGEST).contains(side))
        };
        Some([side(width)?, side(height)?])
    });
    if size.is_none() {
        let key = section.path("size");
        issues.add(
            key,
            format!("is \"{text}\"; give columns and rows, such as \"1280x720\""),
        );
    }
    size
}
