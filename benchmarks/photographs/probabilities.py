"""How far probabilities of hits are from what is so, on each set: the model's, and a library's own.

    python -m benchmarks.photographs.probabilities --photographs DIR [--json FILE]

The sets are those of `measure`. The model's curve is that of an average collection. A library's own is fitted as
`transhash calibrate` does it: to the labels of 200 of the pictures that are searched, and to those of up to 2,000. The
queries, which no curve was fitted to, judge: of their 50 nearest pictures, as a library orders them, the expected
calibration error. Features are kept in the cache.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

import transhash
from benchmarks.common import RESULTS, a_folder, program, write
from benchmarks.photographs.box.embedding import embedded
from benchmarks.photographs.measure import ordered, read
from benchmarks.photographs.sets import SETS, PhotoSet
from transhash.evaluation.cosine import related, unit
from transhash.library.calibrating import MOST
from transhash.model.directory import EMBEDDING
from transhash.model.likeness import SHOWN, expected_error, of_embeddings

FEW = 200  # pictures with a label
CURVES = ("the model's", f"of {FEW} labels", f"of {MOST:,} labels")
POOLED = "all that report"

Errors: TypeAlias = dict[str, dict[str, float]]
Pairs: TypeAlias = "tuple[NDArray[np.float64], NDArray[np.bool_]]"  # what is stated, and what is so


def stated(photos: PhotoSet, kept: NDArray[np.int8], model: transhash.HashModel) -> dict[str, Pairs]:
    """What each curve states of the nearest pictures of each query, and what is so; embeddings [N, V]."""
    q, labels = photos.queries, photos.labels
    mapped = ordered(kept, q)
    cosines = unit(mapped[:q]) @ unit(mapped[q:]).T
    near = np.argsort(-cosines, axis=1)[:, :SHOWN]
    so = np.stack([related(label, labels[q:][rows]) for label, rows in zip(labels[:q], near, strict=True)])
    assert model.nearness is not None
    curves = [model.nearness]
    for count in (FEW, MOST):
        some = slice(q, q + count)
        same = np.stack([related(label, labels[some]) for label in labels[some]])
        curves.append(of_embeddings(mapped[some], same, photos.name))
    found = np.take_along_axis(cosines, near, axis=1)
    return {name: (curve.probability(found), so) for name, curve in zip(CURVES, curves, strict=True)}


def table(errors: Errors) -> str:
    """Markdown: a line for each curve, a column for each set."""
    sets = list(next(iter(errors.values())))
    lines = [f"| probabilities | {' | '.join(sets)} |", f"|---|{'---:|' * len(sets)}"]
    for curve, found in errors.items():
        lines.append(f"| {curve} | {' | '.join(f'{found[name]:.3f}'.lstrip('0') for name in sets)} |")
    return "\n".join(lines)


def main() -> None:
    """Measure all sets that are there, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photographs", type=a_folder, required=True, help="folder of the sets")
    parser.add_argument("--cache", type=Path, default=Path(".cache/photographs"))
    parser.add_argument("--json", type=Path, default=RESULTS / "probabilities.json", help="file of results")
    given = parser.parse_args()
    model = transhash.load()
    errors: Errors = {curve: {} for curve in CURVES}
    reported: dict[str, list[Pairs]] = {curve: [] for curve in CURVES}
    for name, place in SETS.items():
        photos = place(given.photographs)
        if photos is None:
            print(f"{name}: not in {given.photographs}", file=sys.stderr)
            continue
        features = read("ours", name, photos.files, model, given.cache)[:, sum(model.lengths) :]
        kept = embedded(np.load(model.folder / EMBEDDING), features)
        for curve, pairs in stated(photos, kept, model).items():
            errors[curve][name] = round(expected_error(*pairs), 4)
            reported[curve] += [pairs] if photos.reports else []
    for curve, all_of in reported.items():
        said, so = (np.concatenate(each) for each in zip(*all_of, strict=True))
        errors[curve][POOLED] = round(expected_error(said, so), 4)
    write(given.json, {"fingerprint": model.fingerprint, "errors": errors})
    print(table(errors))


if __name__ == "__main__":
    program(main)
