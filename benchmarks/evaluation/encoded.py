"""Codes of every length and the float features behind them, of many pictures, kept in files between runs."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transhash.codes import pack
from transhash.data.sets import Images
from transhash.errors import DataError
from transhash.images import Source
from transhash.model import HashModel
from transhash.nn.preprocessing import normalise
from transhash.nn.vit import ViT
from transhash.nn.weights import load_vit
from transhash.progress import Progress, silent
from transhash.system import replacing

_BATCH = 64  # of a backbone's pictures
PART = 4096  # pictures a file; a run that was broken off keeps its whole files

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Encodings:
    """What a model says of N pictures, or a plain backbone, which has no codes."""

    codes: dict[int, NDArray[np.uint8]]  # packed, (N, length/8) by code length
    features: NDArray[
        Any
    ]  # (N, F), float32; of a model what its hash layers read, of a backbone its normalised CLS output

    def take(self, rows: NDArray[np.int64]) -> Encodings:
        """Those of some pictures, by place."""
        return Encodings({bits: codes[rows] for bits, codes in self.codes.items()}, self.features[rows])


class Encoder:
    """A model, or a plain backbone, that remembers what it has encoded in files of `cache`, if there is one."""

    def __init__(self, network: HashModel | ViT, identity: Sequence[str], cache: Path | None = None) -> None:
        self._network = network
        self._identity = list(identity)
        self._cache = cache

    @classmethod
    def of_model(cls, model: HashModel, cache: Path | None = None) -> Encoder:
        """All code lengths of a model in one pass."""
        return cls(model, [model.at(bits).fingerprint for bits in model.lengths], cache)

    @classmethod
    def of_backbone(cls, source: str | Path, image_size: int, cache: Path | None = None) -> Encoder:
        """The features of a backbone as it was before any hashing; raises `ModelError` for what is none."""
        vit = load_vit(source, image_size=image_size).eval()
        digest = hashlib.sha256()
        for name, value in sorted(vit.state_dict().items()):
            digest.update(name.encode() + value.float().cpu().numpy().tobytes())
        return cls(vit, [digest.hexdigest(), str(image_size)], cache)

    def encode(
        self, pictures: Sequence[Source], name: str, progress: Progress = silent, stage: str = "encoding"
    ) -> Encodings:
        """Encode pictures, or read what was kept under the same `name`, which says exactly which pictures they are.

        Features are rounded to float16. Raises `ImageError` for the first picture that cannot be used.
        """
        if not len(pictures):
            raise DataError("", "there are no pictures to encode", "give at least one")
        key = hashlib.sha256(json.dumps([*self._identity, name, len(pictures)]).encode()).hexdigest()[:16]
        parts = []
        for start in range(0, len(pictures), PART):
            path = self._cache / f"{key}-{start:08d}.npz" if self._cache else None
            part = _read(path) if path and path.is_file() else None
            if part is None:
                part = self._encode(pictures, range(start, min(start + PART, len(pictures))), progress, stage)
                if path:
                    _write(path, part)
            parts.append(part)
        lengths = parts[0].codes
        return Encodings(
            {bits: np.concatenate([part.codes[bits] for part in parts]) for bits in lengths},
            np.concatenate([part.features for part in parts]).astype(np.float32),
        )

    def _encode(self, pictures: Sequence[Source], places: range, progress: Progress, stage: str) -> Encodings:
        def report(done: int) -> None:
            progress(stage, done, len(pictures), "")

        if isinstance(self._network, HashModel):
            made = _by_model(self._network, pictures, places, report)
        else:
            made = _by_backbone(self._network, pictures, places, report)
        return Encodings(made.codes, made.features.astype(np.float16))


def _read(path: Path) -> Encodings:
    with np.load(path, allow_pickle=False) as kept:
        return Encodings({int(bits): kept[f"codes-{bits}"] for bits in kept["lengths"]}, kept["features"])


def _write(path: Path, made: Encodings) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = {f"codes-{bits}": codes for bits, codes in made.codes.items()}
    with replacing(path) as file:
        np.savez(file, allow_pickle=False, lengths=list(made.codes), features=made.features, **arrays)


def name_of(dataset: str, data: str | os.PathLike[str], rows: NDArray[np.int64], change: str = "") -> str:
    """A name for some pictures of a data set, perhaps changed, under which their encodings are kept."""
    digest = hashlib.sha256(rows.astype("<i8").tobytes()).hexdigest()
    return json.dumps([dataset, os.path.realpath(data), digest, change])


def _by_model(model: HashModel, pictures: Sequence[Source], places: range, report: Callable[[int], None]) -> Encodings:
    values, features = [], []
    for batch in model.stream(places, source=pictures.__getitem__):
        for encoded in batch:
            if encoded.error:
                raise encoded.error
            values.append(np.asarray(encoded.all_values))
            features.append(np.asarray(encoded.features))
        report(places.start + len(values))
    together = np.stack(values)
    starts = np.cumsum([0, *model.lengths])
    codes = {bits: pack(together[:, start : start + bits]) for bits, start in zip(model.lengths, starts, strict=False)}
    return Encodings(codes, np.stack(features))


def _by_backbone(vit: ViT, pictures: Sequence[Source], places: range, report: Callable[[int], None]) -> Encodings:
    import torch

    from transhash.training.device import autocast, precision_of

    images, size = Images(pictures), vit.config.image_size
    features = []
    for start in range(places.start, places.stop, _BATCH):
        rows = np.arange(start, min(start + _BATCH, places.stop))
        with torch.inference_mode(), autocast(torch.device("cpu"), precision_of("auto")):
            features.append(vit(normalise(images.decode(rows, size)))[:, 0].float().numpy())
        report(int(rows[-1]) + 1)
    return Encodings({}, np.concatenate(features))
