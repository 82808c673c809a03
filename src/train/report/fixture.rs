//! Calibrations and reports for tests: those of the scores' fixture, with frames that have numbers.

use super::{FrameNote, Lines, Print, Report};
use crate::score::Scoring;
use crate::score::fixture::{normal_frames, statistics};
use crate::score::tokens::Scratch;
use crate::train::calibrate::{Calibration, TakenOver};
use crate::train::review::Review;

/// What `count` frames of a film taught, one a second.
pub(super) fn learnt(count: usize) -> Calibration {
    let frames = normal_frames(count, 1);
    let statistics = statistics(&frames, Scoring::Default);
    let mut scratch = Scratch::default();
    let measured = frames.iter().map(|frame| {
        let fit = statistics.fit();
        let measured = fit.measure(&frame.into(), frame.into(), 0, &mut scratch);
        measured.unwrap()
    });
    let measured = measured.collect();
    let taught = frames.iter();
    let taught = taught.map(|frame| statistics.fit().normal_frame(frame, 0, &mut scratch));
    let taught = taught.collect();
    Calibration {
        taught,
        relit: Vec::new(),
        interval: Some(1.0),
        held_out: measured,
        statistics,
        student: Vec::new(),
        blocks: vec![6, 8],
        used: count,
        frames: count,
        rejected: Vec::new(),
        size: Some((640, 480)),
        clamped: 0,
        notes: (0..count).map(note).collect(),
        review: Review::default(),
        is_film: true,
        epochs: 1,
        mlp_width: 6,
        scene: None,
        scene_warnings: Vec::new(),
        golden: Vec::new(),
        not_golden: Vec::new(),
        taken_over: TakenOver {
            frames: 0,
            students: 0,
        },
    }
}

fn note(number: usize) -> FrameNote {
    FrameNote {
        number,
        name: None,
        seconds: Some(number as f64),
        brightness: 0.5,
    }
}

pub(super) fn report(count: usize) -> Report {
    Report::of(&learnt(count), "images normal/", "press")
}

/// With these scores of both bases; the threshold is 10, the alarm line 12.
pub(super) fn scored(raw: Vec<f64>) -> Report {
    let mut report = report(20);
    report.frames = (0..raw.len()).map(note).collect();
    for trace in &mut report.scores {
        trace.lines = Lines {
            threshold: 10.0,
            alarm: 12.0,
        };
        trace.median = 0.0;
    }
    let [image, local] = &mut report.scores;
    image.raw.clone_from(&raw);
    local.raw = raw;
    report
}

pub(super) fn print(bytes: usize) -> Print {
    Print {
        jpeg: vec![7; bytes],
        width: 480,
        height: 360,
    }
}
