"""Write a checkpoint as an ONNX teacher and check it against torch.

The graph is opset 17 with attention written out, constants folded and a free batch axis.  Output 0,
`tokens`, holds all tokens after the final LayerNorm, class token first.  Weights are stored in half precision, with
a Cast before their use: arithmetic stays in float32, the file takes half the room.
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

from model import SHAPES, Teacher

# The largest differences that are accepted: of the graph, and of what half precision makes of the weights.
EXACT, HALVED = 1e-4, 2e-2
# Smaller arrays, such as biases and norms, stay in float32.
SMALLEST = 1024


def traced(teacher, example):
    """The graph that torch writes."""
    teacher = teacher.eval().float()
    for block in teacher.blocks:
        block.fused = False
    with torch.no_grad():
        grid = teacher.position.flatten(2).transpose(1, 2)
        teacher.fixed = torch.cat([teacher.position_cls, grid], 1).clone()
    written = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(teacher, (example,), written, opset_version=17, dynamo=False, do_constant_folding=True,
                          input_names=["image"], output_names=["tokens"],
                          dynamic_axes={"image": {0: "batch"}, "tokens": {0: "batch"}})
    return onnx.load_from_string(written.getvalue())


def halve(model):
    """Store the large weights in half precision."""
    graph = model.graph
    large = [t for t in graph.initializer if t.data_type == TensorProto.FLOAT and np.prod(t.dims) >= SMALLEST]
    for tensor in large:
        stored = numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16), f"{tensor.name}_half")
        graph.initializer.remove(tensor)
        graph.initializer.append(stored)
        graph.node.insert(0, helper.make_node("Cast", [stored.name], [tensor.name], to=TensorProto.FLOAT))


def difference(model, teacher, example):
    """The largest difference of an output value between onnxruntime and torch, for a batch and for one image."""
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    with torch.no_grad():
        return max(float(np.abs(session.run(None, {"image": x.numpy()})[0] - teacher(x).numpy()).max())
                   for x in (example, example[:1]))


def export(teacher, path):
    """Write `path`; give the differences of the graph and of its halved weights."""
    example = torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    model = traced(teacher, example)
    exact = difference(model, teacher, example)
    halve(model)
    onnx.checker.check_model(model)
    halved = difference(model, teacher, example)
    if exact > EXACT or halved > HALVED:
        raise SystemExit(f"onnxruntime and torch differ by {exact:.1e}, with halved weights by {halved:.1e}")
    part = path.with_suffix(".part")
    onnx.save(model, part)
    os.replace(part, path)
    return exact, halved


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--checkpoint", type=Path)
    source.add_argument("--random", choices=SHAPES, help="random weights of this shape, for comparison")
    parser.add_argument("--seed", type=int, default=0, help="of the random weights")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    if args.checkpoint:
        saved = torch.load(args.checkpoint, map_location="cpu", weights_only=True)
        teacher = Teacher(*SHAPES[saved["shape"]])
        teacher.load_state_dict(saved["average"])
    else:
        teacher = Teacher(*SHAPES[args.random])
    exact, halved = export(teacher, args.out)
    data = args.out.read_bytes()
    print(f"{args.out}: {len(data)} bytes, sha256 {hashlib.sha256(data).hexdigest()}, "
          f"largest difference {exact:.1e}, with halved weights {halved:.1e}")


if __name__ == "__main__":
    main()
