"""A model that says vectors: an encoder of one's own with `dim`, or vectors that are there already.

    class Clip:
        name, dim, fingerprint = "clip", 512, sha256_of_its_weights

        def encode(self, items):  # upright RGB images of Pillow, up to 16
            return clip.image(items)  # float (N, 512)

        def encode_texts(self, texts):  # if it has a text tower: words find pictures
            return clip.text(texts)  # float (N, 512)

    library = transhash.Library.create("photos/.transhash", Clip())

Vectors become embeddings, a byte a value (`transhash.model.fitted`). Codes are those of random planes at first, and of
planes fitted to the collection later; the nearest by code are ordered by the cosines of embeddings.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias, runtime_checkable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from transhash.codes import MOST_BITS, pack, whole
from transhash.errors import ModelError, VectorsError
from transhash.images import Source
from transhash.model.encoding import Encoded
from transhash.model.fitted import LARGEST, STEP, Head, embedding
from transhash.model.opened import Said, in_opened

if TYPE_CHECKING:
    from PIL import Image

VECTORS = "vectors"  # what made them, where nothing is known of it
BITS = 256  # of codes, where there are as many values
MOST_VALUES = 65536
Kind: TypeAlias = Literal["pictures", "words", "vectors"]  # of queries


@runtime_checkable
class VectorEncoder(Protocol):
    """What makes vectors of pictures: `dim` in place of `bits`."""

    @property
    def name(self) -> str:
        """What people call it."""

    @property
    def dim(self) -> int:
        """F, the values of a vector."""

    @property
    def fingerprint(self) -> str:
        """What tells its vectors from those of all other encoders, such as SHA-256 of its weights in hex."""

    def encode(self, items: Iterable[Image.Image]) -> NDArray[np.floating]:
        """Vectors of pictures, upright and in RGB: float (N, F)."""


class Embedder:
    """Vectors as a library's model: codes of `bits` bits, and embeddings that order hits."""

    def __init__(self, name: str, dim: int, fingerprint: str, bits: int | None = None) -> None:
        """Of vectors that are there already; `of` takes an encoder.

        `bits`: of the codes, by default 256, or fewer where there are fewer values. Raises `ModelError` for vectors of
        fewer than 8 values.
        """
        values = whole(dim)
        if values is None or not 8 <= values <= MOST_VALUES:
            raise ModelError(name, f"vectors of {dim!r} values", f"use vectors of 8 to {MOST_VALUES:,} values")
        self.name = name
        self.embedding_values = values
        self.encoder: VectorEncoder | None = None
        self._step = max(STEP, 1 / (20 * values**0.5))  # of few values each is larger
        self._fitted: Head | None = None
        self._first = random_head(values, bits or min(BITS, values // 8 * 8))
        self._said = fingerprint

    @classmethod
    def of(cls, encoder: VectorEncoder, bits: int | None = None) -> Embedder:
        """The vectors of an encoder; raises `ModelError` for one whose vectors cannot be used."""
        layers: Head | None = getattr(encoder, "hash_layers", None)  # that were fitted to a collection
        if layers and bits not in (None, layers.bits):
            raise ModelError(encoder.name, f"it was fitted for codes of {layers.bits} bits", "leave --bits out")
        made = cls(encoder.name, encoder.dim, encoder.fingerprint, layers.bits if layers else bits)
        made.encoder, made._first = encoder, layers or made._first
        return made

    @classmethod
    def named(cls, name: str, dim: int, bits: int | None = None) -> Embedder:
        """Vectors from elsewhere, told from others by the name of what made them; raises `ModelError`."""
        from hashlib import sha256

        return cls(name, dim, sha256(f"vectors of {name}, {dim} values".encode()).hexdigest(), bits)

    @property
    def head(self) -> Head:
        """The hash layers that codes come from."""
        return self._fitted or self._first

    @property
    def bits(self) -> int:
        """Length of the codes."""
        return self.head.bits

    @property
    def fingerprint(self) -> str:
        """What tells its codes from all others, SHA-256 in hex."""
        first = self._first.fingerprint(self._said)
        return self._fitted.fingerprint(first) if self._fitted else first

    @property
    def unfitted(self) -> Embedder:
        """The same with its first hash layers."""
        return self if self._fitted is None else self._with(None)

    def fitted(self, head: Head) -> Embedder:
        """The same with hash layers that were fitted to a collection; raises `ModelError` where they do not fit."""
        if len(head.weights) != self.embedding_values:
            raise ModelError(
                self.name,
                f"fitted hash layers read {len(head.weights)} values, these vectors have {self.embedding_values}",
                "use the model that they were fitted with",
            )
        return self._with(head)

    def _with(self, head: Head | None) -> Embedder:
        other = copy.copy(self)
        other._fitted = head
        return other

    @property
    def made_by_fit(self) -> bool:
        """Whether its hash layers were fitted to a collection on purpose (`transhash fit`)."""
        return getattr(self.encoder, "hash_layers", None) is not None

    @property
    def reads_texts(self) -> bool:
        """Whether words can be encoded."""
        return hasattr(self.encoder, "encode_texts")

    def texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors of texts, float32 (N, F); raises `ModelError` without a text tower."""
        read: Callable[[list[str]], ArrayLike] | None = getattr(self.encoder, "encode_texts", None)
        if read is None:
            raise ModelError(
                self.name,
                "has no text tower, so words cannot be searched for",
                "make a library with a model that has one, such as CLIP or SigLIP: transhash index DIR --model "
                "openai/clip-vit-base-patch32",
            )
        return self._checked(read(list(texts)), len(texts))

    def pictures(self, images: list[Image.Image]) -> NDArray[np.float32]:
        """Vectors of opened pictures, float32 (N, F); raises `ModelError` where nothing encodes pictures."""
        return self._checked(self._encodes().encode(images), len(images))

    def _encodes(self) -> VectorEncoder:
        if self.encoder is None:
            raise ModelError(
                self.name,
                "these are vectors, and nothing here makes one of a picture or of words",
                "search with a vector, or make the library with the model that made them, as in transhash import FILE "
                "--model openai/clip-vit-base-patch32",
            )
        return self.encoder

    def encode(self, items: Iterable[Image.Image]) -> NDArray[np.uint8]:
        """Packed codes of opened pictures: uint8 (N, bits/8)."""
        return self.head.codes(self.embed(self.pictures(list(items))))

    def embed(self, vectors: ArrayLike) -> NDArray[np.int8]:
        """Embeddings of vectors (N, F): int8 (N, F); raises `VectorsError` for vectors of other models."""
        return embedding(self.checked(vectors), self._step)

    def checked(self, vectors: ArrayLike) -> NDArray[np.floating]:
        """Vectors (N, F) as an array of numbers; raises `VectorsError` for vectors of other models."""
        array = np.asarray(vectors)
        if array.dtype.kind not in "fi":
            raise VectorsError(
                "",
                f"vectors of {array.dtype}",
                "give them as float32; of packed codes, uint8, `transhash.codes.to_signs(codes)`",
            )
        if array.ndim != 2 or array.shape[1] != self.embedding_values:
            raise VectorsError(
                "",
                f"vectors of shape {array.shape}",
                f"give (N, {self.embedding_values}) numbers, of the model {self.name}",
            )
        if not np.isfinite(array).all():
            raise VectorsError("", "the vectors contain infinity or NaN", "leave these rows out")
        return array

    def encoded(
        self, items: Iterable[Any], source: Callable[[Any], Source] | None = None, max_pixels: int | None = None
    ) -> Iterator[list[Encoded]]:
        """Encode items in order, a batch at a time; a picture that cannot be used becomes its `error`."""
        self._encodes()

        def says(images: list[Image.Image]) -> list[Said]:
            kept = self.embed(self.pictures(images))
            values = self.head.values(kept)
            codes = pack(values)
            return [
                Said(code, value, each)
                for code, value, each in zip(codes, values.astype(np.float32), kept, strict=True)
            ]

        return in_opened(says, items, source, max_pixels)

    def _checked(self, vectors: ArrayLike, count: int) -> NDArray[np.float32]:
        array = np.asarray(vectors)
        if array.dtype.kind != "f" or array.shape != (count, self.embedding_values) or not np.isfinite(array).all():
            raise ModelError(
                self.name,
                f"it gave {array.dtype} {array.shape} for {count} items",
                f"return finite numbers, float ({count}, {self.embedding_values})",
            )
        return array.astype(np.float32)


def reads(model: object) -> list[Kind]:
    """What a library of a model can be searched with."""
    if not isinstance(model, Embedder):
        return ["pictures"]
    kinds: list[Kind] = ["vectors"]
    if model.reads_texts:
        kinds.insert(0, "words")
    if model.encoder is not None:
        kinds.insert(0, "pictures")
    return kinds


def random_head(dim: int, bits: int) -> Head:
    """Hash layers of random planes through zero, the same for every collection: for vectors of `dim` values.

    Raises `ModelError` for a number of bits that no codes have.
    """
    if bits % 8 or not 8 <= bits <= MOST_BITS:
        raise ModelError("", f"codes of {bits} bits", f"use a multiple of 8 from 8 to {MOST_BITS}")
    drawn = np.random.Generator(np.random.PCG64(0)).uniform(-1, 1, (dim, bits))
    return Head(np.rint(drawn * LARGEST).astype(np.int16), np.zeros(bits, np.int64))
