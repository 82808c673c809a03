//! The teacher: a plain ViT whose residual stream was found in its file.
//!
//! [`Teacher`] is what was understood of a [`TeacherFile`], [`TeacherRunner`] what can run. What can't
//! run has no `run`. A file that is damaged, or no ViT, ends as an error that names it; a panic inside
//! the engine on such a file is caught and reported so too.

use std::sync::Arc;

use anyhow::Context as _;
use tract_onnx::prelude::*;
use tract_onnx::tract_core::floats::FloatPrecisionTranslator;
use tract_onnx::tract_core::ops::einsum::EinSum;
use tract_onnx::tract_core::transform::ModelTransform as _;
use tract_onnx::tract_hir::infer::Factoid as _;
use tract_onnx::tract_hir::internal::DimLike as _;

use super::residual_stream::{NotAVit, ResidualStream};
use super::{Grid, Precision, TeacherError, TeacherFile, TeacherInfo};
use crate::preprocess::Preprocessing;
use crate::seam::caught;

/// A teacher whose residual stream was found.
#[derive(Debug)]
pub struct Teacher {
    info: TeacherInfo,
    model: TypedModel,
    stream: ResidualStream,
    name: String,
}

impl Teacher {
    /// Understands a file: takes a quarter of a second for a ViT-Ti.
    pub fn load(file: &TeacherFile) -> Result<Teacher, TeacherError> {
        let failed = |message: String| TeacherError::Load {
            path: file.name.clone(),
            message,
        };
        let no_vit = |source| TeacherError::NotAVit {
            path: file.name.clone(),
            source,
        };
        let (model, size) = shielded(|| typed(file)).map_err(failed)?.map_err(no_vit)?;
        let stream = shielded(|| ResidualStream::find(&model))
            .map_err(failed)?
            .map_err(no_vit)?;
        let info = TeacherInfo {
            sha256: file.sha256(),
            blocks: stream.outlets.len() - 1,
            width: stream.width,
            heads: stream.heads,
            tokens: stream.tokens,
            prefix_tokens: stream.prefix_tokens,
            grid: Grid { ..stream.grid },
            preprocessing: Preprocessing {
                width: size[0],
                height: size[1],
                mean: file.sidecar.mean,
                std: file.sidecar.std,
                interpolation: file.sidecar.interpolation,
            },
            precision: file.sidecar.precision,
        };
        Ok(Teacher {
            info,
            model,
            stream,
            name: file.name.clone(),
        })
    }

    /// What was found.
    pub fn info(&self) -> &TeacherInfo {
        &self.info
    }

    /// The path of its file, or what stands for it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Something that runs it and yields the class token and `x_i` for each `i` in `streams`
    /// (0 is the embedding, `L` the last block's output).
    pub fn runner(&self, streams: &[usize]) -> Result<TeacherRunner, TeacherError> {
        let mut streams = streams.to_vec();
        streams.sort_unstable();
        streams.dedup();
        let plan = shielded(|| {
            let mut outlets = vec![self.stream.final_norm];
            outlets.extend(streams.iter().map(|&i| self.stream.outlets[i]));
            let mut model = self.model.clone().with_output_outlets(&outlets)?;
            if self.info.precision == Precision::F16 {
                half_precision().transform(&mut model)?;
            }
            model.into_optimized()?.into_runnable()
        })
        .map_err(|message| TeacherError::Load {
            path: self.name.clone(),
            message,
        })?;
        Ok(TeacherRunner {
            plan,
            streams,
            info: self.info.clone(),
        })
    }
}

/// Loads and types the model with its input fixed; gives the input's `[columns, rows]`.
fn typed(file: &TeacherFile) -> TractResult<Result<(TypedModel, [u32; 2]), NotAVit>> {
    let onnx = tract_onnx::onnx()
        .with_ignore_value_info(true)
        .with_ignore_output_shapes(true);
    let mut model = onnx.model_for_read(&mut &file.bytes[..])?;
    let shape = &model.input_fact(0)?.shape;
    let declared: Vec<Option<usize>> = shape
        .dims()
        .map(|d| d.concretize().and_then(|d| d.to_usize().ok()))
        .collect();
    let is_ranked = shape.rank().concretize().is_some();
    let channels = declared.get(1).copied().flatten();
    if (is_ranked && declared.len() != 4) || channels.is_some_and(|channels| channels != 3) {
        return Ok(Err(NotAVit::NoPicture(format!("{shape:?}"))));
    }
    let side = |axis: usize, given: Option<u32>| -> u32 {
        let fixed = declared.get(axis).copied().flatten().map(|d| d as u32);
        fixed.or(given).unwrap_or(224)
    };
    let size = [
        side(3, file.sidecar.input.map(|i| i[0])),
        side(2, file.sidecar.input.map(|i| i[1])),
    ];
    let shape = [1, 3, size[1] as usize, size[0] as usize];
    model.set_input_fact(0, f32::fact(shape).into())?;
    Ok(Ok((model.into_typed()?, size)))
}

/// Runs engine code that may panic on a damaged file, and gives its error or panic as text.
pub(super) fn shielded<T>(work: impl FnOnce() -> TractResult<T>) -> Result<T, String> {
    match caught(work) {
        Ok(result) => result.map_err(|error| format!("{error:#}")),
        Err(panic) => Err(format!("the engine gave up: {panic}")),
    }
}

/// A teacher ready to run. Cheap to clone; every thread may have one.
#[derive(Debug, Clone)]
pub struct TeacherRunner {
    plan: Arc<TypedSimplePlan>,
    streams: Vec<usize>,
    info: TeacherInfo,
}

/// What the teacher gave for one frame.
#[derive(Debug)]
pub struct TeacherOutput {
    z: Vec<f32>,
    streams: Vec<(usize, TValue)>,
}

impl TeacherRunner {
    /// What was found in the file.
    pub fn info(&self) -> &TeacherInfo {
        &self.info
    }

    /// Runs it on `input`, `[3, height, width]`. The error is the engine's text.
    pub fn run(&self, input: &[f32]) -> Result<TeacherOutput, String> {
        let size = &self.info.preprocessing;
        let shape = [1, 3, size.height as usize, size.width as usize];
        shielded(|| {
            let input = Tensor::from_shape(&shape, input)?;
            let outputs = match self.info.precision {
                Precision::F32 => self.plan.run(tvec!(input.into_tvalue()))?,
                Precision::F16 => self.run_half(&input)?,
            };
            let mut outputs = outputs.into_iter();
            let normed = outputs.next().context("the engine gave no output")?;
            let z = class_token(&normed, &self.info)?;
            Ok(TeacherOutput {
                z,
                streams: self.streams.iter().copied().zip(outputs).collect(),
            })
        })
    }

    /// Runs the graph of half precision; outputs in single precision.
    fn run_half(&self, input: &Tensor) -> TractResult<TVec<TValue>> {
        let input = input.cast_to_dt(DatumType::F16)?.into_owned().into_tvalue();
        let outputs = self.plan.run(tvec!(input))?.into_iter();
        let single = outputs.map(|half| Ok(half.cast_to::<f32>()?.into_owned().into_tvalue()));
        single.collect()
    }
}

/// The same graph with its products in half precision, its input and outputs too. Norms, softmax and the
/// residual stream stay single: squares of large tokens are beyond what half precision holds.
fn half_precision() -> FloatPrecisionTranslator {
    let is_product = |node: &TypedNode| node.op_is::<EinSum>();
    FloatPrecisionTranslator::with_filter(DatumType::F32, DatumType::F16, is_product)
}

/// The class token of `[1, N, D]`; what a graph selected before its norm, `[1, D]`; the mean over
/// patches where there is no class token.
fn class_token(normed: &TValue, info: &TeacherInfo) -> TractResult<Vec<f32>> {
    let view = normed.view();
    let values = view.as_slice::<f32>()?;
    if values.len() != info.tokens * info.width || info.prefix_tokens > 0 {
        return Ok(values[..info.width].to_vec());
    }
    let mut mean = vec![0f32; info.width];
    for token in values.chunks_exact(info.width) {
        mean.iter_mut()
            .zip(token)
            .for_each(|(m, v)| *m += v / info.tokens as f32);
    }
    Ok(mean)
}

impl TeacherOutput {
    /// Class token after the final norm, `[D]`.
    pub fn z(&self) -> &[f32] {
        &self.z
    }

    /// `x_i`, `[N, D]`.
    ///
    /// # Panics
    /// If the runner was not made to yield `x_i`: a programming error.
    pub fn stream(&self, i: usize) -> &[f32] {
        let view = self.tensor(i).view();
        view.as_slice::<f32>().expect("the typed graph says f32")
    }

    pub(super) fn tensor(&self, i: usize) -> &TValue {
        let found = self.streams.iter().find(|(stream, _)| *stream == i);
        &found.expect("the runner was made to yield this stream").1
    }
}

#[cfg(test)]
#[path = "teacher_tests.rs"]
mod tests;
