"""Write a checkpoint as teacher.onnx and check it against torch.

The graph is opset 17 with attention written out, constants folded and a free batch axis.  Output 0,
`tokens`, holds all tokens after the final LayerNorm, class token first.
"""

import argparse
import hashlib
import os
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch

from model import Teacher


def export(teacher, path):
    teacher = teacher.eval().float()
    for block in teacher.blocks:
        block.fused = False
    with torch.no_grad():
        grid = teacher.position.flatten(2).transpose(1, 2)
        teacher.fixed = torch.cat([teacher.position_cls, grid], 1).clone()
    example = torch.randn(2, 3, 224, 224, generator=torch.Generator().manual_seed(0))
    part = path.with_suffix(".part")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(teacher, (example,), str(part), opset_version=17, dynamo=False, do_constant_folding=True,
                          input_names=["image"], output_names=["tokens"],
                          dynamic_axes={"image": {0: "batch"}, "tokens": {0: "batch"}})
    onnx.checker.check_model(onnx.load(part))
    session = onnxruntime.InferenceSession(str(part), providers=["CPUExecutionProvider"])
    worst = 0.0
    with torch.no_grad():
        for image in (example, example[:1]):
            worst = max(worst, float(np.abs(session.run(None, {"image": image.numpy()})[0] - teacher(image).numpy()).max()))
    if worst > 1e-4:
        raise SystemExit(f"onnxruntime and torch differ by {worst:.2e}")
    os.replace(part, path)
    return worst


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", type=Path, help="without it: random weights, for comparison")
    parser.add_argument("--seed", type=int, default=0, help="of the random weights")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    torch.manual_seed(args.seed)
    teacher = Teacher()
    if args.checkpoint:
        teacher.load_state_dict(torch.load(args.checkpoint, map_location="cpu", weights_only=True)["average"])
    worst = export(teacher, args.out)
    data = args.out.read_bytes()
    print(f"{args.out}: {len(data)} bytes, sha256 {hashlib.sha256(data).hexdigest()}, largest difference {worst:.1e}")


if __name__ == "__main__":
    main()
