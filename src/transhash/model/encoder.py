"""Any vision model whose codes a library can hold: four members are enough.

    class Clip:
        name, bits, fingerprint = "clip", 64, sha256_of_its_weights

        def encode(self, items):  # upright RGB images of Pillow, up to 16
            return numpy.packbits(clip(items) > 0, axis=1)  # uint8 (N, 8)

    library = transhash.Library.create("photos/.transhash", Clip())

`HashModel` is one, and has more: probabilities, embeddings that codes are fitted to, maps of what a code depends on.
With `dim` in place of `bits` an encoder gives vectors (`transhash.model.embedder`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, TypeGuard

import numpy as np
from numpy.typing import NDArray

from transhash.codes import MOST_BITS, whole
from transhash.errors import ModelError
from transhash.images import Source
from transhash.model.embedder import Embedder, VectorEncoder
from transhash.model.encoding import Encoded
from transhash.model.opened import Said, in_opened

if TYPE_CHECKING:
    from PIL import Image

    from transhash.model.calibration import Calibration
    from transhash.model.hash_model import HashModel

_MEMBERS = ("name", "bits", "fingerprint", "encode")


class Encoder(Protocol):
    """What makes codes of pictures."""

    @property
    def name(self) -> str:
        """What people call it; a library names it in its messages."""

    @property
    def bits(self) -> int:
        """Length of its codes, a multiple of 8 from 8 to 512."""

    @property
    def fingerprint(self) -> str:
        """What tells its codes from those of all other encoders, such as SHA-256 of its weights in hex.

        Two encoders of one fingerprint give equal codes of equal pictures; a library never compares others.
        """

    def encode(self, items: Iterable[Image.Image]) -> NDArray[np.uint8]:
        """Packed codes of pictures, upright and in RGB: uint8 (N, bits/8), bit 0 the most significant of byte 0."""


AnyEncoder: TypeAlias = "Encoder | VectorEncoder"


def is_hash_model(encoder: Encoder) -> TypeGuard[HashModel]:
    """Whether an encoder has all that `HashModel` has, and not the four members alone."""
    return hasattr(encoder, "stream")


def calibration_of(encoder: Encoder) -> Calibration | None:
    """What turns distances of an encoder's codes into probabilities, if it has been calibrated."""
    return encoder.calibration if is_hash_model(encoder) else None


def made_by_fit(encoder: Encoder | None) -> bool:
    """Whether `transhash fit` made the hash layers of an encoder: a library leaves its codes as they are."""
    return bool(getattr(encoder, "made_by_fit", False))


def checked(encoder: AnyEncoder, bits: int | None = None) -> Encoder:
    """The encoder, with codes of its vectors, of `bits` bits, where it gives vectors.

    Raises `ModelError` for something that is no encoder, or whose codes no library can hold.
    """
    for member in ("name", "fingerprint"):
        if not isinstance(said := getattr(encoder, member, ""), str):
            raise ModelError("", f"the {member} of a {type(encoder).__name__} is {said!r:.40}", "make it a text")
    if isinstance(encoder, VectorEncoder):
        return Embedder.of(encoder, bits or getattr(encoder, "bits", None))
    if missing := [name for name in _MEMBERS if not hasattr(encoder, name)]:
        kind = type(encoder).__name__
        raise ModelError(
            "", f"a {kind} is no encoder, it has no {', '.join(missing)}", f"give it {', '.join(_MEMBERS)}"
        )
    bits = whole(encoder.bits)
    if bits is None or not 0 < bits <= MOST_BITS or bits % 8:
        raise ModelError(encoder.name, f"codes of {encoder.bits!r} bits", f"use a multiple of 8 up to {MOST_BITS}")
    return encoder


def stream(
    encoder: Encoder,
    items: Iterable[Any],
    *,
    source: Callable[[Any], Source] | None = None,
    max_pixels: int | None = None,
) -> Iterator[list[Encoded]]:
    """Encode items in order, a batch at a time, as `HashModel.stream` does, with any encoder.

    Raises `ModelError` when an encoder gives something else than codes.
    """
    if is_hash_model(encoder):
        return encoder.stream(items, source=source, max_pixels=max_pixels)
    if isinstance(encoder, Embedder):
        return encoder.encoded(items, source, max_pixels)
    return in_opened(lambda images: map(Said, _codes(encoder, images)), items, source, max_pixels)


def _codes(encoder: Encoder, images: list[Image.Image]) -> NDArray[np.uint8]:
    shape = (len(images), encoder.bits // 8)
    codes = np.asarray(encoder.encode(images))
    if codes.dtype != np.uint8 or codes.shape != shape:
        raise ModelError(
            encoder.name,
            f"encode gave {codes.dtype} {codes.shape} for {len(images)} pictures",
            f"return packed codes, uint8 {shape}",
        )
    return codes
