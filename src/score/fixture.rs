//! Seeded features for tests: correlated random vectors of a small teacher's shapes, and whole
//! statistics and Profiles calibrated on them by the public interface.

use rand::RngExt as _;
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

use super::Scoring;
use super::bank::MemoryBank;
use super::budget::{Budget, Pace};
use super::crossfit::{FOLDS, contiguous_folds};
use super::fit::{Draft, Fit, Measured, Taught};
use super::lines::Terms;
use super::moments::Moments;
use super::parts::FrameVectors;
use super::profile::{FrameSize, Origin, Profile, Receipt, StudentShape};
use super::refit::Material;
use super::statistics::Statistics;
use super::tokens::Scratch;
use crate::capture::{Frame, Moment, Pixels};
use crate::infer::{
    DiscrepancyFeatures, Features, Grid, Patches, Precision, PretrainedFeatures, TeacherInfo,
};
use crate::preprocess::scene::SceneFootage;
use crate::preprocess::{Interpolation, Preprocessing, Preprocessor, SceneReference, View};

/// Width of the teacher.
pub(crate) const WIDTH: usize = 6;
/// Its patches.
pub(crate) const GRID: Grid = Grid {
    rows: 4,
    columns: 5,
};
/// Blocks of the student.
pub(crate) const BLOCKS: [usize; 2] = [6, 8];

/// Features of `count` normal frames.
pub(crate) fn normal_frames(count: usize, seed: u64) -> Vec<Features> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    (0..count).map(|_| normal_frame(&mut random)).collect()
}

fn normal_frame(random: &mut ChaCha8Rng) -> Features {
    let light: f32 = random.random_range(-1.0..1.0);
    let mut vector = |width: usize, offset: f32| -> Vec<f32> {
        let values = (0..width).map(|i| {
            let own: f32 = random.random_range(-1.0..1.0);
            offset + own * (1.0 + (i % WIDTH) as f32 / 4.0) + light * 0.5
        });
        values.collect()
    };
    let pretrained = PretrainedFeatures {
        z: vector(WIDTH, 1.0),
        pooled_mid: vector(2 * WIDTH, 0.0),
        pooled_late: vector(2 * WIDTH, -2.0),
    };
    let residual = vector(WIDTH, 0.1);
    let residual_tokens = vector(GRID.rows * GRID.columns * WIDTH, 0.0);
    let d = vector(BLOCKS.len(), 3.0)
        .iter()
        .map(|&v| -0.01 * f64::from(v))
        .collect();
    let discrepancy = DiscrepancyFeatures {
        d,
        residual,
        residual_tokens,
    };
    let tokens = discrepancy.residual_tokens.iter();
    Features {
        pretrained,
        // Made of the same numbers, so that those of all frames stay as they are without them.
        blended_tokens: tokens.map(|value| 1.0 - value).collect(),
        discrepancy,
    }
}

/// What the frames teach, where these patches are looked at.
pub(crate) fn fit(frames: &[&Features], patches: &Patches) -> Fit {
    fit_in_lights(frames, &vec![0; frames.len()], patches)
}

/// The same where each frame is of the light that stands beside it.
pub(crate) fn fit_in_lights(frames: &[&Features], lights: &[usize], patches: &Patches) -> Fit {
    let frames = frames.iter().zip(lights);
    let frames: Vec<_> = frames
        .map(|(&frame, &light)| (frame, light, false))
        .collect();
    fit_with_copies(&frames, patches)
}

/// The same where what stands beside a frame also says whether it is a copy.
pub(crate) fn fit_with_copies(frames: &[(&Features, usize, bool)], patches: &Patches) -> Fit {
    let kinds = 1 + frames.iter().map(|(_, light, _)| light).max().unwrap();
    let mut moments = vec![Moments::new(WIDTH); kinds];
    for (frame, light, _) in frames {
        moments[*light].add(&patches.kept_tokens(&frame.discrepancy.residual_tokens, WIDTH));
    }
    let vectors: Vec<FrameVectors> = frames.iter().map(|(frame, ..)| (*frame).into()).collect();
    let taught = vectors.iter().zip(frames).map(|(vectors, own)| Taught {
        vectors,
        light: own.1,
        is_copy: own.2,
    });
    let mut draft = Draft::new(&taught.collect::<Vec<_>>(), &moments, patches).unwrap();
    for (frame, light, _) in frames {
        draft.place(*light, &frame.discrepancy.residual_tokens);
    }
    draft.finish().unwrap()
}

/// The same with a memory bank of all their patches.
fn fit_with_bank(frames: &[&Features], patches: &Patches) -> Fit {
    let tokens = frames.iter().map(|frame| &frame.blended_tokens);
    let tokens: Vec<f32> = tokens
        .flat_map(|tokens| patches.kept_tokens(tokens, WIDTH).into_owned())
        .collect();
    fit(frames, patches).with_bank(Some(MemoryBank::choose(&tokens, WIDTH)))
}

/// How frames are fitted: with a memory bank or without.
fn fitted(has_bank: bool) -> fn(&[&Features], &Patches) -> Fit {
    if has_bank { fit_with_bank } else { fit }
}

/// Cross-fitted over four blocks of the frames.
pub(crate) fn statistics(frames: &[Features], scoring: Scoring) -> Statistics {
    statistics_of(frames, scoring, &Patches::all(GRID))
}

/// The same for another budget of false alarms.
pub(crate) fn statistics_within(frames: &[Features], budget: &str) -> Statistics {
    let patches = Patches::all(GRID);
    let budget = budget.parse().unwrap();
    calibrated(frames, Scoring::Default, &patches, budget, false)
}

/// The same where these patches are looked at.
pub(crate) fn statistics_of(
    frames: &[Features],
    scoring: Scoring,
    patches: &Patches,
) -> Statistics {
    calibrated(frames, scoring, patches, Budget::Share(0.05), false)
}

/// The default score with a memory bank as its fifth part.
pub(crate) fn statistics_with_bank(frames: &[Features], patches: &Patches) -> Statistics {
    calibrated(frames, Scoring::Default, patches, Budget::Share(0.05), true)
}

fn calibrated(
    frames: &[Features],
    scoring: Scoring,
    patches: &Patches,
    budget: Budget,
    has_bank: bool,
) -> Statistics {
    let held_out = held_out(frames, patches, has_bank);
    let whole = fitted(has_bank)(&frames.iter().collect::<Vec<_>>(), patches);
    Statistics::calibrate(whole, &held_out, scoring, &terms(budget)).unwrap()
}

/// What the frames measure by fits that did not see their block.
fn held_out(frames: &[Features], patches: &Patches, has_bank: bool) -> Vec<Measured> {
    let mut scratch = Scratch::default();
    let mut held_out: Vec<Measured> = Vec::new();
    for fold in contiguous_folds(frames.len(), FOLDS) {
        let outside = frames[..fold.start].iter().chain(&frames[fold.end..]);
        let fit = fitted(has_bank)(&outside.collect::<Vec<_>>(), patches);
        for frame in &frames[fold] {
            let measured = fit.measure(&frame.into(), frame.into(), 0, &mut scratch);
            held_out.push(measured.unwrap());
        }
    }
    held_out
}

/// Stills, judged twice a second.
pub(crate) fn terms(budget: Budget) -> Terms {
    Terms {
        budget,
        pace: Pace {
            fps: 2.0,
            hits: 3,
            window: 5,
        },
        interval: None,
        alone: 0,
    }
}

/// What [`statistics`] of these frames can be refitted on.
pub(crate) fn material(frames: &[Features], patches: &Patches) -> Material {
    material_of(frames, patches, false)
}

/// What [`statistics_with_bank`] of them can be refitted on.
pub(crate) fn material_with_bank(frames: &[Features], patches: &Patches) -> Material {
    material_of(frames, patches, true)
}

fn material_of(frames: &[Features], patches: &Patches, has_bank: bool) -> Material {
    let whole = fit(&frames.iter().collect::<Vec<_>>(), patches);
    let mut scratch = Scratch::default();
    let frames_of = frames.iter();
    let held_out = held_out(frames, patches, has_bank).into_iter();
    Material {
        // Without a distance from the bank, which they are in.
        frames: frames_of
            .map(|frame| whole.normal_frame(frame, 0, &mut scratch))
            .collect(),
        relit: Vec::new(),
        held_out: held_out
            .map(|measured| Measured {
                map: Vec::new(),
                ..measured
            })
            .collect(),
        fine: Vec::new(),
        interval: None,
    }
}

/// The teacher of the fixture's Profiles.
pub(crate) fn teacher() -> TeacherInfo {
    TeacherInfo {
        sha256: "1f".repeat(32),
        blocks: 12,
        width: WIDTH,
        heads: 3,
        tokens: 1 + GRID.rows * GRID.columns,
        prefix_tokens: 1,
        grid: GRID,
        preprocessing: Preprocessing {
            width: 80,
            height: 64,
            mean: [0.485, 0.456, 0.406],
            std: [0.229, 0.224, 0.225],
            interpolation: Interpolation::Bilinear,
        },
        precision: Precision::F32,
    }
}

/// What a scene without any pattern looks like.
pub(crate) fn scene(seed: u64) -> SceneReference {
    scene_of(25, seed, |_| 255)
}

/// The same where every other picture is taken by night.
pub(crate) fn scene_by_day_and_night(seed: u64) -> SceneReference {
    scene_of(100, seed, |seq| if seq % 2 == 0 { 255 } else { 60 })
}

/// Of pictures of which each has levels up to `brightest`.
fn scene_of(frames: u64, seed: u64, brightest: impl Fn(u64) -> u8) -> SceneReference {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut footage = SceneFootage::new(true);
    let constants = teacher().preprocessing;
    let mut preprocessor = Preprocessor::new(&constants);
    for seq in 0..frames {
        let levels = 0..=brightest(seq);
        let data = (0..80 * 64 * 3).map(|_| random.random_range(levels.clone()));
        let pixels = Pixels::Rgb8 {
            width: 80,
            height: 64,
            data: data.collect(),
        };
        let frame = Frame {
            seq,
            at: Moment::now(),
            name: None,
            pixels,
        };
        preprocessor.prepare(&frame).unwrap();
        footage.take(seq as usize, None, preprocessor.look());
    }
    footage.fit().unwrap()
}

/// A Profile of `count` frames; its student is bytes that nothing here reads.
pub(crate) fn profile(count: usize, seed: u64) -> Profile {
    profile_of(count, seed, View::default())
}

/// The same with a memory bank.
pub(crate) fn profile_with_bank(count: usize, seed: u64) -> Profile {
    profile_from(count, seed, View::default(), true)
}

/// The same with a view.
pub(crate) fn profile_of(count: usize, seed: u64, view: View) -> Profile {
    profile_from(count, seed, view, false)
}

fn profile_from(count: usize, seed: u64, view: View, has_bank: bool) -> Profile {
    let patches = Patches::of(&view, GRID).unwrap();
    let origin = Origin {
        teacher: teacher(),
        student: StudentShape {
            blocks: BLOCKS.to_vec(),
            mlp_width: WIDTH,
        },
        frame: Some(FrameSize {
            width: 640,
            height: 480,
        }),
        view,
        normal_frames: count,
        epochs: 10,
        seed,
        camera: None,
    };
    let receipt = Receipt {
        calibrated_at: "2026-09-01T08:00:00Z".parse().unwrap(),
        refined_at: None,
        seconds: 12.5,
        version: "0.1.0".to_owned(),
        host: "press-07".to_owned(),
        teacher: None,
    };
    let frames = normal_frames(count, seed);
    let budget = Budget::Share(0.05);
    let statistics = calibrated(&frames, Scoring::Default, &patches, budget, has_bank);
    let material = material_of(&frames, &patches, has_bank);
    let profile = Profile::new(
        origin,
        statistics,
        Some(scene(seed)),
        format!("student {seed}").into_bytes(),
        receipt,
    );
    profile.with_material(material)
}
