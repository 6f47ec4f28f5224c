"""The curves of a comparison, as PNG and SVG, in colours and marks that colour-blind people can tell apart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from numpy.typing import NDArray

from transhash.comparison.ablation import ablations
from transhash.comparison.cells import FITTED
from transhash.comparison.tables import spreads
from transhash.plain import JsonObject

# Okabe and Ito's palette, darkest first; what it cannot tell apart, marks and dashes do
_COLOURS = ("#000000", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_MARKS = "osD^vPX*<>"
_DASHES: tuple[Any, ...] = ("-", (0, (4, 1.5)), (0, (1, 1.2)))

Curve = tuple[NDArray[np.float64], NDArray[np.float64]]


def draw(results: JsonObject, out: Path) -> list[Path]:
    """mAP against bits, and at the greatest length precision-recall, precision@N and precision within radius 2."""
    longest = max(cell["bits"] for cell in results["cells"])
    title = f"{results['dataset']}, protocol {results['protocol']}"
    files = _by_bits(results, "map", "mAP, mean over the orders of ties", title, out / "map")
    files += _by_bits(results, "precision_radius_2", "precision within radius 2", title, out / "precision-radius-2")
    at = f"{title}, {longest} bits"
    first = {method: _first(results, method, longest) for method in spreads(results, "map")}
    curves = {method: scores for method, scores in first.items() if scores}
    recalls = {method: _recall_curve(scores) for method, scores in curves.items()}
    files += _lines(recalls, ("recall", "precision"), at, out / "precision-recall")
    places = {method: _places(scores) for method, scores in curves.items()}
    files += _lines(places, ("N, images looked at", "precision@N"), at, out / "precision-at")
    return files


def draw_ablations(results: JsonObject, out: Path) -> list[Path]:
    """A panel for each setting that was changed: mAP of its values, a line a code length; dotted at its own value."""
    found = list(ablations(results))
    columns = min(3, len(found))
    rows = -(-len(found) // columns)
    size = (3.6 * columns + 1, 3.2 * rows + 0.6)
    drawing, panels = plt.subplots(rows, columns, figsize=size, squeeze=False, sharey=True, layout="constrained")
    drawing.suptitle(f"{results['dataset']}, protocol {results['protocol']}")
    lines: dict[int, Any] = dict.fromkeys(sorted({bits for one in found for row in one.rows.values() for bits in row}))
    for one, panel in zip(found, panels.flat, strict=False):
        for number, bits in enumerate(lines):
            if points := [(place, *row[bits][:2]) for place, row in enumerate(one.rows.values()) if bits in row]:
                places, means, deviations = zip(*points, strict=True)
                lines[bits] = panel.errorbar(places, means, deviations, capsize=2, **_style(number))
        for own in set(one.own.values()):
            panel.axvline(list(one.rows).index(own), color="0.6", linestyle=":", zorder=0)
        panel.set_xticks(range(len(one.rows)), [str(value) for value in one.rows])
        panel.set(xlabel=f"{one.method}: {one.name}")
        panel.grid(True, axis="y", alpha=0.3)
    for row in panels:
        row[0].set(ylabel="mAP, mean over the orders of ties")
    for panel in list(panels.flat)[len(found) :]:
        panel.remove()
    drawing.legend(lines.values(), [f"{bits} bits" for bits in lines], frameon=False, loc="outside right center")
    return save(drawing, out / "ablation")


def _first(results: JsonObject, method: str, bits: int) -> JsonObject | None:
    """The scores of a method's first seed."""
    here = [cell for cell in results["cells"] if (cell["method"], cell["bits"]) == (method, bits)]
    return min(here, key=lambda cell: int(cell["seed"]))["scores"] if here else None


def _by_bits(results: JsonObject, figure: str, name: str, title: str, stem: Path) -> list[Path]:
    table = spreads(results, figure)
    drawing, panels = _panels(table, title, ("bits", name))
    for number, (method, row) in enumerate(table.items()):
        means, deviations = (np.array([spread[i] for spread in row.values()]) for i in (0, 1))
        panels[method].errorbar(list(row), means, deviations, capsize=2, label=method, **_style(number))
        panels[method].set_xticks(sorted({bits for row in table.values() for bits in row}))
    return _finish(drawing, stem)


def _lines(curves: Mapping[str, Curve], names: tuple[str, str], title: str, stem: Path) -> list[Path]:
    drawing, panels = _panels(curves, title, names)
    for number, (method, (x, y)) in enumerate(curves.items()):
        panels[method].plot(x, y, label=method, markevery=0.15, **_style(number))
    return _finish(drawing, stem)


def _panels(methods: Iterable[str], title: str, names: tuple[str, str]) -> tuple[Any, JsonObject]:
    """A figure, and the panel of each method: those without a network lie lower, and apart from the others."""
    groups = [group for group in ([m for m in methods if (m in FITTED) == apart] for apart in (False, True)) if group]
    drawing, panels = plt.subplots(
        1,
        len(groups),
        figsize=(4.4 + 3.4 * len(groups), 5.2),
        squeeze=False,
        layout="constrained",
        width_ratios=(3, 2)[: len(groups)],
    )
    drawing.suptitle(title)
    for panel in panels[0]:
        panel.set(xlabel=names[0])
        panel.grid(True, alpha=0.3)
    panels[0][0].set(ylabel=names[1])
    return drawing, {method: panel for group, panel in zip(groups, panels[0], strict=True) for method in group}


def _recall_curve(scores: JsonObject) -> Curve:
    recall, precision = np.array(scores["recall_by_radius"]), np.array(scores["precision_by_radius"])
    found = recall > 0
    return recall[found], precision[found]


def _places(scores: JsonObject) -> Curve:
    places = {int(place): value for place, value in scores["precision_at"].items()}
    return np.array(list(places), float), np.array(list(places.values()))


def _style(number: int) -> JsonObject:
    dash = _DASHES[number // len(_COLOURS) % len(_DASHES)]
    return {
        "color": _COLOURS[number % len(_COLOURS)],
        "marker": _MARKS[number % len(_MARKS)],
        "linestyle": dash,
        "markersize": 4.5,
        "linewidth": 1.3,
    }


def _finish(drawing: Figure, stem: Path) -> list[Path]:
    drawing.legend(fontsize=8, frameon=False, loc="outside right center")
    return save(drawing, stem)


def save(figure: Figure, stem: Path) -> list[Path]:
    """Write a figure at `stem` as PNG and SVG, and close it; the files."""
    if figure.get_layout_engine() is None:
        figure.tight_layout()
    files = [stem.with_suffix(".png"), stem.with_suffix(".svg")]
    for file in files:
        figure.savefig(file, dpi=130)
    plt.close(figure)
    return files
