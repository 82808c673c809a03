//! SceneFootage: the looks of normal footage as they are gathered for a [`SceneReference`].
//!
//! Of each frame a few kilobytes are kept. Differences of consecutive frames count only where the
//! footage is a film: of stills in any order they say nothing about noise.

use std::sync::Arc;

use super::check::SceneCheck;
use super::look::{Appearance, Look};
use super::reference::SceneReference;
use super::unmasked::Unmasked;

/// The share of consecutive differences that lies below the noise floor.
const QUANTILE: usize = 100;
/// Fewer differences than this tell no noise floor.
const FEWEST: usize = 10;
/// Differences of less, in grey levels, are an encoder's repetitions and no noise of a camera.
const LEAST_NOISE: f64 = 0.05;
/// More, in grey levels, is motion: a noise floor is never taken to be higher.
const MOST_NOISE: f64 = 2.0;

/// The looks of normal footage.
#[derive(Debug)]
pub struct SceneFootage {
    is_film: bool,
    frames: Vec<Appearance>,
    /// What of the pictures counts, from the first one on.
    unmasked: Option<Arc<Unmasked>>,
    /// The picture before, with its number in the footage.
    last: Option<(usize, Vec<u8>)>,
    /// Mean differences of consecutive pictures, in grey levels.
    differences: Vec<f64>,
    run: u64,
    longest_run: u64,
}

impl SceneFootage {
    /// Of no frames yet; `is_film` says that the frames follow each other in time.
    pub fn new(is_film: bool) -> Self {
        Self {
            is_film,
            frames: Vec::new(),
            unmasked: None,
            last: None,
            differences: Vec::new(),
            run: 1,
            longest_run: 1,
        }
    }

    /// Whether the frame `index` is worth a look only for its difference from the one before.
    pub fn wants_neighbour(&self, index: usize) -> bool {
        let follows = |last: &(usize, Vec<u8>)| last.0 + 1 == index;
        self.is_film && self.last.as_ref().is_some_and(follows)
    }

    /// Takes the frame `index` of the footage.
    pub fn take(&mut self, index: usize, look: &Look) {
        self.take_neighbour(index, look);
        self.frames.push(look.appearance.clone());
        self.unmasked
            .get_or_insert_with(|| Arc::clone(&look.unmasked));
    }

    /// Takes the frame `index` only for its difference from the one before.
    pub fn take_neighbour(&mut self, index: usize, look: &Look) {
        if let Some((before, picture)) = &self.last
            && before + 1 == index
            && self.is_film
        {
            let difference = mean_difference(picture, look.picture());
            self.run = if difference == 0.0 { self.run + 1 } else { 1 };
            self.longest_run = self.longest_run.max(self.run);
            self.differences.push(difference);
        } else {
            self.run = 1;
        }
        self.last = Some((index, look.picture().to_vec()));
    }

    /// The reference of all frames taken, which were looked at alike. None where there are no
    /// frames.
    pub fn fit(mut self) -> Option<SceneReference> {
        self.differences.sort_unstable_by(f64::total_cmp);
        let noise = (self.differences.len() >= FEWEST)
            .then(|| self.differences[self.differences.len() / QUANTILE].min(MOST_NOISE));
        let noise = noise.filter(|noise| *noise >= LEAST_NOISE);
        let unmasked = self.unmasked?;
        let mut reference = SceneReference::fit(&self.frames, &unmasked, noise, self.longest_run)?;
        let mut check = SceneCheck::new(Arc::new(reference.clone()), None);
        let mut is_at_fault = |frame: &Appearance| check.judge(frame, &unmasked, None).is_some();
        reference.numbers.set_aside = self
            .frames
            .iter()
            .filter(|frame| is_at_fault(frame))
            .count() as u64;
        Some(reference)
    }
}

/// Mean absolute difference of two pictures in grey levels; that of black and white where their
/// sizes differ.
pub(super) fn mean_difference(a: &[u8], b: &[u8]) -> f64 {
    if a.len() != b.len() || a.is_empty() {
        return 255.0;
    }
    let sums = a.chunks(4096).zip(b.chunks(4096)).map(|(a, b)| {
        let differences = a.iter().zip(b).map(|(a, b)| u32::from(a.abs_diff(*b)));
        u64::from(differences.sum::<u32>())
    });
    sums.sum::<u64>() as f64 / a.len() as f64
}
