//! One camera followed in time: frozen pictures, settling, and a light that drifts.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use super::fixture::{Eye, Rgb, belt, lit, noisy, reference, workshop};
use super::*;
use crate::capture::Moment;
use crate::preprocess::Rejection;

static WORKSHOP: LazyLock<Arc<SceneReference>> =
    LazyLock::new(|| Arc::new(reference((0..60).map(|i| workshop(i, 0, 0)))));

/// A camera at two frames a second.
struct Story {
    watch: SceneWatch,
    eye: Eye,
    half_seconds: u64,
    opening: u32,
}

impl Story {
    fn new(rules: SceneRules, is_live: bool) -> Self {
        Self::of(&WORKSHOP, rules, is_live)
    }

    fn of(reference: &Arc<SceneReference>, rules: SceneRules, is_live: bool) -> Self {
        Self {
            watch: SceneWatch::new(Some(Arc::clone(reference)), rules, is_live),
            eye: Eye::new(),
            half_seconds: 10_000,
            opening: 1,
        }
    }

    /// What is said of the next frame, in a word.
    fn see(&mut self, picture: &[u8]) -> &'static str {
        let at = Moment {
            since_boot: Duration::from_millis(500 * self.half_seconds),
            ..Moment::now()
        };
        let said = self.watch.look(self.eye.look(picture), self.opening, at);
        self.half_seconds += 1;
        said.as_ref().map_or_else(Rejection::reason, |_| "seen")
    }

    fn reopen(&mut self) {
        self.opening += 1;
        self.half_seconds += 10;
    }
}

fn at_once() -> SceneRules {
    SceneRules {
        settle: Duration::ZERO,
        ..SceneRules::default()
    }
}

#[test]
fn a_repeated_picture_is_frozen_until_another_one_comes() {
    let mut story = Story::new(at_once(), true);
    let still = workshop(70, 0, 0);
    assert_eq!(story.see(&workshop(69, 0, 0)), "settling", "the first");
    for i in 0..40 {
        assert_eq!(story.see(&still), "seen", "frame {i}");
    }
    assert_eq!(story.see(&still), "camera_frozen");
    story.reopen();
    assert_eq!(story.see(&still), "camera_frozen", "reopened, and the same");
    assert_eq!(story.see(&workshop(71, 0, 0)), "seen");
    assert_eq!(story.see(&still), "seen");
}

#[test]
fn a_camera_that_gives_one_new_picture_at_each_opening_is_never_judged() {
    let mut story = Story::new(at_once(), true);
    for opening in 0..3 {
        let picture = workshop(70 + opening, 0, 0);
        let said: Vec<_> = (0..41).map(|_| story.see(&picture)).collect();
        assert!(
            said[..40].iter().all(|said| *said == "settling"),
            "{said:?}"
        );
        assert_eq!(said[40], "camera_frozen");
        story.reopen();
    }
}

#[test]
fn a_still_scene_with_its_noise_is_not_frozen_but_one_without_is() {
    let mut story = Story::new(at_once(), true);
    // The disc is at the same place every 900 frames: only the noise differs.
    story.see(&workshop(50, 0, 0));
    for i in 1..60 {
        assert_eq!(story.see(&workshop(50 + 900 * i, 0, 0)), "seen");
    }
    let still = workshop(70, 0, 0);
    let mut almost = still.clone();
    almost[0] ^= 1;
    let said: Vec<_> = (0..45)
        .map(|i| story.see(if i % 2 == 0 { &still } else { &almost }))
        .collect();
    assert_eq!(said[44], "camera_frozen");
}

#[test]
fn a_belt_that_stops_is_not_frozen() {
    let running = Arc::new(reference(belt(0, 60, false)));
    let mut story = Story::of(&running, at_once(), true);
    let stopped = belt(100, 1, false).next().unwrap();
    story.see(&noisy(&stopped, 60, 5));
    for i in 0..60 {
        // A good camera's noise: 0.1 grey levels and more after the resize.
        assert_eq!(story.see(&noisy(&stopped, i, 5)), "seen", "frame {i}");
    }
    let frozen = noisy(&stopped, 0, 5);
    assert!((0..40).all(|_| story.see(&frozen) == "seen"));
    assert_eq!(story.see(&frozen), "camera_frozen");
}

#[test]
fn the_faint_noise_of_a_dark_picture_is_not_frozen() {
    let mut story = Story::new(at_once(), true);
    let dark = lit(&workshop(70, 0, 0), [0.5; 3]);
    for i in 0..60 {
        let said = story.see(&noisy(&dark, i, 1000));
        assert_eq!(said, "scene_changed", "frame {i}");
    }
}

#[test]
fn a_picture_that_was_frozen_before_a_reload_still_is() {
    for repeats in [1, 5] {
        let mut story = Story::new(at_once(), true);
        let found = Duration::from_secs(4990);
        story.watch = story.watch.frozen_since(Some(found));
        let still = workshop(70, 0, 0);
        assert!((0..repeats).all(|_| story.see(&still) == "camera_frozen"));
        assert_eq!(story.see(&workshop(71, 0, 0)), "seen");
        assert_eq!(story.see(&still), "seen");
    }
}

#[test]
fn a_ring_of_stale_buffers_is_frozen() {
    for buffers in [2, 4, 8] {
        let mut story = Story::new(at_once(), true);
        let ring: Vec<Rgb> = (0..buffers).map(|i| workshop(70 + i, 0, 0)).collect();
        let said: Vec<_> = (0..60).map(|i| story.see(&ring[i % ring.len()])).collect();
        assert_eq!(said[20], "seen", "{buffers}");
        assert_eq!(said[59], "camera_frozen", "{buffers}");
        assert_eq!(story.see(&workshop(100, 0, 0)), "seen");
    }
}

/// The reference of footage that repeats its last picture `repeats` times, a frame a second.
fn with_a_pause(different: u64, repeats: u64) -> SceneReference {
    let (mut eye, mut footage) = (Eye::new(), SceneFootage::new(true));
    for i in 0..different + repeats {
        let picture = workshop(i.min(different - 1), 0, 0);
        let at = Duration::from_secs(i);
        footage.take(i as usize, Some(at), eye.look(&picture));
    }
    footage.fit().unwrap()
}

#[test]
fn a_source_that_pauses_is_frozen_after_three_pauses_whatever_its_pace() {
    let reference = with_a_pause(30, 19);
    assert!(
        reference.warnings().is_empty(),
        "{:?}",
        reference.warnings()
    );
    let mut story = Story::of(&Arc::new(reference), at_once(), true);
    let still = workshop(70, 0, 0);
    // Two frames a second: 57 s.
    for i in 0..114 {
        assert_eq!(story.see(&still), "seen", "frame {i}");
    }
    assert_eq!(story.see(&still), "camera_frozen");
}

#[test]
fn where_most_frames_are_equal_none_is_frozen_and_calibration_says_so() {
    let reference = with_a_pause(20, 25);
    let warnings = reference.warnings();
    assert!(
        warnings.iter().any(|said| said.contains("frozen")),
        "{warnings:?}"
    );
    let mut story = Story::of(&Arc::new(reference), at_once(), true);
    let still = workshop(70, 0, 0);
    assert!((0..400).all(|_| story.see(&still) == "seen"));
}

#[test]
fn footage_may_repeat_itself_and_settles_never() {
    let mut story = Story::new(SceneRules::default(), false);
    let still = workshop(70, 0, 0);
    assert!((0..100).all(|_| story.see(&still) == "seen"));
}

#[test]
fn a_black_picture_that_repeats_is_blocked_and_no_frozen_one() {
    let mut story = Story::new(at_once(), true);
    let black: Rgb = vec![0; workshop(0, 0, 0).len()];
    assert!((0..60).all(|_| story.see(&black) == "camera_blocked"));
    let off = SceneRules {
        compares: false,
        ..at_once()
    };
    let mut story = Story::new(off, true);
    assert!((0..40).all(|_| story.see(&black) == "settling"));
    assert_eq!(story.see(&black), "camera_frozen");
}

#[test]
fn exposure_may_settle_after_every_opening() {
    let mut story = Story::new(SceneRules::default(), true);
    for opening in 0..2 {
        for i in 0..3 {
            let swings = lit(&workshop(100 + i, 0, 0), [0.4 + 0.2 * i as f32; 3]);
            assert_eq!(story.see(&swings), "settling", "opening {opening}");
        }
        let said: Vec<_> = (0..8)
            .map(|i| story.see(&workshop(200 + i, 0, 0)))
            .collect();
        let settled = said.iter().position(|said| *said == "seen").unwrap();
        assert!((3..=4).contains(&settled), "{said:?}");
        assert!(said[settled..].iter().all(|said| *said == "seen"));
        story.reopen();
    }
}

#[test]
fn an_exposure_that_never_settles_is_judged_all_the_same() {
    let mut story = Story::new(SceneRules::default(), true);
    let said: Vec<_> = (0..20)
        .map(|i| {
            let gain = if i % 2 == 0 { 0.45 } else { 0.6 };
            story.see(&lit(&workshop(100 + i, 0, 0), [gain; 3]))
        })
        .collect();
    assert!(said[..8].iter().all(|said| *said == "settling"), "{said:?}");
    assert!(
        said[8..].iter().all(|said| *said == "scene_changed"),
        "{said:?}"
    );
}

#[test]
fn a_light_that_drifts_crosses_its_limit_once() {
    let mut story = Story::new(at_once(), true);
    let said: Vec<_> = (0..120)
        .map(|i| story.see(&lit(&workshop(100 + i, 0, 0), [1.0 - 0.004 * i as f32; 3])))
        .collect();
    let crossings = said[1..]
        .windows(2)
        .filter(|pair| pair[0] != pair[1])
        .count();
    assert_eq!(
        (crossings, said[1], said[119]),
        (1, "seen", "scene_changed")
    );
}

#[test]
fn the_light_is_told_where_nothing_else_of_the_scene_is_looked_at() {
    let by_night = |i: u64| lit(&workshop(i, 0, 0), [0.2; 3]);
    let day = (0..45).map(|i| workshop(i, 0, 0));
    let reference = Arc::new(reference(day.chain((45..90).map(by_night))));
    assert_eq!(reference.lights(), 2);
    for compares in [true, false] {
        let rules = SceneRules {
            compares,
            ..at_once()
        };
        let mut watch = SceneWatch::new(Some(Arc::clone(&reference)), rules, false);
        let mut eye = Eye::new();
        let mut light = |picture: &[u8]| {
            let lighting = watch.look(eye.look(picture), 1, Moment::now());
            lighting.unwrap().light
        };
        let lights = [light(&by_night(100)), light(&workshop(101, 0, 0))];
        assert_eq!(lights, [0, 1], "compares: {compares}");
    }
}
