//! What would make a calibration better, in sentences: each says what was seen and what to do.
//!
//! What the review of filmed footage says of its pictures is taken from there; here is what only the
//! scores, the features and the times of the frames show.

use super::text::{place, shortened, span};
use super::{FrameNote, LightChange, Report, Variety};
use crate::score::Scoring;
use crate::score::crossfit::{FOLDS, contiguous_folds};
use crate::train::calibrate::Calibration;

/// Of the frames of the highest scores so many are looked at, a share of all ...
const TAIL_SHARE: usize = 20;
/// ... but no fewer than this and no more than that: as many as the page shows.
const TAIL: (usize, usize) = (4, 10);
/// A window of this share of the footage that holds half of the tail dominates it.
const WINDOW_SHARE: usize = 20;
/// Kinds of fewer frames than this share deserve more.
const SMALL_KIND: f64 = 0.1;
/// The quantile of the other blocks' scores that the median of a strange block is above.
const STRANGE: f64 = 0.9;

/// All of it, the gravest first.
pub(super) fn advice(report: &Report, learnt: &Calibration) -> Vec<String> {
    let review = &learnt.review;
    let mut advice = report.promise.advice.clone();
    advice.extend((report.scoring == Scoring::Paper).then(|| {
        "the paper's student has seen all frames, so their scores are a little lower than those of unseen \
         ones: expect somewhat more false alarms than promised"
            .to_owned()
    }));
    advice.extend(review.fewness());
    let sameness = review.sameness();
    advice.extend(sameness.or_else(|| near_duplicates(&report.variety)));
    advice.extend(left_out(report));
    advice.extend(review.darkness());
    // Where each light has statistics of its own, it was filmed long enough.
    let change = report.light.change;
    let change = change.filter(|_| report.light.kinds.is_empty());
    advice.extend(change.map(|change| other_light(change, &report.frames)));
    advice.extend(review.change_of_view().filter(|_| learnt.is_film));
    advice.extend(dominated_tail(report));
    advice.extend(strange_block(report));
    advice.extend(rare(&report.variety, &report.frames));
    advice.extend(learnt.size.is_none().then(|| {
        "the frames are of different sizes: a camera's frames of any size will be judged".to_owned()
    }));
    advice.extend(learnt.scene_warnings.iter().cloned());
    advice
}

fn near_duplicates(variety: &Variety) -> Option<String> {
    let (compared, different) = (variety.compared, variety.different);
    (different < compared && (different < 20 || 10 * different < compared)).then(|| {
        format!(
            "{compared} frames, {different} different ones to the teacher: more of the same teaches \
             nothing, film what else is normal"
        )
    })
}

fn left_out(report: &Report) -> Option<String> {
    let footage = &report.footage;
    let (name, reason) = footage.left_out_first.first()?;
    Some(format!(
        "{} of the frames could not be used, such as {} ({reason}): mend or remove them",
        footage.left_out,
        shortened(name)
    ))
}

/// The shorter side of the step is the one to film more of.
fn other_light(change: LightChange, frames: &[FrameNote]) -> String {
    let LightChange {
        from,
        before,
        after,
    } = change;
    let count = frames.len();
    let is_last = count - from <= from;
    let (which, number, own, other) = if is_last {
        ("last", count - from, after, before)
    } else {
        ("first", from, before, after)
    };
    let lasted = frames[from].seconds.zip(frames[count - 1].seconds);
    let length = match lasted {
        Some((then, end)) if is_last => span(end - then),
        Some((then, _)) => span(then),
        None => format!("{number} frames"),
    };
    let how = if own < other { "darker" } else { "brighter" };
    format!(
        "the {which} {length} are {how} (mean {own:.2}, the others {other:.2}): if both are normal, \
         film as long in either light, else leave them out"
    )
}

/// Half of the highest scores within a small part of the footage.
fn dominated_tail(report: &Report) -> Option<String> {
    let count = report.frames.len();
    let tail = (count / TAIL_SHARE).clamp(TAIL.0, TAIL.1);
    let window = (count / WINDOW_SHARE).max(tail);
    if count < 4 * window {
        return None;
    }
    let highest = report.scores.iter().map(|trace| highest(&trace.raw, tail));
    let dense = highest.filter_map(|mut frames| {
        frames.sort_unstable();
        let least = frames.len().div_ceil(2).max(3);
        let runs = frames.windows(least);
        let mut narrow = runs.filter(|run| run[least - 1] - run[0] < window);
        narrow.next().map(|run| {
            let end = frames.iter().rfind(|&&frame| frame < run[0] + window);
            (run[0], *end.unwrap_or(&run[least - 1]))
        })
    });
    let (first, last) = dense.min()?;
    let (from, to) = (place(&report.frames[first]), place(&report.frames[last]));
    Some(format!(
        "the frames at {from} to {to} dominate the highest scores: look at them, and cut them out if \
         they are not normal; if they are, film more like them"
    ))
}

/// The frames of the highest scores; none where all are equal.
fn highest(scores: &[f64], most: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
    let least = order.last().map(|&frame| scores[frame]);
    order.truncate(most);
    order.retain(|&frame| Some(scores[frame]) > least);
    order
}

/// A quarter that the other three do not explain.
fn strange_block(report: &Report) -> Option<String> {
    const NAMES: [&str; FOLDS] = ["first", "second", "third", "last"];
    let scores = &report.scores[0].raw;
    for (name, fold) in NAMES.into_iter().zip(contiguous_folds(scores.len(), FOLDS)) {
        let others = [&scores[..fold.start], &scores[fold.end..]].concat();
        let own = quantile(scores[fold].to_vec(), 0.5);
        if own > quantile(others, STRANGE) {
            return Some(format!(
                "half of the {name} quarter scores higher than nine of ten frames elsewhere: what it \
                 shows is hardly seen in the rest; film it again at another time, so that it is learnt \
                 and tested apart"
            ));
        }
    }
    None
}

fn quantile(mut scores: Vec<f64>, share: f64) -> f64 {
    scores.sort_unstable_by(f64::total_cmp);
    let at = (share * scores.len() as f64) as usize;
    let value = scores.get(at).or(scores.last());
    value.copied().unwrap_or(f64::INFINITY)
}

/// Small kinds, and frames like no other.
fn rare(variety: &Variety, frames: &[FrameNote]) -> Option<String> {
    let is_small = |frames: usize| (frames as f64) < SMALL_KIND * variety.compared as f64;
    let small = variety.kinds.iter().filter(|kind| is_small(kind.frames));
    let examples = small.map(|kind| kind.example);
    let rare: Vec<usize> = examples.chain(variety.alone.iter().copied()).collect();
    let (&first, count) = (rare.first()?, rare.len());
    let example = place(&frames[first]);
    Some(if count == 1 {
        format!("next to no frame is like that at {example}: film more like it, if it is normal")
    } else {
        format!(
            "{count} frames show what next to no other does, such as that at {example}: film more like \
             them, if they are normal"
        )
    })
}

#[cfg(test)]
#[path = "advice_tests.rs"]
mod tests;
