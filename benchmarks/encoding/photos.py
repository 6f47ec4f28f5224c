"""Processor time from JPEG photographs of 1, 4 and 12 megapixels to codes, beside transformers' ViT of the same size.

    python -m benchmarks.encoding.photos MODEL

The peer is that of `plane.py`, once behind a whole decode by Pillow, as image processors do it, and once behind the
decode of transhash, which reads large JPEG files at a fraction of their size. One thread, in turn, medians.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

import numpy as np
import torch
from PIL import Image

import transhash
from benchmarks.common import RESULTS, write
from benchmarks.encoding.plane import costs, encoder, peer
from transhash.images import load_square

SIZES = ((1200, 900), (2300, 1725), (4000, 3000))
PICTURES = 8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a model's name or folder")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    model = transhash.load(arguments.model)
    size = model.image_size
    encoders = {
        "transhash": encoder(model),
        "transformers": peer(model),
        "decode of transhash": lambda paths: [load_square(path, size) for path in paths],
        "whole decode": lambda paths: [whole(path, size) for path in paths],
    }
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        for width, height in SIZES:
            paths = photographs(Path(folder), width, height)
            cost = {name: spent["processor"] for name, spent in costs(encoders, paths, arguments.rounds).items()}
            cost["transformers, whole decode"] = round(
                cost["transformers"] - cost["decode of transhash"] + cost["whole decode"], 3
            )
            found[f"{width * height / 1e6:.0f} megapixels"] = cost
    print(json.dumps(found, indent=1))
    write(RESULTS / "photos.json", found)


def photographs(folder: Path, width: int, height: int) -> list[Path]:
    """JPEG files of smooth shapes and grain, as large as photographs of their size."""
    random = np.random.default_rng(0)
    paths = []
    for i in range(PICTURES):
        shapes = Image.fromarray(random.integers(0, 256, (height // 16, width // 16, 3), dtype=np.uint8))
        grain = random.integers(-6, 7, (height, width, 1))
        pixels = np.asarray(shapes.resize((width, height), Image.Resampling.BICUBIC)) + grain
        paths.append(folder / f"{width}-{i}.jpg")
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(paths[-1], quality=85)
    return paths


def whole(path: Path, size: int) -> Image.Image:
    """The centred square of a picture, decoded whole, then resized."""
    with Image.open(path) as image:
        side = min(image.size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        box = (left, top, left + side, top + side)
        return image.convert("RGB").resize((size, size), Image.Resampling.BICUBIC, box=box)


if __name__ == "__main__":
    main()
