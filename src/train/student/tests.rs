//! Training on a mapping that can be learnt: the targets are another block's outputs.

use std::sync::Mutex;

use proptest::prelude::*;
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tempfile::TempDir;

use super::*;
use crate::train::adam::Rate;

const SHAPE: BlockShape = BlockShape {
    tokens: 12,
    width: 16,
    heads: 2,
    hidden: 16,
};
const FRAMES: usize = 212;
/// Frames from here on are held out. Not a multiple of the batch: each epoch ends in a smaller one.
const TRAINING: usize = 202;

/// `x_4` noise, `x_5` and `x_6` each a random block of the one before.
fn cache() -> (TempDir, FeatureCache) {
    let mut random = ChaCha8Rng::seed_from_u64(99);
    let teachers: Vec<Student> = [5, 6].map(|block| fresh(block, &mut random)).into();
    let dir = tempfile::tempdir().unwrap();
    let mut cache = FeatureCache::open(dir.path(), &[4, 5, 6], 12, 16, 1 << 22).unwrap();
    let mut scratch = Scratch::new(SHAPE, 1);
    for _ in 0..FRAMES {
        let x4: Vec<f32> = (0..12 * 16)
            .map(|_| random.random_range(-1.5..1.5))
            .collect();
        let x5 = teachers[0].forward(&mut scratch, &x4).to_vec();
        let x6 = teachers[1].forward(&mut scratch, &x5).to_vec();
        cache.push(&[&x4, &x5, &x6]).unwrap();
    }
    (dir, cache)
}

fn fresh(block: usize, random: &mut ChaCha8Rng) -> Student {
    let parameters = Parameters::xavier(SHAPE, random);
    Student {
        block,
        parameters,
        history: vec![],
        kept_epoch: 0,
    }
}

fn recipe() -> Recipe {
    Recipe {
        epochs: 60,
        rate: Rate::OneCycle { max: 1e-2 },
        ..Recipe::light(42)
    }
}

fn train(
    cache: &FeatureCache,
    blocks: &[usize],
    held_out: &[usize],
    recipe: &Recipe,
    threads: usize,
) -> Result<Vec<Student>, TrainError> {
    let training: Vec<usize> = (0..TRAINING).collect();
    let watch = Watch {
        progress: &|_| {},
        trained: &|_, _| {},
        stop: &AtomicBool::new(false),
    };
    let exercises = exercises(cache, blocks, &training, held_out);
    train_students(&exercises, SHAPE, recipe, threads, watch)
}

fn exercises<'a>(
    cache: &'a FeatureCache,
    blocks: &[usize],
    training: &'a [usize],
    held_out: &'a [usize],
) -> Vec<Exercise<'a>> {
    let exercise = |&block| Exercise {
        cache,
        training,
        held_out,
        block,
    };
    blocks.iter().map(exercise).collect()
}

#[test]
fn a_learnable_mapping_is_learnt_to_a_fiftieth_of_the_first_epochs_loss() {
    let (_dir, cache) = cache();
    let held_out: Vec<usize> = (TRAINING..FRAMES).collect();
    let recipe = Recipe {
        epochs: 100,
        query_share: 1.0,
        ..recipe()
    };
    for student in train(&cache, &[5, 6], &held_out, &recipe, 2).unwrap() {
        let first = student.history[0];
        let kept = student.history[student.kept_epoch - 1];
        println!("block {}: {first:?} to {kept:?}", student.block);
        assert!(kept.training < first.training / 50.0);
        assert!(kept.held_out.unwrap() < first.held_out.unwrap() / 50.0);
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes_on_one_and_on_two_threads_and_for_each_block_alone() {
    let (_dir, cache) = cache();
    let recipe = Recipe {
        epochs: 2,
        ..recipe()
    };
    let one = train(&cache, &[5, 6], &[202, 203], &recipe, 1).unwrap();
    let two = train(&cache, &[5, 6], &[202, 203], &recipe, 2).unwrap();
    let alone = train(&cache, &[6], &[202, 203], &recipe, 1).unwrap();
    let bits = |student: &Student| -> Vec<u32> {
        student
            .parameters
            .values()
            .iter()
            .map(|v| v.to_bits())
            .collect()
    };
    assert_eq!(bits(&one[0]), bits(&two[0]));
    assert_eq!(bits(&one[1]), bits(&two[1]));
    assert_eq!(bits(&one[1]), bits(&alone[0]));
    let other = train(&cache, &[6], &[202, 203], &Recipe { seed: 43, ..recipe }, 1).unwrap();
    assert_ne!(bits(&alone[0]), bits(&other[0]));
    assert_ne!(one[0].parameters, one[1].parameters);
}

#[test]
fn the_state_kept_is_that_of_the_best_held_out_loss_and_really_has_it() {
    let (_dir, cache) = cache();
    // A rate far too high, so that the loss goes up and down: a best epoch before the last is soon
    // found.
    let tried = (0..5).map(|seed| Recipe {
        rate: Rate::Constant(0.1),
        epochs: 12,
        seed,
        ..recipe()
    });
    let (recipe, student) = tried
        .map(|recipe| {
            (
                recipe,
                train(&cache, &[5], &[205, 206, 207], &recipe, 1)
                    .unwrap()
                    .remove(0),
            )
        })
        .find(|(_, student)| student.kept_epoch < 12)
        .expect("a seed with its best epoch before the last");
    let losses = student.history.iter().map(|epoch| epoch.held_out.unwrap());
    let best = losses.fold(f64::INFINITY, f64::min);
    assert_eq!(student.history[student.kept_epoch - 1].held_out, Some(best));
    // A training that ends there, and is never examined, comes to the very same numbers.
    let shorter = Recipe {
        epochs: student.kept_epoch,
        ..recipe
    };
    let last = train(&cache, &[5], &[], &shorter, 1).unwrap().remove(0);
    assert_eq!(last.parameters, student.parameters);
    let mut scratch = Scratch::new(SHAPE, 1);
    let (mut x, mut y) = (vec![0.0; 12 * 16], vec![0.0; 12 * 16]);
    let mut squares = 0.0;
    for frame in [205, 206, 207] {
        cache.read(4, frame, &mut x).unwrap();
        cache.read(5, frame, &mut y).unwrap();
        let output = student.forward(&mut scratch, &x);
        squares += output
            .iter()
            .zip(&y)
            .map(|(s, y)| f64::from(s - y).powi(2))
            .sum::<f64>();
    }
    assert!((squares / (3.0 * 12.0 * 16.0) / best - 1.0).abs() < 1e-5);
}

#[test]
fn without_held_out_frames_the_last_state_is_kept() {
    let (_dir, cache) = cache();
    let student = train(
        &cache,
        &[5],
        &[],
        &Recipe {
            epochs: 3,
            ..recipe()
        },
        1,
    )
    .unwrap()
    .remove(0);
    assert_eq!((student.kept_epoch, student.history.len()), (3, 3));
    assert!(student.history.iter().all(|epoch| epoch.held_out.is_none()));
}

#[test]
fn a_stop_in_the_middle_ends_training_within_a_step_a_block() {
    let (_dir, cache) = cache();
    let (stop, seen) = (AtomicBool::new(false), Mutex::new(Vec::new()));
    let progress = |now: Progress| {
        seen.lock().unwrap().push((now.block, now.step));
        stop.store(now.step == 3, Ordering::Relaxed);
    };
    let training: Vec<usize> = (0..TRAINING).collect();
    let watch = Watch {
        progress: &progress,
        trained: &|_, _| panic!("none was trained to its end"),
        stop: &stop,
    };
    let exercises = exercises(&cache, &[5, 6], &training, &[]);
    let stopped = train_students(&exercises, SHAPE, &recipe(), 1, watch);
    assert!(matches!(stopped, Err(TrainError::Stopped)));
    assert_eq!(*seen.lock().unwrap(), [(5, 1), (5, 2), (5, 3)]);
}

#[test]
fn a_training_that_fails_names_its_fault_and_not_the_stop_that_it_caused() {
    let (_dir, cache) = cache();
    let missing = train(&cache, &[5, 9], &[], &recipe(), 2).unwrap_err();
    assert!(matches!(
        missing,
        TrainError::Cache(CacheError::NoStream { stream: 8, .. })
    ));
    let wild = Recipe {
        rate: Rate::Constant(1e30),
        epochs: 3,
        ..recipe()
    };
    let diverged = train(&cache, &[5], &[], &wild, 1).unwrap_err();
    assert!(
        matches!(diverged, TrainError::Diverged { block: 5, .. }),
        "{diverged}"
    );
    let watch = Watch {
        progress: &|_| {},
        trained: &|_, _| {},
        stop: &AtomicBool::new(false),
    };
    let none = train_students(
        &exercises(&cache, &[5], &[], &[]),
        SHAPE,
        &recipe(),
        1,
        watch,
    );
    assert!(matches!(none, Err(TrainError::NoFrames)));
}

#[test]
fn each_block_is_told_as_soon_as_it_is_trained() {
    let (_dir, cache) = cache();
    let told = Mutex::new(Vec::new());
    let trained = |at, student: &Student| told.lock().unwrap().push((at, student.clone()));
    let watch = Watch {
        progress: &|_| {},
        trained: &trained,
        stop: &AtomicBool::new(false),
    };
    let frames: Vec<usize> = (0..20).collect();
    let exercises = exercises(&cache, &[6, 5, 6], &frames, &[]);
    let recipe = Recipe {
        epochs: 1,
        ..recipe()
    };
    let students = train_students(&exercises, SHAPE, &recipe, 2, watch).unwrap();
    assert_eq!([6, 5, 6], [0, 1, 2].map(|i| students[i].block));
    let mut told = told.into_inner().unwrap();
    told.sort_by_key(|(at, _)| *at);
    let told: Vec<Student> = told.into_iter().map(|(_, student)| student).collect();
    assert_eq!(told, students);
}

#[test]
fn a_key_is_of_frames_block_sides_and_recipe() {
    let (_dir, cache) = cache();
    let frames: Vec<usize> = (0..20).collect();
    let key = |block, training, held_out, shape, recipe: &Recipe| {
        let exercise = Exercise {
            cache: &cache,
            training,
            held_out,
            block,
        };
        exercise.key(shape, recipe)
    };
    let wide = BlockShape {
        hidden: 32,
        ..SHAPE
    };
    let other = Recipe {
        seed: 43,
        ..recipe()
    };
    let keys = [
        key(5, &frames, &[], SHAPE, &recipe()),
        key(6, &frames, &[], SHAPE, &recipe()),
        key(5, &frames[1..], &[], SHAPE, &recipe()),
        key(5, &frames[1..], &frames[..1], SHAPE, &recipe()),
        key(5, &frames, &[], wide, &recipe()),
        key(5, &frames, &[], SHAPE, &other),
    ];
    assert_eq!(key(5, &frames, &[], SHAPE, &recipe()), keys[0]);
    for (i, own) in keys.iter().enumerate() {
        assert!(!keys[..i].contains(own), "{i}");
    }
}

proptest! {
    #[test]
    fn a_picture_has_the_same_output_alone_and_in_a_batch(seed in 0u64..1000, images in 1usize..5) {
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let student = fresh(1, &mut random);
        let size = SHAPE.tokens * SHAPE.width;
        let input: Vec<f32> = (0..images * size).map(|_| random.random_range(-2.0..2.0)).collect();
        let mut scratch = Scratch::new(SHAPE, 5);
        let together = student.forward(&mut scratch, &input).to_vec();
        for (alone, together) in input.chunks(size).zip(together.chunks(size)) {
            let alone = student.forward(&mut scratch, alone);
            prop_assert!(alone.iter().zip(together).all(|(a, b)| (a - b).abs() < 1e-5));
        }
    }
}
