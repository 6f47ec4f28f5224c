"""The reliability diagram: stated probability against the share that is relevant, in colours for all eyes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib import pyplot as plt

from benchmarks.evaluation.reliability import Reliability
from transhash.comparison.curves import save

_STYLES = (("#0072B2", "o", "-"), ("#D55E00", "s", "--"), ("#009E73", "^", ":"))  # Okabe and Ito's


def draw(curves: Mapping[str, Reliability], title: str, stem: Path) -> list[Path]:
    """Draw one curve for each named calibration of the same pairs, and the pairs below; PNG and SVG, the files."""
    figure, (upper, lower) = plt.subplots(
        2, 1, figsize=(6.4, 7.6), sharex=True, height_ratios=(3, 1), layout="constrained"
    )
    upper.plot([0, 1], [0, 1], color="#999999", linewidth=1, label="as stated")
    for (name, curve), (colour, mark, dash) in zip(curves.items(), _STYLES, strict=False):
        some = curve.pairs > 0
        label = f"{name}: expected error {curve.expected_error:.3f}"
        upper.plot(
            curve.stated[some],
            curve.observed[some],
            color=colour,
            marker=mark,
            linestyle=dash,
            markersize=4.5,
            linewidth=1.3,
            label=label,
        )
        edges = np.linspace(0, 1, 21)
        counts = np.histogram(curve.stated, edges, weights=curve.pairs)[0]
        lower.step(edges, np.append(counts, counts[-1]), where="post", color=colour, linestyle=dash, linewidth=1.3)
    upper.set(title=title, ylabel="share that is relevant", xlim=(0, 1), ylim=(0, 1))
    lower.set(xlabel="stated probability of relevance", ylabel="pairs", yscale="log")
    for panel in (upper, lower):
        panel.grid(True, alpha=0.3)
    upper.legend(frameon=False, fontsize=9, loc="upper left")
    return save(figure, stem)
