"""What docs/comparison.md says is what the stored results say, line by line and figure by figure."""

from __future__ import annotations

import json
import re
import statistics
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from transhash.comparison import tables
from transhash.data.datasets import load_dataset
from transhash.data.protocols import split

ROOT = Path(__file__).parents[2]
STORED = ROOT / "benchmarks" / "results" / "compare"
TEXT = (ROOT / "docs" / "comparison.md").read_text("utf-8")
SENTENCES = " ".join(TEXT.split())


@cache
def results(name: str) -> dict[str, Any]:
    return json.loads((STORED / name / "results.json").read_text("utf-8"))


def cells(name: str, method: str, bits: int) -> list[dict[str, Any]]:
    return [cell for cell in results(name)["cells"] if (cell["method"], cell["bits"]) == (method, bits)]


def score(name: str, method: str, bits: int) -> float:
    return statistics.mean(cell["scores"]["map"] for cell in cells(name, method, bits))


def near(name: str, method: str, bits: int) -> float:
    return statistics.mean(cell["scores"]["precision_by_radius"][2] for cell in cells(name, method, bits))


def gain(name: str, method: str, other: str, bits: int, of: Callable[[str, str, int], float] = score) -> float:
    """Points that a method is ahead of another."""
    return 100 * (of(name, method, bits) - of(name, other, bits))


def rank(name: str, method: str, bits: int) -> int:
    """The place of a method among all, 1 for the best."""
    methods = {cell["method"] for cell in results(name)["cells"]}
    return 1 + sum(score(name, other, bits) > score(name, method, bits) for other in methods)


def assert_says(sentence: str, *figures: float) -> None:
    """`sentence` with the figures in its places is in the page; those below 1 without their leading zero."""
    shown = re.sub(r"(?<!\d)0\.(?=\d{4})", ".", sentence.format(*figures))
    assert shown in SENTENCES, shown


@pytest.mark.parametrize("name", ["cifar10", "mosaic", "imagenet100"])
def test_the_tables_are_those_of_the_results(name: str) -> None:
    table = tables.markdown(results(name), next(iter(tables.FIGURES))).strip()
    assert table.splitlines()[2:] == [line for line in table.splitlines()[2:] if line in TEXT.splitlines()]
    assert (STORED / name / "table.md").read_text("utf-8").startswith(table)


@pytest.mark.parametrize("name", ["cifar10", "mosaic", "imagenet100"])
def test_the_number_of_seeds_is_that_of_the_page(name: str) -> None:
    counts: dict[str, set[int]] = {}
    for cell in results(name)["cells"]:
        counts.setdefault(cell["method"], set()).add(len(cells(name, cell["method"], cell["bits"])))
    if name == "cifar10":
        assert set.union(*counts.values()) == {3}
    elif name == "mosaic":
        assert {method for method, count in counts.items() if count == {3}} == {"ours-mosaic", "lsh", "itq", "sh"}
        assert set.union(*(count for method, count in counts.items() if count != {3})) == {2}
    else:
        assert set.union(*counts.values()) <= {1, 2, 3}


def test_what_it_says_of_sixteen_bits() -> None:
    ahead = [gain("cifar10", method, "transhash", 16) for method in ("dch", "dsh", "greedyhash")]
    assert_says(
        "DCH, DSH and GreedyHash are ahead of it by {:.1f}, {:.1f} and {:.1f} points, and HashNet is level", *ahead
    )
    assert abs(gain("cifar10", "hashnet", "transhash", 16)) < 1
    for method in ("dsh", "hashnet", "greedyhash"):
        assert all(abs(gain("cifar10", method, "transhash", bits)) < 1 for bits in (32, 48, 64))


def test_what_it_says_of_many_classes() -> None:
    for method, figure in (("dsh", "60"), ("transhash", "49"), ("itq", "51")):
        assert f"{score('imagenet100', method, 64):.2f}" == f"0.{figure}"
        assert f".{figure}" in SENTENCES
    reached = [score("imagenet100", method, 64) for method in ("dpn", "csq", "orthohash")]
    assert {f"{value:.2f}" for value in reached} == {"0.70", "0.71"}


def test_what_it_says_of_the_dual_stream() -> None:
    def worth(name: str, bits: int) -> float:
        return gain(name, "transhash", "transhash-single", bits)

    assert_says(
        "{:.1f}, {:.1f} and {:.1f} points at 32, 48 and 64 bits on CIFAR-10",
        *(worth("cifar10", b) for b in (32, 48, 64)),
    )
    assert_says("{:.1f} on the mosaics and {:.1f} on ImageNet-100 at 64", worth("mosaic", 64), worth("imagenet100", 64))
    lost = [-worth(name, 16) for name in ("cifar10", "mosaic", "imagenet100")]
    assert_says("costs {:.1f}, {:.1f} and {:.1f} at 16", *lost)
    assert_says("it loses {:.0f} points within radius 2", gain("mosaic", "transhash-single", "transhash", 64, near))


def test_what_it_says_of_the_likelihood() -> None:
    def worth(name: str, bits: int) -> float:
        return gain(name, "transhash", "transhash-sigmoid", bits)

    found = sorted(worth("cifar10", bits) for bits in (16, 32, 48, 64))
    assert_says("worth {:.1f} to {:.1f} points over the sigmoid on CIFAR-10", found[0], found[-1])
    assert_says(
        "{:.1f} and {:.1f} on the mosaics, {:.1f} and {:.1f} on ImageNet-100",
        worth("mosaic", 16),
        worth("mosaic", 64),
        worth("imagenet100", 16),
        worth("imagenet100", 64),
    )
    assert_says(
        "it is worth {:.0f} points. - **The quantization", gain("cifar10", "transhash", "transhash-sigmoid", 64, near)
    )


def test_what_it_says_of_the_prior() -> None:
    def worth(name: str, bits: int) -> float:
        return gain(name, "transhash", "transhash-no-prior", bits)

    found = [worth("cifar10", bits) for bits in (16, 32, 48, 64)]
    assert found == sorted(found, reverse=True)
    assert_says("worth {:.1f} to {:.1f} points of mAP on CIFAR-10", found[-1], found[0])
    assert_says("{:.1f} and {:.1f} on the mosaics, nothing certain", worth("mosaic", 16), worth("mosaic", 64))
    assert_says("and {:.0f} points within radius 2", gain("cifar10", "transhash", "transhash-no-prior", 64, near))


def test_what_it_says_of_groups() -> None:
    found = [score("cifar10", "transhash-single", 64), score("k1", "transhash", 64)]
    found += [score("cifar10", "transhash", 64), score("k4", "transhash", 64)]
    assert_says("K = 0, 1, 2 and 4 have {:.4f}, {:.4f}, {:.4f} and {:.4f}", *found)
    assert {len(cells(name, "transhash", 64)) for name in ("k1", "k4")} == {2}


def test_what_it_says_of_methods_without_a_network() -> None:
    for name in ("cifar10", "mosaic", "imagenet100"):
        for bits in sorted({cell["bits"] for cell in results(name)["cells"]}):
            assert all(score(name, "ksh", bits) > score(name, other, bits) for other in ("lsh", "itq", "sh", "bre"))
    figures = [score(name, *one) for name in ("cifar10", "mosaic", "imagenet100") for one in (("itq", 64), ("ksh", 16))]
    assert_says(
        "on CIFAR-10 ({:.4f}, {:.4f}) and on the mosaics ({:.4f}, {:.4f}), and ahead of it on ImageNet-100 "
        "({:.4f}, {:.4f})",
        *figures,
    )
    assert figures[0] < figures[1]
    assert figures[2] < figures[3]
    assert figures[4] > figures[5]


def test_what_it_says_of_ours() -> None:
    ours = [gain("imagenet100", "ours-imagenet100", "transhash", bits) for bits in (16, 64)]
    assert_says("{:.1f} points on ImageNet-100 at 16 bits and {:.1f} at 64", *ours)
    assert_says("{:.1f} on CIFAR-10 at 16", gain("cifar10", "ours-cifar10", "transhash", 16))
    assert rank("imagenet100", "ours-imagenet100", 64) == 1
    assert_says("leads at 64 bits, by {:.1f} points", gain("imagenet100", "ours-imagenet100", "csq", 64))
    assert all(abs(gain("imagenet100", "ours-imagenet100", other, 16)) < 1 for other in ("dpn", "csq"))
    assert rank("cifar10", "ours-cifar10", 32) == 1
    assert abs(gain("cifar10", "ours-cifar10", "dch", 16)) < 1
    behind = []
    for bits in (48, 64):
        assert rank("cifar10", "ours-cifar10", bits) == 5
        behind += [
            gain("cifar10", other, "ours-cifar10", bits) for other in ("transhash", "dsh", "greedyhash", "hashnet")
        ]
    assert min(behind) > 0
    assert_says("are ahead of it, by at most {:.1f} points", max(behind))
    assert abs(gain("mosaic", "ours-mosaic", "hashnet", 64)) < 1
    assert_says("{:.1f} points below a single stream at 16", gain("mosaic", "transhash-single", "ours-mosaic", 16))
    rates = {
        cell["method"]: cell["recipe"]["learning_rate"] for cell in results("imagenet100")["cells"] if cell["recipe"]
    }
    assert rates.pop("ours-imagenet100") == 2 * max(rates.values())
    assert len(set(rates.values())) == 1


def test_what_it_says_of_seconds() -> None:
    took: dict[bool, list[float]] = {True: [], False: []}
    for cell in results("cifar10")["cells"]:
        if cell["recipe"]:
            took[cell["recipe"]["groups"] > 0].append(sum(cell["seconds"].values()))
    one, two = ([*np.percentile(took[streams], [5, 95]), np.median(took[streams])] for streams in (False, True))
    assert_says(
        "took {:.0f} to {:.0f} seconds (median {:.0f}), and with two {:.0f} to {:.0f} (median {:.0f})", *one, *two
    )


def test_what_it_says_of_relevant_pairs(data_root: Path) -> None:
    images = load_dataset("cifar10-mosaic", data_root / "cifar10")
    parts = split("cifar10-mosaic", images)
    query, database = (images.labels[part].astype(np.float32) for part in (parts.query, parts.database))
    assert_says(
        "{:.0f} % of all pairs of a query and a searched image are relevant",
        100 * float((query @ database.T > 0).mean()),
    )
