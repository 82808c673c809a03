//! What a camera of this machine is and offers, as `inspectd cameras` shows it.
//!
//! Plain values: each backend fills them in its own way, and nothing is opened for streaming.

use std::path::PathBuf;

use serde::Serialize;

/// A camera of this machine.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Device {
    /// The kind of source that opens it: `v4l2` or `nokhwa`.
    pub backend: &'static str,
    /// What that source's key `device` takes: a path, or an index.
    pub device: String,
    /// Names of the same device that survive a replug, best first (`/dev/v4l/by-id`, then `by-path`).
    pub links: Vec<PathBuf>,
    /// The camera's name.
    pub name: String,
    /// The kernel's driver, where that is known.
    pub driver: Option<String>,
    /// Where it is plugged in, where that is known.
    pub bus: Option<String>,
    /// The formats that it offers, in its own order.
    pub formats: Vec<OfferedFormat>,
    /// Its controls.
    pub controls: Vec<OfferedControl>,
    /// Why formats or controls could not be read, where that is so (busy, no permission), or why it
    /// can't be used.
    pub fault: Option<String>,
    /// Whether it may be a source, for all that is known.
    pub usable: bool,
}

/// A format that a camera offers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OfferedFormat {
    /// Four letters, such as `MJPG`.
    pub fourcc: String,
    /// Its name by the driver.
    pub description: String,
    /// Whether inspectd can decode it.
    pub usable: bool,
    /// Its sizes.
    pub sizes: Vec<OfferedSize>,
}

/// A size, or a range of sizes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OfferedSize {
    /// Least columns and rows.
    pub min: [u32; 2],
    /// Most columns and rows; the same as `min` for a single size.
    pub max: [u32; 2],
    /// From one size to the next; 1 for a single size.
    pub step: [u32; 2],
    /// Frames a second, highest first, at the largest size of the range; empty where the driver
    /// does not say.
    pub fps: Vec<f64>,
}

/// A control that a camera offers.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OfferedControl {
    /// The driver's number for it.
    pub id: u32,
    /// The name that the key `controls` takes: lower case, `_` between words (`exposure_auto`).
    pub name: String,
    /// `integer`, `boolean`, `menu`, ... as V4L2 has them.
    pub kind: String,
    /// Least value.
    pub min: i64,
    /// Greatest value.
    pub max: i64,
    /// From one value to the next.
    pub step: u64,
    /// What the driver begins with.
    pub default: i64,
    /// What it is now; none where it can't be read.
    pub value: Option<i64>,
    /// The entries of a menu, with their values.
    pub menu: Vec<(i64, String)>,
    /// Whether it is at rest now because another control decides, or can't be set at all.
    pub inactive: bool,
}
