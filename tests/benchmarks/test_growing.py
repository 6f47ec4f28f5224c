"""Libraries that grow into other kinds of pictures, and what their codes are worth before and after."""

from __future__ import annotations

import json

import numpy as np
import pytest

from benchmarks.common import RESULTS, ROOT
from benchmarks.photographs import growing
from benchmarks.photographs.growing import Some, drawn, markdown, mean, measure, together
from transhash.codes import pack
from transhash.model.fitted import embedding

BITS = 16


def set_of(seed: int, kinds: int = 12, each: int = 30) -> Some:
    """A set whose classes lie around centres, in a part of the space of its own; general codes that tell little."""
    random = np.random.default_rng(seed)
    classes = np.repeat(np.arange(kinds), each)
    own = random.normal(size=(4, 48))
    values = random.normal(size=(kinds, 4))[classes] @ own + 0.7 * random.normal(size=(len(classes), 48))
    return Some(embedding(values), {BITS: pack(random.normal(size=(len(classes), BITS)) + values[:, :BITS])}, classes)


@pytest.fixture(scope="module")
def sets() -> dict[str, Some]:
    return {name: set_of(seed) for seed, name in enumerate("abcd")}


def test_a_library_has_whole_classes_and_others_of_them_ask(sets: dict[str, Some]) -> None:
    whole = together(list(sets.values()))
    assert len(np.unique(whole.classes)) == 48
    half = np.arange(720)
    rows, ask = drawn(whole, half, 100, np.random.default_rng(0))
    assert len(rows) == len(np.unique(rows)) == 100
    assert not set(rows.tolist()) & set(ask.tolist())
    assert set(whole.classes[ask].tolist()) == set(whole.classes[rows].tolist())
    assert max(*rows, *ask) < 720
    assert max(np.bincount(whole.classes[rows])) == 30 - growing.ASKING  # all that do not ask
    everything, _ = drawn(whole, half, 100_000, np.random.default_rng(0))
    assert len(everything) == 24 * (30 - growing.ASKING)


def test_a_library_that_wants_more_has_more_of_each_class(
    sets: dict[str, Some], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(growing, "EACH", 5)
    whole = together(list(sets.values()))
    for count, each in ((100, 5), (200, 10)):
        rows, _ = drawn(whole, np.arange(720), count, np.random.default_rng(0))
        assert len(rows) == count
        assert np.bincount(whole.classes[rows]).max() == each


def test_a_class_of_few_takes_no_part(sets: dict[str, Some]) -> None:
    few = sets["a"].of(np.arange(growing.FEWEST - 1 + 30))  # one class whole, of the other nine
    rows, _ = drawn(few, np.arange(len(few.kept)), 100, np.random.default_rng(0))
    assert set(few.classes[rows].tolist()) == {0}


def test_codes_fitted_before_a_library_grew_lose_on_other_kinds_and_fitting_again_helps(sets: dict[str, Some]) -> None:
    rounds = [measure(sets, 200, BITS, seed) for seed in range(3)]
    found = mean(rounds)
    assert found["pictures"] == 200
    assert found["alike"]["general"] < found["alike"]["fitted"] <= 1
    assert found["alike"]["cosines"] < found["alike"]["ordered"] <= 1
    other = found["grown"]["other"]
    assert other["before"] < other["now"]
    assert other["hits_now"] > 0.5
    assert {**rounds[0]["alike"]} == {**measure(sets, 200, BITS, 0)["alike"]}
    text = markdown([{"bits": BITS, **found}])
    assert f"| 200 | 16 | {found['alike']['general']:.3f} |".replace(" 0.", " .") in text
    assert f"| 200 | 16 | other | {other['general']:.3f} |".replace(" 0.", " .") in text


def test_the_documents_have_the_stored_figures() -> None:
    stored = json.loads((RESULTS / "growing.json").read_text("utf-8"))
    text = (ROOT / "docs/models.md").read_text("utf-8")
    assert markdown(stored["results"]) in text
    assert f"{len(stored['sets'])} sets" in text
    for found in stored["results"]:
        assert found["alike"]["fitted"] > found["alike"]["general"]
        assert found["alike"]["ordered"] > found["alike"]["cosines"]
    alike, grown = ([each[part] for each in stored["results"]] for part in ("alike", "grown"))
    short = [each["grown"] for each in stored["results"] if each["bits"] == 16]
    long = [each["grown"] for each in stored["results"] if each["bits"] == 64]
    gains = [each["ordered"] - each["cosines"] for each in alike]
    said = (
        f"The map gains up to {100 * max(gains):.1f} points of mAP where a class has thirty pictures, "
        f"and {100 * min(gains):.1f} points in 10,000",
        f"worse than general ones, by up to {100 * most(grown, 'general', 'before'):.1f} points",
        f"the first ten lose up to {100 * most(short, 'hits_plain', 'hits_before'):.1f} points with 16 bits "
        f"and {100 * most(long, 'hits_plain', 'hits_before'):.1f} with 64",
        f"the map costs up to {100 * most(grown, 'hits_plain', 'hits_now', 'first'):.1f} points of the first ten",
    )
    for sentence in said:
        assert sentence in " ".join(text.split()), sentence


def most(grown: list[dict[str, dict[str, float]]], one: str, other: str, queries: str = "other") -> float:
    """By how much a figure is greater than another one, at most."""
    return max(each[queries][one] - each[queries][other] for each in grown)
