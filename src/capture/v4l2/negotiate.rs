//! From an open node to agreed pictures: what it can do, what is asked of it, what it answers.
//!
//! A driver answers a wish with what it likes best, never with a refusal. So every answer is held
//! against the wish, and another format or size than the configured one is an error that names what
//! is on offer.

use std::path::Path;

use super::format::{Offer, choose_layout, choose_size, layout, letters, list};
use super::interval::Interval;
use super::sys::{Capability, Node, Picture};
use super::{V4l2, refused};
use crate::capture::{CaptureError, Layout};

/// What a driver agreed to.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Agreed {
    pub(super) layout: Layout,
    pub(super) picture: Picture,
    /// From one frame to the next; none where the driver does not say.
    pub(super) interval: Option<Interval>,
}

/// Drivers whose nodes are steps of a board's camera pipeline: they give pictures where a program puts
/// others in, and nothing otherwise.
const STEPS: [&str; 2] = ["bcm2835-isp", "bcm2835-codec"];

/// What makes a node one that pictures can be had from.
///
/// # Errors
/// Where it is none, saying what to use instead.
pub(super) fn check(path: &Path, capability: &Capability) -> Result<(), CaptureError> {
    let (device, card) = (path.display(), &capability.card);
    let fault = if STEPS.contains(&capability.driver.as_str()) {
        "it is a step of the board's camera pipeline and no camera; use `kind = \"csi\"`"
    } else if capability.captures && capability.is_steered {
        "it gives pictures once a program has set up the camera pipeline before it, as on a Raspberry Pi 5; use \
         `kind = \"csi\"`, or `kind = \"command\"` with the board's own program"
    } else if capability.captures && capability.streams {
        return Ok(());
    } else if capability.captures {
        "it has no stream of buffers; such a device is not supported"
    } else if capability.is_multiplanar {
        "it speaks the multiplanar interface, as parts of a board's camera pipeline do; use `kind = \
         \"csi\"`, or `kind = \"command\"` with the board's own program"
    } else {
        "it gives no pictures (a camera may have other nodes beside that of its pictures); \
         `inspectd cameras` lists those that do"
    };
    Err(CaptureError::Broken(format!(
        "can't use {device} ({card}): {fault}"
    )))
}

/// The formats on offer that can be decoded, each once.
pub(super) fn offers(node: &Node) -> Vec<Offer> {
    let mut offers: Vec<Offer> = Vec::new();
    for format in node.formats() {
        let Some(layout) = layout(format.fourcc) else {
            continue;
        };
        if offers.iter().all(|offer| offer.layout != layout) {
            offers.push(Offer {
                layout,
                fourcc: format.fourcc,
                sizes: node.sizes(format.fourcc),
            });
        }
    }
    offers
}

/// Agrees with the driver on format, size and rate.
///
/// # Errors
/// Where it does not give what is configured, or refuses.
pub(super) fn negotiate(node: &Node, path: &Path, wish: &V4l2) -> Result<Agreed, CaptureError> {
    let mut offers = offers(node);
    let none_usable = offers.is_empty();
    let all = list(&offers);
    let unfit = |what: String| {
        let all = if none_usable {
            "nothing that can be decoded"
        } else {
            &all
        };
        CaptureError::Broken(format!(
            "{} does not give {what}; it offers: {all}",
            path.display()
        ))
    };
    if let Some(format) = wish.format {
        offers.retain(|offer| offer.layout == format);
    }
    let asked = wish.format.map_or("pictures", Layout::name);
    let size = wish.size.unwrap_or_else(|| choose_size(&offers));
    let [width, height] = size;
    let at_size = format!("{asked} at {width}x{height}");
    let rates = |layout| {
        let offer = offers.iter().find(|offer: &&Offer| offer.layout == layout);
        let code = offer.map_or(0, |offer| offer.fourcc);
        node.intervals(code, size)
    };
    let chosen = choose_layout(&offers, size, wish.fps, rates);
    let offer = offers.iter().find(|offer| Some(offer.layout) == chosen);
    let offer = offer.ok_or_else(|| unfit(at_size.clone()))?;
    let picture = node
        .set_format(offer.fourcc, size)
        .map_err(|reason| refused("set the format of", path, reason))?;
    if picture.fourcc != offer.fourcc || [picture.width, picture.height] != size {
        let given = letters(picture.fourcc);
        let (columns, rows) = (picture.width, picture.height);
        return Err(unfit(format!("{at_size} but {given} at {columns}x{rows}")));
    }
    if !picture.is_whole {
        return Err(unfit(format!(
            "{at_size} in whole frames, only half of the rows at a time"
        )));
    }
    Ok(Agreed {
        layout: offer.layout,
        picture,
        interval: set_rate(node, path, offer, size, wish),
    })
}

/// Asks for the rate nearest to the pace; what the driver made of it. Frames that are too many are
/// passed over later, so that nothing here is an error.
fn set_rate(
    node: &Node,
    path: &Path,
    offer: &Offer,
    size: [u32; 2],
    wish: &V4l2,
) -> Option<Interval> {
    let current = node.interval()?;
    let Some(wanted) = node.intervals(offer.fourcc, size).choose(wish.fps) else {
        return Some(current);
    };
    match node.set_interval(wanted) {
        Ok(agreed) => Some(agreed),
        Err(reason) => {
            tracing::debug!(device = %path.display(), %reason, "the driver keeps its rate");
            Some(current)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A webcam's, but for what `change` makes of it.
    fn fault(driver: &str, change: impl Fn(&mut Capability)) -> Option<String> {
        let mut capability = Capability {
            card: "card".to_owned(),
            driver: driver.to_owned(),
            bus: String::new(),
            captures: true,
            takes: false,
            is_multiplanar: false,
            streams: true,
            is_steered: false,
        };
        change(&mut capability);
        let checked = check(Path::new("/dev/video7"), &capability);
        checked.err().map(|fault| fault.to_string())
    }

    #[test]
    fn parts_of_a_boards_pipeline_are_refused_with_the_kinds_that_use_it() {
        assert_eq!(fault("uvcvideo", |_| ()), None);
        // The receiver of a Raspberry Pi 5 gives pictures in one plane, and refuses to stream until it is linked.
        for part in [
            fault("rp1-cfe", |node| node.is_steered = true),
            fault("rkisp1", |node| {
                (node.captures, node.is_multiplanar) = (false, true);
            }),
            fault("bcm2835-isp", |_| ()),
        ] {
            let text = part.unwrap();
            assert!(text.contains("kind = \"csi\""), "{text}");
            assert!(!text.contains("ffmpeg"), "{text}");
        }
        let other = fault("uvcvideo", |node| node.captures = false).unwrap();
        assert!(other.contains("inspectd cameras"), "{other}");
    }
}
