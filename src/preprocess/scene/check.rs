//! SceneCheck: one look held against the reference, whatever came before it.
//!
//! Faults in the order of their gravity: blocked, moved, changed. Every limit is the footage's own
//! spread with the margin that stands here, so footage that varies much makes wide limits.

use std::sync::Arc;

use super::super::{SceneFault, SceneFaultKind};
use super::look::{Appearance, Look, SIDE};
use super::measures::Measures;
use super::reference::{SceneReference, detail, share_of_width};
use super::shift::{Correlator, TRUSTED};
use super::unmasked::Unmasked;

/// Contrast and sharpness are far below when both are under a third of the lowest.
const BLOCKED: f64 = 1.1;
/// Blur: acutance by contrast is under 0.4 of the lowest, ...
const BLURRED: f64 = 0.92;
/// ... and acutance itself under two thirds of it, so that a bright thing in a dull scene, which
/// adds contrast, is no blur.
const SOFT: f64 = 0.4;
/// The light may rise or fall by a fifth beyond the footage's, red or blue beside green by a tenth.
pub(super) const LIGHTS: [(&str, f64); 3] = [
    ("the light", 0.2),
    ("red beside green", 0.1),
    ("blue beside green", 0.1),
];
/// Light so far beyond that of all the footage, as a logarithm, is no fault, but explains a score that is
/// anomalous. A grey level of 8 bits is as much below level 12.
pub const OTHER_LIGHT: f64 = 0.05;
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

/// The light of a picture, as far as it matters to its score.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Lighting {
    /// Which kind of light it is, of those that the footage shows.
    pub light: usize,
    /// What an anomalous score is put down to: a light that was never learnt.
    pub unlearnt: Option<SceneFault>,
}

impl Lighting {
    /// Of a picture that can be judged, by what is held against the scene: all of it, its light alone, or,
    /// where a Profile knows no scene, nothing.
    pub fn of(
        look: &Look,
        check: Option<&SceneCheck>,
        reference: Option<&SceneReference>,
    ) -> Lighting {
        match (check, reference) {
            (Some(check), _) => check.lighting(look),
            (None, Some(reference)) => reference.light_alone(look),
            (None, None) => Lighting::default(),
        }
    }
}

/// How far a measure lies beyond its limit, where 1 is the limit, and which it is.
type Excess = (f64, Finding);

/// A measure with what its text needs; the text itself is written for a fault only.
#[derive(Debug, Clone, Copy)]
enum Finding {
    /// Limits of contrast and sharpness.
    Dull([f64; 2]),
    /// Acutance by contrast, and its limit.
    Blurred([f64; 2]),
    /// The match and its limit.
    Lost([f64; 2]),
    /// Cells of the thumbnail, and the limit as a share of the width.
    Shifted([f32; 2], f64),
    /// Which measure of the light, its value and its limits, as factors.
    Light(&'static str, f64, [f64; 2]),
    /// Changed cells and distance of the histograms, and their limits.
    Elsewhere([f64; 2], [f64; 2]),
}

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
        self.judge(&look.appearance, &look.unmasked, standing)
    }

    pub(super) fn judge(
        &mut self,
        look: &Appearance,
        unmasked: &Unmasked,
        standing: Option<SceneFaultKind>,
    ) -> Option<SceneFault> {
        let measures = self.reference.measure(look);
        let limit = |kind| if standing == Some(kind) { RELEASE } else { 1.0 };
        // In another light the view may not be found, wherever it is.
        let light = self.light_severities(&measures).into_iter();
        let is_lit_otherwise = light.reduce(f64::max) > Some(limit(SceneFaultKind::Changed));
        let blocked = self.blocked(look);
        let moved = self.moved(look, unmasked).filter(|(_, finding)| {
            let is_lost = matches!(finding, Finding::Lost(_));
            !(is_lost && is_lit_otherwise)
        });
        let found = [
            (SceneFaultKind::Blocked, Some(blocked)),
            (SceneFaultKind::Moved, moved),
            (SceneFaultKind::Changed, self.changed(&measures)),
        ];
        let mut found = found.into_iter();
        found.find_map(|(kind, excess)| {
            let (severity, finding) = excess.filter(|(severity, _)| *severity > limit(kind))?;
            Some(SceneFault {
                kind,
                scene: look.statistics,
                width: look.size.0,
                height: look.size.1,
                severity: severity.min(WORST) as f32,
                detail: finding.text(look),
            })
        })
    }

    /// The light of a picture that can be judged.
    fn lighting(&self, look: &Look) -> Lighting {
        Lighting {
            light: self.reference.light_of(look),
            unlearnt: self.other_light(look),
        }
    }

    /// Light beyond all that the footage shows, though not so far that no frame could be judged. Where a
    /// frame's score is anomalous too, the score says nothing of what is in front of the camera: the
    /// Profile has never seen this light.
    pub(super) fn other_light(&self, look: &Look) -> Option<SceneFault> {
        let measures = self.reference.measure(&look.appearance);
        let spreads = self.reference.light_spread(&measures.light);
        let spreads = spreads.iter().zip(measures.light);
        let beyond = spreads
            .zip(LIGHTS)
            .map(|((spread, value), (name, _))| {
                let limits = [spread.lowest - OTHER_LIGHT, spread.highest + OTHER_LIGHT];
                let beyond = (limits[0] - value).max(value - limits[1]);
                (
                    beyond,
                    Finding::Light(name, value.exp(), limits.map(f64::exp)),
                )
            })
            .filter(|(beyond, _)| *beyond > 0.0);
        let (_, finding) = beyond.max_by(|(a, _), (b, _)| a.total_cmp(b))?;
        let look = &look.appearance;
        Some(SceneFault {
            kind: SceneFaultKind::Changed,
            scene: look.statistics,
            width: look.size.0,
            height: look.size.1,
            // At its limit, as seen from where the light alone would be a fault.
            severity: 1.0,
            detail: format!(
                "the score is anomalous, and {}: calibrate on this light too",
                finding.text(look)
            ),
        })
    }

    /// The light beside the reference's, for following it in time, and whether it is normal.
    pub(super) fn light(&self, look: &Look) -> ([f64; 3], bool) {
        let measures = self.reference.measure(&look.appearance);
        let is_normal = self.light_severities(&measures).iter().all(|s| *s <= 1.0);
        (measures.light, is_normal)
    }

    fn blocked(&self, look: &Appearance) -> Excess {
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
            let limits = [low_contrast, low_sharpness].map(f64::exp);
            (dull, Finding::Dull(limits))
        } else {
            (blurred, Finding::Blurred([focus, low_focus].map(f64::exp)))
        }
    }

    fn moved(&mut self, look: &Appearance, unmasked: &Unmasked) -> Option<Excess> {
        let (view, numbers) = self
            .reference
            .view
            .as_ref()
            .zip(self.reference.numbers.view)?;
        let shift = self
            .correlator
            .shift(view, &look.thumbnail, &unmasked.weight);
        // A match that noise alone could have says nothing of where the view is.
        let needed = (LOST * numbers.matched.lowest).max(TRUSTED.into());
        let matched = f64::from(shift.matched).max(0.1);
        let lost = (needed / matched, Finding::Lost([matched, needed]));
        if lost.0 > 1.0 {
            return Some(lost);
        }
        let limit = self.moved_beyond.or_else(|| self.reference.shift_limit())?;
        let share = share_of_width(shift.cells, look.size);
        let shifted = (share / limit, Finding::Shifted(shift.cells, limit));
        // A view that was lost is so until it is found well.
        Some(if lost.0 > RELEASE && lost.0 > shifted.0 {
            lost
        } else {
            shifted
        })
    }

    fn changed(&self, measures: &Measures) -> Option<Excess> {
        let spreads = self.reference.light_spread(&measures.light);
        let spreads = spreads.iter().zip(measures.light);
        let light = spreads
            .zip(LIGHTS)
            .map(|((spread, value), (name, margin))| {
                let limits = [spread.floor(margin), spread.ceiling(margin)].map(f64::exp);
                let severity = spread.severity(value, margin);
                (severity, Finding::Light(name, value.exp(), limits))
            });
        light
            .chain([self.elsewhere_lit(measures)])
            .max_by(|(a, _), (b, _)| a.total_cmp(b))
    }

    fn light_severities(&self, measures: &Measures) -> [f64; 3] {
        let spreads = self.reference.light_spread(&measures.light);
        std::array::from_fn(|i| spreads[i].severity(measures.light[i], LIGHTS[i].1))
    }

    /// Light that did not rise or fall as a whole: the sun on one half.
    fn elsewhere_lit(&self, measures: &Measures) -> Excess {
        let numbers = &self.reference.numbers;
        let far = numbers.histogram.ceiling(HISTOGRAM);
        let most = numbers.changed.ceiling(CHANGED).max(MOST);
        let severity = (measures.histogram / far).min(measures.changed / most);
        let found = [measures.changed, measures.histogram];
        (severity, Finding::Elsewhere(found, [most, far]))
    }
}

impl Finding {
    /// What was measured, against which limit, in words.
    fn text(self, look: &Appearance) -> String {
        let (width, height) = look.size;
        match self {
            Finding::Dull([contrast, sharpness]) => format!(
                "there is next to nothing to see: contrast {:.4}, sharpness {:.4}; limits \
                 {contrast:.4} and {sharpness:.4}",
                look.statistics.contrast, look.statistics.sharpness
            ),
            Finding::Blurred([focus, limit]) => format!(
                "the picture is blurred: its edges are {focus:.2} times as steep as its contrast; \
                 limit {limit:.2}"
            ),
            Finding::Lost([matched, needed]) => format!(
                "nothing of the calibrated view is found: match {matched:.1}; at least \
                 {needed:.1} is needed"
            ),
            Finding::Shifted([x, y], limit) => {
                let pixels =
                    |cells: f32, side: u32| (cells.abs() * side as f32 / SIDE as f32).round();
                format!(
                    "the view is shifted by {} x {} of {width} x {height} pixels; limit {}",
                    pixels(x, width),
                    pixels(y, height),
                    (limit * f64::from(width)).round()
                )
            }
            Finding::Light(name, value, [low, high]) => format!(
                "{name} is {value:.2} times that of the normal footage; limits {low:.2} to {high:.2}"
            ),
            Finding::Elsewhere([changed, histogram], [most, far]) => format!(
                "{:.0} % of the picture is of another brightness, by {histogram:.2} of the range on \
                 average; limits {:.0} % and {far:.2}",
                100.0 * changed,
                100.0 * most
            ),
        }
    }
}
