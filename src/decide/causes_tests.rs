//! Several causes at once: each opens, goes on and closes by itself.

use std::collections::HashMap;

use proptest::prelude::*;

use super::*;
use crate::decide::stories::{fault, judged, moment, phases, score, tell, tracker};
use crate::decide::{EndedBy, Evidence, Phase};
use crate::score::Score;

/// What changed at which frame.
fn changes(reports: &[(u64, Incident)]) -> Vec<(u64, &str, Phase)> {
    let changes = reports.iter();
    changes
        .map(|(n, report)| (*n, report.cause.as_str(), report.phase))
        .collect()
}

#[test]
fn a_camera_that_stays_blocked_is_an_incident_and_a_hand_that_passes_is_none() {
    let reports = tell(&mut tracker(Rules::default()), "..bbbbb.....");
    let expected = [
        (6, "camera_blocked", Phase::Opened),
        (11, "camera_blocked", Phase::Closed),
    ];
    assert_eq!(changes(&reports), expected);
    assert_eq!(reports[0].1.started, moment(2));
    assert_eq!(reports[0].1.worst_seq, 6, "the last of the worst");
    assert_eq!(reports[1].1.ended_by, Some(EndedBy::Released));
    assert!(tell(&mut tracker(Rules::default()), "..bbbb....bbbb....").is_empty());
}

#[test]
fn a_light_that_explains_a_score_has_the_patience_of_the_score() {
    let mut tracker = tracker(Rules::default());
    let lit_otherwise = fault('c', 1.0);
    let mut opened = Vec::new();
    for n in 0..3 {
        opened.extend(tracker.observe(n, moment(n), Err(&lit_otherwise)));
    }
    assert_eq!(opened.len(), 1, "three frames within a second");
    assert_eq!(opened[0].cause, Cause::SceneChanged);
}

#[test]
fn an_incident_that_was_beyond_the_alarm_line_stays_grave_and_is_reported_at_once() {
    let mut tracker = tracker(Rules {
        notable_rise: 1.0,
        ..Rules::default()
    });
    // The last one is worse, but beyond the alarm line of no basis.
    let worse = Score {
        is_alarm: false,
        ..score(1e4)
    };
    let worse = judged(0.0).rescored(worse).unwrap();
    let story = [judged(1.0), judged(1.0), judged(1.0), judged(200.0), worse];
    let mut reports = Vec::new();
    for (n, judged) in (0..).zip(&story) {
        reports.extend(tracker.observe(n, moment(n), Ok(judged)));
    }
    let graver: Vec<bool> = reports.iter().map(|report| report.is_alarm).collect();
    assert_eq!(graver, [false, true]);
    let open = tracker.stop().remove(0);
    assert!(open.is_alarm && open.worst_seq == 4);
}

#[test]
fn how_long_a_fault_must_last_does_not_hang_on_the_rate_of_the_frames() {
    let mut tracker = tracker(Rules::default());
    let covered = fault('b', 2.0);
    let mut opened = Vec::new();
    for n in 0..100 {
        let mut at = moment(0);
        at.since_boot = Duration::from_millis(40 * n);
        opened.extend(tracker.observe(n, at, Err(&covered)));
    }
    assert_eq!(opened.len(), 1);
    let (first, at) = (opened[0].started.since_boot, opened[0].at.since_boot);
    assert_eq!((first, at), (Duration::ZERO, Duration::from_secs(2)));
}

#[test]
fn a_frozen_camera_is_reported_at_its_first_frame() {
    let reports = tell(&mut tracker(Rules::default()), "...f..f.....");
    let expected = [
        (3, "camera_frozen", Phase::Opened),
        (11, "camera_frozen", Phase::Closed),
    ];
    assert_eq!(changes(&reports), expected);
}

#[test]
fn an_anomaly_stays_open_while_the_camera_is_blocked() {
    let mut tracker = tracker(Rules::default());
    let reports = tell(&mut tracker, "AAAbbbbbbbbbb");
    let expected = [
        (2, "anomaly", Phase::Opened),
        (7, "camera_blocked", Phase::Opened),
    ];
    assert_eq!(changes(&reports), expected);
    let open: Vec<&str> = tracker.open().map(|open| open.cause.as_str()).collect();
    assert_eq!(open, ["anomaly", "camera_blocked"]);
    let mut closed = Vec::new();
    for n in 13..18 {
        closed.extend(tracker.observe(n, moment(n), Ok(&judged(-3.0))));
    }
    let closed: Vec<&str> = closed.iter().map(|report| report.cause.as_str()).collect();
    assert_eq!(closed, ["anomaly", "camera_blocked"]);
    assert_eq!(tracker.open().next(), None);
}

#[test]
fn a_fault_says_that_graver_ones_are_over() {
    let reports = tell(&mut tracker(Rules::default()), "bbbbbmmmmmccccc");
    let expected = [
        (4, "camera_blocked", Phase::Opened),
        (9, "camera_blocked", Phase::Closed),
        (9, "camera_moved", Phase::Opened),
        (14, "camera_moved", Phase::Closed),
        (14, "scene_changed", Phase::Opened),
    ];
    assert_eq!(changes(&reports), expected);
}

#[test]
fn a_fault_says_nothing_of_lesser_ones_which_it_may_hide() {
    let mut tracker = tracker(Rules::default());
    let reports = tell(&mut tracker, "cccccmmmmmfffffbbbbb");
    let expected = [
        (4, "scene_changed", Phase::Opened),
        (9, "camera_moved", Phase::Opened),
        (10, "camera_frozen", Phase::Opened),
        (19, "camera_blocked", Phase::Opened),
    ];
    assert_eq!(changes(&reports), expected);
    assert_eq!(tracker.open().count(), 4);
}

#[test]
fn frames_that_are_damaged_or_absent_say_nothing_of_the_scene() {
    let reports = tell(&mut tracker(Rules::default()), "bb????bbb");
    assert_eq!(phases(&reports), [(6, Phase::Opened)]);
    let mut tracker = tracker(Rules::default());
    tell(&mut tracker, &format!("bbbbb{}", "?".repeat(500)));
    assert_eq!(tracker.open().count(), 1);
    let closed = tracker.stop();
    assert_eq!(closed[0].ended_by, Some(EndedBy::Stopped));
}

#[test]
fn the_worst_frame_of_a_fault_is_the_one_furthest_beyond_its_limit() {
    let mut tracker = tracker(Rules {
        scene_after: Duration::ZERO,
        ..Rules::default()
    });
    let mut reports = Vec::new();
    let severities = [
        1.1,
        1.3,
        1.2,
        f32::NAN,
        4.0,
        f32::INFINITY,
        f32::INFINITY,
        9.0,
    ];
    for (n, severity) in (0..).zip(severities) {
        let changes = tracker.observe(n, moment(n), Err(&fault('m', severity)));
        reports.extend(changes.into_iter().map(|report| (n, report)));
    }
    let worst: Vec<(u64, u64, f32)> = reports
        .iter()
        .map(|(n, report)| match &report.worst {
            Evidence::Scene(fault) => (*n, report.worst_seq, fault.severity),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(worst, [(2, 1, 1.3), (4, 4, 4.0), (5, 5, 1e6)]);
}

#[test]
fn statistics_that_are_no_numbers_say_nothing() {
    let mut tracker = tracker(Rules::default());
    let Rejection::Scene(mut frozen) = fault('f', 2.0) else {
        panic!("no fault of the scene");
    };
    frozen.scene.contrast = f32::NAN;
    let changes = tracker.observe(0, moment(0), Err(&Rejection::Scene(frozen)));
    assert!(changes.is_empty(), "{changes:?}");
}

#[test]
fn the_hourly_cap_of_one_cause_holds_no_other_back() {
    let mut tracker = tracker(Rules {
        hourly_cap: 1,
        cooldown: Duration::ZERO,
        ..Rules::default()
    });
    let reports = tell(&mut tracker, "AAA.....AAAbbbbb");
    let opened = reports.iter().filter(|(_, r)| r.phase == Phase::Opened);
    let opened: Vec<(u64, u64)> = opened.map(|(n, r)| (*n, r.suppressed)).collect();
    assert_eq!(opened, [(2, 0), (15, 0)]);
    assert_eq!((tracker.suppressed(), tracker.is_capped()), (1, true));
}

#[test]
fn a_mute_keeps_faults_of_the_scene_back_as_well_and_counts_them_once_they_last() {
    let mut tracker = tracker(Rules::default());
    let reports = tell(&mut tracker, "Mbbbb....bbbbbbbU");
    assert!(reports.is_empty());
    assert_eq!(
        tracker.suppressed(),
        1,
        "the hand that passed is not counted"
    );
    let opened = tracker.observe(17, moment(17), Err(&fault('b', 2.0)));
    assert_eq!((opened[0].suppressed, opened[0].started), (1, moment(9)));
}

#[test]
fn ids_tell_causes_apart_that_open_at_the_same_frame() {
    let tracker = tracker(Rules::default());
    let ids = Cause::ALL.map(|cause| tracker.identity.incident_id(cause, 7, &moment(7)));
    let different: std::collections::HashSet<&String> = ids.iter().collect();
    assert_eq!(different.len(), ids.len());
}

/// What each frame of a story says of a cause: shows it, calm, or neither.
fn signs(story: &str, cause: Cause) -> Vec<(u64, char)> {
    let sign = |frame: char| match (cause, frame) {
        (Cause::Anomaly, 'A' | 'B') => Some('x'),
        (Cause::Anomaly, '-') => Some('-'),
        (Cause::Anomaly, '.') => Some('.'),
        (Cause::Anomaly, _) | (_, '?') => None,
        (Cause::CameraBlocked, 'b')
        | (Cause::CameraMoved, 'm')
        | (Cause::CameraFrozen, 'f')
        | (Cause::SceneChanged, 'c') => Some('x'),
        (Cause::CameraFrozen, 'b')
        | (Cause::CameraMoved, 'b' | 'f')
        | (Cause::SceneChanged, 'b' | 'f' | 'm') => None,
        _ => Some('.'),
    };
    let frames = (0..).zip(story.chars());
    frames
        .filter_map(|(n, frame)| Some((n, sign(frame)?)))
        .collect()
}

/// When an incident of a cause opens and closes, without cooldown, mute and cap: looks at all signs
/// since the former one anew at each frame.
fn model(story: &str, cause: Cause, rules: &Rules) -> Vec<(u64, Phase)> {
    let (hits, lasting) = match cause {
        Cause::Anomaly => (rules.hits, 0),
        Cause::CameraFrozen => (1, 0),
        _ => (rules.hits, 4),
    };
    let (mut changes, mut is_open, mut since) = (Vec::new(), false, Vec::new());
    for sign in signs(story, cause) {
        since.push(sign);
        let shown = |end: usize| {
            let window: &[(u64, char)] = &since[end.saturating_sub(rules.window)..end];
            let shown: Vec<u64> = window.iter().filter(|s| s.1 == 'x').map(|s| s.0).collect();
            (shown.len() >= hits).then_some(shown)
        };
        if is_open {
            let calm = since.iter().rev().take_while(|s| s.1 == '.').count();
            if calm >= rules.release_after {
                changes.push((sign.0, Phase::Closed));
                (is_open, since) = (false, Vec::new());
            }
        } else if sign.1 == 'x' {
            let crowded = (1..=since.len()).rev().map_while(shown).last();
            if crowded.is_some_and(|first| sign.0 - first[0] >= lasting) {
                changes.push((sign.0, Phase::Opened));
                // Frames from before the opening are no sign of its end.
                (is_open, since) = (true, Vec::new());
            }
        }
    }
    changes
}

proptest! {
    #[test]
    fn every_cause_lives_by_itself_and_the_open_ones_are_those_that_were_not_closed(
        story in "([A.?-]{0,9}b{0,9}[b.m]{0,5}m{0,6}f{0,2}[c?]{0,9}){0,6}",
        hits in 1usize..5, extra in 0usize..4, release_after in 1usize..6,
    ) {
        let rules = Rules {
            hits,
            window: hits + extra,
            release_after,
            cooldown: Duration::ZERO,
            hourly_cap: u32::MAX,
            ..Rules::default()
        };
        let mut tracker = tracker(rules);
        let reports = tell(&mut tracker, &story);
        for cause in Cause::ALL {
            let of_cause = reports.iter().filter(|(_, r)| r.cause == cause && r.phase != Phase::Updated);
            let of_cause: Vec<(u64, Phase)> = of_cause.map(|(n, r)| (*n, r.phase)).collect();
            prop_assert_eq!(of_cause, model(&story, cause, &rules), "{}", cause.as_str());
        }
        let mut open: HashMap<String, Incident> = HashMap::new();
        let mut closed = tracker.open().map(|open| open.id.clone()).collect::<Vec<_>>();
        for (_, report) in reports {
            match report.phase {
                Phase::Opened => prop_assert!(open.insert(report.id.clone(), report).is_none()),
                Phase::Updated => prop_assert!(open.insert(report.id.clone(), report).is_some()),
                Phase::Closed => {
                    prop_assert!(open.remove(&report.id).is_some());
                    closed.push(report.id);
                }
            }
        }
        prop_assert_eq!(tracker.open().count(), open.len());
        for incident in tracker.stop() {
            prop_assert_eq!(open.remove(&incident.id).map(|o| o.report + 1), Some(incident.report));
        }
        prop_assert!(open.is_empty());
        let count = closed.len();
        prop_assert_eq!(closed.into_iter().collect::<std::collections::HashSet<_>>().len(), count);
    }
}
