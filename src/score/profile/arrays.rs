//! The statistics' arrays as one safetensors file.
//!
//! Each is as it was calibrated, so what is loaded scores the same to the last bit: all `f64` but the
//! tokens of a memory bank, which are `f32`. Lower factors are packed row by
//! row, `[D (D + 1) / 2]`. The few numbers beside the arrays stand in `profile.json`.

use nalgebra::{DMatrix, DVector};

use super::Manifest;
use super::tensors::{Reader, Writer, unsound};
use crate::infer::{Grid, Patches};
use crate::preprocess::SceneReference;
use crate::score::bank::MemoryBank;
use crate::score::fit::Fit;
use crate::score::gaussian::Gaussian;
use crate::score::light::{Light, Shift};
use crate::score::map::MapStatistics;
use crate::score::paper::PaperGaussians;
use crate::score::parts::{BANK, NAMES, PartGaussians, PartOffset};
use crate::score::statistics::Statistics;
use crate::score::threshold::Threshold;
use crate::score::tokens::TokenGaussian;
use crate::score::whitening::Whitening;

/// The file's bytes; equal content gives equal bytes.
pub(super) fn encode(statistics: &Statistics, scene: Option<&SceneReference>) -> Vec<u8> {
    let fit = &statistics.fit;
    let mut arrays = Writer::default();
    let projection = fit.paper.whitening.projection();
    arrays.put(
        "whitening.mean",
        &[projection.ncols()],
        fit.paper.whitening.mean().as_slice(),
    );
    let shape = [projection.nrows(), projection.ncols()];
    arrays.put(
        "whitening.projection",
        &shape,
        projection.transpose().as_slice(),
    );
    arrays.put_gaussian("pretrained", &fit.paper.pretrained);
    arrays.put_gaussian("discrepancy", &fit.paper.discrepancy);
    for (name, gaussian) in NAMES.iter().zip(&fit.parts.gaussians) {
        arrays.put_gaussian(&format!("part.{name}"), gaussian);
    }
    arrays.put_gaussian("tokens", fit.tokens.gaussian());
    if let Some(bank) = fit.bank() {
        let shape = [bank.count(), bank.width()];
        arrays.put(BANK, &shape, bank.rows().as_slice());
    }
    for (number, light) in fit.lights.iter().enumerate() {
        arrays.put_light(number, light, fit.patches().grid());
    }
    for (name, threshold) in [
        ("deciding", &statistics.deciding),
        ("local", &statistics.local),
    ] {
        let scores = threshold.held_out();
        arrays.put(&format!("held_out.{name}"), &[scores.len()], scores);
    }
    for (name, shape, values) in scene.map(SceneReference::arrays).unwrap_or_default() {
        arrays.put(name, &shape, &values);
    }
    arrays.finish()
}

/// The statistics again; the text of the error says what is wrong with the file.
pub(super) fn decode(
    bytes: &[u8],
    manifest: &Manifest,
) -> Result<(Statistics, Option<SceneReference>), String> {
    let arrays = Reader::open(bytes)?;
    let parts = |part: usize| arrays.gaussian(&format!("part.{}", NAMES[part]));
    let tokens = TokenGaussian::from_gaussian(arrays.gaussian("tokens")?);
    let patches = Patches::of(&manifest.origin.view, manifest.origin.teacher.grid)
        .map_err(|_| unsound("view"))?;
    let lights = 1 + manifest.further_lights.len();
    let lights: Result<Vec<Light>, String> = (0..lights)
        .map(|number| arrays.light(number, lights, &tokens, &patches))
        .collect();
    let fit = Fit {
        paper: PaperGaussians {
            whitening: arrays.whitening()?,
            pretrained: arrays.gaussian("pretrained")?,
            discrepancy: arrays.gaussian("discrepancy")?,
        },
        parts: PartGaussians {
            gaussians: [parts(0)?, parts(1)?, parts(2)?, parts(3)?],
        },
        tokens,
        lights: lights?,
        bank: arrays.bank(manifest)?,
    };
    check_widths(&fit, manifest)?;
    let threshold = |name: &str, numbers| {
        let (_, scores) = arrays.get(&format!("held_out.{name}"))?;
        Threshold::from_numbers(numbers, scores).ok_or_else(|| unsound(name))
    };
    let statistics = Statistics {
        scoring: manifest.scoring,
        fit,
        scales: [&[manifest.scales][..], &manifest.further_lights].concat(),
        deciding: threshold("deciding", manifest.deciding)?,
        local: threshold("local", manifest.local)?,
        promise: manifest.promise,
        looks: manifest.looks,
    };
    let values = |name: &str| arrays.get(name).map(|(_, values)| values);
    let scene = manifest
        .scene
        .clone()
        .map(|numbers| SceneReference::from_arrays(numbers, values));
    let scene = scene.transpose()?;
    if scene.as_ref().map_or(1, SceneReference::lights) != statistics.fit.lights() {
        return Err(unsound("lights"));
    }
    Ok((statistics, scene))
}

/// Whether the arrays fit each other, the teacher and the student.
fn check_widths(fit: &Fit, manifest: &Manifest) -> Result<(), String> {
    let width = manifest.origin.teacher.width;
    let [z, pooled_mid, pooled_late, residual] = &fit.parts.gaussians;
    let widths = [
        ("whitening", fit.paper.whitening.width(), width),
        (
            "pretrained",
            fit.paper.pretrained.width(),
            fit.paper.whitening.components(),
        ),
        (
            "discrepancy",
            fit.paper.discrepancy.width(),
            manifest.origin.student.blocks.len(),
        ),
        ("part.z", z.width(), width),
        ("part.pooled_mid", pooled_mid.width(), 2 * width),
        ("part.pooled_late", pooled_late.width(), 2 * width),
        ("part.residual", residual.width(), width),
        ("tokens", fit.tokens.width(), width),
    ];
    let offsets = fit.lights.iter().flat_map(|light| &light.shift);
    let offsets = offsets.flat_map(|shift| {
        let parts = shift.offset.parts.iter().zip(&fit.parts.gaussians);
        parts.map(|(offset, part)| ("an offset of a light", offset.len(), part.width()))
    });
    let mut widths = widths.into_iter().chain(offsets);
    match widths.find(|(_, found, expected)| found != expected) {
        None => Ok(()),
        Some((name, found, expected)) => Err(format!(
            "has {name} of width {found} where profile.json says {expected}"
        )),
    }
}

impl Writer {
    fn put_gaussian(&mut self, name: &str, gaussian: &Gaussian) {
        let width = gaussian.width();
        self.put(
            &format!("{name}.mean"),
            &[width],
            gaussian.mean().as_slice(),
        );
        let factor = gaussian.cholesky();
        let rows = (0..width).flat_map(|i| (0..=i).map(move |j| factor[(i, j)]));
        let packed: Vec<f64> = rows.collect();
        self.put(&format!("{name}.cholesky"), &[packed.len()], &packed);
    }

    fn put_light(&mut self, number: usize, light: &Light, Grid { rows, columns }: Grid) {
        let name = light_name(number, light.shift.is_some());
        let grid = [rows, columns];
        self.put(&format!("{name}map.mean"), &grid, light.map.mean());
        self.put(
            &format!("{name}map.deviation"),
            &grid,
            light.map.deviation(),
        );
        let offsets = light.shift.iter().flat_map(|shift| &shift.offset.parts);
        for (part, offset) in NAMES.iter().zip(offsets) {
            self.put(&format!("{name}offset.{part}"), &[offset.len()], offset);
        }
    }
}

impl Reader<'_> {
    fn gaussian(&self, name: &str) -> Result<Gaussian, String> {
        let (_, mean) = self.get(&format!("{name}.mean"))?;
        let (_, packed) = self.get(&format!("{name}.cholesky"))?;
        let width = mean.len();
        if packed.len() != width * (width + 1) / 2 {
            return Err(unsound(name));
        }
        let entry = |i: usize, j: usize| {
            if j > i {
                0.0
            } else {
                packed[i * (i + 1) / 2 + j]
            }
        };
        let factor = DMatrix::from_fn(width, width, entry);
        Gaussian::from_cholesky(DVector::from_vec(mean), factor).ok_or_else(|| unsound(name))
    }

    /// The memory bank, where the Profile has one.
    fn bank(&self, manifest: &Manifest) -> Result<Option<MemoryBank>, String> {
        let scales = [&[manifest.scales][..], &manifest.further_lights].concat();
        let has_bank = scales[0].bank.is_some();
        if scales.iter().any(|light| light.bank.is_some() != has_bank) {
            return Err(unsound(BANK));
        }
        if !has_bank {
            return Ok(None);
        }
        let (shape, tokens) = self.get(BANK)?;
        let width = manifest.origin.teacher.width;
        let bank = match shape[..] {
            [_, columns] if columns == width => MemoryBank::from_rows(&tokens, width),
            _ => None,
        };
        bank.map(Some).ok_or_else(|| unsound(BANK))
    }

    fn whitening(&self) -> Result<Whitening, String> {
        let (_, mean) = self.get("whitening.mean")?;
        let (shape, values) = self.get("whitening.projection")?;
        let [rows, columns] = shape[..] else {
            return Err(unsound("whitening"));
        };
        let projection = DMatrix::from_row_slice(rows, columns, &values);
        let whitening = Whitening::from_arrays(DVector::from_vec(mean), projection);
        whitening.ok_or_else(|| unsound("whitening"))
    }

    fn light(
        &self,
        number: usize,
        lights: usize,
        tokens: &TokenGaussian,
        patches: &Patches,
    ) -> Result<Light, String> {
        let name = light_name(number, lights > 1);
        let (_, mean) = self.get(&format!("{name}map.mean"))?;
        let (_, deviation) = self.get(&format!("{name}map.deviation"))?;
        let map = MapStatistics::from_arrays(patches.clone(), mean, deviation);
        let map = map.ok_or_else(|| unsound("map"))?;
        if lights == 1 {
            return Ok(Light { shift: None, map });
        }
        let mut offset = PartOffset {
            parts: Default::default(),
        };
        for (part, values) in NAMES.iter().zip(&mut offset.parts) {
            (_, *values) = self.get(&format!("{name}offset.{part}"))?;
            if values.iter().any(|value| !value.is_finite()) {
                return Err(unsound("offset"));
            }
        }
        if offset.residual().len() != tokens.width() {
            return Err(unsound("offset"));
        }
        let shift = Some(Shift::new(offset, tokens));
        Ok(Light { shift, map })
    }
}

/// What the names of a light's arrays begin with.
fn light_name(number: usize, is_one_of_several: bool) -> String {
    match is_one_of_several {
        true => format!("light.{}.", number + 1),
        false => String::new(),
    }
}
