//! What cameras this machine has, for people to choose from.
//!
//! Each node is opened for questions alone, so that one in use by another program answers too.
//! Nodes that give no pictures (metadata, codecs) are left out; one that can't be opened is listed
//! with the reason, since it may be the camera that is looked for.

use std::path::Path;

use super::controls::name;
use super::format::{layout, letters};
use super::negotiate::check;
use super::refused;
use super::search::{lasting_names, nodes};
use super::sys::{ControlKind, DescribedControl, DescribedFormat, Node, Sizes};
use crate::capture::{CaptureError, Device, OfferedControl, OfferedFormat, OfferedSize};

/// What the kernel says of nodes without opening them.
const CLASS: &str = "/sys/class/video4linux";

/// The cameras of this machine, by the numbers of their nodes.
pub fn devices() -> Vec<Device> {
    let nodes = nodes(Path::new("/dev"));
    nodes.iter().filter_map(|path| device(path)).collect()
}

/// A node; none where it gives no pictures.
fn device(path: &Path) -> Option<Device> {
    let mut device = Device {
        backend: "v4l2",
        device: path.display().to_string(),
        links: lasting_names(path),
        name: name_by_kernel(path),
        driver: None,
        bus: None,
        formats: Vec::new(),
        controls: Vec::new(),
        fault: None,
        usable: true,
    };
    match open(path) {
        Ok((node, capability)) => {
            if !capability.captures && !capability.is_multiplanar {
                return None;
            }
            device.fault = check(path, &capability)
                .err()
                .map(|fault| fault.to_string());
            device.name = capability.card;
            device.driver = Some(capability.driver);
            device.bus = Some(capability.bus);
            device.formats = node.formats().iter().map(|f| format(&node, f)).collect();
            device.usable = device.fault.is_none() && device.formats.iter().any(|f| f.usable);
            device.controls = controls(&node);
        }
        Err(CaptureError::Io { what, source }) => device.fault = Some(format!("{what}: {source}")),
        Err(CaptureError::Broken(why)) => device.fault = Some(why),
    }
    Some(device)
}

fn open(path: &Path) -> Result<(Node, super::sys::Capability), CaptureError> {
    let node = Node::open(path).map_err(|reason| refused("open", path, reason))?;
    let capability = node.capability();
    let capability = capability.map_err(|reason| refused("ask for the kind of", path, reason))?;
    Ok((node, capability))
}

fn name_by_kernel(path: &Path) -> String {
    let file = path
        .file_name()
        .map(|node| Path::new(CLASS).join(node).join("name"));
    let text = file.and_then(|file| std::fs::read_to_string(file).ok());
    text.unwrap_or_default().trim().to_owned()
}

fn format(node: &Node, format: &DescribedFormat) -> OfferedFormat {
    let size = |sizes: Sizes| OfferedSize {
        min: sizes.min,
        max: sizes.max,
        step: sizes.step,
        fps: node.intervals(format.fourcc, sizes.max).rates(),
    };
    OfferedFormat {
        fourcc: letters(format.fourcc),
        description: format.name.clone(),
        usable: layout(format.fourcc).is_some(),
        sizes: node.sizes(format.fourcc).into_iter().map(size).collect(),
    }
}

fn controls(node: &Node) -> Vec<OfferedControl> {
    let all = node.controls().into_iter();
    all.filter(|control| control.kind != ControlKind::Class && !control.is_disabled)
        .map(|control| {
            let has_value = control.kind.has_value();
            let value = has_value.then(|| node.control(control.id).ok()).flatten();
            let menu = node.menu(&control);
            offered(&control, value, menu)
        })
        .collect()
}

fn offered(
    control: &DescribedControl,
    value: Option<i64>,
    menu: Vec<(i64, String)>,
) -> OfferedControl {
    OfferedControl {
        id: control.id,
        name: name(&control.title),
        kind: match control.kind {
            ControlKind::Integer => "integer",
            ControlKind::Boolean => "boolean",
            ControlKind::Menu => "menu",
            ControlKind::IntegerMenu => "integer menu",
            ControlKind::Bitmask => "bitmask",
            ControlKind::Button => "button",
            ControlKind::Integer64 => "integer64",
            ControlKind::Class | ControlKind::Other => "other",
        }
        .to_owned(),
        min: control.min,
        max: control.max,
        step: control.step,
        default: control.default,
        value,
        menu,
        inactive: control.is_inactive || control.is_read_only,
    }
}
