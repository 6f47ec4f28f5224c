"""Calibrating a model on images that it was not trained on."""

from __future__ import annotations

import os
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from transhash.codes import hamming, pack
from transhash.data.datasets import ImageSet, load_dataset
from transhash.data.protocols import split
from transhash.data.trained import own_seed, trained_rows
from transhash.errors import DataError
from transhash.evaluation.cosine import related
from transhash.model import HashModel, collect
from transhash.model.calibration import Calibration, fit
from transhash.model.likeness import Likeness, of_embeddings

MOST = 2000  # images: two million pairs


class Calibrated(NamedTuple):
    """What pairs of images say of a model."""

    distances: dict[int, Calibration]  # of codes, by their length in bits
    likeness: Likeness  # of embeddings


def left_over(
    model: HashModel,
    dataset: str,
    data: str | os.PathLike[str],
    protocol: str | None = None,
    *,
    split_seed: int | None = None,
) -> tuple[ImageSet, NDArray[np.int64]]:
    """A data set, and the rows of it that a model may be calibrated on.

    They are what a protocol searches, without the images that this very model was trained on. `split_seed`: the model's
    own by default. Raises `DataError` when they are too few, or none or all of their pairs are relevant.
    """
    images = load_dataset(dataset, data)
    about = model.config.get("about", {})
    seed = own_seed(about, images) if split_seed is None else split_seed
    parts = split(protocol or dataset, images, seed=seed)
    rows = np.setdiff1d(np.setdiff1d(parts.database, parts.query), trained_rows(about, images))
    _relevance(images, _drawn(rows))
    return images, rows


def calibrate(model: HashModel, images: ImageSet, rows: NDArray[np.int64]) -> Calibrated:
    """Fit the probability of relevance to pairs of some images of a set, at most `MOST` of them, drawn by a seed.

    To the distances of all pairs, for each code length of the model, and to the cosines of embeddings of the nearest.
    Raises `DataError` when the images are too few, or none or all of their pairs are relevant.
    """
    rows = _drawn(rows)
    same = _relevance(images, rows)
    one, other = np.triu_indices(len(rows), 1)
    relevant = same[one, other]
    encoded = collect(model.stream([images.images.sources[row] for row in rows]))
    values = np.stack([each.all_values for each in encoded if each.all_values is not None])
    calibrations = {}
    for bits in model.lengths:
        codes = pack(values[:, model.place(bits)])
        distances = hamming(codes, codes)[one, other]
        near = np.bincount(distances[relevant], minlength=bits + 1)
        calibrations[bits] = fit(near, np.bincount(distances, minlength=bits + 1), images.name)
    kept = np.stack([each.embedding for each in encoded if each.embedding is not None])
    return Calibrated(calibrations, of_embeddings(kept, same, images.name))


def _drawn(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """At most `MOST` of some rows, drawn by a seed."""
    return np.random.Generator(np.random.PCG64(0)).permutation(rows)[:MOST]


def _relevance(images: ImageSet, rows: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether some rows are relevant to one another: bool [N, N]."""
    if len(rows) < 2:
        raise DataError(
            "",
            f"{len(rows)} images are left to calibrate on",
            "give a data set with images that the model was not trained on, or train with --set validation=0.1",
        )
    labels = images.labels[rows]
    same = np.stack([related(label, labels) for label in labels])
    relevant = same[np.triu_indices(len(rows), 1)]
    if relevant.all() or not relevant.any():
        raise DataError(
            "",
            "all pairs of the images that are left to calibrate on are relevant, or none",
            "give a data set with several images of each of several classes",
        )
    return same
