"""Any vision model whose codes a library can hold: four members are enough.

    class Clip:
        name, bits, fingerprint = "clip", 64, sha256_of_its_weights

        def encode(self, items):  # upright RGB images of Pillow, up to 16
            return numpy.packbits(clip(items) > 0, axis=1)  # uint8 (N, 8)

    library = transhash.Library.create("photos/.transhash", Clip())

`HashModel` is one, and has more: probabilities, embeddings that codes are fitted to, maps of what a code depends on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, Protocol, TypeGuard

import numpy as np
from numpy.typing import NDArray

from transhash.codes import whole
from transhash.errors import ImageError, ModelError
from transhash.images import Source, open_picture
from transhash.model.encoding import Encoded, PictureFacts

if TYPE_CHECKING:
    from PIL import Image

    from transhash.evaluation.calibration import Calibration
    from transhash.model.hash_model import HashModel

MOST_BITS = 512
BATCH = 16  # pictures that an encoder of one's own is given at a time
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


def is_hash_model(encoder: Encoder) -> TypeGuard[HashModel]:
    """Whether an encoder has all that `HashModel` has, and not the four members alone."""
    return hasattr(encoder, "stream")


def calibration_of(encoder: Encoder) -> Calibration | None:
    """What turns distances of an encoder's codes into probabilities, if it has been calibrated."""
    return encoder.calibration if is_hash_model(encoder) else None


def check_encoder(encoder: Encoder) -> None:
    """Raises `ModelError` for something that is no encoder, or whose codes no library can hold."""
    if missing := [name for name in _MEMBERS if not hasattr(encoder, name)]:
        kind = type(encoder).__name__
        raise ModelError(
            "", f"a {kind} is no encoder, it has no {', '.join(missing)}", f"give it {', '.join(_MEMBERS)}"
        )
    bits = whole(encoder.bits)
    if bits is None or not 0 < bits <= MOST_BITS or bits % 8:
        raise ModelError(encoder.name, f"codes of {encoder.bits!r} bits", f"use a multiple of 8 up to {MOST_BITS}")


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
    return _opened(encoder, items, source, max_pixels)


def _opened(
    encoder: Encoder, items: Iterable[Any], source: Callable[[Any], Source] | None, max_pixels: int | None
) -> Iterator[list[Encoded]]:
    """Batches of pictures, opened here, whose images the encoder is given."""
    iterator = iter(items)
    while batch := list(islice(iterator, BATCH)):
        images, facts, errors = [], [], {}
        for number, item in enumerate(batch):
            try:
                opened = open_picture(source(item) if source else item, max_pixels=max_pixels)
            except ImageError as error:
                errors[number] = error
            else:
                images.append(opened.image)
                facts.append(PictureFacts(opened.width, opened.height, opened.is_first, opened.taken))
        good = zip(_codes(encoder, images), facts, strict=True)
        yield [
            Encoded(item, None, None, errors[number], *PictureFacts())
            if number in errors
            else Encoded(item, *next((code, None, None, *known) for code, known in good))
            for number, item in enumerate(batch)
        ]


def _codes(encoder: Encoder, images: list[Image.Image]) -> NDArray[np.uint8]:
    shape = (len(images), encoder.bits // 8)
    if not images:
        return np.zeros(shape, np.uint8)
    codes = np.asarray(encoder.encode(images))
    if codes.dtype != np.uint8 or codes.shape != shape:
        raise ModelError(
            encoder.name,
            f"encode gave {codes.dtype} {codes.shape} for {len(images)} pictures",
            f"return packed codes, uint8 {shape}",
        )
    return codes
