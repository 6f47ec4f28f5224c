"""A model's codes beside what else the same network gives: float features by cosine, and ITQ and LSH on those features.

On a data set that nothing was trained on this tells what the codes lose, and what learning them gained.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.evaluation.encoded import Encodings, Floats
from transhash.codes import pack
from transhash.data.sets import Labels, Split
from transhash.evaluation import evaluate
from transhash.evaluation.cosine import cosine_map
from transhash.shallow import itq_function, lsh

OWN, BACKBONE = "the model's own features", "features of the backbone"


@dataclass(frozen=True)
class Row:
    """One line of the table: how well one kind of code or feature retrieves."""

    method: str
    bits: int | None  # None: float features
    bytes: int  # of a code, or of a feature vector in float32
    map: float  # tie-aware

    def to_dict(self) -> dict[str, Any]:
        """All of it in JSON's own types."""
        return asdict(self)


@dataclass(frozen=True)
class Parts:
    """Queries and database of a protocol among the encoded pictures, by place."""

    query: NDArray[np.int64]
    database: NDArray[np.int64]
    query_labels: Labels
    db_labels: Labels
    topk: int | None

    @classmethod
    def of(cls, split: Split, rows: NDArray[np.int64], labels: Labels, topk: int | None) -> Parts:
        """From a split whose pictures were encoded in the order of `rows`, which ascend."""
        places = [np.searchsorted(rows, part) for part in (split.query, split.database)]
        return cls(places[0], places[1], labels[split.query], labels[split.database], topk)


def beside(
    model: Encodings, parts: Parts, backbone: Encodings | None = None, elsewhere: Mapping[str, Floats] | None = None
) -> list[Row]:
    """The model's codes at every length, the features by cosine, and ITQ and LSH on the backbone's features.

    Without `backbone` the model's own features take its place. ITQ and LSH are fitted to the features of the searched
    database without its labels, which the model never saw, and to those of other pictures, `elsewhere` by name.
    """
    rows = [
        Row("transhash", bits, bits // 8, score(codes[parts.query], codes[parts.database], parts))
        for bits, codes in model.codes.items()
    ]
    plain = model if backbone is None else backbone
    named = {OWN: model.features} if backbone is None else {BACKBONE: plain.features, OWN: model.features}
    for name, features in named.items():
        found = cosine_map(
            features[parts.query], parts.query_labels, features[parts.database], parts.db_labels, parts.topk
        )
        rows.append(Row(f"{name}, cosine", None, 4 * features.shape[1], found))
    for where, features in {"the database": plain.features[parts.database], **(elsewhere or {})}.items():
        rows += _fitted(where, features, plain.features, parts, list(model.codes))
    return rows


def _fitted(where: str, known: Floats, features: Floats, parts: Parts, lengths: Sequence[int]) -> list[Row]:
    """Hash functions learned from the features `known`, applied to all."""
    rows = []
    for method, learn in {"ITQ": itq_function, "LSH": lsh}.items():
        for bits in lengths:
            function = learn(known, None, bits)
            query, database = (pack(function.values(features[part])) for part in (parts.query, parts.database))
            rows.append(Row(f"{method}, fitted to {where}", bits, bits // 8, score(query, database, parts)))
    return rows


def score(query: NDArray[np.uint8], database: NDArray[np.uint8], parts: Parts) -> float:
    """Tie-aware mAP of packed codes under the protocol of `parts`."""
    return evaluate(query, parts.query_labels, database, parts.db_labels, parts.topk, precision_at=()).map


def markdown(rows: Sequence[Row]) -> str:
    """The rows as a Markdown table, a line for each method and a column for each code length."""
    lengths = sorted({row.bits for row in rows if row.bits})
    methods = list(dict.fromkeys(row.method for row in rows))
    lines = [
        "| | " + " | ".join(f"{bits} bits" for bits in lengths) + " | float |",
        "|---|" + "---:|" * (len(lengths) + 1),
    ]
    for method in methods:
        mine = {row.bits: row for row in rows if row.method == method}
        cells = [_text(mine.get(bits)) for bits in [*lengths, None]]
        lines.append(f"| {method} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def stressed_markdown(scores: Mapping[str, Mapping[str, float]]) -> str:
    """mAP of changed queries: a line for each change and a column for each code length and the cosine."""
    columns = list(scores[""])
    names = [f"{name} bits" if name.isdigit() else name for name in columns]
    lines = ["| queries | " + " | ".join(names) + " |", "|---|" + "---:|" * len(names)]
    for change, figures in scores.items():
        cells = [_figure(figures[name]) for name in columns]
        lines.append(f"| {change or 'unchanged'} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def _text(row: Row | None) -> str:
    if row is None:
        return ""
    return _figure(row.map) + ("" if row.bits else f" ({row.bytes:,} bytes)")


def _figure(value: float) -> str:
    return f"{value:.4f}".removeprefix("0")
