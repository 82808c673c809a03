//! Advice: said where it should be, and not where it should not.

use super::super::fixture::{learnt, scored};
use super::super::{Brightness, Kind};
use super::*;
use crate::score::fixture::{normal_frames, statistics_within};
use crate::train::report::Report;

/// Scores without a pattern.
fn plain(count: usize) -> Vec<f64> {
    let score = |i: usize| ((i * 7919) % 1009) as f64 / 101.0;
    (0..count).map(score).collect()
}

#[test]
fn the_last_minutes_that_are_darker_are_named_with_their_length() {
    let mut report = scored(plain(600));
    let brightness: Vec<f32> = (0..600).map(|i| if i < 420 { 0.5 } else { 0.4 }).collect();
    report.light = Brightness::of(&brightness, &[]);
    let said = other_light(report.light.change.unwrap(), &report.frames);
    let expected = "the last 3 minutes are darker (mean 0.40, the others 0.50): if both are normal, film \
                    as long in either light, else leave them out";
    assert_eq!(said, expected);
    for frame in &mut report.frames {
        frame.seconds = None;
    }
    let brightness: Vec<f32> = (0..600).map(|i| if i < 60 { 0.9 } else { 0.5 }).collect();
    report.light = Brightness::of(&brightness, &[]);
    let said = other_light(report.light.change.unwrap(), &report.frames);
    assert!(
        said.starts_with("the first 60 frames are brighter"),
        "{said}"
    );
}

#[test]
fn frames_that_hold_most_of_the_tail_are_named_by_their_time() {
    let mut scores = plain(600);
    for (i, score) in scores[250..258].iter_mut().enumerate() {
        *score = 50.0 + i as f64;
    }
    let said = dominated_tail(&scored(scores)).unwrap();
    assert!(said.starts_with("the frames at 4:10 to 4:"), "{said}");
    assert_eq!(dominated_tail(&scored(plain(600))), None);
    assert_eq!(
        dominated_tail(&scored(vec![1.0; 600])),
        None,
        "all are equal"
    );
    assert_eq!(dominated_tail(&scored(plain(12))), None, "too few to tell");
}

#[test]
fn a_quarter_that_the_others_do_not_explain_is_named() {
    let mut scores = plain(200);
    scores[50..100].iter_mut().for_each(|score| *score += 9.0);
    let said = strange_block(&scored(scores)).unwrap();
    assert!(said.contains("the second quarter"), "{said}");
    assert_eq!(strange_block(&scored(plain(200))), None);
    assert_eq!(strange_block(&scored(vec![1.0; 20])), None);
    assert_eq!(strange_block(&scored(Vec::new())), None);
}

#[test]
fn rare_kinds_and_frames_like_no_other_are_counted_together() {
    let kind = |frames, example| Kind { frames, example };
    let mut variety = Variety {
        compared: 100,
        different: 90,
        kinds: vec![kind(92, 0), kind(6, 40)],
        alone: vec![7, 9],
    };
    let frames = scored(plain(100)).frames;
    let said = rare(&variety, &frames).unwrap();
    assert!(
        said.starts_with("3 frames") && said.contains("at 0:40"),
        "{said}"
    );
    variety.kinds.pop();
    variety.alone.clear();
    assert_eq!(rare(&variety, &frames), None);
}

#[test]
fn near_duplicates_are_told_where_they_are_most() {
    let variety = |compared, different| Variety {
        compared,
        different,
        ..Variety::default()
    };
    let said = near_duplicates(&variety(600, 14)).unwrap();
    assert!(said.starts_with("600 frames, 14 different ones"), "{said}");
    assert_eq!(near_duplicates(&variety(600, 400)), None);
    assert_eq!(near_duplicates(&variety(20, 20)), None);
}

#[test]
fn what_the_budget_asks_comes_first_and_what_was_left_out_is_counted() {
    let mut learnt = learnt(40);
    learnt.rejected = vec![("bad.jpg".to_owned(), "is no picture".to_owned()); 3];
    learnt.statistics = statistics_within(&normal_frames(40, 1), "1/day");
    let report = Report::of(&learnt, "images normal/", "press");
    assert!(report.advice[0].contains("too short to support"));
    let left_out = "3 of the frames could not be used, such as bad.jpg (is no picture)";
    assert!(report.advice.iter().any(|said| said.starts_with(left_out)));
}
