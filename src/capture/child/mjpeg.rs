//! A stream of JPEG files, one after another, as rpicam-vid, ffmpeg and GStreamer write motion JPEG.
//!
//! The markers are walked, since an end marker may stand within a segment too. Whether a picture
//! decodes is found out by preprocess; here only its end is looked for. There is no search for the
//! next picture after a fault: in a pipe, a fault means that the program writes something else.

use std::io::{BufRead, Error, ErrorKind, Read as _, Result};

/// Larger pictures are refused; preprocess would not take them either.
const MAX_BYTES: usize = 64 << 20;
/// Encoders pad to a word; a run of this many fill bytes is no picture.
const MAX_FILL: usize = 4096;

/// The next picture, or none where the stream ends between two pictures.
///
/// # Errors
/// `UnexpectedEof` where the stream ends within a picture, `InvalidData` where it is no JPEG or too
/// large, and whatever the stream gives.
pub(super) fn read(stream: &mut impl BufRead) -> Result<Option<Vec<u8>>> {
    if stream.fill_buf()?.is_empty() {
        return Ok(None);
    }
    let mut picture = Vec::with_capacity(1 << 16);
    let start = take(stream, &mut picture, 2)?;
    if start != [0xff, 0xd8] {
        return Err(invalid(format!("{start:02x?} where a JPEG must start")));
    }
    loop {
        let [first] = *take(stream, &mut picture, 1)? else {
            return Err(cut_off());
        };
        if first != 0xff {
            return Err(invalid(format!(
                "byte {first:02x} where a marker must stand"
            )));
        }
        let mut code = marker(stream, &mut picture)?;
        while code == 0xda {
            segment(stream, &mut picture)?;
            code = scan(stream, &mut picture)?;
        }
        match code {
            0xd9 => return Ok(Some(picture)),
            0x01 | 0xd0..=0xd7 => {}
            0x00 | 0xd8 => return Err(invalid(format!("marker {code:02x} within a picture"))),
            _ => segment(stream, &mut picture)?,
        }
    }
}

/// The code of a marker whose first byte has been passed; fill bytes may come before.
fn marker(stream: &mut impl BufRead, picture: &mut Vec<u8>) -> Result<u8> {
    for _ in 0..MAX_FILL {
        match *take(stream, picture, 1)? {
            [0xff] => {}
            [code] => return Ok(code),
            _ => return Err(cut_off()),
        }
    }
    Err(invalid("fill bytes without an end"))
}

/// Passes a segment with its length.
fn segment(stream: &mut impl BufRead, picture: &mut Vec<u8>) -> Result<()> {
    let [high, low] = *take(stream, picture, 2)? else {
        return Err(cut_off());
    };
    let length = usize::from(u16::from_be_bytes([high, low]));
    let body = length.checked_sub(2);
    let body = body.ok_or_else(|| invalid("a segment of impossible length"))?;
    take(stream, picture, body)?;
    Ok(())
}

/// Passes the coded data of a scan and the marker that ends it, whose code it gives.
fn scan(stream: &mut impl BufRead, picture: &mut Vec<u8>) -> Result<u8> {
    loop {
        let room = room(picture, 1)?;
        stream.take(room as u64).read_until(0xff, picture)?;
        if picture.last() != Some(&0xff) {
            return Err(if picture.len() < MAX_BYTES {
                cut_off()
            } else {
                too_large()
            });
        }
        // A stuffed byte or a restart stands within the scan.
        match marker(stream, picture)? {
            0 | 0xd0..=0xd7 => {}
            code => return Ok(code),
        }
    }
}

/// Moves `count` bytes to the picture; they are returned.
fn take<'a>(stream: &mut impl BufRead, picture: &'a mut Vec<u8>, count: usize) -> Result<&'a [u8]> {
    room(picture, count)?;
    let start = picture.len();
    if stream.take(count as u64).read_to_end(picture)? < count {
        return Err(cut_off());
    }
    Ok(&picture[start..])
}

/// The bytes that the picture may still grow by: at least `count`.
fn room(picture: &[u8], count: usize) -> Result<usize> {
    let room = MAX_BYTES - picture.len();
    if room < count {
        Err(too_large())
    } else {
        Ok(room)
    }
}

fn cut_off() -> Error {
    Error::new(ErrorKind::UnexpectedEof, "frame cut off")
}

fn too_large() -> Error {
    invalid(format_args!("more than {MAX_BYTES} bytes without an end"))
}

fn invalid(what: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::InvalidData, format!("not a frame: {what}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Not decodable, but with all that makes finding the end hard.
    #[rustfmt::skip]
    const PICTURE: &[u8] = &[
        0xff, 0xd8,
        // A segment that holds an end marker of its own.
        0xff, 0xe0, 0, 6, 0xff, 0xd9, 0xff, 0xd8,
        0xff, 0xff, 0xda, 0, 3, 1, 1, 2, 0xff, 0, 3, 0xff, 0xd0, 4,
        0xff, 0xda, 0, 3, 2, 5, 0xff, 0xff,
        0xd9,
    ];

    fn all(mut stream: &[u8]) -> Result<Vec<Vec<u8>>> {
        let mut pictures = Vec::new();
        while let Some(picture) = read(&mut stream)? {
            pictures.push(picture);
        }
        Ok(pictures)
    }

    #[test]
    fn pictures_come_one_by_one_whatever_their_segments_hold() {
        let stream = [PICTURE, PICTURE, PICTURE].concat();
        assert_eq!(all(&stream).unwrap(), [PICTURE, PICTURE, PICTURE]);
        assert!(all(&[]).unwrap().is_empty());
    }

    #[test]
    fn a_stream_cut_within_a_picture_is_an_error() {
        for end in 1..PICTURE.len() {
            let error = all(&[PICTURE, &PICTURE[..end]].concat()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::UnexpectedEof, "{end}");
        }
    }

    #[test]
    fn what_is_no_picture_is_refused_and_memory_stays_bounded() {
        for garbage in [
            &b"P6 1 1 255"[..],
            b"\xff\xd8\xff\xd8",
            b"\xff\xd8\0",
            &[0; 9],
        ] {
            let stream = [PICTURE, garbage].concat();
            assert_eq!(all(&stream).unwrap_err().kind(), ErrorKind::InvalidData);
        }
        let head = [0xff, 0xd8, 0xff, 0xda, 0, 2].as_slice();
        let mut endless = std::io::BufReader::new(head.chain(std::io::repeat(7)));
        assert!(
            read(&mut endless)
                .unwrap_err()
                .to_string()
                .contains("without an end")
        );
        let mut endless = std::io::BufReader::new(head.chain(std::io::repeat(0xff)));
        assert!(
            read(&mut endless)
                .unwrap_err()
                .to_string()
                .contains("without an end")
        );
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = all(&bytes);
            let _ = all(&[b"\xff\xd8".as_slice(), &bytes].concat());
        }
    }
}
