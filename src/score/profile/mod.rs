//! Profile: the result of calibration, on disk as one directory.
//!
//! `profile.json` says what the Profile was made of and holds the hashes of the student and of the
//! statistics beside it, so its own hash, the [`id`](Profile::id), names the whole content: equal
//! content has equal bytes. `receipt.json` says when and where it was made and is no part of that
//! identity. A Profile that does not fit, or is damaged, is refused with the way out; it is never
//! repaired.

mod arrays;
mod error;
mod golden;
mod install;
mod load;
mod material;
mod recall;
mod refined;
mod rollback;
mod save;
mod tensors;

use std::collections::BTreeMap;
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

pub use self::error::ProfileError;
pub use self::golden::{GOLDEN_BYTES, Golden, GoldenFrame, GoldenScores};
pub use self::install::Staged;
pub use self::recall::{MOST_RECALL, RECALL_BYTES, Recall, RecallFrame};
pub use self::refined::Refined;
pub use self::rollback::previous_of;
pub use self::save::check_target;
use super::Scoring;
use super::budget::Promise;
use super::parts::PartScales;
use super::refit::Material;
use super::statistics::Statistics;
use super::threshold::ThresholdNumbers;
use crate::capture::CameraSettings;
use crate::infer::TeacherInfo;
use crate::preprocess::scene::SceneNumbers;
use crate::preprocess::{Rejection, SceneReference, View};

/// The version of the format that is written, and the newest that is read.
///
/// 2: the view, the camera's settings, what the scene looks like. 3: the promise, the alarm line,
/// golden frames, several lights, the material, recall frames, the memory bank. A Profile of a former format is read as one
/// without them.
pub const FORMAT: u32 = 3;

const MANIFEST: &str = "profile.json";
const RECEIPT: &str = "receipt.json";
const STUDENT: &str = "student.onnx";
const STATISTICS: &str = "statistics.safetensors";
const MATERIAL: &str = "material.safetensors";
/// What calibration found, for people and for programs. It lies beside the Profile's own files, is no
/// part of its identity, and is never read again.
pub const REPORTS: [&str; 2] = ["report.html", "report.json"];

/// What a Profile was made of.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Origin {
    /// The teacher; scoring with another is refused.
    pub teacher: TeacherInfo,
    /// The student.
    pub student: StudentShape,
    /// Size of the footage's pictures; none where they differed.
    pub frame: Option<FrameSize>,
    /// The part of the pictures that was looked at; all of it in format 1.
    #[serde(default, skip_serializing_if = "View::is_whole")]
    pub view: View,
    /// Normal frames calibrated on.
    pub normal_frames: usize,
    /// Passes over them that the student was trained for.
    pub epochs: usize,
    /// Seed of the student and of the order of its training.
    pub seed: u64,
    /// How the camera was set; none where `calibrate` did not film the footage itself.
    pub camera: Option<CameraSettings>,
}

impl Origin {
    /// Checks a picture's size against the normal footage's.
    ///
    /// # Errors
    /// [`Rejection::Format`] where the footage had one size and the picture has another.
    pub fn check_frame(&self, width: u32, height: u32) -> Result<(), Rejection> {
        match self.frame {
            Some(frame) if (frame.width, frame.height) != (width, height) => {
                Err(Rejection::Format {
                    width,
                    height,
                    expected_width: frame.width,
                    expected_height: frame.height,
                })
            }
            _ => Ok(()),
        }
    }
}

/// What a student is made of.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StudentShape {
    /// The blocks that it imitates, 1-based, rising.
    pub blocks: Vec<usize>,
    /// Width of the MLP's inner layer.
    pub mlp_width: usize,
}

/// Size of a picture in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FrameSize {
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
}

/// The content of `profile.json`.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of the format.
    pub format: u32,
    /// Which score decides.
    pub scoring: Scoring,
    /// What it was made of.
    pub origin: Origin,
    /// Mean and deviation of each part on held-out frames, in the first light.
    pub scales: PartScales,
    /// The same in each other light, where there are several.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub further_lights: Vec<PartScales>,
    /// Threshold of the deciding score.
    pub deciding: ThresholdNumbers,
    /// Threshold of the local score.
    pub local: ThresholdNumbers,
    /// How many false alarms were promised; none in formats 1 and 2.
    #[serde(default)]
    pub promise: Option<Promise>,
    /// How many held-out frames count as one, by each measure of drift; none in formats 1 and 2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub looks: Option<[f64; 6]>,
    /// What the scene looks like as a whole; none in format 1.
    #[serde(default)]
    pub scene: Option<SceneNumbers>,
    /// What the golden frames score; none before format 3.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub golden: Vec<Golden>,
    /// How often it was refined since it was calibrated, and with what.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub refined: Vec<Refined>,
    /// What people called bad, and what it scored.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub recall: Vec<Recall>,
    /// Lower-case hexadecimal SHA-256 of each other file, by name.
    pub files: BTreeMap<String, String>,
}

/// When, where and by what a Profile was made. Not part of its identity.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Receipt {
    /// When calibration ended.
    pub calibrated_at: jiff::Timestamp,
    /// When it was last refined, where it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refined_at: Option<jiff::Timestamp>,
    /// How long it took, in seconds.
    pub seconds: f64,
    /// Version of inspectd.
    pub version: String,
    /// Name of the machine.
    pub host: String,
    /// Where the teacher lay; none for the bundled one. A hint: its hash decides.
    pub teacher: Option<std::path::PathBuf>,
}

impl Receipt {
    /// When the Profile became what it is.
    pub fn made_at(&self) -> jiff::Timestamp {
        self.refined_at.unwrap_or(self.calibrated_at)
    }
}

/// The content of `receipt.json`.
#[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct IssuedReceipt {
    /// The identity of the Profile that it belongs to.
    profile: String,
    receipt: Receipt,
}

/// The result of a calibration: student, statistics, and what they were made of.
#[derive(Debug, Clone, PartialEq)]
pub struct Profile {
    id: String,
    manifest: Manifest,
    receipt: Receipt,
    statistics: Statistics,
    scene: Option<Arc<SceneReference>>,
    student: Vec<u8>,
    golden: Vec<GoldenFrame>,
    /// Only where it was loaded whole, or made here.
    material: Option<Material>,
    recall: Vec<RecallFrame>,
}

impl Profile {
    /// Puts a Profile together; `student` is an ONNX file.
    pub fn new(
        origin: Origin,
        statistics: Statistics,
        scene: Option<SceneReference>,
        student: Vec<u8>,
        receipt: Receipt,
    ) -> Profile {
        let files = [
            (STUDENT, sha256(&student)),
            (
                STATISTICS,
                sha256(&arrays::encode(&statistics, scene.as_ref())),
            ),
        ];
        let manifest = Manifest {
            format: FORMAT,
            scoring: statistics.scoring,
            origin,
            scales: statistics.scales[0],
            further_lights: statistics.scales[1..].to_vec(),
            deciding: statistics.deciding.numbers(),
            local: statistics.local.numbers(),
            promise: statistics.promise,
            looks: statistics.looks,
            scene: scene.as_ref().map(|scene| scene.numbers().clone()),
            golden: Vec::new(),
            refined: Vec::new(),
            recall: Vec::new(),
            files: files
                .into_iter()
                .map(|(name, hash)| (name.to_owned(), hash))
                .collect(),
        };
        let id = identity(&json(&manifest));
        Profile {
            id,
            manifest,
            receipt,
            statistics,
            scene: scene.map(Arc::new),
            student,
            golden: Vec::new(),
            material: None,
            recall: Vec::new(),
        }
    }

    /// The same with these golden frames, which make it another content.
    #[must_use]
    pub fn with_golden(mut self, golden: Vec<GoldenFrame>) -> Profile {
        for frame in &golden {
            let (file, hash) = (frame.scored().file.clone(), sha256(frame.bytes()));
            self.manifest.files.insert(file, hash);
        }
        self.manifest.golden = golden.iter().map(|frame| frame.scored().clone()).collect();
        Profile { golden, ..self }.sealed()
    }

    /// Its identity anew.
    fn sealed(mut self) -> Profile {
        self.id = identity(&json(&self.manifest));
        self
    }

    /// Takes the golden frames out: once they were scored, their pictures are only memory. What is
    /// left can score, but not be saved.
    pub fn take_golden(&mut self) -> Vec<GoldenFrame> {
        std::mem::take(&mut self.golden)
    }

    /// `sha256:` and the hash of `profile.json`: names the content.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The content of `profile.json`.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// When, where and by what it was made.
    pub fn receipt(&self) -> &Receipt {
        &self.receipt
    }

    /// What scores a frame.
    pub fn statistics(&self) -> &Statistics {
        &self.statistics
    }

    /// What the scene looks like as a whole; none in a Profile of format 1.
    pub fn scene(&self) -> Option<&Arc<SceneReference>> {
        self.scene.as_ref()
    }

    /// The student's ONNX file.
    pub fn student(&self) -> &[u8] {
        &self.student
    }
}

fn identity(manifest: &[u8]) -> String {
    format!("sha256:{}", sha256(manifest))
}

/// Lower-case hexadecimal SHA-256.
pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes)
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Indented JSON with a newline at the end.
fn json(value: &impl serde::Serialize) -> Vec<u8> {
    let mut bytes = serde_json::to_vec_pretty(value).expect("keys are strings and maps are owned");
    bytes.push(b'\n');
    bytes
}

#[cfg(test)]
mod tests;
