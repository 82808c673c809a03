//! Lights: the kinds of light that the footage shows, such as day and night.
//!
//! The measures of the light are cut where they fall into two groups with next to nothing between them.
//! The cells leave no gap: each frame is in exactly one, at calibration and later. A cell has the spread
//! of its own frames, so light between two kinds is none of them. Light that varies little, or evenly,
//! is one kind: where every picture is of another thing, how bright it is says what it shows. A group that
//! has too few frames to be a kind is left with the others, and told.

use super::check::LIGHTS;
use super::spread::Spread;

/// A cell of fewer frames would teach too little of its light: a fold of four leaves 30.
pub(super) const FEWEST: usize = 40;
/// Light is cut where it spreads over so many of the margins at which it would be another: by a factor
/// of 2.2, or 1.5 in the tint.
const WIDE: f64 = 4.0;

/// One kind of light.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LightCell {
    /// Each measure is at least this, where it is cut.
    from: [Option<f64>; 3],
    /// Each measure is below this, where it is cut.
    below: [Option<f64>; 3],
    /// Of the frames of this light.
    pub(super) spread: [Spread; 3],
}

impl LightCell {
    pub(super) fn holds(&self, measures: &[f64; 3]) -> bool {
        measures.iter().enumerate().all(|(i, value)| {
            self.from[i].is_none_or(|from| *value >= from)
                && self.below[i].is_none_or(|below| *value < below)
        })
    }

    pub(super) fn is_sound(&self) -> bool {
        let edges = self.from.iter().chain(&self.below).flatten();
        edges.into_iter().all(|edge| edge.is_finite()) && self.spread.iter().all(Spread::is_sound)
    }
}

/// The kinds of light of frames with these measures: more than one, or none at all.
pub(super) fn kinds(frames: &[[f64; 3]]) -> Vec<LightCell> {
    let whole = ([None; 3], [None; 3]);
    let kinds = divide(frames.to_vec(), whole);
    if kinds.len() > 1 { kinds } else { Vec::new() }
}

/// What the user should know of frames with these measures, of which these are the `kinds`: in which light
/// there are too few, one sentence each.
pub(super) fn too_few(frames: &[[f64; 3]], kinds: &[LightCell]) -> Vec<String> {
    let of = |kind: &LightCell| {
        frames
            .iter()
            .filter(|frame| kind.holds(frame))
            .copied()
            .collect()
    };
    let cells: Vec<Vec<_>> = match kinds {
        [] => vec![frames.to_vec()],
        kinds => kinds.iter().map(of).collect(),
    };
    // Of fewer frames than make one kind nothing is known; those that a spread sets aside are strays.
    let cells = cells.iter().filter(|cell| cell.len() >= FEWEST);
    let cuts = cells.filter_map(|cell| {
        let cut = cut(cell, &spread_of(cell)?)?;
        (cut.smaller < FEWEST && cut.smaller > Spread::set_aside(cell.len())).then_some(cut)
    });
    cuts.map(|cut| cut.say()).collect()
}

/// Cuts a cell as long as it is wide and has frames enough.
fn divide(
    frames: Vec<[f64; 3]>,
    (from, below): ([Option<f64>; 3], [Option<f64>; 3]),
) -> Vec<LightCell> {
    let Some(spread) = spread_of(&frames) else {
        return Vec::new();
    };
    // A cut elsewhere would mix two lights.
    let cut = cut(&frames, &spread).filter(|cut| cut.smaller >= FEWEST);
    let Some(Cut { measure: i, at, .. }) = cut else {
        return vec![LightCell {
            from,
            below,
            spread,
        }];
    };
    let (low, high): (Vec<_>, Vec<_>) = frames.into_iter().partition(|frame| frame[i] < at);
    let with = |edges: [Option<f64>; 3]| {
        let mut edges = edges;
        edges[i] = Some(at);
        edges
    };
    let mut kinds = divide(low, (from, with(below)));
    kinds.extend(divide(high, (with(from), below)));
    kinds
}

/// Where frames fall into two lights.
struct Cut {
    /// The measure that tells them apart ...
    measure: usize,
    /// ... and where.
    at: f64,
    /// Frames of the light that has fewer, ...
    smaller: usize,
    /// ... and whether it lies below.
    is_below: bool,
}

impl Cut {
    fn say(&self) -> String {
        let frames = self.smaller;
        let light = match (self.measure, self.is_below) {
            (0, true) => "much darker than",
            (0, false) => "much brighter than",
            _ => "in light of another colour than",
        };
        format!(
            "{frames} frames are {light} the others, too few for statistics of their own: if they are \
             normal, film {FEWEST} there at least, else leave them out"
        )
    }
}

/// How the measures of frames spread; none where there are no frames.
fn spread_of(frames: &[[f64; 3]]) -> Option<[Spread; 3]> {
    let of = |i: usize| Spread::of(frames.iter().map(|frame| frame[i]));
    Some([of(0)?, of(1)?, of(2)?])
}

/// Where the measure that spreads widest falls into two groups that vary least in themselves (Otsu 1979):
/// in the gap, where there is one. None where it is not wide, or where there is no gap of a margin between
/// them, but for the few frames that a spread sets aside.
fn cut(frames: &[[f64; 3]], spread: &[Spread; 3]) -> Option<Cut> {
    let margins = |i: usize| (spread[i].highest - spread[i].lowest) / LIGHTS[i].1;
    let widest = (0..3).max_by(|&a, &b| margins(a).total_cmp(&margins(b)));
    let measure = widest.filter(|&i| margins(i) >= WIDE)?;
    let mut sorted: Vec<f64> = frames.iter().map(|frame| frame[measure]).collect();
    sorted.sort_unstable_by(f64::total_cmp);
    let (below, at) = otsu(&sorted)?;
    let (low, high) = sorted.split_at(below);
    let spread = |values: &[f64]| Spread::of(values.iter().copied());
    let gap = spread(high)?.lowest - spread(low)?.highest;
    (gap >= LIGHTS[measure].1).then_some(Cut {
        measure,
        at,
        smaller: low.len().min(high.len()),
        is_below: low.len() < high.len(),
    })
}

/// How many of these values are in the lower of the two groups, and what lies between both.
fn otsu(sorted: &[f64]) -> Option<(usize, f64)> {
    let (n, total) = (sorted.len() as f64, sorted.iter().sum::<f64>());
    let mut sum = 0.0;
    let mut best = (0.0, None);
    for (below, pair) in (1..).zip(sorted.windows(2)) {
        sum += pair[0];
        let (low, high) = (below as f64, n - below as f64);
        let between = (sum / low - (total - sum) / high).powi(2) * low * high;
        let middle = pair[0].midpoint(pair[1]);
        // Equal values belong together, and so do values that no number lies between.
        if between > best.0 && pair[0] < middle {
            best = (between, Some((below, middle)));
        }
    }
    best.1
}

#[cfg(test)]
#[path = "lights_tests.rs"]
mod tests;
