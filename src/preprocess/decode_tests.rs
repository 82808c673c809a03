//! Good pictures against Pillow's reading of them, and the bad ones.

use std::path::PathBuf;

use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, ImageFormat, RgbImage};
use proptest::prelude::*;

use super::*;

fn oracle(name: &str) -> Vec<u8> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/oracle/pictures");
    std::fs::read(folder.join(name)).unwrap()
}

fn decoded(bytes: &[u8]) -> Result<RgbImage, Rejection> {
    let pixels = Pixels::Encoded(bytes.to_owned());
    decode(&pixels).map(|picture| {
        RgbImage::from_raw(picture.width, picture.height, picture.data.into_owned()).unwrap()
    })
}

fn refusal(bytes: &[u8]) -> String {
    decoded(bytes).unwrap_err().to_string()
}

/// A smooth picture with an edge.
fn picture(width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        let edge = if x > width / 2 { 90 } else { 0 };
        image::Rgb([(x * 2) as u8, (y * 3) as u8, edge])
    })
}

fn jpeg(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, 90)
        .encode_image(&picture(width, height))
        .unwrap();
    bytes
}

/// Another picture of the same size, with more in it.
fn busy_jpeg(width: u32, height: u32) -> Vec<u8> {
    let picture = RgbImage::from_fn(width, height, |x, y| {
        image::Rgb([(x * y) as u8, (x * 37 + y * 11) as u8, (y * 91) as u8])
    });
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, 90)
        .encode_image(&picture)
        .unwrap();
    bytes
}

fn png(picture: &DynamicImage) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    picture.write_to(&mut bytes, ImageFormat::Png).unwrap();
    bytes.into_inner()
}

/// The largest difference of two pictures, in grey levels.
fn difference(a: &RgbImage, b: &RgbImage) -> u8 {
    assert_eq!(a.dimensions(), b.dimensions());
    a.iter()
        .zip(b.iter())
        .map(|(a, b)| a.abs_diff(*b))
        .max()
        .unwrap()
}

#[test]
fn jpegs_agree_with_pillow() {
    for name in [
        "baseline",
        "progressive",
        "restarts",
        "grey",
        "sampling444",
        "sampling422",
        "sampling420",
    ] {
        let ours = decoded(&oracle(&format!("{name}.jpg"))).unwrap();
        let pillows = image::load_from_memory(&oracle(&format!("{name}.png"))).unwrap();
        // The standard leaves the inverse transform and the chroma upsampling a little freedom.
        let difference = difference(&ours, &pillows.into_rgb8());
        assert!(difference <= 3, "{name}: {difference} grey levels");
    }
}

#[test]
fn pngs_of_every_kind_become_rgb() {
    let rgb = picture(40, 30);
    let dynamic = DynamicImage::ImageRgb8(rgb.clone());
    for same in [
        dynamic.clone(),
        DynamicImage::ImageRgba8(dynamic.to_rgba8()),
        DynamicImage::ImageRgb16(dynamic.to_rgb16()),
        DynamicImage::ImageRgba16(dynamic.to_rgba16()),
    ] {
        assert_eq!(decoded(&png(&same)).unwrap(), rgb, "{:?}", same.color());
    }
    let grey = dynamic.to_luma8();
    for same in [
        DynamicImage::ImageLuma8(grey.clone()),
        DynamicImage::ImageLuma16(DynamicImage::ImageLuma8(grey.clone()).to_luma16()),
    ] {
        let got = decoded(&png(&same)).unwrap();
        assert!(
            got.pixels()
                .zip(grey.pixels())
                .all(|(c, g)| c.0 == [g.0[0]; 3])
        );
    }
    let expected = image::load_from_memory(&oracle("palette-rgb.png")).unwrap();
    assert_eq!(
        decoded(&oracle("palette.png")).unwrap(),
        expected.into_rgb8()
    );
}

#[test]
fn a_fully_transparent_pixel_keeps_its_colour() {
    let clear = image::RgbaImage::from_pixel(16, 16, image::Rgba([9, 8, 7, 0]));
    let got = decoded(&png(&DynamicImage::ImageRgba8(clear))).unwrap();
    assert_eq!(got.get_pixel(3, 3).0, [9, 8, 7]);
}

#[test]
fn what_is_no_picture_is_refused() {
    assert!(refusal(&[]).contains("empty"));
    for bytes in [
        &[0xff][..],
        &[0x89],
        b"GIF89a, if you like",
        &[0xff, 0xd8, 0xff],
        &[0xff, 0xd8, 0xff, 0xd9],
        &[0x89, b'P', b'N', b'G', b'\r', b'\n', 0x1a, b'\n'],
    ] {
        assert!(!refusal(bytes).is_empty(), "{bytes:?}");
    }
}

#[test]
fn a_jpeg_cut_anywhere_is_refused() {
    for bytes in [
        jpeg(64, 48),
        oracle("progressive.jpg"),
        oracle("restarts.jpg"),
    ] {
        assert!(decoded(&bytes).is_ok());
        for end in 0..bytes.len() {
            assert!(decoded(&bytes[..end]).is_err(), "{end} of {}", bytes.len());
        }
    }
}

#[test]
fn half_a_jpeg_with_an_end_marker_glued_on_is_refused() {
    let bytes = jpeg(128, 96);
    for part in [0.6, 0.8, 0.95, 0.99] {
        let mut half = bytes[..(bytes.len() as f64 * part) as usize].to_owned();
        half.extend([0xff, 0xd9]);
        assert!(decoded(&half).is_err(), "{part}");
    }
}

#[test]
fn half_of_one_jpeg_and_the_tail_of_another_are_refused() {
    let (a, b) = (jpeg(128, 96), busy_jpeg(128, 96));
    let start = a.windows(2).rposition(|pair| pair == [0xff, 0xda]).unwrap() + 14;
    for part in [0.3, 0.5, 0.7, 0.9] {
        let half = start + ((a.len() - start) as f64 * part) as usize;
        let tail = b.len() - ((b.len() - start) as f64 * (1.0 - part)) as usize;
        let glued = [&a[..half], &b[tail..]].concat();
        assert!(decoded(&glued).is_err(), "{part}");
    }
}

#[test]
fn a_scan_that_leaves_out_a_restart_marker_is_refused() {
    let mut bytes = oracle("restarts.jpg");
    let marker = bytes
        .windows(2)
        .position(|pair| pair == [0xff, 0xd1])
        .unwrap();
    bytes.drain(marker..marker + 2);
    assert!(decoded(&bytes).is_err());
}

#[test]
fn pictures_of_every_size_and_quality_are_accepted() {
    for (width, height) in [(16, 16), (17, 31), (64, 48), (33, 100), (241, 19)] {
        for quality in [1, 50, 75, 90, 100] {
            let mut bytes = Vec::new();
            JpegEncoder::new_with_quality(&mut bytes, quality)
                .encode_image(&picture(width, height))
                .unwrap();
            let got = decoded(&bytes);
            assert!(got.is_ok(), "{width}x{height} {quality}: {got:?}");
        }
    }
}

#[test]
fn padding_after_the_end_of_a_jpeg_does_not_matter() {
    let clean = jpeg(64, 48);
    let expected = decoded(&clean).unwrap();
    for padding in [
        vec![0; 200_000],
        vec![0xff; 100],
        b"garbage".to_vec(),
        clean.clone(),
    ] {
        let bytes = [clean.clone(), padding].concat();
        assert_eq!(decoded(&bytes).unwrap(), expected);
    }
}

#[test]
fn a_png_cut_before_its_last_pixels_is_refused() {
    let bytes = png(&DynamicImage::ImageRgb8(picture(64, 48)));
    // The last 12 bytes are the end chunk, the 8 before it checksums.
    for end in (0..bytes.len() - 20).step_by(7) {
        assert!(decoded(&bytes[..end]).is_err(), "{end} of {}", bytes.len());
    }
}

#[test]
fn a_png_with_a_flipped_bit_in_its_pixels_is_refused() {
    let mut bytes = png(&DynamicImage::ImageRgb8(picture(64, 48)));
    let middle = bytes.len() / 2;
    bytes[middle] ^= 4;
    assert!(refusal(&bytes).contains("damaged PNG"));
}

#[test]
fn four_colours_are_refused_with_advice() {
    assert!(refusal(&oracle("cmyk.jpg")).contains("save it as RGB"));
}

#[test]
fn sizes_are_refused_before_memory_is_asked_for() {
    let mut huge = jpeg(64, 48);
    let header = huge
        .windows(2)
        .position(|pair| pair == [0xff, 0xc0])
        .unwrap();
    for (side, reason) in [
        (0xffffu16, "65535x65535"),
        (0x4000, "more than"),
        (0, "0x0"),
    ] {
        for offset in [5, 7] {
            huge[header + offset..header + offset + 2].copy_from_slice(&side.to_be_bytes());
        }
        assert!(refusal(&huge).contains(reason), "{}", refusal(&huge));
    }
    for small in [picture(15, 100), picture(100, 15)] {
        let bytes = png(&DynamicImage::ImageRgb8(small));
        assert!(matches!(decoded(&bytes), Err(Rejection::Size { .. })));
    }
    let wide = png(&DynamicImage::ImageLuma8(image::GrayImage::new(16_385, 16)));
    assert!(matches!(decoded(&wide), Err(Rejection::Size { .. })));
}

#[test]
fn raw_frames_are_checked_and_borrowed() {
    let frame = |width, height, length| Pixels::Rgb8 {
        width,
        height,
        data: vec![7; length],
    };
    let good = frame(16, 20, 960);
    assert!(matches!(decode(&good).unwrap().data, Cow::Borrowed(_)));
    for bad in [frame(16, 20, 959), frame(16, 20, 0), frame(16, 20, 961)] {
        assert!(matches!(decode(&bad), Err(Rejection::Undecodable(_))));
    }
    for bad in [frame(0, 0, 0), frame(u32::MAX, u32::MAX, 3)] {
        assert!(matches!(decode(&bad), Err(Rejection::Size { .. })));
    }
}

proptest! {
    #[test]
    fn flipped_bits_never_panic_nor_change_the_size_unnoticed(
        flips in prop::collection::vec((any::<prop::sample::Index>(), 0u8..8), 1..6),
        kind in 0usize..4,
    ) {
        let mut bytes = match kind {
            0 => jpeg(64, 48),
            1 => oracle("progressive.jpg"),
            2 => oracle("restarts.jpg"),
            _ => png(&DynamicImage::ImageRgb8(picture(64, 48))),
        };
        for (place, bit) in flips {
            let place = place.index(bytes.len());
            bytes[place] ^= 1 << bit;
        }
        if let Err(Rejection::Undecodable(reason)) = decoded(&bytes) {
            prop_assert!(!reason.contains("panicked"), "{}", reason);
        }
    }

    #[test]
    fn any_bytes_after_a_good_start_never_panic(
        tail in prop::collection::vec(any::<u8>(), 0..400),
        jpeg in any::<bool>(),
    ) {
        let start: &[u8] = if jpeg { &[0xff, 0xd8, 0xff] } else { b"\x89PNG\r\n\x1a\n" };
        prop_assert!(decoded(&[start, &tail].concat()).is_err());
    }
}

#[test]
fn sixteen_bits_a_colour_are_rounded_to_eight() {
    let deep = image::ImageBuffer::from_fn(16, 16, |x, _| image::Luma([x as u16 * 4111]));
    let mut bytes = Cursor::new(Vec::new());
    image::write_buffer_with_format(
        &mut bytes,
        &deep
            .iter()
            .flat_map(|v: &u16| v.to_ne_bytes())
            .collect::<Vec<_>>(),
        16,
        16,
        ExtendedColorType::L16,
        ImageFormat::Png,
    )
    .unwrap();
    let got = decoded(&bytes.into_inner()).unwrap();
    for x in 0..16 {
        let expected = (f64::from(x * 4111) / 257.0).round() as u8;
        assert_eq!(got.get_pixel(x, 5).0[0], expected);
    }
}
