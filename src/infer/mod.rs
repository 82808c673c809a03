//! Teacher's input to features. tract is named in this module only.

pub mod student_file;

/// What the models see in one frame. `D` is the width of the teacher, `P` its number of patches.
#[derive(Debug, Clone, PartialEq)]
pub struct Features {
    /// From the teacher alone.
    pub pretrained: PretrainedFeatures,
    /// From the student beside the teacher.
    pub discrepancy: DiscrepancyFeatures,
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
    /// `S_mid(x_{mid-1}) - x_mid` of each patch, `[P, D]`.
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
