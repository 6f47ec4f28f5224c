"""What 8 bits cost as a start of training: the same short run from a checkpoint and from models that were made of it.

    python -m benchmarks.training.eight_bits --data CIFAR10 --backbone VIT.safetensors [--images 1500] [--seeds 2]

A model keeps its matrices as int8 with a scale for each output; one whose products are of integers has 7 bits there.
`train` without a backbone starts from such a model. Here the blocks but the last stay as they are, so that what was
rounded stays rounded; the last block and the hash layers train on `--images` pictures of the training part of CIFAR-10,
a third of which are held out and scored (tie-aware mAP, each half queries the other). The steps are the same ones.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

from benchmarks.common import program
from transhash.data.datasets import ImageSet, load_dataset
from transhash.data.sets import Images
from transhash.nn.mgvt import MGVT
from transhash.nn.weights import load_vit
from transhash.training.export import export_model
from transhash.training.loop import train
from transhash.training.recipe import Recipe

PICTURES = 256  # on which the ranges of 8-bit products are measured


def some(images: ImageSet, number: int) -> ImageSet:
    """Pictures of the training part, drawn by a seed, as a set of their own."""
    rows = np.sort(np.random.default_rng(0).permutation(images.training)[:number])
    sources = images.images.sources
    kept = Images(sources[rows] if isinstance(sources, np.ndarray) else [sources[row] for row in rows])
    return replace(images, images=kept, labels=images.labels[rows], training=number)


def starts(recipe: Recipe, images: ImageSet, folder: Path) -> dict[str, Path | str]:
    """What runs start from, by its words."""
    network = MGVT.from_vit(load_vit(recipe.backbone, image_size=recipe.image_size), bits=recipe.bits)
    pictures = images.images.decode(np.arange(min(PICTURES, len(images.labels))), recipe.image_size)
    export_model(network, folder / "int8", "int8", {})
    export_model(network, folder / "exact", "exact", {}, pictures=pictures)
    return {
        "checkpoint, float32": recipe.backbone,
        "model, int8 weights": folder / "int8",
        "model, products of integers": folder / "exact",
    }


def main(arguments: list[str] | None = None) -> dict[str, object]:
    """Print the mAP of each start."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="CIFAR-10 in any of its layouts")
    parser.add_argument("--backbone", required=True)
    parser.add_argument("--images", type=int, default=1500)
    parser.add_argument("--seeds", type=int, default=2)
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--image-size", type=int, default=70)
    parser.add_argument("--batch", type=int, default=64)
    given = parser.parse_args(arguments)
    images = some(load_dataset("cifar10", given.data), given.images)
    with tempfile.TemporaryDirectory() as folder:
        recipe = Recipe.build(dict(
            dataset="cifar10", protocol="folder", data=given.data, backbone=given.backbone, bits=64, freeze=1,
            image_size=given.image_size, validation=1 / 3, epochs=given.epochs, batch_size=given.batch,
            warmup_steps=10, crop_scale=1, flip=False, cached_views=1, average=0.9,
        ))  # fmt: skip
        depth = load_vit(given.backbone).config.depth
        recipe = recipe.model_copy(update={"freeze": depth - 1})
        found: dict[str, list[float]] = {}
        for words, start in starts(recipe, images, Path(folder)).items():
            for seed in range(given.seeds):
                wanted = recipe.model_copy(update={"backbone": str(start), "seed": seed})
                run = Path(folder) / f"{len(found)}-{seed}"
                history = train(wanted, run, images=images).history
                found.setdefault(words, []).append(round(history[-1]["map"], 4))
    result: dict[str, object] = {"images": given.images, **found}
    result["means"] = {words: round(statistics.mean(maps), 4) for words, maps in found.items()}
    print(json.dumps(result, indent=1))
    return result


if __name__ == "__main__":
    program(main)
