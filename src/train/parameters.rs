//! The numbers of one student block that training changes, in one vector.
//!
//! Gradients and Adam's moments have the same layout, so the optimiser is one loop. The order of
//! the tensors is that of the fields of [`BlockTensors`] and never changes with the numbers.

use rand::RngExt;
use rand_chacha::ChaCha8Rng;

use crate::infer::student_file::{BlockShape, BlockTensors};

/// One value for every trainable number of a block.
#[derive(Debug, Clone, PartialEq)]
pub struct Parameters {
    shape: BlockShape,
    values: Vec<f32>,
}

impl Parameters {
    /// Zero everywhere: the form of a gradient.
    pub fn zeros(shape: BlockShape) -> Self {
        Parameters {
            shape,
            values: vec![0.0; Self::count(shape)],
        }
    }

    /// How many numbers a block of these sides has.
    pub fn count(shape: BlockShape) -> usize {
        lengths(shape).iter().sum()
    }

    /// Numbers that were trained before; none where they are not as many as the block has.
    pub fn of(shape: BlockShape, values: Vec<f32>) -> Option<Self> {
        (values.len() == Self::count(shape)).then_some(Parameters { shape, values })
    }

    /// A fresh student (METHOD.md, section 2): matrices Xavier-uniform, with query, key and value each
    /// a matrix of its own; biases zero; norms the identity.
    pub fn xavier(shape: BlockShape, random: &mut ChaCha8Rng) -> Self {
        let mut fresh = Parameters::zeros(shape);
        let (width, hidden) = (shape.width, shape.hidden);
        let mut fill = |tensor: &mut [f32], inputs: usize, outputs: usize| {
            let bound = (6.0 / (inputs + outputs) as f32).sqrt();
            tensor.fill_with(|| random.random_range(-bound..=bound));
        };
        let tensors = fresh.tensors_mut();
        tensors.norm1_scale.fill(1.0);
        fill(tensors.qkv_weight, width, width);
        fill(tensors.out_weight, width, width);
        tensors.norm2_scale.fill(1.0);
        fill(tensors.up_weight, width, hidden);
        fill(tensors.down_weight, hidden, width);
        fresh
    }

    /// The sides of the block.
    pub fn shape(&self) -> BlockShape {
        self.shape
    }

    /// All numbers, tensor after tensor in the order of the fields of [`BlockTensors`].
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// As [`Parameters::values`], to be changed.
    pub fn values_mut(&mut self) -> &mut [f32] {
        &mut self.values
    }

    /// The tensors by name.
    pub fn tensors(&self) -> BlockTensors<&[f32]> {
        let mut rest = self.values.as_slice();
        BlockTensors::from(lengths(self.shape).map(|len| take(rest.split_off(..len))))
    }

    /// The tensors by name, to be changed.
    pub fn tensors_mut(&mut self) -> BlockTensors<&mut [f32]> {
        let lengths = lengths(self.shape);
        let mut rest = self.values.as_mut_slice();
        BlockTensors::from(lengths.map(|len| take(rest.split_off_mut(..len))))
    }
}

fn take<T>(part: Option<T>) -> T {
    part.expect("a parameter vector is as long as its tensors together")
}

/// The lengths of the tensors in their order.
fn lengths(shape: BlockShape) -> [usize; 12] {
    let (d, h) = (shape.width, shape.hidden);
    [d, d, d * 3 * d, 3 * d, d * d, d, d, d, d * h, h, h * d, d]
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn a_fresh_block_is_xavier_uniform_and_its_norms_are_the_identity() {
        let shape = BlockShape {
            tokens: 5,
            width: 24,
            heads: 3,
            hidden: 48,
        };
        let fresh = Parameters::xavier(shape, &mut ChaCha8Rng::seed_from_u64(7));
        let tensors = fresh.tensors();
        assert!(
            tensors
                .norm1_scale
                .iter()
                .chain(tensors.norm2_scale)
                .all(|v| *v == 1.0)
        );
        assert!(
            tensors
                .qkv_bias
                .iter()
                .chain(tensors.down_bias)
                .all(|v| *v == 0.0)
        );
        for (tensor, sides) in [
            (tensors.qkv_weight, 48),
            (tensors.out_weight, 48),
            (tensors.up_weight, 72),
        ] {
            let bound = (6.0 / sides as f32).sqrt();
            let largest = tensor.iter().fold(0.0f32, |top, v| top.max(v.abs()));
            let variance = tensor.iter().map(|v| v * v).sum::<f32>() / tensor.len() as f32;
            assert!(largest <= bound && largest > 0.98 * bound);
            assert!((variance / (bound * bound / 3.0) - 1.0).abs() < 0.15);
        }
    }
}
