"""The teacher: a plain pre-norm vision transformer with class token and learned positions.

The position table belongs to the full 14x14 grid; for smaller training images it is resized, so that one
table serves both resolutions.  The output is all tokens after the final LayerNorm, class token first.
"""

import math

import torch
from torch import nn
from torch.nn import functional as F

PATCH, GRID = 16, 14
# Width, blocks and heads of the two files.
SHAPES = {"teacher": (192, 6, 3), "nano": (96, 4, 3)}


class Block(nn.Module):
    def __init__(self, width, heads, ratio=4):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(width, eps=1e-6), nn.LayerNorm(width, eps=1e-6)
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.fc1, self.fc2 = nn.Linear(width, ratio * width), nn.Linear(ratio * width, width)
        self.fused = True  # training only; the export writes attention out

    def attention(self, x):
        batch, tokens, width = x.shape
        q, k, v = self.qkv(x).reshape(batch, tokens, 3, self.heads, width // self.heads).permute(2, 0, 3, 1, 4)
        if self.fused:
            mixed = F.scaled_dot_product_attention(q, k, v)
        else:
            mixed = (q * (width // self.heads) ** -0.5 @ k.transpose(-2, -1)).softmax(-1) @ v
        return self.proj(mixed.transpose(1, 2).reshape(batch, tokens, width))

    def forward(self, x):
        x = x + self.attention(self.norm1(x))
        return x + self.fc2(F.gelu(self.fc1(self.norm2(x))))


class Teacher(nn.Module):
    def __init__(self, width, depth, heads):
        super().__init__()
        self.patch = nn.Conv2d(3, width, PATCH, PATCH)
        self.cls = nn.Parameter(torch.zeros(1, 1, width))
        self.position = nn.Parameter(grid_waves(width))
        self.position_cls = nn.Parameter(torch.zeros(1, 1, width))
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(depth))
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.position_table = None  # of all tokens, made by the export
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.trunc_normal_(module.weight, std=0.03)
                nn.init.zeros_(module.bias)
        nn.init.normal_(self.cls, std=0.02)

    def embed(self, images):
        x = self.patch(images)
        side = x.shape[-1]
        x = x.flatten(2).transpose(1, 2)
        if self.position_table is not None:
            return torch.cat([self.cls.expand(x.shape[0], -1, -1), x], 1) + self.position_table
        table = self.position
        if side != GRID:
            # Bilinear, by matrices: torch's own has no deterministic gradient on a GPU.
            unit = torch.eye(GRID, device=x.device)[None, None]
            resize = F.interpolate(unit, (side, GRID), mode="bilinear", antialias=True)[0, 0]
            table = resize @ table @ resize.T
        x = x + table.flatten(2).transpose(1, 2)
        return torch.cat([(self.cls + self.position_cls).expand(x.shape[0], -1, -1), x], 1)

    def stream(self, images):
        """The outputs of all blocks, then the normalised tokens."""
        x = self.embed(images)
        out = []
        for block in self.blocks:
            x = block(x)
            out.append(x)
        return out + [self.norm(x)]

    def forward(self, images):
        return self.stream(images)[-1]


def grid_waves(width):
    """Sine and cosine positions as a start for the learned table, small against the patches."""
    rates = torch.exp(torch.linspace(0, 3, width // 4)) * 0.1
    steps = torch.arange(GRID, dtype=torch.float32)[:, None] * rates
    waves = torch.cat([steps.sin(), steps.cos()], 1).T  # (width / 2, GRID)
    rows = waves[:, :, None].expand(-1, -1, GRID)
    columns = waves[:, None, :].expand(-1, GRID, -1)
    return 0.3 * torch.cat([rows, columns])[None].contiguous()


def start_from_cosines(teacher):
    """Let the patch embedding begin as a rotated cosine transform: the lowest frequencies of luma and two chromas.

    The amplitude grows with the frequency, against the fall that pictures have.
    """
    width, axis = teacher.cls.shape[-1], torch.arange(PATCH) + 0.5
    wave = torch.stack([torch.cos(math.pi * k * axis / PATCH) * (1 if k else 0.5**0.5) for k in range(PATCH)])
    wave = wave * (2 / PATCH) ** 0.5
    tones = F.normalize(torch.tensor([[1.0, 1.0, 1.0], [1.0, -1.0, 0.0], [0.5, 0.5, -1.0]]), dim=1)
    known = [(math.hypot(i, j), tone, i, j) for tone in range(3) for i in range(PATCH) for j in range(PATCH)]
    lowest = sorted(known, key=lambda f: f[0] * (1 if f[1] == 0 else 2) + 0.1 * f[1])[:width]
    filters = torch.stack([0.15 * (1 + rate) * tones[tone][:, None, None] * wave[i][:, None] * wave[j]
                           for rate, tone, i, j in lowest])
    rotation = torch.linalg.qr(torch.randn(width, width))[0]
    with torch.no_grad():
        teacher.patch.weight.copy_((rotation @ filters.flatten(1)).view_as(filters))
        teacher.patch.bias.zero_()
