//! Light: how bright the footage is, and where it became brighter or darker.

use crate::train::review::LIGHT_FACTOR;

/// A change needs this share of the frames on either side, and ...
const LEAST_SHARE: usize = 20;
/// ... as many frames.
const LEAST: usize = 5;

/// How bright the footage is; mean luma, 0..1.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct Brightness {
    /// Of all frames.
    pub mean: f32,
    /// Of the darkest.
    pub least: f32,
    /// Of the brightest.
    pub most: f32,
    /// Where it changed by more than each side varies in itself.
    pub change: Option<LightChange>,
    /// The kinds of light that have statistics of their own, where there are several.
    pub kinds: Vec<KindOfLight>,
}

/// A light that has statistics of its own.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct KindOfLight {
    /// In this light.
    pub frames: usize,
    /// Mean luma of them.
    pub mean: f32,
    /// Those held-out frames that are anomalous.
    pub above: usize,
}

/// A step of the light.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct LightChange {
    /// The first frame in the other light.
    pub from: usize,
    /// Mean until then.
    pub before: f32,
    /// Mean from then on.
    pub after: f32,
}

impl Brightness {
    /// Of the brightness of each frame, in the footage's order; `kinds` has the kind of each and
    /// whether it is anomalous.
    pub(super) fn of(brightness: &[f32], kinds: &[(usize, bool)]) -> Brightness {
        let (mean, _) = moments(brightness);
        let bounds =
            |start, fold: fn(f32, f32) -> f32| brightness.iter().copied().fold(start, fold);
        Brightness {
            mean,
            least: bounds(f32::INFINITY, f32::min).min(mean),
            most: bounds(f32::NEG_INFINITY, f32::max).max(mean),
            change: change(brightness),
            kinds: told_apart(brightness, kinds),
        }
    }
}

/// The kinds of light; none where there is but one.
fn told_apart(brightness: &[f32], kinds: &[(usize, bool)]) -> Vec<KindOfLight> {
    let count = kinds.iter().map(|(kind, _)| kind + 1).max();
    let count = count.filter(|count| *count > 1).unwrap_or_default();
    let of = |kind: usize| {
        let own = brightness.iter().zip(kinds);
        let own = own.filter(|(_, (of, _))| *of == kind);
        let own: Vec<(f32, bool)> = own.map(|(b, (_, is_above))| (*b, *is_above)).collect();
        let (mean, _) = moments(&own.iter().map(|(b, _)| *b).collect::<Vec<_>>());
        KindOfLight {
            frames: own.len(),
            mean,
            above: own.iter().filter(|(_, is_above)| *is_above).count(),
        }
    };
    (0..count).map(of).collect()
}

/// The cut that leaves the least variance on both sides, where the sides differ by
/// [`LIGHT_FACTOR`] and by twice what either varies: the rule of the review of filmed footage, which
/// compares thirds.
fn change(brightness: &[f32]) -> Option<LightChange> {
    let count = brightness.len();
    let margin = (count / LEAST_SHARE).max(LEAST);
    let total: f64 = brightness.iter().map(|&b| f64::from(b)).sum();
    let mut sum = 0.0;
    let mut best = (0.0, 0);
    for (at, &value) in brightness.iter().enumerate() {
        if at >= margin && count - at >= margin {
            let (left, right) = (at as f64, (count - at) as f64);
            let between = (sum / left - (total - sum) / right).powi(2) * left * right;
            if between > best.0 {
                best = (between, at);
            }
        }
        sum += f64::from(value);
    }
    let (_, from) = best;
    let (first, last) = brightness.split_at(from);
    let ((before, spread), (after, spread_after)) = (moments(first), moments(last));
    let factor = before.max(after) / before.min(after).max(1e-3);
    let is_change = from > 0
        && factor > LIGHT_FACTOR
        && (after - before).abs() > 2.0 * spread.max(spread_after);
    is_change.then_some(LightChange {
        from,
        before,
        after,
    })
}

/// Mean and deviation; 0 of nothing.
fn moments(values: &[f32]) -> (f32, f32) {
    let count = values.len().max(1) as f64;
    let mean = values.iter().map(|&v| f64::from(v)).sum::<f64>() / count;
    let square = |&v: &f32| (f64::from(v) - mean).powi(2);
    let variance = values.iter().map(square).sum::<f64>() / count;
    (mean as f32, variance.sqrt() as f32)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flicker(i: usize) -> f32 {
        0.01 * (i as f32 * 1.7).sin()
    }

    #[test]
    fn the_first_frame_of_the_darker_part_is_found() {
        let level = |i| if i < 85 { 0.5 } else { 0.4 };
        let footage: Vec<f32> = (0..120).map(|i| level(i) + flicker(i)).collect();
        let found = Brightness::of(&footage, &[]).change.unwrap();
        assert_eq!(found.from, 85);
        assert!((found.before - 0.5).abs() < 0.01 && (found.after - 0.4).abs() < 0.01);
    }

    #[test]
    fn steady_or_flickering_light_has_no_change() {
        let steady: Vec<f32> = (0..120).map(|i| 0.5 + flicker(i)).collect();
        assert_eq!(Brightness::of(&steady, &[]).change, None);
        let wild: Vec<f32> = (0..120).map(|i| 0.5 + 30.0 * flicker(i)).collect();
        assert_eq!(Brightness::of(&wild, &[]).change, None);
    }

    #[test]
    fn several_kinds_of_light_are_counted_and_a_single_one_is_not_told() {
        let kinds = [(0, false), (1, true), (0, false), (1, false)];
        let found = Brightness::of(&[0.5, 0.1, 0.7, 0.3], &kinds).kinds;
        let kind = |mean, above| KindOfLight {
            frames: 2,
            mean,
            above,
        };
        assert_eq!(found, [kind(0.6, 0), kind(0.2, 1)]);
        assert!(Brightness::of(&[0.5; 4], &[(0, false); 4]).kinds.is_empty());
    }

    #[test]
    fn the_light_of_no_frames_or_of_equal_ones_is_finite() {
        for footage in [vec![], vec![0.0; 20], vec![0.7; 3]] {
            let light = Brightness::of(&footage, &[]);
            assert!(
                light.mean.is_finite() && light.least <= light.most,
                "{light:?}"
            );
            assert_eq!(light.change, None);
        }
    }
}
