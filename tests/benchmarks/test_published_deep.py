"""DSH on its own network: the network has the published shape, learns, and what is said of it is what was stored."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from benchmarks.common import RESULTS, ROOT
from benchmarks.training import published
from transhash.evaluation import evaluate
from transhash.training import checkpoint


def test_the_network_has_the_published_layers() -> None:
    made = published.network(48)
    shapes = [tuple(value.shape) for value in made.parameters() if value.ndim > 1]
    assert shapes == [(32, 3, 5, 5), (32, 32, 5, 5), (64, 32, 5, 5), (500, 1024), (48, 500)]
    assert made(torch.zeros(2, 3, 32, 32)).shape == (2, 48)


def test_normalisation_divides_by_what_is_around_in_the_same_map() -> None:
    maps = torch.zeros(1, 2, 5, 5)
    maps[0, 0, 2, 2] = 300.0
    found = published.Normalised()(maps)
    assert np.isclose(float(found[0, 0, 2, 2]), 300 / (1 + 5e-5 * 300**2 / 9) ** 0.75)
    assert torch.count_nonzero(found) == 1


def test_the_derivative_of_normalisation_is_that_of_its_values() -> None:
    maps = (torch.randn(2, 3, 6, 6, dtype=torch.float64, generator=torch.manual_seed(0)) * 100).requires_grad_()
    assert torch.autograd.gradcheck(published.Normalised(), (maps,), eps=1e-4, atol=1e-4)  # type: ignore[no-untyped-call]


def coloured() -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """400 images of three classes, and which."""
    random = np.random.default_rng(0)
    labels = random.integers(0, 3, 400)
    images = np.clip(random.normal(90, 40, (400, 32, 32, 3)), 0, 255).astype(np.uint8)
    images[np.arange(400), :, :, labels] = np.clip(images[np.arange(400), :, :, labels] + 60.0, 0, 255).astype(np.uint8)
    return images, labels


def test_it_learns_classes_that_differ_in_colour() -> None:
    images, labels = coloured()
    found = published.codes(published.learn(images, labels, 24, 30), images)
    assert found.shape == (400, 3)
    assert evaluate(found, labels, found, labels).map > 0.8  # chance is a third


def test_a_run_that_was_stopped_goes_on_and_gives_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    images, labels = coloured()
    whole = published.learn(images, labels, 24, 20)
    kept, step = checkpoint.save, []

    def stopping(run: Path, at: int, *rest: Any) -> Path:
        step.append(at)
        folder = kept(run, at, *rest)
        if at == 8:
            raise KeyboardInterrupt
        return folder

    monkeypatch.setattr(checkpoint, "save", stopping)
    with pytest.raises(KeyboardInterrupt):
        published.learn(images, labels, 24, 20, tmp_path / "state")
    again = published.learn(images, labels, 24, 20, tmp_path / "state")
    assert step == [8, 16]
    assert all(torch.equal(one, other) for one, other in zip(whole.parameters(), again.parameters(), strict=True))


def test_the_documents_have_what_was_found() -> None:
    found = json.loads((RESULTS / "published-deep.json").read_text("utf-8"))["dsh"]["24"]
    text = (ROOT / "docs/comparison.md").read_text("utf-8")
    said = (
        f"It has {found['map_conventional']:.3f} with 24 bits (conventional mAP, one seed), "
        f"where {found['published']:.3f} is published ({found['map']:.3f} tie-aware)"
    )
    assert said.replace(" 0.", " .").replace("(0.", "(.") in text
    assert f"all {found['iterations']:,}\nsteps of theirs" in text
