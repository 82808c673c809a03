//! What a Profile becomes when it is refined: the same student and scene, scored by other statistics.

use super::material::encode;
use super::{MATERIAL, Manifest, Profile, STATISTICS, arrays, sha256};
use crate::score::refit::Material;
use crate::score::statistics::Statistics;
use crate::score::threshold::Level;

/// One refining of a Profile: how many frames were new.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Refined {
    /// Frames that people called fine.
    pub fine: usize,
    /// Frames that people called bad.
    pub bad: usize,
}

impl Manifest {
    /// Whether the Profile can be refined.
    pub fn has_material(&self) -> bool {
        self.files.contains_key(MATERIAL)
    }

    /// The hashes of the recall frames' files.
    pub fn recall_hashes(&self) -> impl Iterator<Item = &String> {
        let files = self.recall.iter().map(|frame| &frame.file);
        files.filter_map(|file| self.files.get(file))
    }

    /// Recall frames that pass.
    pub fn missed(&self) -> usize {
        self.recall.iter().filter(|frame| frame.is_missed).count()
    }

    /// Recall frames that would pass with the threshold moved to `level`.
    pub fn missed_at(&self, level: Level) -> usize {
        let frames = self.recall.iter();
        frames.filter(|frame| frame.passes_at(level)).count()
    }
}

impl Profile {
    /// The same with what it can be refined by.
    #[must_use]
    pub fn with_material(mut self, material: Material) -> Profile {
        let hash = sha256(&encode(&material));
        self.manifest.files.insert(MATERIAL.to_owned(), hash);
        let material = Some(material);
        Profile { material, ..self }.sealed()
    }

    /// The same scored by other statistics, without golden and recall frames: both are to be scored anew.
    #[must_use]
    pub fn refined(mut self, statistics: Statistics, by: Refined, at: jiff::Timestamp) -> Profile {
        let arrays = arrays::encode(&statistics, self.scene.as_deref());
        let manifest = &mut self.manifest;
        let pictures = manifest.golden.drain(..).map(|golden| golden.file);
        let pictures = pictures.chain(manifest.recall.drain(..).map(|recall| recall.file));
        for file in pictures {
            manifest.files.remove(&file);
        }
        manifest
            .files
            .insert(STATISTICS.to_owned(), sha256(&arrays));
        manifest.scales = statistics.scales[0];
        manifest.further_lights = statistics.scales[1..].to_vec();
        manifest.looks = statistics.looks;
        manifest.deciding = statistics.deciding.numbers();
        manifest.local = statistics.local.numbers();
        manifest.promise = statistics.promise;
        manifest.refined.push(by);
        self.receipt.refined_at = Some(at);
        let (golden, recall) = (Vec::new(), Vec::new());
        Profile {
            statistics,
            golden,
            recall,
            ..self
        }
        .sealed()
    }

    /// What it can be refined by; none in a Profile of an earlier version, and where it was not loaded
    /// whole.
    pub fn take_material(&mut self) -> Option<Material> {
        self.material.take()
    }
}
