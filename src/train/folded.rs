//! The two norms of a block folded into the layers that follow them.
//!
//! It is made anew at each step from the parameters and changes none of them.

use crate::infer::student_file::{BlockShape, BlockTensors};

/// The layers after a norm, with the norm's scale and shift taken into them: `LN(x) W + b =
/// normed (scale W) + (shift W + b)`. So no affine output is stored, LN1 is computed without
/// parameters, and the backward pass needs no product to reach LN1's scale and shift.
#[derive(Debug)]
pub(super) struct Folded {
    pub(super) qkv_weight: Vec<f32>,
    pub(super) qkv_bias: Vec<f32>,
    pub(super) up_weight: Vec<f32>,
    pub(super) up_bias: Vec<f32>,
}

impl Folded {
    pub(super) fn new(shape: BlockShape) -> Self {
        let [qkv_weight, qkv_bias, up_weight, up_bias] =
            Self::lengths(shape).map(|length| vec![0.0; length]);
        Folded {
            qkv_weight,
            qkv_bias,
            up_weight,
            up_bias,
        }
    }

    /// Values of the buffers, in the order of the fields.
    pub(super) fn lengths(BlockShape { width, hidden, .. }: BlockShape) -> [usize; 4] {
        [width * 3 * width, 3 * width, width * hidden, hidden]
    }

    pub(super) fn fold(&mut self, tensors: &BlockTensors<&[f32]>, shape: BlockShape) {
        let norm1 = (tensors.norm1_scale, tensors.norm1_shift);
        let qkv = (tensors.qkv_weight, tensors.qkv_bias);
        fold_layer(norm1, qkv, &mut self.qkv_weight, &mut self.qkv_bias);
        let norm2 = (tensors.norm2_scale, tensors.norm2_shift);
        let up = (tensors.up_weight, tensors.up_bias);
        fold_layer(norm2, up, &mut self.up_weight, &mut self.up_bias);
        debug_assert_eq!(self.up_bias.len(), shape.hidden);
    }
}

fn fold_layer(
    (scale, shift): (&[f32], &[f32]),
    (weight, bias): (&[f32], &[f32]),
    folded_weight: &mut [f32],
    folded_bias: &mut [f32],
) {
    folded_bias.copy_from_slice(bias);
    let rows = weight
        .chunks_exact(bias.len())
        .zip(folded_weight.chunks_exact_mut(bias.len()));
    for ((from, to), (scale, shift)) in rows.zip(scale.iter().zip(shift)) {
        for ((to, sum), from) in to.iter_mut().zip(folded_bias.iter_mut()).zip(from) {
            *to = scale * from;
            *sum += shift * from;
        }
    }
}
