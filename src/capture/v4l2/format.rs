//! Which pictures to ask a driver for: the configured ones, or the best on offer by fixed rules, so
//! that a camera gives the same after every replug. Pure: it chooses among [`Offer`]s.
//!
//! Size: 640x480 where it is on offer, since models see less than that; else the one that is nearest
//! in area. Format: raw where its rate suffices (the configured pace, else the best rate that any
//! format has), since decoding costs more than copying; else MJPEG; grey where nothing has colours.

use super::sys::{Intervals, Sizes};
use crate::capture::{Fps, Layout};

/// The size that is asked for where none is configured.
const USUAL: [u32; 2] = [640, 480];

/// Layouts by preference among those that are fast enough: raw with colours (first the one that
/// nearly all cameras have), compressed, grey.
const PREFERRED: [Layout; 5] = [
    Layout::Yuyv,
    Layout::Nv12,
    Layout::Rgb24,
    Layout::Mjpeg,
    Layout::Grey,
];

/// A layout that a camera offers.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Offer {
    pub(super) layout: Layout,
    /// What the driver calls it.
    pub(super) fourcc: u32,
    pub(super) sizes: Vec<Sizes>,
}

/// The four letters of a layout, as V4L2 writes them: the first in the lowest byte.
fn fourcc(layout: Layout) -> u32 {
    u32::from_le_bytes(*match layout {
        Layout::Mjpeg => b"MJPG",
        Layout::Yuyv => b"YUYV",
        Layout::Nv12 => b"NV12",
        Layout::Grey => b"GREY",
        Layout::Rgb24 => b"RGB3",
    })
}

/// The layout of a fourcc that can be decoded. Some drivers call their JPEG pictures `JPEG`.
pub(super) fn layout(code: u32) -> Option<Layout> {
    PREFERRED
        .into_iter()
        .find(|layout| fourcc(*layout) == code)
        .or((code == u32::from_le_bytes(*b"JPEG")).then_some(Layout::Mjpeg))
}

/// A fourcc for people; what is no letter becomes `?`.
pub(super) fn letters(code: u32) -> String {
    let letters = code.to_le_bytes();
    letters
        .map(|byte| {
            if byte.is_ascii_graphic() || byte == b' ' {
                char::from(byte)
            } else {
                '?'
            }
        })
        .iter()
        .collect()
}

impl Sizes {
    /// The size in this range that is nearest to another.
    fn nearest(&self, wanted: [u32; 2]) -> [u32; 2] {
        [0, 1].map(|axis| {
            let (min, max) = (self.min[axis], self.max[axis].max(self.min[axis]));
            let within = wanted[axis].clamp(min, max);
            within - (within - min) % self.step[axis].max(1)
        })
    }

    /// Whether the size belongs to the range.
    pub(super) fn contain(&self, size: [u32; 2]) -> bool {
        self.nearest(size) == size
    }
}

/// The size to ask for where none is configured.
pub(super) fn choose_size(offers: &[Offer]) -> [u32; 2] {
    let area = |[width, height]: [u32; 2]| f64::from(width.max(1)) * f64::from(height.max(1));
    let distance = |size: [u32; 2]| (area(size) / area(USUAL)).ln().abs();
    offers
        .iter()
        .flat_map(|offer| &offer.sizes)
        .map(|sizes| sizes.nearest(USUAL))
        // The same area in another shape comes after the usual shape.
        .min_by(|a, b| {
            (distance(*a).total_cmp(&distance(*b))).then((*a != USUAL).cmp(&(*b != USUAL)))
        })
        .unwrap_or(USUAL)
}

/// The layout to ask for at a size; `intervals` are those of a layout there.
pub(super) fn choose_layout(
    offers: &[Offer],
    size: [u32; 2],
    fps: Option<Fps>,
    intervals: impl Fn(Layout) -> Intervals,
) -> Option<Layout> {
    // A driver that does not list sizes is asked all the same.
    let fits =
        |offer: &&Offer| offer.sizes.is_empty() || offer.sizes.iter().any(|s| s.contain(size));
    let mut rates: Vec<(Layout, f64)> = offers
        .iter()
        .filter(fits)
        // What does not say how fast it is counts as fast enough.
        .map(|offer| {
            (
                offer.layout,
                intervals(offer.layout)
                    .rates()
                    .first()
                    .copied()
                    .unwrap_or(f64::INFINITY),
            )
        })
        .collect();
    rates.sort_by_key(|(layout, _)| PREFERRED.iter().position(|known| known == layout));
    let has_colours = rates.iter().any(|(layout, _)| *layout != Layout::Grey);
    rates.retain(|(layout, _)| *layout != Layout::Grey || !has_colours);
    let best = rates
        .iter()
        .map(|(_, rate)| *rate)
        .filter(|rate| rate.is_finite())
        .fold(0.0, f64::max);
    let enough = fps.map_or(best, |fps| fps.get().min(best));
    // 1001/30000 is as good as 1/30.
    let fast_enough = rates.iter().find(|(_, rate)| *rate >= enough * 0.99);
    fast_enough.map(|(layout, _)| *layout)
}

/// What is on offer, for an error.
pub(super) fn list(offers: &[Offer]) -> String {
    let one = |offer: &Offer| {
        let sizes: Vec<String> = offer.sizes.iter().take(20).map(describe).collect();
        format!("{} {}", offer.layout.name(), sizes.join(" "))
    };
    let all: Vec<String> = offers.iter().map(one).collect();
    all.join("; ")
}

fn describe(sizes: &Sizes) -> String {
    let text = |[width, height]: [u32; 2]| format!("{width}x{height}");
    if sizes.min == sizes.max {
        text(sizes.min)
    } else {
        format!("{} to {}", text(sizes.min), text(sizes.max))
    }
}

#[cfg(test)]
mod tests {
    use super::super::interval::Interval;
    use super::*;

    fn single(width: u32, height: u32) -> Sizes {
        Sizes {
            min: [width, height],
            max: [width, height],
            step: [1, 1],
        }
    }

    fn offer(layout: Layout, sizes: &[Sizes]) -> Offer {
        Offer {
            layout,
            fourcc: fourcc(layout),
            sizes: sizes.to_vec(),
        }
    }

    /// The choice at a size of a webcam: MJPEG with 30 a second, raw with fewer at large sizes.
    fn webcam(size: [u32; 2], fps: Option<f64>) -> Option<Layout> {
        let sizes = [single(1280, 720), single(640, 480)];
        let offers = [offer(Layout::Mjpeg, &sizes), offer(Layout::Yuyv, &sizes)];
        let fps = fps.map(|fps| Fps::new(fps).unwrap());
        choose_layout(&offers, size, fps, |layout| {
            let denominator = if layout == Layout::Yuyv && size[0] > 640 {
                10
            } else {
                30
            };
            Intervals::Listed(vec![Interval {
                numerator: 1,
                denominator,
            }])
        })
    }

    #[test]
    fn raw_is_chosen_where_it_is_fast_enough_and_mjpeg_where_it_is_not() {
        assert_eq!(webcam([640, 480], None), Some(Layout::Yuyv));
        assert_eq!(webcam([1280, 720], None), Some(Layout::Mjpeg));
        assert_eq!(webcam([1280, 720], Some(5.0)), Some(Layout::Yuyv));
        assert_eq!(webcam([1280, 720], Some(11.0)), Some(Layout::Mjpeg));
        // More than any has: the fastest will do.
        assert_eq!(webcam([640, 480], Some(90.0)), Some(Layout::Yuyv));
        assert_eq!(webcam([800, 600], None), None);
    }

    #[test]
    fn grey_is_chosen_only_where_nothing_has_colours() {
        let sizes = [single(640, 480)];
        let unknown = |_| Intervals::Listed(Vec::new());
        let grey = [offer(Layout::Grey, &sizes)];
        assert_eq!(
            choose_layout(&grey, [640, 480], None, unknown),
            Some(Layout::Grey)
        );
        let both = [offer(Layout::Grey, &sizes), offer(Layout::Mjpeg, &sizes)];
        assert_eq!(
            choose_layout(&both, [640, 480], None, unknown),
            Some(Layout::Mjpeg)
        );
    }

    #[test]
    fn the_usual_size_is_chosen_else_the_nearest_in_area() {
        let sizes = [single(1920, 1080), single(480, 640), single(640, 480)];
        assert_eq!(choose_size(&[offer(Layout::Yuyv, &sizes)]), [640, 480]);
        let sizes = [single(1920, 1080), single(160, 120), single(800, 600)];
        assert_eq!(choose_size(&[offer(Layout::Yuyv, &sizes)]), [800, 600]);
        assert_eq!(choose_size(&[]), USUAL);
    }

    #[test]
    fn a_range_of_sizes_holds_its_ends_and_what_its_steps_reach() {
        let range = Sizes {
            min: [32, 32],
            max: [1920, 1080],
            step: [16, 8],
        };
        assert!(range.contain([32, 32]) && range.contain([640, 480]));
        assert!(!range.contain([641, 480]) && !range.contain([1936, 480]));
        // Steps of 0 and ranges that end before they begin come from drivers too.
        let broken = Sizes {
            min: [640, 480],
            max: [0, 0],
            step: [0, 0],
        };
        assert_eq!(choose_size(&[offer(Layout::Yuyv, &[broken])]), [640, 480]);
        assert!(!broken.contain([0, 0]));
    }

    #[test]
    fn every_layout_has_a_fourcc_of_its_own_and_finds_back() {
        for known in PREFERRED {
            assert_eq!(layout(fourcc(known)), Some(known));
        }
        assert_eq!(layout(0x4745_504a), Some(Layout::Mjpeg));
        assert_eq!(layout(u32::from_le_bytes(*b"H264")), None);
        assert_eq!(
            letters(u32::from_le_bytes([b'Y', 0x1b, b'1', b' '])),
            "Y?1 "
        );
    }
}
