//! The teacher on tiny ViTs of every wiring, and on damaged files.

use super::super::fixture::{WIDTH, Wiring, vit};
use super::super::teacher_file::Sidecar;
use super::*;

fn file(bytes: Vec<u8>) -> TeacherFile {
    let sidecar = Sidecar::assumed();
    TeacherFile {
        name: "vit.onnx".to_owned(),
        bytes: bytes.into(),
        sidecar,
        sidecar_assumed: true,
    }
}

fn refusal(bytes: Vec<u8>) -> String {
    let error = Teacher::load(&file(bytes)).err().map(anyhow::Error::from);
    format!("{:#}", error.expect("the file is refused"))
}

#[test]
fn a_plain_vit_is_understood_whatever_its_depth_and_prefix() {
    for (blocks, prefix, class_first) in
        [(1, 1, false), (3, 1, true), (2, 5, false), (12, 0, false)]
    {
        let teacher = Teacher::load(&file(vit(blocks, prefix, Wiring::PreNorm, class_first)));
        let info = teacher.expect("it loads").info().clone();
        assert_eq!((info.blocks, info.width, info.heads), (blocks, WIDTH, 2));
        assert_eq!((info.tokens, info.prefix_tokens), (prefix + 4, prefix));
        assert_eq!((info.grid.rows, info.grid.columns), (2, 2));
        assert_eq!(
            (info.preprocessing.width, info.preprocessing.height),
            (32, 32)
        );
    }
}

#[test]
fn streams_and_class_token_come_in_their_shapes_and_differ_from_each_other() {
    let teacher = Teacher::load(&file(vit(3, 1, Wiring::PreNorm, true))).expect("loads");
    let runner = teacher.runner(&[3, 0, 1]).expect("plans");
    let input: Vec<f32> = (0..3 * 32 * 32).map(|i| (i as f32 * 0.1).sin()).collect();
    let output = runner.run(&input).expect("runs");
    assert_eq!(output.z().len(), WIDTH);
    for i in [0, 1, 3] {
        assert_eq!(output.stream(i).len(), 5 * WIDTH);
    }
    assert_ne!(output.stream(0), output.stream(1));
    assert_ne!(output.stream(1), output.stream(3));
}

#[test]
fn half_precision_gives_nearly_the_same_in_single_precision() {
    let input: Vec<f32> = (0..3 * 32 * 32).map(|i| (i as f32 * 0.1).sin()).collect();
    let run = |precision| {
        let mut file = file(vit(3, 1, Wiring::PreNorm, false));
        file.sidecar.precision = precision;
        let teacher = Teacher::load(&file).expect("loads");
        assert_eq!(teacher.info().precision, precision);
        let output = teacher.runner(&[1, 3]).expect("plans").run(&input);
        let output = output.expect("runs");
        [output.z(), output.stream(1), output.stream(3)].map(<[f32]>::to_vec)
    };
    let (single, half) = (run(Precision::F32), run(Precision::F16));
    assert_ne!(single, half);
    // Eleven bits, three blocks: a hundredth of values about 1.
    for (single, half) in single.iter().flatten().zip(half.iter().flatten()) {
        let bound = 0.01 * single.abs().max(1.0);
        assert!((single - half).abs() < bound, "{single} {half}");
    }
}

#[test]
fn the_class_token_is_the_same_whether_selected_before_or_after_the_norm() {
    let input: Vec<f32> = (0..3 * 32 * 32).map(|i| (i as f32 * 0.1).sin()).collect();
    let z = |class_first| {
        let teacher = Teacher::load(&file(vit(2, 1, Wiring::PreNorm, class_first))).expect("loads");
        teacher
            .runner(&[])
            .expect("plans")
            .run(&input)
            .expect("runs")
            .z()
            .to_vec()
    };
    // The fixture draws the norm's weights after the same number of others in both.
    for (a, b) in z(false).iter().zip(z(true)) {
        assert!((a - b).abs() < 1e-5, "{a} {b}");
    }
}

#[test]
fn other_transformers_are_refused_with_the_reason() {
    let cases = [
        (Wiring::PostNorm, "do not form one chain"),
        (Wiring::Parallel, "do not form one chain"),
        (Wiring::NoAttention, "does not start with attention"),
    ];
    for (wiring, reason) in cases {
        let message = refusal(vit(2, 1, wiring, false));
        assert!(
            message.starts_with("vit.onnx is not a plain ViT"),
            "{message}"
        );
        assert!(message.contains(reason), "{message}");
    }
}

#[test]
fn damaged_files_are_refused_by_name_and_never_panic() {
    let good = vit(2, 1, Wiring::PreNorm, false);
    for end in [0, 1, 10, good.len() / 2, good.len() - 1] {
        let message = refusal(good[..end].to_vec());
        assert!(message.starts_with("vit.onnx is"), "{message}");
    }
    assert!(refusal(b"GIF89a, not a network".to_vec()).starts_with("vit.onnx is"));
}

#[test]
fn a_missing_file_and_a_wrong_sidecar_are_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("mine.onnx");
    let error = TeacherFile::open(Some(&path)).expect_err("nothing there");
    assert!(error.to_string().contains("mine.onnx"), "{error}");
    std::fs::write(&path, vit(1, 1, Wiring::PreNorm, false)).expect("writes");
    std::fs::write(
        folder.path().join("mine.toml"),
        "mean = [0, 0, 0]\nstd = [1, 0, 1]",
    )
    .expect("writes");
    let error = TeacherFile::open(Some(&path)).expect_err("a zero deviation");
    assert!(error.to_string().contains("mine.toml"), "{error}");
}
