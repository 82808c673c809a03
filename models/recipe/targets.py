"""What the teacher has to tell of a picture: oriented amplitudes and colour, everywhere and by region.

A descriptor belongs to one patch.  It holds the logarithm of the mean amplitude of Gabor filters, over the
picture and over the logarithm of its own finest amplitude (how contrast is arranged: scattering of second order,
Bruna and Mallat, 2013), and mean and log deviation of luma and of two differences of colour.  Sizes count in
pixels of the input, so that a picture of 112 pixels and one of 224 are told in the same terms.  The layout is the mean
of the descriptors over a grid of regions, after the spatial envelope ("gist") of Oliva and Torralba, 2001.  The halves
are coarser, their mean over the upper half, the lower half and the centre: few numbers are best on cat (README.md).
All is computed from the image itself and needs no label.
"""

import math

import torch
from torch.nn import functional as F

from model import PATCH

ORIENTATIONS, OCTAVES, REGIONS = 6, 4, 3
WIDTH = ORIENTATIONS * (2 * OCTAVES - 1) + 6


def gabors(size=7, wavelength=4.0, deviation=1.8):
    """Even and odd filters of every orientation, alternately, without response to a constant."""
    axis = torch.arange(size) - (size - 1) / 2
    y, x = torch.meshgrid(axis, axis, indexing="ij")
    window = torch.exp(-(x**2 + y**2) / (2 * deviation**2))
    filters = []
    for k in range(ORIENTATIONS):
        turn = k * math.pi / ORIENTATIONS
        phase = (x * math.cos(turn) + y * math.sin(turn)) * 2 * math.pi / wavelength
        for wave in (torch.cos(phase), torch.sin(phase)):
            kernel = window * (wave - (window * wave).sum() / window.sum())
            filters.append(kernel / kernel.abs().sum())
    return torch.stack(filters)[:, None]


GABORS = gabors()


def amplitudes(field):
    """A field (B, 1, H, H) to its amplitude along every orientation (B, ORIENTATIONS, H, H)."""
    waves = F.conv2d(F.pad(field, (3, 3, 3, 3), mode="reflect"), GABORS.to(field.device))
    return torch.sqrt(waves[:, 0::2] ** 2 + waves[:, 1::2] ** 2 + 1e-8)


def level(amplitude):
    return torch.log(amplitude + 1e-2)


def descriptors(images):
    """Images (B, 3, H, H) in -1..1 to descriptors (B, WIDTH, H / PATCH, H / PATCH)."""
    side = images.shape[-1] // PATCH
    images = F.avg_pool2d(images, 2)  # the finest octave has a wavelength of 8 pixels of the input
    red, green, blue = images.split(1, 1)
    luma = images.mean(1, keepdim=True)
    tones = torch.cat([luma, red - green, (red + green) / 2 - blue], 1)
    finest = amplitudes(luma)
    contrast = level(finest.norm(dim=1, keepdim=True))
    parts = [finest]
    for _ in range(1, OCTAVES):
        luma, contrast = F.avg_pool2d(luma, 2), F.avg_pool2d(contrast, 2)
        parts += [amplitudes(luma), amplitudes(contrast)]
    parts = [level(F.adaptive_avg_pool2d(part, side)) for part in parts]
    mean = F.avg_pool2d(tones, PATCH // 2)
    variance = (F.avg_pool2d(tones**2, PATCH // 2) - mean**2).clamp(min=0)
    return torch.cat([*parts, 2 * mean, torch.log(variance + 1e-4) / 2], 1)


def layout(found):
    """Descriptors (B, WIDTH, side, side) to their means over the regions (B, REGIONS^2 * WIDTH)."""
    return F.adaptive_avg_pool2d(found, REGIONS).flatten(1)


def halves(found):
    """Descriptors (B, WIDTH, side, side) to their means over both halves and the centre (B, 3 * WIDTH)."""
    edge = round(found.shape[-1] * 2 / 7)
    centre = found[:, :, edge:-edge, edge:-edge].mean((2, 3))
    return torch.cat([F.adaptive_avg_pool2d(found, (2, 1)).flatten(1), centre], 1)


class Standardiser:
    """Mean and deviation of descriptors over the training images, so that all count the same."""

    def __init__(self, batches):
        found = torch.cat([descriptors(images) for images in batches])
        self.mean, self.deviation = found.mean((0, 2, 3))[:, None, None], found.std((0, 2, 3))[:, None, None]
        self.layout, self.halves = (means(self.standard(found)).std(0) for means in (layout, halves))

    def standard(self, found):
        return (found - self.mean) / self.deviation

    def targets(self, images):
        """Standardised: descriptors per patch (B, patches, WIDTH), layout and halves."""
        found = self.standard(descriptors(images))
        return found.flatten(2).transpose(1, 2), layout(found) / self.layout, halves(found) / self.halves
