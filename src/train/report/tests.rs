//! What a report holds of a calibration.

use super::fixture::{learnt, report};
use super::*;

#[test]
fn the_worst_frames_are_the_highest_in_order_and_ten_at_most() {
    let report = report(60);
    assert_eq!(report.worst.len(), WORST);
    assert!(report.worst.is_sorted_by(|a, b| a.value >= b.value));
    let [image, local] = &report.scores;
    for shown in &report.worst {
        let trace = match shown.basis {
            Basis::Image => image,
            Basis::Local => local,
        };
        assert_eq!(shown.raw, trace.raw[shown.frame]);
        assert_eq!(shown.raw > trace.lines.threshold, shown.value > 0.5);
    }
}

#[test]
fn programs_read_one_score_and_one_note_a_frame() {
    let mut learnt = learnt(20);
    learnt.notes[3].name = Some("a \"b\" <c>.jpg".into());
    learnt.rejected = vec![("bad.jpg".to_owned(), "is no picture".to_owned())];
    let json = Report::of(&learnt, "images normal/", "press").to_json();
    let report: serde_json::Value = serde_json::from_slice(&json).unwrap();
    for trace in report["scores"].as_array().unwrap() {
        assert_eq!(trace["raw"].as_array().unwrap().len(), 20);
        assert!(trace["lines"]["alarm"].is_f64() && trace["lines"]["threshold"].is_f64());
    }
    assert_eq!(report["scores"][1]["basis"], "local");
    assert_eq!(report["frames"][3]["name"], "a \"b\" <c>.jpg");
    assert_eq!(report["frames"][19]["seconds"], 19.0);
    assert_eq!(report["footage"]["left_out_first"][0][0], "bad.jpg");
    assert_eq!(report["worst"].as_array().unwrap().len(), WORST);
}

#[test]
fn a_report_is_issued_for_a_profile() {
    let profile = crate::score::fixture::profile(30, 1);
    let issued = report(20).issued(&profile);
    assert_eq!(issued.profile, profile.id());
    assert_eq!(issued.calibrated_at, Some(profile.receipt().calibrated_at));
}
