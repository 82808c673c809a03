//! Lines: from held-out scores and a budget to the two lines, warn and alarm, of each basis.
//!
//! The scores of both bases are put on one scale, on which each has a tail of the same start and
//! mean, and the larger of the two decides: so both take the same share of the budget, and what they
//! do together, and in which frames, is in the sum. Where frames came as fast as they will be judged,
//! the rule "k of n" is applied to them, and what would have opened an incident is counted. Where
//! they came more slowly, or have no time, no more incidents can open than there are k-fold
//! anomalous frames. Frames that stand alone follow the footage's: each is one more where frames are counted.
//! Where openings are, it is none, and says no more than that the lines lie beyond it.

use super::budget::{Budget, Frequency, Pace, Promise};
use super::samples::FitError;
use super::tail::{Peaks, Tail};
use super::threshold::Threshold;

/// Shares of the frames above which a tail may start; the first that fits is taken.
const STARTS: [f64; 3] = [0.2, 0.1, 0.05];
/// A budget of more than this share is as one of it.
const HALF: f64 = 0.5;
/// No more peaks than this are needed for a start: more footage moves it outwards.
const ENOUGH: f64 = 250.0;
/// Fewer independent peaks than this say nothing of a tail.
const FEWEST: f64 = 8.0;
/// Time blocks in which peaks are counted to see how evenly they come.
const BLOCKS: usize = 8;
/// The alarm line is drawn for this share of the budget.
const ALARM: f64 = 0.1;
/// Footage as long as this share of that in which the budget allows one false alarm supports it.
const SUPPORT: f64 = 0.1;
/// Footage may be this much slower than the frames that are judged and still be counted frame by frame.
const SLOWER: f64 = 1.25;

/// What the user accepts, how frames will be judged, and how those of the footage came.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Terms {
    /// What is accepted.
    pub budget: Budget,
    /// How frames will be judged.
    pub pace: Pace,
    /// Seconds from one frame of the footage to the next, where they follow each other in time.
    pub interval: Option<f64>,
    /// The last so many frames are none of the footage: each was called fine by itself, and has no
    /// neighbours.
    pub alone: usize,
}

impl Terms {
    /// Series of the daemon's pace that a footage of so many frames makes; none where frames are counted: for a
    /// share of them, where they came much more slowly than they will be judged, or are few.
    fn phases(&self, footage: usize) -> Option<usize> {
        let Budget::Per(..) = self.budget else {
            return None;
        };
        let pace = self.interval? * self.pace.fps;
        let phases = (1.0 / pace).round().max(1.0) as usize;
        (pace <= SLOWER && footage / phases >= 4 * self.pace.window).then_some(phases)
    }
}

/// The lines of both bases, and what they promise.
#[derive(Debug, Clone)]
pub(super) struct Lines {
    pub(super) image: Threshold,
    pub(super) local: Threshold,
    pub(super) promise: Promise,
}

/// Draws the lines from the held-out scores of normal frames in order of time, `image` and `local` of
/// the same frames.
///
/// # Errors
/// [`FitError::TooFew`] without scores, [`FitError::NotFinite`] with the index of a score that is not
/// finite.
pub(super) fn draw(image: &[f64], local: &[f64], terms: &Terms) -> Result<Lines, FitError> {
    let is_wrong = |(i, l): (&f64, &f64)| !(i.is_finite() && l.is_finite());
    if let Some(frame) = image.iter().zip(local).position(is_wrong) {
        return Err(FitError::NotFinite { frame });
    }
    let footage = image.len().saturating_sub(terms.alone);
    let counted = terms.phases(footage).map_or(image.len(), |_| footage);
    let bases = [
        Yardstick::of(&image[..counted])?,
        Yardstick::of(&local[..counted])?,
    ];
    let joint: Vec<f64> = (image.iter().zip(local))
        .map(|(i, l)| bases[0].place(*i).max(bases[1].place(*l)))
        .collect();
    let (joint, beside) = joint.split_at(counted);
    let unit = terms.budget.per_frame(terms.pace);
    let allowed = terms.budget.amount() * unit;
    let (opening, worst) = series(joint, footage, terms);
    let warn = Line::draw(&opening, allowed);
    let alarm = Line::draw(&worst, ALARM * allowed).at_least(warn.at);
    // Short footage has one or two events: a lone frame among them would be half of all that a tail is fitted to.
    // What is promised stays that of the footage's own lines, for it did not show everything.
    let further = beside.iter().copied().fold(warn.at, f64::max) - warn.at;
    let threshold = |basis: &Yardstick, scores: &[f64]| {
        let [warn, alarm] = [warn.at, alarm.at].map(|at| basis.raw(at + further));
        Threshold::drawn(&scores[..counted], warn, alarm)
    };
    let needed = SUPPORT * opening.dispersion() / allowed;
    Ok(Lines {
        image: threshold(&bases[0], image)?,
        local: threshold(&bases[1], local)?,
        promise: Promise {
            budget: terms.budget,
            pace: terms.pace,
            warn: warn.frequency(unit),
            alarm: alarm.frequency(unit),
            is_supported: joint.len() as f64 >= needed && warn.fits,
            needed_frames: needed.ceil() as u64,
            fits: warn.fits && alarm.fits,
        },
    })
}

/// Where a basis starts its tail, and the mean excess over that: its unit.
struct Yardstick {
    start: f64,
    unit: f64,
}

impl Yardstick {
    fn of(scores: &[f64]) -> Result<Self, FitError> {
        if scores.is_empty() {
            return Err(FitError::TooFew { needed: 1, got: 0 });
        }
        let sorted = falling(scores);
        let start = above(&sorted, STARTS[0]);
        let excesses = sorted.iter().map(|score| score - start);
        let (sum, count) = excesses
            .filter(|&excess| excess > 0.0)
            .fold((0.0, 0.0), |(sum, count), excess| {
                (sum + excess, count + 1.0)
            });
        let smallest = 1e-6 * start.abs().max(1e-6);
        let unit = if count > 0.0 { sum / count } else { 0.0 };
        Ok(Yardstick {
            start,
            unit: unit.max(smallest),
        })
    }

    fn place(&self, score: f64) -> f64 {
        (score - self.start) / self.unit
    }

    fn raw(&self, place: f64) -> f64 {
        self.start + place * self.unit
    }
}

/// A series in which whatever is above a line is an event, or belongs to one.
struct Events {
    values: Vec<f64>,
    /// The values up to here follow each other; the others stand alone.
    film: usize,
    /// Whether neighbours above a line are one event, and how far apart they still are neighbours.
    joined: bool,
    gap: usize,
    /// Series that were put together, each of every so many-th frame: they see the same events.
    phases: usize,
    /// Events for each frame above the line, at most.
    weight: f64,
}

/// What opens incidents, and what makes one worse than the alarm line. The first of `joint` are the footage.
fn series(joint: &[f64], footage: usize, terms: &Terms) -> (Events, Events) {
    let Pace { hits, window, .. } = terms.pace;
    let frames = |weight| Events {
        values: joint.to_vec(),
        film: footage,
        joined: false,
        gap: window,
        phases: 1,
        weight,
    };
    let openings = |phases, hits, recent| Events {
        values: openings(joint, phases, hits, recent),
        joined: true,
        phases,
        ..frames(1.0)
    };
    match (terms.budget, terms.phases(footage)) {
        (Budget::Share(_), _) => (frames(1.0), frames(1.0)),
        (_, Some(phases)) => (openings(phases, hits, window), openings(phases, 1, 1)),
        (_, None) => (frames(1.0 / hits as f64), frames(1.0)),
    }
}

/// The `hits`-th largest of the last `window` values, for each value: above a line exactly where so
/// many of them are. Of every `phases`-th frame, one such series after the other.
fn openings(joint: &[f64], phases: usize, hits: usize, window: usize) -> Vec<f64> {
    let mut openings = Vec::with_capacity(joint.len());
    for phase in 0..phases {
        let series: Vec<f64> = joint.iter().skip(phase).step_by(phases).copied().collect();
        for end in 1..=series.len() {
            let recent = falling(&series[end.saturating_sub(window)..end]);
            openings.push(recent.get(hits - 1).copied().unwrap_or(f64::NEG_INFINITY));
        }
    }
    openings
}

impl Events {
    /// The events above the largest values that are this share of all.
    fn peaks(&self, share: f64) -> Peaks {
        let n = self.values.len();
        let start = above(&falling(&self.values), share);
        let clusters = clusters(&self.values, start, self.gap);
        let single = self.values.iter().filter(|&&value| value > start);
        let excesses: Vec<f64> = if self.joined {
            clusters.iter().map(|(_, peak)| peak - start).collect()
        } else {
            single.map(|value| value - start).collect()
        };
        // Of values that are all equal none is above.
        let excesses = if excesses.is_empty() {
            vec![0.0]
        } else {
            excesses
        };
        let dispersion = if self.joined {
            unevenness(clusters.iter().map(|(i, _)| *i), n)
        } else {
            // How alike neighbours are is told by those that have some.
            let film = &self.values[..self.film];
            let above = (0..film.len()).filter(|&i| film[i] > start);
            unevenness(above, film.len()).max(persistence(film, start))
        };
        Peaks {
            start,
            excesses,
            frames: n as f64 / self.weight,
            dispersion: dispersion * self.phases as f64,
        }
    }

    fn dispersion(&self) -> f64 {
        self.peaks(STARTS[0]).dispersion
    }
}

/// A line on a series of events.
struct Line {
    at: f64,
    tail: Tail,
    fits: bool,
}

impl Line {
    /// The lowest line that is passed by `allowed` events a frame at most, two to one.
    fn draw(events: &Events, allowed: f64) -> Line {
        let n = events.values.len() as f64;
        let share = (allowed / events.weight).max(STARTS[0].min(ENOUGH / n));
        let share = share.min(HALF);
        let mut best = events.peaks(share);
        let mut tail = Tail::fit(&best, 1e-6);
        for start in STARTS.into_iter().filter(|start| *start < share) {
            let peaks = events.peaks(start);
            let is_enough = peaks.excesses.len() as f64 >= FEWEST * peaks.dispersion;
            if tail.fits() || !is_enough {
                break;
            }
            (tail, best) = (Tail::fit(&peaks, 1e-6), peaks);
        }
        let largest = best.excesses.iter().copied().fold(0.0, f64::max) + best.start;
        let fits = tail.fits();
        let drawn = tail.line(allowed);
        Line {
            at: if fits { drawn } else { drawn.max(largest) },
            tail,
            fits,
        }
    }

    fn at_least(self, at: f64) -> Line {
        Line {
            at: self.at.max(at),
            ..self
        }
    }

    /// How often it is passed, in units that are `unit` a frame.
    fn frequency(&self, unit: f64) -> Frequency {
        let (low, high) = self.tail.interval(self.at);
        Frequency {
            likely: self.tail.rate(self.at) / unit,
            low: low / unit,
            high: high / unit,
        }
    }
}

/// In falling order.
fn falling(values: &[f64]) -> Vec<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(|a, b| b.total_cmp(a));
    sorted
}

/// The largest of `falling` that at most this share of them, and at least one where there are two,
/// lies above.
fn above(falling: &[f64], share: f64) -> f64 {
    let count = (share * falling.len() as f64).floor().max(1.0) as usize;
    falling[count.min(falling.len() - 1)]
}

/// Groups of values above `start` that are not more than `gap` apart: index of the first, largest.
fn clusters(values: &[f64], start: f64, gap: usize) -> Vec<(usize, f64)> {
    let mut clusters: Vec<(usize, f64)> = Vec::new();
    let mut last = None;
    for (i, &value) in values.iter().enumerate().filter(|(_, v)| **v > start) {
        match clusters.last_mut() {
            Some((_, peak)) if last.is_some_and(|last| i - last <= gap) => {
                *peak = peak.max(value);
            }
            _ => clusters.push((i, value)),
        }
        last = Some(i);
    }
    clusters
}

/// Variance of the number of events in a time block over their mean: 1 for independent ones, more where
/// they come in waves; never less than 1.
fn unevenness(events: impl Iterator<Item = usize>, n: usize) -> f64 {
    let mut counts = [0.0; BLOCKS];
    for i in events {
        counts[i * BLOCKS / n] += 1.0;
    }
    let mean = counts.iter().sum::<f64>() / BLOCKS as f64;
    let squares: f64 = counts.iter().map(|count| (count - mean).powi(2)).sum();
    (squares / (BLOCKS - 1) as f64 / mean.max(f64::MIN_POSITIVE)).max(1.0)
}

/// By how much being above `start` lasts: one and twice the sum of its autocorrelations, up to the
/// first that is not positive. The factor by which frames count less than independent ones.
fn persistence(values: &[f64], start: f64) -> f64 {
    let n = values.len();
    let share = values.iter().filter(|&&value| value > start).count() as f64 / n as f64;
    let centred: Vec<f64> = (values.iter())
        .map(|&value| f64::from(u8::from(value > start)) - share)
        .collect();
    let variance: f64 = centred.iter().map(|v| v * v).sum();
    if variance <= 0.0 {
        return 1.0;
    }
    let correlation = |lag: usize| {
        let pairs = centred.iter().zip(&centred[lag..]);
        pairs.map(|(a, b)| a * b).sum::<f64>() / variance
    };
    let positive = (1..n / 3).map(correlation).take_while(|r| *r > 0.0);
    1.0 + 2.0 * positive.sum::<f64>()
}

#[cfg(test)]
#[path = "lines_tests.rs"]
mod tests;
