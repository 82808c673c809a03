//! A JPEG file: its outline, read marker by marker, and then its pixels, strictly.
//!
//! The outline is looked at before any memory is asked for: size, kind, number of scans, and that
//! the end-of-image marker is there. Decoders forgive its absence and paint what is missing grey;
//! here a damaged picture is an error. Of baseline pictures the blocks are counted too (`scan`), which
//! finds the half picture that ends well. Orientation (EXIF) and colour profiles are ignored. A
//! picture without Huffman tables, as cameras send them, is read with the standard ones. There is no
//! decoding at reduced size: zune-jpeg has none, and `jpeg-decoder`, which has, forgives damage.

use std::borrow::Cow;

use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::colorspace::ColorSpace;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::Rejection;
use super::decode::{MAX_SIDE, accept_size};
use super::huffman::{STANDARD_TABLES, standard_tables};
use super::scan::{Component, FrameHeader, Tables};

/// A progressive picture has about ten scans; thousands are an attack on the decoder's time.
const MAX_SCANS: usize = 64;

const SOI: u8 = 0xd8;
const EOI: u8 = 0xd9;
const SOS: u8 = 0xda;
const DHT: u8 = 0xc4;
const DRI: u8 = 0xdd;

/// The pixels of a JPEG file, `[height, width, 3]` in `memory`, with width and height.
///
/// # Errors
/// When it is cut off, damaged, too large or small, or of a kind that cameras don't make (12 bits,
/// four colours, arithmetic coding, lossless).
pub(super) fn decode(memory: Vec<u8>, bytes: &[u8]) -> Result<(u32, u32, Vec<u8>), Rejection> {
    let outline = outline(bytes).map_err(Rejection::Undecodable)?;
    accept_size(outline.width, outline.height)?;
    let data = outline.pixels(memory, bytes)?;
    Ok((outline.width, outline.height, data))
}

/// The pixels of one picture of a camera's motion JPEG, `[height, width, 3]` in `memory`. Only
/// sequential coding is read, and only the size that was negotiated.
///
/// # Errors
/// As [`decode`], and when it is of another kind or size.
pub(super) fn decode_motion(
    memory: Vec<u8>,
    bytes: &[u8],
    width: u32,
    height: u32,
) -> Result<Vec<u8>, Rejection> {
    if !bytes.starts_with(&[0xff, SOI]) {
        return Err(Rejection::Undecodable(
            "damaged JPEG: no start marker where the picture starts".to_owned(),
        ));
    }
    let outline = outline(bytes).map_err(Rejection::Undecodable)?;
    if (outline.width, outline.height) != (width, height) {
        return Err(Rejection::Undecodable(format!(
            "a JPEG of {}x{} where the camera agreed on {width}x{height}",
            outline.width, outline.height
        )));
    }
    if !outline.sequential {
        return Err(Rejection::Undecodable(
            "a progressive JPEG, which no camera makes".to_owned(),
        ));
    }
    outline.pixels(memory, bytes)
}

/// One picture of a camera's motion JPEG as a file that every program reads: what stands after its end
/// is cut off, and Huffman tables that were left out are put in. All else stays, to the byte.
///
/// # Errors
/// When it is no whole picture.
pub fn motion_file(bytes: &[u8]) -> Result<Cow<'_, [u8]>, Rejection> {
    let outline = outline(bytes).map_err(Rejection::Undecodable)?;
    Ok(outline.file(bytes))
}

/// What the markers of a file say.
#[derive(Debug, PartialEq, Eq)]
struct Outline {
    width: u32,
    height: u32,
    /// Just after the end-of-image marker; what follows is padding.
    end: usize,
    sequential: bool,
    /// Where the standard Huffman tables must be put in: before the first scan.
    tables_at: Option<usize>,
}

impl Outline {
    /// The file that it was made of, without padding and with its tables.
    fn file<'a>(&self, bytes: &'a [u8]) -> Cow<'a, [u8]> {
        match self.tables_at {
            Some(at) => Cow::Owned([&bytes[..at], &STANDARD_TABLES, &bytes[at..self.end]].concat()),
            None => Cow::Borrowed(&bytes[..self.end]),
        }
    }

    /// The pixels of the file that it was made of, in `memory`.
    fn pixels(&self, mut memory: Vec<u8>, bytes: &[u8]) -> Result<Vec<u8>, Rejection> {
        let file = self.file(bytes);
        let options = DecoderOptions::default()
            .set_strict_mode(true)
            .set_max_width(MAX_SIDE as usize)
            .set_max_height(MAX_SIDE as usize)
            .jpeg_set_max_scans(MAX_SCANS)
            .jpeg_set_out_colorspace(ColorSpace::RGB);
        // Black, since the decoder may leave pixels out: none may be an earlier picture's.
        memory.clear();
        memory.resize(self.width as usize * self.height as usize * 3, 0);
        JpegDecoder::new_with_options(ZCursor::new(&*file), options)
            .decode_into(&mut memory)
            .map_err(|error| Rejection::Undecodable(format!("damaged JPEG: {error:?}")))?;
        Ok(memory)
    }
}

/// Walks the markers from start to end of image.
fn outline(bytes: &[u8]) -> Result<Outline, String> {
    let mut rest = Rest { bytes, at: 2 };
    let mut frame: Option<FrameHeader> = None;
    let mut tables = Tables::default();
    let mut tables_at = None;
    let mut scans = 0;
    loop {
        let at = rest.at;
        match rest.marker()? {
            EOI => break,
            SOI => return Err("a second JPEG starts within this one".to_owned()),
            // Restart and temporary markers stand alone.
            0x01 | 0xd0..=0xd7 => {}
            SOS => {
                scans += 1;
                if scans > MAX_SCANS {
                    return Err(format!("JPEG with more than {MAX_SCANS} scans"));
                }
                let header = rest.segment()?;
                let data = rest.scan()?;
                let frame = frame
                    .as_ref()
                    .ok_or("damaged JPEG: a scan without a frame")?;
                if frame.sequential && tables.is_empty() {
                    tables
                        .define(standard_tables())
                        .expect("the standard tables are whole");
                    tables_at = Some(at);
                }
                // A size that is refused below is not worth a walk.
                if frame.sequential && accept_size(frame.width, frame.height).is_ok() {
                    tables.check(frame, header, data)?;
                }
            }
            0xc0..=0xc2 if frame.is_some() => return Err("JPEG with two frame headers".to_owned()),
            sof @ 0xc0..=0xc2 => frame = Some(frame_header(sof, rest.segment()?)?),
            DHT => tables.define(rest.segment()?)?,
            DRI => tables
                .set_restart(rest.segment()?)
                .ok_or("damaged JPEG: no restart interval")?,
            0xc3 | 0xc5..=0xc7 | 0xc9..=0xcb | 0xcd..=0xcf => {
                return Err(
                    "JPEG with lossless, hierarchical or arithmetic coding; save it as \
                            baseline or progressive"
                        .to_owned(),
                );
            }
            _ => {
                rest.segment()?;
            }
        }
    }
    match (frame, scans) {
        (Some(frame), 1..) => Ok(Outline {
            width: frame.width,
            height: frame.height,
            end: rest.at,
            sequential: frame.sequential,
            tables_at,
        }),
        _ => Err("JPEG without a picture".to_owned()),
    }
}

/// The body of the start-of-frame segment with this marker.
fn frame_header(sof: u8, body: &[u8]) -> Result<FrameHeader, String> {
    let too_short = "JPEG with a frame header that is too short";
    let (&[bits, h1, h0, w1, w0, count], rest) = body.split_first_chunk().ok_or(too_short)?;
    if bits != 8 {
        return Err(format!(
            "JPEG with {bits} bits a colour; save it with 8 bits"
        ));
    }
    if count != 1 && count != 3 {
        return Err(format!(
            "JPEG with {count} colour components (CMYK?); save it as RGB or grey"
        ));
    }
    let components: Vec<Component> = rest
        .as_chunks::<3>()
        .0
        .iter()
        .take(count.into())
        .map(|&[id, sampling, _]| Component {
            id,
            across: u32::from(sampling >> 4),
            down: u32::from(sampling & 15),
        })
        .collect();
    if components.len() != usize::from(count) {
        return Err(too_short.to_owned());
    }
    if components
        .iter()
        .any(|c| !(1..=4).contains(&c.across) || !(1..=4).contains(&c.down))
    {
        return Err("damaged JPEG: impossible sampling factors".to_owned());
    }
    let (width, height) = (
        u16::from_be_bytes([w1, w0]).into(),
        u16::from_be_bytes([h1, h0]).into(),
    );
    Ok(FrameHeader {
        width,
        height,
        sequential: sof != 0xc2,
        components,
    })
}

/// What has not been walked yet.
struct Rest<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Rest<'a> {
    /// The code of the marker that must stand here.
    fn marker(&mut self) -> Result<u8, String> {
        if self.byte()? != 0xff {
            return Err("damaged JPEG: no marker where one must stand".to_owned());
        }
        loop {
            // Any number of fill bytes may come before the code.
            match self.byte()? {
                0xff => {}
                0 => return Err("damaged JPEG: no marker where one must stand".to_owned()),
                code => return Ok(code),
            }
        }
    }

    /// The body of the segment that starts here with its length.
    fn segment(&mut self) -> Result<&'a [u8], String> {
        let length = usize::from(u16::from_be_bytes([self.byte()?, self.byte()?]));
        let body = length
            .checked_sub(2)
            .ok_or("damaged JPEG: a segment of impossible length")?;
        let end = self.at + body;
        let segment = self.bytes.get(self.at..end).ok_or_else(cut_off)?;
        self.at = end;
        Ok(segment)
    }

    /// The coded data of a scan, to the marker that ends it.
    fn scan(&mut self) -> Result<&'a [u8], String> {
        let start = self.at;
        loop {
            let found = self.bytes[self.at..].iter().position(|&byte| byte == 0xff);
            self.at += found.ok_or_else(cut_off)?;
            match self.bytes.get(self.at + 1) {
                // A stuffed byte, a restart, a fill byte: still within the scan.
                Some(0 | 0xd0..=0xd7) => self.at += 2,
                Some(0xff) => self.at += 1,
                Some(_) => return Ok(&self.bytes[start..self.at]),
                None => return Err(cut_off()),
            }
        }
    }

    fn byte(&mut self) -> Result<u8, String> {
        let byte = self.bytes.get(self.at).copied().ok_or_else(cut_off)?;
        self.at += 1;
        Ok(byte)
    }
}

fn cut_off() -> String {
    "JPEG cut off: its end is missing".to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_outline_ends_at_the_end_marker_and_sees_through_thumbnails() {
        #[rustfmt::skip]
        let bytes = [
            0xff, SOI,
            // An application segment that holds an end marker of its own.
            0xff, 0xe1, 0, 6, 0xff, EOI, 0xff, SOI,
            // Progressive: its blocks are not counted.
            0xff, 0xff, 0xc2, 0, 11, 8, 0, 48, 0, 64, 1, 1, 0x11, 0,
            0xff, SOS, 0, 8, 1, 1, 0, 0, 63, 0,
            1, 2, 0xff, 0, 3, 0xff, 0xd0, 4, 0xff, 0xff,
            EOI,
            9, 9, 9,
        ];
        let outline = outline(&bytes).unwrap();
        assert_eq!(
            outline,
            Outline {
                width: 64,
                height: 48,
                end: bytes.len() - 3,
                sequential: false,
                tables_at: None,
            }
        );
    }

    #[test]
    fn kinds_that_no_camera_makes_are_refused_with_advice() {
        let with = |sof: u8, bits: u8, components: u8| {
            #[rustfmt::skip]
            let header = [
                0xff, SOI, 0xff, sof, 0, 17, bits, 0, 48, 0, 64, components,
                1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0, 0xff, EOI,
            ];
            outline(&header).unwrap_err()
        };
        assert!(with(0xc1, 12, 3).contains("12 bits"));
        assert!(with(0xc0, 8, 4).contains("CMYK"));
        assert!(with(0xc3, 8, 3).contains("lossless"));
        assert!(with(0xc9, 8, 3).contains("arithmetic"));
        assert!(with(0xc0, 8, 3).contains("without a picture"));
    }

    #[test]
    fn a_bomb_of_scans_is_refused_by_its_outline() {
        let mut bytes = vec![0xff, SOI, 0xff, 0xc2, 0, 11, 8, 0, 48, 0, 64, 1, 1, 0x11, 0];
        for _ in 0..1000 {
            bytes.extend([0xff, SOS, 0, 2, 0]);
        }
        bytes.extend([0xff, EOI]);
        assert!(outline(&bytes).unwrap_err().contains("scans"));
    }
}
