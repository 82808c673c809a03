//! How long a training step takes; run by hand, on a quiet machine:
//! `cargo test --release --lib timing_tests -- --ignored --nocapture`. Nothing is asserted.

use std::time::{Duration, Instant};

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::infer::student_file::BlockShape;

use super::adam::Adam;
use super::backward::Backward;
use super::block::{Forward, all_tokens};
use super::kernel::{Matrix, MatrixMut};
use super::parameters::Parameters;

/// The shortest of 40 runs: other work on the machine only adds.
fn shortest(mut work: impl FnMut()) -> Duration {
    (0..40)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed()
        })
        .min()
        .unwrap()
}

fn step(name: &str, hidden: usize, images: usize, queries: usize) {
    let shape = BlockShape {
        tokens: 197,
        width: 192,
        heads: 3,
        hidden,
    };
    let mut random = ChaCha8Rng::seed_from_u64(3);
    let mut parameters = Parameters::xavier(shape, &mut random);
    let values = images * shape.tokens * shape.width;
    let x: Vec<f32> = (0..values)
        .map(|_| random.random_range(-1.0..1.0))
        .collect();
    let chosen: Vec<usize> = all_tokens(shape.tokens, images)
        .into_iter()
        .filter(|token| *token < queries)
        .collect();
    let mut forward = Forward::new(shape, images, queries);
    let mut backward = Backward::new(shape, images, queries);
    let mut adam = Adam::new(parameters.values().len());
    let ahead = shortest(|| _ = forward.run(&parameters, &x, &chosen));
    let back = shortest(|| _ = backward.run(&parameters, &forward, &x, &chosen));
    let update =
        shortest(|| adam.step(parameters.values_mut(), backward.gradient().values(), 1e-4));
    let all = ahead + back + update;
    println!(
        "{name}: {all:.1?} a step of {images} pictures (forward {ahead:.1?}, backward {back:.1?}, \
         Adam {update:.1?})"
    );
}

#[test]
#[ignore = "a measurement"]
fn a_step_of_a_vit_tiny_block_takes_this_long() {
    let side = 1024;
    let (left, right) = (vec![1.0f32; side * side], vec![0.5f32; side * side]);
    let mut product = vec![0.0f32; side * side];
    let time = shortest(|| {
        MatrixMut::new(&mut product, side, side, side).set_product(
            1.0,
            Matrix::new(&left, side, side, side),
            Matrix::new(&right, side, side, side),
        );
    });
    let rate = 2.0 * (side as f64).powi(3) / time.as_secs_f64() / 1e9;
    println!("gemm {side} x {side} x {side}: {rate:.0} GFLOP/s");
    step("full block, all tokens", 768, 8, 197);
    step("full block, a quarter", 768, 8, 49);
    step("light block, all tokens", 192, 8, 197);
    step("light block, a quarter", 192, 8, 49);
    step("light block, a quarter", 192, 16, 49);
    step("light block, a quarter", 192, 32, 49);
}
