//! Finds the residual stream of a plain ViT in tract's typed, not yet decluttered graph, by
//! structure and never by names.
//!
//! A skip connection is an `Add` of two operands of the same shape `[1, N, D]` of which one (the
//! skip) is an ancestor of the other (the branch). The skips of a pre-norm ViT form one chain, each
//! starting where the former ended; a block starts at a skip whose branch holds a `Softmax`. A graph
//! that does not look so (post-norm, parallel branches, a convolutional network) is refused with the
//! reason.

use tract_onnx::prelude::*;
use tract_onnx::tract_core::ops::binary::TypedBinOp;
use tract_onnx::tract_core::ops::cast::Cast;
use tract_onnx::tract_core::ops::change_axes::AxisOp;
use tract_onnx::tract_core::ops::identity::Identity;
use tract_onnx::tract_core::ops::nn::Softmax;

use super::Grid;

/// Where the residual stream runs through a graph, and what its shapes say.
#[derive(Debug, Clone)]
pub(super) struct ResidualStream {
    /// `x_0 ..= x_L`: the embedding, then the output of each block.
    pub(super) outlets: Vec<OutletId>,
    /// The output of the final norm: `[1, N, D]`, or `[1, D]` where the graph selects the class
    /// token before it.
    pub(super) final_norm: OutletId,
    pub(super) tokens: usize,
    pub(super) width: usize,
    pub(super) heads: usize,
    pub(super) prefix_tokens: usize,
    pub(super) grid: Grid,
}

/// Why a graph is not a plain ViT.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotAVit {
    /// Its input has another shape.
    #[error("it takes no picture: its input is {0}, and [1, 3, rows, columns] is needed")]
    NoPicture(String),
    /// No two equal `[1, N, D]` operands are added with one the ancestor of the other.
    #[error(
        "it has no skip connections of shape [1, tokens, width]; a plain ViT has two in each block"
    )]
    NoSkips,
    /// The skips do not follow one another.
    #[error(
        "its skip connections do not form one chain (found at \"{0}\"): post-norm, parallel-branch \
         and hierarchical transformers are not supported"
    )]
    NotAChain(String),
    /// No branch holds a Softmax.
    #[error(
        "the first skip connection's branch holds no Softmax: it does not start with attention"
    )]
    NoAttention,
    /// The final norm was not found.
    #[error("no LayerNorm with scale and bias follows the last block")]
    NoFinalNorm,
    /// The patches were not found.
    #[error(
        "the patch grid was not found: no [1, {width}, rows, columns] feature map with at most {tokens} cells feeds the first block"
    )]
    NoPatches {
        /// Width of the stream.
        width: usize,
        /// Its tokens.
        tokens: usize,
    },
}

struct Skip {
    node: usize,
    /// The skip operand, seen through Identity and Cast.
    from: OutletId,
    branch: OutletId,
}

impl ResidualStream {
    /// Finds the stream of `model`, whose input is fixed to `1,3,H,W`.
    pub(super) fn find(model: &TypedModel) -> TractResult<Result<ResidualStream, NotAVit>> {
        let order = model.eval_order()?;
        let ancestors = Ancestors::of(model, &order);
        let skips = skips(model, &order, &ancestors);
        let Some(first) = skips.first() else {
            return Ok(Err(NotAVit::NoSkips));
        };
        let shape = rank3(model, OutletId::new(first.node, 0));
        let (tokens, width) = shape.unwrap_or_default();
        if let Some(broken) = broken_link(&skips) {
            return Ok(Err(NotAVit::NotAChain(model.node(broken).name.clone())));
        }
        let starts: Vec<usize> = (0..skips.len())
            .filter(|&i| softmax_in_branch(model, &order, &ancestors, &skips[i]).is_some())
            .collect();
        if starts.first() != Some(&0) {
            return Ok(Err(NotAVit::NoAttention));
        }
        let heads = softmax_in_branch(model, &order, &ancestors, first).unwrap_or(1);
        let mut outlets: Vec<OutletId> = starts.iter().map(|&i| skips[i].from).collect();
        let last = OutletId::new(skips[skips.len() - 1].node, 0);
        outlets.push(last);
        let Some(final_norm) = final_norm(model, &order, &ancestors, last, width) else {
            return Ok(Err(NotAVit::NoFinalNorm));
        };
        let Some(grid) = patch_grid(model, &order, &ancestors, outlets[0], width, tokens) else {
            return Ok(Err(NotAVit::NoPatches { width, tokens }));
        };
        let prefix_tokens = tokens - grid.rows * grid.columns;
        Ok(Ok(ResidualStream {
            outlets,
            final_norm,
            tokens,
            width,
            heads,
            prefix_tokens,
            grid,
        }))
    }
}

/// For each node the set of nodes that it depends on, itself included, as bits.
struct Ancestors {
    words: usize,
    bits: Vec<u64>,
}

impl Ancestors {
    fn of(model: &TypedModel, order: &[usize]) -> Ancestors {
        let words = model.nodes().len().div_ceil(64);
        let mut bits = vec![0u64; words * model.nodes().len()];
        for &node in order {
            let mut set = vec![0u64; words];
            set[node / 64] |= 1 << (node % 64);
            for input in &model.node(node).inputs {
                let of_input = &bits[input.node * words..][..words];
                set.iter_mut().zip(of_input).for_each(|(a, b)| *a |= b);
            }
            bits[node * words..][..words].copy_from_slice(&set);
        }
        Ancestors { words, bits }
    }

    fn has(&self, node: usize, ancestor: usize) -> bool {
        self.bits[node * self.words + ancestor / 64] >> (ancestor % 64) & 1 == 1
    }
}

/// The outlet behind any Identity and Cast; with `axes`, behind changes of axes too.
fn see_through(model: &TypedModel, mut outlet: OutletId, axes: bool) -> OutletId {
    loop {
        let op = &model.node(outlet.node).op;
        let transparent = op.is::<Identity>() || op.is::<Cast>() || (axes && op.is::<AxisOp>());
        if !transparent {
            return outlet;
        }
        outlet = model.node(outlet.node).inputs[0];
    }
}

fn shape_of(model: &TypedModel, outlet: OutletId) -> Option<TVec<usize>> {
    let fact = model.outlet_fact(outlet).ok()?;
    fact.shape.as_concrete().map(|s| s.into())
}

/// `(tokens, width)` of an outlet of shape `[1, tokens, width]`.
fn rank3(model: &TypedModel, outlet: OutletId) -> Option<(usize, usize)> {
    match shape_of(model, outlet)?.as_slice() {
        &[1, tokens, width] if tokens > 1 && width > 1 => Some((tokens, width)),
        _ => None,
    }
}

fn binary<'m>(model: &'m TypedModel, node: usize, name: &str) -> Option<&'m [OutletId]> {
    let node = model.node(node);
    let op = node.op_as::<TypedBinOp>()?;
    (op.0.name() == name).then_some(node.inputs.as_slice())
}

fn skips(model: &TypedModel, order: &[usize], ancestors: &Ancestors) -> Vec<Skip> {
    let mut skips = Vec::new();
    for &node in order {
        let Some(&[a, b]) = binary(model, node, "Add") else {
            continue;
        };
        let shape = rank3(model, a);
        if shape.is_none() || shape != rank3(model, b) {
            continue;
        }
        let (from_a, from_b) = (see_through(model, a, false), see_through(model, b, false));
        if from_a.node == from_b.node {
            continue;
        }
        if ancestors.has(from_b.node, from_a.node) {
            skips.push(Skip {
                node,
                from: from_a,
                branch: from_b,
            });
        } else if ancestors.has(from_a.node, from_b.node) {
            skips.push(Skip {
                node,
                from: from_b,
                branch: from_a,
            });
        }
    }
    skips
}

/// The node of the first skip that does not start where the former ended.
fn broken_link(skips: &[Skip]) -> Option<usize> {
    skips
        .windows(2)
        .find(|pair| pair[1].from.node != pair[0].node)
        .map(|pair| pair[1].node)
}

/// The number of heads of the Softmax between a skip's start and the end of its branch, if any.
fn softmax_in_branch(
    model: &TypedModel,
    order: &[usize],
    ancestors: &Ancestors,
    skip: &Skip,
) -> Option<usize> {
    let softmax = order.iter().copied().find(|&node| {
        model.node(node).op_is::<Softmax>()
            && ancestors.has(skip.branch.node, node)
            && ancestors.has(node, skip.from.node)
    })?;
    let shape = shape_of(model, OutletId::new(softmax, 0))?;
    Some(match shape.as_slice() {
        &[1, heads, _, _] | &[heads, _, _] => heads,
        _ => 1,
    })
}

/// The first `Mul` by a constant of `width` elements followed by an `Add` of another, after `last`.
fn final_norm(
    model: &TypedModel,
    order: &[usize],
    ancestors: &Ancestors,
    last: OutletId,
    width: usize,
) -> Option<OutletId> {
    let vector = |outlet: OutletId| {
        let outlet = see_through(model, outlet, true);
        let volume = shape_of(model, outlet).map(|s| s.iter().product::<usize>());
        model.node(outlet.node).inputs.is_empty()
            && outlet.node != model.inputs[0].node
            && volume == Some(width)
    };
    let scaled_by = |outlet: OutletId| {
        let outlet = see_through(model, outlet, true);
        binary(model, outlet.node, "Mul").is_some_and(|i| i.iter().any(|&o| vector(o)))
    };
    order
        .iter()
        .copied()
        .filter(|&node| node != last.node && ancestors.has(node, last.node))
        .find(|&node| {
            binary(model, node, "Add").is_some_and(|inputs| {
                (vector(inputs[0]) && scaled_by(inputs[1]))
                    || (vector(inputs[1]) && scaled_by(inputs[0]))
            })
        })
        .map(|node| OutletId::new(node, 0))
}

/// The spatial shape of the last `[1, width, rows, columns]` feature map before the first block.
fn patch_grid(
    model: &TypedModel,
    order: &[usize],
    ancestors: &Ancestors,
    embedding: OutletId,
    width: usize,
    tokens: usize,
) -> Option<Grid> {
    order
        .iter()
        .rev()
        .copied()
        .filter(|&node| ancestors.has(embedding.node, node))
        .find_map(
            |node| match shape_of(model, OutletId::new(node, 0))?.as_slice() {
                &[1, d, rows, columns]
                    if d == width && rows * columns <= tokens && rows * columns > 1 =>
                {
                    Some(Grid { rows, columns })
                }
                _ => None,
            },
        )
}
