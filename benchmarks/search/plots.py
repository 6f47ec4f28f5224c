"""Pictures of results, as PNG and SVG, in colours that colour-blind people can tell apart."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

from benchmarks.search.measure import Row, per_query
from benchmarks.search.peers import EFFORTS, ENGINES
from transhash.comparison.curves import save

# Okabe and Ito's palette, and a mark for each engine
STYLES = dict(
    zip(
        ENGINES,
        [
            ("#0072B2", "o"), ("#56B4E9", "v"), ("#009E73", "^"), ("#F0E442", "h"),
            ("#D55E00", "s"), ("#CC79A7", "D"), ("#E69F00", "P"), ("#000000", "X"), ("#999999", "*"),
            ("#009E73", "<"), ("#0072B2", "x"),
        ],
        strict=True,
    )
)  # fmt: skip


def search(rows: Sequence[Row], out: Path) -> list[Path]:
    """Time against the number of codes, and recall against time at the largest size that has both; the files drawn.

    Of codes of the most frequent length. The time of an engine that trades recall for it is the least with a recall of
    0.95 or more.
    """
    lengths = [row["bits"] for row in rows]
    rows = [row for row in rows if row["bits"] == max(set(lengths), key=lengths.count)]
    kinds = sorted({row["codes"] for row in rows})
    figure, panels = plt.subplots(1, len(kinds), figsize=(4.6 * len(kinds), 4.4), sharey=True, squeeze=False)
    for panel, kind in zip(panels[0], kinds, strict=True):
        for engine in ENGINES:
            points = _fastest_good(row for row in rows if row["codes"] == kind and row["engine"] == engine)
            if points:
                _draw(panel, engine, sorted(points), [points[size] for size in sorted(points)])
        panel.set(title=f"{kind} codes", xlabel="codes searched", xscale="log", yscale="log")
        panel.grid(True, which="major", alpha=0.3)
        _legend(panel)
    panels[0][0].set_ylabel("ms a query in a batch")
    files = save(figure, out / "search-time")

    graded = [row for row in rows if row["engine"] in EFFORTS]
    if graded:
        kinds = sorted({row["codes"] for row in graded})
        figure, panels = plt.subplots(1, len(kinds), figsize=(4.6 * len(kinds), 4.4), squeeze=False)
        for panel, kind in zip(panels[0], kinds, strict=True):
            size = max(row["size"] for row in graded if row["codes"] == kind)
            here = [row for row in rows if (row["codes"], row["size"]) == (kind, size)]
            for engine in ENGINES:
                mine = sorted((row for row in here if row["engine"] == engine), key=lambda row: row["effort"] or 0)
                if mine:
                    _draw(panel, engine, [per_query(row) for row in mine], [row["recall"] for row in mine])
            panel.set(title=f"{kind} codes, {size:,}", xlabel="ms a query, in a batch", xscale="log")
            panel.grid(True, which="major", alpha=0.3)
            _legend(panel)
        panels[0][0].set_ylabel("recall of the nearest (by distance)")
        files += save(figure, out / "search-recall")
    return files


def _fastest_good(rows: Any, recall: float = 0.95) -> dict[int, float]:
    """For each size the least time with this recall."""
    times: dict[int, list[float]] = {}
    for row in rows:
        if row["recall"] >= recall:
            times.setdefault(row["size"], []).append(per_query(row))
    return {size: min(found) for size, found in times.items()}


def _legend(panel: Any) -> None:
    if panel.lines:
        panel.legend(fontsize=8, frameon=False)


def _draw(panel: Any, engine: str, x: Sequence[float], y: Sequence[float]) -> None:
    colour, mark = STYLES[engine]
    panel.plot(x, y, color=colour, marker=mark, label=engine, linewidth=2.2 if engine == "transhash" else 1.2)
