"""Calibrating a model on images that it was not trained on."""

from __future__ import annotations

import os

import numpy as np
from numpy.typing import NDArray

from transhash.codes import hamming
from transhash.data.datasets import ImageSet, load_dataset
from transhash.data.protocols import split
from transhash.errors import DataError
from transhash.evaluation.calibration import Calibration, fit
from transhash.evaluation.cosine import related
from transhash.model import HashModel

MOST = 2000  # images: two million pairs


def calibrate_under(
    model: HashModel, dataset: str, data: str | os.PathLike[str], protocol: str | None = None, *, split_seed: int = 0
) -> dict[int, Calibration]:
    """Fit one for each code length to what a protocol neither queries nor trains with.

    Raises `DataError` when that is too little.
    """
    images = load_dataset(dataset, data)
    parts = split(protocol or dataset, images, seed=split_seed)
    return calibrate(model, images, np.setdiff1d(parts.database, parts.train))


def calibrate(model: HashModel, images: ImageSet, rows: NDArray[np.int64]) -> dict[int, Calibration]:
    """Fit the probability of relevance to all pairs of some images of a set, at most `MOST` of them, drawn by a seed.

    One for each code length of the model, by its bits.

    Raises `DataError` when they are too few, or none or all of their pairs are relevant.
    """
    random = np.random.Generator(np.random.PCG64(0))
    rows = random.permutation(rows)[:MOST]
    if len(rows) < 2:
        raise DataError(f"{len(rows)} images are left to calibrate on: give a data set with some outside of training")
    labels = images.labels[rows]
    same = np.stack([related(label, labels) for label in labels])
    one, other = np.triu_indices(len(rows), 1)
    relevant = same[one, other]
    if relevant.all() or not relevant.any():
        raise DataError("all pairs of images are relevant, or none: a calibration needs images of several classes")
    calibrations = {}
    for bits, codes in model.encode_lengths([images.images.sources[row] for row in rows]).items():
        distances = hamming(codes, codes)[one, other]
        near = np.bincount(distances[relevant], minlength=bits + 1)
        calibrations[bits] = fit(near, np.bincount(distances, minlength=bits + 1), images.name)
    return calibrations
