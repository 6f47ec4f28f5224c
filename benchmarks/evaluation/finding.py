"""Copy detection: does a changed picture find its original within a radius, among many others?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transhash.codes import hamming
from transhash.evaluation.cosine import unit

STEPS = 20_000  # distances that cosines are rounded to, so that they have radii as codes have

WITHIN = "Original within the radius at which a query brings one other picture, on the mean over all changes"

Numbers = NDArray[np.int64]
_BLOCK = 256  # queries whose distances are in memory


@dataclass(frozen=True)
class Distances:
    """How far originals and all others are from the queries of one change."""

    originals: Numbers  # (D+1,): queries whose original is at each distance
    others: Numbers  # (D+1,): other pictures at each distance, over all queries
    nearest: float  # share of queries that no other is nearer to; of r at one distance each counts 1/r

    @property
    def queries(self) -> int:
        """Number of queries."""
        return int(self.originals.sum())


@dataclass(frozen=True)
class Found:
    """How often one kind of code finds the originals of one change."""

    method: str
    change: str
    nearest: float  # share of queries whose original is the nearest of all
    radius: float  # in bits; of features the greatest distance 1 - cosine
    recall: float  # share of queries whose original is within the radius
    others: float  # other pictures within the radius, a query

    def to_dict(self) -> dict[str, Any]:
        """All of it in JSON's own types."""
        return asdict(self)


def code_distances(query: NDArray[np.uint8], database: NDArray[np.uint8], originals: Numbers) -> Distances:
    """Of packed codes [Q, b] and [N, b]; `originals`: the place of each query's original in the database."""
    return _counted(lambda part: hamming(query[part], database), originals, 8 * query.shape[1])


def feature_distances(query: NDArray[np.float32], database: NDArray[np.float32], originals: Numbers) -> Distances:
    """Of float features by 1 - cosine, in steps of 2/`STEPS`."""
    one, other = unit(query), unit(database).T

    def steps(part: slice) -> NDArray[np.int32]:
        return np.rint((1 - one[part] @ other).clip(0, 2) * STEPS / 2).astype(np.int32)

    return _counted(steps, originals, STEPS)


def _counted(distances: Any, originals: Numbers, farthest: int) -> Distances:
    at_originals, at_all = np.zeros(farthest + 1, np.int64), np.zeros(farthest + 1, np.int64)
    nearest = 0.0
    for start in range(0, len(originals), _BLOCK):
        part = slice(start, start + _BLOCK)
        found = distances(part)  # (q, N)
        own = found[np.arange(len(found)), originals[part]]
        at_originals += np.bincount(own, minlength=farthest + 1)
        at_all += np.bincount(found.ravel(), minlength=farthest + 1)
        is_nearest = found.min(axis=1) == own
        nearest += float((is_nearest / (found == own[:, None]).sum(axis=1)).sum())
    return Distances(at_originals, at_all - at_originals, nearest / len(originals))


def judged(method: str, by_change: Mapping[str, Distances], others: float, unit_of_radius: float = 1.0) -> list[Found]:
    """One radius for all changes: the greatest that brings at most so many `others` a query, on the mean.

    A method that brings more at distance 0 already is judged there.
    """
    queries = sum(each.queries for each in by_change.values())
    within = np.cumsum(sum(each.others for each in by_change.values())) / queries
    radius = max(int(np.searchsorted(within, others, side="right")) - 1, 0)
    return [
        Found(
            method,
            change,
            each.nearest,
            radius * unit_of_radius,
            float(each.originals[: radius + 1].sum() / each.queries),
            float(each.others[: radius + 1].sum() / each.queries),
        )
        for change, each in by_change.items()
    ]


def markdown(found: Sequence[Found], figure: str = "recall") -> str:
    """A Markdown table: a line for each change and a column for each method, with its radius; shares in per cent."""
    methods = list(dict.fromkeys(each.method for each in found))
    changes = list(dict.fromkeys(each.change for each in found))
    cells = {(each.method, each.change): getattr(each, figure) for each in found}
    lines = ["| change | " + " | ".join(methods) + " |", "|---|" + "---:|" * len(methods)]
    for change in changes:
        lines.append(f"| {change} | " + " | ".join(f"{cells[method, change]:.1%}" for method in methods) + " |")
    means = [np.mean([cells[method, change] for change in changes]) for method in methods]
    lines.append("| **mean** | " + " | ".join(f"**{mean:.1%}**" for mean in means) + " |")
    if figure == "recall":
        radii = [next(each for each in found if each.method == method) for method in methods]
        shown = [f"{each.radius:g}" if each.radius >= 1 or not each.radius else f"{each.radius:.3f}" for each in radii]
        lines.insert(2, "| *radius* | " + " | ".join(f"*{text}*" for text in shown) + " |")
    return "\n".join(lines)
