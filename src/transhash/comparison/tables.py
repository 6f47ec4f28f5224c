"""Tables of a comparison, mean ± deviation over the seeds: Markdown, LaTeX and CSV."""

from __future__ import annotations

import csv
import io
import math
import re
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence

from transhash.comparison.cells import NAMED
from transhash.comparison.choosing import is_around
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
    return {method: {bits: spread_of(values) for bits, values in sorted(found[method].items())} for method in order}


def spread_of(values: list[float]) -> Spread:
    """Mean and sample deviation of some figures, one or more, and how many there are."""
    return statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else 0.0, len(values)


def markdown(results: JsonObject, figure: str = "map") -> str:
    """A Markdown table, a row for each method; without a newline at the end.

    Bold is a figure that is ahead of every other of its code length by more than twice the deviation of the difference
    of two means, each of two seeds or more.
    """
    table = spreads(results, figure)
    lengths = _lengths(table)
    lines = [
        f"| {title(results, figure)} | " + " | ".join(f"{bits} bits" for bits in lengths) + " |",
        "|---|" + "---:|" * len(lengths),
    ]
    for method, row in table.items():
        texts = [spread_text(row.get(bits)) for bits in lengths]
        best = [_is_best(table, method, bits) for bits in lengths]
        name = method.replace("|", r"\|")
        lines.append(
            f"| {name} | " + " | ".join(f"**{t}**" if b else t for t, b in zip(texts, best, strict=True)) + " |"
        )
    return "\n".join(lines)


def latex(results: JsonObject, figure: str = "map") -> str:
    """The same as a LaTeX tabular (package booktabs)."""
    table = spreads(results, figure)
    lengths = _lengths(table)
    lines = [
        rf"% {title(results, figure)}",
        rf"\begin{{tabular}}{{l{'r' * len(lengths)}}}",
        r"\toprule",
        "Method & " + " & ".join(f"{bits} bits" for bits in lengths) + r" \\",
        r"\midrule",
    ]
    for method, row in table.items():
        texts = [spread_text(row.get(bits), r" $\pm$ ") for bits in lengths]
        best = [_is_best(table, method, bits) for bits in lengths]
        name = re.sub(r"([#$%&_{}])", r"\\\1", method)  # of a recipe file it may be anything
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


def title(results: JsonObject, figure: str) -> str:
    """What a table is of: data set, protocol, figure, seeds, and how many settings of each method were tried."""
    topk = results["cells"][0]["scores"]["topk"]
    name = FIGURES[figure].replace("mAP", f"mAP@{topk:,}", 1)
    of = {(cell["method"], cell["bits"]): cell for cell in results["cells"]}
    seeds = Counter((cell["method"], cell["bits"]) for cell in results["cells"])
    tried = [((trial["method"], trial["bits"]), trial) for trial in results.get("trials", ())]
    trials = Counter(name for name, trial in tried if name in of and is_around(trial, of[name]["recipe"]))
    counted = [_counted(seeds, "seed")] + ([_counted(trials, "trial") + " each"] if trials else [])
    return f"{results['dataset']}, protocol {results['protocol']}: {'; '.join([name, *counted])}"


def _counted(counts: Mapping[tuple[str, int], int], what: str) -> str:
    """ "2 to 3 seeds"."""
    least, most = min(counts.values()), max(counts.values())
    return f"{least} to {most} {what}s" if least < most else f"{most} {what}{'s' if most > 1 else ''}"


def _lengths(table: Mapping[str, Mapping[int, Spread]]) -> Sequence[int]:
    return sorted({bits for row in table.values() for bits in row})


def spread_text(spread: Spread | None, between: str = " ± ") -> str:
    """ ".861 ± .002", without the deviation for a single seed."""
    if spread is None:
        return "–"
    mean, deviation, seeds = spread
    shown = f"{mean:.4f}".removeprefix("0")
    return shown + (f"{between}{deviation:.4f}".replace("0.", ".") if seeds > 1 else "")


def _is_best(table: Mapping[str, Mapping[int, Spread]], method: str, bits: int) -> bool:
    """Whether a method leads by more than what may be chance."""
    others = [row[bits] for name, row in table.items() if name != method and bits in row]
    mine = table[method].get(bits)
    return mine is not None and bool(others) and all(_is_ahead(mine, other) for other in others)


def _is_ahead(one: Spread, other: Spread) -> bool:
    deviation = math.sqrt(one[1] ** 2 / one[2] + other[1] ** 2 / other[2])
    return min(one[2], other[2]) > 1 and one[0] - other[0] > 2 * deviation
