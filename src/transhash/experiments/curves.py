"""The curves of a comparison, as PNG and SVG, in colours and marks that colour-blind people can tell apart."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib import pyplot as plt
from numpy.typing import NDArray

from transhash.experiments.plots import save
from transhash.experiments.tables import spreads

# Okabe and Ito's palette, darkest first; what it cannot tell apart, marks and dashes do
_COLOURS = ("#000000", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_MARKS = "osD^vPX*<>"
_DASHES: tuple[Any, ...] = ("-", (0, (4, 1.5)), (0, (1, 1.2)))

Curve = tuple[NDArray[np.float64], NDArray[np.float64]]


def draw(results: Mapping[str, Any], out: Path) -> list[Path]:
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


def _first(results: Mapping[str, Any], method: str, bits: int) -> Mapping[str, Any] | None:
    """The scores of a method's first seed."""
    here = [cell for cell in results["cells"] if (cell["method"], cell["bits"]) == (method, bits)]
    return min(here, key=lambda cell: int(cell["seed"]))["scores"] if here else None


def _by_bits(results: Mapping[str, Any], figure: str, name: str, title: str, stem: Path) -> list[Path]:
    drawing, panel = plt.subplots(figsize=(8.2, 5.2))
    table = spreads(results, figure)
    for number, (method, row) in enumerate(table.items()):
        means, deviations = (np.array([spread[i] for spread in row.values()]) for i in (0, 1))
        panel.errorbar(list(row), means, deviations, capsize=2, label=method, **_style(number))
    panel.set_xticks(sorted({bits for row in table.values() for bits in row}))
    panel.set(title=title, xlabel="bits", ylabel=name)
    return _finish(drawing, panel, stem)


def _lines(curves: Mapping[str, Curve], names: tuple[str, str], title: str, stem: Path) -> list[Path]:
    drawing, panel = plt.subplots(figsize=(8.2, 5.2))
    for number, (method, (x, y)) in enumerate(curves.items()):
        panel.plot(x, y, label=method, markevery=0.15, **_style(number))
    panel.set(title=title, xlabel=names[0], ylabel=names[1])
    return _finish(drawing, panel, stem)


def _recall_curve(scores: Mapping[str, Any]) -> Curve:
    recall, precision = np.array(scores["recall_by_radius"]), np.array(scores["precision_by_radius"])
    found = recall > 0
    return recall[found], precision[found]


def _places(scores: Mapping[str, Any]) -> Curve:
    places = {int(place): value for place, value in scores["precision_at"].items()}
    return np.array(list(places), float), np.array(list(places.values()))


def _style(number: int) -> dict[str, Any]:
    dash = _DASHES[number // len(_COLOURS) % len(_DASHES)]
    return {
        "color": _COLOURS[number % len(_COLOURS)],
        "marker": _MARKS[number % len(_MARKS)],
        "linestyle": dash,
        "markersize": 4.5,
        "linewidth": 1.3,
    }


def _finish(drawing: Any, panel: Any, stem: Path) -> list[Path]:
    panel.grid(True, alpha=0.3)
    panel.legend(fontsize=8, frameon=False, loc="center left", bbox_to_anchor=(1.01, 0.5))
    return save(drawing, stem)
