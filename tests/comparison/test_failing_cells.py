"""A cell that fails or whose process dies takes no other with it, and a trial that diverges does not end its method."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tiny_cells import cells
from transhash.comparison import compare, kept, processes
from transhash.comparison.cells import Cell
from transhash.comparison.run import prepare
from transhash.errors import RecipeError, TransHashError
from transhash.losses import BayesianLoss
from transhash.progress import silent


def test_a_cell_that_fails_is_named_and_the_others_are_kept(place: Path, tmp_path: Path) -> None:
    """ITQ has no more bits than the pictures that it learns from."""
    told: list[str] = []
    wanted = cells(place, "itq,lsh", bits=128)
    results = compare.compare(
        wanted, tmp_path, jobs=0, progress=silent, failed=lambda name, error: told.append(f"{name}: {error.reason}")
    )
    assert [cell["method"] for cell in results["cells"]] == ["lsh"]
    assert len(told) == 1
    assert told[0].startswith("itq, 128 bits, seed 0: 128 bits need more than 128 pictures")
    with pytest.raises(
        TransHashError, match=r"cells that failed: 1, the first of them itq, 128 bits.*same command again"
    ):
        compare.compare(wanted, tmp_path, jobs=0, progress=silent)
    assert kept.read(tmp_path) == results


def failing(monkeypatch: pytest.MonkeyPatch, method: str, error: Exception) -> None:
    """Let the cells of a method end with an error."""
    real = processes.run

    def run(cell: Cell, *rest: Any) -> Any:
        if cell.method == method:
            raise error
        return real(cell, *rest)

    monkeypatch.setattr(processes, "run", run)


def test_what_nobody_foresaw_is_raised_when_the_others_are_done(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(monkeypatch, "itq", ZeroDivisionError())
    with pytest.raises(ZeroDivisionError) as caught:
        compare.compare(
            cells(place, "itq,lsh"), tmp_path, jobs=0, progress=silent, failed=lambda name, error: pytest.fail(name)
        )
    assert "itq, 16 bits, seed 0" in caught.value.__notes__[0]
    assert [cell["method"] for cell in kept.read(tmp_path)["cells"]] == ["lsh"]


def test_a_trial_that_diverges_has_found_nothing_and_the_others_choose(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = BayesianLoss.forward

    def breaks(self: BayesianLoss, h: Any, labels: Any, rows: Any) -> Any:
        loss = real(self, h, labels, rows)
        return loss * float("nan") if self.progress > 0.2 and rates[-1] > 0.002 else loss

    rates: list[float] = []
    run = processes.run

    def noted(cell: Cell, *rest: Any) -> Any:
        rates.append(cell.recipe.learning_rate)
        return run(cell, *rest)

    monkeypatch.setattr(BayesianLoss, "forward", breaks)
    monkeypatch.setattr(processes, "run", noted)
    wanted = cells(place, learning_rate=0.0011)
    results = compare.compare(wanted, tmp_path, jobs=0, progress=silent, trials=2)
    assert rates == [0.0011, 0.0022, 0.0011]
    failed = [trial for trial in results["trials"] if "failed" in trial]
    assert [(trial["scores"]["map"], trial["recipe"]["learning_rate"]) for trial in failed] == [(0.0, 0.0022)]
    assert "the loss is not finite at step" in failed[0]["failed"]
    assert results["cells"][0]["recipe"]["learning_rate"] == 0.0011
    again = compare.compare(wanted, tmp_path, jobs=0, progress=silent, trials=2)
    assert again == results
    assert len(rates) == 3, "it is not tried again"
    assert not list((tmp_path / "runs").iterdir())


def test_a_method_whose_trial_fails_otherwise_is_named_and_left_out(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(monkeypatch, "dch", RecipeError("", "no room", "make some"))
    told: list[str] = []
    results = compare.compare(
        cells(place, "dch,lsh"), tmp_path, jobs=0, progress=silent, trials=1, failed=lambda name, _: told.append(name)
    )
    assert told == ["dch, 16 bits, seed 0, a trial"]
    assert [cell["method"] for cell in results["cells"]] == ["lsh"]


def test_a_batch_that_exceeds_what_is_not_held_out_is_refused_before_anything_runs(place: Path, tmp_path: Path) -> None:
    """Of 26 training images trials hold out five or six."""
    wanted = cells(place, "csq", batch_size=24, warmup_steps=0)
    with pytest.raises(RecipeError, match="batch_size 24 is more than the 20 training images"):
        compare.compare(wanted, tmp_path, jobs=0, progress=silent, trials=1)


@pytest.fixture
def outcomes(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """What becomes of six cells in two processes, of which some kill theirs; and how often each was begun."""
    [cell] = cells(place, "lsh")
    works = [processes.Work(key, replace(cell, method=key), None, tmp_path / key) for key in "abcdef"]
    prepared = prepare(cell.recipe, tmp_path)
    fork = multiprocessing.get_context("fork")  # which starts at once, and with what is patched here
    monkeypatch.setattr(multiprocessing, "get_context", lambda kind: fork)
    monkeypatch.setattr(processes, "prepare", lambda *_: prepared)

    def of(deadly: str) -> tuple[dict[str, Any], Counter[str]]:
        def run(cell: Cell, *_: Any) -> Any:
            with (tmp_path / "begun").open("a") as file:
                file.write(cell.method)
            if cell.method in deadly:
                os.kill(os.getpid(), signal.SIGKILL)
            return {"method": cell.method}

        monkeypatch.setattr(processes, "run", run)
        found: dict[str, Any] = {}
        try:
            for work, outcome in processes.Workers(prepared, cell.recipe, 2).outcomes(works, None):
                assert work.key not in found
                found[work.key] = outcome
        except TransHashError as error:
            found["raised"] = str(error)
        return found, Counter((tmp_path / "begun").read_text())

    return of


@pytest.mark.parametrize("deadly", ["a", "c", "f", "be"])
def test_a_cell_that_kills_its_process_fails_alone(outcomes: Any, deadly: str) -> None:
    found, begun = outcomes(deadly)
    assert {key for key, outcome in found.items() if isinstance(outcome, TransHashError)} == set(deadly)
    assert all("same command again" in str(found[key]) for key in deadly)
    assert {key: found[key] for key in "abcdef" if key not in deadly} == {
        key: {"method": key} for key in "abcdef" if key not in deadly
    }
    assert max(begun.values()) <= 2


def test_where_every_cell_kills_its_process_not_all_are_tried(outcomes: Any) -> None:
    found, begun = outcomes("abcdef")
    assert "3 processes in a row ended before their cells did" in found.pop("raised")
    assert len(found) == processes.MOST_DEATHS
    assert not {"e", "f"} & set(begun)
