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
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from contextlib import closing
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transhash.codes import pack
from transhash.errors import ModelError
from transhash.images import Source, load_picture
from transhash.images.helpers import Decoder
from transhash.model import sharing
from transhash.model.calibration import Calibration
from transhash.model.directory import (
    CONFIG,
    FORMAT,
    HEAD,
    calibrations_of,
    checked_files,
    lengths_of,
    read_config,
    write_config,
)
from transhash.model.encoding import Encoded, Pictures, collect, decode, in_batches
from transhash.model.fitted import Head
from transhash.model.hub import downloaded
from transhash.model.likeness import Likeness
from transhash.model.network import Network, Output
from transhash.model.on_device import in_large_batches
from transhash.system import StrPath

FEW = 128  # pictures for which no helping processes are started


class HashModel:
    """A model directory, opened for encoding. Safe to use from several threads."""

    def __init__(self, folder: str | os.PathLike[str], bits: int | None = None, *, device: str = "auto") -> None:
        """Open a model directory at one of its code lengths, by default the model's own choice.

        `device`: `auto` encodes on a CUDA device where ONNX Runtime or PyTorch can use one, `cpu` never, `cuda` or
        `cuda:1` always. Raises `ModelError` when a file is missing, altered or of a newer format, and for a length or
        device that is not there.
        """
        self.folder = Path(folder)
        self.config = read_config(self.folder)
        self.name: str = self.config["name"]
        self.lengths: tuple[int, ...] = lengths_of(self.config)
        """All code lengths in bits, ascending."""
        self.image_size: int = self.config["image_size"]
        self.crop: float = self.config["crop"]
        self._checksums = checked_files(self.folder, self.config)
        self._network = Network(self.folder, self.config, device)
        self._fitted: Head | None = None
        self._unfitted: HashModel | None = None
        self._choose(self.config["bits"] if bits is None else bits)

    @classmethod
    def from_pretrained(
        cls, name: StrPath, *, revision: str | None = None, bits: int | None = None, device: str = "auto"
    ) -> HashModel:
        """Open a model directory, or a repository `owner/name` of the Hugging Face hub with one.

        `revision`: a branch, tag or commit. Raises `ModelError` when there is none, and `TransHashError` when
        huggingface_hub is not installed.
        """
        folder = Path(name)
        return cls(folder if folder.is_dir() else downloaded(str(name), revision), bits, device=device)

    def save_pretrained(self, folder: StrPath) -> None:
        """Copy the model to a folder, with a card (README.md); raises `ModelError` when it cannot be written."""
        sharing.save(self, folder)

    def push_to_hub(self, repository: str, *, private: bool = False) -> str:
        """Send the model and its card to a repository `owner/name` of the hub; returns the address of the commit.

        Raises `ModelError` when the hub refuses, and `TransHashError` when huggingface_hub is not installed.
        """
        return sharing.push(self, repository, private=private)

    def __repr__(self) -> str:
        return f"HashModel({self.name!r}, bits={self.bits}, image_size={self.image_size})"

    def at(self, bits: int) -> HashModel:
        """The same model at another of its code lengths; raises `ModelError` for one that it does not have."""
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
        return self._network.embedding_values

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
        """The measurements of when it was made, in words."""
        return dict(self.config.get("about", {}).get("measured", {}))

    @property
    def calibration(self) -> Calibration | None:
        """What turns distances into probabilities, if the model has been calibrated at this code length."""
        kept = None if self._fitted else calibrations_of(self.config).get(str(self.bits))
        return Calibration(**kept) if kept else None

    @property
    def likeness(self) -> Likeness | None:
        """What turns cosines of embeddings into probabilities, if the model was calibrated for that."""
        kept = self.config.get("likeness")
        return Likeness(**kept) if kept else None

    @property
    def nearness(self) -> Likeness | None:
        """What turns cosines into probabilities after the map that a library's own hash layers have (`Head.order`).

        Where there is none, libraries of this model are ordered by the cosines of its embeddings as they are.
        """
        kept = self.config.get("nearness")
        return Likeness(**kept) if kept else None

    @property
    def made_by_fit(self) -> bool:
        """Whether its hash layers were fitted to a collection on purpose (`transhash fit`)."""
        return HEAD in self.config["sha256"]

    def calibrate(self, calibrations: Mapping[int, Calibration], likeness: Likeness | None = None) -> None:
        """Keep calibrations with the model, each by its code length, and of its embeddings.

        Codes and fingerprint stay what they are. Raises `ModelError` when it cannot be written.
        """
        kept = {**calibrations_of(self.config), **{str(bits): c.to_dict() for bits, c in calibrations.items()}}
        config = {**self.config, "calibrations": dict(sorted(kept.items(), key=lambda one: int(one[0])))}
        config.pop("calibration", None)
        if likeness:
            config["likeness"] = likeness.to_dict()
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
        return collect(self.stream(items))

    def place(self, bits: int) -> slice:
        """Where the values of a code length are among those of all."""
        return self._network.place(bits)

    def stream(
        self,
        items: Iterable[Any],
        *,
        source: Callable[[Any], Source] | None = None,
        batch_size: int = 16,
        threads: int | None = None,
        max_pixels: int | None = None,
    ) -> Iterator[list[Encoded]]:
        """Encode items in order, a batch at a time; a picture that cannot be used becomes its `error`.

        `source` gives the picture of an item, where the item is something else than the picture itself. Each of
        `threads` workers (by default one for each core) decodes and encodes a batch of its own. For a GPU workers only
        decode, in processes of their own, and batches are joined to larger ones. At most two batches a worker and three
        of a GPU are under way, so that memory stays bounded however long `items` is.
        """
        self._network.open()
        settings = self.image_size, self.crop, max_pixels
        if self.device == "cpu":
            decoder = Decoder(*settings)
            return in_batches(lambda batch: self._encoded(decode(batch, source, decoder)), items, batch_size, threads)
        iterator = iter(items)
        first = list(islice(iterator, FEW))
        helpers = self._network.helpers() if len(first) == FEW else None  # for a few it is not worth the while
        decoder = Decoder(*settings, helpers)
        decoded = in_batches(
            lambda batch: [decode(batch, source, decoder)], chain(first, iterator), batch_size, threads
        )
        return self._on_device(decoded)

    def _on_device(self, decoded: Generator[list[Pictures], None, None]) -> Iterator[list[Encoded]]:
        with closing(decoded):
            yield from in_large_batches(decoded, self._encoded, self._network.at_once)

    @property
    def device(self) -> str:
        """What encodes: `cpu`, or `cuda:0` and the like."""
        return self._network.open().device

    def _encoded(self, pictures: Pictures) -> list[Encoded]:
        output = self._network.read(pictures.squares)
        values = self._chosen(output)
        codes = pack(values)
        _, _, facts, errors = pictures
        return [
            Encoded(item, None, None, errors[i], *facts[i])
            if i in errors
            else Encoded(
                item, codes[i], values[i], None, *facts[i], output.features[i], output.values[i], output.embeddings[i]
            )
            for i, item in enumerate(pictures.items)
        ]

    def square(self, source: Source, *, max_pixels: int | None = None) -> NDArray[np.uint8]:
        """A picture as the network sees it, uint8 (S, S, 3); raises `ImageError`."""
        return load_picture(source, self.image_size, crop=self.crop, max_pixels=max_pixels).pixels

    def read(self, squares: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Relaxed codes, float32 (N, bits), of pictures as the network sees them, uint8 (N, S, S, 3); one batch."""
        return self._chosen(self._network.read(squares))

    def read_embeddings(self, squares: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.int8]]:
        """What `read` gives, and embeddings int8 (N, V), of one batch."""
        output = self._network.read(squares)
        return self._chosen(output), output.embeddings

    def _chosen(self, output: Output) -> NDArray[np.float32]:
        """Of relaxed codes of every length, those of the chosen one; or what fitted layers make of embeddings."""
        if self._fitted:
            return self._fitted.values(output.embeddings).astype(np.float32)
        return np.ascontiguousarray(output.values[:, self.place(self.bits)])

    def parts(self, squares: NDArray[np.uint8]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """What the global and the local stream say: float32 (N, B1), (N, B2), one of them perhaps of no width.

        Of a network's own hash layers, these are the bits that read either stream. Of a fitted head, in which each bit
        reads both, it is what either stream adds to all bits; where hash layers read embeddings, what it adds to these.
        """
        return self._network.parts(squares, self.lengths[-1] if self._fitted else self.bits)
