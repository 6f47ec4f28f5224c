"""What documents state of the program is so: defaults, protocols, licences."""

from __future__ import annotations

import json
import re

from pages import ROOT
from transhash.cli.index import index
from transhash.comparison.cells import FITTED
from transhash.data.protocols import PROTOCOLS
from transhash.evaluation.metrics import PRECISION_AT, evaluate
from transhash.library import Library
from transhash.library.fitting import LEAST
from transhash.losses import METHODS


def text(page: str) -> str:
    return (ROOT / page).read_text("utf-8")


def test_every_protocol_has_a_row_with_its_cut() -> None:
    rows = re.findall(r"^\| (`[^|]*`) \|.*\| ([^|]*) \| [^|]* \|$", text("docs/protocols.md"), re.MULTILINE)
    stated = {name: cut for names, cut in rows for name in re.findall(r"`([^`]*)`", names)}

    assert {name: stated.get(name) for name in PROTOCOLS} == {
        name: "all" if each.topk is None else f"{each.topk:,}" for name, each in PROTOCOLS.items()
    }


def test_the_notice_and_the_model_card_name_the_same_labels() -> None:
    assert "labels of Tiny-ImageNet-200." in text("NOTICE")
    assert "no label of CIFAR-10 was used" in " ".join(text("docs/models.md").split())


def test_docstrings_and_help_state_the_numbers_of_the_code() -> None:
    *first, last = map("{:,}".format, PRECISION_AT)
    assert f"{', '.join(first)} and {last}, as far as" in " ".join((evaluate.__doc__ or "").split())
    assert f"Once search can find {LEAST} pictures" in (Library.index.__doc__ or "")
    assert f"From {LEAST} pictures on (129 with codes of 128 bits)" in (index.__doc__ or "")


def test_every_decision_has_a_date() -> None:
    entries = re.split(r"\n\n(?=\*\*|## )", text("docs/decisions.md"))
    decisions = [each for each in entries if each.startswith("**")]
    undated = [each[:60] for each in decisions if not re.search(r"\(20\d\d-\d\d-\d\d\)(\n\n|\s*$)", each)]

    assert undated == [], "write the day at the end of the paragraph, such as (2026-11-26)"
    assert len(decisions) > 100


def test_the_readme_is_short() -> None:
    assert len(text("README.md").splitlines()) < 150


def test_the_errors_of_each_kind_of_duplicates_are_those_that_were_measured() -> None:
    results = json.loads((ROOT / "benchmarks/results/confirmation.json").read_text("utf-8"))
    orders = ("copy", "edit", "burst", "unsure", "none")
    rows = [[name, *(counts.get(kind, 0) for kind in orders)] for name, counts in results["told"].items()]
    for kind, of in results["kinds"].items():
        rows.append([f"`{kind}`", of["pairs"], share(of["recall"]), of["named"], share(of["precision"])])
    for name, best in results["hashes, copies against all else"].items():
        rows.append([name, best["threshold"], share(best["recall"]), share(best["precision"])])
    assert {f"| {' | '.join(map(str, row))} |" for row in rows} <= set(text("docs/duplicates.md").splitlines())
    assert f"It lets {share(results['copies found that a glance lets through'])} of" in text("docs/duplicates.md")


def share(value: float) -> str:
    return f"{100 * value:.1f} %"


def test_every_pattern_of_faults_has_the_test_that_it_names() -> None:
    named = re.findall(r"^\| [^|]+ \| `(\S+)::(\w+)` \|$", text("docs/fault-patterns.md"), re.MULTILINE)
    assert len(named) >= 31
    assert [place for place, test in named if f"def {test}(" not in text(place)] == []


def test_the_readme_counts_the_methods() -> None:
    words = {9: "nine", 12: "twelve", 13: "thirteen", 14: "fourteen", 15: "fifteen", 16: "sixteen"}
    assert set(re.findall(r"(\w+) deep (?:hashing methods|ones)", text("README.md"))) == {words[len(METHODS)]}
    assert f"and {words[len(FITTED)]} that are fitted to features" in text("README.md")
