"""A model on pictures that nothing was trained on: every table of docs/models.md about them, and the diagram.

    python -m benchmarks.evaluation.domains MODEL --data DATA --backbone FILE [--cache FOLDER]
        [--out benchmarks/results/domains]

DATA has `cifar10` and, for `--elsewhere`, `tiny-imagenet`, as `transhash evaluate --data` takes them. Measured are
CIFAR-10 (1,000 pictures query the other 59,000), the same in grey, its mosaics, changed queries, copies among 59,000,
and what the stated probabilities are worth. Encodings are kept in the cache, so that a run that was broken off goes on.
Tables go to standard output and, with every figure as JSON and the diagram, to the folder OUT.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

import transhash
from benchmarks.evaluation import diagram, finding, unseen
from benchmarks.evaluation.changes import STRESS, parse
from benchmarks.evaluation.domain import Domain
from benchmarks.evaluation.encoded import Encoder, name_of
from benchmarks.evaluation.perceptual import NAMES
from transhash.data.datasets import load_dataset

PARTS = ("cifar10", "grey", "mosaic", "stress", "copies", "reliability")
FITTED_TO = 2000  # pictures of Tiny-ImageNet
GREY = 10_000  # searched, by 1,000


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--backbone", required=True)
    parser.add_argument("--out", type=Path, default=Path("benchmarks/results/domains"))
    parser.add_argument("--cache", type=Path, default=Path("cache"))
    parser.add_argument("--elsewhere", action="store_true", help="fit ITQ and LSH to Tiny-ImageNet's training set, too")
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    settings = parser.parse_args()
    model = transhash.load(settings.model)
    settings.out.mkdir(parents=True, exist_ok=True)
    shared: dict[str, Any] = {"cache": settings.cache, "progress": shown}
    cifar10 = Domain(model, "cifar10", settings.data / "cifar10", "cifar10-1", backbone=settings.backbone, **shared)
    for part in settings.only:
        found, text = measure(part, model, cifar10, settings, shared)
        (settings.out / f"{part}.json").write_text(json.dumps(found) + "\n")
        (settings.out / f"{part}.md").write_text(text + "\n")
        print(f"## {part}\n\n{text}\n", flush=True)


def measure(
    part: str, model: transhash.HashModel, cifar10: Domain, settings: argparse.Namespace, shared: dict[str, Any]
) -> tuple[list[dict[str, Any]], str]:
    """The figures of one part in JSON's own types, and its tables."""
    place = settings.data / "cifar10"
    if part == "stress":
        scores = cifar10.stressed([parse(text) for text in STRESS])
        return [{"change": change, **figures} for change, figures in scores.items()], unseen.stressed_markdown(scores)
    if part == "copies":
        found = cifar10.copies([parse(text) for text in STRESS], hashes=NAMES)
        tables = f"Nearest of all\n\n{finding.markdown(found, 'nearest')}\n\n{finding.WITHIN}\n\n"
        return [each.to_dict() for each in found], tables + finding.markdown(found)
    if part == "reliability":
        facts, lines = (
            [],
            ["| bits | calibration | expected error | where 0.5 or more is stated |", "|---:|---|---:|---:|"],
        )
        for bits in model.lengths:
            curves = cifar10.reliability(bits)
            for name, curve in curves.items():
                facts.append({"bits": bits, "calibration": name, **curve.to_dict()})
                lines.append(f"| {bits} | {name} | {curve.expected_error:.4f} | {curve.error_within(0.5):.4f} |")
            if bits == model.bits:
                diagram.draw(curves, f"{bits} bits on CIFAR-10, which was not trained on", settings.out / "reliability")
        return facts, "\n".join(lines)
    if part == "cifar10":
        others = {f"{FITTED_TO:,} of Tiny-ImageNet": elsewhere(model, settings)} if settings.elsewhere else {}
        rows = cifar10.beside(others)
    else:
        grey: dict[str, Any] = {"change": parse("grey"), "most": GREY} if part == "grey" else {}
        dataset, protocol = ("cifar10", "cifar10-1") if part == "grey" else ("cifar10-mosaic", None)
        rows = Domain(model, dataset, place, protocol, backbone=settings.backbone, **grey, **shared).beside()
    return [row.to_dict() for row in rows], unseen.markdown(rows)


def elsewhere(model: transhash.HashModel, settings: argparse.Namespace) -> np.ndarray:
    """The backbone's features of some pictures that it was trained on."""
    place = settings.data / "tiny-imagenet"
    images = load_dataset("imagenet200-64", place)
    rows = np.arange(0, images.training, images.training // FITTED_TO)
    encoder = Encoder.of_backbone(settings.backbone, model.image_size, settings.cache)
    pictures = [images.images.sources[row] for row in rows.tolist()]
    name = name_of("imagenet200-64", place, rows)
    return encoder.encode(pictures, name, shown, "Tiny-ImageNet").features


_last = [0.0]


def shown(what: str, done: int, total: int, _: str, /) -> None:
    """Say how far it is, every ten seconds."""
    if time.monotonic() - _last[0] > 10:
        _last[0] = time.monotonic()
        print(f"{what}: {done:,} of {total:,}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
