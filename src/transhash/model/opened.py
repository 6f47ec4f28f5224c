"""Pictures opened for an encoder of one's own, a few at a time, each with what became of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from transhash.errors import ImageError
from transhash.images import Source, open_picture
from transhash.model.encoding import Encoded, PictureFacts

if TYPE_CHECKING:
    from PIL import Image

BATCH = 16  # pictures that an encoder of one's own is given at a time


class Said(NamedTuple):
    """What an encoder says of a picture."""

    code: NDArray[np.uint8]  # (bits/8,)
    values: NDArray[np.float32] | None = None  # (bits,)
    embedding: NDArray[np.int8] | None = None  # (V,)


def in_opened(
    says: Callable[[list[Image.Image]], Iterable[Said]],
    items: Iterable[Any],
    source: Callable[[Any], Source] | None,
    max_pixels: int | None,
) -> Iterator[list[Encoded]]:
    """Batches of pictures, opened here, of whose images `says` is asked; the others have their errors."""
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
        good = zip(says(images) if images else [], facts, strict=True)
        yield [
            Encoded(item, None, None, errors[number], *PictureFacts())
            if number in errors
            else _encoded(item, *next(good))
            for number, item in enumerate(batch)
        ]


def _encoded(item: Any, said: Said, facts: PictureFacts) -> Encoded:
    return Encoded(item, said.code, said.values, None, *facts, embedding=said.embedding)
