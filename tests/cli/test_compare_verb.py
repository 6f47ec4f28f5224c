"""transhash compare, run as people run it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from program import run_here
from transhash.comparison import compare as comparison
from transhash.errors import TransHashError

COMMON = (
    "--dataset", "folder", "--image-size", "28", "--bits", "16", "--jobs", "1", "--set", "epochs=2",
    "--set", "batch_size=8", "--set", "cached_views=1", "--set", "precision=float32",
)  # fmt: skip


def words(place: Path, out: Path, *more: str) -> list[str]:
    where = ("--data", str(place / "data"), "--backbone", str(place / "vit.safetensors"), "--out", str(out))
    return ["compare", *COMMON, *where, *more]


def compare(place: Path, out: Path, *more: str) -> subprocess.CompletedProcess[str]:
    return run_here(*words(place, out, *more))


@pytest.fixture(scope="module")
def done(place: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    out = tmp_path_factory.mktemp("compare")
    return out, compare(place, out, "--methods", "lsh,transhash")


def test_a_table_on_standard_output_and_everything_in_the_folder(
    done: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    out, result = done
    assert result.returncode == 0, result.stderr
    table = (out / "table.md").read_text()
    assert result.stdout == table
    assert "| transhash |" in table
    assert "| lsh |" in table
    assert "transhash, 16 bits, seed 0: mAP ." in result.stderr.replace("mAP 0.", "mAP .").replace("mAP 1.", "mAP .")
    assert r"\toprule" in (out / "table.tex").read_text()
    assert len((out / "table.csv").read_text().splitlines()) == 3
    for curve in ("map", "precision-radius-2", "precision-recall", "precision-at"):
        assert (out / f"{curve}.png").read_bytes().startswith(b"\x89PNG")
        assert "</svg>" in (out / f"{curve}.svg").read_text()


def test_when_no_run_has_ended_it_says_how_to_go_on(place: Path, tmp_path: Path) -> None:
    result = compare(place, tmp_path, "--methods", "lsh", "--minutes", "0")
    assert result.returncode == 0, result.stderr
    assert result.stdout == ""
    assert "give the same command again, with more --minutes" in " ".join(result.stderr.split())


def test_what_has_no_table_is_no_traceback(
    place: Path,
    done: tuple[Path, subprocess.CompletedProcess[str]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    results = json.loads((done[0] / "results.json").read_text())
    variant = {**results["cells"][0], "method": "transhash: K = 1"}
    for cells in ([], [variant]):  # of the latter the method as it is has failed
        (tmp_path / "results.json").write_text(json.dumps({**results, "cells": cells}))
        result = compare(place, tmp_path, "--plot", str(tmp_path))
        assert result.returncode == 2
        assert "no run has ended that a table could show; run the comparison first" in " ".join(result.stderr.split())

    def fails(*_: Any, failed: Any, **__: Any) -> dict[str, Any]:
        failed("transhash, 16 bits, seed 0", TransHashError("", "its process ended", "try again"))
        return {**results, "cells": [variant]}

    monkeypatch.setattr(comparison, "compare", fails)
    result = compare(place, tmp_path / "out", "--ablate", "K=1")
    assert result.returncode == 1
    assert "runs that failed: 1" in result.stderr


def test_plot_redraws_from_the_results_alone(
    place: Path, done: tuple[Path, subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    out, _ = done
    (tmp_path / "results.json").write_bytes((out / "results.json").read_bytes())
    result = compare(place, tmp_path, "--plot", str(tmp_path))
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "table.md").read_text() == (out / "table.md").read_text()
    assert (tmp_path / "precision-recall.svg").exists()
    nothing = compare(place, tmp_path, "--plot", str(tmp_path / "nothing"))
    assert nothing.returncode == 2
    assert "run the comparison first" in nothing.stderr


def test_class_folders_have_settings_chosen_on_held_out_training_images(place: Path, tmp_path: Path) -> None:
    chosen = ("--methods", "dch,lsh", "--streams", "1,2", "--trials", "2")
    result = compare(place, tmp_path, "--protocol", "folder-20", *chosen)
    assert result.returncode == 0, result.stderr
    results = json.loads((tmp_path / "results.json").read_text())
    assert results["protocol"] == "folder-20"
    assert [trial["method"] for trial in results["trials"]] == 2 * ["dch"] + 2 * ["dch-dual"]
    assert {trial["recipe"]["validation"] for trial in results["trials"]} == {0.2}
    assert [cell["method"] for cell in results["cells"]] == ["dch", "dch-dual", "lsh"]
    assert "2 trials each" in result.stdout


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--methods", "nohash"), "no method is called 'nohash'"),
        (("--methods", "lsh", "--bits", "many"), "no numbers"),
        (("--methods", "transhash", "--set", "loss.gama=3"), "no hyper-parameter 'gama'"),
        (("--methods", "lsh", "--protocol", "nowhere"), "no protocol is called 'nowhere'"),
        (("--methods", "transhash", "--bits", "20"), "cannot be packed"),
    ],
)
def test_what_cannot_be_run_is_one_sentence(place: Path, tmp_path: Path, more: tuple[str, ...], message: str) -> None:
    result = compare(place, tmp_path / "out", *more)
    assert result.returncode == 2
    assert message in " ".join(result.stderr.replace("│", " ").split())
    assert "Traceback" not in result.stderr


def test_a_run_that_fails_is_named_and_the_others_have_their_table(place: Path, tmp_path: Path) -> None:
    result = compare(place, tmp_path, "--methods", "itq,lsh", "--bits", "16,128")
    assert result.returncode == 1
    said = " ".join(result.stderr.split())
    assert "itq, 128 bits, seed 0: failed (128 bits need more than 128 pictures" in said
    assert "runs that failed: 1; the others are in" in said
    assert [cell["method"] for cell in json.loads((tmp_path / "results.json").read_text())["cells"]] == [
        "itq", "lsh", "lsh",
    ]  # fmt: skip
    assert result.stdout == (tmp_path / "table.md").read_text()


def started(place: Path, out: Path) -> tuple[subprocess.Popen[str], list[int]]:
    """A comparison in the middle of a long cell, and its workers."""
    program = subprocess.Popen(
        [sys.executable, "-m", "transhash", *words(place, out, "--methods", "transhash", "--set", "epochs=2000")],
        stderr=subprocess.PIPE, text=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while not list((out / "runs").glob("*/run.yaml")):
        assert time.monotonic() < deadline
        assert program.poll() is None
        time.sleep(0.1)
    children = Path(f"/proc/{program.pid}/task/{program.pid}/children")
    if not children.exists():
        program.kill()
        pytest.skip("this system does not list a process's children")
    workers = [
        child
        for child in map(int, children.read_text().split())
        if "spawn_main" in Path(f"/proc/{child}/cmdline").read_text()
    ]
    assert workers
    return program, workers


def test_a_killed_worker_is_told_and_the_same_command_goes_on(place: Path, tmp_path: Path) -> None:
    first, workers = started(place, tmp_path)
    for worker in workers:
        os.kill(worker, signal.SIGKILL)
    _, errors = first.communicate(timeout=60)
    assert first.returncode == 2
    assert "same command again" in errors
    again = compare(place, tmp_path, "--methods", "transhash,lsh")
    assert again.returncode == 0, again.stderr
    cells = json.loads((tmp_path / "results.json").read_text())["cells"]
    assert {cell["method"] for cell in cells} == {"transhash", "lsh"}


def test_workers_end_with_a_program_that_is_killed(place: Path, tmp_path: Path) -> None:
    program, workers = started(place, tmp_path)
    program.kill()
    program.communicate(timeout=60)
    deadline = time.monotonic() + 30
    while any(_runs(worker) for worker in workers):
        assert time.monotonic() < deadline, "a worker goes on without its program"
        time.sleep(0.1)


def _runs(process: int) -> bool:
    status = Path(f"/proc/{process}/status")
    return status.exists() and "\nState:\tZ" not in status.read_text()


def test_an_ablation_prints_its_table_and_draws_it_again(place: Path, tmp_path: Path) -> None:
    """A batch that is larger than the training images, and groups that 16 bits do not give, are left out and named."""
    result = compare(place, tmp_path, "--ablate", "K", "--ablate", "batch=4,512", "--seeds", "2")
    assert result.returncode == 0, result.stderr
    rows = [line.split(" | ")[0] for line in result.stdout.splitlines()[2:]]
    assert rows == ["| transhash, as it is", "| K = 1", "| batch = 4"]
    assert "transhash: K = 4, 16 bits: left out (16 bits cannot be split" in result.stderr
    assert "transhash: batch = 512: left out (batch_size 512 is more than" in result.stderr
    assert result.stdout == (tmp_path / "ablation.md").read_text()
    assert "K = 1" not in (tmp_path / "table.md").read_text()
    (tmp_path / "ablation.svg").unlink()
    again = compare(place, tmp_path, "--plot", str(tmp_path))
    assert again.returncode == 0, again.stderr
    assert "</svg>" in (tmp_path / "ablation.svg").read_text()
    refused = compare(place, tmp_path, "--ablate", "K", "--trials", "3")
    assert refused.returncode == 2
    assert "trials change settings too" in " ".join(refused.stderr.replace("│", " ").split())
