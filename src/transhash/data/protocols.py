"""Retrieval protocols: which images of a set are queries, which train, which are searched.

parts = split("cifar10", load_dataset("cifar10", "data/cifar10"))
parts.query, parts.train, parts.database            # row numbers
PROTOCOLS["imagenet100-64"].topk                    # 1000: where the field cuts the ranking for mAP
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from transhash.data.lists import COLUMNS
from transhash.data.published import is_published, published_rows
from transhash.data.sets import ImageSet, Rows, Split
from transhash.errors import DataError

__all__ = ["PROTOCOLS", "Protocol", "Split", "split", "validation_split"]


@dataclass(frozen=True)
class Protocol:
    """A protocol in words, and where its mAP cuts the ranking by convention."""

    text: str
    topk: int | None = None  # items; None: the whole database


PROTOCOLS = {
    "cifar10": Protocol("100 queries and 500 training images a class of all 60,000; the other 54,000 are searched"),
    "cifar10-1": Protocol("as cifar10, but the training images are searched too (59,000)"),
    "cifar10-2": Protocol("the 10,000 test images are queries; the 50,000 training images train and are searched"),
    "cifar10-mosaic": Protocol(
        "the 1,000 mosaics of test images are queries; of the 25,000 others 5,000 train and 20,000 are searched", 5000
    ),
    "imagenet100-64": Protocol(
        "the 5,000 validation images are queries; the 50,000 training images are searched, 130 a class train", 1000
    ),
    "imagenet200-64": Protocol(
        "the 10,000 validation images are queries; the 100,000 training images train and are searched", 1000
    ),
    "corel5k": Protocol("the 499 photographs of the test part are queries; the 4,500 others train and are searched"),
    **{
        name: Protocol("queries, training images and database as the list files give them", topk)
        for name, topk in (
            ("imagenet100", 1000),
            ("nuswide-21", 5000),
            ("nuswide-81", 5000),
            ("coco", 5000),
            ("mirflickr", 5000),
            ("lists", None),
        )
    },
    "folder": Protocol(
        "a tenth of each class are queries; the rest trains and is searched (a class with one picture is searched only)"
    ),
    "folder-20": Protocol("as folder, but of each class 20 train (or all, of fewer); all but the queries are searched"),
}
_ANOTHER = "choose another protocol (--protocol)"
_SEVERAL = ("cifar10-mosaic", "corel5k")  # for images with several labels
_OWN = ("folder", "folder-20")  # for class folders of any size
_TEST_PART = ("cifar10-2", "cifar10-mosaic", "imagenet100-64", "imagenet200-64", "corel5k")


def split(protocol: str, images: ImageSet, *, seed: int = 0) -> Split:
    """The split of a data set under a protocol (see `PROTOCOLS`); the same seed gives the same split everywhere.

    Where list files give the parts, the seed changes nothing. Raises `DataError` for an unknown protocol, a class with
    too few images for it, or a negative seed.
    """
    if protocol not in PROTOCOLS:
        raise DataError("", f"no protocol is called {protocol!r}", f"there are {', '.join(PROTOCOLS)}")
    if seed < 0:
        raise DataError("", f"the split's seed is {seed}", "it must be 0 or more")
    if protocol in COLUMNS:
        if images.given is None:
            raise DataError(
                "",
                f"{images.name} comes without list files, which the protocol {protocol!r} takes its parts from",
                _ANOTHER,
            )
        return images.given
    if images.labels.ndim != 1 and protocol not in _SEVERAL:
        raise DataError("", f"the protocol {protocol!r} is for images with one label each", _ANOTHER)
    if is_published(protocol, images, seed):
        query, train = (published_rows(part, images) for part in ("query", "train"))
        searched = np.setdiff1d(np.arange(len(images.labels)), query)
        return Split(query, train, np.setdiff1d(searched, train) if protocol == "cifar10" else searched)
    return _test_part(protocol, images, seed) if protocol in _TEST_PART else drawn_queries(protocol, images, seed)


def _test_part(protocol: str, images: ImageSet, seed: int) -> Split:
    """The protocols whose queries are the test part of the set."""
    rows = np.arange(len(images.labels))
    others, query = rows[: images.training], rows[images.training :]
    if not len(query):
        raise DataError("", f"{images.name} has no test part, which the protocol {protocol} queries with", _ANOTHER)
    if protocol in ("cifar10-2", "imagenet200-64", "corel5k"):
        return Split(query, others, others)
    if protocol == "imagenet100-64":
        return Split(query, _some_of_each_class(130, others, images, protocol, seed), others)
    if len(others) <= 5000:
        raise DataError(
            "", f"{images.name} has {len(others):,} images besides its queries, too few for {protocol!r}", _ANOTHER
        )
    drawn = np.random.Generator(np.random.PCG64(seed)).permutation(others)
    return Split(query, np.sort(drawn[:5000]), np.sort(drawn[5000:]))


def drawn_queries(protocol: str, images: ImageSet, seed: int) -> Split:
    """The protocols whose queries are drawn, like their training images, from all images of a class."""
    random = np.random.Generator(np.random.PCG64(seed))
    parts: tuple[list[Rows], list[Rows], list[Rows]] = ([], [], [])
    alone: list[str] = []  # classes with one picture
    empty: list[str] = []  # and with none, as a file of all names may have them
    for number, name in enumerate(images.classes):
        members = random.permutation(np.flatnonzero(images.labels == number))
        queries, training = (100, 500)
        if protocol in _OWN:
            if len(members) < 2:
                (alone if len(members) else empty).append(name)
                parts[2].append(members)
                continue
            queries = max(1, len(members) // 10)
            training = len(members) - queries if protocol == "folder" else min(20, len(members) - queries)
        if len(members) < queries + max(1, training) + (protocol == "cifar10"):  # something must be left to search
            raise _too_few(name, len(members), protocol)
        parts[0].append(members[:queries])
        parts[1].append(members[queries : queries + training])
        parts[2].append(members[queries + (training if protocol == "cifar10" else 0) :])
    if not parts[0]:
        raise DataError(
            images.name, "no class has two pictures", "give each class two or more: one to query and one to find"
        )
    query, train, database = (np.sort(np.concatenate(part)) for part in parts)
    notes = (
        *_noted("classes with one picture, which is only searched, and not trained on", alone),
        *_noted("classes without a picture, which are left out", empty),
    )
    return Split(query, train, database, notes)


def _noted(what: str, names: list[str]) -> tuple[str, ...]:
    """A sentence on some classes, the first three of them by name; none where there are no such."""
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3:,} more" if len(names) > 3 else "")
    return (f"{what}: {shown}",) if names else ()


def _some_of_each_class(count: int, rows: Rows, images: ImageSet, protocol: str, seed: int) -> Rows:
    """Draw `count` images of each class out of some rows, sorted."""
    random = np.random.Generator(np.random.PCG64(seed))
    drawn = []
    for number, name in enumerate(images.classes):
        members = random.permutation(rows[images.labels[rows] == number])
        if len(members) < count:
            raise _too_few(name, len(members), protocol)
        drawn.append(members[:count])
    return np.sort(np.concatenate(drawn))


def _too_few(name: str, count: int, protocol: str) -> DataError:
    return DataError("", f"class {name!r} has {count} images, too few for the protocol {protocol!r}", _ANOTHER)


def validation_split(
    train: Rows, labels: NDArray[np.int64] | NDArray[np.uint8], share: float, *, seed: int
) -> tuple[Rows, Rows]:
    """Hold out a share of the training images, the same of each class.

    `train` holds their row numbers, int64 (n,); `labels` are those of all images, classes (N,) or columns (N, C).
    Returns the rows that are left to train on, and the rows held out.

    Of images with several labels, each label keeps its share as nearly as its images' other labels allow (iterative
    stratification; Sechidis et al., ECML PKDD 2011).
    """
    if not share:
        return train, train[:0]
    random = np.random.Generator(np.random.PCG64([seed, 1]))
    held = np.zeros(len(train), bool)
    if labels.ndim == 1:
        strata = labels[train]
        for number in np.unique(strata):
            members = random.permutation(np.flatnonzero(strata == number))
            held[members[: round(share * len(members))]] = True
    else:
        _hold_out_of_each_label(held, labels[train].astype(bool), share, random)
    return train[~held], random.permutation(train[held])


def _hold_out_of_each_label(
    held: NDArray[np.bool_], labels: NDArray[np.bool_], share: float, random: np.random.Generator
) -> None:
    """Set `held` (n) for a share of the images of each label (n, C), the rarest label first."""
    undecided = np.ones(len(held), bool)
    while labels[undecided].any():
        counts = labels[undecided].sum(axis=0)
        label = np.where(counts > 0, counts, len(held) + 1).argmin()
        members = random.permutation(np.flatnonzero(labels[:, label] & undecided))
        wanted = round(share * labels[:, label].sum()) - np.count_nonzero(labels[:, label] & held)
        held[members[: max(0, wanted)]] = True
        undecided[members] = False
    unlabelled = random.permutation(np.flatnonzero(undecided))
    held[unlabelled[: round(share * len(unlabelled))]] = True
