//! The material of a Profile as one safetensors file: what refining fits its statistics on again.
//!
//! A row a frame. Features are `f32` as the models gave them, measurements `f64`, so that a refit of nothing
//! changes no bit. Whoever only scores neither loads nor checks it.

use super::Manifest;
use super::tensors::{Reader, Writer, unsound};
use crate::score::fit::Measured;
use crate::score::paper::PaperScore;
use crate::score::parts::{FrameVectors, PartDistances};
use crate::score::refit::{FineFrame, Material, NormalFrame, RelitFrame};

/// Numbers of a held-out frame: `q` of the four parts, the paper's two branches, the local score.
const NUMBERS: usize = 7;
/// Characters of a SHA-256 in hexadecimal.
const HASH: usize = 64;

/// The file's bytes; equal content gives equal bytes.
pub(super) fn encode(material: &Material) -> Vec<u8> {
    let mut arrays = Writer::default();
    let fine = material.fine.iter();
    arrays.put_frames("frames", material.frames.iter());
    arrays.put_frames("fine", fine.clone().map(|fine| &fine.frame));
    let relit = material.relit.iter();
    arrays.put_frames("relit", relit.clone().map(|copy| &copy.frame));
    arrays.put_rows("relit.of", relit.map(|copy| [copy.of as u32]));
    let rows = material.held_out.iter().map(numbers);
    arrays.put_rows("held_out", rows);
    let rows = fine.map(|fine| fine.sha256.bytes());
    arrays.put_rows("fine.sha256", rows);
    if material.held_out.iter().any(|own| own.parts.bank.is_some()) {
        let rows = material.held_out.iter().map(|own| own.parts.bank);
        arrays.put_rows("held_out.bank", rows);
        let rows = material.fine.iter().map(|fine| fine.frame.from_bank);
        arrays.put_rows("fine.bank", rows);
    }
    let rows = material.interval.map(|seconds| [seconds]);
    arrays.put_rows("interval", rows.into_iter());
    arrays.finish()
}

/// The material again; the text of the error says what is wrong with the file.
pub(super) fn decode(bytes: &[u8], manifest: &Manifest) -> Result<Material, String> {
    let arrays = Reader::open(bytes)?;
    let frames = arrays.frames("frames", manifest)?;
    let fine = arrays.frames("fine", manifest)?;
    let relit = arrays.relit(frames.len(), manifest)?;
    let held_out = arrays.rows::<f64>("held_out", NUMBERS)?;
    let hashes = arrays.rows::<u8>("fine.sha256", HASH)?;
    let held_out_from_bank = arrays.bank_distances("held_out.bank", held_out.len(), manifest)?;
    let fine_from_bank = arrays.bank_distances("fine.bank", fine.len(), manifest)?;
    let interval = arrays.rows::<f64>("interval", 1)?;
    let interval: Vec<f64> = interval.into_iter().flatten().collect();
    let is_whole = frames.len() == manifest.origin.normal_frames
        && (frames.len(), fine.len()) == (held_out.len(), hashes.len())
        && interval.len() <= 1;
    let mut numbers = held_out.iter().flatten().chain(&interval);
    if !is_whole || !numbers.all(|number| number.is_finite()) {
        return Err(unsound("held_out"));
    }
    let fine = hashes.into_iter().zip(fine).zip(fine_from_bank);
    let fine = fine.map(|((hash, frame), from_bank)| {
        let sha256 = String::from_utf8(hash).map_err(|_| unsound("fine.sha256"))?;
        let frame = NormalFrame { from_bank, ..frame };
        Ok(FineFrame { sha256, frame })
    });
    Ok(Material {
        held_out: (held_out.iter().zip(held_out_from_bank).zip(&frames))
            .map(|((row, bank), frame)| measured(row, bank, frame.light))
            .collect(),
        frames,
        relit,
        fine: fine.collect::<Result<_, String>>()?,
        interval: interval.first().copied(),
    })
}

fn numbers(measured: &Measured) -> [f64; NUMBERS] {
    let [z, mid, late, residual] = measured.parts.q;
    let PaperScore {
        pretrained,
        discrepancy,
    } = measured.paper;
    let local = measured.local;
    [z, mid, late, residual, pretrained, discrepancy, local]
}

/// Of a row of [`numbers`], of a frame so far from the bank in this light.
fn measured(row: &[f64], bank: Option<f64>, light: usize) -> Measured {
    Measured {
        paper: PaperScore {
            pretrained: row[4],
            discrepancy: row[5],
        },
        parts: PartDistances {
            q: [row[0], row[1], row[2], row[3]],
            bank,
        },
        local: row[6],
        map: Vec::new(),
        light,
    }
}

/// All `f32` of a frame, one after the other.
fn features(frame: &NormalFrame) -> impl Iterator<Item = f32> {
    let FrameVectors {
        z,
        pooled_mid,
        pooled_late,
        residual,
        ..
    } = &frame.vectors;
    let parts = [z, pooled_mid, pooled_late, residual, &frame.distances];
    parts.into_iter().flatten().copied()
}

/// A frame of a row of [`features`], which is as long as a teacher of this width makes it.
fn frame(row: &[f32], d: Vec<f64>, light: u8, width: usize) -> NormalFrame {
    let part = |from: usize, to: usize| row[from * width..to * width].to_vec();
    NormalFrame {
        vectors: FrameVectors {
            z: part(0, 1),
            pooled_mid: part(1, 3),
            pooled_late: part(3, 5),
            residual: part(5, 6),
            d,
        },
        distances: row[6 * width..].to_vec(),
        from_bank: None,
        light: light.into(),
    }
}

impl Writer {
    fn put_frames<'a>(
        &mut self,
        name: &str,
        frames: impl Iterator<Item = &'a NormalFrame> + Clone,
    ) {
        let d = frames.clone().map(|frame| frame.vectors.d.iter().copied());
        self.put_rows(&format!("{name}.d"), d);
        // A light has 40 frames at least, so a few megabytes of frames are of a few.
        let lights = frames.clone().map(|frame| [frame.light as u8]);
        self.put_rows(&format!("{name}.light"), lights);
        let features = frames.map(features);
        let name = format!("{name}.features");
        self.put_rows(&name, features);
    }
}

impl Reader<'_> {
    /// The distances of so many frames from the memory bank, where the Profile has one. Files of earlier
    /// versions know of none.
    fn bank_distances(
        &self,
        name: &str,
        frames: usize,
        manifest: &Manifest,
    ) -> Result<Vec<Option<f64>>, String> {
        if manifest.scales.bank.is_none() {
            return Ok(vec![None; frames]);
        }
        let rows = self.rows::<f64>(name, 1)?;
        let is_sound = rows.len() == frames && rows.iter().flatten().all(|value| value.is_finite());
        let distances = rows.into_iter().flatten().map(Some).collect();
        is_sound.then_some(distances).ok_or_else(|| unsound(name))
    }

    /// Copies of so many frames in other light, in the order of those. Files of earlier versions know of none.
    fn relit(&self, frames: usize, manifest: &Manifest) -> Result<Vec<RelitFrame>, String> {
        if !self.has("relit.of") {
            return Ok(Vec::new());
        }
        let copies = self.frames("relit", manifest)?;
        let of = self.rows::<u32>("relit.of", 1)?;
        let of: Vec<usize> = of.iter().flatten().map(|&of| of as usize).collect();
        let is_sound = of.len() == copies.len()
            && of.is_sorted_by(|a, b| a < b)
            && of.last().is_none_or(|last| *last < frames);
        if !is_sound {
            return Err(unsound("relit.of"));
        }
        let copies = of.into_iter().zip(copies);
        Ok(copies.map(|(of, frame)| RelitFrame { of, frame }).collect())
    }

    fn frames(&self, name: &str, manifest: &Manifest) -> Result<Vec<NormalFrame>, String> {
        let origin = &manifest.origin;
        let (width, grid) = (origin.teacher.width, origin.teacher.grid);
        let columns = 6 * width + grid.rows * grid.columns;
        let features = format!("{name}.features");
        let features = self.rows::<f32>(&features, columns)?;
        let blocks = origin.student.blocks.len();
        let d = self.rows::<f64>(&format!("{name}.d"), blocks)?;
        let lights = format!("{name}.light");
        let lights = self.rows::<u8>(&lights, 1)?;
        let lights: Vec<u8> = lights.into_iter().flatten().collect();
        let is_known = |light: &u8| usize::from(*light) <= manifest.further_lights.len();
        let is_finite = features.iter().flatten().all(|value| value.is_finite())
            && d.iter().flatten().all(|value| value.is_finite());
        let is_whole = (features.len(), lights.len()) == (d.len(), d.len());
        if !is_whole || !is_finite || !lights.iter().all(is_known) {
            return Err(unsound(name));
        }
        let frames = features.iter().zip(d).zip(lights);
        Ok(frames
            .map(|((row, d), light)| frame(row, d, light, width))
            .collect())
    }
}

#[cfg(test)]
#[path = "material_tests.rs"]
mod tests;
