//! Charts as inline SVG.
//!
//! Every coordinate is a share of the plot, in percent, and nothing has a size of its own but text
//! and strokes: a chart fills the width that it gets and is as readable on a phone. Colours are
//! classes of the page. More frames than dots are drawn by the highest of each few.

use super::axis::Axis;
use super::text::{Escaped, clock, label, number};
use super::{Brightness, FrameNote, Trace, Worst};
use crate::score::Basis;

/// Dots of a plot at most; with their names they take 150 kB.
const MOST_DOTS: usize = 1000;
/// Bars of the histogram.
const BINS: usize = 24;
/// Where the trace ends, and where the histogram begins, in percent.
const TRACE: f64 = 74.0;
const BARS: f64 = 77.0;
/// Scores are shown up to this many times the way from the median to the threshold above it.
const HIGHEST: f64 = 3.0;

/// The scores of one basis over the footage, their histogram beside it, and both lines through both.
pub(super) fn scores(trace: &Trace, frames: &[FrameNote], worst: &[Worst]) -> String {
    let lines = trace.lines;
    let reach = HIGHEST * (lines.threshold - trace.median).abs();
    // A tail that is known badly puts it far out; then the scores are worth more room.
    let alarm = Some(lines.alarm).filter(|alarm| *alarm <= lines.threshold + reach);
    let ends = [lines.threshold].into_iter().chain(alarm);
    let axis = Axis::over(trace.raw.iter().copied().chain(ends))
        .up_to(lines.threshold + reach)
        .padded(0.08);
    let along = Along::of(frames);
    let mut svg = grid(axis) + &along.ticks(TRACE);
    svg += &bars(&trace.raw, axis);
    for frame in picked(&trace.raw) {
        let raw = trace.raw[frame];
        let class = if raw > lines.threshold {
            "dot over"
        } else {
            "dot"
        };
        svg += &dot(
            class,
            along.at(frame) * TRACE,
            axis,
            raw,
            "",
            &frames[frame],
        );
    }
    svg += &line("threshold", lines.threshold, axis, "1.3em");
    if let Some(alarm) = alarm {
        svg += &line("alarm", alarm, axis, "-0.5em");
    }
    let ranked = worst.iter().enumerate().rev();
    for (rank, shown) in ranked.filter(|(_, shown)| shown.basis == trace.basis) {
        let (x, rank) = (along.at(shown.frame) * TRACE, (rank + 1).to_string());
        svg += &dot("worst", x, axis, shown.raw, &rank, &frames[shown.frame]);
    }
    let (what, count) = (word(trace.basis), trace.raw.len());
    plot(&format!(
        "Scores by the {what} of {count} held-out frames over the footage, and their histogram: median \
         {}, threshold {}, {} frames above it, alarm line {}",
        number(trace.median),
        number(lines.threshold),
        trace.above,
        number(lines.alarm)
    )) + &svg
        + "</svg>"
}

/// Brightness over the footage.
pub(super) fn light(light: &Brightness, frames: &[FrameNote]) -> String {
    let values: Vec<f64> = frames.iter().map(|f| f64::from(f.brightness)).collect();
    // A tenth of the range at least, so that a flicker looks like one.
    let middle = f64::from(light.least + light.most) / 2.0;
    let least = [middle - 0.05, middle + 0.05];
    let axis = Axis::over(values.iter().copied().chain(least)).padded(0.08);
    let along = Along::of(frames);
    let mut svg = grid(axis) + &along.ticks(100.0);
    if let Some(change) = light.change {
        let x = 100.0 * along.at(change.from);
        svg += &format!(r#"<line class="change" x1="{x:.2}%" x2="{x:.2}%" y1="0" y2="100%"/>"#);
    }
    for frame in picked(&values) {
        let x = 100.0 * along.at(frame);
        svg += &dot("dot", x, axis, values[frame], "", &frames[frame]);
    }
    plot(&format!(
        "Brightness over the footage: from {:.2} to {:.2} of 1, {:.2} in the mean",
        light.least, light.most, light.mean
    )) + &svg
        + "</svg>"
}

/// What a basis is called.
pub(super) fn word(basis: Basis) -> &'static str {
    match basis {
        Basis::Image => "picture as a whole",
        Basis::Local => "worst spot",
    }
}

fn plot(what: &str) -> String {
    format!(
        r#"<svg class="plot" role="img" aria-label="{}">"#,
        Escaped(what)
    )
}

/// Lines across at round values, named at the left.
fn grid(axis: Axis) -> String {
    let (ticks, decimals) = axis.ticks();
    let tick = |value: f64| {
        let y = down(axis, value);
        format!(
            r#"<line class="grid" x1="0" x2="100%" y1="{y:.2}%" y2="{y:.2}%"/><text class="y" x="-8" y="{y:.2}%" dy="0.35em">{value:.decimals$}</text>"#
        )
    };
    ticks.into_iter().map(tick).collect()
}

/// A line across at `value`, with its name above or below its right end.
fn line(class: &str, value: f64, axis: Axis, dy: &str) -> String {
    let y = down(axis, value);
    format!(
        r#"<line class="{class}" x1="0" x2="100%" y1="{y:.2}%" y2="{y:.2}%"/><text class="{class}" x="100%" y="{y:.2}%" dy="{dy}">{class} {}</text>"#,
        number(value)
    )
}

/// A dot that tells its frame and value when it is pointed at; with a text above it, if any.
fn dot(class: &str, x: f64, axis: Axis, value: f64, text: &str, frame: &FrameNote) -> String {
    let y = down(axis, value);
    let radius = if text.is_empty() { "2.2" } else { "4.5" };
    let class = match axis.is_below(value) {
        true => &format!("{class} beyond"),
        false => class,
    };
    let above = match text {
        "" => String::new(),
        rank => format!(r#"<text class="rank" x="{x:.2}%" y="{y:.2}%" dy="-0.6em">{rank}</text>"#),
    };
    format!(
        r#"<circle class="{class}" cx="{x:.2}%" cy="{y:.2}%" r="{radius}"><title>{}: {}</title></circle>{above}"#,
        Escaped(label(frame)),
        number(value)
    )
}

/// How many scores lie in each bin of the axis, from `BARS` to the right.
fn bars(scores: &[f64], axis: Axis) -> String {
    let mut counts = [0usize; BINS];
    for &score in scores {
        counts[axis.bin(score, BINS)] += 1;
    }
    let most = counts.iter().copied().max().unwrap_or(0).max(1);
    let height = 100.0 / BINS as f64;
    let bar = |(bin, &count): (usize, &usize)| {
        let y = 100.0 - (bin + 1) as f64 * height;
        let width = (100.0 - BARS) * count as f64 / most as f64;
        let of = if count == 1 { "frame" } else { "frames" };
        format!(
            r#"<rect class="bar" x="{BARS}%" y="{y:.2}%" width="{width:.2}%" height="{:.2}%"><title>{count} {of}</title></rect>"#,
            0.9 * height
        )
    };
    let filled = counts.iter().enumerate().filter(|(_, count)| **count > 0);
    filled.map(bar).collect()
}

/// From the top, in percent.
fn down(axis: Axis, value: f64) -> f64 {
    100.0 * (1.0 - axis.share(value))
}

/// The frames that are drawn: all, or the highest of each few.
fn picked(values: &[f64]) -> Vec<usize> {
    let step = values.len().div_ceil(MOST_DOTS).max(1);
    let highest = |first: usize| {
        let few = first..(first + step).min(values.len());
        few.max_by(|&a, &b| values[a].total_cmp(&values[b]))
    };
    (0..values.len())
        .step_by(step)
        .filter_map(highest)
        .collect()
}

/// The axis along the footage: time where it is known, else the number of the frame.
struct Along {
    axis: Axis,
    is_time: bool,
    places: Vec<f64>,
}

impl Along {
    fn of(frames: &[FrameNote]) -> Along {
        let times: Option<Vec<f64>> = frames.iter().map(|frame| frame.seconds).collect();
        let is_time = times.is_some() && !frames.is_empty();
        let numbers = || frames.iter().map(|frame| frame.number as f64).collect();
        let places = times.unwrap_or_else(numbers);
        Along {
            axis: Axis::over(places.iter().copied()),
            is_time,
            places,
        }
    }

    /// 0..=1
    fn at(&self, frame: usize) -> f64 {
        self.axis.share(self.places[frame])
    }

    /// Names under the plot, which is `width` percent wide.
    fn ticks(&self, width: f64) -> String {
        let ticks = match self.is_time {
            true => self.axis.time_ticks(),
            false => self.axis.ticks().0,
        };
        let whole = ticks.into_iter().filter(|tick| tick.fract() == 0.0);
        let tick = |(i, value): (usize, f64)| {
            let x = width * self.axis.share(value);
            // A narrow page leaves every second one out.
            let class = if i % 2 == 0 { "x" } else { "x odd" };
            let text = match self.is_time {
                true => clock(value),
                false => format!("{value:.0}"),
            };
            format!(r#"<text class="{class}" x="{x:.2}%" y="100%" dy="1.4em">{text}</text>"#)
        };
        whole.enumerate().map(tick).collect()
    }
}

#[cfg(test)]
#[path = "chart_tests.rs"]
mod tests;
