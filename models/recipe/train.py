"""Pre-train the teacher on the procedural pool.

Five losses are added: the class of the formula from the class token (class), the mean and deviation
of all patch descriptors from the class token (whole), the descriptor of every patch, also of patches
hidden from the input (patch), the share of a pasted defect in every patch (defect), and
for features that fill their space, the inverse effective rank of class and patch tokens together with
the agreement of two views of one image (spread).  Most steps
run at 112 pixels, the last ones at 224.  A checkpoint is written regularly; the same command resumes
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
from model import PATCH, Teacher
from targets import WIDTH, descriptor


class Student(nn.Module):
    """The teacher in training, with the heads that are thrown away afterwards."""

    def __init__(self, classes):
        super().__init__()
        self.teacher = Teacher()
        width = self.teacher.cls.shape[-1]
        self.mask_token = nn.Parameter(torch.zeros(width))
        self.classify = nn.Linear(width, classes)
        self.describe = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, WIDTH))
        self.defect = nn.Linear(width, 1)
        self.whole = nn.Sequential(nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, 2 * WIDTH))

    def forward(self, images, mask):
        stream = self.teacher.stream(images, mask, self.mask_token)
        first, patches = stream[-1][:, 0], stream[-1][:, 1:]
        heads = self.classify(first), self.whole(first), self.describe(patches), self.defect(patches)[..., 0]
        depth = len(self.teacher.blocks)
        return *heads, first, stream[depth // 2 - 1][:, 1:], stream[depth - 2][:, 1:]


def narrowness(rows):
    """Logarithm of width over effective rank (participation ratio): 0 for white features."""
    rows = rows - rows.mean(0)
    covariance = rows.T @ rows / len(rows)
    return torch.log(rows.shape[1] * (covariance**2).sum() / (covariance.diagonal().sum() ** 2 + 1e-9))


def spread(first, *patches):
    """Reward white class tokens, patch tokens and pooled tokens, and equal class tokens of two views."""
    a, b = first.float().chunk(2)
    loss = narrowness(first.float()) + 2 * ((a - b) ** 2).sum() / (2 * len(a) * first.float().var(0).sum())
    for tokens in patches:
        tokens = F.layer_norm(tokens.float(), tokens.shape[-1:])
        tokens = tokens - tokens.mean(0)  # what only tells the position does not count
        loss = loss + 0.5 * narrowness(tokens.flatten(0, 1)) + 0.5 * narrowness(tokens.mean(1))
    return loss


def hidden(count, patches, rng):
    """Which patches to hide: none in half of the images, up to 70 % in the others."""
    share = torch.rand(count, 1, generator=rng) * 0.7 * (torch.rand(count, 1, generator=rng) < 0.5)
    return torch.rand(count, patches, generator=rng) < share


def losses(student, images, classes, share, mask, use):
    """The losses named in `use`, each already weighted."""
    goal = descriptor(images)
    with torch.autocast("cpu", torch.bfloat16):
        label, whole, description, defect, *tokens = student(images, mask)
    weight = torch.where(mask, 2.0, 1.0)
    error = F.smooth_l1_loss(description.float(), goal, reduction="none").mean(-1)
    summary = torch.cat([goal.mean(1), 2 * goal.std(1)], 1)
    parts = {
        "spread": 0.3 * spread(*tokens),
        "whole": 6 * F.smooth_l1_loss(whole.float(), summary, beta=0.3),
        "class": F.cross_entropy(label.float(), classes, label_smoothing=0.1),
        "patch": 6 * (error * weight).sum() / weight.sum(),
        "defect": F.binary_cross_entropy_with_logits(defect.float(), share, (~mask).float(), pos_weight=torch.tensor(8.0)),
    }
    return {k: v for k, v in parts.items() if k in use}


def optimisers(student):
    """Muon for the matrices of the blocks, AdamW for everything else."""
    matrices = [p for n, p in student.named_parameters() if "blocks" in n and p.ndim == 2]
    known = {id(p) for p in matrices}
    rest = [p for p in student.parameters() if id(p) not in known]
    return (torch.optim.Muon(matrices, lr=1.0, weight_decay=0.05, adjust_lr_fn="match_rms_adamw"),
            torch.optim.AdamW(rest, lr=1.0, weight_decay=0.02, betas=(0.9, 0.98)))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--pool", type=Path, required=True)
    parser.add_argument("--instances", type=int, default=32, help="as given to make_pool.py")
    parser.add_argument("--out", type=Path, required=True, help="checkpoint file")
    parser.add_argument("--steps", type=int, default=730)
    parser.add_argument("--decay", type=int, default=230, help="of these, steps with a falling rate")
    parser.add_argument("--last", type=int, default=30, help="of these, steps at 224 pixels")
    parser.add_argument("--batch", type=int, default=128, help="about a third of it at 224 pixels")
    parser.add_argument("--rate", type=float, default=1.5e-3)
    parser.add_argument("--use", default="class,whole,patch,defect,spread", help="losses to add")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--compile", action="store_true", help="fuse the blocks (needs a C++ compiler)")
    parser.add_argument("--every", type=int, default=50, help="steps between checkpoints")
    args = parser.parse_args()

    torch.set_num_threads(args.threads)
    torch.manual_seed(args.seed)
    pool = np.load(args.pool, mmap_mode="r")
    student = Student(len(pool) // args.instances)
    rules = optimisers(student)
    average = {k: v.clone() for k, v in student.teacher.state_dict().items()}
    step, spent = 0, 0.0
    if args.out.exists():
        saved = torch.load(args.out, weights_only=True)
        student.load_state_dict(saved["student"])
        average, step, spent = saved["average"], saved["step"], saved["spent"]
        for rule, state in zip(rules, saved["rules"]):
            rule.load_state_dict(state)
        print(f"resumed at step {step}", flush=True)

    if args.compile:
        for block in student.teacher.blocks:
            block.compile()
    use, sums, start = args.use.split(","), {}, time.time()
    while step < args.steps:
        large = step >= args.steps - args.last
        size, count = (224, args.batch // 6 * 2) if large else (112, args.batch)
        rng = torch.Generator().manual_seed(args.seed * 1_000_003 + step)  # so that a resumed run sees the same
        rate = args.rate * min((step + 1) / 200, 1, (args.steps - step) / args.decay)
        for rule in rules:
            for group in rule.param_groups:
                group["lr"] = rate
        images, classes, share = batch(pool, args.instances, count, size, rng, "defect" in use)
        mask = hidden(count, (size // PATCH) ** 2, rng) & ("patch" in use)
        parts = losses(student, images, classes, share, mask, use)
        sum(parts.values()).backward()
        nn.utils.clip_grad_norm_(student.parameters(), 2.0)
        for rule in rules:
            rule.step()
            rule.zero_grad(set_to_none=True)
        step += 1
        keep = min(0.995, 1 - 1 / (1 + step / 10))
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
            torch.save({"student": student.state_dict(), "average": average, "step": step,
                        "spent": spent + time.time() - start, "rules": [r.state_dict() for r in rules]}, part)
            os.replace(part, args.out)


if __name__ == "__main__":
    main()
