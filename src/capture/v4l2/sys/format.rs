//! Requests about formats, sizes and frame intervals. What a driver answers is handed on as it is;
//! whether it makes sense is for the caller to see.

use std::io;

use v4l::v4l_sys as c;
use v4l::v4l2::vidioc;

use super::super::interval::Interval;
use super::{Node, Request, text, zeroed};
use crate::capture::Range;

/// The one type of buffer that is spoken here: a picture in one plane.
pub(super) const CAPTURE: u32 = c::v4l2_buf_type_V4L2_BUF_TYPE_VIDEO_CAPTURE;

const S_FMT: Request<c::v4l2_format> = Request::new(vidioc::VIDIOC_S_FMT);
const G_PARM: Request<c::v4l2_streamparm> = Request::new(vidioc::VIDIOC_G_PARM);
const S_PARM: Request<c::v4l2_streamparm> = Request::new(vidioc::VIDIOC_S_PARM);
const ENUM_FMT: Request<c::v4l2_fmtdesc> = Request::new(vidioc::VIDIOC_ENUM_FMT);
const ENUM_FRAMESIZES: Request<c::v4l2_frmsizeenum> = Request::new(vidioc::VIDIOC_ENUM_FRAMESIZES);
const ENUM_FRAMEINTERVALS: Request<c::v4l2_frmivalenum> =
    Request::new(vidioc::VIDIOC_ENUM_FRAMEINTERVALS);

/// A format that a driver lists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Described {
    /// Its four letters, the first in the lowest byte.
    pub(in super::super) fourcc: u32,
    /// Its name by the driver.
    pub(in super::super) name: String,
}

/// A size, or a range of them; both ends belong to it. A step of 0 comes from some drivers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct Sizes {
    pub(in super::super) min: [u32; 2],
    pub(in super::super) max: [u32; 2],
    pub(in super::super) step: [u32; 2],
}

/// The frame intervals at one size.
#[derive(Debug, Clone, PartialEq)]
pub(in super::super) enum Intervals {
    /// These and no others; none where the driver does not say.
    Listed(Vec<Interval>),
    /// All from the shortest to the longest.
    Between(Interval, Interval),
}

/// The pictures that a driver agreed to give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) struct Picture {
    pub(in super::super) fourcc: u32,
    pub(in super::super) width: u32,
    pub(in super::super) height: u32,
    /// Bytes from one row to the next; 0 for compressed formats.
    pub(in super::super) stride: u32,
    pub(in super::super) range: Range,
    /// Whether each buffer holds all the rows of its frame.
    pub(in super::super) is_whole: bool,
}

impl Node {
    /// The formats that the driver lists, in its order.
    pub(in super::super) fn formats(&self) -> Vec<Described> {
        let question = |index| c::v4l2_fmtdesc {
            index,
            type_: CAPTURE,
            ..zeroed()
        };
        self.list(ENUM_FMT, question)
            .iter()
            .map(|answer| Described {
                fourcc: answer.pixelformat,
                name: text(&answer.description),
            })
            .collect()
    }

    /// The sizes of a format.
    pub(in super::super) fn sizes(&self, fourcc: u32) -> Vec<Sizes> {
        let question = |index| c::v4l2_frmsizeenum {
            index,
            pixel_format: fourcc,
            ..zeroed()
        };
        let answers = self.list(ENUM_FRAMESIZES, question);
        let discrete = c::v4l2_frmsizetypes_V4L2_FRMSIZE_TYPE_DISCRETE;
        // A range is the answer to index 0 alone; drivers that repeat it for ever exist.
        let count = match answers.first() {
            Some(first) if first.type_ != discrete => 1,
            _ => answers.len(),
        };
        answers[..count].iter().map(size).collect()
    }

    /// The frame intervals of a format at a size.
    pub(in super::super) fn intervals(&self, fourcc: u32, [width, height]: [u32; 2]) -> Intervals {
        let question = |index| c::v4l2_frmivalenum {
            index,
            pixel_format: fourcc,
            width,
            height,
            ..zeroed()
        };
        let answers = self.list(ENUM_FRAMEINTERVALS, question);
        let discrete = c::v4l2_frmivaltypes_V4L2_FRMIVAL_TYPE_DISCRETE;
        match answers.first() {
            Some(first) if first.type_ != discrete => {
                // SAFETY: both arms of the union are integers alone, so that either may be read
                // whatever the driver wrote; the type says that it wrote this one.
                let range = unsafe { first.__bindgen_anon_1.stepwise };
                Intervals::Between(range.min.into(), range.max.into())
            }
            _ => Intervals::Listed(
                answers
                    .iter()
                    // SAFETY: as above.
                    .map(|answer| unsafe { answer.__bindgen_anon_1.discrete }.into())
                    .collect(),
            ),
        }
    }

    /// Asks for pictures of this kind; the answer is what the driver will give.
    pub(in super::super) fn set_format(
        &self,
        fourcc: u32,
        [width, height]: [u32; 2],
    ) -> io::Result<Picture> {
        let mut format = c::v4l2_format {
            type_: CAPTURE,
            ..zeroed()
        };
        format.fmt.pix = c::v4l2_pix_format {
            width,
            height,
            pixelformat: fourcc,
            field: c::v4l2_field_V4L2_FIELD_NONE,
            // SAFETY: `format` began as zeros, and this arm of its union is integers alone.
            ..unsafe { format.fmt.pix }
        };
        self.call(S_FMT, &mut format)?;
        // SAFETY: as above; the driver writes this arm for buffers of this type.
        let pix = unsafe { format.fmt.pix };
        let whole = [
            c::v4l2_field_V4L2_FIELD_ANY,
            c::v4l2_field_V4L2_FIELD_NONE,
            c::v4l2_field_V4L2_FIELD_INTERLACED,
        ];
        Ok(Picture {
            fourcc: pix.pixelformat,
            width: pix.width,
            height: pix.height,
            stride: pix.bytesperline,
            range: range(pix.quantization, pix.colorspace),
            is_whole: whole.contains(&pix.field),
        })
    }

    /// The frame interval that the driver has now; none where it does not know of intervals.
    pub(in super::super) fn interval(&self) -> Option<Interval> {
        let mut answer = c::v4l2_streamparm {
            type_: CAPTURE,
            ..zeroed()
        };
        self.call(G_PARM, &mut answer).ok()?;
        // SAFETY: the structure began as zeros, and this arm of its union is integers alone.
        let capture = unsafe { answer.parm.capture };
        let settable = capture.capability & c::V4L2_CAP_TIMEPERFRAME != 0;
        settable.then(|| capture.timeperframe.into())
    }

    /// Asks for a frame interval; the answer is the one that the driver will keep.
    pub(in super::super) fn set_interval(&self, interval: Interval) -> io::Result<Interval> {
        let mut request = c::v4l2_streamparm {
            type_: CAPTURE,
            ..zeroed()
        };
        request.parm.capture.timeperframe = c::v4l2_fract {
            numerator: interval.numerator,
            denominator: interval.denominator,
        };
        self.call(S_PARM, &mut request)?;
        // SAFETY: as in `interval`.
        Ok(unsafe { request.parm.capture }.timeperframe.into())
    }
}

/// The range that a driver names, or else that which the interface gives its colours: full for those of
/// JPEG. What is said of RGB is of no interest here.
fn range(quantization: u32, colours: u32) -> Range {
    match quantization {
        c::v4l2_quantization_V4L2_QUANTIZATION_FULL_RANGE => Range::Full,
        c::v4l2_quantization_V4L2_QUANTIZATION_DEFAULT
            if colours == c::v4l2_colorspace_V4L2_COLORSPACE_JPEG =>
        {
            Range::Full
        }
        _ => Range::Limited,
    }
}

fn size(answer: &c::v4l2_frmsizeenum) -> Sizes {
    if answer.type_ == c::v4l2_frmsizetypes_V4L2_FRMSIZE_TYPE_DISCRETE {
        // SAFETY: both arms of the union are integers alone; the type says that the driver wrote
        // this one.
        let one = unsafe { answer.__bindgen_anon_1.discrete };
        let size = [one.width, one.height];
        return Sizes {
            min: size,
            max: size,
            step: [1, 1],
        };
    }
    // SAFETY: as above.
    let range = unsafe { answer.__bindgen_anon_1.stepwise };
    Sizes {
        min: [range.min_width, range.min_height],
        max: [range.max_width, range.max_height],
        step: [range.step_width, range.step_height],
    }
}

impl From<c::v4l2_fract> for Interval {
    fn from(fraction: c::v4l2_fract) -> Self {
        Interval {
            numerator: fraction.numerator,
            denominator: fraction.denominator,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_range_is_what_the_driver_says_or_what_its_colours_mean() {
        let srgb = c::v4l2_colorspace_V4L2_COLORSPACE_SRGB;
        let jpeg = c::v4l2_colorspace_V4L2_COLORSPACE_JPEG;
        let unsaid = c::v4l2_quantization_V4L2_QUANTIZATION_DEFAULT;
        let full = c::v4l2_quantization_V4L2_QUANTIZATION_FULL_RANGE;
        let limited = c::v4l2_quantization_V4L2_QUANTIZATION_LIM_RANGE;
        for (quantization, colours, expected) in [
            (unsaid, srgb, Range::Limited),
            (unsaid, jpeg, Range::Full),
            (full, srgb, Range::Full),
            (limited, jpeg, Range::Limited),
        ] {
            assert_eq!(range(quantization, colours), expected);
        }
    }
}
