//! The tracker against stories told frame by frame, and against its promises for any story.

use proptest::prelude::*;

use super::*;
use crate::decide::stories::{judged, moment, phases, score, spotted, tell, tracker};
use crate::decide::{EndedBy, Evidence, Phase};
use crate::score::{Basis, Score};

fn worst(incident: &Incident) -> &Score {
    incident.worst.judged().unwrap().score()
}

#[test]
fn three_of_five_open_and_five_calm_frames_close() {
    let reports = tell(&mut tracker(Rules::default()), "..A.AA.....");
    assert_eq!(phases(&reports), [(5, Phase::Opened), (10, Phase::Closed)]);
    let (opened, closed) = (&reports[0].1, &reports[1].1);
    assert_eq!(opened.id, closed.id);
    assert_eq!((opened.report, closed.report), (1, 2));
    assert_eq!(opened.started, moment(2));
    assert_eq!(opened.hits, 3);
    assert_eq!(closed.ended, Some(moment(10)));
    assert_eq!(closed.ended_by, Some(EndedBy::Released));
}

#[test]
fn two_of_five_open_nothing() {
    assert!(tell(&mut tracker(Rules::default()), "A...A..A...A.A...AA").is_empty());
}

#[test]
fn frames_that_cannot_be_judged_are_neither_hits_nor_misses() {
    let story = "A????????A??????????A";
    assert_eq!(
        phases(&tell(&mut tracker(Rules::default()), story)),
        [(20, Phase::Opened)]
    );
    let mut tracker = tracker(Rules::default());
    tell(&mut tracker, &format!("AAA{}", "?".repeat(500)));
    assert!(
        tracker.open().next().is_some(),
        "blindness does not close an incident"
    );
}

#[test]
fn a_score_that_hovers_under_the_threshold_does_not_close() {
    let reports = tell(&mut tracker(Rules::default()), "AAA-----------....-.....");
    assert_eq!(
        reports.last().map(|(n, r)| (*n, r.phase)),
        Some((23, Phase::Closed))
    );
}

#[test]
fn the_cooldown_counts_what_would_have_opened_once_each() {
    let rules = Rules {
        cooldown: Duration::from_secs(20),
        ..Rules::default()
    };
    let story = format!(
        "AAA.....{}{}{}",
        "AAAA.....",
        "AAA......",
        ".".repeat(20) + "AAA"
    );
    let reports = tell(&mut tracker(rules), &story);
    let opened: Vec<u64> = reports
        .iter()
        .filter(|(_, r)| r.phase == Phase::Opened)
        .map(|(_, r)| r.suppressed)
        .collect();
    assert_eq!(opened, [0, 2]);
}

#[test]
fn an_anomaly_that_outlasts_the_cooldown_opens_when_it_ends() {
    let rules = Rules {
        cooldown: Duration::from_secs(5),
        ..Rules::default()
    };
    let reports = tell(&mut tracker(rules), &format!("AAA.....{}", "A".repeat(30)));
    assert_eq!(
        phases(&reports)[..3],
        [(2, Phase::Opened), (7, Phase::Closed), (17, Phase::Opened)]
    );
    assert_eq!(reports[2].1.suppressed, 1);
}

#[test]
fn updates_come_by_time_or_by_a_notable_rise() {
    let reports = tell(
        &mut tracker(Rules::default()),
        &format!("AAA{}", "A".repeat(20)),
    );
    assert_eq!(phases(&reports), [(2, Phase::Opened), (22, Phase::Updated)]);
    let reports = tell(&mut tracker(Rules::default()), "AAABBBB");
    assert_eq!(phases(&reports), [(2, Phase::Opened), (3, Phase::Updated)]);
    assert_eq!(reports[1].1.worst_seq, 3);
}

#[test]
fn stopping_closes_what_is_open_and_says_so() {
    let mut tracker = tracker(Rules::default());
    assert!(tracker.stop().is_empty());
    tell(&mut tracker, "AAA??");
    let closed = tracker.stop().remove(0);
    assert_eq!(
        (closed.phase, closed.ended_by),
        (Phase::Closed, Some(EndedBy::Stopped))
    );
    assert_eq!(closed.at, moment(4));
    assert!(tracker.stop().is_empty());
}

#[test]
fn frames_before_a_stop_are_no_part_of_an_incident_after_it() {
    let muted = |story: &str| {
        let mut tracker = tracker(Rules::default());
        tracker.mute(Mute::On);
        tell(&mut tracker, story);
        tracker
    };
    for mut tracker in [muted("AA"), muted("AAAA")] {
        assert!(tracker.stop().is_empty());
        tracker.mute(Mute::Off);
        let reports = tell(&mut tracker, "A....AAA");
        assert_eq!(phases(&reports), [(7, Phase::Opened)]);
        assert_eq!(reports[0].1.started, moment(5));
    }
}

#[test]
fn new_rules_keep_the_open_incident() {
    let mut before = tracker(Rules::default());
    let opened = tell(&mut before, "AAA").remove(0).1;
    let mut after = before.with_rules(Rules {
        window: 2,
        hits: 1,
        release_after: 1,
        ..Rules::default()
    });
    let closed = after.observe(3, moment(3), Ok(&judged(-3.0))).remove(0);
    assert_eq!((closed.id, closed.phase), (opened.id, Phase::Closed));
}

#[test]
fn ids_are_ulids_that_tell_cameras_apart_and_repeat_on_replay() {
    let id = |camera: &str, n| {
        let identity = Identity {
            node: "n".into(),
            camera: camera.into(),
            boot_id: "b".into(),
        };
        identity.incident_id(Cause::Anomaly, n, &moment(n))
    };
    assert_eq!(id("a", 1).len(), 26);
    assert_eq!(id("a", 1), id("a", 1));
    assert_ne!(id("a", 1), id("b", 1));
    assert!(id("b", 1) < id("a", 2), "ids sort by time");
}

#[test]
fn a_score_that_is_not_finite_cannot_be_judged() {
    let picture = judged(0.0).picture();
    let mut map = score(1.0);
    map.map[2] = f32::INFINITY;
    for wrong in [
        Score {
            p_value: f64::NAN,
            ..score(1.0)
        },
        map,
    ] {
        assert_eq!(Judged::new(wrong, picture), Err(Rejection::NotFinite));
    }
    let mut dazzled = picture;
    dazzled.scene.contrast = f32::NAN;
    let rejected = Judged::new(score(1.0), dazzled);
    assert_eq!(rejected, Err(Rejection::NotFinite));
}

#[test]
fn the_end_of_a_cooldown_opens_at_an_anomalous_frame_and_not_at_a_normal_one() {
    let rules = Rules {
        hits: 2,
        release_after: 1,
        cooldown: Duration::from_secs(2),
        ..Rules::default()
    };
    // Closed at frame 2; the cooldown ends with frame 6, while two hits are still in the window.
    let reports = tell(&mut tracker(rules), "AA.AA...A");
    let opened = [(1, Phase::Opened), (2, Phase::Closed), (8, Phase::Opened)];
    assert_eq!(phases(&reports), opened);
    assert_eq!(reports[2].1.suppressed, 1);
    // The hits at hand began with frame 3, behind the frame that closed.
    assert_eq!(reports[2].1.started, moment(3));
}

#[test]
fn the_worst_frame_is_looked_for_among_those_that_opened_the_incident() {
    let reports = tell(&mut tracker(Rules::default()), ".BAA");
    let opened = &reports[0].1;
    assert_eq!((opened.worst_seq, opened.worst_at), (1, moment(1)));
    assert_eq!(opened.worst, Evidence::Score(judged(30.0)));
}

#[test]
fn an_incident_may_go_on_by_the_other_basis_and_closes_when_both_are_calm() {
    let mut tracker = tracker(Rules {
        hits: 2,
        window: 2,
        release_after: 2,
        ..Rules::default()
    });
    let frames = [
        judged(1.0),    // opens with the next one
        judged(1.0),    //
        spotted(-0.05), // the whole is calm, a spot hovers under its threshold
        spotted(-0.05), //
        spotted(4.0),   // a spot is worse than the whole ever was
        spotted(-3.0),  // both are calm
        judged(-3.0),   //
    ];
    let mut reports = Vec::new();
    for (n, frame) in (0..).zip(&frames) {
        let changes = tracker.observe(n, moment(n), Ok(frame));
        reports.extend(changes.into_iter().map(|report| (n, report)));
    }
    let expected = [(1, Phase::Opened), (4, Phase::Updated), (6, Phase::Closed)];
    assert_eq!(phases(&reports), expected);
    let bases = reports.iter().map(|(_, r)| worst(r).basis);
    let bases: Vec<Basis> = bases.collect();
    assert_eq!(bases, [Basis::Image, Basis::Local, Basis::Local]);
    // What is reported of the worst frame is of one basis throughout.
    let worst = worst(&reports[2].1);
    assert_eq!(
        (worst.raw, worst.threshold, worst.p_value),
        (14.0, 10.0, 0.01)
    );
}

proptest! {
    #[test]
    fn any_story_keeps_the_promises(
        story in "[A.?B-]{0,60}([A.?B-]{0,60}[MU]){0,3}[A.?B-]{0,60}", hits in 1usize..5,
        extra in 0usize..4, release_after in 1usize..6, cooldown in 0u64..20, hourly_cap in 1u32..9,
    ) {
        let cooldown = Duration::from_secs(cooldown);
        let rules = Rules { hits, window: hits + extra, release_after, cooldown, hourly_cap, ..Rules::default() };
        let mut tracker = tracker(rules);
        let mut open: Option<Incident> = None;
        let mut closed_at: Option<Duration> = None;
        let mut ids = std::collections::HashSet::new();
        for (n, report) in tell(&mut tracker, &story) {
            let before = &story[..=n as usize];
            let is_muted = before.rfind('M').is_some_and(|m| before.rfind('U').is_none_or(|u| u < m));
            prop_assert!(!is_muted || report.phase == Phase::Closed, "{n} is reported while muted");
            match report.phase {
                Phase::Opened => {
                    prop_assert!(open.is_none(), "two open at {n}");
                    prop_assert!(ids.insert(report.id.clone()), "an id came twice");
                    prop_assert!(report.hits >= hits && report.report == 1);
                    prop_assert!(worst(&report).value > 0.5 && worst(&report).is_anomalous());
                    prop_assert!(matches!(story.as_bytes()[n as usize], b'A' | b'B'));
                    let judged: Vec<char> = story[..=n as usize].chars().filter(|c| !"?MU".contains(*c)).collect();
                    let window = judged.iter().rev().take(hits + extra);
                    prop_assert!(window.filter(|c| matches!(c, 'A' | 'B')).count() >= hits);
                    if let Some(closed) = closed_at {
                        prop_assert!(report.at.since_boot >= closed + cooldown);
                    }
                    open = Some(report);
                }
                Phase::Updated | Phase::Closed => {
                    let former = open.take();
                    prop_assert!(former.is_some(), "nothing was open at {n}");
                    let former = former.unwrap();
                    prop_assert_eq!(&former.id, &report.id);
                    prop_assert_eq!(former.report + 1, report.report);
                    prop_assert!(worst(&report).value >= worst(&former).value);
                    if report.phase == Phase::Closed {
                        closed_at = Some(report.at.since_boot);
                        prop_assert_eq!(report.ended, Some(report.at));
                    } else {
                        open = Some(report);
                    }
                }
            }
        }
        prop_assert_eq!(open.as_ref(), tracker.open().next());
        // The whole story is told within an hour.
        prop_assert!(ids.len() <= hourly_cap as usize);
    }
}
