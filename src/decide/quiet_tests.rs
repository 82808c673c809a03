//! The tracker where it keeps silent: muted, beyond the hourly cap; and the pictures that it keeps
//! meanwhile.

use std::sync::Arc;

use super::*;
use crate::capture::Pixels;
use crate::decide::stories::{judged, moment, phases, tell, tracker};
use crate::decide::{Evidence, Phase};

#[test]
fn while_muted_nothing_opens_and_what_would_have_is_counted() {
    let mut tracker = tracker(Rules {
        cooldown: Duration::ZERO,
        ..Rules::default()
    });
    let reports = tell(&mut tracker, "MAAA......AAA......U...AAA");
    assert_eq!(phases(&reports), [(25, Phase::Opened)]);
    assert_eq!(reports[0].1.suppressed, 2);
    assert_eq!((tracker.suppressed(), tracker.is_muted()), (0, false));
}

#[test]
fn an_incident_that_is_open_when_muting_begins_reports_its_closing_alone() {
    let story = format!("AAAM{}.....", "B".repeat(40));
    let reports = tell(&mut tracker(Rules::default()), &story);
    assert_eq!(phases(&reports), [(2, Phase::Opened), (48, Phase::Closed)]);
    assert_eq!(
        reports[1].1.worst,
        Evidence::Score(judged(30.0)),
        "it was followed all the same"
    );
}

#[test]
fn a_mute_with_an_end_ends_by_the_frames_time_even_where_none_can_be_judged() {
    let mut tracker = tracker(Rules::default());
    tracker.mute(Mute::Until(moment(10).since_boot));
    assert!(tell(&mut tracker, "AAAAAAAAAA").is_empty());
    assert!(tracker.is_muted());
    let blind = Rejection::NoFrames("unplugged".into());
    tracker.observe(10, moment(10), Err(&blind));
    assert!(!tracker.is_muted());
    let opened = tracker.observe(11, moment(11), Ok(&judged(3.0))).remove(0);
    assert_eq!((opened.phase, opened.suppressed), (Phase::Opened, 1));
}

#[test]
fn a_mute_with_an_end_ends_without_a_frame_too_and_one_without_does_not() {
    let mut tracker = tracker(Rules::default());
    let end = moment(10).since_boot;
    tracker.mute(Mute::Until(end));
    assert_eq!(tracker.mute_end(), Some(end));
    assert!(!tracker.end_mute(moment(9).since_boot) && tracker.is_muted());
    assert!(tracker.end_mute(end) && !tracker.is_muted());
    assert!(!tracker.end_mute(end), "it ends once");
    tracker.mute(Mute::On);
    assert_eq!(tracker.mute_end(), None);
    assert!(!tracker.end_mute(Duration::MAX) && tracker.is_muted());
}

#[test]
fn beyond_the_hourly_cap_nothing_opens_until_the_hour_has_moved_on() {
    let rules = Rules {
        hourly_cap: 2,
        cooldown: Duration::ZERO,
        ..Rules::default()
    };
    let mut tracker = tracker(rules);
    let reports = tell(&mut tracker, "AAA.....AAA.....AAA......AAA.");
    let opened = reports.iter().filter(|(_, r)| r.phase == Phase::Opened);
    assert_eq!(opened.map(|(n, _)| *n).collect::<Vec<_>>(), [2, 10]);
    assert_eq!((tracker.suppressed(), tracker.is_capped()), (2, true));
    // Frame 2 is an hour old with frame 7202.
    for n in 7197..7202 {
        let report = tracker.observe(n, moment(n), Ok(&judged(3.0)));
        assert!(report.is_empty(), "{n}");
    }
    let opened = tracker.observe(7202, moment(7202), Ok(&judged(3.0)));
    assert_eq!((opened[0].report, opened[0].suppressed), (1, 2));
    assert!(!tracker.is_capped());
}

#[test]
fn the_worst_frame_brings_its_picture_and_no_other_is_kept() {
    let shown = |raw: f64, mark: u8| judged(raw).with_shot(Arc::new(Pixels::Encoded(vec![mark])));
    let mut tracker = tracker(Rules::default());
    let frames = [
        shown(1.0, 0),
        shown(3.0, 1),
        shown(2.0, 2),
        shown(99.0, 3),
        shown(2.0, 4),
    ];
    let mut reports = Vec::new();
    for (n, frame) in (0..).zip(&frames) {
        reports.extend(tracker.observe(n, moment(n), Ok(frame)));
        let expected: &[bool] = match n {
            0 => &[true],
            1 => &[false, true],
            2 => &[false, true, true],
            3 => &[false, false, false, true],
            _ => &[false, false, false, false, true],
        };
        assert_eq!(tracker.kept(), expected, "{n}");
    }
    let worst = reports.iter().filter_map(|report| report.worst.judged());
    let marks: Vec<_> = worst
        .map(|judged| judged.shot().map(|shot| Pixels::clone(shot)))
        .collect();
    let mark = |mark| Some(Pixels::Encoded(vec![mark]));
    assert_eq!(marks, [mark(1), mark(3)]);
}

#[test]
fn of_a_long_window_the_worst_frames_alone_keep_their_pictures() {
    let rules = Rules {
        hits: 20,
        window: 20,
        ..Rules::default()
    };
    let mut tracker = tracker(rules);
    for n in 0..19 {
        let shot = Arc::new(Pixels::Encoded(vec![0]));
        let frame = judged(30.0 - n as f64).with_shot(shot);
        tracker.observe(n, moment(n), Ok(&frame));
    }
    let kept = tracker.kept();
    assert_eq!(kept.iter().filter(|kept| **kept).count(), 8, "{kept:?}");
    assert!(kept[..7].iter().all(|kept| *kept), "{kept:?}");
}
