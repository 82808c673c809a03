#!/usr/bin/env python3
"""Write a ViT of timm, torchvision or Hugging Face as a teacher: NAME.onnx and its sidecar NAME.toml.

    export_vit.py timm vit_tiny_patch16_224 --out vit-tiny.onnx
    export_vit.py timm vit_small_patch14_reg4_dinov2 --size 224 --out dinov2.onnx
    export_vit.py torchvision vit_b_16 --out vit-b.onnx
    export_vit.py huggingface facebook/dinov2-small --size 224 --out dinov2-hf.onnx
    export_vit.py huggingface ./folder-of-my-model --out mine.onnx

Needs torch, onnx, onnxruntime, numpy and the library named (`pip install torch onnx onnxruntime timm`;
`onnxscript` for `--exporter dynamo`). Weights come from where that library gets them; `--random` takes none,
to see that a shape can be exported. The graph holds the transformer up to its final norm, its one output are
all tokens, [batch, N, D], the class token first. It is checked against torch before it is kept.

Then: inspectd teacher inspect NAME.onnx
"""

import argparse
import os
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch

OPSET = 17
# What an output may differ by from torch's, as a share of the largest value.
TOLERANCE = 1e-4


class Tokens(torch.nn.Module):
    """A model, of which `tokens` takes all tokens after the final norm."""

    def __init__(self, model, tokens):
        super().__init__()
        self.model, self.tokens = model, tokens

    def forward(self, image):
        return self.tokens(self.model, image)


def from_timm(name, size, pretrained):
    import timm

    more = {} if size is None else {"img_size": size}
    model = timm.create_model(name, pretrained=pretrained, num_classes=0, **more)
    config = model.pretrained_cfg
    for module in model.modules():
        # Attention written out, which every exporter and every reader of ONNX knows.
        if hasattr(module, "fused_attn"):
            module.fused_attn = False
    side = config["input_size"][-1] if size is None else size
    return Tokens(model, lambda m, image: m.forward_features(image)), side, config


def from_torchvision(name, size, pretrained):
    import torchvision

    if size is not None:
        sys.exit("torchvision's models have one size: leave --size out")
    weights = torchvision.models.get_model_weights(name).DEFAULT
    model = torchvision.models.get_model(name, weights=weights if pretrained else None)
    preset = weights.transforms()

    def tokens(model, image):
        patches = model._process_input(image)
        first = model.class_token.expand(patches.shape[0], -1, -1)
        return model.encoder(torch.cat([first, patches], 1))

    config = {"mean": preset.mean, "std": preset.std, "interpolation": preset.interpolation.value, "license": ""}
    return Tokens(model, tokens), model.image_size, config


def from_huggingface(name, size, pretrained):
    import transformers

    config = transformers.AutoConfig.from_pretrained(name)
    config._attn_implementation = "eager"
    if pretrained:
        model = transformers.AutoModel.from_pretrained(name, config=config)
    else:
        model = transformers.AutoModel.from_config(config)
    side = config.image_size if size is None else size
    if side != config.image_size:
        # The positions of that size once and for all, not at every run: no exporter knows how they are interpolated.
        patches = torch.zeros(1, 1 + (side // config.patch_size) ** 2, config.hidden_size)
        with torch.no_grad():
            table = model.embeddings.interpolate_pos_encoding(patches, side, side)
        model.embeddings.interpolate_pos_encoding = lambda *_: table
    more = {"interpolate_pos_encoding": True} if side != config.image_size and config.model_type in ("vit", "deit") else {}
    told = {"mean": (0.5,) * 3, "std": (0.5,) * 3, "interpolation": "bilinear", "license": ""}
    try:
        processor = transformers.AutoImageProcessor.from_pretrained(name)
        told.update(mean=processor.image_mean, std=processor.image_std,
                    interpolation="bicubic" if int(processor.resample) == 3 else "bilinear")
    except (OSError, ValueError):
        print(f"{name} has no preprocessing beside it: mean and std of 0.5 are taken; correct the sidecar", file=sys.stderr)
    return Tokens(model, lambda m, image: m(image, **more).last_hidden_state), side, told


SOURCES = {"timm": from_timm, "torchvision": from_torchvision, "huggingface": from_huggingface}


def export(model, side, path, exporter):
    """Writes the graph and gives the largest difference from torch, as a share of the largest value."""
    # torch's own fused attention (torchvision's models) has no ONNX form.
    torch.backends.mha.set_fastpath_enabled(False)
    model = model.eval().float()
    example = torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(0))
    with warnings.catch_warnings(), torch.no_grad():
        warnings.simplefilter("ignore")
        names = {"input_names": ["image"], "output_names": ["tokens"]}
        if exporter == "dynamo":
            # A fixed batch of one: what inspectd feeds.
            torch.onnx.export(model, (example[:1],), str(path), dynamo=True, opset_version=18, external_data=False,
                              verbose=False, **names)
        else:
            torch.onnx.export(model, (example,), str(path), dynamo=False, opset_version=OPSET, do_constant_folding=True,
                              dynamic_axes={"image": {0: "batch"}, "tokens": {0: "batch"}}, **names)
    onnx.checker.check_model(str(path))
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    with torch.no_grad():
        wanted = model(example[:1]).numpy()
    found = session.run(None, {"image": example[:1].numpy()})[0]
    return wanted.shape, float(np.abs(found - wanted).max() / np.abs(wanted).max())


def sidecar(name, config):
    """What inspectd has to know beside the graph."""
    numbers = lambda values: "[" + ", ".join(f"{float(value):g}" for value in values) + "]"
    interpolation = "bicubic" if config["interpolation"] == "bicubic" else "bilinear"
    lines = [f'name = "{name}"', f"mean = {numbers(config['mean'])}", f"std = {numbers(config['std'])}",
             f'interpolation = "{interpolation}"']
    if config.get("license"):
        lines.append(f'licence = "{config["license"]}"')
    return "\n".join(lines) + "\n"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("library", choices=SOURCES)
    parser.add_argument("name", help="of the model there; of Hugging Face also a folder")
    parser.add_argument("--out", type=Path, required=True, help="NAME.onnx; the sidecar is NAME.toml beside it")
    parser.add_argument("--size", type=int, help="columns and rows of the input, where not the model's own")
    parser.add_argument("--random", action="store_true", help="random weights, nothing is downloaded")
    parser.add_argument("--exporter", choices=["torchscript", "dynamo"], default="torchscript")
    args = parser.parse_args()
    if args.out.suffix != ".onnx" or not args.out.resolve().parent.is_dir():
        sys.exit(f"--out {args.out}: a file NAME.onnx in a folder that exists is needed")
    torch.manual_seed(0)
    model, side, config = SOURCES[args.library](args.name, args.size, not args.random)
    # In the folder of its own, so that a file that is no good never has the name that was asked for.
    with tempfile.TemporaryDirectory(dir=args.out.resolve().parent) as folder:
        part = Path(folder) / "teacher.onnx"
        shape, difference = export(model, side, part, args.exporter)
        if difference > TOLERANCE:
            sys.exit(f"the graph differs from torch by {difference:.1e} of the largest value: nothing was written")
        os.replace(part, args.out)
    args.out.with_suffix(".toml").write_text(sidecar(args.name.rsplit("/", 1)[-1], config))
    print(f"{args.out}: input {side} x {side}, tokens {list(shape)}, differs from torch by {difference:.1e}")


if __name__ == "__main__":
    main()
