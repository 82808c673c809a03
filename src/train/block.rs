//! The forward pass of one pre-norm ViT block over a batch of pictures.
//!
//! `h = x + Attn(LN1(x))`, `y = h + MLP(LN2(h))` with erf-GELU (METHOD.md, section 1). Only the tokens
//! asked for become queries and get an output; keys and values come from all tokens. Buffers are
//! made once for the largest batch and hold what the backward pass needs; no step allocates. It
//! never sees the target and never changes a parameter.

use crate::infer::student_file::{BlockShape, BlockTensors};

use super::folded::Folded;
use super::kernel::{Matrix, MatrixMut};
use super::parameters::Parameters;
use super::rows;

/// All tokens of `images` pictures as queries.
pub fn all_tokens(tokens: usize, images: usize) -> Vec<usize> {
    (0..images).flat_map(|_| 0..tokens).collect()
}

/// Buffers of a forward pass, and afterwards its intermediate results. `B` pictures of `N` tokens,
/// `Q` queries a picture, width `D`, MLP width `F`.
#[derive(Debug)]
pub struct Forward {
    pub(super) batch: Batch,
    folded: Folded,
    /// LN1 without its affine part, `[B N, D]`.
    pub(super) normed: Vec<f32>,
    /// The same of the queries, `[B Q, D]`.
    pub(super) normed_queries: Vec<f32>,
    /// `[B Q, D]`, heads side by side.
    pub(super) q: Vec<f32>,
    /// Keys, then values, `[B N, 2 D]`.
    pub(super) kv: Vec<f32>,
    /// Attention after softmax, `[B, heads, Q, N]`.
    pub(super) shares: Vec<f32>,
    /// The heads' outputs side by side, `[B Q, D]`.
    pub(super) mixed: Vec<f32>,
    /// `h`, `[B Q, D]`.
    middle: Vec<f32>,
    /// LN2 without its affine part, `[B Q, D]`.
    pub(super) normed_middle: Vec<f32>,
    /// One over the deviation of each row of `h`, `[B Q]`.
    pub(super) rstd_middle: Vec<f32>,
    /// First MLP layer, then GELU's derivative there, `[B Q, F]`.
    pub(super) slope: Vec<f32>,
    /// GELU's output, `[B Q, F]`.
    pub(super) active: Vec<f32>,
    /// `y`, `[B Q, D]`.
    pub(super) output: Vec<f32>,
    rstd: Vec<f32>,
}

/// The size of one pass.
#[derive(Debug, Clone, Copy)]
pub(super) struct Batch {
    pub(super) shape: BlockShape,
    pub(super) images: usize,
    /// Queries a picture.
    pub(super) queries: usize,
}

impl Batch {
    /// Width of a head.
    pub(super) fn head(&self) -> usize {
        self.shape.width / self.shape.heads
    }

    /// One over the root of a head's width.
    pub(super) fn scale(&self) -> f32 {
        1.0 / (self.head() as f32).sqrt()
    }

    /// Query rows of all pictures.
    pub(super) fn query_rows(&self) -> usize {
        self.images * self.queries
    }

    /// Token rows of all pictures.
    pub(super) fn token_rows(&self) -> usize {
        self.images * self.shape.tokens
    }

    /// Where the columns of one head of one picture begin in rows of `stride`, given the picture's
    /// number of rows.
    pub(super) fn head_start(
        &self,
        image: usize,
        head: usize,
        rows: usize,
        stride: usize,
    ) -> usize {
        image * rows * stride + head * self.head()
    }
}

impl Forward {
    /// Buffers for at most `images` pictures with at most `queries` query tokens each.
    pub fn new(shape: BlockShape, images: usize, queries: usize) -> Self {
        assert!(
            shape.width.is_multiple_of(shape.heads),
            "the width is a multiple of the heads"
        );
        let [
            normed,
            normed_queries,
            q,
            kv,
            shares,
            mixed,
            middle,
            normed_middle,
            rstd_middle,
            slope,
            active,
            output,
            rstd,
        ] = Self::lengths(shape, images, queries).map(|length| vec![0.0; length]);
        Forward {
            batch: Batch {
                shape,
                images,
                queries,
            },
            folded: Folded::new(shape),
            normed,
            normed_queries,
            q,
            kv,
            shares,
            mixed,
            middle,
            normed_middle,
            rstd_middle,
            slope,
            active,
            output,
            rstd,
        }
    }

    /// Values of the buffers, in the order of the fields.
    fn lengths(shape: BlockShape, images: usize, queries: usize) -> [usize; 13] {
        let (d, f) = (shape.width, shape.hidden);
        let (tokens, asked) = (images * shape.tokens, images * queries);
        let shares = asked * shape.heads * shape.tokens;
        let (narrow, wide) = (asked * d, asked * f);
        [
            tokens * d,
            narrow,
            narrow,
            tokens * 2 * d,
            shares,
            narrow,
            narrow,
            narrow,
            asked,
            wide,
            wide,
            narrow,
            tokens,
        ]
    }

    /// Values that it holds, all buffers together.
    pub(super) fn values(shape: BlockShape, images: usize, queries: usize) -> usize {
        let buffers = Self::lengths(shape, images, queries);
        buffers.iter().sum::<usize>() + Folded::lengths(shape).iter().sum::<usize>()
    }

    /// The block's output for the query tokens, `[B Q, D]`.
    ///
    /// `input` is `[B, N, D]`; `queries` names the tokens of each picture in turn, the same number
    /// for each, `[B, Q]`. Panics where that is more than the buffers were made for.
    pub fn run(&mut self, parameters: &Parameters, input: &[f32], queries: &[usize]) -> &[f32] {
        let shape = parameters.shape();
        let images = input.len() / (shape.tokens * shape.width);
        assert_eq!(shape, self.batch.shape, "buffers of another block");
        assert_eq!(
            input.len(),
            images * shape.tokens * shape.width,
            "an input of whole pictures"
        );
        assert!(
            images > 0 && queries.len().is_multiple_of(images),
            "as many queries a picture"
        );
        self.batch = Batch {
            shape,
            images,
            queries: queries.len() / images,
        };
        let tensors = parameters.tensors();
        self.folded.fold(&tensors, shape);
        self.project(input, queries);
        self.attend();
        self.mix(&tensors, input, queries);
        self.mlp(&tensors);
        &self.output[..self.batch.query_rows() * shape.width]
    }

    /// LN1, queries, keys and values.
    fn project(&mut self, input: &[f32], queries: &[usize]) {
        let Batch { shape, .. } = self.batch;
        let (d, tokens, asked) = (
            shape.width,
            self.batch.token_rows(),
            self.batch.query_rows(),
        );
        rows::normalise(
            input,
            d,
            &mut self.normed[..tokens * d],
            &mut self.rstd[..tokens],
        );
        self.gather(queries, d);
        let Folded {
            qkv_weight,
            qkv_bias,
            ..
        } = &self.folded;
        fill_rows(&mut self.q[..asked * d], &qkv_bias[..d]);
        MatrixMut::new(&mut self.q, asked, d, d).add_product(
            Matrix::new(&self.normed_queries, asked, d, d),
            Matrix::new(qkv_weight, d, d, 3 * d),
        );
        fill_rows(&mut self.kv[..tokens * 2 * d], &qkv_bias[d..]);
        MatrixMut::new(&mut self.kv, tokens, 2 * d, 2 * d).add_product(
            Matrix::new(&self.normed, tokens, d, d),
            Matrix::new(&qkv_weight[d..], d, 2 * d, 3 * d),
        );
    }

    fn gather(&mut self, queries: &[usize], width: usize) {
        let Batch {
            shape,
            queries: each,
            ..
        } = self.batch;
        let to = self.normed_queries.chunks_exact_mut(width);
        for ((row, token), to) in queries.iter().enumerate().zip(to) {
            to.copy_from_slice(token_row(&self.normed, shape, row / each, *token));
        }
    }

    /// Softmax of query by key, and the values mixed by it.
    fn attend(&mut self) {
        let batch = self.batch;
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
        let size = queries * tokens;
        for (at, shares) in self
            .shares
            .chunks_exact_mut(size)
            .take(images * heads)
            .enumerate()
        {
            let (image, head) = (at / heads, at % heads);
            let rows = batch.head_start(image, head, queries, width);
            let keys = batch.head_start(image, head, tokens, 2 * width);
            MatrixMut::new(shares, queries, tokens, tokens).set_product(
                batch.scale(),
                Matrix::new(&self.q[rows..], queries, batch.head(), width),
                Matrix::new(&self.kv[keys..], tokens, batch.head(), 2 * width).t(),
            );
            rows::softmax(shares, tokens);
            MatrixMut::new(&mut self.mixed[rows..], queries, batch.head(), width).set_product(
                1.0,
                Matrix::new(shares, queries, tokens, tokens),
                Matrix::new(&self.kv[keys + width..], tokens, batch.head(), 2 * width),
            );
        }
    }

    /// The attention's output layer and the first residual.
    fn mix(&mut self, tensors: &BlockTensors<&[f32]>, input: &[f32], queries: &[usize]) {
        let Batch {
            shape,
            queries: each,
            ..
        } = self.batch;
        let d = shape.width;
        for ((row, token), to) in queries
            .iter()
            .enumerate()
            .zip(self.middle.chunks_exact_mut(d))
        {
            let from = token_row(input, shape, row / each, *token);
            for ((to, from), bias) in to.iter_mut().zip(from).zip(tensors.out_bias) {
                *to = from + bias;
            }
        }
        MatrixMut::new(&mut self.middle, queries.len(), d, d).add_product(
            Matrix::new(&self.mixed, queries.len(), d, d),
            Matrix::new(tensors.out_weight, d, d, d),
        );
    }

    /// LN2, the MLP and the second residual.
    fn mlp(&mut self, tensors: &BlockTensors<&[f32]>) {
        let BlockShape {
            width: d,
            hidden: f,
            ..
        } = self.batch.shape;
        let asked = self.batch.query_rows();
        let (narrow, wide) = (asked * d, asked * f);
        rows::normalise(
            &self.middle[..narrow],
            d,
            &mut self.normed_middle[..narrow],
            &mut self.rstd_middle[..asked],
        );
        fill_rows(&mut self.slope[..wide], &self.folded.up_bias);
        MatrixMut::new(&mut self.slope, asked, f, f).add_product(
            Matrix::new(&self.normed_middle, asked, d, d),
            Matrix::new(&self.folded.up_weight, d, f, f),
        );
        rows::gelu(&mut self.slope[..wide], &mut self.active[..wide]);
        let output = self.output[..narrow].chunks_exact_mut(d);
        for (to, from) in output.zip(self.middle.chunks_exact(d)) {
            for ((to, from), bias) in to.iter_mut().zip(from).zip(tensors.down_bias) {
                *to = from + bias;
            }
        }
        MatrixMut::new(&mut self.output, asked, d, d).add_product(
            Matrix::new(&self.active, asked, f, f),
            Matrix::new(tensors.down_weight, f, d, d),
        );
    }

    /// The first MLP matrix with LN2's scale in it, `[D, F]`.
    pub(super) fn folded_up_weight(&self) -> &[f32] {
        &self.folded.up_weight
    }
}

/// One token's row of a `[B, N, D]` slice.
pub(super) fn token_row(values: &[f32], shape: BlockShape, image: usize, token: usize) -> &[f32] {
    let start = (image * shape.tokens + token) * shape.width;
    &values[start..start + shape.width]
}

fn fill_rows(values: &mut [f32], row: &[f32]) {
    values
        .chunks_exact_mut(row.len())
        .for_each(|to| to.copy_from_slice(row));
}
