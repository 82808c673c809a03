//! Teacher's input to features. tract is named in this module only.
//!
//! A [`Teacher`] is a plain ViT whose residual stream was found in its ONNX file; a student's file
//! comes with a Profile. An [`Extractor`] runs both on one frame and gives [`Features`].

mod features;
#[cfg(test)]
mod fixture;
mod patches;
mod residual_stream;
mod student;
mod teacher;
mod teacher_file;

use crate::preprocess::{Prepared, Rejection};

pub use patches::Patches;
pub use residual_stream::NotAVit;
pub use student::{StudentOutput, StudentRunner};
pub use teacher::{Teacher, TeacherOutput, TeacherRunner};
pub use teacher_file::{Precision, Sidecar, TeacherError, TeacherFile, sidecar_of};

pub mod student_file;

/// What the models see in one frame. `D` is the width of the teacher, `P` its number of patches.
#[derive(Debug, Clone, PartialEq)]
pub struct Features {
    /// From the teacher alone.
    pub pretrained: PretrainedFeatures,
    /// From the student beside the teacher.
    pub discrepancy: DiscrepancyFeatures,
    /// See [`blended_tokens`], `[P, D]`; empty where no memory bank needs them.
    pub blended_tokens: Vec<f32>,
}

/// The pre-trained (agnostic) features.
#[derive(Debug, Clone, PartialEq)]
pub struct PretrainedFeatures {
    /// Class token after the final norm, `[D]`.
    pub z: Vec<f32>,
    /// Pooled patch tokens of the middle block (about 1/2 of the depth): mean over patches, then
    /// log(standard deviation over patches + 1e-4), `[2 D]`.
    pub pooled_mid: Vec<f32>,
    /// The same of the late block (about 5/6 of the depth), `[2 D]`.
    pub pooled_late: Vec<f32>,
}

/// The discrepancy (fine-tuned) features: student minus teacher.
#[derive(Debug, Clone, PartialEq)]
pub struct DiscrepancyFeatures {
    /// Per student block, in rising order: minus the mean over tokens and channels of
    /// `(S_i(x_{i-1}) - x_i)^2`, `[blocks]`.
    pub d: Vec<f64>,
    /// Mean over patches of `S_mid(x_{mid-1}) - x_mid`, `[D]`.
    pub residual: Vec<f32>,
    /// `S_mid(x_{mid-1}) - x_mid` of each patch, masked ones included, `[P, D]`.
    pub residual_tokens: Vec<f32>,
}

/// Rows and columns of the patches of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Grid {
    /// Patch rows.
    pub rows: usize,
    /// Patch columns.
    pub columns: usize,
}

/// What was found in a teacher's file.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct TeacherInfo {
    /// Lower-case hexadecimal SHA-256 of the ONNX file.
    pub sha256: String,
    /// Transformer blocks, `L`.
    pub blocks: usize,
    /// Width of the residual stream, `D`.
    pub width: usize,
    /// Attention heads.
    pub heads: usize,
    /// Tokens, `N`: prefix tokens and patches.
    pub tokens: usize,
    /// Class and register tokens before the patches.
    pub prefix_tokens: usize,
    /// The patches.
    pub grid: Grid,
    /// Input and normalisation.
    pub preprocessing: crate::preprocess::Preprocessing,
    /// What it is computed in.
    #[serde(default, skip_serializing_if = "Precision::is_single")]
    pub precision: Precision,
}

impl TeacherInfo {
    /// The middle block, 1-based: whose pooled tokens and residual the default score uses.
    pub fn mid(&self) -> usize {
        (self.blocks as f64 / 2.0).round().max(1.0) as usize
    }

    /// The late block, 1-based.
    pub fn late(&self) -> usize {
        (self.blocks as f64 * 5.0 / 6.0).round().max(1.0) as usize
    }
}

/// The streams of the teacher that the pre-trained features need.
pub fn pretrained_streams(info: &TeacherInfo) -> [usize; 2] {
    [info.mid(), info.late()]
}

/// The streams of the teacher that a memory bank needs: after about 1/3, 1/2 and 2/3 of its blocks.
pub fn bank_streams(info: &TeacherInfo) -> [usize; 3] {
    let third = |thirds: f64| (info.blocks as f64 * thirds / 3.0).round().max(1.0) as usize;
    [third(1.0), info.mid(), third(2.0)]
}

/// What a memory bank knows patches by (METHOD.md, section 3): the mean of the patch tokens of
/// [`bank_streams`], `[N, D]` each, every token scaled to mean 0 and deviation 1 first. Returns `[P, D]`,
/// masked patches included.
pub fn blended_tokens(streams: [&[f32]; 3], info: &TeacherInfo) -> Vec<f32> {
    features::blended_tokens(&streams, info.width, info.prefix_tokens)
}

/// The pre-trained features of one frame; pooled are the patches that are looked at.
pub fn pretrained_features(
    output: &TeacherOutput,
    info: &TeacherInfo,
    patches: &Patches,
) -> PretrainedFeatures {
    let pool = |block| {
        let stream = output.stream(block);
        features::pool(stream, info.width, info.prefix_tokens, patches)
    };
    PretrainedFeatures {
        z: output.z().to_vec(),
        pooled_mid: pool(info.mid()),
        pooled_late: pool(info.late()),
    }
}

/// The discrepancy features of one frame. `pairs` holds, per student block in rising order, its
/// number (1-based), `S_i(x_{i-1})` and `x_i`, each `[N, D]`; the middle block must be among them. Means are over the patches that are looked at, and
/// over class and register tokens where these take part.
pub fn discrepancy_features(
    pairs: &[(usize, &[f32], &[f32])],
    info: &TeacherInfo,
    patches: &Patches,
) -> DiscrepancyFeatures {
    let skip = info.prefix_tokens * info.width;
    let d = pairs.iter().map(|(_, student, teacher)| {
        features::discrepancy(student, teacher, info.width, skip, patches)
    });
    let mid = pairs.iter().find(|(block, _, _)| *block == info.mid());
    let (_, student, teacher) = mid.expect("every student has the middle block");
    let tokens = features::residual_tokens(student, teacher, info.width, info.prefix_tokens);
    DiscrepancyFeatures {
        d: d.collect(),
        residual: features::mean_token(&patches.kept_tokens(&tokens, info.width), info.width),
        residual_tokens: tokens,
    }
}

/// Teacher and one camera's student: a frame in, its features out.
#[derive(Debug, Clone)]
pub struct Extractor {
    teacher: TeacherRunner,
    student: StudentRunner,
    patches: Patches,
    blends: bool,
}

impl Extractor {
    /// `teacher` must yield [`pretrained_streams`] and the student's [`StudentRunner::streams`].
    pub fn new(teacher: TeacherRunner, student: StudentRunner) -> Extractor {
        let patches = Patches::all(teacher.info().grid);
        Extractor {
            teacher,
            student,
            patches,
            blends: false,
        }
    }

    /// The same where only these patches are looked at.
    pub fn looking_at(self, patches: Patches) -> Extractor {
        Extractor { patches, ..self }
    }

    /// The same with the tokens for a memory bank where there is one; the teacher must yield
    /// [`bank_streams`] then.
    pub fn blending(self, blends: bool) -> Extractor {
        Extractor { blends, ..self }
    }

    /// Runs both models.
    pub fn features(&self, prepared: &Prepared) -> Result<Features, Rejection> {
        let info = self.teacher.info();
        let teacher = self
            .teacher
            .run(&prepared.input)
            .map_err(Rejection::Inference)?;
        let student = self.student.run(&teacher).map_err(Rejection::Inference)?;
        let blocks = self.student.blocks();
        let pairs: Vec<_> = (0..blocks.len())
            .map(|n| (blocks[n], student.block(n), teacher.stream(blocks[n])))
            .collect();
        let blended_tokens = match self.blends {
            true => blended_tokens(bank_streams(info).map(|block| teacher.stream(block)), info),
            false => Vec::new(),
        };
        Ok(Features {
            pretrained: pretrained_features(&teacher, info, &self.patches),
            discrepancy: discrepancy_features(&pairs, info, &self.patches),
            blended_tokens,
        })
    }
}
