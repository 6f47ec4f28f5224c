"""Tokens of a whole data set after the frozen blocks, computed once for all cells of a comparison.

A cell then trains and encodes with the last blocks only. Some 20 KB an image and view at 70 px (float16).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from transhash.data.datasets import ImageSet
from transhash.nn.mgvt import MGVT
from transhash.nn.preprocessing import normalise
from transhash.progress import Progress
from transhash.system import replacing
from transhash.training.device import autocast, device_of, precision_of
from transhash.training.network import initial_network
from transhash.training.recipe import RANDOM, Recipe
from transhash.training.seeds import seed_everything
from transhash.training.source import kept
from transhash.training.tokens import TokenCache

_PART = 4096  # images a file; what was computed of a build that was broken off is kept by files
_BATCH = 256
_KINDS = ("features", "tokens")


class Tokens:
    """The tokens of some rows of a data set, float16 (n, 1 + M, D), in files of a folder, and their features."""

    def __init__(self, folder: Path, rows: NDArray[np.int64]) -> None:
        self.folder = folder
        self.rows = rows

    def build(self, recipe: Recipe, images: ImageSet, progress: Progress) -> None:
        """Compute the files that are not there yet."""
        parts = range(0, len(self.rows), _PART)
        missing = [part for part in parts if not all(self._path(part, what).exists() for what in _KINDS)]
        if not missing:
            return
        self.folder.mkdir(parents=True, exist_ok=True)
        network, device = _frozen_network(recipe), device_of(recipe.device)
        precision = precision_of(recipe.precision, device)
        for part in missing:
            rows = self.rows[part : part + _PART]
            tokens, features = [], []
            for start in range(0, len(rows), _BATCH):
                batch = rows[start : start + _BATCH]
                pictures = images.images.decode(batch, recipe.image_size, crop=recipe.centre_crop)
                with torch.no_grad(), autocast(device, precision):
                    z = network.lower(normalise(torch.from_numpy(pictures).to(device)), recipe.freeze)
                    tokens.append(z.half().cpu().numpy())
                    features.append(backbone_features(network, z, recipe.freeze))
                progress("tokens of all images", part + start + len(batch), len(self.rows), "")
            _write(self._path(part, "features"), np.concatenate(features))
            _write(self._path(part), np.concatenate(tokens))

    def batches(self, places: NDArray[np.int64]) -> Iterator[NDArray[np.float16]]:
        """The tokens at some places, ascending, in pieces of some hundred images, read when used."""
        for part in range(0, len(self.rows), _PART):
            here = places[(places >= part) & (places < part + _PART)] - part
            file = np.load(self._path(part), mmap_mode="r")
            for start in range(0, len(here), _BATCH):
                yield file[here[start : start + _BATCH]]

    def features(self) -> NDArray[np.float32]:
        """The backbone's own features (its normalised CLS output) in the order of `rows`: float32 (n, D)."""
        return np.concatenate(
            [np.load(self._path(part, "features")) for part in range(0, len(self.rows), _PART)]
        ).astype(np.float32)

    def _path(self, part: int, what: str = "tokens") -> Path:
        return self.folder / f"{what}-{part:08d}.npy"


def _write(path: Path, array: NDArray[np.generic]) -> None:
    with replacing(path) as file:
        np.save(file, array)


def _frozen_network(recipe: Recipe) -> MGVT:
    """The network that a recipe starts from, where it computes fastest; of random weights always the same."""
    seed_everything(0)
    return initial_network(recipe).eval().to(device_of(recipe.device))


def backbone_features(network: MGVT, z: torch.Tensor, blocks: int) -> NDArray[np.float32]:
    """What the untrained network's global stream reads from tokens (n, 1 + M, D): float32 (n, D)."""
    features: NDArray[np.float32] = network.global_features(network.middle(z, blocks)).float().cpu().numpy()
    return features


def encode(
    network: MGVT, tokens: Tokens, places: NDArray[np.int64], blocks: int, precision: torch.dtype
) -> NDArray[np.float32]:
    """Relaxed codes of the images at some places of `tokens`, ascending: float32 (len(places), B)."""
    device = next(network.parameters()).device
    network.eval()
    h = []
    with torch.no_grad(), autocast(device, precision):
        for batch in tokens.batches(places):
            h.append(network(torch.from_numpy(batch).to(device).float(), after=blocks).float().cpu().numpy())
    return np.concatenate(h)


def views(folder: Path, recipe: Recipe, images: ImageSet, rows: NDArray[np.int64], progress: Progress) -> TokenCache:
    """The cached views of the training images `rows`, computed unless they are there."""
    cache = TokenCache(folder, recipe.cached_views)
    if not cache.is_whole:
        decoded = kept(recipe, images, rows, folder / "pictures")
        cache.build(
            _frozen_network(recipe),
            recipe.freeze,
            decoded,
            recipe.augmentation,
            seed=recipe.split_seed,
            precision=precision_of(recipe.precision, device_of(recipe.device)),
            progress=progress,
            stage="tokens of training views",
        )
        decoded.remove()
    return cache


def view_features(folder: Path, recipe: Recipe, images: int, progress: Progress) -> NDArray[np.float16]:
    """The backbone's features of the cached views of all training images, computed unless they are there: (V, n, D)."""
    path = folder / "features.npy"
    if not path.exists():
        network, device = _frozen_network(recipe), device_of(recipe.device)
        precision = precision_of(recipe.precision, device)
        cache, found = TokenCache(folder, recipe.cached_views), []
        for view in range(recipe.cached_views):
            for start in range(0, images, _BATCH):
                z = cache.take(view, np.arange(start, min(start + _BATCH, images)))
                with torch.no_grad(), autocast(device, precision):
                    found.append(backbone_features(network, z.to(device).float(), recipe.freeze))
            progress("features of training views", view + 1, recipe.cached_views, "")
        _write(path, np.concatenate(found).astype(np.float16).reshape(recipe.cached_views, images, -1))
    features: NDArray[np.float16] = np.load(path)
    return features


def place(recipe: Recipe, facts: dict[str, str], *, augmented: bool, rows: NDArray[np.int64]) -> str:
    """The name of the folder for such tokens: a digest of all that they depend on."""
    augmentation = asdict(recipe.augmentation)
    if not recipe.coarse:
        del augmentation["coarse"]  # which came later: the names of older folders stay
    what = {
        **facts,
        "rows": hashlib.sha256(rows.tobytes()).hexdigest(),
        "image_size": recipe.image_size,
        "freeze": recipe.freeze,
        "precision": str(precision_of(recipe.precision, device_of(recipe.device))),
        **({"heads": recipe.heads} if recipe.heads else {}),  # which came later, too
        **({"weights": "seed 0"} if recipe.backbone == RANDOM else {}),  # once each file had its own
        **(
            {"views": recipe.cached_views, "augmentation": augmentation, "seed": recipe.split_seed}
            if augmented
            else {"centre_crop": recipe.centre_crop}
        ),
    }
    name = hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:12]
    return f"{'views' if augmented else 'all'}-{name}"
