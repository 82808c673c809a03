//! What one frame costs, step by step, on one thread: `cargo bench --bench frame -- [ONNX]` (without a
//! file: the bundled teacher). Beside it the machine's own f32 peak, measured in the same run by a
//! large matrix product, since only ratios mean anything on a shared machine. Medians of 50 runs.

#![allow(clippy::print_stdout, reason = "a measurement tells its figures")]
#![allow(unsafe_code, reason = "the peak is measured by gemm itself")]

use std::path::PathBuf;
use std::time::Instant;

use inspectd::capture::{Frame, replay, synthetic::Synthetic};
use inspectd::infer::student_file::{BlockShape, TrainedBlock, to_onnx};
use inspectd::infer::{
    Extractor, StudentRunner, Teacher, TeacherFile, TeacherInfo, pretrained_streams,
};
use inspectd::preprocess::Preprocessor;
use inspectd::train::parameters::Parameters;
use rand::SeedableRng as _;

const RUNS: usize = 50;

fn main() -> anyhow::Result<()> {
    // Cargo adds `--bench`.
    let path = std::env::args()
        .skip(1)
        .find(|argument| !argument.starts_with('-'));
    let file = TeacherFile::open(path.map(PathBuf::from).as_deref())?;
    let teacher = Teacher::load(&file)?;
    let info = teacher.info();
    println!(
        "{}: {} blocks, width {}, {} tokens",
        file.name, info.blocks, info.width, info.tokens
    );

    let student = student(info)?;
    let streams = [pretrained_streams(info).as_slice(), &student.streams()].concat();
    let runner = teacher.runner(&streams)?;
    let extractor = Extractor::new(runner.clone(), student.clone());
    let mut preprocessor = Preprocessor::new(&info.preprocessing);
    let scene = Synthetic {
        frames: Some(1),
        ..Synthetic::default()
    };
    let frame: Frame = replay(&scene)?.next().expect("the scene has a frame")?;
    let prepared = preprocessor.prepare(&frame)?;
    let output = runner.run(&prepared.input).map_err(anyhow::Error::msg)?;

    let peak = peak();
    let row = |what: &str, milliseconds: f64, gflop: f64| {
        let rate = gflop / milliseconds * 1e3;
        println!(
            "{what:<22} {milliseconds:>8.2} ms {gflop:>6.2} GFLOP {:>5.1} % of peak",
            100.0 * rate / peak
        );
    };
    println!("f32 peak               {peak:>8.0} GFLOP/s (product of 1024 x 1024 matrices)");
    let prepare = median(|| drop(preprocessor.prepare(&frame)));
    println!("prepare 640x480        {prepare:>8.2} ms");
    row(
        "teacher",
        median(|| drop(runner.run(&prepared.input))),
        teacher_gflop(info),
    );
    row(
        "light student",
        median(|| drop(student.run(&output))),
        block_gflop(info, 1),
    );
    let both = median(|| drop(extractor.features(&prepared)));
    row(
        "both, with features",
        both,
        teacher_gflop(info) + block_gflop(info, 1),
    );
    Ok(())
}

/// A light student with random weights: time does not depend on them.
fn student(info: &TeacherInfo) -> anyhow::Result<StudentRunner> {
    let (tokens, width, heads) = (info.tokens, info.width, info.heads);
    let shape = BlockShape {
        tokens,
        width,
        heads,
        hidden: width,
    };
    let parameters = Parameters::xavier(shape, &mut rand_chacha::ChaCha8Rng::seed_from_u64(0));
    let trained = TrainedBlock {
        block: info.mid(),
        shape,
        tensors: parameters.tensors(),
    };
    StudentRunner::load(&to_onnx(&[trained]), &[info.mid()]).map_err(anyhow::Error::msg)
}

/// Multiplications and additions of one block's matrix products, in 1e9.
fn block_gflop(info: &TeacherInfo, mlp_ratio: usize) -> f64 {
    let (n, d) = (info.tokens as f64, info.width as f64);
    (2.0 * n * d * d * (4.0 + 2.0 * mlp_ratio as f64) + 4.0 * n * n * d) / 1e9
}

fn teacher_gflop(info: &TeacherInfo) -> f64 {
    let pixels = 3.0 * f64::from(info.preprocessing.width) * f64::from(info.preprocessing.height);
    info.blocks as f64 * block_gflop(info, 4) + 2.0 * pixels * info.width as f64 / 1e9
}

/// GFLOP/s of a large matrix product on one thread.
fn peak() -> f64 {
    const N: usize = 1024;
    let (a, b) = (vec![1f32; N * N], vec![1f32; N * N]);
    let mut c = vec![0f32; N * N];
    let mut one = || {
        let started = Instant::now();
        // SAFETY: all three are N x N, contiguous, row-major, and `c` is not read.
        unsafe {
            gemm::gemm(
                N,
                N,
                N,
                c.as_mut_ptr(),
                1,
                N as isize,
                false,
                a.as_ptr(),
                1,
                N as isize,
                b.as_ptr(),
                1,
                N as isize,
                0.0,
                1.0,
                false,
                false,
                false,
                gemm::Parallelism::None,
            );
        }
        started.elapsed().as_secs_f64()
    };
    2.0 * (N as f64).powi(3) / 1e9 / (0..20).map(|_| one()).fold(f64::MAX, f64::min)
}

fn median(mut work: impl FnMut()) -> f64 {
    let mut times: Vec<f64> = (0..RUNS + 5)
        .map(|_| {
            let started = Instant::now();
            work();
            1e3 * started.elapsed().as_secs_f64()
        })
        .skip(5)
        .collect();
    times.sort_by(f64::total_cmp);
    times[RUNS / 2]
}
