"""Writes what Pillow makes of a procedural picture: the reference of `preprocess::resize`.

Needs Pillow and numpy; run from the root of the repository:
    python3 tests/oracle/resize.py
The tests draw the same picture in Rust by the same integer formula, so only Pillow's results are
kept. Made with Pillow 13.0.0; its resize has not changed in years.
"""

from pathlib import Path

import numpy as np
from PIL import Image

OUT = Path(__file__).parent / "resize"

# (width, height) of the picture, (width, height) asked for.
SIZES = [((640, 480), (48, 48)), ((97, 61), (32, 40)), ((20, 18), (56, 33)), ((32, 32), (32, 32))]
FILTERS = {"bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}


def picture(width: int, height: int) -> Image.Image:
    """Slopes, fine stripes, blocks with hard edges, and a hash as noise."""
    y, x = np.mgrid[0:height, 0:width].astype(np.int64)
    noise = (x * 7919 + y * 104729 + x * y * 31) % 251
    red = (x * 255) // width
    green = ((x // 3 + y // 5) % 2) * 200 + noise // 8
    blue = np.where((x * 5 // width + y * 4 // height) % 2 == 0, noise, 255 - (y * 255) // height)
    return Image.fromarray(np.stack([red, green, blue], axis=-1).astype(np.uint8))


def main() -> None:
    OUT.mkdir(exist_ok=True)
    for (width, height), size in SIZES:
        for name, how in FILTERS.items():
            resized = picture(width, height).resize(size, how)
            resized.save(OUT / f"{width}x{height}-{size[0]}x{size[1]}-{name}.png", optimize=True)


if __name__ == "__main__":
    main()
