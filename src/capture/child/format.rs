//! In what form a program writes its pictures, and the next picture of a stream.
//!
//! Every form says where a picture ends. A picture that is cut off, or anything that is no picture, is
//! an error and never a frame: a pipe loses nothing, so whatever follows could not be trusted either.

use std::io::{BufRead, Error, ErrorKind, Read as _, Result};

use super::super::{Layout, Pixels, Range, RawPicture};
use super::{mjpeg, ppm};

/// The form of a stream of pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Format {
    /// Binary PPM, each with its own size.
    Ppm,
    /// JPEG files, one after another.
    Mjpeg,
    /// Rows without padding, pictures without anything between them.
    Raw {
        layout: Layout,
        width: u32,
        height: u32,
    },
}

impl Format {
    /// The next picture, or none where the stream ends between two.
    ///
    /// # Errors
    /// `UnexpectedEof` where it ends within a picture, `InvalidData` where there is none, and
    /// whatever the stream gives.
    pub(super) fn read(self, stream: &mut impl BufRead) -> Result<Option<Pixels>> {
        match self {
            Format::Ppm => Ok(ppm::read(stream)?.map(|picture| Pixels::Rgb8 {
                width: picture.width,
                height: picture.height,
                data: picture.data,
            })),
            Format::Mjpeg => Ok(mjpeg::read(stream)?.map(Pixels::Encoded)),
            Format::Raw {
                layout,
                width,
                height,
            } => raw(stream, layout, width, height),
        }
    }
}

fn raw(
    stream: &mut impl BufRead,
    layout: Layout,
    width: u32,
    height: u32,
) -> Result<Option<Pixels>> {
    let (stride, rows) = match layout {
        Layout::Mjpeg => return Ok(mjpeg::read(stream)?.map(Pixels::Encoded)),
        Layout::Yuyv => (width * 2, height),
        Layout::Nv12 => (width, height + height / 2),
        Layout::Grey => (width, height),
        Layout::Rgb24 => (width * 3, height),
    };
    let length = u64::from(stride) * u64::from(rows);
    let mut data = Vec::with_capacity(length as usize);
    match stream.take(length).read_to_end(&mut data)? as u64 {
        0 => Ok(None),
        read if read < length => Err(Error::new(ErrorKind::UnexpectedEof, "frame cut off")),
        _ => Ok(Some(Pixels::Raw(RawPicture {
            layout,
            width,
            height,
            stride,
            range: Range::Limited,
            data,
        }))),
    }
}
