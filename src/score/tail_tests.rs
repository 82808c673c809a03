//! Tails of known shape: what is promised of them holds, and what can't be known is said.

use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use super::*;

/// Excesses of a Pareto tail of this shape and scale 1.
fn excesses(count: usize, shape: f64, seed: u64) -> Vec<f64> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut one = || {
        let beyond: f64 = 1.0 - random.random::<f64>();
        if shape == 0.0 {
            -beyond.ln()
        } else {
            (beyond.powf(-shape) - 1.0) / shape
        }
    };
    (0..count).map(|_| one()).collect()
}

fn peaks(count: usize, shape: f64, seed: u64) -> Peaks {
    Peaks {
        start: 10.0,
        excesses: excesses(count, shape, seed),
        frames: 5.0 * count as f64,
        dispersion: 1.0,
    }
}

/// Rate of frames above `line` where a fifth of them are peaks.
fn truth(shape: f64, line: f64) -> f64 {
    let pareto = Pareto {
        shape,
        scale: 1.0,
        weight: 1.0,
    };
    0.2 * pareto.survival(line - 10.0)
}

#[test]
fn many_peaks_give_the_line_of_the_true_tail() {
    for shape in [0.0, 0.2] {
        let tail = Tail::fit(&peaks(20_000, shape, 1), 1e-6);
        for rate in [0.01, 0.001] {
            let line = tail.line(rate);
            let ratio = truth(shape, line) / rate;
            assert!((0.8..1.25).contains(&ratio), "{shape} {rate}: {ratio}");
        }
    }
}

#[test]
fn the_interval_holds_the_true_rate_nine_times_in_ten_and_more() {
    // The claim of calibration: 60 peaks are what 300 frames have.
    for (shape, rate) in [(0.0, 1e-2), (0.0, 1e-4), (0.15, 1e-2), (0.15, 1e-4)] {
        let held = (0..100).filter(|&seed| {
            let tail = Tail::fit(&peaks(60, shape, seed), 1e-6);
            let line = tail.line(rate);
            let (low, high) = tail.interval(line);
            (low..=high).contains(&truth(shape, line))
        });
        let held = held.count();
        assert!(held >= 90, "shape {shape}, rate {rate}: {held} of 100");
    }
}

#[test]
fn a_lighter_tail_is_never_promised_more_alarms_than_the_upper_end() {
    // Uniform excesses: the shape is -1.
    for seed in 0..20 {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let light = Peaks {
            excesses: (0..60).map(|_| random.random()).collect(),
            ..peaks(1, 0.0, 0)
        };
        let tail = Tail::fit(
            &Peaks {
                frames: 300.0,
                ..light
            },
            1e-6,
        );
        let line = tail.line(1e-3);
        assert!(line > 11.0, "no line below the end of the scores: {line}");
        assert!(tail.interval(line).0 < 1e-6);
    }
}

#[test]
fn fewer_independent_peaks_make_the_interval_wider_and_the_line_higher() {
    let few = Tail::fit(
        &Peaks {
            dispersion: 4.0,
            ..peaks(60, 0.0, 3)
        },
        1e-6,
    );
    let many = Tail::fit(&peaks(60, 0.0, 3), 1e-6);
    assert!(few.line(1e-4) > many.line(1e-4));
    let width = |tail: &Tail| {
        let (low, high) = tail.interval(14.0);
        high / low
    };
    assert!(width(&few) > 1.5 * width(&many));
}

#[test]
fn a_tail_that_is_of_another_family_is_told_from_one_that_is_not() {
    let fitting = (0..40).filter(|&seed| Tail::fit(&peaks(60, 0.1, seed), 1e-6).fits());
    assert!(fitting.count() >= 36);
    // Two kinds of frames far apart.
    let mut mixed = peaks(40, 0.0, 7);
    mixed
        .excesses
        .extend(excesses(20, 0.0, 8).iter().map(|e| 30.0 + 0.1 * e));
    assert!(!Tail::fit(&mixed, 1e-6).fits());
}

#[test]
fn equal_scores_give_a_line_at_their_height() {
    let equal = Peaks {
        excesses: vec![0.0],
        frames: 20.0,
        ..peaks(1, 0.0, 0)
    };
    let tail = Tail::fit(&equal, 1e-6);
    let line = tail.line(1e-5);
    assert!(line.is_finite() && (10.0..10.1).contains(&line), "{line}");
    assert!(tail.rate(line).is_finite() && tail.interval(line).1.is_finite());
}

#[test]
fn a_lower_rate_never_lowers_the_line() {
    let tail = Tail::fit(&peaks(60, 0.1, 5), 1e-6);
    let rates: Vec<f64> = (0..40).map(|i| 0.5 * 0.7f64.powi(i)).collect();
    let lines: Vec<f64> = rates.iter().map(|&rate| tail.line(rate)).collect();
    assert!(lines.is_sorted());
    for (rate, line) in rates.iter().zip(&lines).filter(|(_, line)| **line > 10.0) {
        let kept = tail.share_below(*rate, line - tail.start);
        assert!((kept - SURE).abs() < 0.02, "{kept}");
    }
}
