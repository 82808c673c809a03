//! Charts of scores that are ordinary, all equal, far apart, and many.

use super::super::fixture::scored;
use super::*;

fn drawn(raw: Vec<f64>) -> String {
    let report = scored(raw);
    scores(&report.scores[0], &report.frames, &report.worst[..0])
}

#[test]
fn every_coordinate_is_a_number_whatever_the_scores_are() {
    let cases = [
        vec![],
        vec![3.0],
        vec![10.0; 20],
        vec![0.0; 2000],
        vec![f64::MAX / 4.0, -f64::MAX / 4.0, 1.0],
        (0..20).map(|i| 1e-12 * f64::from(i)).collect(),
    ];
    for raw in cases {
        let svg = drawn(raw.clone());
        let shown = raw.get(..3).unwrap_or(&raw);
        assert!(!svg.contains("NaN") && !svg.contains("inf%"), "{shown:?}");
        assert_eq!(svg.matches("<svg").count(), svg.matches("</svg>").count());
    }
}

#[test]
fn a_frame_far_above_is_marked_and_does_not_flatten_the_others() {
    let mut raw: Vec<f64> = (0..100).map(|i| f64::from(i % 9)).collect();
    raw[50] = 1e6;
    let svg = drawn(raw);
    assert_eq!(svg.matches("beyond").count(), 1);
    assert!(
        svg.contains("0:50 (frame 50): 1000000"),
        "it tells its value"
    );
    let places: Vec<f64> = svg
        .split("cy=\"")
        .skip(1)
        .map(|rest| rest.split('%').next().unwrap().parse().unwrap())
        .collect();
    let spread = places.iter().copied().fold(f64::INFINITY, f64::min);
    let lowest = places.iter().copied().fold(0.0, f64::max);
    assert!(lowest - spread > 50.0);
    let eights = places[8];
    assert!(
        lowest - eights > 15.0,
        "the others fill a fair part: {eights}"
    );
}

#[test]
fn the_alarm_line_is_drawn_where_it_leaves_room_for_the_scores() {
    let mut report = scored((0..30).map(|i| f64::from(i % 11)).collect());
    let svg = |report: &crate::train::report::Report| {
        scores(&report.scores[0], &report.frames, &report.worst[..0])
    };
    let both = svg(&report);
    assert!(both.contains("threshold 10.00") && both.contains(r#"class="alarm""#));
    report.scores[0].lines.alarm = 1000.0;
    let one = svg(&report);
    assert!(!one.contains(r#"class="alarm""#) && one.contains("alarm line 1000"));
}

#[test]
fn the_dots_of_long_footage_are_bounded_and_keep_its_peaks() {
    let mut raw = vec![1.0; 100_000];
    raw[77_777] = 9.5;
    let svg = drawn(raw);
    assert!(svg.matches("<circle").count() <= MOST_DOTS);
    assert!(svg.contains("frame 77777"));
}

#[test]
fn the_light_of_one_picture_is_a_line_in_the_middle() {
    let report = scored(vec![1.0; 20]);
    let svg = light(&report.light, &report.frames);
    assert_eq!(svg.matches(r#"cy="50.00%""#).count(), 20);
}
