#!/usr/bin/env python3
"""Check export_vit.py on random weights, by both exporters, offline: what is plain is found as it is, and what
is not is refused with the reason.

    check_export.py PATH_OF_INSPECTD [WORD ...]      only what has one of the words in its name

Needs all three libraries and onnxscript: pip install torch onnx onnxruntime onnxscript timm torchvision transformers
"""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import torch

import export_vit

# Arguments; blocks, width, tokens before the patches, rows and columns of the grid.
PLAIN = [
    (["timm", "vit_tiny_patch16_224"], (12, 192, 1, 14)),
    (["timm", "vit_small_patch16_224"], (12, 384, 1, 14)),
    (["timm", "vit_base_patch16_224"], (12, 768, 1, 14)),
    (["timm", "deit_tiny_patch16_224"], (12, 192, 1, 14)),
    (["timm", "deit_tiny_distilled_patch16_224"], (12, 192, 2, 14)),
    (["timm", "vit_small_patch14_dinov2", "--size", "224"], (12, 384, 1, 16)),
    (["timm", "vit_small_patch14_reg4_dinov2", "--size", "224"], (12, 384, 5, 16)),
    (["timm", "vit_small_patch16_dinov3"], (12, 384, 5, 16)),
    (["torchvision", "vit_b_16"], (12, 768, 1, 14)),
    (["huggingface", "ViTConfig"], (12, 192, 1, 14)),
    (["huggingface", "DeiTConfig"], (12, 192, 2, 14)),
    (["huggingface", "Dinov2Config", "--size", "224"], (12, 192, 1, 16)),
    (["huggingface", "Dinov2WithRegistersConfig", "--size", "224"], (12, 192, 5, 16)),
]
# Other blocks: whether there is a stream that runs through them, x + f(x) again and again, and a word of the reason
# where there is none.
BLOCKS = [("norm after attention and MLP, within the branch", None), ("attention and MLP in one branch", None),
          ("norm of the sum (post-norm)", "post-norm"), ("attention and MLP added one by one (parallel)", "parallel")]


def inspect(inspectd, path):
    return subprocess.run([inspectd, "teacher", "inspect", "--json", path], capture_output=True, text=True)


def folder_of(name, folder):
    """A configuration of Hugging Face of Ti width, as a folder."""
    import transformers

    config = getattr(transformers, name)(hidden_size=192, num_attention_heads=3)
    if name.startswith("Dinov2"):
        config.image_size, config.patch_size = 518, 14
    else:
        config.intermediate_size = 768
    config.save_pretrained(folder / name)
    return str(folder / name)


def check_plain(inspectd, folder, exporter, arguments, expected):
    library, name, *rest = arguments
    if library == "huggingface":
        name = folder_of(name, folder)
    path = folder / "teacher.onnx"
    command = [sys.executable, export_vit.__file__, library, name, *rest, "--random", "--exporter", exporter, "--out", path]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "HF_HUB_OFFLINE": "1"})
    if done.returncode:
        return done.stderr.strip().rsplit("\n", 1)[-1]
    told = inspect(inspectd, path)
    if told.returncode:
        return told.stderr
    told = json.loads(told.stdout)
    found = told["blocks"], told["width"], told["prefix_tokens"], told["grid"]["rows"]
    return None if found == expected else f"{found} instead of {expected}"


def blocks(name):
    """Blocks of timm, or made of its parts."""
    from timm.models import vision_transformer as timm

    class PostNorm(timm.Block):
        def forward(self, x, **_):
            x = self.norm1(x + self.attn(x))
            return self.norm2(x + self.mlp(x))

    class Parallel(timm.Block):
        def forward(self, x, **_):
            return x + self.attn(self.norm1(x)) + self.mlp(self.norm2(x))

    return dict(zip((name for name, _ in BLOCKS), (timm.ResPostBlock, timm.ParallelScalingBlock, PostNorm, Parallel)))[name]


def check_block(inspectd, folder, exporter, name, word):
    from timm.models import vision_transformer as timm

    torch.manual_seed(0)
    model = timm.VisionTransformer(embed_dim=192, depth=4, num_heads=3, num_classes=0, block_fn=blocks(name))
    for module in model.modules():
        if hasattr(module, "fused_attn"):
            module.fused_attn = False
    path = folder / "teacher.onnx"
    export_vit.export(export_vit.Tokens(model, lambda m, image: m.forward_features(image)), 224, path, exporter)
    told = inspect(inspectd, path)
    if word is None:
        return None if told.returncode == 0 and json.loads(told.stdout)["blocks"] == 4 else told.stderr + told.stdout
    return None if told.returncode and word in told.stderr else f"not refused as {word}: {told.stdout}{told.stderr}"


def main():
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    inspectd, words = sys.argv[1], sys.argv[2:]
    checks = [(" ".join(arguments), check_plain, (arguments, expected)) for arguments, expected in PLAIN]
    checks += [(f"block: {name}", check_block, (name, word)) for name, word in BLOCKS]
    wrong = 0
    for name, check, what in checks:
        if words and not any(word in name for word in words):
            continue
        for exporter in ("torchscript", "dynamo"):
            with tempfile.TemporaryDirectory() as folder:
                fault = check(inspectd, Path(folder), exporter, *what)
            wrong += fault is not None
            print(f"{'ok' if fault is None else 'WRONG'}  {exporter:11}  {name}{'' if fault is None else ': ' + fault}", flush=True)
    sys.exit(min(wrong, 1))


if __name__ == "__main__":
    main()
