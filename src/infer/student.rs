//! The student at run time: an ONNX file made by calibration, one input and one output per block.
//!
//! It is fed with the teacher's `x_{i-1}`, never with its own output (METHOD.md, section 1).

use std::sync::Arc;

use tract_onnx::prelude::*;

use super::teacher::{TeacherOutput, shielded};

/// A student ready to run. Cheap to clone.
#[derive(Debug, Clone)]
pub struct StudentRunner {
    plan: Arc<TypedSimplePlan>,
    blocks: Vec<usize>,
}

/// What the student gave for one frame: `S_i(x_{i-1})` for each of its blocks.
#[derive(Debug)]
pub struct StudentOutput {
    outputs: TVec<TValue>,
}

impl StudentRunner {
    /// Loads `student.onnx`, made for `blocks` (1-based, rising). The error is the engine's text.
    pub fn load(bytes: &[u8], blocks: &[usize]) -> Result<StudentRunner, String> {
        let plan = shielded(|| {
            let model = tract_onnx::onnx().model_for_read(&mut &bytes[..])?;
            let (inputs, outputs) = (model.inputs.len(), model.outputs.len());
            if inputs != blocks.len() || outputs != blocks.len() {
                anyhow::bail!(
                    "{} blocks were expected, {inputs} inputs and {outputs} outputs found",
                    blocks.len()
                );
            }
            model.into_typed()?.into_optimized()?.into_runnable()
        })?;
        Ok(StudentRunner {
            plan,
            blocks: blocks.to_vec(),
        })
    }

    /// The blocks, 1-based, rising.
    pub fn blocks(&self) -> &[usize] {
        &self.blocks
    }

    /// The streams of the teacher that it reads, or is compared with.
    pub fn streams(&self) -> Vec<usize> {
        let mut streams: Vec<usize> = self.blocks.iter().flat_map(|&i| [i - 1, i]).collect();
        streams.dedup();
        streams
    }

    /// Runs every block on the teacher's output of one frame.
    pub fn run(&self, teacher: &TeacherOutput) -> Result<StudentOutput, String> {
        shielded(|| {
            let inputs = self
                .blocks
                .iter()
                .map(|&i| teacher.tensor(i - 1).clone())
                .collect();
            Ok(StudentOutput {
                outputs: self.plan.run(inputs)?,
            })
        })
    }
}

impl StudentOutput {
    /// `S_i(x_{i-1})` of the `n`-th block, `[N, D]`.
    pub fn block(&self, n: usize) -> &[f32] {
        self.outputs[n]
            .view()
            .as_slice::<f32>()
            .expect("the student's file says f32")
    }
}
