//! What the scene promises: the same frame for the same number, defects where the truth says, and
//! nothing else out of the ordinary.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

const SEED: u64 = 7;
const PRODUCTS: [Product; 3] = [Product::Flange, Product::Gear, Product::Bracket];

fn painted(product: Product, defects: bool, frame: u64) -> Vec<u8> {
    paint::Painter::new(SEED, product).paint(frame, defects)
}

fn frames(spec: &Synthetic) -> Vec<Frame> {
    let mut source = spec.open().unwrap();
    let mut frames = Vec::new();
    while let Next::Frame(frame) = source.next(Duration::from_secs(5)).unwrap() {
        frames.push(frame);
    }
    frames
}

/// Mean absolute difference of two pictures inside and outside a box.
fn differences(a: &[u8], b: &[u8], [left, top, width, height]: [u32; 4]) -> (f64, f64) {
    let mut sums = [(0.0, 0u32); 2];
    for (i, (a, b)) in a.iter().zip(b).enumerate() {
        let (x, y) = (i as u32 / 3 % WIDTH, i as u32 / 3 / WIDTH);
        // A shadow may reach a little further than its object.
        let outside =
            x + 16 < left || x > left + width + 16 || y + 16 < top || y > top + height + 16;
        let sum = &mut sums[usize::from(outside)];
        sum.0 += f64::from(a.abs_diff(*b));
        sum.1 += 1;
    }
    let mean = |(sum, count): (f64, u32)| sum / f64::from(count.max(1));
    (mean(sums[0]), mean(sums[1]))
}

#[test]
fn a_frame_is_the_same_wherever_the_source_starts() {
    let spec = Synthetic {
        seed: SEED,
        frames: Some(5),
        defects: true,
        ..Synthetic::default()
    };
    let whole = frames(&spec);
    let tail = frames(&Synthetic {
        start: 3,
        frames: Some(2),
        ..spec.clone()
    });
    assert_eq!(whole.len(), 5);
    assert_eq!((tail[0].seq, tail[1].seq), (0, 1));
    assert!(whole[3].pixels == tail[0].pixels && whole[4].pixels == tail[1].pixels);
    assert!(whole[3].pixels != whole[4].pixels);
    let other = frames(&Synthetic {
        seed: SEED + 1,
        ..spec
    });
    assert!(other[0].pixels != whole[0].pixels);
}

#[test]
fn every_kind_of_defect_shows_in_six_to_fourteen_frames_in_a_row() {
    for product in PRODUCTS {
        let mut shown: BTreeMap<u64, Vec<(u64, DefectKind)>> = BTreeMap::new();
        for frame in 0..430 {
            if let Some(defect) = truth(SEED, product, frame) {
                let [left, top, width, height] = defect.bbox;
                assert!(left + width <= WIDTH && top + height <= HEIGHT);
                assert!(width > 8 && height > 8);
                shown
                    .entry(defect.part)
                    .or_default()
                    .push((frame, defect.kind));
            }
        }
        let kinds: BTreeSet<_> = shown.values().map(|frames| frames[0].1).collect();
        assert_eq!(kinds.len(), DefectKind::ALL.len());
        for (part, frames) in shown {
            assert!((6..=14).contains(&frames.len()), "part {part}: {frames:?}");
            assert!(frames.windows(2).all(|two| two[1].0 == two[0].0 + 1));
        }
    }
}

#[test]
fn a_defect_changes_the_picture_in_its_box_and_nowhere_else() {
    for product in PRODUCTS {
        let mut seen = BTreeSet::new();
        for frame in 0..430 {
            let Some(defect) = truth(SEED, product, frame) else {
                continue;
            };
            // The middle of its way, once for each.
            let [left, _, width, _] = defect.bbox;
            if (left + width / 2).abs_diff(WIDTH / 2) > 60 || !seen.insert(defect.kind) {
                continue;
            }
            let (bad, good) = (
                painted(product, true, frame),
                painted(product, false, frame),
            );
            let (inside, outside) = differences(&bad, &good, defect.bbox);
            assert!(inside > 1.0, "{product:?} {:?}: {inside}", defect.kind);
            let elsewhere = if defect.kind == DefectKind::Misplaced {
                6.0
            } else {
                0.01
            };
            assert!(
                outside <= elsewhere,
                "{product:?} {:?}: {outside}",
                defect.kind
            );
        }
        assert_eq!(seen.len(), DefectKind::ALL.len());
    }
}

#[test]
fn where_no_defect_shows_the_line_is_the_good_one() {
    let clear = (0..60u64).find(|&frame| {
        (frame.saturating_sub(3)..frame + 4)
            .all(|near| truth(SEED, Product::Flange, near).is_none())
    });
    let frame = clear.unwrap();
    assert!(painted(Product::Flange, true, frame) == painted(Product::Flange, false, frame));
}

#[test]
fn the_light_drifts_slowly_and_little() {
    let mean = |frame| {
        let data = painted(Product::Flange, false, frame);
        data.iter().map(|&v| f64::from(v)).sum::<f64>() / data.len() as f64
    };
    // The same phase of the belt, so that only light and play differ.
    let means: Vec<f64> = (0..40).map(|i| mean(10 * i)).collect();
    let (low, high) = means.iter().fold((f64::MAX, 0.0f64), |(low, high), &mean| {
        (low.min(mean), high.max(mean))
    });
    assert!(high / low > 1.03 && high / low < 1.12, "{low} to {high}");
}

#[test]
fn the_last_frame_is_followed_by_the_end() {
    let spec = Synthetic {
        frames: Some(1),
        ..Synthetic::default()
    };
    let mut source = spec.open().unwrap();
    assert!(matches!(source.next(Duration::ZERO), Ok(Next::Frame(_))));
    assert!(matches!(source.next(Duration::ZERO), Ok(Next::End)));
    assert!(matches!(source.next(Duration::ZERO), Ok(Next::End)));
}

/// `INSPECTD_SCENE=folder cargo test --release --lib look_at -- --ignored` writes pictures to look at.
#[test]
#[ignore = "writes pictures for people, and measures"]
fn look_at_the_scene() {
    let Some(folder) = std::env::var_os("INSPECTD_SCENE").map(std::path::PathBuf::from) else {
        return;
    };
    for product in PRODUCTS {
        let mut painter = paint::Painter::new(SEED, product);
        let mut seen = BTreeSet::new();
        for frame in 0..430 {
            let Some(defect) = truth(SEED, product, frame) else {
                continue;
            };
            let [left, _, width, _] = defect.bbox;
            if (left + width / 2).abs_diff(WIDTH / 2) <= 60 && seen.insert(defect.kind) {
                let name = format!("{product:?}-{frame}-{:?}.png", defect.kind);
                let picture = image::RgbImage::from_raw(WIDTH, HEIGHT, painter.paint(frame, true));
                picture.unwrap().save(folder.join(name)).unwrap();
            }
        }
        let start = processor_time();
        for frame in 0..100 {
            std::hint::black_box(painter.paint(frame, true));
        }
        let spent = processor_time() - start;
        println!("{product:?}: {spent:?} of processor time for 100 frames");
    }
}

fn processor_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}
