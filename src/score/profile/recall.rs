//! Recall frames: pictures that people called bad, in the Profile, each with what it scored.
//!
//! They are a test, never a teacher: no statistic sees them. Whoever makes a Profile in the place of
//! this one scores them by the new statistics, and no threshold may call one normal without somebody's
//! having said so. Here are their files and bounds; who decodes and infers is not known here.

use std::ffi::OsStr;

use super::{Profile, sha256};
use crate::score::threshold::Level;

/// Recall frames of a Profile at most, and the bytes of all their files together: each is scored
/// whenever a Profile takes another's place.
pub const MOST_RECALL: usize = 32;
/// See [`MOST_RECALL`].
pub const RECALL_BYTES: usize = 16 << 20;

/// A recall frame without its picture.
///
/// It is found where somebody hears of it: where its score is anomalous, and also where the scene as a
/// whole is at fault in it, since the daemon tells that instead. It passes where its score is normal and
/// its scene is not at fault.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Recall {
    /// Name of its file, beside `profile.json`.
    pub file: String,
    /// What it scored, as published.
    pub value: f64,
    /// Whether it passes, and somebody has accepted that.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_missed: bool,
    /// Whether the scene as a whole is at fault in it, whatever it scores.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    is_scene_fault: bool,
}

impl Recall {
    /// Whether the scene is at fault. An earlier version said so only in that a normal score was not
    /// missed.
    pub fn has_scene_fault(&self) -> bool {
        let is_normal = self.value <= Level::CALIBRATED.get();
        self.is_scene_fault || (is_normal && !self.is_missed)
    }

    /// Whether it would pass with the threshold moved to `level`.
    pub fn passes_at(&self, level: Level) -> bool {
        !self.has_scene_fault() && self.value <= level.get()
    }
}

/// A recall frame: its picture as a file, and what it scored.
#[derive(Debug, Clone, PartialEq)]
pub struct RecallFrame {
    recall: Recall,
    bytes: Vec<u8>,
}

impl RecallFrame {
    /// The `number`-th of a Profile, counted from 1: a JPEG or PNG file, what it scored, and whether its
    /// scene is at fault.
    pub fn new(number: usize, bytes: Vec<u8>, value: f64, is_scene_fault: bool) -> Self {
        let is_png = bytes.starts_with(b"\x89PNG");
        let extension = if is_png { "png" } else { "jpg" };
        let recall = Recall {
            file: format!("recall-{number}.{extension}"),
            value,
            is_missed: !is_scene_fault && value <= Level::CALIBRATED.get(),
            is_scene_fault,
        };
        RecallFrame { recall, bytes }
    }

    pub(super) fn loaded(recall: Recall, bytes: Vec<u8>) -> Self {
        RecallFrame { recall, bytes }
    }

    /// What it scored, and the name of its file.
    pub fn scored(&self) -> &Recall {
        &self.recall
    }

    /// The file.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

impl Profile {
    /// The same with these recall frames.
    #[must_use]
    pub fn with_recall(mut self, recall: Vec<RecallFrame>) -> Profile {
        for frame in &recall {
            let (file, hash) = (frame.scored().file.clone(), sha256(frame.bytes()));
            self.manifest.files.insert(file, hash);
        }
        self.manifest.recall = recall.iter().map(|frame| frame.scored().clone()).collect();
        Profile { recall, ..self }.sealed()
    }

    /// Takes the recall frames out, as [`Profile::take_golden`] does.
    pub fn take_recall(&mut self) -> Vec<RecallFrame> {
        std::mem::take(&mut self.recall)
    }
}

/// Whether a file of a Profile may be called so.
pub(super) fn is_recall_name(name: &OsStr) -> bool {
    let number = name.to_str().and_then(|name| {
        let stem = name.strip_prefix("recall-")?;
        stem.strip_suffix(".jpg").or(stem.strip_suffix(".png"))
    });
    number.is_some_and(|number| {
        (1..=2).contains(&number.len()) && number.bytes().all(|c| c.is_ascii_digit())
    })
}
