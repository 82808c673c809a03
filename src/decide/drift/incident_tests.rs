//! What a tracker makes of drift: one incident, and none where something else is the cause.

use super::*;
use crate::decide::stories::{self, judged};
use crate::decide::{Cause, EndedBy, Incident, Mute, Phase, Rules, Tracker};
use crate::score::Scoring;

/// A tracker that looks back on 240 s of frames, two a second, against scores of -3 +- 1.
fn watching(rules: Rules) -> Tracker {
    let rules_of_drift = DriftRules {
        watches: true,
        window: Duration::from_secs(240),
    };
    stories::tracker(rules).watching(reference(), rules_of_drift)
}

fn reference() -> DriftReference {
    let scores: Vec<f64> = (0..400).map(|i| -3.0 + jitter(i)).collect();
    let mut sorted = scores.clone();
    sorted.sort_by(f64::total_cmp);
    DriftReference::new(
        "sha256:9a",
        Scoring::Default,
        &sorted,
        &sorted,
        Some([1.0; 6]),
    )
}

/// About 0 +- 1, and each batch of 20 is like the others.
fn jitter(n: u64) -> f64 {
    (n * 7 % 20) as f64 / 5.77 - 1.646
}

/// A frame whose score is normal and `rise` deviations higher than it was.
fn risen(n: u64, rise: f64) -> Judged {
    let mut judged = judged(-3.0);
    judged.score.default = -3.0 + jitter(n) + rise;
    judged.score.local = -3.0 + jitter(n);
    judged.score.parts.z = 0.0;
    judged
}

/// Watches frames `from` to `to`, each made from its number.
fn watched(
    tracker: &mut Tracker,
    numbers: std::ops::Range<u64>,
    frame: impl Fn(u64) -> Judged,
) -> Vec<Incident> {
    numbers
        .flat_map(|n| tracker.observe(n, stories::moment(n), Ok(&frame(n))))
        .collect()
}

#[test]
fn a_drift_of_days_is_one_incident_that_is_opened_once_and_closed_once() {
    let mut tracker = watching(Rules::default());
    assert!(watched(&mut tracker, 0..2000, |n| risen(n, 0.0)).is_empty());
    let reports = watched(&mut tracker, 2000..350_000, |n| risen(n, 1.2));
    let Evidence::Drift(drifted) = &reports[0].worst else {
        panic!("{:?}", reports[0].worst);
    };
    assert_eq!(
        (reports[0].cause, reports[0].phase),
        (Cause::Drift, Phase::Opened)
    );
    assert_eq!(reports[0].drift, Some(DriftLevel::Strong));
    assert_eq!(drifted.shift.measure, Measure::Image);
    assert!(
        drifted
            .detail()
            .contains("above that of calibration, limit "),
        "{}",
        drifted.detail()
    );
    let updates = reports
        .iter()
        .filter(|report| report.phase == Phase::Updated);
    assert!(updates.count() <= 3 && reports.len() <= 4, "{reports:#?}");
    assert_eq!(tracker.drift().unwrap().since, Some(reports[0].at));
    let closed = watched(&mut tracker, 350_000..353_000, |n| risen(n, 0.0));
    assert_eq!(closed.len(), 1);
    assert_eq!(closed[0].ended_by, Some(EndedBy::Released));
    assert_eq!(
        (closed[0].phase, closed[0].drift),
        (Phase::Closed, Some(DriftLevel::None))
    );
}

#[test]
fn a_defect_that_lies_there_for_hours_is_an_anomaly_and_no_drift() {
    for muted in [Mute::Off, Mute::On] {
        let mut tracker = watching(Rules::default());
        tracker.mute(muted);
        watched(&mut tracker, 0..2000, |n| risen(n, 0.0));
        let before = tracker.drift().unwrap().clone();
        // Now and then a frame is just below the threshold.
        let frame = |n| {
            if n % 4 == 3 {
                risen(n, 2.9)
            } else {
                judged(3.0)
            }
        };
        let reports = watched(&mut tracker, 2000..22_000, frame);
        assert!(reports.iter().all(|report| report.cause == Cause::Anomaly));
        let after = tracker.drift().unwrap();
        assert_eq!((after.level, after.frames), (before.level, before.frames));
    }
}

#[test]
fn verdicts_that_are_repeated_say_nothing_of_drift() {
    let mut tracker = watching(Rules::default());
    let reports = watched(&mut tracker, 0..5000, |n| risen(n, 2.0).repeated());
    assert!(reports.is_empty());
    assert_eq!(tracker.drift(), Some(&Drift::default()));
    assert!(!watched(&mut tracker, 5000..6000, |n| risen(n, 2.0)).is_empty());
}

#[test]
fn a_reload_goes_on_watching_and_turning_it_off_ends_the_incident() {
    let mut tracker = watching(Rules::default());
    let opened = watched(&mut tracker, 0..2000, |n| risen(n, 2.0));
    assert_eq!(opened.len(), 1);
    let rules = DriftRules {
        watches: true,
        window: Duration::from_secs(240),
    };
    let mut tracker = tracker.watching(reference(), rules);
    assert_eq!(tracker.drift().unwrap().level, DriftLevel::Strong);
    assert!(watched(&mut tracker, 2000..4000, |n| risen(n, 2.0)).is_empty());
    let off = DriftRules {
        watches: false,
        ..rules
    };
    let mut tracker = tracker.watching(reference(), off);
    let closed = watched(&mut tracker, 4000..4002, |n| risen(n, 2.0));
    assert_eq!((closed.len(), closed[0].phase), (1, Phase::Closed));
    assert_eq!((tracker.drift(), closed[0].drift), (None, None));
    assert_eq!(closed[0].id, opened[0].id);
}

#[test]
fn a_mute_keeps_drift_back_and_it_is_told_once_the_mute_is_over() {
    let mut tracker = watching(Rules::default());
    tracker.mute(Mute::On);
    assert!(watched(&mut tracker, 0..2000, |n| risen(n, 2.0)).is_empty());
    assert_eq!(tracker.drift().unwrap().level, DriftLevel::Strong);
    tracker.mute(Mute::Off);
    let opened = watched(&mut tracker, 2000..2100, |n| risen(n, 2.0));
    assert_eq!((opened.len(), opened[0].suppressed), (1, 1));
}
