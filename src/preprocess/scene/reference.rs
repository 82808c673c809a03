//! SceneReference: what the normal footage looks like as a whole; a part of the Profile.
//!
//! It is fitted on all frames of the footage at once and never changes afterwards. Measures of a
//! frame are medians over the picture wherever they can be, so that a thing that covers a third of
//! it stays the models' business. What follows from a measure is decided in [`super::check`].

use super::super::SceneStatistics;
use super::SceneZ;
use super::check::Lighting;
use super::footage::Pauses;
use super::lights::{self, LightCell};
use super::look::{Appearance, BINS, CELLS, GRID, Look, SIDE};
use super::measures::{Arrays, Measures, fit_cells};
use super::shift::{CommonView, Correlator};
use super::spread::Spread;
use super::unmasked::Unmasked;

/// The view must match this well in the worst frame of its footage. On the belt, where all but the
/// rails moves, 12 was reached, and one normal frame in a few hundred then seemed to have moved.
pub(super) const PLAIN: f64 = 20.0;
/// Share of the width by which footage of one view may move; more is no common view.
const WIDEST: f64 = 0.2;
/// A shift is one from this share of the width on, however still the footage is.
pub(super) const LEAST_SHIFT: f64 = 0.02;

/// What the normal footage looks like as a whole.
#[derive(Debug, Clone, PartialEq)]
pub struct SceneReference {
    pub(super) numbers: SceneNumbers,
    /// Median colour of each cell, 0..=255.
    cells: Vec<[f32; 3]>,
    /// Deviation of each cell's logarithm, of the mean of its colours.
    cell_spread: Vec<f32>,
    /// The cells that count: those that no mask covers.
    used: Vec<bool>,
    /// Mean share of each bin.
    histogram: [f32; BINS],
    /// What stands still in all frames, where there is a common view.
    pub(super) view: Option<CommonView>,
}

/// The numbers of a reference beside its arrays.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SceneNumbers {
    brightness: Spread,
    contrast: Spread,
    sharpness: Spread,
    /// Natural logarithms.
    pub(super) contrast_ln: Spread,
    pub(super) sharpness_ln: Spread,
    pub(super) acutance_ln: Spread,
    /// Acutance by contrast: falls with blur, stays with the light.
    pub(super) focus_ln: Spread,
    pub(super) light: [Spread; 3],
    /// The kinds of light, where there are several; they then stand for `light`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    lights: Vec<LightCell>,
    pub(super) histogram: Spread,
    pub(super) changed: Spread,
    /// Where there is a common view: how it moves and how well it is found.
    pub(super) view: Option<ViewNumbers>,
    /// Mean difference of consecutive pictures that differ least, in grey levels; only of a film.
    noise: Option<f64>,
    /// How the footage repeats pictures.
    pub(super) pauses: Pauses,
    /// Frames of the footage that are a fault of the scene by what the others show.
    #[serde(default)]
    pub(super) set_aside: u64,
}

/// How the common view of the footage moves and how well it is found.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ViewNumbers {
    /// Share of the width.
    pub(super) shift: Spread,
    pub(super) matched: Spread,
}

/// An array of a reference as it is stored: its name, shape and values.
pub type SceneArray = (&'static str, Vec<usize>, Vec<f64>);

/// Logarithms of contrast, sharpness, acutance, and acutance by contrast.
pub(super) fn detail(statistics: &SceneStatistics, acutance: f32) -> [f64; 4] {
    let ln = |value: f32| f64::from(value.max(1e-4)).ln();
    let (contrast, acutance) = (ln(statistics.contrast), ln(acutance));
    [
        contrast,
        ln(statistics.sharpness),
        acutance,
        acutance - contrast,
    ]
}

/// Shift in cells as a share of the picture's width.
pub(super) fn share_of_width(cells: [f32; 2], (width, height): (u32, u32)) -> f64 {
    let [x, y] = cells.map(|cells| f64::from(cells) / SIDE as f64);
    x.hypot(y * f64::from(height) / f64::from(width.max(1)))
}

impl SceneReference {
    /// Fits the frames of a footage, of which `unmasked` counts. None where there are no frames or no
    /// cells.
    pub(super) fn fit(
        frames: &[Appearance],
        unmasked: &Unmasked,
        noise: Option<f64>,
        pauses: Pauses,
    ) -> Option<SceneReference> {
        let used = unmasked.cells.clone();
        if frames.is_empty() || used.len() != CELLS || !used.contains(&true) {
            return None;
        }
        let (cells, cell_spread) = fit_cells(frames);
        let mut histogram = [0.0; BINS];
        for frame in frames {
            for (mean, share) in histogram.iter_mut().zip(frame.histogram) {
                *mean += share / frames.len() as f32;
            }
        }
        let arrays = Arrays {
            cells: &cells,
            cell_spread: &cell_spread,
            used: &used,
            histogram: &histogram,
        };
        let measured: Vec<Measures> = frames
            .iter()
            .map(|frame| arrays.measure(&frame.cells, &frame.histogram))
            .collect();
        let (view, view_numbers) = fit_view(frames, &unmasked.weight).unzip();
        let of = |take: &dyn Fn(&Appearance) -> f64| Spread::of(frames.iter().map(take));
        let details = |i: usize| of(&|frame| detail(&frame.statistics, frame.acutance)[i]);
        let light = |i: usize| Spread::of(measured.iter().map(|measures| measures.light[i]));
        let numbers = SceneNumbers {
            brightness: of(&|frame| frame.statistics.brightness.into())?,
            contrast: of(&|frame| frame.statistics.contrast.into())?,
            sharpness: of(&|frame| frame.statistics.sharpness.into())?,
            contrast_ln: details(0)?,
            sharpness_ln: details(1)?,
            acutance_ln: details(2)?,
            focus_ln: details(3)?,
            light: [light(0)?, light(1)?, light(2)?],
            lights: Vec::new(),
            histogram: Spread::of(measured.iter().map(|measures| measures.histogram))?,
            changed: Spread::of(measured.iter().map(|measures| measures.changed))?,
            view: view_numbers,
            noise,
            pauses,
            set_aside: 0,
        };
        Some(SceneReference {
            numbers,
            cells,
            cell_spread,
            used,
            histogram,
            view,
        })
    }

    pub(super) fn measure(&self, appearance: &Appearance) -> Measures {
        let arrays = Arrays {
            cells: &self.cells,
            cell_spread: &self.cell_spread,
            used: &self.used,
            histogram: &self.histogram,
        };
        arrays.measure(&appearance.cells, &appearance.histogram)
    }

    /// The same, with the kinds of light of these frames told apart.
    pub(super) fn by_lights(mut self, frames: &[Appearance]) -> SceneReference {
        let lights = frames.iter().map(|frame| self.measure(frame).light);
        let lights: Vec<_> = lights.collect();
        self.numbers.lights = lights::kinds(&lights);
        self
    }

    /// In which light these frames are too few for statistics of their own, one sentence each.
    pub(super) fn too_few(&self, frames: &[Appearance]) -> Vec<String> {
        let lights = frames.iter().map(|frame| self.measure(frame).light);
        lights::too_few(&lights.collect::<Vec<_>>(), &self.numbers.lights)
    }

    /// How many kinds of light the footage shows, which are judged by statistics of their own.
    pub fn lights(&self) -> usize {
        self.numbers.lights.len().max(1)
    }

    /// Which of them this is, from 0; of no kind at all, it is a fault of the scene.
    pub fn light_of(&self, look: &Look) -> usize {
        self.kind_of(&look.appearance)
    }

    /// The same, where nothing else of the scene is looked at.
    pub(super) fn light_alone(&self, look: &Look) -> Lighting {
        Lighting {
            light: self.light_of(look),
            unlearnt: None,
        }
    }

    pub(super) fn kind_of(&self, appearance: &Appearance) -> usize {
        let measures = self.measure(appearance).light;
        let mut lights = self.numbers.lights.iter();
        lights
            .position(|light| light.holds(&measures))
            .unwrap_or_default()
    }

    /// How the light spreads that a frame with these measures is of.
    pub(super) fn light_spread(&self, measures: &[f64; 3]) -> &[Spread; 3] {
        let mut lights = self.numbers.lights.iter();
        lights
            .find(|light| light.holds(measures))
            .map_or(&self.numbers.light, |light| &light.spread)
    }

    /// How far a picture's three numbers are from those of the normal footage, in deviations.
    pub fn z(&self, statistics: &SceneStatistics) -> SceneZ {
        let numbers = &self.numbers;
        SceneZ {
            brightness_z: numbers.brightness.z(statistics.brightness, 0.01),
            contrast_z: numbers.contrast.z(statistics.contrast, 0.005),
            sharpness_z: numbers.sharpness.z(statistics.sharpness, 0.002),
        }
    }

    /// Pictures of a live source that differ by less, in grey levels, are the same picture.
    pub(super) fn still_below(&self) -> Option<f64> {
        self.numbers.noise.map(|noise| 0.1 * noise)
    }

    /// The largest shift that is normal, as a share of the width; none without a common view.
    pub fn shift_limit(&self) -> Option<f64> {
        let view = self.numbers.view?;
        Some(view.shift.ceiling(0.01).max(LEAST_SHIFT))
    }

    /// What the user of the footage should know of it, one sentence each.
    pub fn warnings(&self) -> Vec<String> {
        let set_aside = self.numbers.set_aside;
        let aside = (set_aside > 0).then(|| {
            format!(
                "set aside: {set_aside} of the frames, which as a whole look unlike the rest; a camera \
                 that sees what they show will be at fault"
            )
        });
        let view = self.view.is_none().then(|| {
            "the frames have no view in common that stands still: the camera can't be told to have \
             moved"
                .to_owned()
        });
        let pauses = self.numbers.pauses.prevail().then(|| {
            "most frames repeat an earlier one to the byte: a frozen picture can't be told from a scene \
             that stands still, and is not looked for"
                .to_owned()
        });
        [aside, view, pauses].into_iter().flatten().collect()
    }

    /// The numbers beside the arrays.
    pub fn numbers(&self) -> &SceneNumbers {
        &self.numbers
    }

    /// The arrays.
    pub fn arrays(&self) -> Vec<SceneArray> {
        let wide = |values: &[f32]| values.iter().copied().map(f64::from).collect();
        let used = self.used.iter().map(|&used| f64::from(u8::from(used)));
        let mut arrays = vec![
            (
                "scene.cells",
                vec![GRID, GRID, 3],
                wide(self.cells.as_flattened()),
            ),
            (
                "scene.cell_spread",
                vec![GRID, GRID],
                wide(&self.cell_spread),
            ),
            ("scene.used", vec![GRID, GRID], used.collect()),
            ("scene.histogram", vec![BINS], wide(&self.histogram)),
        ];
        if let Some(view) = &self.view {
            arrays.push(("scene.view", vec![SIDE, SIDE, 2], view.numbers()));
        }
        arrays
    }

    /// From what [`numbers`](Self::numbers) and [`arrays`](Self::arrays) gave; `array` finds the
    /// values of an array by its name.
    ///
    /// # Errors
    /// What `array` says, or which part can't be a reference's.
    pub fn from_arrays(
        numbers: SceneNumbers,
        mut array: impl FnMut(&str) -> Result<Vec<f64>, String>,
    ) -> Result<SceneReference, String> {
        let mut finite = |name: &str, length: usize| {
            let values = array(name)?;
            if values.len() == length && values.iter().all(|value| value.is_finite()) {
                Ok(values)
            } else {
                Err(format!("holds {name} that calibration can't have written"))
            }
        };
        let narrow = |values: Vec<f64>| values.into_iter().map(|v| v as f32).collect::<Vec<f32>>();
        let cells = narrow(finite("scene.cells", 3 * CELLS)?);
        if cells.iter().any(|level| !(0.0..=255.0).contains(level)) {
            return Err("holds colours beyond black and white in scene.cells".to_owned());
        }
        let cell_spread = narrow(finite("scene.cell_spread", CELLS)?);
        let used = finite("scene.used", CELLS)?.into_iter().map(|v| v > 0.5);
        let used: Vec<bool> = used.collect();
        let bins = narrow(finite("scene.histogram", BINS)?);
        let view = match numbers.view {
            Some(_) => CommonView::from_numbers(&finite("scene.view", 2 * SIDE * SIDE)?),
            None => None,
        };
        let mut histogram = [0.0; BINS];
        histogram.copy_from_slice(&bins);
        if !numbers.is_sound() || view.is_some() != numbers.view.is_some() || !used.contains(&true)
        {
            return Err("holds a scene that calibration can't have written".to_owned());
        }
        Ok(SceneReference {
            numbers,
            cells: cells.as_chunks::<3>().0.to_vec(),
            cell_spread,
            used,
            histogram,
            view,
        })
    }
}

impl SceneNumbers {
    fn is_sound(&self) -> bool {
        let view = self.view.iter().flat_map(|view| [view.shift, view.matched]);
        let spreads = [
            self.brightness,
            self.contrast,
            self.sharpness,
            self.contrast_ln,
            self.sharpness_ln,
            self.acutance_ln,
            self.focus_ln,
            self.histogram,
            self.changed,
        ];
        let all = spreads.into_iter().chain(self.light).chain(view);
        let noise = self
            .noise
            .is_none_or(|noise| noise.is_finite() && noise >= 0.0);
        let lights = self.lights.iter().all(LightCell::is_sound);
        noise && lights && self.pauses.is_sound() && all.into_iter().all(|spread| spread.is_sound())
    }
}

/// The common view, where the frames have one: found in all of them, and near one place.
fn fit_view(frames: &[Appearance], weight: &[f32]) -> Option<(CommonView, ViewNumbers)> {
    let mut correlator = Correlator::new();
    let thumbnails = frames.iter().map(|frame| frame.thumbnail.as_slice());
    let view = correlator.view(thumbnails, weight)?;
    let shifts: Vec<_> = frames
        .iter()
        .map(|frame| correlator.shift(&view, &frame.thumbnail, weight))
        .collect();
    let shares = frames.iter().zip(&shifts);
    let numbers = ViewNumbers {
        shift: Spread::of(shares.map(|(frame, shift)| share_of_width(shift.cells, frame.size)))?,
        matched: Spread::of(shifts.iter().map(|shift| shift.matched.into()))?,
    };
    let is_found = numbers.matched.lowest >= PLAIN;
    let is_steady = numbers.shift.ceiling(0.01) <= WIDEST;
    (is_found && is_steady).then_some((view, numbers))
}
