"""A hash model: pictures in, packed codes out.

A model is a directory: `config.json` (shape, preprocessing, checksums), `model.safetensors` (weights) and `model.onnx`
(the computation). Encoding needs ONNX Runtime alone.

    model = transhash.load()
    codes = model.encode(["a.jpg", "b.jpg"])  # uint8 (2, bits/8)

A model may have hash layers for several code lengths, which one pass of the network computes all. One of them is
chosen when it is loaded: `transhash.load(bits=128)`.
"""

from __future__ import annotations

import copy
import hashlib
import json
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transhash.codes import pack
from transhash.errors import ImageError, ModelError
from transhash.evaluation.calibration import Calibration
from transhash.images import DEFAULT_MAX_PIXELS, Source, load_picture
from transhash.model.directory import (
    CONFIG,
    EMBEDDING,
    FORMAT,
    GRAPH,
    HEAD,
    LAYERS,
    calibrations_of,
    checked_files,
    lengths_of,
    read_config,
    read_linear,
    write_config,
)
from transhash.model.fitted import Head, embedding
from transhash.system import processors
from transhash.threads import submit

PRETRAINED = Path(__file__).parents[1] / "pretrained"
DEFAULT = "vits14-photographs"
_TOKENS = 600  # about as many pass through the network at once: what lies between its layers then stays in the cache


@dataclass(frozen=True)
class Encoded:
    """What became of one item: its code and relaxed code, or the error that names why it has none."""

    item: Any  # as it was passed in
    code: NDArray[np.uint8] | None  # (bits/8,)
    values: NDArray[np.float32] | None  # (bits,), the relaxed code, whose signs are the bits
    error: ImageError | None
    width: int  # of the picture as stored, pixels; 0 when unknown
    height: int
    is_first: bool = False  # of several frames or pages
    taken: datetime | None = None  # by the camera's clock
    features: NDArray[np.float32] | None = None  # (F,), what the hash layers read
    all_values: NDArray[np.float32] | None = None  # relaxed codes of all of the model's lengths, side by side
    embedding: NDArray[np.int8] | None = None  # (V,), the longest of these in a byte a value (`transhash.model.fitted`)


class HashModel:
    """A model directory, opened for encoding. Safe to use from several threads."""

    def __init__(self, folder: str | os.PathLike[str], bits: int | None = None, *, device: str = "auto") -> None:
        """Open a model directory at one of its code lengths, by default the model's own choice.

        `device`: `auto` encodes on a CUDA device where ONNX Runtime has one, `cpu` never, `cuda` or `cuda:1` always.
        Raises `ModelError` when a file is missing, altered or of a newer format, and for a length or device that is not
        there.
        """
        if device != "auto":
            _providers(device)
        self._device = device
        self.folder = Path(folder)
        self.config = read_config(self.folder)
        self.name: str = self.config["name"]
        self.lengths: tuple[int, ...] = lengths_of(self.config)
        """All code lengths in bits, ascending."""
        self.image_size: int = self.config["image_size"]
        self.crop: float = self.config["crop"]
        self._checksums = checked_files(self.folder, self.config)
        files = self.config["sha256"]
        is_fitted = HEAD in files
        self._head = read_linear(self.folder / HEAD, np.float32, self.config["bits"]) if is_fitted else None
        self._to_embedding: NDArray[np.float64] | None = None
        self._layers: NDArray[np.float64] | None = None
        if EMBEDDING in files:
            self._layers = read_linear(self.folder / LAYERS, np.int64, sum(self.lengths)).astype(np.float64)
            projection = read_linear(self.folder / EMBEDDING, np.float32, len(self._layers) - 1)
            self._to_embedding = projection.astype(np.float64)
        self._session: Any = None
        self._fitted: Head | None = None
        self._unfitted: HashModel | None = None
        self._choose(self.config["bits"] if bits is None else bits)

    def __repr__(self) -> str:
        return f"HashModel({self.name!r}, bits={self.bits}, image_size={self.image_size})"

    def at(self, bits: int) -> HashModel:
        """The same model at another of its code lengths; raises `ModelError` for one that it does not have."""
        self._open_session()  # which the two share
        other = copy.copy(self)
        other._choose(bits)
        return other

    def fitted(self, head: Head) -> HashModel:
        """The same model with hash layers that were fitted to a collection: codes of `head.bits` bits of its own.

        They read its embeddings of pictures. Raises `ModelError` for layers that read another number of values.
        """
        if len(head.weights) != self.embedding_values:
            raise ModelError(
                self.name,
                f"fitted hash layers read {len(head.weights)} values, this model has {self.embedding_values}",
                "use the model that they were fitted with",
            )
        other = copy.copy(self)
        other._unfitted = self.unfitted
        other._fitted, other.bits = head, head.bits
        other.fingerprint = head.fingerprint(other._unfitted.fingerprint)
        return other

    @property
    def embedding_values(self) -> int:
        """V, the values of an embedding: of a model without embeddings of its own, those of its longest code."""
        return self.lengths[-1] if self._layers is None else len(self._layers) - 1

    @property
    def unfitted(self) -> HashModel:
        """The model with its own hash layers: itself, unless it comes from `fitted`."""
        return self._unfitted or self

    def _choose(self, bits: int) -> None:
        if bits not in self.lengths:
            raise ModelError(
                "",
                f"{self.name} has no codes of {bits} bits, only of {', '.join(map(str, self.lengths))}",
                "choose one of these, or fit a model of that length (`transhash fit --bits`)",
            )
        self._fitted = self._unfitted = None
        self.bits: int = bits
        self.fingerprint: str = hashlib.sha256(
            json.dumps([FORMAT, self.image_size, self.crop, bits, *self._checksums]).encode()
        ).hexdigest()

    @property
    def size(self) -> int:
        """Bytes of its files."""
        return sum((self.folder / file).stat().st_size for file in (CONFIG, *self.config["sha256"]))

    @property
    def rounding(self) -> float:
        """The most by which rounding moves a value of a code, as a share of their root mean square.

        Of older models in 8 bits, where processors that differ in a last digit may round to different steps; of all
        others 0.
        """
        return float(self.config.get("rounding", 0.0))

    @property
    def measured(self) -> dict[str, str]:
        """What was measured when it was made, in words."""
        return dict(self.config.get("about", {}).get("measured", {}))

    @property
    def calibration(self) -> Calibration | None:
        """What turns distances into probabilities, if the model has been calibrated at this code length."""
        kept = None if self._fitted else calibrations_of(self.config).get(str(self.bits))
        return Calibration(**kept) if kept else None

    def calibrate(self, calibrations: Mapping[int, Calibration]) -> None:
        """Keep calibrations with the model, each by its code length; raises `ModelError` when it cannot.

        Codes and fingerprint stay what they are.
        """
        kept = {**calibrations_of(self.config), **{str(bits): c.to_dict() for bits, c in calibrations.items()}}
        config = {**self.config, "calibrations": dict(sorted(kept.items(), key=lambda one: int(one[0])))}
        config.pop("calibration", None)
        try:
            write_config(self.folder, config)
        except OSError as error:
            raise ModelError(self.folder, f"cannot be written ({error.strerror})", "copy the model first") from error
        self.config = config

    def encode(self, items: Iterable[Source]) -> NDArray[np.uint8]:
        """Packed codes of pictures, uint8 (N, bits/8): paths, encoded bytes, Pillow images or uint8 (H, W, 3) arrays.

        Raises `ImageError` for the first picture that cannot be used; `stream` goes on instead.
        """
        return pack(self.values(items))

    def values(self, items: Iterable[Source]) -> NDArray[np.float32]:
        """Relaxed codes, float32 (N, bits): their signs are the bits, their sizes tell how sure each bit is."""
        return np.array([each.values for each in self._each(items)], np.float32).reshape(-1, self.bits)

    def encode_lengths(self, items: Iterable[Source]) -> dict[int, NDArray[np.uint8]]:
        """Packed codes of pictures at every code length, out of one pass: uint8 (N, length/8) by length.

        Raises `ImageError` for the first picture that cannot be used.
        """
        values = np.array([each.all_values for each in self._each(items)], np.float32)
        values = values.reshape(-1, sum(self.lengths))
        return {length: pack(values[:, self.place(length)]) for length in self.lengths}

    def _each(self, items: Iterable[Source]) -> list[Encoded]:
        """Every picture encoded; raises `ImageError` for the first that cannot be used."""
        if isinstance(items, str | bytes | os.PathLike):
            raise ModelError(f"{items!r}", "one picture where several are expected", f"give a list, [{items!r}]")
        found = [encoded for batch in self.stream(items) for encoded in batch]
        for encoded in found:
            if encoded.error:
                raise encoded.error
        return found

    def place(self, bits: int) -> slice:
        """Where the values of a code length are among those of all."""
        start = sum(length for length in self.lengths if length < bits)
        return slice(start, start + bits)

    def stream(
        self,
        items: Iterable[Any],
        *,
        source: Callable[[Any], Source] | None = None,
        batch_size: int = 16,
        threads: int | None = None,
        max_pixels: int = DEFAULT_MAX_PIXELS,
    ) -> Iterator[list[Encoded]]:
        """Encode items in order, a batch at a time; a picture that cannot be used becomes its `error`.

        `source` gives the picture of an item, where the item is something else than the picture itself. Each of
        `threads` workers (by default as many as there are processors) decodes and encodes a batch of its own; at
        most two batches a worker are under way, so that memory stays bounded however long `items` is.
        """
        if batch_size < 1:
            raise ValueError(f"a batch of {batch_size} pictures encodes nothing: give 1 or more")
        session = self._open_session()
        threads = threads or processors()
        iterator = iter(items)
        waiting: deque[Future[list[Encoded]]] = deque()
        with ThreadPoolExecutor(threads, "transhash-encode") as pool:
            try:
                while True:
                    while len(waiting) < 2 * threads and (batch := list(islice(iterator, batch_size))):
                        waiting.append(submit(pool, self._encode_batch, session, batch, source, max_pixels))
                    if not waiting:
                        return
                    yield waiting.popleft().result()
            finally:
                for future in waiting:
                    future.cancel()

    def _encode_batch(
        self, session: Any, batch: list[Any], source: Callable[[Any], Source] | None, max_pixels: int
    ) -> list[Encoded]:
        size = self.image_size
        pictures = np.empty((len(batch), size, size, 3), np.uint8)
        facts: list[tuple[int, int, bool, datetime | None]] = []
        errors: dict[int, ImageError] = {}
        for i, item in enumerate(batch):
            try:
                picture = load_picture(source(item) if source else item, size, crop=self.crop, max_pixels=max_pixels)
                pictures[i] = picture.pixels
                facts.append((picture.width, picture.height, picture.is_first, picture.taken))
            except ImageError as error:
                errors[i] = error
                pictures[i] = 0
                facts.append((0, 0, False, None))
        all_values, features, kept = self._read_all(session, pictures)
        values = self._chosen(all_values, kept)
        codes = pack(values)
        return [
            Encoded(item, None, None, errors[i], *facts[i])
            if i in errors
            else Encoded(item, codes[i], values[i], None, *facts[i], features[i], all_values[i], kept[i])
            for i, item in enumerate(batch)
        ]

    def square(self, source: Source, *, max_pixels: int = DEFAULT_MAX_PIXELS) -> NDArray[np.uint8]:
        """A picture as the network sees it, uint8 (S, S, 3); raises `ImageError`."""
        return load_picture(source, self.image_size, crop=self.crop, max_pixels=max_pixels).pixels

    def read(self, squares: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Relaxed codes, float32 (N, bits), of pictures as the network sees them, uint8 (N, S, S, 3); one batch."""
        all_values, _, kept = self._read_all(self._open_session(), squares)
        return self._chosen(all_values, kept)

    def _chosen(self, all_values: NDArray[np.float32], kept: NDArray[np.int8]) -> NDArray[np.float32]:
        """Of relaxed codes of every length, those of the chosen one; or what fitted layers make of embeddings."""
        if self._fitted:
            return self._fitted.values(kept).astype(np.float32)
        return np.ascontiguousarray(all_values[:, self.place(self.bits)])

    def _read_all(
        self, session: Any, squares: NDArray[np.uint8]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int8]]:
        """Relaxed codes of every length side by side, features, and embeddings."""
        vit = self.config["network"]["vit"]
        step = max(1, _TOKENS // (1 + (vit["image_size"] // vit["patch_size"]) ** 2))
        parts = [
            session.run(["values", "features"], {"images": squares[first : first + step]})
            for first in range(0, max(1, len(squares)), step)
        ]
        values, features = (np.concatenate(part) for part in zip(*parts, strict=True))
        if self._to_embedding is not None and self._layers is not None:
            kept = embedding(features.astype(np.float64) @ self._to_embedding[:-1] + self._to_embedding[-1])
            values = (kept.astype(np.float64) @ self._layers[:-1] + self._layers[-1]).astype(np.float32)
            return values, features, kept
        if self._head is not None:  # in float64, whose sums are the same to float32's digits in whatever order
            head = self._head.astype(np.float64)
            values = (features @ head[:-1] + head[-1]).astype(np.float32)
        return values, features, embedding(values[:, self.place(self.lengths[-1])])

    def parts(self, squares: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """What the global and the local stream say: float32 (N, B1), (N, B2), one of them perhaps of no width.

        Of a network's own hash layers, these are the bits that read either stream. Of a fitted head, in which each bit
        reads both, it is what either stream adds to all bits; where hash layers read embeddings, what it adds to these.
        """
        values, features, _ = self._read_all(self._open_session(), squares)
        network = self.config["network"]
        linear = self._head if self._to_embedding is None else self._to_embedding
        if linear is None:
            bits = self.lengths[-1] if self._fitted else self.bits
            values = values[:, self.place(bits)]
            split = bits // 2 if network["groups"] else bits
            return values[:, :split], values[:, split:]
        width = network["vit"]["dim"]
        local = np.asarray(features[:, width:] @ linear[width:-1], np.float32)
        return np.asarray(features[:, :width] @ linear[:width], np.float32), local if network["groups"] else local[
            :, :0
        ]

    def _open_session(self) -> Any:
        if self._session is None:
            import onnxruntime

            options = onnxruntime.SessionOptions()
            options.intra_op_num_threads = 1  # workers run whole batches side by side, without waiting for one another
            options.inter_op_num_threads = 1
            options.log_severity_level = 3
            self._session = onnxruntime.InferenceSession(
                self.folder / GRAPH, options, providers=_providers(self._device)
            )
        return self._session


def _providers(device: str) -> list[Any]:
    """What ONNX Runtime computes with, the first that it can: raises `ModelError` for a device that is not there."""
    import onnxruntime

    kind, _, number = device.partition(":")
    if kind not in ("auto", "cpu", "cuda") or (number and (kind != "cuda" or not number.isdecimal())):
        raise ModelError(f"device {device!r}: there is none of that name; use auto, cpu, cuda or cuda:1")
    there = "CUDAExecutionProvider" in onnxruntime.get_available_providers()
    if kind == "cuda" and not there:
        raise ModelError(
            f"device {device}: this ONNX Runtime computes on the CPU alone; install onnxruntime-gpu in place of "
            "onnxruntime, or leave the device out"
        )
    # products of 19-bit numbers, which some GPUs take for faster, would change codes
    cuda = ("CUDAExecutionProvider", {"device_id": int(number or 0), "use_tf32": 0})
    return [cuda, "CPUExecutionProvider"] if there and kind != "cpu" else ["CPUExecutionProvider"]


def load(name: str | os.PathLike[str] | None = None, bits: int | None = None, *, device: str = "auto") -> HashModel:
    """A model by the name of one that ships with the package (the default one without a name), or by its directory.

    `bits`: one of its code lengths; by default the model's own choice. `device`: as of `HashModel`. Raises `ModelError`
    when there is none of that name, or of that length.
    """
    if name is None:
        name = DEFAULT
    path, shipped = Path(name), pretrained()
    if str(name) in shipped and not (path / CONFIG).is_file():
        return HashModel(PRETRAINED / str(name), bits, device=device)
    if path.is_dir():
        return HashModel(path, bits, device=device)
    raise ModelError(
        name,
        f"neither a model directory nor a model that ships with transhash ({', '.join(shipped)})",
        "`transhash models` lists them",
    )


def pretrained() -> list[str]:
    """The names of the models that ship with the package."""
    return sorted(path.parent.name for path in PRETRAINED.glob(f"*/{CONFIG}"))
