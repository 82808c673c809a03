//! The controls of a camera: set as configured, held there, and told as they are.
//!
//! A name is the driver's own in lower case with `_` between words, as `v4l2-ctl` writes it; that of
//! another kernel for the same control will do. Switches
//! of automatics are set first, since a value at rest under an automatic takes no setting. A value
//! that reads back otherwise is an error at opening, and so is one that moves later: a picture that
//! the camera makes differently is not the one that was calibrated.

use std::collections::BTreeMap;
use std::path::Path;

use super::refused;
use super::sys::{ControlKind, DescribedControl, Node};
use crate::capture::CaptureError;
use crate::capture::settings::is_alias;

/// Parts of the names of controls that decide over others.
const SWITCHES: [&str; 4] = ["auto", "automatic", "continuous", "power_line_frequency"];

/// Parts of the names of controls that make the picture; the rest (zoom, pan, privacy) belongs to
/// the view or to nothing.
const OF_THE_PICTURE: [&str; 19] = [
    "exposure",
    "iris",
    "gain",
    "white_balance",
    "red_balance",
    "blue_balance",
    "focus",
    "brightness",
    "contrast",
    "saturation",
    "hue",
    "gamma",
    "sharpness",
    "backlight_compensation",
    "iso_sensitivity",
    "scene_mode",
    "color_effects",
    "compression_quality",
    "test_pattern",
];

/// Controls that were set, and what to.
#[derive(Debug)]
pub(super) struct Held {
    values: Vec<Reading>,
}

/// One control and the value that it has, or shall have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reading {
    pub(super) id: u32,
    pub(super) name: String,
    pub(super) value: i64,
}

/// The name of a control in the configuration: letters and digits in lower case, every run of
/// anything else one `_`, none at the ends.
pub(super) fn name(title: &str) -> String {
    let words = title.split(|c: char| !c.is_ascii_alphanumeric());
    let words: Vec<String> = words
        .filter(|word| !word.is_empty())
        .map(str::to_ascii_lowercase)
        .collect();
    words.join("_")
}

impl Held {
    /// Finds the controls of a configuration among those of a camera, in the order of setting.
    ///
    /// # Errors
    /// Where the camera has none of a name, or one can't be set to the value.
    pub(super) fn find(
        node: &Node,
        path: &Path,
        wanted: &[(String, i64)],
    ) -> Result<Held, CaptureError> {
        let offered = match wanted {
            [] => Vec::new(),
            _ => node.controls(),
        };
        let mut values = Vec::new();
        for (wanted, value) in in_order(wanted) {
            let control = find(&offered, wanted, path)?;
            if let Some(why) = refusal(control, &node.menu(control), value) {
                let device = path.display();
                return Err(CaptureError::Broken(format!(
                    "{device} can't take {wanted} = {value}: {why}"
                )));
            }
            values.push(Reading {
                id: control.id,
                name: wanted.to_owned(),
                value,
            });
        }
        Ok(Held { values })
    }

    /// Sets all of them and reads them back. To be repeated once the stream runs, since some cameras
    /// forget when it starts, which no reading shows: uvcvideo answers from its own memory.
    ///
    /// # Errors
    /// Where the driver refuses one, or it reads back otherwise.
    pub(super) fn set(&self, node: &Node, path: &Path) -> Result<(), CaptureError> {
        for Reading { id, name, value } in &self.values {
            match node.set_control(*id, *value) {
                Ok(()) => {}
                // Drivers that hold a control while the stream runs set it themselves at its start.
                Err(_) if node.is_grabbed(*id) => {}
                Err(source) => {
                    let device = path.display();
                    let what = format!(
                        "{device} refuses {name} = {value}; is an automatic in charge of it, or \
                         another program?"
                    );
                    return Err(CaptureError::Io { what, source });
                }
            }
        }
        let mut found = BTreeMap::new();
        for (id, name) in self.names() {
            let value = node.control(id);
            let value =
                value.map_err(|reason| refused(&format!("read {name} of"), path, reason))?;
            found.insert(id, value);
        }
        self.compare(path, &found)
    }

    /// Their numbers and names.
    pub(super) fn names(&self) -> impl Iterator<Item = (u32, &str)> {
        let values = self.values.iter();
        values.map(|control| (control.id, control.name.as_str()))
    }

    /// Holds them against what was read, by number; what was not read is taken to be right.
    ///
    /// # Errors
    /// Where one is not at its value.
    pub(super) fn compare(
        &self,
        path: &Path,
        found: &BTreeMap<u32, i64>,
    ) -> Result<(), CaptureError> {
        for Reading { id, name, value } in &self.values {
            if let Some(found) = found.get(id).filter(|found| *found != value) {
                let device = path.display();
                return Err(CaptureError::Broken(format!(
                    "the camera {device} does not keep {name} = {value}: it says {found}; is \
                     another program or an automatic changing it?"
                )));
            }
        }
        Ok(())
    }

    /// Those of a test.
    #[cfg(test)]
    pub(super) fn of(values: Vec<Reading>) -> Held {
        Held { values }
    }
}

/// What the controls that make the picture are at, those that can be read. The automatic's own switch is
/// there; the value that it moves is not where the driver says so, since that differs at every reading.
pub(super) fn readings(node: &Node) -> Vec<Reading> {
    let controls = node.controls().into_iter().filter(is_setting);
    let reading = |control: DescribedControl| {
        Some(Reading {
            id: control.id,
            name: name(&control.title),
            value: node.control(control.id).ok()?,
        })
    };
    controls.filter_map(reading).collect()
}

/// Whether the picture depends on the control, and nothing but a setting moves it.
fn is_setting(control: &DescribedControl) -> bool {
    let name = name(&control.title);
    let is_of_the_picture = OF_THE_PICTURE.iter().any(|part| name.contains(part));
    let is_moved = control.is_volatile || control.is_inactive || control.is_disabled;
    (is_of_the_picture || name == "power_line_frequency") && control.kind.has_value() && !is_moved
}

/// The settings with those that decide over others first, else as they were.
fn in_order(wanted: &[(String, i64)]) -> Vec<(&str, i64)> {
    let is_switch = |name: &str| SWITCHES.iter().any(|part| name.contains(part));
    let mut order: Vec<(&str, i64)> = wanted
        .iter()
        .map(|(name, value)| (name.as_str(), *value))
        .collect();
    order.sort_by_key(|(name, _)| !is_switch(name));
    order
}

fn find<'a>(
    offered: &'a [DescribedControl],
    wanted: &str,
    path: &Path,
) -> Result<&'a DescribedControl, CaptureError> {
    let usable = || {
        offered
            .iter()
            .filter(|control| control.kind != ControlKind::Class && !control.is_disabled)
    };
    let exact = usable().find(|control| name(&control.title) == wanted);
    let found = exact.or_else(|| usable().find(|control| is_alias(&name(&control.title), wanted)));
    if let Some(found) = found {
        return Ok(found);
    }
    let mut names: Vec<String> = usable().map(|control| name(&control.title)).collect();
    names.sort_by(|a, b| likeness(wanted, b).total_cmp(&likeness(wanted, a)));
    let (device, names) = (path.display(), names.join(", "));
    Err(CaptureError::Broken(if names.is_empty() {
        format!("{device} has no control {wanted}: it has none at all; remove the key `controls`")
    } else {
        format!("{device} has no control {wanted}; it has: {names}")
    }))
}

/// Why a control does not take a value, where that can be said beforehand; `menu` are its entries.
fn refusal(control: &DescribedControl, menu: &[(i64, String)], value: i64) -> Option<String> {
    let (min, max) = (control.min, control.max);
    if control.is_read_only {
        return Some("it can only be read".to_owned());
    }
    if control.is_write_only {
        return Some(
            "it can't be read back, so that nobody could tell whether it is kept".to_owned(),
        );
    }
    if !control.kind.has_value() {
        return Some("a control of this kind has no value to be held".to_owned());
    }
    if !menu.is_empty() {
        let is_there = menu.iter().any(|(entry, _)| *entry == value);
        return (!is_there).then(|| format!("its entries are {}", entries(menu)));
    }
    // A bitmask says its bits in `max` and has no least value.
    if control.kind == ControlKind::Bitmask {
        return None;
    }
    let is_outside = !(min..=max).contains(&value);
    let nearest = nearest(control, value);
    match control.step {
        0 | 1 => is_outside.then(|| format!("it goes from {min} to {max}")),
        step => (is_outside || nearest != value).then(|| {
            format!("it goes from {min} to {max} in steps of {step}; the nearest is {nearest}")
        }),
    }
}

fn entries(menu: &[(i64, String)]) -> String {
    let all: Vec<String> = menu
        .iter()
        .map(|(value, entry)| format!("{value} ({entry})"))
        .collect();
    all.join(", ")
}

/// The value on the steps of a control that is nearest to another. In 128 bits, since drivers may
/// give any 64.
fn nearest(control: &DescribedControl, value: i64) -> i64 {
    let [min, max, value] = [control.min, control.max, value].map(i128::from);
    let step = i128::from(control.step.max(1));
    let last = (max - min).max(0) / step;
    let steps = ((value - min + step / 2).div_euclid(step)).clamp(0, last);
    i64::try_from(min + steps * step).unwrap_or(control.min)
}

/// How alike two names are, from 0 to 1: pairs of neighbouring letters that they share (Dice).
fn likeness(a: &str, b: &str) -> f64 {
    let pairs = |text: &str| -> Vec<[u8; 2]> {
        let bytes = text.as_bytes();
        bytes.windows(2).map(|pair| [pair[0], pair[1]]).collect()
    };
    let (a, mut b) = (pairs(a), pairs(b));
    let total = (a.len() + b.len()).max(1);
    let mut shared = 0;
    for pair in a {
        if let Some(i) = b.iter().position(|other| *other == pair) {
            b.swap_remove(i);
            shared += 1;
        }
    }
    2.0 * f64::from(shared) / total as f64
}

#[cfg(test)]
#[path = "controls_tests.rs"]
mod tests;
