"""Libraries that grow into other kinds of pictures, and what their codes are worth before and after."""

from __future__ import annotations

import numpy as np
import pytest

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
    everything, _ = drawn(whole, half, 100_000, np.random.default_rng(0))
    assert len(everything) == 24 * (30 - growing.ASKING)


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
