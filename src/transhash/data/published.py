"""The split of CIFAR-10 that is published: seed 0 of the protocols `cifar10` and `cifar10-1`, as plain text.

`splits/cifar10-query.txt` and `splits/cifar10-train.txt` have a line for each class, in the order of its number, of
places among the images of that class (0 is its first one, the training part counts before the test part). So they mean
the same in every copy that keeps the official order within a class. The files, rather than the generator that drew
them, say what the split is.
"""

from __future__ import annotations

from importlib import resources

import numpy as np

from transhash.data.sets import ImageSet, Rows

IMAGES = 6000  # of each class


def is_published(protocol: str, images: ImageSet, seed: int) -> bool:
    """Whether the split is the published one: seed 0 of the whole CIFAR-10, in a protocol that draws."""
    if protocol not in ("cifar10", "cifar10-1") or seed or images.name != "cifar10" or images.training != 50_000:
        return False
    return bool((np.bincount(images.labels, minlength=len(images.classes)) == IMAGES).all())


def published_rows(part: str, images: ImageSet) -> Rows:
    """The rows of the `query` or the `train` part, sorted."""
    text = (resources.files("transhash.data") / "splits" / f"cifar10-{part}.txt").read_text("ascii")
    places = [np.array(line.split(), np.int64) for line in text.splitlines()]
    rows = [np.flatnonzero(images.labels == number)[members] for number, members in enumerate(places)]
    return np.sort(np.concatenate(rows))
