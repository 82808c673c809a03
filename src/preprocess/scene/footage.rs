//! SceneFootage: the looks of normal footage as they are gathered for a [`SceneReference`].
//!
//! Of each frame a few kilobytes are kept. Differences of consecutive frames count only where the
//! footage is a film: of stills in any order they say nothing about noise.

use std::sync::Arc;
use std::time::Duration;

use super::check::SceneCheck;
use super::look::{Appearance, CELLS, GRID, Look};
use super::reference::SceneReference;
use super::repeats::Repeats;
use super::unmasked::Unmasked;

/// The share of consecutive differences that lies below the noise floor.
const QUANTILE: usize = 100;
/// Fewer differences than this tell no noise floor.
const FEWEST: usize = 10;
/// Differences of less, in grey levels, are an encoder's repetitions and no noise of a camera.
const LEAST_NOISE: f64 = 0.05;
/// More, in grey levels, is motion all over the picture, which tells no noise: were a scene like that
/// to stop, its true noise could lie below a tenth of it. Cameras of 1280x720 and 1920x1080 have 0.12 to
/// 0.18 after the resize.
const MOST_NOISE: f64 = 0.6;
/// Of the cells of a picture so many stand still at least while something moves: one of ten.
const STILL: usize = 10;

/// The looks of normal footage.
#[derive(Debug)]
pub struct SceneFootage {
    is_film: bool,
    frames: Vec<Appearance>,
    /// What of the pictures counts, from the first one on.
    unmasked: Option<Arc<Unmasked>>,
    /// The picture before, with its number in the footage.
    last: Option<(usize, Vec<u8>)>,
    /// Differences of consecutive pictures where they stand still, in grey levels.
    differences: Vec<f64>,
    repeats: Repeats,
    /// Pictures without a new one, up to now, and since when; time only where the footage has it.
    run: (u64, Option<Duration>),
    pauses: Pauses,
}

/// How a footage repeats pictures, as encoders of still scenes do.
#[derive(Debug, Clone, Copy, Default, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Pauses {
    /// The longest run without a new picture, in frames.
    pub(super) frames: u64,
    /// The same in seconds, where the frames have times.
    pub(super) seconds: Option<f64>,
    /// Pictures that are a repetition.
    pub(super) repeated: u64,
    /// Pictures that might have been one: those that follow another.
    pub(super) following: u64,
}

impl Pauses {
    /// Whether a picture that stands still is no sign of a fault.
    pub(super) fn prevail(&self) -> bool {
        2 * self.repeated > self.following
    }

    pub(super) fn is_sound(&self) -> bool {
        let seconds = self.seconds.unwrap_or_default();
        seconds.is_finite() && seconds >= 0.0 && self.repeated <= self.following
    }
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
            repeats: Repeats::default(),
            run: (1, None),
            pauses: Pauses {
                frames: 1,
                ..Pauses::default()
            },
        }
    }

    /// Whether the frame `index` is worth a look only for its difference from the one before.
    pub fn wants_neighbour(&self, index: usize) -> bool {
        let follows = |last: &(usize, Vec<u8>)| last.0 + 1 == index;
        self.is_film && self.last.as_ref().is_some_and(follows)
    }

    /// Takes the frame `index` of the footage, taken `at` where that is known.
    pub fn take(&mut self, index: usize, at: Option<Duration>, look: &Look) {
        self.take_neighbour(index, at, look);
        self.frames.push(look.appearance.clone());
        self.unmasked
            .get_or_insert_with(|| Arc::clone(&look.unmasked));
    }

    /// Takes the frame `index` only for its difference from the one before.
    pub fn take_neighbour(&mut self, index: usize, at: Option<Duration>, look: &Look) {
        let is_known = self.repeats.knows(look.picture());
        if let Some((before, picture)) = &self.last
            && before + 1 == index
            && self.is_film
        {
            self.differences
                .push(still_difference(picture, look.picture(), &look.unmasked));
            self.pauses.following += 1;
            if is_known {
                self.lengthen_run(at);
            } else {
                self.run = (1, at);
            }
        } else {
            self.run = (1, at);
        }
        self.last = Some((index, look.picture().to_vec()));
    }

    fn lengthen_run(&mut self, at: Option<Duration>) {
        let (frames, since) = &mut self.run;
        *frames += 1;
        let lasted = at.zip(*since).map(|(at, since)| at.saturating_sub(since));
        let lasted = lasted.map(|lasted| lasted.as_secs_f64());
        self.pauses.frames = self.pauses.frames.max(*frames);
        self.pauses.seconds = lasted
            .into_iter()
            .chain(self.pauses.seconds)
            .reduce(f64::max);
        self.pauses.repeated += 1;
    }

    /// The reference of all frames taken, which were looked at alike, with several kinds of light where
    /// there are some. None where there are no frames.
    pub fn fit(&self) -> Option<SceneReference> {
        Some(self.set_aside(self.fit_one_light()?.by_lights(&self.frames)))
    }

    /// The same, with all light taken for one kind.
    pub fn fit_as_one_light(&self) -> Option<SceneReference> {
        Some(self.set_aside(self.fit_one_light()?))
    }

    /// Of which kind of light each frame is.
    pub fn lights(&self, reference: &SceneReference) -> Vec<usize> {
        let frames = self.frames.iter();
        frames.map(|frame| reference.kind_of(frame)).collect()
    }

    /// What the user should know of these frames as a whole, one sentence each.
    pub fn warnings(&self, reference: &SceneReference) -> Vec<String> {
        let few = reference.too_few(&self.frames);
        few.into_iter().chain(reference.warnings()).collect()
    }

    fn fit_one_light(&self) -> Option<SceneReference> {
        let mut differences = self.differences.clone();
        differences.sort_unstable_by(f64::total_cmp);
        let noise =
            (differences.len() >= FEWEST).then(|| differences[differences.len() / QUANTILE]);
        let noise = noise.filter(|noise| (LEAST_NOISE..=MOST_NOISE).contains(noise));
        SceneReference::fit(&self.frames, self.unmasked.as_ref()?, noise, self.pauses)
    }

    /// Counts the frames that are a fault by what the others show.
    fn set_aside(&self, mut reference: SceneReference) -> SceneReference {
        let Some(unmasked) = &self.unmasked else {
            return reference;
        };
        let mut check = SceneCheck::new(Arc::new(reference.clone()), None);
        let mut is_at_fault = |frame: &Appearance| check.judge(frame, unmasked, None).is_some();
        reference.numbers.set_aside = self
            .frames
            .iter()
            .filter(|frame| is_at_fault(frame))
            .count() as u64;
        reference
    }
}

/// Mean absolute difference, in grey levels, of that cell of two pictures of which a tenth of the cells
/// is stiller: what moves elsewhere does not count.
fn still_difference(a: &[u8], b: &[u8], unmasked: &Unmasked) -> f64 {
    let row = 3 * unmasked.width;
    let height = a.len() / row;
    let mut sums = [(0_u64, 0_usize); CELLS];
    for (y, (a, b)) in a.chunks_exact(row).zip(b.chunks_exact(row)).enumerate() {
        let cells = &mut sums[y * GRID / height * GRID..][..GRID];
        for (column, (sum, count)) in cells.iter_mut().enumerate() {
            let edge = |column: usize| 3 * (column * unmasked.width / GRID);
            let span = edge(column)..edge(column + 1);
            let values = a[span.clone()].iter().zip(&b[span.clone()]);
            *sum += values.map(|(a, b)| u64::from(a.abs_diff(*b))).sum::<u64>();
            *count += span.len();
        }
    }
    let counted = sums.iter().zip(&unmasked.cells);
    let counted = counted.filter(|((_, count), is_used)| **is_used && *count > 0);
    let mut means: Vec<f64> = counted
        .map(|((sum, count), _)| *sum as f64 / *count as f64)
        .collect();
    let at = means.len() / STILL;
    match means.is_empty() {
        true => 0.0,
        false => *means.select_nth_unstable_by(at, f64::total_cmp).1,
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
