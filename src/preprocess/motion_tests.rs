//! Motion JPEG as cameras send it: without tables, padded, cut off, glued together.

use super::super::super::huffman::STANDARD_TABLES;
use super::*;

/// A JPEG as ffmpeg's encoder makes it, with the standard tables.
fn webcam_jpeg(width: u32, height: u32, format: &str) -> Vec<u8> {
    let source = format!("testsrc2=size={width}x{height}:rate=1:duration=1");
    ffmpeg(
        &[
            "-f",
            "lavfi",
            "-i",
            &source,
            "-frames:v",
            "1",
            "-c:v",
            "mjpeg",
            "-huffman",
            "default",
            "-pix_fmt",
            format,
            "-f",
            "mjpeg",
            "-",
        ],
        &[],
    )
}

/// The same as a UVC camera sends it: an AVI1 segment, no Huffman tables.
fn without_tables(jpeg: &[u8]) -> Vec<u8> {
    let at = jpeg.windows(4).position(|w| w == &STANDARD_TABLES[..4]);
    let at = at.expect("ffmpeg writes the tables");
    let mut bytes = jpeg[..2].to_vec();
    bytes.extend(b"\xff\xe0\x00\x10AVI1\0\0\0\0\0\0\0\0\0\0");
    bytes.extend(&jpeg[2..at]);
    bytes.extend(&jpeg[at + STANDARD_TABLES.len()..]);
    bytes
}

/// Where the coded data of the first scan begin.
fn scan_start(jpeg: &[u8]) -> usize {
    jpeg.windows(2).position(|w| w == [0xff, 0xda]).unwrap() + 14
}

#[test]
fn motion_jpeg_without_tables_decodes_as_with_them() {
    for format in ["yuvj422p", "yuvj420p", "yuvj444p", "gray"] {
        let whole = webcam_jpeg(64, 48, format);
        assert!(whole.windows(420).any(|w| w == STANDARD_TABLES), "{format}");
        let expected = rgb(&motion(whole.clone(), 64, 48)).unwrap();
        let bare = without_tables(&whole);
        assert_eq!(rgb(&motion(bare.clone(), 64, 48)).unwrap(), expected);
        // The AVI1 segment alone makes zune-jpeg fill in the tables: ours must do without it.
        let plain = [&bare[..2], &bare[20..]].concat();
        assert_eq!(rgb(&motion(plain.clone(), 64, 48)).unwrap(), expected);
        let file = Pixels::Encoded(plain);
        assert_eq!(*decode(&file).unwrap().data, expected);
        let padded = [bare, vec![0; 5000]].concat();
        assert_eq!(rgb(&motion(padded, 64, 48)).unwrap(), expected);
    }
}

#[test]
fn a_motion_jpeg_cut_anywhere_is_refused() {
    let bytes = without_tables(&webcam_jpeg(48, 32, "yuvj422p"));
    assert!(rgb(&motion(bytes.clone(), 48, 32)).is_ok());
    for end in 0..bytes.len() {
        let cut = motion(bytes[..end].to_vec(), 48, 32);
        assert!(rgb(&cut).is_err(), "{end} of {}", bytes.len());
        let ended = [&bytes[..end], &[0xff, 0xd9]].concat();
        if end < bytes.len() - 4 {
            assert!(
                rgb(&motion(ended, 48, 32)).is_err(),
                "{end} and an end marker"
            );
        }
    }
}

#[test]
fn halves_of_two_motion_jpegs_are_refused() {
    let a = without_tables(&webcam_jpeg(128, 96, "yuvj422p"));
    let mut b = a.clone();
    let start = scan_start(&a);
    b.splice(start..start, a[start..start + 300].to_vec());
    for part in [0.2, 0.5, 0.9] {
        let at = start + ((a.len() - start) as f64 * part) as usize;
        let stale = [&a[..at], &b[at..]].concat();
        assert!(rgb(&motion(stale, 128, 96)).is_err(), "{part}");
        let second = [&a[..at], &a[..]].concat();
        assert!(rgb(&motion(second, 128, 96)).is_err(), "{part}");
    }
}

#[test]
fn a_motion_jpeg_of_another_size_or_kind_is_refused_with_both_sizes() {
    let bytes = webcam_jpeg(64, 48, "yuvj422p");
    let reason = refusal(&motion(bytes.clone(), 128, 48));
    assert!(
        reason.contains("64x48") && reason.contains("128x48"),
        "{reason}"
    );
    let progressive = include_bytes!("../../tests/oracle/pictures/progressive.jpg");
    let size = image::load_from_memory(progressive).unwrap().into_rgb8();
    let (width, height) = size.dimensions();
    assert!(refusal(&motion(progressive.to_vec(), width, height)).contains("progressive"));
    let png = b"\x89PNG\r\n\x1a\n".to_vec();
    assert!(refusal(&motion(png, 64, 48)).contains("start marker"));
    assert!(refusal(&motion(Vec::new(), 64, 48)).contains("start marker"));
}

proptest! {
    #[test]
    fn flipped_bits_of_motion_jpeg_never_panic(
        flips in prop::collection::vec((any::<prop::sample::Index>(), 0u8..8), 1..6),
    ) {
        static BYTES: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
        let bytes = BYTES.get_or_init(|| without_tables(&webcam_jpeg(48, 32, "yuvj422p")));
        let mut bytes = bytes.clone();
        for (place, bit) in flips {
            let place = place.index(bytes.len());
            bytes[place] ^= 1 << bit;
        }
        if let Err(error) = rgb(&motion(bytes, 48, 32)) {
            prop_assert!(!error.to_string().contains("panicked"), "{}", error);
        }
    }
}
