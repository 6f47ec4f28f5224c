"""From features to an embedding, and from embeddings to codes of every length.

The embedding is what is largest in the features, their principal components: a map that learned the likenesses too
was worse on pictures of kinds that it had not seen. Codes are ITQ's on embeddings in whole numbers; those of 16 and 32
bits, whose few bits ITQ uses badly, learn further.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.photographs.box import likenesses
from benchmarks.photographs.box.learning import LENGTHS, of_one_set
from transhash.model.fitted import LARGEST, STEP, Head, embedding
from transhash.shallow import itq

VALUES = 256  # of an embedding, a byte each
BATCH = 768
SAMPLE = 20_000  # embeddings that ITQ is fitted to
SHORT = {16: 0.2, 32: 0.14}  # bits of codes that learn further, and the temperature of their likeness


@dataclass(frozen=True)
class Features:
    """What the network says of photographs and their views, and what it should."""

    values: Tensor  # (N, F)
    teacher: Tensor  # (N, T), unit vectors
    sets: NDArray[np.int64]  # (N,)
    classes: Tensor  # int64 (N,), -1 for none


def principal(values: Tensor) -> NDArray[np.float32]:
    """The embedding's map (F + 1, V): features' principal components, centred; below them what is added."""
    mean = values.mean(0)
    centred = (values - mean).double()
    _, vectors = torch.linalg.eigh(centred.T @ centred / len(centred))
    main = vectors.flip(1)[:, :VALUES]
    main = main / (centred @ main).norm(dim=1).mean()
    return torch.cat([main, -(mean.double() @ main)[None]]).float().numpy()


def embedded(linear: NDArray[np.float32], features: NDArray[np.floating]) -> NDArray[np.int8]:
    """Embeddings of features (N, F) by a map (F + 1, V), as the model computes them: int8 (N, V)."""
    return embedding(features.astype(np.float64) @ linear[:-1].astype(np.float64) + linear[-1])


def heads(linear: NDArray[np.float32], photos: Features) -> dict[int, Head]:
    """Hash layers of every length on embeddings, by their bits."""
    kept = embedded(linear, photos.values.numpy())
    sample = np.random.default_rng(0).permutation(len(kept))[:SAMPLE]
    found = {}
    for bits in LENGTHS:
        layer = itq(kept[sample].astype(np.float32), bits)
        if bits in SHORT:
            layer = _learned(layer, kept, photos, SHORT[bits])
        scale = LARGEST / np.abs(layer[:-1]).max()
        offset = np.rint(layer[-1].astype(np.float64) * scale).astype(np.int64)
        found[bits] = Head(np.rint(layer[:-1] * scale).astype(np.int16), offset)
    return found


def _learned(
    start: NDArray[np.float32], kept: NDArray[np.int8], photos: Features, tau: float, steps: int = 400
) -> NDArray[np.float32]:
    """A hash layer that learned from where ITQ ended: values are tanh's, near ±1, and each bit is even."""
    vectors = torch.from_numpy(kept.astype(np.float32) * STEP)
    layer, first = nn.Linear(*start[:-1].shape), torch.from_numpy(start)
    with torch.no_grad():
        spread = (vectors[:SAMPLE] @ first[:-1] / STEP + first[-1]).std()
        layer.weight[:], layer.bias[:] = first[:-1].T / STEP / spread, first[-1] / spread
    random, mean = np.random.default_rng(0), vectors.mean(0)
    optimizer = torch.optim.AdamW(layer.parameters(), lr=5e-3, weight_decay=0.0)
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = _rate(5e-3, step, steps)
        rows = _rows(photos.sets, random, one_set=0.3)
        asked = _asked(photos, rows, vectors[rows], mean)
        values = layer(vectors[rows])
        relaxed = torch.tanh(values)
        code = functional.normalize(relaxed, dim=1)
        loss = (
            likenesses.divergence(code, asked.mixed, tau)
            + 0.3 * likenesses.contrast(code, asked, tau)
            + 0.05 * (values.abs() - 1).abs().mean()
            + (relaxed.mean(0) ** 2).mean()
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    weights = torch.cat([layer.weight.T * STEP, layer.bias[None]])
    return weights.detach().numpy().astype(np.float32)


def _asked(photos: Features, rows: NDArray[np.int64], values: Tensor, mean: Tensor) -> likenesses.Batch:
    sets = torch.from_numpy(photos.sets[rows])
    return likenesses.batch(photos.teacher[rows], values, sets, photos.classes[rows], mean)


def _rows(sets: NDArray[np.int64], random: np.random.Generator, *, one_set: float) -> NDArray[np.int64]:
    """A batch, with a chance of being of one set alone."""
    if random.random() >= one_set:
        return random.choice(len(sets), min(BATCH, len(sets)), replace=False)
    return of_one_set(sets, BATCH, random)


def _rate(rate: float, step: int, steps: int) -> float:
    return rate * min(1, (step + 1) / 30) * (1 + math.cos(math.pi * step / steps)) / 2
