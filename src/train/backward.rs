//! The loss of one block and its gradient, by hand.
//!
//! The loss is the mean over pictures, query tokens and channels of `(S(x) - y)^2` (METHOD.md, section
//! 2). Gradients reach the block's parameters and stop there: the input is the teacher's and gets
//! none. It assumes that the forward pass of the same batch ran just before.

use crate::infer::student_file::{BlockShape, BlockTensors};

use super::block::{Batch, Forward, token_row};
use super::kernel::{Matrix, MatrixMut};
use super::parameters::Parameters;
use super::rows;

/// Buffers of a backward pass; letters as in [`Forward`].
#[derive(Debug)]
pub struct Backward {
    gradient: Parameters,
    /// With respect to the rows of the residual stream, `[B Q, D]`: of `y`, then of `h`.
    stream: Vec<f32>,
    /// With respect to LN2's output, then to the heads' outputs, `[B Q, D]`.
    narrow: Vec<f32>,
    /// With respect to the MLP's hidden layer, `[B Q, F]`.
    wide: Vec<f32>,
    /// With respect to the attention logits of one head, `[Q, N]`.
    logits: Vec<f32>,
    /// `[B Q, D]`.
    q: Vec<f32>,
    /// `[B N, 2 D]`.
    kv: Vec<f32>,
}

impl Backward {
    /// Buffers for at most `images` pictures with at most `queries` query tokens each.
    pub fn new(shape: BlockShape, images: usize, queries: usize) -> Self {
        let [stream, narrow, wide, logits, q, kv] =
            Self::lengths(shape, images, queries).map(|length| vec![0.0; length]);
        Backward {
            gradient: Parameters::zeros(shape),
            stream,
            narrow,
            wide,
            logits,
            q,
            kv,
        }
    }

    /// Values of the buffers, in the order of the fields.
    fn lengths(shape: BlockShape, images: usize, queries: usize) -> [usize; 6] {
        let asked = images * queries;
        let (narrow, wide) = (asked * shape.width, asked * shape.hidden);
        let keys = images * shape.tokens * 2 * shape.width;
        [narrow, narrow, wide, queries * shape.tokens, narrow, keys]
    }

    /// Values that it holds, the gradient's and all buffers' together.
    pub(super) fn values(shape: BlockShape, images: usize, queries: usize) -> usize {
        let buffers = Self::lengths(shape, images, queries);
        buffers.iter().sum::<usize>() + Parameters::count(shape)
    }

    /// The gradient that the last [`Backward::run`] left.
    pub fn gradient(&self) -> &Parameters {
        &self.gradient
    }

    /// The loss of the batch that `forward` just ran, against the targets `[B, N, D]`; the gradient
    /// replaces the former one.
    pub fn run(
        &mut self,
        parameters: &Parameters,
        forward: &Forward,
        target: &[f32],
        queries: &[usize],
    ) -> f64 {
        let batch = forward.batch;
        let count = batch.query_rows() * batch.shape.width;
        let squares = residuals(forward, target, queries, &mut self.stream[..count]);
        let step = 2.0 / count as f32;
        self.stream[..count].iter_mut().for_each(|v| *v *= step);
        let tensors = parameters.tensors();
        self.mlp(&tensors, forward);
        self.out_layer(&tensors, forward);
        self.attention(forward);
        self.qkv_layer(&tensors, forward);
        squares / count as f64
    }

    /// From the gradient of `y` to that of `h`.
    fn mlp(&mut self, tensors: &BlockTensors<&[f32]>, forward: &Forward) {
        let BlockShape {
            width: d,
            hidden: f,
            ..
        } = forward.batch.shape;
        let rows = forward.batch.query_rows();
        let gradient = self.gradient.tensors_mut();
        let stream = Matrix::new(&self.stream, rows, d, d);
        rows::sum_rows(&self.stream[..rows * d], gradient.down_bias);
        MatrixMut::new(gradient.down_weight, f, d, d).set_product(
            1.0,
            Matrix::new(&forward.active, rows, f, f).t(),
            stream,
        );
        MatrixMut::new(&mut self.wide, rows, f, f).set_product(
            1.0,
            stream,
            Matrix::new(tensors.down_weight, f, d, d).t(),
        );
        rows::multiply(&mut self.wide[..rows * f], &forward.slope[..rows * f]);
        let wide = Matrix::new(&self.wide, rows, f, f);
        rows::sum_rows(&self.wide[..rows * f], gradient.up_bias);
        MatrixMut::new(gradient.up_weight, d, f, f).set_product(
            1.0,
            Matrix::new(&forward.normed_middle, rows, d, d).t(),
            wide,
        );
        MatrixMut::new(&mut self.narrow, rows, d, d).set_product(
            1.0,
            wide,
            Matrix::new(forward.folded_up_weight(), d, f, f).t(),
        );
        rows::normalise_backward(
            &self.narrow[..rows * d],
            &forward.normed_middle[..rows * d],
            &forward.rstd_middle[..rows],
            d,
            &mut self.stream[..rows * d],
        );
        unfold(
            (tensors.norm2_scale, tensors.norm2_shift),
            tensors.up_weight,
            (gradient.up_weight, gradient.up_bias),
            (gradient.norm2_scale, gradient.norm2_shift),
        );
    }

    /// From the gradient of `h` to that of the heads' outputs.
    fn out_layer(&mut self, tensors: &BlockTensors<&[f32]>, forward: &Forward) {
        let d = forward.batch.shape.width;
        let rows = forward.batch.query_rows();
        let gradient = self.gradient.tensors_mut();
        let stream = Matrix::new(&self.stream, rows, d, d);
        rows::sum_rows(&self.stream[..rows * d], gradient.out_bias);
        MatrixMut::new(gradient.out_weight, d, d, d).set_product(
            1.0,
            Matrix::new(&forward.mixed, rows, d, d).t(),
            stream,
        );
        MatrixMut::new(&mut self.narrow, rows, d, d).set_product(
            1.0,
            stream,
            Matrix::new(tensors.out_weight, d, d, d).t(),
        );
    }

    /// From the gradient of the heads' outputs to those of queries, keys and values.
    fn attention(&mut self, forward: &Forward) {
        let batch = forward.batch;
        let Batch {
            shape:
                BlockShape {
                    tokens,
                    width,
                    heads,
                    ..
                },
            images,
            queries,
        } = batch;
        let (head_width, size) = (batch.head(), queries * tokens);
        for (at, shares) in forward
            .shares
            .chunks_exact(size)
            .take(images * heads)
            .enumerate()
        {
            let (image, head) = (at / heads, at % heads);
            let rows = batch.head_start(image, head, queries, width);
            let keys = batch.head_start(image, head, tokens, 2 * width);
            let values = keys + width;
            let side = 2 * width;
            let mixed = Matrix::new(&self.narrow[rows..], queries, head_width, width);
            let logits = &mut self.logits[..size];
            MatrixMut::new(&mut self.kv[values..], tokens, head_width, side).set_product(
                1.0,
                Matrix::new(shares, queries, tokens, tokens).t(),
                mixed,
            );
            MatrixMut::new(logits, queries, tokens, tokens).set_product(
                1.0,
                mixed,
                Matrix::new(&forward.kv[values..], tokens, head_width, side).t(),
            );
            rows::softmax_backward(shares, tokens, logits);
            let logits = Matrix::new(logits, queries, tokens, tokens);
            MatrixMut::new(&mut self.q[rows..], queries, head_width, width).set_product(
                batch.scale(),
                logits,
                Matrix::new(&forward.kv[keys..], tokens, head_width, side),
            );
            MatrixMut::new(&mut self.kv[keys..], tokens, head_width, side).set_product(
                batch.scale(),
                logits.t(),
                Matrix::new(&forward.q[rows..], queries, head_width, width),
            );
        }
    }

    /// From the gradients of queries, keys and values to their layer and LN1.
    fn qkv_layer(&mut self, tensors: &BlockTensors<&[f32]>, forward: &Forward) {
        let d = forward.batch.shape.width;
        let (asked, rows) = (forward.batch.query_rows(), forward.batch.token_rows());
        let gradient = self.gradient.tensors_mut();
        rows::sum_rows(&self.q[..asked * d], &mut gradient.qkv_bias[..d]);
        rows::sum_rows(&self.kv[..rows * 2 * d], &mut gradient.qkv_bias[d..]);
        MatrixMut::new(gradient.qkv_weight, d, d, 3 * d).set_product(
            1.0,
            Matrix::new(&forward.normed_queries, asked, d, d).t(),
            Matrix::new(&self.q, asked, d, d),
        );
        MatrixMut::new(&mut gradient.qkv_weight[d..], d, 2 * d, 3 * d).set_product(
            1.0,
            Matrix::new(&forward.normed, rows, d, d).t(),
            Matrix::new(&self.kv, rows, 2 * d, 2 * d),
        );
        unfold(
            (tensors.norm1_scale, tensors.norm1_shift),
            tensors.qkv_weight,
            (gradient.qkv_weight, gradient.qkv_bias),
            (gradient.norm1_scale, gradient.norm1_shift),
        );
    }
}

/// `S(x) - y` of the query tokens into `residuals`, `[B Q, D]`; returns the sum of its squares.
pub(super) fn residuals(
    forward: &Forward,
    target: &[f32],
    queries: &[usize],
    residuals: &mut [f32],
) -> f64 {
    let Batch {
        shape,
        images,
        queries: each,
    } = forward.batch;
    assert_eq!(
        target.len(),
        images * shape.tokens * shape.width,
        "a target for each token"
    );
    let rows = forward
        .output
        .chunks_exact(shape.width)
        .zip(residuals.chunks_exact_mut(shape.width));
    let mut squares = 0.0;
    for ((row, token), (output, residual)) in queries.iter().enumerate().zip(rows) {
        let target = token_row(target, shape, row / each, *token);
        for ((to, output), target) in residual.iter_mut().zip(output).zip(target) {
            *to = output - target;
        }
        squares += f64::from(rows::dot(residual, residual));
    }
    squares
}

/// Takes the gradient of a folded layer apart. With `G = normed' d` in `weight` and `g = sum d` in
/// `bias`, where `d` is the gradient of the layer's output: the matrix gets `scale G + shift g`,
/// the norm's scale the row sums of `W G`, its shift those of `W g`.
fn unfold(
    (scale, shift): (&[f32], &[f32]),
    layer: &[f32],
    (weight, bias): (&mut [f32], &[f32]),
    (scale_gradient, shift_gradient): (&mut [f32], &mut [f32]),
) {
    let columns = bias.len();
    let rows = layer
        .chunks_exact(columns)
        .zip(weight.chunks_exact_mut(columns));
    for (row, (layer, weight)) in rows.enumerate() {
        scale_gradient[row] = rows::dot(layer, weight);
        shift_gradient[row] = rows::dot(layer, bias);
        for (weight, bias) in weight.iter_mut().zip(bias) {
            *weight = scale[row] * *weight + shift[row] * bias;
        }
    }
}
