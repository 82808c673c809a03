"""Write a checkpoint as an ONNX teacher with its sidecar, and check it against torch; read such a teacher back.

The graph is opset 17 with attention written out, constants folded and a free batch axis.  Output 0,
`tokens`, holds all tokens after the final LayerNorm, class token first.  Large weights are stored in half precision,
with a Cast before their use: arithmetic stays in float32, the file takes half the room.
"""

import argparse
import hashlib
import io
import os
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper

from model import GRID, SHAPES, Teacher

# The largest differences that are accepted: of the graph, and of what half precision makes of the weights.
EXACT, HALVED = 1e-4, 2e-2
# Smaller arrays, such as biases and norms, stay in float32.
SMALLEST = 1024
SIDECAR = """name = "{name}"
mean = [0.5, 0.5, 0.5]
std = [0.5, 0.5, 0.5]
interpolation = "bilinear"
licence = "MIT OR Apache-2.0"
"""


def weights(path):
    """The weights of a teacher that `export` wrote, by torch's names."""
    graph = onnx.load(path).graph
    found = {tensor.name.removesuffix("_half"): tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute[0].t.dims:
            found[node.output[0]] = node.attribute[0].t
        if node.op_type == "Identity" and node.input[0] in found:  # torch writes equal arrays once
            found[node.output[0]] = found[node.input[0]]
    found = {name: torch.from_numpy(numpy_helper.to_array(tensor).copy()) for name, tensor in found.items()}
    state = {name: found[name].float() for name in found if name.split(".")[0] in ("cls", "patch", "blocks", "norm")}
    # Matrices lose their names, and are turned; the order of their products stays.
    used = [node.input[1] for node in graph.node if node.op_type == "MatMul" and node.input[1] in found]
    layers = [f"blocks.{k}.{layer}" for k in range(len(used) // 4) for layer in ("qkv", "proj", "fc1", "fc2")]
    state |= {f"{layer}.weight": found[name].float().T for layer, name in zip(layers, used, strict=True)}
    width = state["cls"].shape[-1]
    [table] = [tensor.float() for tensor in found.values() if tensor.shape == (1, 1 + GRID**2, width)]
    state["position_cls"] = table[:, :1]
    state["position"] = table[:, 1:].transpose(1, 2).reshape(1, width, GRID, GRID)
    return state


def traced(teacher, example):
    """The graph that torch writes, with attention written out and one table of positions."""
    for block in teacher.blocks:
        block.fused = False
    with torch.no_grad():
        grid = teacher.position.flatten(2).transpose(1, 2)
        teacher.position_table = torch.cat([teacher.position_cls, grid], 1).clone()
    written = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(teacher, (example,), written, opset_version=17, dynamo=False, do_constant_folding=True,
                          input_names=["image"], output_names=["tokens"],
                          dynamic_axes={"image": {0: "batch"}, "tokens": {0: "batch"}})
    return onnx.load_from_string(written.getvalue())


def halve(graph):
    """Store large weights in half precision."""
    large = [tensor for tensor in graph.initializer if is_large(tensor)]
    for tensor in large:
        graph.initializer.remove(tensor)
        store(graph, tensor, tensor.name)
    constants = [node for node in graph.node if node.op_type == "Constant" and node.attribute[0].name == "value"]
    for node in constants:
        if is_large(node.attribute[0].t):
            graph.node.remove(node)
            store(graph, node.attribute[0].t, node.output[0])


def is_large(tensor):
    return tensor.data_type == TensorProto.FLOAT and np.prod(tensor.dims) >= SMALLEST


def store(graph, tensor, name):
    half = numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16), f"{name}_half")
    graph.initializer.append(half)
    graph.node.insert(0, helper.make_node("Cast", [half.name], [name], to=TensorProto.FLOAT))


def difference(model, images, expected):
    """The largest difference of an output value between onnxruntime and torch, in a batch and one by one."""
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])

    def run(x):
        return session.run(None, {"image": x.numpy()})[0]

    one_by_one = np.concatenate([run(image[None]) for image in images])
    return max(float(np.abs(found - expected).max()) for found in (run(images), one_by_one))


def export(teacher, path):
    """Write `path` and its sidecar; give the differences of the graph and of its halved weights."""
    images = torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected = teacher(images).numpy()  # before anything is rearranged for the trace
    model = traced(teacher, images)
    exact = difference(model, images, expected)
    halve(model.graph)
    onnx.checker.check_model(model)
    halved = difference(model, images, expected)
    if exact > EXACT or halved > HALVED:
        raise SystemExit(f"onnxruntime and torch differ by {exact:.1e}, with halved weights by {halved:.1e}")
    part = path.with_suffix(".part")
    onnx.save(model, part)
    width, blocks = teacher.cls.shape[-1], len(teacher.blocks)
    again = Teacher(width, blocks, teacher.blocks[0].heads)
    again.load_state_dict(weights(part))
    with torch.no_grad():
        if np.abs(again(images).numpy() - expected).max() > HALVED:
            raise SystemExit(f"{part} is another teacher when it is read back")
    os.replace(part, path)
    path.with_suffix(".toml").write_text(SIDECAR.format(name=f"procedural-vit-{width}x{blocks}"))
    return exact, halved


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--checkpoint", type=Path)
    source.add_argument("--random", choices=SHAPES,
                        help="plain random weights of this shape, without the cosines that training starts from")
    parser.add_argument("--seed", type=int, default=0, help="of the random weights")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    if args.checkpoint:
        saved = torch.load(args.checkpoint, map_location="cpu", weights_only=True)
        teacher = Teacher(*SHAPES[saved["settings"]["shape"]])
        teacher.load_state_dict(saved["average"])
    else:
        teacher = Teacher(*SHAPES[args.random])
    exact, halved = export(teacher, args.out)
    data = args.out.read_bytes()
    print(f"{args.out}: {len(data)} bytes, sha256 {hashlib.sha256(data).hexdigest()}, "
          f"largest difference {exact:.1e}, with halved weights {halved:.1e}")


if __name__ == "__main__":
    main()
