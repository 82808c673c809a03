//! Frames chosen by their values, and fetched from footage that stays, changes or ends.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use image::ExtendedColorType;

use super::*;
use crate::capture::images::Images;
use crate::capture::synthetic::Synthetic;
use crate::capture::{Layout, Moment, Next, Pixels, Range, RawPicture, Source};

static GO: AtomicBool = AtomicBool::new(false);

fn supervisor(stop: &AtomicBool) -> Supervisor<'_> {
    Supervisor {
        progress: &|_, _, _| {},
        stop,
    }
}

fn scene(frames: u64) -> Synthetic {
    Synthetic {
        frames: Some(frames),
        ..Synthetic::default()
    }
}

#[test]
fn the_highest_a_median_and_one_from_another_time_are_chosen() {
    // Rising values, but the highest stands at 12; the median of eleven is 5, farthest away is 0 or 22.
    let mut values: Vec<(usize, f64)> = (0..11).map(|i| (2 * i, i as f64)).collect();
    values[6].1 = 99.0;
    let chosen = choose(&values);
    assert_eq!(chosen.len(), 3);
    assert!(chosen.contains(&12) && chosen.is_sorted(), "{chosen:?}");
    assert!(chosen.contains(&0) || chosen.contains(&20), "{chosen:?}");
    assert_eq!(choose(&[(7, 0.1)]), [7]);
    assert_eq!(choose(&[(7, 0.1), (9, 0.2)]), [7, 9]);
    assert_eq!(choose(&[]), [] as [usize; 0]);
}

#[test]
fn a_drawn_frame_becomes_a_png_of_the_same_pixels() {
    let (files, left_out) = fetch(&scene(6), &[1, 4], supervisor(&GO)).unwrap();
    assert!(left_out.is_empty(), "{left_out:?}");
    let frames: Vec<Frame> = replay(&scene(6)).unwrap().map(Result::unwrap).collect();
    for (file, index) in files.into_iter().zip([1, 4]) {
        assert!(file.starts_with(b"\x89PNG"));
        let file = Pixels::Encoded(file);
        assert_eq!(
            decode(&file).unwrap(),
            decode(&frames[index].pixels).unwrap()
        );
    }
}

/// A camera's motion JPEG, twice.
struct Motion(Vec<u8>);

impl Opener for Motion {
    fn open(&self) -> Result<Box<dyn Source>, CaptureError> {
        Ok(Box::new(Left(vec![self.0.clone(); 2])))
    }

    fn describe(&self) -> String {
        "motion JPEG".to_owned()
    }

    fn is_live(&self) -> bool {
        false
    }
}

struct Left(Vec<Vec<u8>>);

impl Source for Left {
    fn next(&mut self, _: Duration) -> Result<Next, CaptureError> {
        let Some(data) = self.0.pop() else {
            return Ok(Next::End);
        };
        let pixels = Pixels::Raw(RawPicture {
            layout: Layout::Mjpeg,
            width: 64,
            height: 48,
            stride: 0,
            range: Range::Limited,
            data,
        });
        let (seq, at, name) = (0, Moment::now(), None);
        Ok(Next::Frame(Frame {
            seq,
            at,
            name,
            pixels,
        }))
    }
}

/// A JPEG of 64x48.
fn jpeg() -> Vec<u8> {
    let mut file = Vec::new();
    let data: Vec<u8> = (0..64 * 48 * 3).map(|i| (i * 7 % 251) as u8).collect();
    image::codecs::jpeg::JpegEncoder::new(&mut file)
        .encode(&data, 64, 48, ExtendedColorType::Rgb8)
        .unwrap();
    file
}

#[test]
fn motion_jpeg_becomes_a_file_without_padding_that_shows_the_same() {
    let footage = Motion([jpeg(), vec![0; 100]].concat());
    let (files, left_out) = fetch(&footage, &[1], supervisor(&GO)).unwrap();
    assert_eq!((files.as_slice(), left_out.len()), ([jpeg()].as_slice(), 0));
    let frame = replay(&footage).unwrap().next().unwrap().unwrap();
    let file = Pixels::Encoded(jpeg());
    assert_eq!(decode(&file).unwrap(), decode(&frame.pixels).unwrap());
}

#[test]
fn a_picture_that_is_too_large_damaged_or_gone_is_left_out_and_told() {
    let folder = tempfile::tempdir().unwrap();
    let large = [jpeg(), vec![0; GOLDEN_BYTES]].concat();
    for (name, bytes) in [
        ("0.jpg", jpeg()),
        ("1.jpg", large),
        ("2.jpg", b"JPEG".to_vec()),
    ] {
        std::fs::write(folder.path().join(name), bytes).unwrap();
    }
    let images = Images {
        path: folder.path().to_owned(),
        fps: None,
        repeat: false,
    };
    let (files, left_out) = fetch(&images, &[0, 1, 2, 7], supervisor(&GO)).unwrap();
    assert_eq!(files, [jpeg()]);
    let words = [
        "frame 1 takes 4.0 MiB, and 4",
        "frame 2 is none",
        "has become shorter",
    ];
    assert_eq!(left_out.len(), 3, "{left_out:?}");
    for (said, words) in left_out.iter().zip(words) {
        assert!(said.contains(words), "{said}");
    }
    drop(folder);
    let (files, left_out) = fetch(&images, &[0], supervisor(&GO)).unwrap();
    assert!(
        files.is_empty() && left_out[0].contains("once more"),
        "{left_out:?}"
    );
}

#[test]
fn a_stop_is_heard_while_frames_are_fetched() {
    let stop = AtomicBool::new(true);
    let stopped = fetch(&scene(6), &[5], supervisor(&stop));
    assert!(matches!(stopped, Err(CalibrationError::Stopped)));
}
