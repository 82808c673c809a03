//! Requests about controls: what there are, what they are at, and setting them. Values have 32
//! bits here; 64-bit and compound controls are described, neither read nor set.

use std::io;

use v4l::v4l_sys as c;
use v4l::v4l2::vidioc;

use super::{Node, Request, text, zeroed};

const QUERY_EXT_CTRL: Request<c::v4l2_query_ext_ctrl> = Request::new(vidioc::VIDIOC_QUERY_EXT_CTRL);
const QUERYMENU: Request<c::v4l2_querymenu> = Request::new(vidioc::VIDIOC_QUERYMENU);
const G_CTRL: Request<c::v4l2_control> = Request::new(vidioc::VIDIOC_G_CTRL);
const S_CTRL: Request<c::v4l2_control> = Request::new(vidioc::VIDIOC_S_CTRL);

/// More entries than any menu has: a driver that claims 2^31 would keep us for hours.
const LONGEST_MENU: i64 = 256;

/// A control as its driver describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Described {
    pub(in super::super) id: u32,
    /// Its name by the driver, such as `White Balance, Automatic`.
    pub(in super::super) title: String,
    pub(in super::super) kind: ControlKind,
    pub(in super::super) min: i64,
    pub(in super::super) max: i64,
    pub(in super::super) step: u64,
    pub(in super::super) default: i64,
    /// Can't be used with this device.
    pub(in super::super) is_disabled: bool,
    /// Can't be set by anybody.
    pub(in super::super) is_read_only: bool,
    /// Can't be read by anybody.
    pub(in super::super) is_write_only: bool,
    /// At rest while another control decides.
    pub(in super::super) is_inactive: bool,
    /// The device moves it on its own.
    pub(in super::super) is_volatile: bool,
}

/// The kinds of controls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum ControlKind {
    Integer,
    Boolean,
    Menu,
    IntegerMenu,
    Bitmask,
    Button,
    Integer64,
    /// The headline of a group.
    Class,
    /// Text, arrays, structures.
    Other,
}

impl ControlKind {
    /// Whether it has a value of 32 bits that can be read.
    pub(in super::super) fn has_value(self) -> bool {
        !matches!(
            self,
            Self::Button | Self::Integer64 | Self::Class | Self::Other
        )
    }
}

impl Node {
    /// All controls, in the order of the driver's numbers.
    pub(in super::super) fn controls(&self) -> Vec<Described> {
        // More than any camera has; a driver that does not go on would never end.
        const MOST: usize = 1024;
        let mut controls: Vec<Described> = Vec::new();
        let mut last = 0;
        while controls.len() < MOST {
            let mut answer = c::v4l2_query_ext_ctrl {
                id: last | c::V4L2_CTRL_FLAG_NEXT_CTRL,
                ..zeroed()
            };
            if self.call(QUERY_EXT_CTRL, &mut answer).is_err() || answer.id <= last {
                break;
            }
            last = answer.id;
            controls.push(described(&answer));
        }
        controls
    }

    /// The entries of a menu with their values.
    pub(in super::super) fn menu(&self, control: &Described) -> Vec<(i64, String)> {
        let is_numeric = control.kind == ControlKind::IntegerMenu;
        if !is_numeric && control.kind != ControlKind::Menu {
            return Vec::new();
        }
        let end = control.max.min(control.min.saturating_add(LONGEST_MENU));
        // Entries may be missing in between.
        (control.min.max(0)..=end)
            .filter_map(|index| {
                let mut answer = c::v4l2_querymenu {
                    id: control.id,
                    index: u32::try_from(index).ok()?,
                    ..zeroed()
                };
                self.call(QUERYMENU, &mut answer).ok()?;
                let entry = answer.__bindgen_anon_1;
                // SAFETY: both arms are integers alone; the structure, which is packed, was copied.
                let name = unsafe {
                    if is_numeric {
                        entry.value.to_string()
                    } else {
                        text(&entry.name)
                    }
                };
                Some((index, name))
            })
            .collect()
    }

    /// The value of a control.
    pub(in super::super) fn control(&self, id: u32) -> io::Result<i64> {
        let mut answer = c::v4l2_control { id, value: 0 };
        self.call(G_CTRL, &mut answer)?;
        Ok(answer.value.into())
    }

    /// Whether the driver takes no value for a control while the stream runs.
    pub(in super::super) fn is_grabbed(&self, id: u32) -> bool {
        let mut answer = c::v4l2_query_ext_ctrl { id, ..zeroed() };
        self.call(QUERY_EXT_CTRL, &mut answer).is_ok()
            && answer.flags & c::V4L2_CTRL_FLAG_GRABBED != 0
    }

    /// Sets a control; what the driver made of it is to be read back.
    pub(in super::super) fn set_control(&self, id: u32, value: i64) -> io::Result<()> {
        let value = i32::try_from(value).map_err(|_| io::ErrorKind::InvalidInput)?;
        self.call(S_CTRL, &mut c::v4l2_control { id, value })
    }
}

fn described(answer: &c::v4l2_query_ext_ctrl) -> Described {
    let has = |flag| answer.flags & flag != 0;
    // The type of a C character has a sign on some architectures.
    let title: Vec<u8> = answer.name.iter().map(|byte| *byte as u8).collect();
    Described {
        id: answer.id,
        title: text(&title),
        kind: kind(answer),
        min: answer.minimum,
        max: answer.maximum,
        step: answer.step,
        default: answer.default_value,
        is_disabled: has(c::V4L2_CTRL_FLAG_DISABLED),
        is_read_only: has(c::V4L2_CTRL_FLAG_READ_ONLY),
        is_write_only: has(c::V4L2_CTRL_FLAG_WRITE_ONLY),
        is_inactive: has(c::V4L2_CTRL_FLAG_INACTIVE),
        is_volatile: has(c::V4L2_CTRL_FLAG_VOLATILE),
    }
}

fn kind(answer: &c::v4l2_query_ext_ctrl) -> ControlKind {
    if answer.flags & c::V4L2_CTRL_FLAG_HAS_PAYLOAD != 0 {
        return ControlKind::Other;
    }
    match answer.type_ {
        c::v4l2_ctrl_type_V4L2_CTRL_TYPE_INTEGER => ControlKind::Integer,
        c::v4l2_ctrl_type_V4L2_CTRL_TYPE_BOOLEAN => ControlKind::Boolean,
        c::v4l2_ctrl_type_V4L2_CTRL_TYPE_MENU => ControlKind::Menu,
        c::v4l2_ctrl_type_V4L2_CTRL_TYPE_INTEGER_MENU => ControlKind::IntegerMenu,
        c::v4l2_ctrl_type_V4L2_CTRL_TYPE_BITMASK => ControlKind::Bitmask,
        c::v4l2_ctrl_type_V4L2_CTRL_TYPE_BUTTON => ControlKind::Button,
        c::v4l2_ctrl_type_V4L2_CTRL_TYPE_INTEGER64 => ControlKind::Integer64,
        c::v4l2_ctrl_type_V4L2_CTRL_TYPE_CTRL_CLASS => ControlKind::Class,
        _ => ControlKind::Other,
    }
}
