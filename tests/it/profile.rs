//! A Profile for the daemon's tests: the bundled teacher over the synthetic line without defects,
//! and a student that was never trained. Made by the library's own steps in seconds; what the
//! daemon does with a Profile does not depend on how well the student learnt.

use std::path::Path;
use std::time::Duration;

use inspectd::capture::synthetic::Synthetic;
use inspectd::capture::{Next, Opener};
use inspectd::infer::student_file::{BlockShape, TrainedBlock, to_onnx};
use inspectd::infer::{
    Extractor, Features, StudentRunner, Teacher, TeacherFile, pretrained_streams,
};
use inspectd::preprocess::Preprocessor;
use inspectd::score::Scoring;
use inspectd::score::map::{MapStatistics, PositionMoments};
use inspectd::score::moments::Moments;
use inspectd::score::parts::FrameVectors;
use inspectd::score::profile::{FrameSize, Origin, Profile, Receipt, StudentShape};
use inspectd::score::statistics::{Fit, Rates, Statistics};
use inspectd::score::tokens::{Scratch, TokenGaussian};
use inspectd::train::parameters::Parameters;
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;

/// Writes a Profile for the synthetic line of seed 1 to `dir`.
pub(crate) fn make(dir: &Path) {
    let teacher = Teacher::load(&TeacherFile::open(None).unwrap()).unwrap();
    let info = teacher.info().clone();
    let block = info.mid();
    let shape = BlockShape {
        tokens: info.tokens,
        width: info.width,
        heads: info.heads,
        hidden: info.width,
    };
    let weights = Parameters::xavier(shape, &mut ChaCha8Rng::seed_from_u64(1));
    let student = to_onnx(&[TrainedBlock {
        block,
        shape,
        tensors: weights.tensors(),
    }]);
    let runner = StudentRunner::load(&student, &[block]).unwrap();
    let streams = [runner.streams(), pretrained_streams(&info).to_vec()].concat();
    let extractor = Extractor::new(teacher.runner(&streams).unwrap(), runner);

    let features = line(120, &extractor, &mut Preprocessor::new(&info.preprocessing));
    let fit = |frames: &[Features]| {
        let mut tokens = Moments::new(info.width);
        frames
            .iter()
            .for_each(|frame| tokens.add(&frame.discrepancy.residual_tokens));
        let tokens = TokenGaussian::fit(&tokens).unwrap();
        let (mut map, mut scratch) = (PositionMoments::new(info.grid), Scratch::default());
        for frame in frames {
            map.add(&tokens.distances(&frame.discrepancy.residual_tokens, &mut scratch));
        }
        let vectors: Vec<FrameVectors> = frames.iter().map(FrameVectors::from).collect();
        let vectors: Vec<&FrameVectors> = vectors.iter().collect();
        Fit::new(&vectors, tokens, MapStatistics::fit(&map).unwrap()).unwrap()
    };
    // Two folds, each measured by the other.
    let (first, second) = features.split_at(features.len() / 2);
    let measure = |fit: &Fit, frames: &[Features]| -> Vec<_> {
        let mut scratch = Scratch::default();
        let measured = frames.iter().map(|frame| {
            let tokens = &frame.discrepancy.residual_tokens;
            fit.measure(&FrameVectors::from(frame), tokens, &mut scratch)
                .unwrap()
        });
        measured.collect()
    };
    let held_out = [measure(&fit(second), first), measure(&fit(first), second)].concat();
    let rates = Rates {
        deciding: 0.005,
        local: 0.005,
    };
    let statistics =
        Statistics::calibrate(fit(&features), &held_out, Scoring::Default, rates).unwrap();
    let origin = Origin {
        teacher: info.clone(),
        student: StudentShape {
            blocks: vec![block],
            mlp_width: info.width,
        },
        frame: Some(FrameSize {
            width: 640,
            height: 480,
        }),
        normal_frames: features.len(),
        epochs: 0,
        seed: 1,
    };
    let receipt = Receipt {
        calibrated_at: jiff::Timestamp::UNIX_EPOCH,
        seconds: 0.0,
        version: "test".into(),
        host: "test".into(),
        teacher: None,
    };
    Profile::new(origin, statistics, student, receipt)
        .save(dir)
        .unwrap();
}

/// The features of the first frames of the line, without defects.
fn line(frames: u64, extractor: &Extractor, preprocessor: &mut Preprocessor) -> Vec<Features> {
    let line = Synthetic {
        seed: 1,
        frames: Some(frames),
        ..Synthetic::default()
    };
    let mut source = line.open().unwrap();
    let mut features = Vec::new();
    while let Next::Frame(frame) = source.next(Duration::from_secs(1)).unwrap() {
        let prepared = preprocessor.prepare(&frame).unwrap();
        features.push(extractor.features(&prepared).unwrap());
    }
    features
}
