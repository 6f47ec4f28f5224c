"""The network of a model directory, computed by an engine: squares of pixels in, everything it says out."""

from __future__ import annotations

from pathlib import Path
from threading import Lock
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from transhash.images.helpers import Helpers
from transhash.model.directory import EMBEDDING, GRAPH, HEAD, lengths_of, read_linear
from transhash.model.engines import Engine, named, open_engine
from transhash.model.fitted import embedding
from transhash.model.layers import Layers
from transhash.plain import JsonObject
from transhash.system import processors


class Output(NamedTuple):
    """What a network says of N squares."""

    values: NDArray[np.float32]  # (N, B1 + B2 + …), relaxed codes of every length, side by side
    features: NDArray[np.float32]  # (N, F), what the hash layers read
    embeddings: NDArray[np.int8]  # (N, V), a byte a value (`transhash.model.fitted`)


class Network:
    """The weights of a model directory, opened when they are first needed. Safe to use from several threads."""

    def __init__(self, folder: Path, config: JsonObject, device: str) -> None:
        """`config`: the directory's settings; `device`: as of `HashModel`.

        Raises `ModelError` for a device that is not there, and for layers that are not what the settings say.
        """
        kind, _ = named(device)
        self._device = device
        self._graph = folder / GRAPH
        self._engine: Engine | None = open_engine(self._graph, device) if kind == "cuda" else None
        self._helpers: Helpers | None = None
        self._starting = Lock()
        self._shape: JsonObject = config["network"]
        self._lengths = lengths_of(config)
        files = config["sha256"]
        self._head: NDArray[np.float32] | None = None
        self._to_embedding: NDArray[np.float64] | None = None
        self._layers: Layers | None = None
        if EMBEDDING in files:
            self._layers = (Layers.fitted if HEAD in files else Layers.read)(folder, sum(self._lengths))
            projection = read_linear(folder / EMBEDDING, np.float32, self._layers.embedding_values)
            self._to_embedding = projection.astype(np.float64)
        elif HEAD in files:
            self._head = read_linear(folder / HEAD, np.float32, config["bits"])

    @property
    def embedding_values(self) -> int:
        """V, the values of an embedding: of a model without embeddings of its own, those of its longest code."""
        return self._lengths[-1] if self._layers is None else self._layers.embedding_values

    def place(self, bits: int) -> slice:
        """Where the values of a code length are among those of all."""
        start = sum(length for length in self._lengths if length < bits)
        return slice(start, start + bits)

    def open(self) -> Engine:
        """Read the weights now, rather than with the first pictures."""
        if self._engine is None:
            self._engine = open_engine(self._graph, self._device)
        return self._engine

    def helpers(self) -> Helpers:
        """The processes that decode for a GPU, one for each core, started when they are first needed and kept."""
        with self._starting:
            if self._helpers is None:
                self._helpers = Helpers(processors())
            return self._helpers

    @property
    def at_once(self) -> int:
        """Squares that one call of the engine should have."""
        vit = self._shape["vit"]
        return max(1, self.open().tokens // (1 + int(vit["image_size"] // vit["patch_size"]) ** 2))

    def read(self, squares: NDArray[np.uint8]) -> Output:
        """What the network says of squares, uint8 (N, S, S, 3)."""
        engine, step = self.open(), self.at_once
        parts = [engine.run(squares[first : first + step]) for first in range(0, max(1, len(squares)), step)]
        values, features = (np.concatenate(part) for part in zip(*parts, strict=True))
        if self._to_embedding is not None and self._layers is not None:
            kept = embedding(features.astype(np.float64) @ self._to_embedding[:-1] + self._to_embedding[-1])
            return Output(self._layers.values(kept).astype(np.float32), features, kept)
        if self._head is not None:  # in float64, whose sums are the same to float32's digits in whatever order
            head = self._head.astype(np.float64)
            values = (features @ head[:-1] + head[-1]).astype(np.float32)
        return Output(values, features, embedding(values[:, self.place(self._lengths[-1])]))

    def parts(self, squares: NDArray[np.uint8], bits: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """What the two streams say at a code length: float32 (N, B1), (N, B2), as `HashModel.parts` describes."""
        values, features, _ = self.read(squares)
        has_local = bool(self._shape["groups"])
        linear = self._head if self._to_embedding is None else self._to_embedding
        if linear is None:
            values = values[:, self.place(bits)]
            split = bits // 2 if has_local else bits
            return values[:, :split], values[:, split:]
        width = self._shape["vit"]["dim"]
        local = np.asarray(features[:, width:] @ linear[width:-1], np.float32)
        return np.asarray(features[:, :width] @ linear[:width], np.float32), local if has_local else local[:, :0]
