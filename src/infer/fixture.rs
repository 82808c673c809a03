//! Tiny ViTs as ONNX files for tests: 32x32 input, patch 16, width 8, two heads, with the order of
//! norms and branches as asked. Node names are meaningless on purpose: nothing may rely on them.

use prost::Message as _;
use tract_onnx::pb::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto,
    TensorShapeProto, TypeProto, ValueInfoProto, attribute_proto, tensor_proto, tensor_shape_proto,
    type_proto,
};

pub(super) const WIDTH: usize = 8;
const HEADS: usize = 2;
const PATCHES: usize = 4;

/// How a block is wired.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Wiring {
    /// x + attn(norm(x)), then x + mlp(norm(x)).
    PreNorm,
    /// norm(x + attn(x)), then norm(x + mlp(x)).
    PostNorm,
    /// x + attn(norm(x)) + mlp(norm(x)).
    Parallel,
    /// Two MLPs and no attention.
    NoAttention,
}

/// The ONNX file of a ViT with `blocks` blocks and `prefix` tokens before the patches. With
/// `class_first` the class token is selected before the final norm.
pub(super) fn vit(blocks: usize, prefix: usize, wiring: Wiring, class_first: bool) -> Vec<u8> {
    let mut g = Graph::default();
    let tokens = prefix + PATCHES;
    let kernel = g.weight(&[WIDTH, 3, 16, 16], 0.05);
    let map = g.node(
        "Conv",
        &["image", &kernel],
        &[("kernel_shape", &[16, 16]), ("strides", &[16, 16])],
    );
    let flat_shape = g.ints(&[1, WIDTH as i64, PATCHES as i64]);
    let flat = g.node("Reshape", &[&map, &flat_shape], &[]);
    let patches = g.node("Transpose", &[&flat], &[("perm", &[0, 2, 1])]);
    let class = g.weight(&[1, prefix, WIDTH], 1.0);
    let all = g.node_axis("Concat", &[&class, &patches], 1);
    let position = g.weight(&[1, tokens, WIDTH], 0.5);
    let mut x = g.node("Add", &[&all, &position], &[]);
    for _ in 0..blocks {
        x = g.block(&x, tokens, wiring);
    }
    if class_first {
        let index = g.ints(&[0]);
        let picked = g.node_axis("Gather", &[&x, &index], 1);
        let shape = g.ints(&[1, WIDTH as i64]);
        x = g.node("Reshape", &[&picked, &shape], &[]);
    }
    let x = g.norm(&x);
    g.file("image", &[1, 3, 32, 32], &x)
}

#[derive(Default)]
struct Graph {
    nodes: Vec<NodeProto>,
    initializers: Vec<TensorProto>,
    state: u64,
}

impl Graph {
    fn fresh(&mut self) -> String {
        format!("t{}", self.nodes.len() + self.initializers.len())
    }

    fn node(&mut self, op: &str, inputs: &[&str], ints: &[(&str, &[i64])]) -> String {
        let attributes = ints.iter().map(|(name, ints)| AttributeProto {
            name: (*name).to_owned(),
            r#type: attribute_proto::AttributeType::Ints as i32,
            ints: ints.to_vec(),
            ..Default::default()
        });
        let attributes = attributes.collect();
        self.push(op, inputs, attributes)
    }

    fn node_axis(&mut self, op: &str, inputs: &[&str], axis: i64) -> String {
        let axis = AttributeProto {
            name: "axis".to_owned(),
            r#type: attribute_proto::AttributeType::Int as i32,
            i: axis,
            ..Default::default()
        };
        self.push(op, inputs, vec![axis])
    }

    fn push(&mut self, op: &str, inputs: &[&str], attribute: Vec<AttributeProto>) -> String {
        let output = self.fresh();
        self.nodes.push(NodeProto {
            op_type: op.to_owned(),
            input: inputs.iter().map(|&i| i.to_owned()).collect(),
            output: vec![output.clone()],
            attribute,
            ..Default::default()
        });
        output
    }

    fn initializer(&mut self, tensor: TensorProto) -> String {
        let name = self.fresh();
        self.initializers.push(TensorProto {
            name: name.clone(),
            ..tensor
        });
        name
    }

    fn weight(&mut self, shape: &[usize], scale: f32) -> String {
        let mut next = || {
            self.state = self
                .state
                .wrapping_mul(6364136223846793005)
                .wrapping_add(1442695040888963407);
            ((self.state >> 40) as f32 / (1u64 << 24) as f32 - 0.5) * 2.0 * scale
        };
        let float_data = (0..shape.iter().product::<usize>())
            .map(|_| next())
            .collect();
        self.initializer(TensorProto {
            dims: shape.iter().map(|&d| d as i64).collect(),
            data_type: tensor_proto::DataType::Float as i32,
            float_data,
            ..Default::default()
        })
    }

    fn ints(&mut self, values: &[i64]) -> String {
        self.initializer(TensorProto {
            dims: vec![values.len() as i64],
            data_type: tensor_proto::DataType::Int64 as i32,
            int64_data: values.to_vec(),
            ..Default::default()
        })
    }

    fn norm(&mut self, x: &str) -> String {
        let (scale, bias) = (self.weight(&[WIDTH], 1.0), self.weight(&[WIDTH], 0.1));
        self.node("LayerNormalization", &[x, &scale, &bias], &[])
    }

    fn linear(&mut self, x: &str, from: usize, to: usize) -> String {
        let (weight, bias) = (self.weight(&[from, to], 0.3), self.weight(&[to], 0.1));
        let product = self.node("MatMul", &[x, &weight], &[]);
        self.node("Add", &[&product, &bias], &[])
    }

    fn attention(&mut self, x: &str, tokens: usize) -> String {
        let shape = self.ints(&[1, tokens as i64, HEADS as i64, (WIDTH / HEADS) as i64]);
        let heads = |g: &mut Graph, perm: &[i64]| {
            let linear = g.linear(x, WIDTH, WIDTH);
            let split = g.node("Reshape", &[&linear, &shape], &[]);
            g.node("Transpose", &[&split], &[("perm", perm)])
        };
        let q = heads(self, &[0, 2, 1, 3]);
        let k = heads(self, &[0, 2, 3, 1]);
        let v = heads(self, &[0, 2, 1, 3]);
        let scores = self.node("MatMul", &[&q, &k], &[]);
        let weights = self.node_axis("Softmax", &[&scores], -1);
        let mixed = self.node("MatMul", &[&weights, &v], &[]);
        let back = self.node("Transpose", &[&mixed], &[("perm", &[0, 2, 1, 3])]);
        let shape = self.ints(&[1, tokens as i64, WIDTH as i64]);
        let joined = self.node("Reshape", &[&back, &shape], &[]);
        self.linear(&joined, WIDTH, WIDTH)
    }

    fn mlp(&mut self, x: &str) -> String {
        let hidden = self.linear(x, WIDTH, 2 * WIDTH);
        let active = self.node("Tanh", &[&hidden], &[]);
        self.linear(&active, 2 * WIDTH, WIDTH)
    }

    fn block(&mut self, x: &str, tokens: usize, wiring: Wiring) -> String {
        match wiring {
            Wiring::PreNorm | Wiring::NoAttention => {
                let normed = self.norm(x);
                let branch = if wiring == Wiring::PreNorm {
                    self.attention(&normed, tokens)
                } else {
                    self.mlp(&normed)
                };
                let x = self.node("Add", &[&branch, x], &[]);
                let normed = self.norm(&x);
                let mlp = self.mlp(&normed);
                self.node("Add", &[&x, &mlp], &[])
            }
            Wiring::PostNorm => {
                let attention = self.attention(x, tokens);
                let sum = self.node("Add", &[x, &attention], &[]);
                let x = self.norm(&sum);
                let mlp = self.mlp(&x);
                let sum = self.node("Add", &[&x, &mlp], &[]);
                self.norm(&sum)
            }
            Wiring::Parallel => {
                let normed = self.norm(x);
                let attention = self.attention(&normed, tokens);
                let mlp = self.mlp(&normed);
                let x = self.node("Add", &[x, &attention], &[]);
                self.node("Add", &[&x, &mlp], &[])
            }
        }
    }

    fn file(self, input: &str, shape: &[i64], output: &str) -> Vec<u8> {
        let info = |name: &str, shape: &[i64]| ValueInfoProto {
            name: name.to_owned(),
            r#type: Some(TypeProto {
                denotation: String::new(),
                value: Some(type_proto::Value::TensorType(type_proto::Tensor {
                    elem_type: tensor_proto::DataType::Float as i32,
                    shape: Some(TensorShapeProto {
                        dim: shape
                            .iter()
                            .map(|&d| tensor_shape_proto::Dimension {
                                denotation: String::new(),
                                value: Some(tensor_shape_proto::dimension::Value::DimValue(d)),
                            })
                            .collect(),
                    }),
                })),
            }),
            ..Default::default()
        };
        let graph = GraphProto {
            name: "g".to_owned(),
            input: vec![info(input, shape)],
            output: vec![ValueInfoProto {
                name: output.to_owned(),
                ..Default::default()
            }],
            node: self.nodes,
            initializer: self.initializers,
            ..Default::default()
        };
        let model = ModelProto {
            ir_version: 8,
            opset_import: vec![OperatorSetIdProto {
                domain: String::new(),
                version: 17,
            }],
            graph: Some(graph),
            ..Default::default()
        };
        model.encode_to_vec()
    }
}
