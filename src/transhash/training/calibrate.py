"""Calibrating a model on images that it was not trained on."""

from __future__ import annotations

import os

import numpy as np
from numpy.typing import NDArray

from transhash.codes import hamming
from transhash.data.datasets import ImageSet, load_dataset
from transhash.data.protocols import split
from transhash.data.trained import own_seed, trained_rows
from transhash.errors import DataError
from transhash.evaluation.cosine import related
from transhash.model import HashModel
from transhash.model.calibration import Calibration, fit

MOST = 2000  # images: two million pairs


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


def calibrate(model: HashModel, images: ImageSet, rows: NDArray[np.int64]) -> dict[int, Calibration]:
    """Fit the probability of relevance to all pairs of some images of a set, at most `MOST` of them, drawn by a seed.

    One for each code length of the model, by its bits.

    Raises `DataError` when they are too few, or none or all of their pairs are relevant.
    """
    rows = _drawn(rows)
    relevant, one, other = _relevance(images, rows)
    calibrations = {}
    for bits, codes in model.encode_lengths([images.images.sources[row] for row in rows]).items():
        distances = hamming(codes, codes)[one, other]
        near = np.bincount(distances[relevant], minlength=bits + 1)
        calibrations[bits] = fit(near, np.bincount(distances, minlength=bits + 1), images.name)
    return calibrations


def _drawn(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """At most `MOST` of some rows, drawn by a seed."""
    return np.random.Generator(np.random.PCG64(0)).permutation(rows)[:MOST]


def _relevance(
    images: ImageSet, rows: NDArray[np.int64]
) -> tuple[NDArray[np.bool_], NDArray[np.int64], NDArray[np.int64]]:
    """All pairs of some rows: whether they are relevant, and the places of the one and the other among `rows`."""
    if len(rows) < 2:
        raise DataError(
            "",
            f"{len(rows)} images are left to calibrate on",
            "give a data set with images that the model was not trained on, or train with --set validation=0.1",
        )
    labels = images.labels[rows]
    same = np.stack([related(label, labels) for label in labels])
    one, other = np.triu_indices(len(rows), 1)
    relevant = same[one, other]
    if relevant.all() or not relevant.any():
        raise DataError(
            "",
            "all pairs of the images that are left to calibrate on are relevant, or none",
            "give a data set with several images of each of several classes",
        )
    return relevant, one, other
