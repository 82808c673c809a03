//! Tail: how often a score of normal frames lies above any line, also beyond all that was seen.
//!
//! Above a start that a fifth of the scores exceed at most, excesses follow a generalised Pareto
//! distribution (Pickands, Annals of Statistics 3, 1975). Its two parameters are not chosen: every
//! pair on a grid is weighed by its likelihood, so that few peaks give a wide answer. Neighbouring
//! frames are no independent witnesses: their likelihood counts by the dispersion of their number.
//! Whether peaks are frames or incidents, and in which unit scores come, is the caller's business.

/// Shapes of the prior for lines and upper bounds: 0 is the exponential tail, more is heavier. A
/// lighter one is never assumed: estimated from a few hundred correlated scores it gave 5 to 40 times
/// the rate that it promised.
const SHAPES: (f64, f64, usize) = (0.0, 0.6, 25);
/// Share of the prior on the exponential tail itself; the rest falls off by this mean.
const EXPONENTIAL: f64 = 0.7;
const HEAVIER: f64 = 0.1;
/// Shapes for lower bounds, where lighter tails are possible, and the deviation of their prior.
const WIDE_SHAPES: (f64, f64, usize) = (-0.4, 0.6, 41);
const WIDE: f64 = 0.2;
/// Scales, as logarithms of shares of the mean excess.
const SCALES: (f64, f64, usize) = (-2.0, 3.0, 78);
/// Grid of the logarithm of the number of peaks around what was counted, in standard deviations.
const COUNTS: (f64, f64, usize) = (-4.0, 4.0, 33);
/// The interval that is told: 90 %.
const INTERVAL: (f64, f64) = (0.05, 0.95);
/// A line keeps its rate with this probability.
const SURE: f64 = 2.0 / 3.0;
/// The middle of what is possible.
const HALF: f64 = 0.5;
/// Distributions of less weight change no number that is told.
const NEGLIGIBLE: f64 = 1e-9;
/// Kolmogorov's statistic that one fit in twenty exceeds though it is right. The parameters were weighed by
/// the same peaks, which lowers it: simulated, it is 0.90 for 60 peaks and 0.92 for 200.
const MISFIT: f64 = 0.92;

/// Scores above a start, and how many frames they are of.
#[derive(Debug, Clone)]
pub(super) struct Peaks {
    /// What the peaks are above.
    pub(super) start: f64,
    /// How far they are above it.
    pub(super) excesses: Vec<f64>,
    /// Frames that were looked at.
    pub(super) frames: f64,
    /// Variance of the number of peaks as a multiple of what independent ones would have; at least 1.
    pub(super) dispersion: f64,
}

/// The upper tail of a score.
#[derive(Debug, Clone)]
pub(super) struct Tail {
    start: f64,
    /// Peaks a frame, with their weights.
    frequency: Vec<(f64, f64)>,
    /// Never lighter than exponential: for lines and upper bounds.
    safe: Vec<Pareto>,
    /// For lower bounds.
    wide: Vec<Pareto>,
    fits: bool,
}

/// One generalised Pareto distribution and the weight that it has.
#[derive(Debug, Clone, Copy)]
struct Pareto {
    shape: f64,
    scale: f64,
    weight: f64,
}

impl Tail {
    /// Of at least one peak; the scale of excesses that are all 0 is `smallest`.
    pub(super) fn fit(peaks: &Peaks, smallest: f64) -> Tail {
        let mean = peaks.excesses.iter().sum::<f64>() / peaks.excesses.len() as f64;
        let mean = mean.max(smallest);
        let trust = 1.0 / peaks.dispersion;
        let safe = posterior(&peaks.excesses, mean, trust, SHAPES, |shape| {
            let step = (SHAPES.1 - SHAPES.0) / (SHAPES.2 - 1) as f64;
            match shape {
                0.0 => EXPONENTIAL.ln(),
                _ => ((1.0 - EXPONENTIAL) * step / HEAVIER).ln() - shape / HEAVIER,
            }
        });
        let wide = posterior(&peaks.excesses, mean, trust, WIDE_SHAPES, |shape| {
            -0.5 * (shape / WIDE).powi(2)
        });
        let mut tail = Tail {
            start: peaks.start,
            frequency: frequency(peaks),
            safe,
            wide,
            fits: true,
        };
        tail.fits = tail.misfit(&peaks.excesses) * trust.sqrt() <= MISFIT;
        tail
    }

    /// Whether the peaks look as if they were drawn from it.
    pub(super) fn fits(&self) -> bool {
        self.fits
    }

    /// Peaks a frame above `line`: as likely more as fewer.
    pub(super) fn rate(&self, line: f64) -> f64 {
        quantile(&self.rates(&self.safe, line - self.start), HALF)
    }

    /// The lowest line, at or above the start, that is passed with this rate at most, two to one. The
    /// mean of all possible rates would be ruled by the heaviest tails that a few dozen peaks can't
    /// exclude: where footage is short of its budget, half as far out again.
    pub(super) fn line(&self, rate: f64) -> f64 {
        let is_below = |excess: f64| self.share_below(rate, excess) >= SURE;
        if is_below(0.0) {
            return self.start;
        }
        let mut high = self.safe.iter().map(|p| p.scale * p.weight).sum::<f64>();
        while !is_below(high) && high.is_finite() {
            high *= 2.0;
        }
        let mut low = 0.0;
        for _ in 0..60 {
            let middle = low + (high - low) / 2.0;
            if is_below(middle) {
                high = middle;
            } else {
                low = middle;
            }
        }
        self.start + high
    }

    /// How likely peaks pass `excess` with this rate or a lower one.
    fn share_below(&self, rate: f64, excess: f64) -> f64 {
        let likely = self.safe.iter().filter(|pareto| pareto.weight > NEGLIGIBLE);
        let each = likely.map(|pareto| {
            let beyond = pareto.survival(excess);
            let below = self.frequency.iter();
            let below = below.filter(|(peaks, _)| peaks * beyond <= rate);
            pareto.weight * below.map(|(_, weight)| weight).sum::<f64>()
        });
        each.sum()
    }

    /// Where the rate above `line` lies with a probability of 90 %.
    pub(super) fn interval(&self, line: f64) -> (f64, f64) {
        let excess = line - self.start;
        let [safe, wide] = [&self.safe, &self.wide].map(|paretos| self.rates(paretos, excess));
        let lower = quantile(&safe, INTERVAL.0).min(quantile(&wide, INTERVAL.0));
        let upper = quantile(&safe, INTERVAL.1).max(quantile(&wide, INTERVAL.1));
        (lower, upper)
    }

    /// Each possible rate with its weight, in rising order.
    fn rates(&self, paretos: &[Pareto], excess: f64) -> Vec<(f64, f64)> {
        let mut rates: Vec<(f64, f64)> = paretos
            .iter()
            .filter(|pareto| pareto.weight > NEGLIGIBLE)
            .flat_map(|pareto| {
                let beyond = pareto.survival(excess);
                let each = self.frequency.iter();
                each.map(move |(peaks, weight)| (peaks * beyond, weight * pareto.weight))
            })
            .collect();
        rates.sort_unstable_by(|a, b| a.0.total_cmp(&b.0));
        rates
    }

    /// Kolmogorov's statistic of the excesses against the mean of the distributions.
    fn misfit(&self, excesses: &[f64]) -> f64 {
        let mut sorted = excesses.to_vec();
        sorted.sort_unstable_by(f64::total_cmp);
        let n = sorted.len() as f64;
        let distance = |(i, &excess): (usize, &f64)| {
            let below = 1.0 - survival(&self.wide, excess);
            (below - i as f64 / n)
                .abs()
                .max((below - (i + 1) as f64 / n).abs())
        };
        let farthest = sorted.iter().enumerate().map(distance).fold(0.0, f64::max);
        farthest * n.sqrt()
    }
}

impl Pareto {
    /// Probability of more than `excess`.
    fn survival(&self, excess: f64) -> f64 {
        let share = excess.max(0.0) / self.scale;
        if self.shape == 0.0 {
            (-share).exp()
        } else {
            (1.0 + self.shape * share).max(0.0).powf(-1.0 / self.shape)
        }
    }

    /// Logarithm of the density, summed over `excesses`.
    fn log_likelihood(&self, excesses: &[f64]) -> f64 {
        let each = |excess: &f64| {
            let share = excess / self.scale;
            if self.shape == 0.0 {
                return -share;
            }
            let within = 1.0 + self.shape * share;
            if within > 0.0 {
                -(1.0 + 1.0 / self.shape) * within.ln()
            } else {
                f64::NEG_INFINITY
            }
        };
        excesses.iter().map(each).sum::<f64>() - self.scale.ln() * excesses.len() as f64
    }
}

/// Every pair of the grid, weighed by prior and by likelihood to the power of `trust`; the prior of
/// the scale is the one without a unit.
fn posterior(
    excesses: &[f64],
    mean: f64,
    trust: f64,
    shapes: (f64, f64, usize),
    log_prior: impl Fn(f64) -> f64,
) -> Vec<Pareto> {
    let mut paretos = Vec::with_capacity(shapes.2 * SCALES.2);
    for shape in grid(shapes) {
        // The grid of rounded sums has no exact zero.
        let shape = if shape.abs() < 1e-9 { 0.0 } else { shape };
        for share in grid(SCALES) {
            let mut pareto = Pareto {
                shape,
                scale: mean * share.exp(),
                weight: 0.0,
            };
            pareto.weight = trust * pareto.log_likelihood(excesses) + log_prior(shape);
            paretos.push(pareto);
        }
    }
    let logs = paretos.iter().map(|pareto| pareto.weight);
    let likeliest = logs.fold(f64::NEG_INFINITY, f64::max);
    for pareto in &mut paretos {
        pareto.weight = (pareto.weight - likeliest).exp();
    }
    let sum: f64 = paretos.iter().map(|pareto| pareto.weight).sum();
    for pareto in &mut paretos {
        pareto.weight /= sum;
    }
    paretos
}

/// Peaks a frame: a gamma distribution (Jeffreys' prior of a Poisson rate), its count divided by the
/// dispersion, on a grid of the logarithm.
fn frequency(peaks: &Peaks) -> Vec<(f64, f64)> {
    let count = peaks.excesses.len() as f64 / peaks.dispersion + 0.5;
    let frames = peaks.frames / peaks.dispersion;
    let each = |step: f64| {
        let log = count.ln() + step / count.sqrt();
        // The density of the logarithm of a gamma variable, relative to that at `count`.
        let weight = (count * (log - count.ln()) - (log.exp() - count)).exp();
        (log.exp() / frames, weight)
    };
    let mut frequency: Vec<(f64, f64)> = grid(COUNTS).map(each).collect();
    let sum: f64 = frequency.iter().map(|(_, weight)| weight).sum();
    for (_, weight) in &mut frequency {
        *weight /= sum;
    }
    frequency
}

fn survival(paretos: &[Pareto], excess: f64) -> f64 {
    paretos.iter().map(|p| p.weight * p.survival(excess)).sum()
}

/// The value below which this share of the weight lies; `sorted` is in rising order.
fn quantile(sorted: &[(f64, f64)], share: f64) -> f64 {
    let total: f64 = sorted.iter().map(|(_, weight)| weight).sum();
    let mut below = 0.0;
    for (value, weight) in sorted {
        below += weight;
        if below >= share * total {
            return *value;
        }
    }
    sorted.last().map_or(0.0, |(value, _)| *value)
}

/// `count` values from `first` to `last`, evenly.
fn grid((first, last, count): (f64, f64, usize)) -> impl Iterator<Item = f64> {
    let step = (last - first) / (count - 1) as f64;
    (0..count).map(move |i| first + step * i as f64)
}

#[cfg(test)]
#[path = "tail_tests.rs"]
mod tests;
