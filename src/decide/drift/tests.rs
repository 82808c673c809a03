//! Cameras that drift and cameras that don't: seeded, with scores that resemble their neighbours.

use rand::RngExt as _;
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::decide::stories::{self, judged};
use crate::score::{Parts, Scoring, frames_a_look};

/// Simulated cameras give a frame every so many seconds, and look back on the default window.
const EVERY_S: f64 = 10.0;
/// Frames of their footage came every so many seconds.
const FILMED_S: f64 = 0.5;
const HOUR: usize = (3600.0 / EVERY_S) as usize;
const YEAR: usize = 8766 * HOUR;

/// Six measures whose values forget each other within a time, each with one distribution for ever.
struct Scene {
    random: ChaCha8Rng,
    state: [f64; 6],
    /// How much of a value remains at the next frame.
    memory: f64,
    /// Whether the distribution has a long upper tail.
    is_skewed: bool,
}

impl Scene {
    fn normal(&mut self) -> f64 {
        let (a, b): (f64, f64) = (self.random.random(), self.random.random());
        (-2.0 * (1.0 - a).ln()).sqrt() * (std::f64::consts::TAU * b).cos()
    }

    fn next(&mut self) -> [f64; 6] {
        let fresh = (1.0 - self.memory * self.memory).sqrt();
        for measure in 0..6 {
            self.state[measure] = self.memory * self.state[measure] + fresh * self.normal();
        }
        let is_skewed = self.is_skewed;
        self.state.map(|x| {
            if is_skewed {
                ((0.5 * x).exp() - 1.133) / 0.604
            } else {
                x
            }
        })
    }
}

/// A camera that was calibrated on `frames`, of a film at two a second, and forgets within `memory_s`.
struct Camera {
    scene: Scene,
    watch: DriftWatch,
    parts: [(f64, f64); 4],
    frame: Judged,
    now: Duration,
}

impl Camera {
    fn new(frames: usize, memory_s: f64, is_skewed: bool, seed: u64) -> Camera {
        let mut scene = Scene {
            random: ChaCha8Rng::seed_from_u64(seed),
            state: [0.0; 6],
            memory: (-FILMED_S / memory_s).exp(),
            is_skewed,
        };
        scene.state = std::array::from_fn(|_| scene.normal());
        let held_out: Vec<[f64; 6]> = (0..frames).map(|_| scene.next()).collect();
        let of = |measure: usize| held_out.iter().map(move |values| values[measure]);
        let looks = std::array::from_fn(|i| frames_a_look(&of(i).collect::<Vec<_>>()));
        let sorted = |measure: usize| {
            let mut scores: Vec<f64> = of(measure).collect();
            scores.sort_by(f64::total_cmp);
            scores
        };
        let n = frames as f64;
        let scale = |measure: usize| {
            let mean = of(measure).sum::<f64>() / n;
            let square = of(measure).map(|v| (v - mean).powi(2)).sum::<f64>() / n;
            (mean, square.sqrt())
        };
        scene.memory = (-EVERY_S / memory_s).exp();
        Camera {
            parts: std::array::from_fn(|part| scale(2 + part)),
            watch: watch("sha256:9a", [&sorted(0), &sorted(1)], Some(looks), None),
            scene,
            frame: judged(-1.0),
            now: Duration::ZERO,
        }
    }

    /// Watches frames of which every measure is `shift` deviations higher, a share of them; tells after
    /// how many the scores were found to drift.
    fn run(&mut self, frames: usize, shift: f64) -> Option<usize> {
        (0..frames).find(|_| {
            let values = self.scene.next().map(|value| value + shift);
            self.see(values)
        })
    }

    fn see(&mut self, values: [f64; 6]) -> bool {
        let t = |part: usize| (values[2 + part] - self.parts[part].0) / self.parts[part].1;
        let parts = Parts {
            z: t(0),
            pooled_mid: t(1),
            pooled_late: t(2),
            residual: t(3),
            bank: None,
        };
        let score = &mut self.frame.score;
        (score.default, score.local, score.parts) = (values[0], values[1], parts);
        self.now += Duration::from_secs_f64(EVERY_S);
        let before = self.watch.drift.level;
        let at = Moment {
            since_boot: self.now,
            ..stories::moment(0)
        };
        self.watch.observe(at, &self.frame);
        before != DriftLevel::Strong && self.watch.drift.level == DriftLevel::Strong
    }
}

fn watch(
    profile: &str,
    [image, local]: [&[f64]; 2],
    looks: Option<[f64; 6]>,
    former: Option<DriftWatch>,
) -> DriftWatch {
    let reference = DriftReference::new(profile, Scoring::Default, image, local, looks);
    DriftWatch::new(reference, DriftRules::default().window, former)
}

/// Incidents of `cameras` of this kind in so many hours of each, and how many cameras had one.
fn incidents(kind: (usize, f64, bool), cameras: u64, hours: usize) -> (usize, usize) {
    let (frames, memory_s, is_skewed) = kind;
    let counts = (0..cameras).map(|seed| {
        let mut camera = Camera::new(frames, memory_s, is_skewed, seed);
        let (mut left, mut count) = (hours * HOUR, 0);
        while let Some(after) = camera.run(left, 0.0) {
            (left, count) = (left - after - 1, count + 1);
        }
        count
    });
    counts.fold((0, 0), |(sum, with), count| {
        (sum + count, with + usize::from(count > 0))
    })
}

#[test]
fn a_camera_that_does_not_drift_is_hardly_ever_called_drifting() {
    let mut opened = 0;
    for kind in [
        (300, 5.0, true),
        (1000, 5.0, true),
        (1000, 20.0, false),
        (1000, 300.0, true),
    ] {
        opened += incidents(kind, 10, 220).0;
    }
    assert!(opened <= 1, "{opened} in a year of a camera");
}

/// The figures of METHOD.md, section 7.
#[test]
#[ignore = "a measurement that takes minutes: cargo test --release --lib drift_in_numbers -- --ignored --nocapture"]
fn drift_in_numbers() {
    for frames in [300, 1000, 4000] {
        for memory_s in [5.0, 20.0, 60.0, 300.0] {
            let (cameras, hours) = (100, 440);
            let years = (cameras as usize * hours * HOUR) as f64 / YEAR as f64;
            let (opened, with) = incidents((frames, memory_s, true), cameras, hours);
            let told = [0.5, 0.75, 1.0, 1.5].map(|shift| told_after(frames, memory_s, true, shift));
            println!(
                "{frames} frames, {memory_s} s: {:.2} a year ({opened} of {with} of {cameras} cameras in \
                 {years:.1} years); told of 20: {told:.1?}",
                opened as f64 / years
            );
        }
    }
}

/// Of 20 cameras that drift after five hours: how many tell within a day, and the median hours.
fn told_after(frames: usize, memory_s: f64, is_skewed: bool, shift: f64) -> (usize, f64) {
    let mut hours: Vec<f64> = (0..20)
        .filter_map(|seed| {
            let mut camera = Camera::new(frames, memory_s, is_skewed, 1000 + seed);
            if camera.run(5 * HOUR, 0.0).is_some() {
                return None;
            }
            let told = camera.run(24 * HOUR, shift)?;
            Some(told as f64 / HOUR as f64)
        })
        .collect();
    hours.sort_by(f64::total_cmp);
    (
        hours.len(),
        hours.get(hours.len() / 2).copied().unwrap_or(f64::NAN),
    )
}

#[test]
fn a_shift_of_one_deviation_is_told_within_two_hours_and_half_of_one_with_enough_footage() {
    for seed in 0..10 {
        let mut camera = Camera::new(1500, 5.0, false, seed);
        assert_eq!(camera.run(5 * HOUR, 0.0), None);
        let told = camera.run(24 * HOUR, 1.0).unwrap();
        assert!(told <= 2 * HOUR, "after {told} frames");
    }
    let told = told_after(4000, 5.0, false, 0.5);
    assert!(told.0 >= 18 && told.1 <= 3.0, "{told:?}");
}

#[test]
fn a_slow_rise_is_told_before_one_frame_in_twenty_is_anomalous() {
    let mut camera = Camera::new(1500, 5.0, false, 7);
    // A deviation a day: at 2.3 deviations a hundredth of normal frames is anomalous.
    let told = (0..72 * HOUR).find(|n| {
        let rise = *n as f64 / (24 * HOUR) as f64;
        let values = camera.scene.next().map(|value| value + rise);
        camera.see(values)
    });
    let rise = told.unwrap() as f64 / (24 * HOUR) as f64;
    assert!(rise < 0.75, "told at {rise} deviations");
}

#[test]
fn a_fall_is_no_drift() {
    let mut camera = Camera::new(1500, 5.0, false, 3);
    assert_eq!(camera.run(10 * HOUR, -2.0), None);
    let drift = camera.watch.drift().clone();
    assert_eq!((drift.level, drift.since), (DriftLevel::None, None));
    assert!(drift.shift.unwrap().shift < -1.0);
}

#[test]
fn a_scene_that_stands_still_shows_one_look_and_no_drift() {
    for place in [-2.0, 0.5, 2.5, 4.0] {
        let mut camera = Camera::new(1500, 5.0, false, 4);
        camera.run(3 * HOUR, 0.0);
        let drifted = (0..12 * HOUR).find(|_| {
            let values = camera.scene.next().map(|value| place + 0.1 * value);
            camera.see(values)
        });
        assert_eq!(drifted, None, "at {place} deviations");
    }
}

#[test]
fn nothing_is_told_of_less_than_an_hour_and_then_of_the_last_two() {
    let mut camera = Camera::new(1500, 5.0, false, 5);
    assert_eq!(camera.run(HOUR - 20, 3.0), None);
    assert_eq!(camera.watch.drift().shift, None);
    assert!(camera.run(HOUR, 3.0).is_some());
    camera.run(6 * HOUR, 0.0);
    let drift = camera.watch.drift();
    assert_eq!((drift.level, drift.since), (DriftLevel::None, None));
    assert_eq!(drift.frames, 2 * HOUR as u64);
    assert_eq!(drift.watched, Duration::from_secs(2 * 3600));
}

#[test]
fn a_night_without_frames_counts_for_a_minute() {
    let mut camera = Camera::new(1500, 5.0, false, 6);
    camera.run(3 * HOUR, 0.0);
    let before = camera.watch.drift().clone();
    camera.now += Duration::from_secs(12 * 3600);
    camera.run(HOUR / 12, 0.0);
    let after = camera.watch.drift();
    // A minute of it does, and ends a batch that much earlier.
    assert!(after.frames < before.frames + 30 && after.frames > before.frames - 30);
    assert!(after.watched <= before.watched + Duration::from_secs(60));
}

#[test]
fn a_level_ends_well_below_the_limit_at_which_it_began() {
    let mut level = DriftLevel::None;
    let mut levels = Vec::new();
    for share in [0.7, 0.8, 0.62, 0.5, 0.8, 1.0, 0.7, 0.61, 0.59, 0.7] {
        level = level.next(share);
        levels.push(level);
    }
    use DriftLevel::{None, Some, Strong};
    let expected = [
        None, Some, Some, None, Some, Strong, Strong, Strong, None, None,
    ];
    assert_eq!(levels, expected);
}

#[test]
fn a_watch_goes_on_with_the_same_profile_and_window_alone() {
    let scores: Vec<f64> = (0..100).map(f64::from).collect();
    let former = || {
        let mut watch = watch("sha256:9a", [&scores; 2], None, None);
        watch.drift.frames = 7;
        Some(watch)
    };
    let goes_on = |next: &DriftWatch| next.drift.frames == 7;
    assert!(goes_on(&watch("sha256:9a", [&scores; 2], None, former())));
    assert!(!goes_on(&watch("sha256:9b", [&scores; 2], None, former())));
    let reference = DriftReference::new("sha256:9a", Scoring::Default, &scores, &scores, None);
    let longer = DriftWatch::new(reference, Duration::from_secs(9), former());
    assert!(!goes_on(&longer));
}
