"""Images a second from JPEG files to codes, beside transformers' ViT of the same size fed with ready tensors.

    python -m benchmarks.encoding.encode [MODEL] [--pictures N] [--rounds R]

The peer is `Dinov2Model` with random weights of the same shape (time does not depend on their values), in float32 and
inference mode, on as many threads as there are processors, batches of 64. It is given normalised tensors, so that
reading, decoding and resizing cost it nothing. Rounds are interleaved; the medians are compared.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from transformers import Dinov2Config, Dinov2Model

import transhash

BATCH = 64
SIDE = 64  # pixels of the JPEG files


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", nargs="?", help="a model's name or folder; the default model without it")
    parser.add_argument("--pictures", type=int, default=1024)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    model = transhash.load(arguments.model)
    vit = model.config["network"]["vit"]
    peer = Dinov2Model(
        Dinov2Config(
            image_size=vit["image_size"],
            patch_size=vit["patch_size"],
            hidden_size=vit["dim"],
            num_hidden_layers=vit["depth"],
            num_attention_heads=vit["heads"],
        )
    ).eval()
    batch = torch.randn(BATCH, 3, vit["image_size"], vit["image_size"])
    ours, theirs = [], []
    with tempfile.TemporaryDirectory() as folder:
        paths = make_pictures(Path(folder), arguments.pictures)
        model.encode(paths[:BATCH])
        for _ in range(arguments.rounds):
            start = time.perf_counter()
            model.encode(paths)
            ours.append(len(paths) / (time.perf_counter() - start))
            start = time.perf_counter()
            with torch.inference_mode():
                for _ in range(len(paths) // BATCH):
                    peer(batch)
            theirs.append(len(paths) // BATCH * BATCH / (time.perf_counter() - start))
    result = {
        "transhash images/s, from JPEG files": round(statistics.median(ours), 1),
        "transformers images/s, from tensors": round(statistics.median(theirs), 1),
        "ratio": round(statistics.median(ours) / statistics.median(theirs), 2),
        "threads": torch.get_num_threads(),
    }
    print(json.dumps(result, indent=1))


def make_pictures(folder: Path, number: int) -> list[Path]:
    """JPEG files of smooth noise, about as large as photographs of their size."""
    random = np.random.default_rng(0)
    paths = []
    for i in range(number):
        noise = Image.fromarray(random.integers(0, 256, (16, 16, 3), dtype=np.uint8))
        paths.append(folder / f"{i:05d}.jpg")
        noise.resize((SIDE, SIDE), Image.Resampling.BICUBIC).save(paths[-1], quality=90)
    return paths


if __name__ == "__main__":
    main()
