"""Pre-train the teacher on the procedural pool.

Losses, added as named by --use:
  patch     the descriptors of every patch, from the patch tokens of the middle and the late block;
  layout    the means of the descriptors over a grid of regions, from the class token;
  class     which formula drew the image, from the class token;
  contrast  which two views are of one image, from the class token.
Most steps run at 112 pixels, the last ones at 224.  A checkpoint is written regularly; the same command resumes
from it.  The exported weights are a running average.
"""

import argparse
import os
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from batches import batch
from model import SHAPES, Teacher, start_from_cosines
from muon import Muon
from targets import REGIONS, WIDTH, Scale

LOSSES = ("patch", "layout", "class", "contrast")
SMALL, LARGE = 112, 224
TEMPERATURE = 0.1


class Student(nn.Module):
    """The teacher in training, with the heads that are thrown away afterwards."""

    def __init__(self, shape, classes):
        super().__init__()
        self.teacher = Teacher(*SHAPES[shape])
        start_from_cosines(self.teacher)
        width, depth, _ = SHAPES[shape]
        self.told = round(depth / 2), round(depth * 5 / 6)  # the blocks that inspectd pools
        self.patch = nn.ModuleList(nn.Linear(width, WIDTH) for _ in self.told)
        self.layout = nn.Linear(width, REGIONS**2 * WIDTH)
        self.classify = nn.Linear(width, classes)
        self.project = nn.Sequential(nn.Linear(width, 512), nn.GELU(), nn.Linear(512, 128))

    def losses(self, images, classes, scale, use):
        """The losses named in `use`, each already weighted; the halves of `images` are views of the same."""
        stream = self.teacher.stream(images)
        z, parts = stream[-1][:, 0], {}
        with torch.no_grad():
            patches, layout = scale.goals(images)
        if "patch" in use:
            tokens = [F.layer_norm(stream[block - 1][:, 1:], z.shape[-1:]) for block in self.told]
            parts["patch"] = sum(F.mse_loss(head(x), patches) for head, x in zip(self.patch, tokens))
        if "layout" in use:
            parts["layout"] = 2 * F.mse_loss(self.layout(z), layout)
        if "class" in use:
            parts["class"] = F.cross_entropy(self.classify(z), classes, label_smoothing=0.1)
        if "contrast" in use:
            a, b = F.normalize(self.project(z), dim=1).chunk(2)
            alike, same = a @ b.T / TEMPERATURE, torch.arange(len(a), device=z.device)
            parts["contrast"] = (F.cross_entropy(alike, same) + F.cross_entropy(alike.T, same)) / 2
        return parts


def optimisers(student):
    """Muon for the matrices of the blocks, AdamW for everything else."""
    matrices = [p for n, p in student.named_parameters() if "blocks" in n and p.ndim == 2]
    known = {id(p) for p in matrices}
    rest = [p for p in student.parameters() if id(p) not in known]
    return Muon(matrices), torch.optim.AdamW(rest, lr=1.0, weight_decay=0.02, betas=(0.9, 0.98))


def scale_of(pool, instances, seed, device):
    """The scale of the descriptors over 2,000 views."""
    rng = torch.Generator().manual_seed(seed)
    return Scale(batch(pool, instances, 100, SMALL, rng)[0].to(device) for _ in range(20))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pool", type=Path, required=True)
    parser.add_argument("--instances", type=int, default=32, help="as given to make_pool.py")
    parser.add_argument("--out", type=Path, required=True, help="checkpoint file")
    parser.add_argument("--shape", choices=SHAPES, default="teacher")
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--last", type=int, default=0, help="of these, steps at 224 pixels")
    parser.add_argument("--batch", type=int, default=64, help="a quarter of it at 224 pixels")
    parser.add_argument("--rate", type=float, default=3e-3)
    parser.add_argument("--use", default="patch,layout", help="losses to add")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--plain", action="store_true", help="without torch.compile, which needs a C++ compiler")
    parser.add_argument("--every", type=int, default=250, help="steps between checkpoints")
    args = parser.parse_args()
    use = args.use.split(",")
    if unknown := set(use) - set(LOSSES):
        parser.error(f"--use {','.join(unknown)}: known are {', '.join(LOSSES)}")

    torch.set_num_threads(args.threads)
    torch.set_flush_denormal(True)
    torch.manual_seed(args.seed)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    pool = np.load(args.pool, mmap_mode="r")
    student = Student(args.shape, len(pool) // args.instances).to(device)
    scale = scale_of(pool, args.instances, args.seed, device)
    rules = optimisers(student)
    average = {k: v.clone() for k, v in student.teacher.state_dict().items()}
    step, spent = 0, 0.0
    if args.out.exists():
        saved = torch.load(args.out, map_location=device, weights_only=True)
        student.load_state_dict(saved["student"])
        average, step, spent = saved["average"], saved["step"], saved["spent"]
        for rule, state in zip(rules, saved["rules"]):
            rule.load_state_dict(state)
        print(f"resumed at step {step}", flush=True)

    if not args.plain:
        for block in student.teacher.blocks:
            block.compile()
    sums, start = {}, time.time()
    while step < args.steps:
        large = step >= args.steps - args.last
        size, count = (LARGE, args.batch // 8 * 2) if large else (SMALL, args.batch)
        rng = torch.Generator().manual_seed(args.seed * 1_000_003 + step)  # so that a resumed run sees the same
        rate = args.rate * min((step + 1) / 100, 1, 2 * (args.steps - step) / args.steps)
        for rule in rules:
            for group in rule.param_groups:
                group["lr"] = rate
        images, classes = batch(pool, args.instances, count, size, rng)
        parts = student.losses(images.to(device), classes.to(device), scale, use)
        sum(parts.values()).backward()
        nn.utils.clip_grad_norm_(student.parameters(), 1.0)
        for rule in rules:
            rule.step()
            rule.zero_grad(set_to_none=True)
        step += 1
        keep = min(0.998, 1 - 1 / (1 + step / 10))
        with torch.no_grad():
            for name, value in student.teacher.state_dict().items():
                average[name].lerp_(value, 1 - keep)
        for name, value in parts.items():
            sums[name] = sums.get(name, 0) + value.item()
        if step % 50 == 0:
            shown = " ".join(f"{k} {v / 50:.3f}" for k, v in sums.items())
            print(f"step {step} size {size} {shown} {spent + time.time() - start:.0f} s", flush=True)
            sums = {}
        if step % args.every == 0 or step == args.steps:
            part = args.out.with_suffix(".part")
            torch.save({"student": student.state_dict(), "average": average, "step": step, "shape": args.shape,
                        "spent": spent + time.time() - start, "rules": [r.state_dict() for r in rules]}, part)
            os.replace(part, args.out)


if __name__ == "__main__":
    main()
