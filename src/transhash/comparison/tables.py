"""Tables of a comparison, mean ± deviation over the seeds: Markdown, LaTeX and CSV."""

from __future__ import annotations

import csv
import io
import statistics
from collections.abc import Mapping, Sequence

from transhash.comparison.cells import NAMED
from transhash.plain import JsonObject

FIGURES = {
    "map": "mAP, the mean over the orders of ties",
    "map_conventional": "mAP as the field's code counts it, ties in database order",
    "precision_radius_2": "precision within Hamming radius 2",
}

Spread = tuple[float, float, int]  # mean, deviation, seeds


def spreads(results: JsonObject, figure: str) -> dict[str, dict[int, Spread]]:
    """For each method, best known order, and code length: mean and sample deviation of a figure over the seeds."""
    found: dict[str, dict[int, list[float]]] = {}
    for cell in results["cells"]:
        found.setdefault(cell["method"], {}).setdefault(cell["bits"], []).append(cell["scores"][figure])
    order = [name for name in found if name not in NAMED] + [name for name in NAMED if name in found]
    return {
        method: {
            bits: (statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else 0.0, len(values))
            for bits, values in sorted(found[method].items())
        }
        for method in order
    }


def markdown(results: JsonObject, figure: str = "map") -> str:
    """A Markdown table, a row for each method, the best of each code length bold; without a newline at the end."""
    table = spreads(results, figure)
    lengths = _lengths(table)
    lines = [
        f"| {_title(results, figure)} | " + " | ".join(f"{bits} bits" for bits in lengths) + " |",
        "|---|" + "---:|" * len(lengths),
    ]
    for method, row in table.items():
        texts = [_text(row.get(bits), " ± ") for bits in lengths]
        best = [_is_best(table, method, bits) for bits in lengths]
        lines.append(
            f"| {method} | " + " | ".join(f"**{t}**" if b else t for t, b in zip(texts, best, strict=True)) + " |"
        )
    return "\n".join(lines)


def latex(results: JsonObject, figure: str = "map") -> str:
    """The same as a LaTeX tabular (package booktabs)."""
    table = spreads(results, figure)
    lengths = _lengths(table)
    lines = [
        rf"% {_title(results, figure)}",
        rf"\begin{{tabular}}{{l{'r' * len(lengths)}}}",
        r"\toprule",
        "Method & " + " & ".join(f"{bits} bits" for bits in lengths) + r" \\",
        r"\midrule",
    ]
    for method, row in table.items():
        texts = [_text(row.get(bits), r" $\pm$ ") for bits in lengths]
        best = [_is_best(table, method, bits) for bits in lengths]
        name = method.replace("_", r"\_")
        shown = [rf"\textbf{{{t}}}" if b else t for t, b in zip(texts, best, strict=True)]
        lines.append(f"{name} & " + " & ".join(shown) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}"])


def comma_separated(results: JsonObject) -> str:
    """Every cell and figure as CSV, one cell a line, for programs."""
    text = io.StringIO()
    names = ["method", "bits", "seed", *FIGURES, "map_skipping", "recall_radius_2"]
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*names, "train_seconds", "encode_seconds"])
    for cell in results["cells"]:
        whole = {**cell["scores"], **{name: cell[name] for name in names[:3]}}
        writer.writerow([*(whole[name] for name in names), cell["seconds"]["train"], cell["seconds"]["encode"]])
    return text.getvalue()


def _title(results: JsonObject, figure: str) -> str:
    topk = results["cells"][0]["scores"]["topk"]
    name = FIGURES[figure].replace("mAP", f"mAP@{topk:,}", 1)
    return f"{results['dataset']}, protocol {results['protocol']}: {name}"


def _lengths(table: Mapping[str, Mapping[int, Spread]]) -> Sequence[int]:
    return sorted({bits for row in table.values() for bits in row})


def _text(spread: Spread | None, between: str) -> str:
    """ ".861 ± .002", without the deviation for a single seed."""
    if spread is None:
        return "–"
    mean, deviation, seeds = spread
    shown = f"{mean:.4f}".removeprefix("0")
    return shown + (f"{between}{deviation:.4f}".replace("0.", ".") if seeds > 1 else "")


def _is_best(table: Mapping[str, Mapping[int, Spread]], method: str, bits: int) -> bool:
    mine = table[method].get(bits)
    return mine is not None and all(bits not in row or mine[0] >= row[bits][0] for row in table.values())
