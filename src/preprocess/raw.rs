//! A driver's raw picture as RGB.
//!
//! The bytes of a picture are counted against its size and stride before one is read: what the
//! driver did not fill is never looked at. YUV is BT.601, in the range that the driver names (V4L2's
//! default for standard definition; a camera that means BT.709 is seen a few levels off, the same at
//! calibration and after). Grey is taken as it is.

use std::borrow::Cow;

use super::decode::{accept_size, guarded, undecodable};
use super::{Rejection, jpeg};
use crate::capture::{Layout, Range, RawPicture};

/// `[height, width, 3]` of a raw picture, in `memory` where it is not borrowed.
///
/// # Errors
/// When it is too small or large, or has fewer bytes than its size needs; and all that can be wrong
/// with a JPEG.
pub(super) fn decode(
    mut memory: Vec<u8>,
    picture: &RawPicture,
) -> Result<Cow<'_, [u8]>, Rejection> {
    let (width, height) = (picture.width, picture.height);
    accept_size(width, height)?;
    let data = match picture.layout {
        Layout::Mjpeg => guarded(|| jpeg::decode_motion(memory, &picture.data, width, height))?,
        Layout::Yuyv => from_yuyv(memory, picture)?,
        Layout::Nv12 => from_nv12(memory, picture)?,
        Layout::Grey => from_grey(memory, picture)?,
        Layout::Rgb24 => {
            let rows = plane(picture, 0, width * 3, height)?;
            match rows.unpadded() {
                Some(data) => return Ok(Cow::Borrowed(data)),
                None => {
                    memory.clear();
                    rows.iter().for_each(|row| memory.extend_from_slice(row));
                    memory
                }
            }
        }
    };
    Ok(Cow::Owned(data))
}

/// The rows of a plane; all of them lie within its bytes.
struct Rows<'a> {
    /// From the first byte of the first row to the last byte of the last.
    data: &'a [u8],
    stride: usize,
    /// Bytes of a row, without its padding.
    length: usize,
}

impl<'a> Rows<'a> {
    fn iter(&self) -> impl Iterator<Item = &'a [u8]> {
        let length = self.length;
        self.data.chunks(self.stride).map(move |row| &row[..length])
    }

    fn unpadded(&self) -> Option<&'a [u8]> {
        (self.stride == self.length).then_some(self.data)
    }
}

/// A plane that begins at `start`. Sizes have been accepted, so only `start` and the stride can be
/// large.
fn plane(picture: &RawPicture, start: u64, length: u32, rows: u32) -> Result<Rows<'_>, Rejection> {
    let (stride, data) = (picture.stride, &picture.data);
    if stride < length {
        return undecodable(format!(
            "rows {stride} bytes apart where {} columns need {length}",
            picture.width
        ));
    }
    let end = start + u64::from(stride) * u64::from(rows - 1) + u64::from(length);
    let within = usize::try_from(start).ok().zip(usize::try_from(end).ok());
    match within.and_then(|(start, end)| data.get(start..end)) {
        Some(data) => Ok(Rows {
            data,
            stride: stride as usize,
            length: length as usize,
        }),
        None => undecodable(format!(
            "{} bytes where {}x{} pixels in rows {stride} bytes apart need {end}",
            data.len(),
            picture.width,
            picture.height
        )),
    }
}

fn from_grey(memory: Vec<u8>, picture: &RawPicture) -> Result<Vec<u8>, Rejection> {
    let rows = plane(picture, 0, picture.width, picture.height)?;
    Ok(painted(memory, picture, rows.iter(), |grey, rgb| {
        for (&grey, rgb) in grey.iter().zip(rgb.as_chunks_mut::<3>().0) {
            *rgb = [grey; 3];
        }
    }))
}

fn from_yuyv(memory: Vec<u8>, picture: &RawPicture) -> Result<Vec<u8>, Rejection> {
    if !picture.width.is_multiple_of(2) {
        return undecodable(format!(
            "{} columns: YUYV has pixels in pairs, so their number must be even",
            picture.width
        ));
    }
    let rows = plane(picture, 0, picture.width * 2, picture.height)?;
    Ok(match picture.range {
        Range::Limited => painted(memory, picture, rows.iter(), paint_yuyv::<LIMITED>),
        Range::Full => painted(memory, picture, rows.iter(), paint_yuyv::<FULL>),
    })
}

/// Pixels that are painted at once: enough to fill the vector units.
const BLOCK: usize = 32;

/// In blocks with a plane for each sample: pixel by pixel, noise took three times as long or more.
fn paint_yuyv<const RANGE: bool>(yuyv: &[u8], rgb: &mut [u8]) {
    let (blocks, rest) = yuyv.as_chunks::<{ 2 * BLOCK }>();
    let (painted, rest_painted) = rgb.as_chunks_mut::<{ 3 * BLOCK }>();
    for (block, rgb) in blocks.iter().zip(painted) {
        let luma = std::array::from_fn(|i| block[2 * i]);
        let u = std::array::from_fn(|i| block[i / 2 * 4 + 1]);
        let v = std::array::from_fn(|i| block[i / 2 * 4 + 3]);
        *rgb = painted_block::<RANGE>(&luma, &u, &v);
    }
    let pairs = rest.as_chunks::<4>().0.iter();
    for (&[y0, u, y1, v], rgb) in pairs.zip(rest_painted.as_chunks_mut::<6>().0) {
        *rgb = pair::<RANGE>([y0, y1], [u, v]);
    }
}

#[inline(always)]
fn painted_block<const RANGE: bool>(
    luma: &[u8; BLOCK],
    u: &[u8; BLOCK],
    v: &[u8; BLOCK],
) -> [u8; 3 * BLOCK] {
    let mut planes = [[0; BLOCK]; 3];
    for i in 0..BLOCK {
        let colour = colour::<RANGE>([u[i], v[i]]);
        let luma = brightness::<RANGE>(luma[i]);
        for (plane, colour) in planes.iter_mut().zip(colour) {
            plane[i] = level(luma + colour);
        }
    }
    std::array::from_fn(|i| planes[i % 3][i / 3])
}

/// The plane of U and V has half the rows and the same stride.
fn from_nv12(memory: Vec<u8>, picture: &RawPicture) -> Result<Vec<u8>, Rejection> {
    let (width, height) = (picture.width, picture.height);
    if !width.is_multiple_of(2) || !height.is_multiple_of(2) {
        return undecodable(format!(
            "{width}x{height}: NV12 has pixels in squares of four, so both must be even"
        ));
    }
    // The last plane first: what it needs is what the whole needs.
    let end = u64::from(picture.stride) * u64::from(height);
    let chroma = plane(picture, end, width, height / 2)?;
    let luma = plane(picture, 0, width, height)?;
    let twice = chroma.iter().flat_map(|row| [row, row]);
    let rows = luma.iter().zip(twice);
    Ok(match picture.range {
        Range::Limited => painted(memory, picture, rows, paint_nv12::<LIMITED>),
        Range::Full => painted(memory, picture, rows, paint_nv12::<FULL>),
    })
}

fn paint_nv12<const RANGE: bool>((luma, chroma): (&[u8], &[u8]), rgb: &mut [u8]) {
    let luma = luma.as_chunks::<2>().0.iter();
    let pairs = luma.zip(chroma.as_chunks::<2>().0);
    for ((&luma, &chroma), rgb) in pairs.zip(rgb.as_chunks_mut::<6>().0) {
        *rgb = pair::<RANGE>(luma, chroma);
    }
}

/// Paints a picture row by row, all of it: there are as many rows as it has.
fn painted<Row>(
    mut data: Vec<u8>,
    picture: &RawPicture,
    rows: impl Iterator<Item = Row>,
    paint: impl Fn(Row, &mut [u8]),
) -> Vec<u8> {
    let width = picture.width as usize;
    data.resize(picture.height as usize * width * 3, 0);
    for (row, rgb) in rows.zip(data.chunks_exact_mut(width * 3)) {
        paint(row, rgb);
    }
    data
}

/// Bits after the point of the factors below: as many as let them stay within 16 bits, for the
/// vector units.
const POINT: u32 = 13;
const HALF: i32 = 1 << (POINT - 1);
/// Factors of a range, times 2^13: of Y, of V in red, of V and U in green, of U in blue.
struct Factors {
    black: i32,
    luma: i32,
    red_v: i32,
    green_v: i32,
    green_u: i32,
    blue_u: i32,
}

/// Ranges as constants, so that each has code of its own.
const LIMITED: bool = false;
const FULL: bool = true;

const fn factors(range: bool) -> Factors {
    match range {
        LIMITED => Factors {
            black: 16,
            luma: 9539,
            red_v: 13_075,
            green_v: 6660,
            green_u: 3209,
            blue_u: 16_525,
        },
        FULL => Factors {
            black: 0,
            luma: 8192,
            red_v: 11_485,
            green_v: 5850,
            green_u: 2819,
            blue_u: 14_516,
        },
    }
}

/// What U and V add to red, green and blue, and half a level for rounding.
#[inline(always)]
fn colour<const RANGE: bool>([u, v]: [u8; 2]) -> [i32; 3] {
    let by = const { factors(RANGE) };
    let (u, v) = (i32::from(u) - 128, i32::from(v) - 128);
    [
        by.red_v * v + HALF,
        HALF - by.green_v * v - by.green_u * u,
        by.blue_u * u + HALF,
    ]
}

/// What Y adds to all three.
#[inline(always)]
fn brightness<const RANGE: bool>(luma: u8) -> i32 {
    let by = const { factors(RANGE) };
    by.luma * (i32::from(luma) - by.black)
}

#[inline(always)]
fn level(value: i32) -> u8 {
    (value >> POINT).clamp(0, 255) as u8
}

/// Two pixels that share their colour.
#[inline(always)]
fn pair<const RANGE: bool>(luma: [u8; 2], chroma: [u8; 2]) -> [u8; 6] {
    let [red, green, blue] = colour::<RANGE>(chroma);
    let [first, second] = luma.map(brightness::<RANGE>);
    [
        first + red,
        first + green,
        first + blue,
        second + red,
        second + green,
        second + blue,
    ]
    .map(level)
}

#[cfg(test)]
#[path = "raw_tests.rs"]
mod tests;
