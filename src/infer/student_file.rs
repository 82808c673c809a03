//! Students as an ONNX file.
//!
//! One graph holds all trained blocks: block `i` reads the input `x_{i-1}` and gives the output
//! `s_i`, both `[1, tokens, width]`; blocks share nothing. The bytes depend on the numbers only.
//! Nothing here reads such a file: the student is run like any other model.

use prost::Message;
use tract_onnx::pb::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto,
    TensorShapeProto, TypeProto, ValueInfoProto, attribute_proto::AttributeType,
    tensor_proto::DataType, tensor_shape_proto, type_proto,
};

/// Added to the variance under the root of a student's LayerNorm (METHOD.md, section 1).
pub const NORM_EPSILON: f32 = 1e-6;

/// The sides of one block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockShape {
    /// Tokens, `N`.
    pub tokens: usize,
    /// Width of the residual stream, `D`; a multiple of `heads`.
    pub width: usize,
    /// Attention heads.
    pub heads: usize,
    /// Width of the MLP between its two matrices, `F`.
    pub hidden: usize,
}

/// The twelve tensors of a pre-norm block (METHOD.md, section 1), row-major, inputs by outputs: a layer
/// is `x W + b`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BlockTensors<T> {
    /// Scale of the first LayerNorm, `[D]`.
    pub norm1_scale: T,
    /// Shift of the first LayerNorm, `[D]`.
    pub norm1_shift: T,
    /// Query, key and value side by side, heads within each, `[D, 3 D]`.
    pub qkv_weight: T,
    /// Their biases, `[3 D]`.
    pub qkv_bias: T,
    /// Of the attention's output, `[D, D]`.
    pub out_weight: T,
    /// Its bias, `[D]`.
    pub out_bias: T,
    /// Scale of the second LayerNorm, `[D]`.
    pub norm2_scale: T,
    /// Shift of the second LayerNorm, `[D]`.
    pub norm2_shift: T,
    /// First matrix of the MLP, `[D, F]`.
    pub up_weight: T,
    /// Its bias, `[F]`.
    pub up_bias: T,
    /// Second matrix of the MLP, `[F, D]`.
    pub down_weight: T,
    /// Its bias, `[D]`.
    pub down_bias: T,
}

impl<T> From<[T; 12]> for BlockTensors<T> {
    /// The tensors in the order of the fields.
    fn from(tensors: [T; 12]) -> Self {
        let [
            norm1_scale,
            norm1_shift,
            qkv_weight,
            qkv_bias,
            out_weight,
            out_bias,
            norm2_scale,
            norm2_shift,
            up_weight,
            up_bias,
            down_weight,
            down_bias,
        ] = tensors;
        BlockTensors {
            norm1_scale,
            norm1_shift,
            qkv_weight,
            qkv_bias,
            out_weight,
            out_bias,
            norm2_scale,
            norm2_shift,
            up_weight,
            up_bias,
            down_weight,
            down_bias,
        }
    }
}

/// One trained block to be written.
#[derive(Debug, Clone, Copy)]
pub struct TrainedBlock<'a> {
    /// Its number, 1-based: it maps the teacher's `x_{block-1}` to an estimate of `x_block`.
    pub block: usize,
    /// Its sides.
    pub shape: BlockShape,
    /// Its numbers.
    pub tensors: BlockTensors<&'a [f32]>,
}

/// The name of the graph's input for `block`: `x_{block-1}`.
pub fn input_name(block: usize) -> String {
    format!("x_{}", block - 1)
}

/// The name of the graph's output for `block`: `s_block`.
pub fn output_name(block: usize) -> String {
    format!("s_{block}")
}

/// The ONNX file (opset 17) of `students`, in the order given.
pub fn to_onnx(students: &[TrainedBlock<'_>]) -> Vec<u8> {
    let mut graph = GraphProto {
        name: "students".into(),
        ..Default::default()
    };
    for student in students {
        let mut writer = Writer {
            graph: &mut graph,
            student: *student,
        };
        writer.block();
    }
    let model = ModelProto {
        ir_version: 8, // the one of opset 17
        opset_import: vec![OperatorSetIdProto {
            domain: String::new(),
            version: 17,
        }],
        producer_name: "inspectd".into(),
        graph: Some(graph),
        ..Default::default()
    };
    model.encode_to_vec()
}

/// Writes the nodes of one block; names carry the block's number as `b6.`.
struct Writer<'g, 'a> {
    graph: &'g mut GraphProto,
    student: TrainedBlock<'a>,
}

impl Writer<'_, '_> {
    fn block(&mut self) {
        let TrainedBlock {
            block,
            shape,
            tensors,
        } = self.student;
        let BlockShape {
            tokens,
            width,
            hidden,
            ..
        } = shape;
        let stream = [1, tokens as i64, width as i64];
        let (input, output) = (input_name(block), output_name(block));
        self.graph.input.push(float_value(&input, &stream));
        self.graph.output.push(float_value(&output, &stream));

        let norm = [tensors.norm1_scale, tensors.norm1_shift];
        let normed = self.layer_norm("norm1", &input, norm);
        let mixed = self.attention(&normed);
        let mixed = self.layer(
            "out",
            &mixed,
            (tensors.out_weight, &[width, width]),
            tensors.out_bias,
        );
        let middle = self.node("attention_residual", "Add", &[&input, &mixed], vec![]);

        let norm = [tensors.norm2_scale, tensors.norm2_shift];
        let normed = self.layer_norm("norm2", &middle, norm);
        let up = self.layer(
            "up",
            &normed,
            (tensors.up_weight, &[width, hidden]),
            tensors.up_bias,
        );
        let up = self.gelu(&up);
        let down = self.layer(
            "down",
            &up,
            (tensors.down_weight, &[hidden, width]),
            tensors.down_bias,
        );
        self.graph.node.push(NodeProto {
            name: self.name("mlp_residual"),
            op_type: "Add".into(),
            input: vec![middle, down],
            output: vec![output],
            ..Default::default()
        });
    }

    /// From the normed tokens to the heads' outputs side by side, `[1, N, D]`.
    fn attention(&mut self, normed: &str) -> String {
        let TrainedBlock { shape, tensors, .. } = self.student;
        let BlockShape {
            tokens,
            width,
            heads,
            ..
        } = shape;
        let head = width / heads;
        let weight = (tensors.qkv_weight, &[width, 3 * width][..]);
        let qkv = self.layer("qkv", normed, weight, tensors.qkv_bias);
        let parts = ["q", "k", "v"].map(|part| self.name(part));
        let sizes = self.integers("qkv.sizes", &[width; 3]);
        self.graph.node.push(NodeProto {
            name: self.name("qkv.split"),
            op_type: "Split".into(),
            input: vec![qkv, sizes],
            output: parts.to_vec(),
            attribute: vec![integer("axis", 2)],
            ..Default::default()
        });
        let by_head = self.integers("by_head", &[1, tokens, heads, head]);
        let [q, k, v] = [
            ("q", [0, 2, 1, 3]),
            ("k", [0, 2, 3, 1]),
            ("v", [0, 2, 1, 3]),
        ]
        .map(|(part, order)| {
            let from = self.name(part);
            let heads = self.node(
                &format!("{part}.heads"),
                "Reshape",
                &[&from, &by_head],
                vec![],
            );
            let order = vec![integers("perm", &order)];
            self.node(&format!("{part}.transposed"), "Transpose", &[&heads], order)
        });
        let scale = self.floats("scale", &[1.0 / (head as f32).sqrt()], &[1]);
        let q = self.node("q.scaled", "Mul", &[&q, &scale], vec![]);
        let logits = self.node("logits", "MatMul", &[&q, &k], vec![]);
        let shares = self.node("shares", "Softmax", &[&logits], vec![integer("axis", -1)]);
        let mixed = self.node("mixed", "MatMul", &[&shares, &v], vec![]);
        let order = vec![integers("perm", &[0, 2, 1, 3])];
        let mixed = self.node("mixed.transposed", "Transpose", &[&mixed], order);
        let flat = self.integers("flat", &[1, tokens, width]);
        self.node("mixed.flat", "Reshape", &[&mixed, &flat], vec![])
    }

    /// `0.5 x (1 + erf(x / sqrt 2))`, in the form that engines recognise and fuse.
    fn gelu(&mut self, input: &str) -> String {
        let root = self.floats("gelu.root", &[std::f32::consts::SQRT_2], &[1]);
        let one = self.floats("gelu.one", &[1.0], &[1]);
        let half = self.floats("gelu.half", &[0.5], &[1]);
        let scaled = self.node("gelu.scaled", "Div", &[input, &root], vec![]);
        let erf = self.node("gelu.erf", "Erf", &[&scaled], vec![]);
        let shifted = self.node("gelu.shifted", "Add", &[&erf, &one], vec![]);
        let product = self.node("gelu.product", "Mul", &[input, &shifted], vec![]);
        self.node("gelu", "Mul", &[&product, &half], vec![])
    }

    fn layer_norm(&mut self, name: &str, input: &str, affine: [&[f32]; 2]) -> String {
        let width = [self.student.shape.width];
        let scale = self.floats(&format!("{name}.scale"), affine[0], &width);
        let shift = self.floats(&format!("{name}.shift"), affine[1], &width);
        let epsilon = AttributeProto {
            name: "epsilon".into(),
            r#type: AttributeType::Float as i32,
            f: NORM_EPSILON,
            ..Default::default()
        };
        let attributes = vec![integer("axis", -1), epsilon];
        self.node(
            name,
            "LayerNormalization",
            &[input, &scale, &shift],
            attributes,
        )
    }

    fn layer(
        &mut self,
        name: &str,
        input: &str,
        (weight, dims): (&[f32], &[usize]),
        bias: &[f32],
    ) -> String {
        let weight = self.floats(&format!("{name}.weight"), weight, dims);
        let bias = self.floats(&format!("{name}.bias"), bias, &[bias.len()]);
        let product = self.node(
            &format!("{name}.product"),
            "MatMul",
            &[input, &weight],
            vec![],
        );
        self.node(name, "Add", &[&product, &bias], vec![])
    }

    fn node(
        &mut self,
        name: &str,
        op: &str,
        input: &[&str],
        attribute: Vec<AttributeProto>,
    ) -> String {
        let name = self.name(name);
        self.graph.node.push(NodeProto {
            name: name.clone(),
            op_type: op.into(),
            input: input.iter().map(|name| (*name).to_owned()).collect(),
            output: vec![name.clone()],
            attribute,
            ..Default::default()
        });
        name
    }

    fn floats(&mut self, name: &str, values: &[f32], dims: &[usize]) -> String {
        let raw = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        self.initializer(name, DataType::Float, raw, dims)
    }

    fn integers(&mut self, name: &str, values: &[usize]) -> String {
        let raw = values
            .iter()
            .flat_map(|v| (*v as i64).to_le_bytes())
            .collect();
        self.initializer(name, DataType::Int64, raw, &[values.len()])
    }

    fn initializer(&mut self, name: &str, of: DataType, raw: Vec<u8>, dims: &[usize]) -> String {
        let name = self.name(name);
        self.graph.initializer.push(TensorProto {
            name: name.clone(),
            data_type: of as i32,
            dims: dims.iter().map(|side| *side as i64).collect(),
            raw_data: raw,
            ..Default::default()
        });
        name
    }

    fn name(&self, name: &str) -> String {
        format!("b{}.{name}", self.student.block)
    }
}

fn integer(name: &str, value: i64) -> AttributeProto {
    let r#type = AttributeType::Int as i32;
    AttributeProto {
        name: name.into(),
        r#type,
        i: value,
        ..Default::default()
    }
}

fn integers(name: &str, values: &[i64]) -> AttributeProto {
    let r#type = AttributeType::Ints as i32;
    AttributeProto {
        name: name.into(),
        r#type,
        ints: values.to_vec(),
        ..Default::default()
    }
}

fn float_value(name: &str, dims: &[i64]) -> ValueInfoProto {
    let dim = |side: &i64| tensor_shape_proto::Dimension {
        value: Some(tensor_shape_proto::dimension::Value::DimValue(*side)),
        ..Default::default()
    };
    let tensor = type_proto::Tensor {
        elem_type: DataType::Float as i32,
        shape: Some(TensorShapeProto {
            dim: dims.iter().map(dim).collect(),
        }),
    };
    let value = Some(type_proto::Value::TensorType(tensor));
    ValueInfoProto {
        name: name.into(),
        r#type: Some(TypeProto {
            value,
            ..Default::default()
        }),
        ..Default::default()
    }
}

#[cfg(test)]
mod tests;
