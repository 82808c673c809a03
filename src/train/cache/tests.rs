//! The cache held to what it promises; each test has a cache of two small streams of its own.

use proptest::prelude::*;

use tempfile::TempDir;

use super::*;

fn cache(limit: u64) -> (TempDir, FeatureCache) {
    let dir = tempfile::tempdir().unwrap();
    let cache = FeatureCache::open(dir.path(), &[5, 6], 3, 1700, limit).unwrap();
    (dir, cache)
}

#[test]
fn frames_come_back_in_any_order_within_half_precision() {
    let (_dir, mut cache) = cache(1 << 20);
    let value = |stream: usize, frame: usize, n: usize| {
        ((stream * 31 + frame * 7 + n) as f32 * 0.11).sin() * 300.0
    };
    let stream = |s, f| (0..5100).map(|n| value(s, f, n)).collect::<Vec<f32>>();
    for frame in 0..4 {
        cache.push(&[&stream(5, frame), &stream(6, frame)]).unwrap();
    }
    let mut values = vec![0.0; 5100];
    for (number, frame) in [(6, 3), (5, 0), (6, 1), (5, 2)] {
        cache.read(number, frame, &mut values).unwrap();
        for (n, held) in values.iter().enumerate() {
            let pushed = value(number, frame, n);
            assert!((held - pushed).abs() <= pushed.abs() / 2048.0 + 1e-7);
        }
    }
    assert_eq!(
        (cache.frames(), cache.clamped(), cache.bytes()),
        (4, 0, 4 * 2 * 5100 * 2)
    );
}

#[test]
fn a_frame_beyond_the_limit_is_refused_and_the_rest_stays_readable() {
    let fit = frames_that_fit(2, 3, 1700, 50_000);
    let (_dir, mut cache) = cache(50_000);
    let frame = vec![1.5; 5100];
    for _ in 0..fit {
        cache.push(&[&frame, &frame]).unwrap();
    }
    assert_eq!(fit, 2);
    let refusal = cache.push(&[&frame, &frame]).unwrap_err();
    assert!(matches!(
        refusal,
        CacheError::Full {
            frames: 2,
            used: 40_800,
            limit: 50_000
        }
    ));
    let mut values = vec![0.0; 5100];
    cache.read(6, 1, &mut values).unwrap();
    assert_eq!(values, frame);
}

#[test]
fn values_beyond_half_precision_are_clamped_and_counted_and_nan_is_refused() {
    let (_dir, mut cache) = cache(1 << 20);
    let mut frame = vec![0.0; 5100];
    (frame[0], frame[5099]) = (1e6, -7e4);
    cache.push(&[&frame, &vec![0.0; 5100]]).unwrap();
    let mut values = vec![0.0; 5100];
    cache.read(5, 0, &mut values).unwrap();
    assert_eq!(
        (values[0], values[5099], cache.clamped()),
        (65504.0, -65504.0, 2)
    );
    frame[17] = f32::NAN;
    let refusal = cache.push(&[&vec![0.0; 5100], &frame]).unwrap_err();
    assert!(matches!(
        refusal,
        CacheError::NotFinite {
            stream: 6,
            frame: 1
        }
    ));
    assert_eq!(cache.frames(), 1);
}

#[test]
fn what_a_cache_before_has_left_is_taken_over_where_it_is_what_its_digest_says() {
    let (dir, mut former) = cache(1 << 20);
    let frame = |value: f32| vec![value; 5100];
    former.push(&[&frame(1.0), &frame(2.0)]).unwrap();
    assert_eq!(former.push(&[&frame(3.0), &frame(1e6)]).unwrap(), 5100);
    former.push(&[&frame(5.0), &frame(6.0)]).unwrap();
    let digests: Vec<Digest> = (0..3).map(|i| *former.digest(i)).collect();
    drop(former);
    let again = || FeatureCache::open(dir.path(), &[5, 6], 3, 1700, 1 << 20).unwrap();
    let mut cache = again();
    assert!(!cache.take_over(&digests[1], 0), "that is the second frame");
    assert!(cache.take_over(&digests[0], 0));
    assert!(cache.take_over(&digests[1], 5100));
    assert_eq!((cache.frames(), cache.clamped()), (2, 5100));
    let mut values = vec![0.0; 5100];
    cache.read(5, 1, &mut values).unwrap();
    assert_eq!(values, frame(3.0));
    // Other features take the place of those that are not taken over, and the room of the rest goes.
    cache.push(&[&frame(7.0), &frame(8.0)]).unwrap();
    cache.trim().unwrap();
    let mut cache = again();
    assert!(cache.take_over(&digests[0], 0) && cache.take_over(&digests[1], 0));
    assert!(!cache.take_over(&digests[2], 0));
    let bytes = |name: &str| std::fs::metadata(dir.path().join(name)).unwrap().len();
    assert_eq!((bytes("x_5"), bytes("x_6")), (30_600, 30_600));
}

#[test]
fn no_more_is_taken_over_than_the_limit_allows() {
    let (dir, mut former) = cache(1 << 20);
    former.push(&[&vec![1.0; 5100], &vec![2.0; 5100]]).unwrap();
    let mut cache = FeatureCache::open(dir.path(), &[5, 6], 3, 1700, 20_399).unwrap();
    assert!(!cache.take_over(former.digest(0), 0));
}

#[test]
fn what_is_not_held_is_named() {
    let (_dir, cache) = cache(1 << 20);
    let mut values = vec![0.0; 5100];
    let error = cache.read(5, 0, &mut values).unwrap_err().to_string();
    assert_eq!(
        error,
        "frame 0 is not in the feature cache, which holds 0 frames"
    );
    let missing = FeatureCache::open(Path::new("/nowhere/at/all"), &[1], 1, 1, 9);
    assert!(missing.unwrap_err().to_string().contains("/nowhere/at/all"));
}

#[test]
fn a_full_disk_is_named_with_the_room_needed() {
    let (dir, mut cache) = cache(1 << 20);
    let folder = dir.path().display().to_string();
    // /dev/full answers every write as a full disk does.
    cache.streams[1].file = File::options().write(true).open("/dev/full").unwrap();
    let error = cache
        .push(&[&vec![0.0; 5100], &vec![0.0; 5100]])
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("no room left") && error.contains(&folder),
        "{error}"
    );
    assert!(error.contains("20400 bytes"), "{error}");
    assert_eq!(cache.frames(), 0);
}

proptest! {
    #[test]
    fn a_spread_is_rising_within_range_and_even(total in 0usize..5000, keep in 0usize..5000) {
        let chosen = spread(total, keep);
        prop_assert_eq!(chosen.len(), keep.min(total));
        prop_assert!(chosen.iter().all(|n| *n < total));
        let gaps: Vec<usize> = chosen.windows(2).map(|pair| pair[1] - pair[0]).collect();
        prop_assert!(gaps.iter().all(|gap| *gap > 0));
        if let (Some(least), Some(most)) = (gaps.iter().min(), gaps.iter().max()) {
            prop_assert!(most - least <= 1);
        }
    }
}
