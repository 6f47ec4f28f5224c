"""From features to an embedding, and from embeddings to codes of every length.

The embedding is what is largest in the features, their principal components: a map that learned the likenesses too
was worse on pictures of kinds that it had not seen. Codes of each length are ITQ's on embeddings, or learned further
from there at one of some temperatures: what is best on the sets that choose.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from benchmarks.photographs.box import likenesses
from benchmarks.photographs.box.learning import LENGTHS, of_one_set
from transhash.model.fitted import STEP, Head, embedding
from transhash.shallow import itq

VALUES = 256  # of an embedding, a byte each
BATCH = 1024
SAMPLE = 20_000  # embeddings that ITQ is fitted to
TEMPERATURES = (0.2, 0.14)  # of the likeness of codes that learn further
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Features:
    """What the network says of photographs and their views, and what it should."""

    values: Tensor  # (N, F)
    teacher: Tensor  # (N, T), unit vectors
    sets: NDArray[np.int64]  # [N]
    classes: NDArray[np.int64]  # [N], -1 for none


def principal(values: Tensor, power: float = 0.0) -> Floats:
    """The embedding's map (F + 1, V): features' principal components, centred; below them what is added.

    Components are divided by their deviation to some power.
    """
    mean = values.double().mean(0)
    centred = values.double() - mean
    sizes, vectors = torch.linalg.eigh(centred.T @ centred / len(centred))
    main = vectors.flip(1)[:, :VALUES] * sizes.flip(0)[:VALUES].clamp(min=1e-9) ** (-power / 2)
    main = main / (centred @ main).norm(dim=1).mean()
    return torch.cat([main, -(mean @ main)[None]]).float().cpu().numpy()


def embedded(linear: Floats, features: NDArray[np.floating]) -> NDArray[np.int8]:
    """Embeddings of features (N, F) by a map (F + 1, V), as the model computes them: int8 (N, V)."""
    parts = [features[start : start + 8192].astype(np.float64) for start in range(0, len(features), 8192)]
    return np.concatenate([embedding(part @ linear[:-1].astype(np.float64) + linear[-1]) for part in parts])


def heads(
    linear: Floats, photos: Features, judge: Callable[[Head], float], steps: int, say: Callable[[str], None]
) -> dict[int, Head]:
    """Hash layers of every length on embeddings, by their bits; `judge` says how good one is."""
    kept = embedded(linear, photos.values.cpu().numpy())
    sample = np.random.default_rng(0).permutation(len(kept))[:SAMPLE]
    found = {}
    for bits in LENGTHS:
        layer = itq(kept[sample].astype(np.float32), bits)
        tried = {"ITQ": Head.rounded(layer)}
        tried |= {f"learned at {tau}": Head.rounded(_learned(layer, kept, photos, tau, steps)) for tau in TEMPERATURES}
        scores = {name: judge(head) for name, head in tried.items()}
        best = max(scores, key=lambda name: scores[name])
        say(f"{bits} bits: {best}; " + ", ".join(f"{name} {score:.4f}" for name, score in scores.items()))
        found[bits] = tried[best]
    return found


def _learned(start: Floats, kept: NDArray[np.int8], photos: Features, tau: float, steps: int) -> Floats:
    """A hash layer that learned from where ITQ ended: values are tanh's, near ±1, and each bit is even."""
    device = photos.values.device
    vectors = torch.from_numpy(kept).to(device).float() * STEP
    layer, first = nn.Linear(*start[:-1].shape).to(device), torch.from_numpy(start).to(device)
    with torch.no_grad():
        spread = (vectors[:SAMPLE] @ first[:-1] / STEP + first[-1]).std()
        layer.weight[:], layer.bias[:] = first[:-1].T / STEP / spread, first[-1] / spread
    random, mean = np.random.default_rng(0), vectors.mean(0)
    optimizer = torch.optim.AdamW(layer.parameters(), lr=5e-3, weight_decay=0.0)
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = 5e-3 * min(1, (step + 1) / 30) * (1 + math.cos(math.pi * step / steps)) / 2
        one = random.random() < 0.3
        rows = of_one_set(photos.sets, BATCH, random) if one else random.integers(0, len(kept), BATCH)
        at = torch.from_numpy(rows).to(device)
        sets, classes = (torch.from_numpy(each[rows]).to(device) for each in (photos.sets, photos.classes))
        asked = likenesses.batch(photos.teacher[at], vectors[at], sets, classes, None if one else mean)
        values = layer(vectors[at])
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
    return np.asarray(weights.detach().cpu().numpy(), np.float32)
