"""Libraries that are grown, and what the first hits miss with few candidates."""

from __future__ import annotations

import json

import numpy as np
import pytest

from benchmarks.common import RESULTS, ROOT
from benchmarks.photographs import candidates
from benchmarks.photographs.candidates import Some, grown, measure
from transhash.evaluation.cosine import unit
from transhash.library import ranking
from transhash.model.fitted import embedding


@pytest.fixture(scope="module")
def photographs() -> Some:
    """Embeddings of twenty classes, of which two have no name."""
    random = np.random.default_rng(0)
    classes = random.integers(0, 20, 1200)
    centres = random.normal(size=(20, 32))
    return Some(embedding(centres[classes] + random.normal(size=(1200, 32))), np.where(classes < 2, -1, classes))


def test_a_grown_library_begins_with_what_it_was_grown_from_and_stays_near_it(photographs: Some) -> None:
    kept, place = grown(photographs.kept[:500], 2000)
    assert kept.shape == (2000, 32)
    assert np.array_equal(kept[:500], photographs.kept[:500])
    assert place[:500].tolist() == list(range(500))
    directions = unit(kept.astype(np.float32))
    own = (directions * directions[place]).sum(axis=1)[500:]
    others = (directions[500:] * directions[:500][::-1][place[500:]]).sum(axis=1)
    assert 0.5 < np.median(own) < 0.99
    assert np.median(others) < 0.3
    assert len(np.unique(kept, axis=0)) == 2000


def test_more_candidates_find_more_until_they_find_what_all_do(
    photographs: Some, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(candidates, "CANDIDATES", (10, 50, 999))
    library, asking = (
        Some(photographs.kept[part], photographs.classes[part]) for part in (slice(1000), slice(1000, 1200))
    )
    found = measure(library, asking, 16)
    assert found["pictures"] == 1000
    few, more, most = found["candidates"].values()
    assert few["precision"] == found["codes"]
    assert 0 < few["recall"] < more["recall"] < most["recall"] <= 1
    assert most["recall"] > 0.999
    assert most["precision"] == pytest.approx(found["all"], abs=0.002)
    assert found["codes"] < found["all"]


def test_exact_neighbours_are_those_of_all_cosines(photographs: Some, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(candidates, "BLOCK", 300)  # a library in several parts
    one, others = (unit(photographs.kept[part].astype(np.float32)) for part in (slice(20), slice(20, 1200)))
    expected = np.sort(-np.sort(-(one @ others.T), axis=1)[:, : candidates.SHOWN])
    rows = candidates.nearest(photographs.kept[:20], photographs.kept[20:])
    assert np.allclose(np.sort(np.take_along_axis(one @ others.T, rows, axis=1)), expected)


def test_the_documents_have_the_stored_figures_and_the_rule_that_follows_from_them() -> None:
    results = json.loads((RESULTS / "candidates.json").read_text("utf-8"))
    assert candidates.markdown(results) in (ROOT / "docs/models.md").read_text("utf-8")
    for found in results:
        few, many = (
            max(each["precision"] for count, each in found["candidates"].items() if int(count) <= most)
            for most in (512, ranking.candidates(found["pictures"]) * 1.03)  # of the numbers that were tried
        )
        assert many > 0.985 * found["all"]
        assert found["pictures"] < 100_000 or few < 0.985 * found["all"]
