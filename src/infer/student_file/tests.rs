//! The written file, read back and run by tract.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tract_onnx::prelude::*;

use super::*;
use crate::train::parameters::Parameters;
use crate::train::student::{Scratch, Student};

fn student(block: usize, shape: BlockShape) -> Student {
    let mut random = ChaCha8Rng::seed_from_u64(block as u64);
    let mut parameters = Parameters::xavier(shape, &mut random);
    parameters
        .values_mut()
        .iter_mut()
        .for_each(|v| *v += random.random_range(-0.05..0.05));
    Student {
        block,
        parameters,
        history: vec![],
        kept_epoch: 0,
    }
}

#[test]
fn tract_runs_the_file_to_the_students_own_output() {
    for shape in [
        BlockShape {
            tokens: 17,
            width: 24,
            heads: 3,
            hidden: 24,
        },
        BlockShape {
            tokens: 197,
            width: 192,
            heads: 3,
            hidden: 768,
        },
    ] {
        let students = [student(3, shape), student(6, shape)];
        let file = to_onnx(&students.each_ref().map(Student::trained));
        let model = tract_onnx::onnx()
            .model_for_read(&mut file.as_slice())
            .unwrap();
        let model = model.into_optimized().unwrap().into_runnable().unwrap();
        let mut random = ChaCha8Rng::seed_from_u64(1);
        let inputs = [3, 6].map(|_| -> Vec<f32> {
            let values = shape.tokens * shape.width;
            (0..values)
                .map(|_| random.random_range(-4.0..4.0))
                .collect()
        });
        let dims = [1, shape.tokens, shape.width];
        let tensor = |x: &Vec<f32>| TValue::from(Tensor::from_shape(&dims, x).unwrap());
        let outputs = model.run(inputs.iter().map(tensor).collect()).unwrap();
        let mut scratch = Scratch::new(shape, 1);
        for ((student, input), output) in students.iter().zip(&inputs).zip(&outputs) {
            let ours = student.forward(&mut scratch, input);
            let theirs = output.to_plain_array_view::<f32>().unwrap();
            assert_eq!(theirs.shape(), dims);
            let scale = ours.iter().fold(0.0f32, |top, v| top.max(v.abs()));
            let worst = ours
                .iter()
                .zip(theirs.iter())
                .fold(0.0f32, |w, (a, b)| w.max((a - b).abs()));
            println!("{shape:?}: worst {worst:.1e} of {scale:.1e}");
            assert!(worst <= 2e-5 * scale);
        }
    }
}

#[test]
fn the_bytes_follow_from_the_numbers_and_the_names_from_the_block() {
    let shape = BlockShape {
        tokens: 5,
        width: 8,
        heads: 2,
        hidden: 8,
    };
    let (first, again) = (student(6, shape), student(6, shape));
    let file = to_onnx(&[first.trained()]);
    assert_eq!(file, to_onnx(&[again.trained()]));
    let graph = ModelProto::decode(file.as_slice()).unwrap().graph.unwrap();
    assert_eq!(
        (graph.input[0].name.as_str(), graph.output[0].name.as_str()),
        ("x_5", "s_6")
    );
    let mut names: Vec<&String> = graph.node.iter().flat_map(|node| &node.output).collect();
    names.extend(graph.initializer.iter().map(|tensor| &tensor.name));
    let all = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), all, "a name is given twice");
}
