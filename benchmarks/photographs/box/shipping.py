"""The finished network as a model directory: 8-bit integers, an embedding, codes of every length, calibrations."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import transhash
from benchmarks.photographs.box.judging import Kept
from transhash.evaluation.cosine import unit
from transhash.model import calibration, likeness
from transhash.model.directory import EMBEDDING, HIDDEN, LAYERS, file_hash, read_config, write_config
from transhash.model.fitted import fit_head
from transhash.model.layers import Layers
from transhash.nn.mgvt import MGVT
from transhash.training.export import export_model

NAME = "vits14-photographs"
ASKING = 400  # pictures of a set, at most, where the order of a library is calibrated
PAIRS = 1_000_000  # that each set counts for, where distances are calibrated


def ship(folder: Path, network: MGVT, linear: NDArray[np.float32], pictures: NDArray[np.uint8]) -> None:
    """Write a model whose codes are the signs of what is largest in its embeddings.

    `pictures` uint8 (N, S, S, 3) are some on which the ranges of 8-bit products are measured.
    """
    export_model(network, folder, NAME, {}, pictures=pictures)
    np.save(folder / EMBEDDING, linear.astype(np.float32))
    values, lengths = linear.shape[1], network.config.lengths
    signs = np.vstack([np.hstack([np.eye(values, bits) for bits in lengths]), np.zeros((1, sum(lengths)))])
    keep(folder, Layers.rounded(np.empty((values + 1, 0)), signs))


def keep(folder: Path, layers: Layers) -> None:
    """Give a model hash layers."""
    for file, part in ((HIDDEN, layers.hidden), (LAYERS, layers.output)):
        assert np.abs(part).max(initial=0) < 1 << 31
        np.save(folder / file, part.astype(np.int32))
    config = read_config(folder)
    config["sha256"] |= {file: file_hash(folder / file) for file in (EMBEDDING, HIDDEN, LAYERS)}
    made = "python -m benchmarks.photographs.box (docs/models.md)"
    config["about"] = {"transhash": transhash.__version__, "made": made}
    write_config(folder, config)


def calibrate_order(folder: Path, judged: Kept) -> None:
    """Keep probabilities with a model: of cosines after the map that a library learns of its own pictures.

    `judged`: embeddings (N, V) and classes of sets that nothing was trained on. A quarter of each, `ASKING` at most,
    asks for the others, which are the library. Sets weigh alike.
    """
    shown, kind = [], []
    for kept, classes in judged.values():
        rows = np.random.default_rng(0).permutation(len(kept))
        ask, rest = np.split(rows, [min(ASKING, len(rows) // 4)])
        mapped = unit(fit_head(kept[rest], 64, orders=len(rest)).ordered(kept).astype(np.float32))
        cosines = mapped[ask] @ mapped[rest].T
        nearest = np.argsort(-cosines, axis=1)[:, : min(likeness.SHOWN, len(rest))]
        shown.append(np.take_along_axis(cosines, nearest, 1))
        kind.append(classes[rest][nearest] == classes[ask][:, None])
    data = f"{len(judged)} sets of photographs, weighed alike"
    write_config(folder, {**read_config(folder), "nearness": likeness.fit(shown, kind, data).to_dict()})


def calibrate(folder: Path, layers: Layers, judged: Kept) -> None:
    """Keep probabilities with a model: of distances at every length, and of cosines; sets weigh alike.

    `judged`: sets of pictures that nothing was trained on.
    """
    model = transhash.load(folder)
    data = f"{len(judged)} sets of photographs, weighed alike"
    near, shown, kind = {bits: np.zeros((2, bits + 1)) for bits in model.lengths}, [], []
    for kept, classes in judged.values():
        values = layers.values(kept)
        one, other = np.triu_indices(len(kept), 1)
        same = classes[one] == classes[other]
        for bits in model.lengths:
            signs = np.where(values[:, model.place(bits)] > 0, 1, -1).astype(np.float32)
            distances = np.rint((bits - signs @ signs.T) / 2).astype(np.int64)[one, other]
            for row, chosen in enumerate((distances[same], distances)):
                near[bits][row] += np.bincount(chosen, minlength=bits + 1) * (PAIRS / len(distances))
        cosines, alike = likeness.nearest(kept, classes[:, None] == classes)
        shown.append(cosines[:, : likeness.SHOWN])
        kind.append(alike[:, : likeness.SHOWN])
    config = read_config(folder)
    config["calibrations"] = {
        str(bits): calibration.fit(counts[0], counts[1], data).to_dict()
        for bits, counts in ((bits, np.rint(counts).astype(np.int64)) for bits, counts in near.items())
    }
    config["likeness"] = likeness.fit(shown, kind, data).to_dict()
    write_config(folder, config)
