//! `inspectd cameras`: the cameras of this machine, what each offers, and the lines that make it a
//! source. Nothing is opened for streaming; no camera at all is an answer and not a fault.

use std::fmt::{self, Display, Write as _};

use super::output::say;
use crate::capture::{Device, OfferedControl, OfferedFormat, OfferedSize, devices};
use crate::cli::CamerasArgs;

const NONE: &str = "\
No camera was found. Check that
  - it is plugged in, and the kernel sees it (`lsusb`, `dmesg`);
  - this user may open it: group `video` (`usermod -aG video USER`, then log in anew);
  - a container was given it (`--device /dev/video0`);
  - a CSI camera of a Raspberry Pi is listed by `rpicam-hello --list-cameras`: its source is `csi`.";

/// Prints a paragraph for each camera, or one line of JSON.
pub(super) fn cameras(args: &CamerasArgs) -> anyhow::Result<()> {
    let devices = devices(args.backend)?;
    if args.json {
        say!("{}", serde_json::to_string(&devices)?)
    } else if devices.is_empty() {
        say!("{NONE}")
    } else {
        let paragraphs: Vec<String> = devices.iter().map(paragraph).collect();
        say!("{}", paragraphs.join("\n\n"))
    }
}

/// A camera, for people; ends without a line break.
fn paragraph(device: &Device) -> String {
    let mut text = device.name.clone();
    let mut row = |key: &str, value: &dyn Display| {
        // Writing to a text does not fail.
        let _ = write!(text, "\n  {key:<9}{value}");
    };
    row("device", &device.device);
    if let Some(link) = device.links.first() {
        row("link", &link.display());
    }
    for (key, value) in [("driver", &device.driver), ("bus", &device.bus)] {
        if let Some(value) = value {
            row(key, value);
        }
    }
    if let Some(fault) = &device.fault {
        row("fault", fault);
    }
    for (key, format) in first("formats").zip(&device.formats) {
        row(key, &FormatLine(format));
    }
    for (key, control) in first("controls").zip(&device.controls) {
        row(key, &ControlLine(control));
    }
    if device.usable {
        row("source", &source(device));
    }
    text
}

/// The key on the first line, blanks on the others.
fn first(key: &str) -> impl Iterator<Item = &str> {
    std::iter::once(key).chain(std::iter::repeat(""))
}

/// What to paste below `[[camera]]`.
fn source(device: &Device) -> String {
    let link = device.links.first().map(|link| link.display().to_string());
    let name = link.unwrap_or_else(|| device.device.clone());
    let name = match name.parse::<u32>() {
        Ok(index) => index.to_string(),
        // A text of TOML, quotes and all.
        Err(_) => toml::Value::from(name).to_string(),
    };
    format!(
        "source = {{ kind = \"{}\", device = {name} }}",
        device.backend
    )
}

struct FormatLine<'a>(&'a OfferedFormat);

impl Display for FormatLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let format = self.0;
        write!(f, "{}  {}", format.fourcc, format.description)?;
        if !format.usable {
            write!(f, "  (inspectd can't decode it)")?;
        }
        let sizes = format.sizes.iter();
        sizes
            .map(SizeLine)
            .try_for_each(|size| write!(f, "\n           {size}"))
    }
}

struct SizeLine<'a>(&'a OfferedSize);

impl Display for SizeLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let OfferedSize {
            min,
            max,
            step,
            fps,
        } = self.0;
        write!(f, "{}x{}", min[0], min[1])?;
        if min != max {
            write!(f, " to {}x{}", max[0], max[1])?;
            if *step != [1, 1] {
                write!(f, " in steps of {}x{}", step[0], step[1])?;
            }
        }
        let rates: Vec<String> = fps.iter().map(|&fps| rate(fps)).collect();
        if rates.is_empty() {
            return Ok(());
        }
        write!(f, "  {} fps", rates.join(", "))
    }
}

/// Two decimals at most: 30, 7.5, 29.97.
fn rate(fps: f64) -> String {
    let text = format!("{fps:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

struct ControlLine<'a>(&'a OfferedControl);

impl Display for ControlLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let control = self.0;
        write!(f, "{} = ", control.name)?;
        match control.value {
            Some(value) => write!(f, "{value}")?,
            None => write!(f, "?")?,
        }
        write!(f, "  {}", control.kind)?;
        if control.menu.is_empty() && control.min != control.max {
            write!(f, " {} to {}", control.min, control.max)?;
            if control.step > 1 {
                write!(f, " in steps of {}", control.step)?;
            }
        }
        write!(f, ", default {}", control.default)?;
        if control.inactive {
            write!(f, "  (can't be set now)")?;
        }
        let mut menu = control.menu.iter();
        menu.try_for_each(|(value, entry)| write!(f, "\n           {value}: {entry}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn webcam() -> Device {
        let size = |side: [u32; 2], fps: &[f64]| OfferedSize {
            min: side,
            max: side,
            step: [1, 1],
            fps: fps.to_vec(),
        };
        let control = OfferedControl {
            id: 0x009a_0901,
            name: "exposure_auto".to_owned(),
            kind: "menu".to_owned(),
            min: 0,
            max: 3,
            step: 1,
            default: 3,
            value: Some(1),
            menu: vec![
                (1, "Manual Mode".to_owned()),
                (3, "Aperture Priority Mode".to_owned()),
            ],
            inactive: false,
        };
        Device {
            backend: "v4l2",
            device: "/dev/video0".to_owned(),
            links: vec!["/dev/v4l/by-id/usb-Acme_HD-index0".into()],
            name: "Acme HD".to_owned(),
            driver: Some("uvcvideo".to_owned()),
            bus: Some("usb-0000:00:14.0-2".to_owned()),
            formats: vec![
                OfferedFormat {
                    fourcc: "MJPG".to_owned(),
                    description: "Motion-JPEG".to_owned(),
                    usable: true,
                    sizes: vec![size([1280, 720], &[30.0, 7.5]), size([640, 480], &[])],
                },
                OfferedFormat {
                    fourcc: "H264".to_owned(),
                    description: "H.264".to_owned(),
                    usable: false,
                    sizes: vec![OfferedSize {
                        min: [32, 32],
                        max: [1920, 1080],
                        step: [2, 2],
                        fps: vec![30_000.0 / 1001.0],
                    }],
                },
            ],
            controls: vec![
                control.clone(),
                OfferedControl {
                    name: "exposure_absolute".to_owned(),
                    kind: "integer".to_owned(),
                    min: 3,
                    max: 2047,
                    step: 2,
                    default: 250,
                    value: None,
                    menu: Vec::new(),
                    inactive: true,
                    ..control
                },
            ],
            fault: None,
            usable: true,
        }
    }

    #[test]
    fn a_camera_is_a_paragraph_that_ends_with_its_source() {
        let expected = r#"Acme HD
  device   /dev/video0
  link     /dev/v4l/by-id/usb-Acme_HD-index0
  driver   uvcvideo
  bus      usb-0000:00:14.0-2
  formats  MJPG  Motion-JPEG
           1280x720  30, 7.5 fps
           640x480
           H264  H.264  (inspectd can't decode it)
           32x32 to 1920x1080 in steps of 2x2  29.97 fps
  controls exposure_auto = 1  menu, default 3
           1: Manual Mode
           3: Aperture Priority Mode
           exposure_absolute = ?  integer 3 to 2047 in steps of 2, default 250  (can't be set now)
  source   source = { kind = "v4l2", device = "/dev/v4l/by-id/usb-Acme_HD-index0" }"#;
        assert_eq!(paragraph(&webcam()), expected);
    }

    #[test]
    fn a_camera_that_tells_nothing_is_shown_with_its_fault() {
        let bare = Device {
            backend: "nokhwa",
            device: "1".to_owned(),
            links: Vec::new(),
            driver: None,
            bus: None,
            formats: Vec::new(),
            controls: Vec::new(),
            fault: Some("busy: another program has it".to_owned()),
            ..webcam()
        };
        let expected = "Acme HD\n  device   1\n  fault    busy: another program has it\n  \
                        source   source = { kind = \"nokhwa\", device = 1 }";
        assert_eq!(paragraph(&bare), expected);
    }

    #[test]
    fn what_can_not_be_used_has_no_source_to_paste() {
        let multiplanar = Device {
            fault: Some("it speaks the multiplanar interface".to_owned()),
            usable: false,
            ..webcam()
        };
        let text = paragraph(&multiplanar);
        assert!(text.contains("fault    it speaks"), "{text}");
        assert!(!text.contains("source"), "{text}");
    }

    #[test]
    fn the_line_to_paste_is_toml_whatever_the_device_is_called() {
        for name in ["/dev/video0", "a \"quoted\" \\ name", "7"] {
            let device = Device {
                device: name.to_owned(),
                links: Vec::new(),
                ..webcam()
            };
            let table: toml::Table = source(&device).parse().unwrap();
            let device = &table["source"]["device"];
            let text = device
                .as_str()
                .map_or_else(|| device.to_string(), str::to_owned);
            assert_eq!(text, name);
        }
    }
}
