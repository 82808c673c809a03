//! The resize against Pillow's, and what crop and mask keep from the teacher.

use std::path::PathBuf;

use image::ColorType::Rgb8;
use image::ImageEncoder as _;
use image::codecs::jpeg::JpegEncoder;

use super::*;
use crate::capture::{Layout, Moment, Pixels, Range, RawPicture};

fn preprocessing(width: u32, height: u32, interpolation: Interpolation) -> Preprocessing {
    Preprocessing {
        width,
        height,
        mean: [0.5; 3],
        std: [0.5; 3],
        interpolation,
    }
}

/// The picture of `tests/oracle/resize.py`.
fn picture(width: u32, height: u32) -> Vec<u8> {
    let (w, h) = (i64::from(width), i64::from(height));
    let pixels = (0..h).flat_map(|y| (0..w).map(move |x| (x, y)));
    pixels
        .flat_map(|(x, y)| {
            let noise = (x * 7919 + y * 104_729 + x * y * 31) % 251;
            let red = x * 255 / w;
            let green = (x / 3 + y / 5) % 2 * 200 + noise / 8;
            let even = (x * 5 / w + y * 4 / h) % 2 == 0;
            let blue = if even { noise } else { 255 - y * 255 / h };
            [red as u8, green as u8, blue as u8]
        })
        .collect()
}

fn frame(width: u32, height: u32, data: Vec<u8>) -> Frame {
    Frame {
        seq: 0,
        at: Moment::now(),
        name: None,
        pixels: Pixels::Rgb8 {
            width,
            height,
            data,
        },
    }
}

#[test]
fn the_resize_is_pillows() {
    let sizes = [
        ((640, 480), (48, 48)),
        ((97, 61), (32, 40)),
        ((20, 18), (56, 33)),
        ((32, 32), (32, 32)),
    ];
    let filters = [
        (Interpolation::Bilinear, "bilinear"),
        (Interpolation::Bicubic, "bicubic"),
    ];
    for ((width, height), (to_width, to_height)) in sizes {
        for (interpolation, name) in filters {
            let file = format!("{width}x{height}-{to_width}x{to_height}-{name}.png");
            let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/oracle/resize");
            let golden = image::open(path.join(&file)).unwrap().into_rgb8();
            let mut preprocessor =
                Preprocessor::new(&preprocessing(to_width, to_height, interpolation));
            preprocessor
                .resize(width, height, &picture(width, height))
                .unwrap();
            let off: Vec<u32> = preprocessor
                .resized
                .buffer()
                .iter()
                .zip(golden.iter())
                .map(|(ours, pillows)| u32::from(ours.abs_diff(*pillows)))
                .collect();
            assert_eq!(off.len(), golden.len());
            let mean = f64::from(off.iter().sum::<u32>()) / off.len() as f64;
            let largest = off.iter().max().unwrap();
            println!("{file}: at most {largest}, on average {mean:.5} grey levels off");
            assert!(*largest <= 1 && mean < 0.05, "{file}: {largest}, {mean}");
        }
    }
}

#[test]
fn the_input_is_normalised_channel_by_channel() {
    let mut data = vec![0; 16 * 16 * 3];
    for pixel in data.as_chunks_mut::<3>().0 {
        *pixel = [0, 51, 255];
    }
    let constants = Preprocessing {
        mean: [0.485, 0.456, 0.406],
        std: [0.229, 0.224, 0.225],
        ..preprocessing(8, 4, Interpolation::Bilinear)
    };
    let prepared = Preprocessor::new(&constants)
        .prepare(&frame(16, 16, data))
        .unwrap();
    assert_eq!((prepared.width, prepared.height), (16, 16));
    let expected = [
        (0.0 - 0.485) / 0.229,
        (0.2 - 0.456) / 0.224,
        (1.0 - 0.406) / 0.225,
    ];
    assert_eq!(prepared.input.len(), 3 * 8 * 4);
    for (plane, expected) in prepared.input.chunks(8 * 4).zip(expected) {
        assert!(plane.iter().all(|value| (value - expected).abs() < 1e-6));
    }
}

#[test]
fn the_statistics_of_a_chequerboard_are_known() {
    // 32x32 to 32x32: the resize leaves it as it is.
    let white = |i: u32| {
        if (i % 32 + i / 32).is_multiple_of(2) {
            255
        } else {
            0
        }
    };
    let data = (0..32 * 32).flat_map(|i| [white(i); 3]).collect();
    let mut preprocessor = Preprocessor::new(&preprocessing(32, 32, Interpolation::Bilinear));
    let scene = preprocessor.prepare(&frame(32, 32, data)).unwrap().scene;
    assert!((scene.brightness - 0.5).abs() < 1e-6);
    assert!((scene.contrast - 0.5).abs() < 1e-6);
    assert!((scene.sharpness - 1.0).abs() < 1e-6);
    let flat = preprocessor.prepare(&frame(32, 32, vec![51; 32 * 32 * 3]));
    let flat = flat.unwrap().scene;
    assert!((flat.brightness - 0.2).abs() < 1e-6);
    assert!(flat.contrast < 1e-6 && flat.sharpness == 0.0);
}

#[test]
fn buffers_carry_nothing_from_one_frame_to_the_next() {
    let constants = preprocessing(24, 24, Interpolation::Bicubic);
    let mut kept = Preprocessor::new(&constants);
    for (width, height) in [(640, 480), (17, 33), (24, 24)] {
        let frame = frame(width, height, picture(width, height));
        let fresh = Preprocessor::new(&constants).prepare(&frame).unwrap();
        assert_eq!(kept.prepare(&frame).unwrap(), fresh);
    }
    let raw = |layout, width: u32, height: u32, pixel: u32| RawPicture {
        layout,
        width,
        height,
        stride: pixel * width,
        range: Range::default(),
        data: (0..pixel * width * height).map(|i| i as u8).collect(),
    };
    let jpeg = |width: u32, height: u32| {
        let mut bytes = Vec::new();
        let encoder = JpegEncoder::new(&mut bytes);
        let encoded = encoder.write_image(&picture(width, height), width, height, Rgb8.into());
        encoded.unwrap();
        Pixels::Encoded(bytes)
    };
    let decoded = [
        Pixels::Raw(raw(Layout::Grey, 640, 480, 1)),
        jpeg(33, 17),
        Pixels::Raw(raw(Layout::Yuyv, 64, 48, 2)),
        jpeg(64, 48),
        Pixels::Raw(raw(Layout::Grey, 24, 24, 1)),
    ];
    for pixels in decoded {
        let mut frame = frame(1, 1, Vec::new());
        frame.pixels = pixels;
        let fresh = Preprocessor::new(&constants).prepare(&frame).unwrap();
        assert_eq!(kept.prepare(&frame).unwrap(), fresh);
    }
}

fn looking_at(crop: [f64; 4], polygons: Vec<super::super::Polygon>) -> Preprocessor {
    let crop = super::super::Crop::new(crop).unwrap();
    let mask = super::super::Mask::new(polygons).unwrap();
    let view = View::new(crop, mask).unwrap();
    Preprocessor::new(&preprocessing(32, 32, Interpolation::Bicubic)).looking_at(view)
}

/// The pixels for which `changes` says so become their opposite.
fn changed(width: u32, height: u32, changes: impl Fn(u32, u32) -> bool) -> Vec<u8> {
    let mut data = picture(width, height);
    for (at, pixel) in data.as_chunks_mut::<3>().0.iter_mut().enumerate() {
        if changes(at as u32 % width, at as u32 / width) {
            *pixel = pixel.map(|value| 255 - value);
        }
    }
    data
}

#[test]
fn what_is_under_the_mask_changes_not_one_bit_of_the_input_and_what_is_beside_it_does() {
    let triangle = vec![[0.2, 0.1], [0.9, 0.3], [0.4, 0.8]];
    let mut preprocessor = looking_at([0.0, 0.0, 1.0, 1.0], vec![triangle]);
    let masked = preprocessor.view.masked_pixels(97, 61);
    let is_masked = |x, y| masked[(y * 97 + x) as usize];
    let mut prepare = |data| preprocessor.prepare(&frame(97, 61, data)).unwrap();
    let before = prepare(picture(97, 61));
    assert_eq!(prepare(changed(97, 61, is_masked)), before);
    // One pixel beside the mask, at its right corner.
    let beside = (0..97).rfind(|&x| is_masked(x, 18)).unwrap() + 1;
    assert_ne!(
        prepare(changed(97, 61, |x, y| (x, y) == (beside, 18))),
        before
    );
}

#[test]
fn other_light_multiplies_every_level_up_to_white_but_not_what_a_mask_hides() {
    let half = vec![[0.0, 0.0], [0.5, 0.0], [0.5, 1.0], [0.0, 1.0]];
    let mut preprocessor = looking_at([0.0, 0.0, 1.0, 1.0], vec![half]);
    let mut plain = |level: u8, factor: Option<f32>| {
        let frame = frame(64, 64, vec![level; 3 * 64 * 64]);
        let prepared = match factor {
            Some(factor) => preprocessor.prepare_relit(&frame, factor),
            None => preprocessor.prepare(&frame),
        };
        prepared.unwrap()
    };
    for (level, factor, lit) in [(100, 1.05, 105), (200, 0.5, 100), (250, 1.05, 255)] {
        assert_eq!(
            plain(level, Some(factor)),
            plain(lit, None),
            "{level} {factor}"
        );
    }
    assert_ne!(plain(100, None), plain(105, None));
}

#[test]
fn what_is_outside_of_the_crop_changes_not_one_bit_of_the_input() {
    let mut preprocessor = looking_at([0.25, 0.2, 0.5, 0.5], Vec::new());
    let rect = preprocessor.view.crop().pixels(97, 61);
    let is_outside = |x, y| {
        !(rect.x..rect.x + rect.width).contains(&x) || !(rect.y..rect.y + rect.height).contains(&y)
    };
    let mut prepare = |data| preprocessor.prepare(&frame(97, 61, data)).unwrap();
    let before = prepare(picture(97, 61));
    assert_eq!(prepare(changed(97, 61, is_outside)), before);
    let corner = (rect.x, rect.y + rect.height - 1);
    assert_ne!(prepare(changed(97, 61, |x, y| (x, y) == corner)), before);
}

#[test]
fn a_crop_is_as_good_as_a_frame_of_that_part_alone() {
    let (width, height) = (96, 60);
    let whole = picture(width, height);
    let rows = whole.chunks(width as usize * 3).skip(15).take(30);
    let part: Vec<u8> = rows.flat_map(|row| row[24 * 3..72 * 3].to_vec()).collect();
    let constants = preprocessing(32, 32, Interpolation::Bicubic);
    let mut alone = Preprocessor::new(&constants);
    alone.prepare(&frame(48, 30, part)).unwrap();
    let mut cropped = looking_at([0.25, 0.25, 0.5, 0.5], Vec::new());
    let prepared = cropped.prepare(&frame(width, height, whole)).unwrap();
    assert_eq!(cropped.resized(), alone.resized());
    assert_eq!((prepared.width, prepared.height), (width, height));
}

#[test]
fn the_mask_follows_the_size_of_the_frame_and_leaves_the_frame_as_it_is() {
    let left = vec![[0.0, 0.0], [0.5, 0.0], [0.5, 1.0], [0.0, 1.0]];
    let mut kept = looking_at([0.0, 0.0, 1.0, 1.0], vec![left.clone()]);
    for (width, height) in [(64, 48), (48, 64), (33, 17), (64, 48)] {
        let frame = frame(width, height, picture(width, height));
        let untouched = frame.clone();
        let fresh = looking_at([0.0, 0.0, 1.0, 1.0], vec![left.clone()]).prepare(&frame);
        assert_eq!(kept.prepare(&frame), fresh);
        assert_eq!(frame, untouched);
        // Half grey: the teacher's mean is nothing to it.
        assert!(kept.resized()[..3 * 12].iter().all(|value| *value == 128));
    }
}

#[test]
#[ignore = "a measurement: run with --ignored --nocapture"]
fn measure_the_cost_of_a_mask() {
    let octagon = (0..8).map(|i| f64::from(i) * std::f64::consts::FRAC_PI_4);
    let octagon: Vec<_> = octagon
        .map(|a| [0.5 + 0.4 * a.cos(), 0.5 + 0.4 * a.sin()])
        .collect();
    for (width, height) in [(640, 480), (1280, 720)] {
        let frame = frame(width, height, picture(width, height));
        let plain = looking_at([0.0, 0.0, 1.0, 1.0], Vec::new());
        let masked = looking_at([0.0, 0.0, 1.0, 1.0], vec![octagon.clone()]);
        for (name, mut preprocessor) in [("plain", plain), ("masked", masked)] {
            preprocessor.prepare(&frame).unwrap();
            let start = std::time::Instant::now();
            for _ in 0..50 {
                std::hint::black_box(preprocessor.prepare(&frame).unwrap());
            }
            println!(
                "{width}x{height} {name}: {:?} a frame",
                start.elapsed() / 50
            );
        }
    }
}

#[test]
fn a_frame_without_a_picture_is_rejected() {
    let empty = Frame {
        pixels: Pixels::Encoded(Vec::new()),
        ..frame(16, 16, Vec::new())
    };
    let mut preprocessor = Preprocessor::new(&preprocessing(24, 24, Interpolation::Bilinear));
    assert!(matches!(
        preprocessor.prepare(&empty),
        Err(Rejection::Undecodable(_))
    ));
}
