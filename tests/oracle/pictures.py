"""Writes pictures of kinds that the `image` crate can't encode, and what Pillow reads from them.

Needs Pillow and numpy; run from the root of the repository:
    python3 tests/oracle/pictures.py
"""

from pathlib import Path

import numpy as np
from PIL import Image

OUT = Path(__file__).parent / "pictures"


def main() -> None:
    OUT.mkdir(exist_ok=True)
    y, x = np.mgrid[0:48, 0:64]
    smooth = np.stack([x * 4, y * 5, 255 - x * 2 - y], axis=-1).clip(0, 255).astype(np.uint8)
    picture = Image.fromarray(smooth)
    picture.save(OUT / "baseline.jpg", quality=90)
    picture.save(OUT / "progressive.jpg", quality=90, progressive=True)
    picture.save(OUT / "restarts.jpg", quality=90, restart_marker_blocks=2)
    picture.convert("L").save(OUT / "grey.jpg", quality=90)
    picture.convert("CMYK").save(OUT / "cmyk.jpg", quality=90)
    # Sizes that end within a block.
    odd = picture.crop((0, 0, 61, 43))
    for subsampling, name in enumerate(["sampling444", "sampling422", "sampling420"]):
        odd.save(OUT / f"{name}.jpg", quality=90, subsampling=subsampling, optimize=True)
    kinds = ["baseline", "progressive", "restarts", "grey"]
    for name in [*kinds, "sampling444", "sampling422", "sampling420"]:
        Image.open(OUT / f"{name}.jpg").convert("RGB").save(OUT / f"{name}.png", optimize=True)
    picture.convert("P").save(OUT / "palette.png", optimize=True)
    picture.convert("P").convert("RGB").save(OUT / "palette-rgb.png", optimize=True)


if __name__ == "__main__":
    main()
