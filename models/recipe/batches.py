"""Batches from the pool: crops, flips, turns, colours, blur and noise, on whole batches in torch.

All is drawn and computed where the random generator is: on the GPU if there is one.
"""

import math

import torch
from torch.nn import functional as F

from make_pool import INSTANCES


def coin(n, chance, rng):
    return torch.rand(n, generator=rng, device=rng.device) < chance


def uniform(shape, low, high, rng):
    return torch.rand(shape, generator=rng, device=rng.device) * (high - low) + low


def crop(images, size, rng):
    """Random crop, turn, flip and stretch by one bilinear sampling."""
    n = len(images)
    zoom = torch.exp(uniform(n, math.log(0.35), math.log(1.05), rng))
    stretch = torch.exp(uniform(n, -0.25, 0.25, rng))
    turn = uniform(n, -0.35, 0.35, rng) + (coin(n, 0.25, rng) * math.pi / 2)
    flip = 1 - 2 * coin(n, 0.5, rng).float()
    room = (1 - zoom).clamp(min=0)
    shift = uniform((n, 2), -1, 1, rng) * room[:, None]
    cos, sin = turn.cos() * zoom, turn.sin() * zoom
    theta = torch.stack([torch.stack([cos * stretch * flip, -sin / stretch, shift[:, 0]], 1),
                         torch.stack([sin * stretch * flip, cos / stretch, shift[:, 1]], 1)], 1)
    where = F.affine_grid(theta, [n, 3, size, size], align_corners=False)
    return F.grid_sample(images, where, mode="bilinear", padding_mode="reflection", align_corners=False)


def recolour(images, rng):
    """Mix and shift channels, vary contrast, turn some images grey."""
    n = len(images)
    mix = torch.eye(3, device=rng.device) + 0.2 * torch.randn(n, 3, 3, generator=rng, device=rng.device)
    mix = torch.where(coin(n, 0.2, rng)[:, None, None], torch.full_like(mix, 1 / 3), mix)
    mix = mix * uniform(n, 0.4, 1.3, rng)[:, None, None]
    centre = images.mean((2, 3), keepdim=True)
    shift = uniform((n, 1, 1, 1), -0.25, 0.25, rng)
    mixed = torch.bmm(mix, (images - centre).flatten(2)).view_as(images)
    tone = torch.bmm(mix, centre.flatten(2) - 0.5).view_as(centre)
    return (mixed + tone + 0.5 + shift).clamp(0, 1)


def degrade(images, rng):
    """Blur some images (as enlarged small pictures are) and add noise to others."""
    n, _, size, _ = images.shape
    small = round(size * math.exp(uniform(1, -math.log(8), 0, rng)))
    blurred = F.interpolate(F.interpolate(images, size=(small, small), mode="bilinear", antialias=True),
                            size=(size, size), mode="bilinear")
    images = torch.where(coin(n, 0.35, rng)[:, None, None, None], blurred, images)
    level = uniform((n, 1, 1, 1), 0, 0.06, rng) * coin(n, 0.5, rng)[:, None, None, None]
    return (images + level * torch.randn(images.shape, generator=rng, device=rng.device)).clamp(0, 1)


def batch(pool, count, size, rng):
    """Images (count, 3, size, size) in -1..1 and their classes, from a pool that lies where `rng` is.

    The second half of a batch shows the images of the first half again, in other views.
    """
    pick = torch.randint(len(pool), (count // 2,), generator=rng, device=rng.device).repeat(2)
    images = pool[pick].permute(0, 3, 1, 2).float() / 255
    return degrade(recolour(crop(images, size, rng), rng), rng) * 2 - 1, pick // INSTANCES
