"""Methods without a network on the terms of their published figures: CIFAR-10 by GIST, as Xia et al. have them.

    python -m benchmarks.evaluation.published CIFAR10 [--seeds 3] [--to benchmarks/results/published.json]

Xia, Pan, Lai, Liu and Yan, "Supervised Hashing for Image Retrieval via Image Representation Learning", AAAI 2014,
table 1: GIST of 512 values, 100 queries a class, all others searched; KSH and BRE learn from 500 images a class (BRE
from 1,000 of these, as everywhere here), the others from all that are searched. Prints a table: mAP over the whole
ranking as the field counts it, ties in database order, mean ± deviation over the seeds, and the published figures.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from benchmarks.common import program, write
from benchmarks.evaluation.gist import gist
from transhash.codes import pack
from transhash.comparison.tables import spread_of, spread_text
from transhash.data.datasets import load_dataset
from transhash.data.protocols import split
from transhash.evaluation import evaluate
from transhash.shallow import METHODS, UNSUPERVISED
from transhash.system import machine

BITS = (24, 32, 48)  # the fourth published length, 12, is no multiple of 8
PUBLISHED = {
    "lsh": (0.126, 0.120, 0.120),
    "itq": (0.169, 0.172, 0.175),
    "sh": (0.135, 0.133, 0.130),
    "ksh": (0.337, 0.346, 0.356),
    "bre": (0.181, 0.193, 0.196),
}
OPTIONS = {"ksh": {"labelled": 5000}}
Found = dict[str, dict[str, dict[str, list[float]]]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--to", type=Path, help="also write the figures of all seeds there, as JSON")
    asked = parser.parse_args()
    images = load_dataset("cifar10", asked.data)
    parts, labels = split("cifar10-1", images), images.labels
    features = gist(images.images.decode(np.arange(len(labels)), 32))
    query, database = parts.query, parts.database
    found: Found = {}
    for name in PUBLISHED:
        rows = database if name in UNSUPERVISED else parts.train
        for bits in BITS:
            figures: dict[str, list[float]] = {"map_conventional": [], "map": []}
            for seed in range(asked.seeds):
                function = METHODS[name](features[rows], labels[rows], bits, seed=seed, **OPTIONS.get(name, {}))
                codes = pack(function.values(features))
                scores = evaluate(codes[query], labels[query], codes[database], labels[database])
                for figure, values in figures.items():
                    values.append(getattr(scores, figure))
            found.setdefault(name, {})[str(bits)] = figures
    print(markdown(found))
    if asked.to:
        write(asked.to, {"machine": machine(), "split_sha256": parts.checksum, "methods": found})


def markdown(found: Found) -> str:
    """A table, a row for each method: at each length what was found, and what is published."""
    lines = [
        "| | " + " | ".join(f"{bits} bits | published" for bits in BITS) + " |",
        "|---|" + "---:|" * 2 * len(BITS),
    ]
    for name, published in PUBLISHED.items():
        cells = []
        for bits, figure in zip(BITS, published, strict=True):
            values = found[name][str(bits)]["map_conventional"]
            cells += [spread_text(spread_of(values)), f"{figure:.3f}".removeprefix("0")]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


if __name__ == "__main__":
    program(main)
