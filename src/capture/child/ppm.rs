//! A stream of binary PPM pictures, as ffmpeg's `image2pipe` writes them.
//!
//! Every picture carries its own size, so a change of size within a stream needs no word from
//! outside. Only 8-bit `P6` without comments is read: that is all that ffmpeg writes. A picture that
//! is cut off is an error, never a frame.

use std::io::{BufRead, Error, ErrorKind, Read, Result};

/// Larger frames are refused before memory is asked for; preprocess would not take them either.
const MAX_SIDE: u32 = 16_384;
const MAX_PIXELS: u64 = 64 << 20;

/// One picture: `height * width * 3` bytes, rows from the top.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Picture {
    pub(super) width: u32,
    pub(super) height: u32,
    pub(super) data: Vec<u8>,
}

/// The next picture, or none where the stream ends between two pictures.
///
/// # Errors
/// `UnexpectedEof` where the stream ends within a picture, `InvalidData` where it is no PPM or too
/// large, and whatever the stream gives.
pub(super) fn read(stream: &mut impl BufRead) -> Result<Option<Picture>> {
    if stream.fill_buf()?.is_empty() {
        return Ok(None);
    }
    let mut magic = [0; 2];
    stream.read_exact(&mut magic)?;
    if &magic != b"P6" {
        return Err(invalid(format_args!(
            "{magic:02x?} where `P6` was expected"
        )));
    }
    let width = number(stream)?;
    let height = number(stream)?;
    let maximum = number(stream)?;
    let pixels = u64::from(width) * u64::from(height);
    if maximum != 255 || pixels == 0 {
        return Err(invalid(format_args!("{width}x{height}, maximum {maximum}")));
    }
    if width.max(height) > MAX_SIDE || pixels > MAX_PIXELS {
        return Err(invalid(format_args!(
            "{width}x{height} is too large a frame"
        )));
    }
    let length = pixels * 3;
    let mut data = Vec::with_capacity(length as usize);
    if stream.take(length).read_to_end(&mut data)? < length as usize {
        return Err(Error::new(ErrorKind::UnexpectedEof, "frame cut off"));
    }
    Ok(Some(Picture {
        width,
        height,
        data,
    }))
}

/// A decimal number after white space, with the one white-space byte that ends it.
fn number(stream: &mut impl Read) -> Result<u32> {
    let mut value: Option<u32> = None;
    for _ in 0..16 {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        match (byte[0], value) {
            (digit @ b'0'..=b'9', _) => {
                let digit = u32::from(digit - b'0');
                value = value.unwrap_or(0).checked_mul(10).map(|tens| tens + digit);
                if value.is_none_or(|value| value > 1_000_000) {
                    return Err(invalid("a number in the header is too large"));
                }
            }
            (b' ' | b'\n' | b'\r' | b'\t', None) => {}
            (b' ' | b'\n' | b'\r' | b'\t', Some(value)) => return Ok(value),
            (other, _) => return Err(invalid(format_args!("byte {other:02x} in the header"))),
        }
    }
    Err(invalid("a header without end"))
}

fn invalid(what: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::InvalidData, format!("not a frame: {what}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn written(picture: &Picture) -> Vec<u8> {
        let mut bytes = format!("P6\n{} {}\n255\n", picture.width, picture.height).into_bytes();
        bytes.extend(&picture.data);
        bytes
    }

    fn all(mut stream: &[u8]) -> Result<Vec<Picture>> {
        let mut pictures = Vec::new();
        while let Some(picture) = read(&mut stream)? {
            pictures.push(picture);
        }
        Ok(pictures)
    }

    fn pictures() -> impl Strategy<Value = Vec<Picture>> {
        let picture = (1u32..9, 1u32..9).prop_flat_map(|(width, height)| {
            prop::collection::vec(any::<u8>(), (width * height * 3) as usize).prop_map(
                move |data| Picture {
                    width,
                    height,
                    data,
                },
            )
        });
        prop::collection::vec(picture, 0..5)
    }

    proptest! {
        #[test]
        fn what_was_written_is_read_back_whatever_the_sizes(pictures in pictures()) {
            let stream: Vec<u8> = pictures.iter().flat_map(written).collect();
            prop_assert_eq!(all(&stream).unwrap(), pictures);
        }

        #[test]
        fn a_stream_cut_within_a_picture_is_an_error(pictures in pictures(), cut in 0.0..1.0f64) {
            let stream: Vec<u8> = pictures.iter().flat_map(written).collect();
            let ends: Vec<usize> = pictures.iter().scan(0, |end, picture| {
                *end += written(picture).len();
                Some(*end)
            }).collect();
            let cut = (cut * stream.len() as f64) as usize;
            let clean = cut == 0 || ends.contains(&cut);
            let got = all(&stream[..cut]);
            prop_assert_eq!(got.is_ok(), clean);
            if let Err(error) = got {
                prop_assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
            }
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = all(&bytes);
            let _ = all(&[b"P6\n".as_slice(), &bytes].concat());
        }
    }

    #[test]
    fn a_header_that_asks_for_too_much_is_refused_before_memory_is() {
        for header in [
            "P6\n16384 16384\n255\n",
            "P6\n99999999999 1\n255\n",
            "P6\n16385 1\n255\n",
            "P6\n0 5\n255\n",
            "P6\n2 2\n65535\n",
            "P6\n                        2 2\n255\n",
        ] {
            let error = all(header.as_bytes()).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidData, "{header}");
        }
    }
}
