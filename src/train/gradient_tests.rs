//! The gradient of the block against two that share no code with it: central differences of a loss
//! written out in double precision, and candle's autograd in double precision.
//!
//! Tolerance: every element within 3e-6 of its tensor's largest gradient, plus 1e-7. The key bias is
//! held by the second term alone: softmax does not see it, so its gradient is zero but for rounding.

use candle_core::{D, DType, Device, Tensor, Var};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::infer::student_file::{BlockShape, BlockTensors};

use super::backward::Backward;
use super::block::{Forward, all_tokens};
use super::parameters::Parameters;

const SHAPE: BlockShape = BlockShape {
    tokens: 9,
    width: 24,
    heads: 3,
    hidden: 40,
};
const IMAGES: usize = 2;

/// A block in mid-training: no norm is the identity and no bias zero.
fn parameters() -> Parameters {
    let mut random = ChaCha8Rng::seed_from_u64(11);
    let mut parameters = Parameters::xavier(SHAPE, &mut random);
    parameters
        .values_mut()
        .iter_mut()
        .for_each(|v| *v += random.random_range(-0.2..0.2));
    parameters
}

fn batch(seed: u64) -> Vec<f32> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let values = IMAGES * SHAPE.tokens * SHAPE.width;
    (0..values)
        .map(|_| random.random_range(-2.0..2.0))
        .collect()
}

fn quarter() -> Vec<usize> {
    vec![7, 2, 0, 8]
}

fn by_hand(parameters: &Parameters, queries: &[usize]) -> (f64, Vec<f32>) {
    // Larger buffers than needed, with a larger batch before: leftovers must not leak in.
    let mut forward = Forward::new(SHAPE, IMAGES + 1, SHAPE.tokens);
    let mut backward = Backward::new(SHAPE, IMAGES + 1, SHAPE.tokens);
    let more: Vec<f32> = batch(5).into_iter().chain(batch(6)).collect();
    let more = &more[..(IMAGES + 1) * SHAPE.tokens * SHAPE.width];
    let all = all_tokens(SHAPE.tokens, IMAGES + 1);
    forward.run(parameters, more, &all);
    backward.run(parameters, &forward, more, &all);
    forward.run(parameters, &batch(1), queries);
    let loss = backward.run(parameters, &forward, &batch(2), queries);
    (loss, backward.gradient().values().to_vec())
}

/// The first element of each tensor in the vector, by name.
fn names() -> Vec<(&'static str, usize)> {
    let BlockShape {
        width: d,
        hidden: f,
        ..
    } = SHAPE;
    let lengths = [
        ("norm1_scale", d),
        ("norm1_shift", d),
        ("qkv_weight", 3 * d * d),
        ("q_bias", d),
        ("k_bias", d),
        ("v_bias", d),
        ("out_weight", d * d),
        ("out_bias", d),
        ("norm2_scale", d),
        ("norm2_shift", d),
        ("up_weight", d * f),
        ("up_bias", f),
        ("down_weight", f * d),
        ("down_bias", d),
    ];
    lengths.to_vec()
}

fn assert_close(ours: &[f32], reference: &[f64], of: &str) {
    let mut start = 0;
    for (name, len) in names() {
        let (ours, reference) = (&ours[start..start + len], &reference[start..start + len]);
        let largest = reference.iter().fold(0.0f64, |top, v| top.max(v.abs()));
        let worst = ours
            .iter()
            .zip(reference)
            .fold(0.0f64, |w, (a, b)| w.max((f64::from(*a) - b).abs()));
        println!("{of} {name}: worst {worst:.1e} of {largest:.1e}");
        assert!(
            worst <= 3e-6 * largest + 1e-7,
            "{of} {name}: off by {worst:e} of {largest:e}"
        );
        assert!(
            name == "k_bias" || largest > 1e-4,
            "{name}: nothing to compare"
        );
        start += len;
    }
    assert_eq!((start, ours.len()), (ours.len(), reference.len()));
}

/// `x W + b` for one row.
fn layer(row: &[f64], weight: &[f64], bias: &[f64]) -> Vec<f64> {
    let product = |c: usize| -> f64 {
        row.iter()
            .enumerate()
            .map(|(r, v)| v * weight[r * bias.len() + c])
            .sum()
    };
    (0..bias.len()).map(|c| bias[c] + product(c)).collect()
}

fn norm(row: &[f64], scale: &[f64], shift: &[f64]) -> Vec<f64> {
    let mean = row.iter().sum::<f64>() / row.len() as f64;
    let variance = row.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / row.len() as f64;
    let affine = scale.iter().zip(shift);
    row.iter()
        .zip(affine)
        .map(|(v, (s, b))| (v - mean) / (variance + 1e-6).sqrt() * s + b)
        .collect()
}

fn gelu(x: f64) -> f64 {
    let u = x * std::f64::consts::FRAC_1_SQRT_2;
    let (mut term, mut total) = (u, 0.0);
    for n in 0..200 {
        total += term;
        term *= 2.0 * u * u / (2 * n + 3) as f64;
    }
    0.5 * x * (1.0 + std::f64::consts::FRAC_2_SQRT_PI * (-u * u).exp() * total)
}

/// The loss written out, token by token.
fn plain_loss(values: &[f64], queries: &[usize]) -> f64 {
    let BlockShape {
        tokens,
        width: d,
        heads,
        hidden: f,
    } = SHAPE;
    let lengths = [d, d, 3 * d * d, 3 * d, d * d, d, d, d, d * f, f, f * d, d];
    let mut rest = values;
    let p = BlockTensors::from(lengths.map(|len| rest.split_off(..len).unwrap()));
    let (input, target) = (batch(1), batch(2));
    let each = queries.len() / IMAGES;
    let mut squares = 0.0;
    for image in 0..IMAGES {
        let row = |of: &[f32], token: usize| -> Vec<f64> {
            let start = (image * tokens + token) * d;
            of[start..start + d].iter().map(|v| f64::from(*v)).collect()
        };
        let qkv: Vec<Vec<f64>> = (0..tokens)
            .map(|t| norm(&row(&input, t), p.norm1_scale, p.norm1_shift))
            .map(|normed| layer(&normed, p.qkv_weight, p.qkv_bias))
            .collect();
        for token in &queries[image * each..(image + 1) * each] {
            let mut mixed = vec![0.0; d];
            for at in (0..heads).map(|head| head * d / heads) {
                let head = d / heads;
                let weight = |t: usize| -> f64 {
                    let dot: f64 = (at..at + head)
                        .map(|c| qkv[*token][c] * qkv[t][d + c])
                        .sum();
                    (dot / (head as f64).sqrt()).exp()
                };
                let all: f64 = (0..tokens).map(weight).sum();
                for (c, mixed) in mixed.iter_mut().enumerate().skip(at).take(head) {
                    *mixed = (0..tokens)
                        .map(|t| weight(t) / all * qkv[t][2 * d + c])
                        .sum();
                }
            }
            let add = |a: Vec<f64>, b: Vec<f64>| a.iter().zip(b).map(|(a, b)| a + b).collect();
            let h: Vec<f64> = add(row(&input, *token), layer(&mixed, p.out_weight, p.out_bias));
            let up = layer(
                &norm(&h, p.norm2_scale, p.norm2_shift),
                p.up_weight,
                p.up_bias,
            );
            let active: Vec<f64> = up.into_iter().map(gelu).collect();
            let y: Vec<f64> = add(h, layer(&active, p.down_weight, p.down_bias));
            squares += y
                .iter()
                .zip(row(&target, *token))
                .map(|(y, t)| (y - t).powi(2))
                .sum::<f64>();
        }
    }
    squares / (queries.len() * d) as f64
}

fn against_differences(queries: &[usize]) {
    let parameters = parameters();
    let (loss, gradient) = by_hand(&parameters, queries);
    let mut values: Vec<f64> = parameters.values().iter().map(|v| f64::from(*v)).collect();
    let plain = plain_loss(&values, queries);
    assert!(
        (loss - plain).abs() < 1e-6 * plain,
        "loss {loss} against {plain}"
    );
    let differences: Vec<f64> = (0..values.len())
        .map(|n| {
            let (kept, step) = (values[n], 1e-5);
            values[n] = kept + step;
            let above = plain_loss(&values, queries);
            values[n] = kept - step;
            let below = plain_loss(&values, queries);
            values[n] = kept;
            (above - below) / (2.0 * step)
        })
        .collect();
    assert_close(&gradient, &differences, "differences");
}

#[test]
fn the_gradient_of_every_parameter_matches_central_differences_on_all_tokens() {
    against_differences(&all_tokens(SHAPE.tokens, IMAGES));
}

#[test]
fn the_gradient_of_every_parameter_matches_central_differences_on_some_tokens() {
    against_differences(&quarter());
}

fn candle_gradient(
    parameters: &Parameters,
    queries: &[usize],
) -> candle_core::Result<(f64, Vec<f64>)> {
    let BlockShape {
        tokens,
        width: d,
        heads,
        hidden: f,
    } = SHAPE;
    let device = Device::Cpu;
    let sides: [&[usize]; 12] = [
        &[d],
        &[d],
        &[d, 3 * d],
        &[3 * d],
        &[d, d],
        &[d],
        &[d],
        &[d],
        &[d, f],
        &[f],
        &[f, d],
        &[d],
    ];
    let mut rest = parameters.values();
    let vars = sides.map(|dims| {
        let values = rest.split_off(..dims.iter().product()).unwrap();
        let tensor = Tensor::from_slice(values, dims, &device).unwrap();
        Var::from_tensor(&tensor.to_dtype(DType::F64).unwrap()).unwrap()
    });
    let p = BlockTensors::from(vars.clone());
    let load =
        |seed| Tensor::from_vec(batch(seed), (IMAGES, tokens, d), &device)?.to_dtype(DType::F64);
    let norm = |x: &Tensor, scale: &Var, shift: &Var| {
        let centred = x.broadcast_sub(&x.mean_keepdim(D::Minus1)?)?;
        let variance = (centred.sqr()?.mean_keepdim(D::Minus1)? + 1e-6)?;
        centred
            .broadcast_div(&variance.sqrt()?)?
            .broadcast_mul(scale)?
            .broadcast_add(shift)
    };
    let layer =
        |x: &Tensor, weight: &Var, bias: &Var| x.broadcast_matmul(weight)?.broadcast_add(bias);
    let x = load(1)?;
    let qkv = layer(
        &norm(&x, &p.norm1_scale, &p.norm1_shift)?,
        &p.qkv_weight,
        &p.qkv_bias,
    )?;
    let part = |n: usize| {
        let part = qkv
            .narrow(2, n * d, d)?
            .reshape((IMAGES, tokens, heads, d / heads))?;
        part.transpose(1, 2)?.contiguous()
    };
    let logits = (part(0)?.matmul(&part(1)?.t()?.contiguous()?)? / ((d / heads) as f64).sqrt())?;
    let exp = logits.exp()?;
    let shares = exp.broadcast_div(&exp.sum_keepdim(D::Minus1)?)?;
    let mixed = shares
        .matmul(&part(2)?)?
        .transpose(1, 2)?
        .reshape((IMAGES, tokens, d))?;
    let h = (x + layer(&mixed, &p.out_weight, &p.out_bias)?)?;
    let up = layer(
        &norm(&h, &p.norm2_scale, &p.norm2_shift)?,
        &p.up_weight,
        &p.up_bias,
    )?;
    let y = (&h + layer(&up.gelu_erf()?, &p.down_weight, &p.down_bias)?)?;
    let error = (y - load(2)?)?.reshape((IMAGES * tokens, d))?;
    let each = queries.len() / IMAGES;
    let rows: Vec<u32> = queries
        .iter()
        .enumerate()
        .map(|(n, token)| (n / each * tokens + token) as u32)
        .collect();
    let rows = Tensor::new(rows.as_slice(), &device)?;
    let loss = error.index_select(&rows, 0)?.sqr()?.mean_all()?;
    let gradients = loss.backward()?;
    let mut all = Vec::new();
    for var in &vars {
        let gradient = gradients
            .get(var.as_tensor())
            .expect("a gradient for each parameter");
        all.extend(gradient.flatten_all()?.to_vec1::<f64>()?);
    }
    Ok((loss.to_scalar()?, all))
}

#[test]
fn the_gradient_matches_candle_on_all_and_on_some_tokens() {
    let parameters = parameters();
    for queries in [all_tokens(SHAPE.tokens, IMAGES), quarter()] {
        let (loss, gradient) = by_hand(&parameters, &queries);
        let (reference, expected) = candle_gradient(&parameters, &queries).unwrap();
        assert!(
            (loss - reference).abs() < 1e-6 * reference,
            "loss {loss} against {reference}"
        );
        assert_close(&gradient, &expected, "candle");
    }
}
