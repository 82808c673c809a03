//! SceneCheck: one look held against the reference, whatever came before it.
//!
//! Faults in the order of their gravity: blocked, moved, changed. Every limit is the footage's own
//! spread with the margin that stands here, so footage that varies much makes wide limits.

use std::sync::Arc;

use super::super::{SceneFault, SceneFaultKind};
use super::look::{Look, SIDE};
use super::measures::Measures;
use super::reference::{SceneReference, detail, share_of_width};
use super::shift::{Correlator, TRUSTED};

/// Contrast and sharpness are far below when both are under a third of the lowest.
const BLOCKED: f64 = 1.1;
/// Blur: acutance by contrast is under 0.4 of the lowest, ...
const BLURRED: f64 = 0.92;
/// ... and acutance itself under two thirds of it, so that a bright thing in a dull scene, which
/// adds contrast, is no blur.
const SOFT: f64 = 0.4;
/// The light may rise or fall by a fifth beyond the footage's.
const LIGHT: f64 = 0.2;
/// Red or blue beside green by a tenth.
const TINT: f64 = 0.1;
/// The histogram is far off when so much of the range is moved beyond the footage's, ...
const HISTOGRAM: f64 = 0.08;
/// ... while more than 60 % of the cells changed, and so many more than in the footage.
const CHANGED: f64 = 0.2;
const MOST: f64 = 0.6;
/// The view counts as lost where it matches under this share of the worst match of the footage.
pub(super) const LOST: f64 = 0.25;
/// A fault that stands ends only below this severity: a measure at its limit does not flicker.
const RELEASE: f64 = 0.9;

/// The most that a severity is said to be; black has no contrast at all.
const WORST: f64 = 1000.0;

/// A measure beyond its limit.
type Excess = (f64, String);

/// Holds looks against a reference.
#[derive(Debug)]
pub struct SceneCheck {
    reference: Arc<SceneReference>,
    correlator: Correlator,
    /// Share of the width.
    moved_beyond: Option<f64>,
}

impl SceneCheck {
    /// With the limit of the shift as a share of the width, where it is not the footage's own.
    pub fn new(reference: Arc<SceneReference>, moved_beyond: Option<f64>) -> Self {
        Self {
            reference,
            correlator: Correlator::new(),
            moved_beyond,
        }
    }

    /// Why a Profile can't judge this picture. `standing` is the fault of the frame before: it ends a
    /// little below the limit at which it began.
    pub fn fault(&mut self, look: &Look, standing: Option<SceneFaultKind>) -> Option<SceneFault> {
        let measures = self.reference.measure(look);
        let limit = |kind| if standing == Some(kind) { RELEASE } else { 1.0 };
        let beyond = |kind, excess: Option<Excess>| {
            let (severity, detail) = excess.filter(|(severity, _)| *severity > limit(kind))?;
            Some(SceneFault {
                kind,
                scene: look.statistics(),
                width: look.size.0,
                height: look.size.1,
                severity: severity.min(WORST) as f32,
                detail,
            })
        };
        beyond(SceneFaultKind::Blocked, Some(self.blocked(look)))
            .or_else(|| beyond(SceneFaultKind::Moved, self.moved(look)))
            .or_else(|| beyond(SceneFaultKind::Changed, self.changed(&measures)))
    }

    /// The light beside the reference's, for following it in time, and whether it is normal.
    pub(super) fn light(&self, look: &Look) -> ([f64; 3], bool) {
        let measures = self.reference.measure(look);
        let is_normal = self.light_severities(&measures).iter().all(|s| *s <= 1.0);
        (measures.light, is_normal)
    }

    fn blocked(&self, look: &Look) -> Excess {
        let numbers = &self.reference.numbers;
        let [contrast, sharpness, acutance, focus] = detail(&look.statistics, look.acutance);
        // Logarithms: what lies below the limit by the logarithm of 2 is twice as severe.
        let below = |value: f64, limit: f64| (limit - value).exp();
        let (low_contrast, low_sharpness) = (
            numbers.contrast_ln.floor(BLOCKED),
            numbers.sharpness_ln.floor(BLOCKED),
        );
        let dull = below(contrast, low_contrast).min(below(sharpness, low_sharpness));
        let (low_acutance, low_focus) = (
            numbers.acutance_ln.floor(SOFT),
            numbers.focus_ln.floor(BLURRED),
        );
        let blurred = below(acutance, low_acutance).min(below(focus, low_focus));
        if dull >= blurred || dull > 1.0 {
            let text = format!(
                "there is next to nothing to see: contrast {:.4}, sharpness {:.4}; limits {:.4} and \
                 {:.4}",
                look.statistics.contrast,
                look.statistics.sharpness,
                low_contrast.exp(),
                low_sharpness.exp()
            );
            (dull, text)
        } else {
            let text = format!(
                "the picture is blurred: its edges are {:.2} times as steep as its contrast; limit \
                 {:.2}",
                focus.exp(),
                low_focus.exp()
            );
            (blurred, text)
        }
    }

    fn moved(&mut self, look: &Look) -> Option<Excess> {
        let (view, numbers) = self
            .reference
            .view
            .as_ref()
            .zip(self.reference.numbers.view)?;
        let shift = self.correlator.shift(view, look.thumbnail());
        let lowest = numbers.matched.lowest;
        let lost = LOST * lowest;
        if f64::from(shift.matched) < lost {
            let matched = shift.matched.max(0.1);
            let text = format!(
                "nothing of the calibrated view is found: match {matched:.1}; at least {lost:.1} \
                 is needed"
            );
            return Some((lost / f64::from(matched), text));
        }
        if shift.matched < TRUSTED {
            return None;
        }
        let limit = self.moved_beyond.or_else(|| self.reference.shift_limit())?;
        let share = share_of_width(shift.cells, look.size);
        let (width, height) = look.size;
        let pixels = |cells: f32, side: u32| (cells.abs() * side as f32 / SIDE as f32).round();
        let text = format!(
            "the view is shifted by {} x {} of {width} x {height} pixels; limit {}",
            pixels(shift.cells[0], width),
            pixels(shift.cells[1], height),
            (limit * f64::from(width)).round()
        );
        Some((share / limit, text))
    }

    fn changed(&self, measures: &Measures) -> Option<Excess> {
        let spreads = &self.reference.numbers.light;
        let severities = self.light_severities(measures);
        let times = |i: usize, margin: f64| {
            let spread = spreads[i];
            format!(
                "{:.2} times that of the normal footage; limits {:.2} to {:.2}",
                measures.light[i].exp(),
                spread.floor(margin).exp(),
                spread.ceiling(margin).exp()
            )
        };
        let texts = [
            format!("the light is {}", times(0, LIGHT)),
            format!("red beside green is {}", times(1, TINT)),
            format!("blue beside green is {}", times(2, TINT)),
        ];
        let light = severities.into_iter().zip(texts);
        light
            .chain([self.elsewhere_lit(measures)])
            .max_by(|(a, _), (b, _)| a.total_cmp(b))
    }

    fn light_severities(&self, measures: &Measures) -> [f64; 3] {
        let spreads = &self.reference.numbers.light;
        let margins = [LIGHT, TINT, TINT];
        std::array::from_fn(|i| spreads[i].severity(measures.light[i], margins[i]))
    }

    /// Light that did not rise or fall as a whole: the sun on one half.
    fn elsewhere_lit(&self, measures: &Measures) -> Excess {
        let numbers = &self.reference.numbers;
        let far = numbers.histogram.ceiling(HISTOGRAM);
        let most = numbers.changed.ceiling(CHANGED).max(MOST);
        let severity = (measures.histogram / far).min(measures.changed / most);
        let text = format!(
            "{:.0} % of the picture is of another brightness, by {:.2} of the range on average; \
             limits {:.0} % and {far:.2}",
            100.0 * measures.changed,
            measures.histogram,
            100.0 * most
        );
        (severity, text)
    }
}
