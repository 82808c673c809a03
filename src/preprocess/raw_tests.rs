//! Raw pictures against a float reference and ffmpeg, and their bytes counted.

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::Instant;

use proptest::prelude::*;

use super::super::decode;
use super::*;
use crate::capture::Pixels;

#[path = "motion_tests.rs"]
mod motion_tests;

const LAYOUTS: [Layout; 4] = [Layout::Yuyv, Layout::Nv12, Layout::Grey, Layout::Rgb24];

fn noise(length: usize, seed: u32) -> Vec<u8> {
    let mut state = seed | 1;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        (state >> 11) as u8
    };
    (0..length).map(|_| next()).collect()
}

/// Bytes of a row, and how many such rows there are.
fn shape(layout: Layout, width: u32, height: u32) -> (u32, u32) {
    match layout {
        Layout::Yuyv => (width * 2, height),
        Layout::Nv12 => (width, height + height / 2),
        Layout::Grey => (width, height),
        Layout::Rgb24 => (width * 3, height),
        Layout::Mjpeg => unreachable!("it has no rows"),
    }
}

/// A picture of noise, its rows packed.
fn packed(layout: Layout, width: u32, height: u32) -> RawPicture {
    let (row, rows) = shape(layout, width, height);
    RawPicture {
        layout,
        width,
        height,
        stride: row,
        range: Range::Limited,
        data: noise((row * rows) as usize, width * 31 + height),
    }
}

/// The same with `padding` bytes of `fill` after each row but the last.
fn padded(picture: &RawPicture, padding: u32, fill: u8) -> RawPicture {
    let row = picture.stride as usize;
    let mut data = Vec::new();
    for row in picture.data.chunks(row) {
        data.extend(row);
        data.extend(vec![fill; padding as usize]);
    }
    data.truncate(data.len() - padding as usize);
    RawPicture {
        stride: picture.stride + padding,
        data,
        ..picture.clone()
    }
}

fn motion(data: Vec<u8>, width: u32, height: u32) -> RawPicture {
    RawPicture {
        layout: Layout::Mjpeg,
        width,
        height,
        stride: 0,
        range: Range::Limited,
        data,
    }
}

fn rgb(picture: &RawPicture) -> Result<Vec<u8>, Rejection> {
    decode(&Pixels::Raw(picture.clone())).map(|picture| picture.data.into_owned())
}

fn refusal(picture: &RawPicture) -> String {
    rgb(picture).unwrap_err().to_string()
}

/// ITU-R BT.601 in full precision.
fn reference_in(range: Range, y: u8, u: u8, v: u8) -> [u8; 3] {
    let (black, luma, chroma) = match range {
        Range::Limited => (16.0, 255.0 / 219.0, 255.0 / 224.0),
        Range::Full => (0.0, 1.0, 1.0),
    };
    let y = luma * (f64::from(y) - black);
    let (u, v) = (
        chroma * (f64::from(u) - 128.0),
        chroma * (f64::from(v) - 128.0),
    );
    let (kr, kb) = (0.299, 0.114);
    let red = y + 2.0 * (1.0 - kr) * v;
    let blue = y + 2.0 * (1.0 - kb) * u;
    let green = (y - kr * red - kb * blue) / (1.0 - kr - kb);
    [red, green, blue].map(|value| value.round().clamp(0.0, 255.0) as u8)
}

fn reference(y: u8, u: u8, v: u8) -> [u8; 3] {
    reference_in(Range::Limited, y, u, v)
}

#[test]
fn every_colour_is_that_of_bt_601_within_one_level() {
    every_colour_is_that_of(Range::Limited, pair::<LIMITED>);
    every_colour_is_that_of(Range::Full, pair::<FULL>);
}

fn every_colour_is_that_of(range: Range, pair: impl Fn([u8; 2], [u8; 2]) -> [u8; 6]) {
    let mut off = [0u64; 2];
    for y in 0..=255 {
        for u in 0..=255 {
            for v in 0..=255 {
                let ours = pair([y, 255 - y], [u, v]);
                for (ours, y) in [(&ours[..3], y), (&ours[3..], 255 - y)] {
                    for (ours, exact) in ours.iter().zip(reference_in(range, y, u, v)) {
                        off[usize::from(ours.abs_diff(exact))] += 1;
                    }
                }
            }
        }
    }
    // Where a value lies on the edge between two levels.
    assert!(off[1] * 100 < off[0], "{off:?}");
}

#[test]
fn samples_belong_to_their_pixels() {
    let yuyv = packed(Layout::Yuyv, 134, 18);
    let nv12 = packed(Layout::Nv12, 134, 18);
    let (of_yuyv, of_nv12) = (rgb(&yuyv).unwrap(), rgb(&nv12).unwrap());
    for y in 0..18 {
        for x in 0..134 {
            let at = (y * 134 + x) * 3;
            let [y0, u, y1, v] = yuyv.data.as_chunks::<4>().0[(y * 134 + x) / 2];
            let luma = [y0, y1][x % 2];
            assert!(near(&of_yuyv[at..at + 3], reference(luma, u, v)));
            let [u, v] = nv12.data[134 * 18..].as_chunks::<2>().0[y / 2 * 67 + x / 2];
            let luma = nv12.data[y * 134 + x];
            assert!(near(&of_nv12[at..at + 3], reference(luma, u, v)));
        }
    }
    let grey = packed(Layout::Grey, 17, 16);
    let of_grey = rgb(&grey).unwrap();
    let thrice: Vec<u8> = grey.data.iter().flat_map(|&g| [g; 3]).collect();
    assert_eq!(of_grey, thrice);
    let colour = packed(Layout::Rgb24, 17, 16);
    assert_eq!(rgb(&colour).unwrap(), colour.data);
}

#[test]
fn a_picture_of_full_range_keeps_its_darkest_and_brightest_levels() {
    for layout in [Layout::Yuyv, Layout::Nv12] {
        let mut picture = packed(layout, 134, 18);
        picture.range = Range::Full;
        let columns: Vec<u8> = (0..134).map(|x| [x, 255 - x][usize::from(x % 2)]).collect();
        picture.data.fill(128);
        for (i, row) in picture
            .data
            .chunks_mut(picture.stride as usize)
            .take(18)
            .enumerate()
        {
            let step = if layout == Layout::Yuyv { 2 } else { 1 };
            for (sample, column) in row.iter_mut().step_by(step).zip(&columns) {
                *sample = column.wrapping_add(i as u8);
            }
        }
        let rgb = rgb(&picture).unwrap();
        for (i, row) in rgb.chunks(134 * 3).enumerate() {
            let greys: Vec<u8> = columns.iter().map(|c| c.wrapping_add(i as u8)).collect();
            let expected: Vec<u8> = greys.iter().flat_map(|&grey| [grey; 3]).collect();
            assert_eq!(row, expected, "{layout:?}");
        }
    }
}

fn near(ours: &[u8], exact: [u8; 3]) -> bool {
    ours.iter().zip(exact).all(|(a, b)| a.abs_diff(b) <= 1)
}

/// `ffmpeg` with `arguments`, fed `input`: its standard output.
fn ffmpeg(arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let mut child = Command::new("ffmpeg")
        .args(["-loglevel", "error"])
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut feed = child.stdin.take().unwrap();
    let input = input.to_owned();
    let feeder = std::thread::spawn(move || feed.write_all(&input));
    let output = child.wait_with_output().unwrap();
    feeder.join().unwrap().unwrap();
    assert!(output.status.success());
    output.stdout
}

#[test]
fn ffmpeg_sees_the_same_picture() {
    for (layout, name) in [(Layout::Yuyv, "yuyv422"), (Layout::Nv12, "nv12")] {
        let mut picture = packed(layout, 64, 48);
        // Within the range that both show: beyond it ffmpeg clips earlier. By default it is quick
        // instead of exact, and blends the colours of neighbours.
        picture.data.iter_mut().for_each(|v| *v = 60 + *v / 2);
        let theirs = ffmpeg(
            &[
                "-f",
                "rawvideo",
                "-pix_fmt",
                name,
                "-s",
                "64x48",
                "-i",
                "-",
                "-sws_flags",
                "neighbor+accurate_rnd+full_chroma_int",
                "-f",
                "rawvideo",
                "-pix_fmt",
                "rgb24",
                "-",
            ],
            &picture.data,
        );
        let ours = rgb(&picture).unwrap();
        assert_eq!(ours.len(), theirs.len());
        let off = ours.iter().zip(&theirs).map(|(a, b)| a.abs_diff(*b));
        let off: Vec<u8> = off.collect();
        let largest = off.iter().max().unwrap();
        let mean = off.iter().map(|&v| f64::from(v)).sum::<f64>() / off.len() as f64;
        assert!(
            *largest <= 1,
            "{name}: {largest} levels off, {mean:.3} on average"
        );
    }
}

#[test]
fn the_padding_of_rows_is_never_seen() {
    for layout in LAYOUTS {
        let picture = packed(layout, 32, 18);
        let expected = rgb(&picture).unwrap();
        for padding in [1, 2, 31, 500] {
            for fill in [0, 255] {
                assert_eq!(rgb(&padded(&picture, padding, fill)).unwrap(), expected);
            }
        }
    }
}

#[test]
fn a_byte_too_few_is_refused_with_the_numbers_and_more_are_passed_over() {
    for layout in LAYOUTS {
        for padding in [0, 7] {
            let picture = padded(&packed(layout, 32, 18), padding, 9);
            let expected = rgb(&picture).unwrap();
            let mut more = picture.clone();
            more.data.extend([77; 4096]);
            assert_eq!(rgb(&more).unwrap(), expected);
            for missing in [1, 32, picture.data.len()] {
                let mut less = picture.clone();
                less.data.truncate(picture.data.len() - missing);
                let reason = refusal(&less);
                for number in [less.data.len(), picture.data.len(), picture.stride as usize] {
                    assert!(reason.contains(&number.to_string()), "{layout:?}: {reason}");
                }
            }
        }
    }
}

#[test]
fn impossible_sizes_and_strides_are_refused() {
    for layout in LAYOUTS {
        let picture = packed(layout, 32, 18);
        let with = |width, height, stride| RawPicture {
            width,
            height,
            stride,
            ..picture.clone()
        };
        for (width, height) in [(0, 0), (0, 18), (32, 0), (u32::MAX, 18), (32, u32::MAX)] {
            let bad = with(width, height, picture.stride);
            assert!(
                matches!(rgb(&bad), Err(Rejection::Size { .. })),
                "{layout:?}"
            );
        }
        for (height, stride) in [
            (18, picture.stride - 1),
            (18, 0),
            (18, u32::MAX),
            (16_000, 64),
        ] {
            assert!(
                rgb(&with(32, height, stride)).is_err(),
                "{layout:?} {stride}"
            );
        }
        assert!(rgb(&with(16_384, 16_384, u32::MAX)).is_err(), "{layout:?}");
    }
    for (layout, width, height) in [
        (Layout::Yuyv, 33, 18),
        (Layout::Nv12, 33, 18),
        (Layout::Nv12, 32, 17),
    ] {
        assert!(refusal(&packed(layout, width, height)).contains("even"));
    }
}

#[test]
fn packed_rgb_is_not_copied() {
    let picture = packed(Layout::Rgb24, 32, 18);
    let borrowed = super::decode(Vec::new(), &picture).unwrap();
    assert!(matches!(borrowed, Cow::Borrowed(_)));
    let padded = padded(&picture, 5, 1);
    let owned = super::decode(Vec::new(), &padded).unwrap();
    assert_eq!(owned, picture.data);
}

proptest! {
    #[test]
    fn no_bytes_and_no_numbers_make_it_panic(
        data in prop::collection::vec(any::<u8>(), 0..2000),
        width in prop_oneof![0u32..70, any::<u32>()],
        height in prop_oneof![0u32..70, any::<u32>()],
        stride in prop_oneof![0u32..200, any::<u32>()],
        layout in 0usize..5,
    ) {
        let layout = [LAYOUTS.as_slice(), &[Layout::Mjpeg]].concat()[layout];
        let range = [Range::Limited, Range::Full][data.len() % 2];
        let picture = RawPicture { layout, width, height, stride, range, data };
        match rgb(&picture) {
            Ok(rgb) => prop_assert_eq!(rgb.len() as u64, u64::from(width) * u64::from(height) * 3),
            Err(error) => prop_assert!(!error.to_string().contains("panicked"), "{}", error),
        }
    }
}

/// `cargo test --release --lib raw -- --ignored --nocapture`
#[test]
#[ignore = "a measurement"]
fn nanoseconds_a_pixel() {
    for layout in LAYOUTS {
        let picture = packed(layout, 1280, 720);
        let mut best = f64::MAX;
        let mut memory = Vec::new();
        for _ in 0..50 {
            let start = Instant::now();
            let decoded = super::decode(memory, std::hint::black_box(&picture)).unwrap();
            memory = std::hint::black_box(decoded).into_owned();
            best = best.min(start.elapsed().as_secs_f64());
        }
        println!(
            "{layout:?}: {:.2} ns a pixel",
            best * 1e9 / (1280.0 * 720.0)
        );
    }
}
