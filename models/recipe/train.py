"""Pre-train a teacher on the procedural pool.

Losses, added as named by --use:
  patch     the descriptors of every patch, from the patch tokens of the middle and the late block;
  halves    the means of the descriptors over the upper half, the lower half and the centre, from the class token;
  pooled    their means over a grid of regions, from the patch tokens of the late block, pooled as inspectd pools them;
and for comparison, which the bundled teacher does without:
  layout    the means over that grid, from the class token;
  class     which formula drew the image, from the class token;
  contrast  which two views are of one image, from the class token.
--random-channels leaves some channels to a random embedding and the position alone, up to the middle block: random patch
tokens know something on photographs that taught ones lose (README.md).
Steps run at 112 pixels, the last ones at 224 if wanted.  --start goes on from the weights of a finished teacher; its
heads, which the file does not hold, are learnt anew.  A checkpoint is written regularly; the same command resumes
from it and gives what an uninterrupted run gives.  The exported weights are an exponential moving average.
"""

import argparse
import hashlib
import os
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F

from batches import batch
from export import weights
from make_pool import INSTANCES
from model import SHAPES, Teacher, start_from_cosines
from muon import Muon
from targets import REGIONS, WIDTH, Standardiser

LOSSES = ("patch", "layout", "halves", "pooled", "class", "contrast")
SMALL, LARGE = 112, 224
TEMPERATURE = 0.1
WARM_UP = 100
EMBEDDING = 3  # position, weight and bias of the patches
# What a checkpoint must agree in with the run that goes on from it.
SETTINGS = ("shape", "steps", "large_steps", "batch", "learning_rate", "use", "random_channels", "seed")


class Pretraining(nn.Module):
    """The teacher with the heads that are thrown away afterwards."""

    def __init__(self, shape, classes, random_channels):
        super().__init__()
        self.teacher = Teacher(*SHAPES[shape])
        width, depth, _ = SHAPES[shape]
        self.frozen_entries = frozen_entries(self.teacher, random_channels) if random_channels else []
        embedding = self.frozen_values()[:EMBEDDING]
        start_from_cosines(self.teacher)
        self.restore(embedding + [torch.zeros_like(value) for value in self.frozen_values()[EMBEDDING:]])
        self.pooled_blocks = round(depth / 2), round(depth * 5 / 6)  # by inspectd
        self.patch = nn.ModuleList(nn.Linear(width, WIDTH) for _ in self.pooled_blocks)
        self.layout = nn.Linear(width, REGIONS**2 * WIDTH)
        self.classify = nn.Linear(width, classes)
        self.project = nn.Sequential(nn.Linear(width, 512), nn.GELU(), nn.Linear(512, 128))
        self.halves = nn.Linear(width, 3 * WIDTH)
        # Means and log deviations differ in scale; inspectd's Gaussian does not mind.
        scale = nn.BatchNorm1d(2 * width, affine=False, track_running_stats=False)
        self.pooled = nn.Sequential(scale, nn.Linear(2 * width, REGIONS**2 * WIDTH))

    def frozen_values(self):
        return [parameter[entries].detach().clone() for parameter, entries in self.frozen_entries]

    @torch.no_grad()
    def restore(self, values):
        for (parameter, entries), value in zip(self.frozen_entries, values):
            parameter[entries] = value

    def losses(self, images, classes, standardiser, use):
        """The losses named in `use`, each already weighted; the halves of `images` are views of the same."""
        stream = self.teacher.stream(images)
        z, parts = stream[-1][:, 0], {}
        with torch.no_grad():
            patches, layout, halves = standardiser.targets(images)
        tokens = [stream[block - 1][:, 1:] for block in self.pooled_blocks]
        if "patch" in use:
            normed = [F.layer_norm(x, z.shape[-1:]) for x in tokens]
            parts["patch"] = sum(F.mse_loss(head(x), patches) for head, x in zip(self.patch, normed))
        if "layout" in use:
            parts["layout"] = 2 * F.mse_loss(self.layout(z), layout)
        if "halves" in use:
            parts["halves"] = 2 * F.mse_loss(self.halves(z), halves)
        if "pooled" in use:
            parts["pooled"] = F.mse_loss(self.pooled(pooled_tokens(tokens[1])), layout)
        if "class" in use:
            parts["class"] = F.cross_entropy(self.classify(z), classes, label_smoothing=0.1)
        if "contrast" in use:
            a, b = F.normalize(self.project(z), dim=1).chunk(2)
            alike, same = a @ b.T / TEMPERATURE, torch.arange(len(a), device=z.device)
            parts["contrast"] = (F.cross_entropy(alike, same) + F.cross_entropy(alike.T, same)) / 2
        return parts


def frozen_entries(teacher, random_channels):
    """Parameters that write into the stream up to the middle block, and which of their entries stay as they are.

    The first EMBEDDING are those of the embedding.  Channels go by sixes, since neighbours have neighbouring frequencies
    of position.
    """
    fixed = torch.arange(teacher.cls.shape[-1]) % 6 < random_channels
    early = teacher.blocks[:len(teacher.blocks) // 2]
    layers = [teacher.patch, *(layer for block in early for layer in (block.proj, block.fc2))]
    rows = [(parameter, fixed) for layer in layers for parameter in (layer.weight, layer.bias)]
    return [(teacher.position, (slice(None), fixed)), *rows]


def pooled_tokens(tokens):
    """Patch tokens (B, patches, D) to their means and log deviations (B, 2 D)."""
    return torch.cat([tokens.mean(1), torch.log(tokens.std(1, correction=0) + 1e-4)], 1)


class Run:
    """All that changes from step to step."""

    def __init__(self, args, pool, device):
        self.args, self.pool, self.device = args, torch.from_numpy(pool).to(device), device
        self.settings = {name: getattr(args, name) for name in SETTINGS}
        # Another pool or start is no way to go on, though it has the same name.
        self.settings["pool"] = hashlib.sha256(pool[::997].tobytes()).hexdigest()
        self.settings["start"] = args.start and hashlib.sha256(args.start.read_bytes()).hexdigest()
        self.model = Pretraining(args.shape, len(pool) // INSTANCES, args.random_channels).to(device)
        if args.start:
            self.model.teacher.load_state_dict(weights(args.start))
        self.frozen = self.model.frozen_values()
        matrices = [p for n, p in self.model.named_parameters() if "blocks" in n and p.ndim == 2]
        known = {id(p) for p in matrices}
        rest = [p for p in self.model.parameters() if id(p) not in known]
        self.optimisers = Muon(matrices), torch.optim.AdamW(rest, lr=1.0, weight_decay=0.02, betas=(0.9, 0.98))
        self.average = {k: v.clone() for k, v in self.model.teacher.state_dict().items()}
        self.step, self.seconds = 0, 0.0
        # The scale of the descriptors over 2,000 views.
        rng = torch.Generator(device).manual_seed(args.seed)
        self.standardiser = Standardiser(batch(self.pool, 100, SMALL, rng)[0] for _ in range(20))

    def resume(self, path):
        saved = torch.load(path, map_location="cpu", weights_only=True)
        if saved["settings"] != self.settings:
            raise SystemExit(f"{path} was begun with {saved['settings']}, not with {self.settings}: "
                             "give those, or another --out")
        self.model.load_state_dict(saved["model"])
        self.frozen = self.model.frozen_values()
        for optimiser, state in zip(self.optimisers, saved["optimisers"]):
            optimiser.load_state_dict(state)
        self.average = {k: v.to(self.device) for k, v in saved["average"].items()}
        self.step, self.seconds = saved["step"], saved["seconds"]
        print(f"resumed at step {self.step}", flush=True)

    def save(self, path):
        part = path.with_suffix(".part")
        torch.save({"settings": self.settings, "model": self.model.state_dict(), "average": self.average,
                    "optimisers": [o.state_dict() for o in self.optimisers], "step": self.step,
                    "seconds": self.seconds}, part)
        os.replace(part, path)

    def load(self, step):
        """The batch of a step, which its number and the seed decide."""
        large = step >= self.args.steps - self.args.large_steps
        size, count = (LARGE, self.args.batch // 8 * 2) if large else (SMALL, self.args.batch)
        rng = torch.Generator(self.device).manual_seed(self.args.seed * 1_000_003 + step)
        return batch(self.pool, count, size, rng)

    def learn(self, images, classes, use):
        """One step; gives the losses."""
        left = (self.args.steps - self.step) / self.args.steps
        for optimiser in self.optimisers:
            for group in optimiser.param_groups:
                group["lr"] = self.args.learning_rate * min((self.step + 1) / WARM_UP, 1, 2 * left)
        parts = self.model.losses(images, classes, self.standardiser, use)
        sum(parts.values()).backward()
        for parameter, entries in self.model.frozen_entries:
            parameter.grad[entries] = 0  # before they count in the clipping and in Muon's steps
        nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
        for optimiser in self.optimisers:
            optimiser.step()
            optimiser.zero_grad(set_to_none=True)
        self.model.restore(self.frozen)  # weight decay moves what has no gradient
        self.step += 1
        decay = min(0.998, 1 - 1 / (1 + self.step / 10))
        with torch.no_grad():
            for name, value in self.model.teacher.state_dict().items():
                self.average[name].lerp_(value, 1 - decay)
        return {name: value.item() for name, value in parts.items()}


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pool", type=Path, required=True, help="what make_pool.py wrote")
    parser.add_argument("--out", type=Path, required=True, help="checkpoint file")
    parser.add_argument("--shape", choices=SHAPES, default="teacher")
    parser.add_argument("--start", type=Path, help="ONNX teacher of this shape, written by export.py, to go on from")
    parser.add_argument("--steps", type=int, required=True)
    parser.add_argument("--large-steps", type=int, default=0, help="of these, the last ones, at 224 pixels")
    parser.add_argument("--batch", type=int, default=64, help="a quarter of it at 224 pixels")
    parser.add_argument("--learning-rate", type=float, default=3e-3)
    parser.add_argument("--use", default="patch,halves,pooled", help="losses to add")
    parser.add_argument("--random-channels", type=int, default=4, choices=range(7),
                        help="of every six channels, how many hold a random embedding and nothing else up to the middle "
                             "block (with --start: as they are there)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--plain", action="store_true", help="without torch.compile, which needs a C++ compiler")
    parser.add_argument("--every", type=int, default=250, help="steps between checkpoints")
    args = parser.parse_args()
    if unknown := set(args.use.split(",")) - set(LOSSES):
        parser.error(f"--use {','.join(unknown)}: known are {', '.join(LOSSES)}")
    if args.batch < 8:
        parser.error("--batch: at least 8")
    return args


def main():
    args = arguments()
    torch.set_num_threads(args.threads)
    torch.set_flush_denormal(True)
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.allow_tf32 = False
    torch.manual_seed(args.seed)
    run = Run(args, np.load(args.pool, mmap_mode="c"), "cuda" if torch.cuda.is_available() else "cpu")
    if args.out.exists():
        run.resume(args.out)
    if not args.plain:
        for block in run.model.teacher.blocks:
            block.compile(dynamic=False)

    sums, counted, start = {}, 0, time.time() - run.seconds
    with ThreadPoolExecutor(1) as loader:
        following = loader.submit(run.load, run.step) if run.step < args.steps else None
        while following:
            images, classes = following.result()
            following = loader.submit(run.load, run.step + 1) if run.step + 1 < args.steps else None
            for name, value in run.learn(images, classes, args.use.split(",")).items():
                sums[name] = sums.get(name, 0) + value
            counted, run.seconds = counted + 1, time.time() - start
            if run.step % 50 == 0:
                shown = " ".join(f"{name} {value / counted:.3f}" for name, value in sums.items())
                print(f"step {run.step} size {images.shape[-1]} {shown} {run.seconds:.0f} s", flush=True)
                sums, counted = {}, 0
            if run.step % args.every == 0 or run.step == args.steps:
                run.save(args.out)


if __name__ == "__main__":
    main()
