"""A model on a data set that nothing was trained on: tables of what was asked for, or JSON.

    python -m benchmarks.evaluation.transfer MODEL --dataset cifar10 --protocol cifar10-1 --data CIFAR10 --beside
    … --change jpeg:30 --change crop:0.9+blur:0.02    queries changed
    … --copies                                        changed pictures look for their originals
    … --change-all grey                               all pictures changed
    … --reliability drawn.svg                         what the model's probabilities are worth

docs/protocols.md says what is measured.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import transhash
from benchmarks.common import program
from benchmarks.evaluation import diagram, finding, unseen
from benchmarks.evaluation.changes import STRESS, Change, parse
from benchmarks.evaluation.domain import Domain
from benchmarks.evaluation.perceptual import NAMES


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model")
    parser.add_argument("--dataset", default="cifar10")
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--protocol")
    parser.add_argument("--split-seed", type=int, default=0)
    parser.add_argument("--beside", action="store_true", help="codes of every length, float features, ITQ and LSH")
    parser.add_argument("--change", action="append", default=[], help="1,000 queries changed, such as jpeg:30, or all")
    parser.add_argument("--copies", action="store_true", help="changed pictures look for their originals")
    parser.add_argument("--change-all", help="all pictures changed, such as grey")
    parser.add_argument("--reliability", type=Path, metavar="FILE", help="the diagram, FILE.svg and FILE.png")
    parser.add_argument("--backbone", help="whose features to compare with; by default the model's own")
    parser.add_argument("--json", action="store_true", help="print JSON, one object a line")
    asked = parser.parse_args()
    beside = asked.beside or bool(asked.change_all)
    changes = _changes(asked.change, listed=asked.copies)
    domain = Domain(
        transhash.load(asked.model),
        asked.dataset,
        asked.data,
        asked.protocol,
        split_seed=asked.split_seed,
        change=parse(asked.change_all) if asked.change_all else None,
        backbone=asked.backbone,
    )
    if beside and not asked.copies:
        rows = domain.beside()
        _print([row.to_dict() for row in rows], unseen.markdown(rows), asked.json)
    if changes and not asked.copies:
        scores = domain.stressed(changes)
        found = [{"change": change, **figures} for change, figures in scores.items()]
        _print(found, unseen.stressed_markdown(scores), asked.json)
    if asked.copies:
        located = domain.copies(changes, hashes=NAMES if beside else ())
        text = (
            f"Nearest of all\n{finding.markdown(located, 'nearest')}\n\n{finding.WITHIN}\n{finding.markdown(located)}"
        )
        _print([each.to_dict() for each in located], text, asked.json)
    if asked.reliability:
        _reliability(domain, asked.reliability, asked.json)


def _changes(texts: Sequence[str], *, listed: bool) -> list[Change]:
    """The changes that a user names; the whole list for `all`, or for none where a list is wanted."""
    return [parse(text) for text in (STRESS if "all" in texts or (listed and not texts) else texts)]


def _reliability(domain: Domain, drawn: Path, as_json: bool) -> None:
    curves = domain.reliability(domain.model.bits)
    title = f"{domain.model.name}, {domain.model.bits} bits, {domain.protocol}"
    files = diagram.draw(curves, title, drawn.with_suffix(""))
    facts = [{"calibration": name, **curve.to_dict()} for name, curve in curves.items()]
    text = "\n".join(f"{name}: expected calibration error {c.expected_error:.4f}" for name, c in curves.items())
    _print(facts, text, as_json)
    print(f"drawn: {', '.join(map(str, files))}", file=sys.stderr)


def _print(facts: Sequence[dict[str, Any]], text: str, as_json: bool) -> None:
    if as_json:
        for fact in facts:
            print(json.dumps(fact))
    else:
        print(f"{text}\n")


if __name__ == "__main__":
    program(main)
