"""What every patch must tell about itself: gradient histograms, colour and fine energy.

The descriptor of a 16x16 patch holds oriented gradient histograms of its four 8x8 cells (9 unsigned
bins, as in MaskFeat), the mean and deviation of colour, and the energy of fine detail.  It is
computed from the image itself and needs no label.
"""

import math

import torch
from torch.nn import functional as F

from model import PATCH

BINS = 9
WIDTH = 4 * BINS + 4 * 3 + 3 + 2


def descriptor(images):
    """Images (B, 3, H, H) in -1..1 to descriptors (B, patches, WIDTH)."""
    n, _, size, _ = images.shape
    side = size // PATCH
    grey = images.mean(1, keepdim=True)
    padded = F.pad(grey, (1, 1, 1, 1), mode="replicate")
    gx = padded[:, :, 1:-1, 2:] - padded[:, :, 1:-1, :-2]
    gy = padded[:, :, 2:, 1:-1] - padded[:, :, :-2, 1:-1]
    size_ = torch.sqrt(gx**2 + gy**2 + 1e-8)
    angle = torch.atan2(gy, gx) % math.pi / math.pi * BINS
    low = angle.floor()
    weight = angle - low
    first = low.long() % BINS
    votes = torch.zeros(n, BINS, size, size)
    votes.scatter_add_(1, first, size_ * (1 - weight))
    votes.scatter_add_(1, (first + 1) % BINS, size_ * weight)
    cells = F.avg_pool2d(votes, PATCH // 2)
    strength = cells.norm(dim=1, keepdim=True)
    cells = cells / (strength + 0.05)

    def by_patch(x, s):  # (B, C, side * s, side * s) to (B, patches, C * s * s)
        return F.pixel_unshuffle(x, s).flatten(2).transpose(1, 2)

    colours = F.avg_pool2d(images, PATCH // 2)
    spread = (F.avg_pool2d(images**2, PATCH) - F.avg_pool2d(images, PATCH) ** 2).clamp(min=0).sqrt()
    smooth = F.avg_pool2d(grey, 3, 1, 1)
    fine = torch.log(F.avg_pool2d((grey - smooth) ** 2, PATCH) + 1e-4) / 4 + 1
    rough = torch.log(F.avg_pool2d(strength, 2) + 1e-2) / 3
    return torch.cat([by_patch(cells, 2) * 2, by_patch(colours, 2) * 2, by_patch(spread * 4, 1),
                      by_patch(fine, 1), by_patch(rough, 1)], 2)
