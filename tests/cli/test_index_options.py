"""transhash index --watch and --report, as a user meets them."""

from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from PIL import Image

import kinds
import transhash.model
from collection import draw
from fake_transhash import PROGRAM
from fittable_model import FittableModel
from kinds import draw as draw_kinds
from transhash.library.fitting import LEAST
from transhash.model.calibration import Calibration


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM])
def test_watch_tells_of_each_change_and_stops_cleanly(photos: Path, end: signal.Signals) -> None:
    command = [*PROGRAM, "index", "photos", "--watch", "--interval", "0.1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stdout.readline() == "6 pictures in photos/.transhash: 6 added\n"
        draw(photos / "new.tmp", 50).rename(photos / "new.png")  # as a whole
        assert process.stdout.readline() == "7 pictures in photos/.transhash: 1 added, 6 unchanged\n"
        photos.rename("away")
        assert process.stderr.readline().endswith("; waiting until that works again\n")
        Path("away").rename(photos)
        assert process.stderr.readline() == "the library is kept current again\n"
        (photos / "new.png").unlink()
        assert process.stdout.readline() == "6 pictures in photos/.transhash: 1 vanished, 6 unchanged\n"
        process.send_signal(end)

        assert process.communicate() == ("", "stopped watching\n")
        assert process.returncode == 0


def test_watch_begins_with_an_empty_folder_and_makes_no_library_there(photos: Path) -> None:
    """A drive may be mounted there, and hide it."""
    Path("inbox").mkdir()
    command = [*PROGRAM, "index", "inbox", "--watch", "--interval", "0.1", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert process.stderr.readline() == "no pictures yet: waiting for the first one\n"
        assert not list(Path("inbox").iterdir())
        (photos / "cat" / "cat-0.png").rename("inbox/a.png")
        assert json.loads(process.stdout.readline())["added"] == 1
        process.terminate()
        assert process.communicate() == ("", "stopped watching\n")
    assert process.returncode == 0


def test_watch_and_prune_are_not_for_one_another(run, photos: Path) -> None:
    result = run("index", "photos", "--watch", "--prune")

    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("--prune with --watch: a drive that is away")


def test_report_has_each_skipped_file(photos: Path) -> None:
    odd = photos / os.fsdecode(b'caf\xe9, "one".png')
    odd.write_bytes(b"bad")
    for number in range(7):
        (photos / f"{number}.jpg").write_bytes(b"")
    for file in photos.iterdir():
        os.utime(file, (1_600_000_000, 1_600_000_000))  # long ago: none is still being copied
    for name in ("skipped.jsonl", "skipped.csv"):
        done = subprocess.run([*PROGRAM, "index", "photos", "--report", name], stderr=subprocess.PIPE, check=False)
        assert done.returncode == 1
        assert b"and 2 more for the same reason (empty file); --report FILE names them all" in done.stderr.splitlines()

    as_json = [json.loads(line) for line in Path("skipped.jsonl").read_text().splitlines()]
    with open("skipped.csv", newline="", errors="surrogateescape") as file:
        assert list(csv.DictReader(file)) == as_json
    assert len(as_json) == 8
    assert as_json[0] == {
        "path": str(photos / "0.jpg"),
        "reason": "empty file",
        "remedy": "delete it or restore it from a copy",
    }
    assert as_json[-1]["path"] == str(odd)


@pytest.mark.parametrize("place", ["photos", "nowhere/skipped.csv"])
def test_a_report_that_cannot_be_written_stops_it_before_the_work(run, photos: Path, place: str) -> None:
    result = run("index", "photos", "--report", place)

    assert (result.code, result.out) == (2, "")
    assert result.err.startswith(f"{place}: ")
    assert not (photos / ".transhash").exists()


def test_general_codes_are_asked_for_in_time(run, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transhash.model.load", lambda *_, **__: FittableModel())
    draw_kinds(photos / "more", LEAST)
    assert f"fitted to these {LEAST + 6} pictures" in run("index", "photos").err
    assert f"codes     fitted to {LEAST + 6} pictures of this library" in run("info", "-l", "photos").out
    late = run("index", "photos", "--general")
    assert late.code == 2
    assert "cannot stay general (--general); make another library" in late.err
    assert run("index", "photos", "--general", "-l", "other/library").code == 0
    assert "codes     general" in run("info", "-l", "other/library").out
    assert "codes     fitted" in run("info", "-l", "photos").out


def test_pictures_without_an_embedding_are_encoded_again(run, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transhash.model.load", lambda *_, **__: FittableModel())
    assert run("index", "photos").code == 0
    assert run("export", "-l", "photos", "--to", "codes.parquet", "--no-vectors").code == 0
    shutil.rmtree(photos / ".transhash")
    monkeypatch.chdir(photos)
    assert run("import", "../codes.parquet").code == 0
    part = run("index", "cat", "-l", ".transhash")
    assert (part.code, part.out) == (0, "6 pictures in .transhash: 3 unchanged\n")
    assert "3 pictures had no embedding, encoded again" in part.err
    assert "3 pictures have no embedding, which fitted codes need; index their folders as well" in part.err
    whole = run("index", ".", "-l", ".transhash").err
    assert "3 pictures had no embedding, encoded again" in whole
    assert "have no embedding" not in whole


def test_first_frames_are_said_once(run, photos: Path) -> None:
    frames = [Image.new("RGB", (20, 20), colour) for colour in ("red", "blue")]
    for name in ("a.gif", "b.webp", "c.tiff"):
        frames[0].save(photos / name, save_all=True, append_images=frames[1:])

    result = run("index", "photos")
    assert (result.code, result.err) == (0, "3 animated or multi-page files: the first frame is taken\n")
    assert run("index", "photos").err == ""


@pytest.fixture
def model(run, monkeypatch: pytest.MonkeyPatch) -> FittableModel:
    """The model that is loaded by every name; libraries of seventy pictures fit its codes."""
    model = FittableModel()
    model.calibration = model.own_calibration = Calibration(0.9, 12.0, 3.0, 1000, "a test")
    monkeypatch.setattr(transhash.model, "load", lambda name=None, bits=None: model)
    monkeypatch.setattr("transhash.library.fitting.LEAST", 70)
    return model


def test_index_says_that_fitted_codes_of_a_model_without_likeness_give_no_probabilities(
    run, tmp_path: Path, model: FittableModel
) -> None:
    kinds.draw(tmp_path / "photos", 70)
    said = run("index", tmp_path / "photos").err
    assert "codes are now fitted to these 70 pictures" in said
    assert "no probabilities" in said
    assert "transhash evaluate /nowhere/fake --calibrate" in said


def test_index_says_nothing_of_probabilities_that_stay(run, tmp_path: Path, model: FittableModel) -> None:
    model.likeness = kinds.LIKENESS
    kinds.draw(tmp_path / "photos", 70)
    said = run("index", tmp_path / "photos").err
    assert "codes are now fitted to these 70 pictures" in said
    assert "probabilities" not in said


def test_a_new_library_says_once_that_it_leaves_the_codes_of_a_fitted_model(
    run, tmp_path: Path, model: FittableModel
) -> None:
    model.made_by_fit = True
    kinds.draw(tmp_path / "photos", 70)
    first = run("index", tmp_path / "photos")
    assert "fake was fitted already" in first.err
    assert "codes are now fitted" not in first.err
    assert run("index", tmp_path / "photos").err == ""
