//! The teacher: a plain ViT.
//!
//! [`TeacherFile`] is its file as read, [`Teacher`] what was understood of it, [`TeacherRunner`] what
//! can run. What can't run has no `run`. A file that is damaged, or no ViT, ends as an error that
//! names it; a panic inside the engine on such a file is caught and reported so too.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use anyhow::Context as _;
use tract_onnx::prelude::*;
use tract_onnx::tract_hir::infer::Factoid as _;
use tract_onnx::tract_hir::internal::DimLike as _;

use super::residual_stream::{NotAVit, ResidualStream};
use super::teacher_file::{TeacherError, TeacherFile};
use super::{Grid, TeacherInfo};
use crate::preprocess::Preprocessing;

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
            self.model
                .clone()
                .with_output_outlets(&outlets)?
                .into_optimized()?
                .into_runnable()
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
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(result) => result.map_err(|error| format!("{error:#}")),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            let text = text.or_else(|| panic.downcast_ref::<&str>().map(|s| (*s).to_owned()));
            Err(format!("the engine gave up: {}", text.unwrap_or_default()))
        }
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
            let mut outputs = self.plan.run(tvec!(input.into_tvalue()))?.into_iter();
            let normed = outputs.next().context("the engine gave no output")?;
            let z = class_token(&normed, &self.info)?;
            Ok(TeacherOutput {
                z,
                streams: self.streams.iter().copied().zip(outputs).collect(),
            })
        })
    }
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
mod tests {
    use super::super::fixture::{WIDTH, Wiring, vit};
    use super::*;

    fn file(bytes: Vec<u8>) -> TeacherFile {
        TeacherFile::assumed("vit.onnx", bytes)
    }

    fn refusal(bytes: Vec<u8>) -> String {
        let error = Teacher::load(&file(bytes)).err().map(anyhow::Error::from);
        format!("{:#}", error.expect("the file is refused"))
    }

    #[test]
    fn a_plain_vit_is_understood_whatever_its_depth_and_prefix() {
        for (blocks, prefix, class_first) in
            [(1, 1, false), (3, 1, true), (2, 5, false), (12, 0, false)]
        {
            let teacher = Teacher::load(&file(vit(blocks, prefix, Wiring::PreNorm, class_first)));
            let info = teacher.expect("it loads").info().clone();
            assert_eq!((info.blocks, info.width, info.heads), (blocks, WIDTH, 2));
            assert_eq!((info.tokens, info.prefix_tokens), (prefix + 4, prefix));
            assert_eq!((info.grid.rows, info.grid.columns), (2, 2));
            assert_eq!(
                (info.preprocessing.width, info.preprocessing.height),
                (32, 32)
            );
        }
    }

    #[test]
    fn streams_and_class_token_come_in_their_shapes_and_differ_from_each_other() {
        let teacher = Teacher::load(&file(vit(3, 1, Wiring::PreNorm, true))).expect("loads");
        let runner = teacher.runner(&[3, 0, 1]).expect("plans");
        let input: Vec<f32> = (0..3 * 32 * 32).map(|i| (i as f32 * 0.1).sin()).collect();
        let output = runner.run(&input).expect("runs");
        assert_eq!(output.z().len(), WIDTH);
        for i in [0, 1, 3] {
            assert_eq!(output.stream(i).len(), 5 * WIDTH);
        }
        assert_ne!(output.stream(0), output.stream(1));
        assert_ne!(output.stream(1), output.stream(3));
    }

    #[test]
    fn the_class_token_is_the_same_whether_selected_before_or_after_the_norm() {
        let input: Vec<f32> = (0..3 * 32 * 32).map(|i| (i as f32 * 0.1).sin()).collect();
        let z = |class_first| {
            let teacher =
                Teacher::load(&file(vit(2, 1, Wiring::PreNorm, class_first))).expect("loads");
            teacher
                .runner(&[])
                .expect("plans")
                .run(&input)
                .expect("runs")
                .z()
                .to_vec()
        };
        // The fixture draws the norm's weights after the same number of others in both.
        for (a, b) in z(false).iter().zip(z(true)) {
            assert!((a - b).abs() < 1e-5, "{a} {b}");
        }
    }

    #[test]
    fn other_transformers_are_refused_with_the_reason() {
        let cases = [
            (Wiring::PostNorm, "do not form one chain"),
            (Wiring::Parallel, "do not form one chain"),
            (Wiring::NoAttention, "does not start with attention"),
        ];
        for (wiring, reason) in cases {
            let message = refusal(vit(2, 1, wiring, false));
            assert!(
                message.starts_with("vit.onnx is not a plain ViT"),
                "{message}"
            );
            assert!(message.contains(reason), "{message}");
        }
    }

    #[test]
    fn damaged_files_are_refused_by_name_and_never_panic() {
        let good = vit(2, 1, Wiring::PreNorm, false);
        for end in [0, 1, 10, good.len() / 2, good.len() - 1] {
            let message = refusal(good[..end].to_vec());
            assert!(message.starts_with("vit.onnx is"), "{message}");
        }
        assert!(refusal(b"GIF89a, not a network".to_vec()).starts_with("vit.onnx is"));
    }

    #[test]
    fn a_missing_file_and_a_wrong_sidecar_are_named() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("mine.onnx");
        let error = TeacherFile::open(Some(&path)).expect_err("nothing there");
        assert!(error.to_string().contains("mine.onnx"), "{error}");
        std::fs::write(&path, vit(1, 1, Wiring::PreNorm, false)).expect("writes");
        std::fs::write(
            folder.path().join("mine.toml"),
            "mean = [0, 0, 0]\nstd = [1, 0, 1]",
        )
        .expect("writes");
        let error = TeacherFile::open(Some(&path)).expect_err("a zero deviation");
        assert!(error.to_string().contains("mine.toml"), "{error}");
    }
}
