"""Bulk encoding: every picture once, from every kind of source, whatever is killed."""

from __future__ import annotations

import io
import json
import os
import random
import signal
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from collection import draw
from transhash import load
from transhash.bulk import encode
from transhash.bulk.encode import Encoder, actors, write_shard
from transhash.bulk.files import place
from transhash.bulk.plan import made
from transhash.errors import DataError
from transhash.model import HashModel

pytest.importorskip("fsspec", reason="no fsspec: pip install 'transhash[encode]'")
bulk = import_module("transhash.bulk.encode")  # as an attribute of the package it is the function
PROGRAM = [sys.executable, "-m", "transhash", "encode"]


@pytest.fixture(scope="module")
def model() -> HashModel:
    return load()


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """40 pictures in two folders, one broken file, one that is hidden."""
    folder = tmp_path_factory.mktemp("bulk") / "photos"
    for number in range(40):
        path = folder / ("cat" if number % 2 else "dog") / f"{number:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.random.default_rng(number).integers(0, 256, (16, 16, 3), np.uint8)).save(path)
    (folder / "cat" / "broken.jpg").write_bytes(b"no picture")
    (folder / ".hidden").mkdir()
    (folder / ".hidden" / "x.jpg").write_bytes(b"")
    (folder / "notes.txt").write_text("")
    return folder


def rows(folder: Path) -> list[dict[str, object]]:
    return [row for file in sorted(folder.glob("codes-*.parquet")) for row in pq.read_table(file).to_pylist()]


def check_folder(to: Path, photos: Path, model: HashModel) -> None:
    """Every picture once, with the code that the model gives it."""
    paths = sorted(photos.rglob("*.[pj][np]g"))
    paths = [path for path in paths if ".hidden" not in path.parts]
    found = {str(row["uri"]): row for row in rows(to)}
    assert len(found) == len(rows(to)) == len(paths)
    assert sorted(found) == sorted(map(str, paths))
    good = [path for path in paths if path.stem != "broken"]
    codes = model.encode(good)
    assert [found[str(path)]["code"] for path in good] == [code.tobytes() for code in codes]
    assert {found[str(path)]["label"] == path.parent.name for path in paths} == {True}
    broken = found[str(photos / "cat" / "broken.jpg")]
    assert broken["code"] is None
    assert "not a picture" in str(broken["error"]) or broken["error"]
    assert {row["fingerprint"] for row in found.values()} == {model.fingerprint}
    said = json.loads((to / "manifest.json").read_text())
    assert (said["pictures"], said["failed"]) == (41, 1)
    assert not list(to.glob(".writing-*"))


def test_a_folder(photos: Path, tmp_path: Path, model: HashModel) -> None:
    report = encode(photos, tmp_path, model, shard_size=7)
    assert (report.shards, report.pictures, report.failed, report.done_now) == (6, 41, 1, 6)
    check_folder(tmp_path, photos, model)


def test_what_is_done_is_not_done_again(photos: Path, tmp_path: Path, model: HashModel) -> None:
    encode(photos, tmp_path, model, shard_size=7)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("codes-*")}
    (tmp_path / "codes-000003.parquet").unlink()
    assert encode(photos, tmp_path, model, shard_size=7).done_now == 1
    after = {path: path.stat().st_mtime_ns for path in tmp_path.glob("codes-*")}
    assert [path.name for path in before if before[path] != after[path]] == ["codes-000003.parquet"]
    check_folder(tmp_path, photos, model)
    with pytest.raises(DataError, match="another shard_size"):
        encode(photos, tmp_path, model, shard_size=8)


def test_a_url_of_fsspec_at_both_ends(photos: Path, model: HashModel) -> None:
    import fsspec

    store = fsspec.filesystem("memory")
    store.put(str(photos / "cat"), "/bucket/cat", recursive=True)
    report = encode("memory://bucket/cat", "memory://result", model, shard_size=9)
    assert (report.pictures, report.failed) == (21, 1)
    found = [
        row
        for path in store.ls("/result", detail=False)
        if path.endswith(".parquet")
        for row in pq.read_table(io.BytesIO(store.cat_file(path))).to_pylist()
    ]
    assert len({row["uri"] for row in found}) == 21
    assert all(row["uri"].startswith("memory://bucket/cat/") for row in found)


@pytest.fixture(scope="module")
def table(photos: Path) -> pa.Table:
    paths = sorted((photos / "dog").glob("*.png"))
    return pa.table(
        {
            "image": [{"bytes": path.read_bytes(), "path": path.name} for path in paths],
            "label": pa.array([None, *range(1, len(paths))], pa.int64()),
            "vector": [[1.0]] * len(paths),
        }
    )


def test_parquet_of_several_row_groups(table: pa.Table, photos: Path, tmp_path: Path, model: HashModel) -> None:
    pq.write_table(table.slice(0, 11), tmp_path / "a.parquet", row_group_size=4)
    pq.write_table(table.slice(11), tmp_path / "b.parquet", row_group_size=4)
    encode(tmp_path, tmp_path / "to", model, shard_size=3)
    found = rows(tmp_path / "to")
    assert [row["label"] for row in found] == table["label"].to_pylist()
    codes = model.encode(sorted((photos / "dog").glob("*.png")))
    assert [row["code"] for row in found] == [code.tobytes() for code in codes]
    assert len({row["uri"] for row in found}) == 20
    assert "vector" not in found[0]


@pytest.mark.parametrize("name", ["uri", "title"])
def test_texts_that_are_not_utf8_are_named(name: str, table: pa.Table, tmp_path: Path, model: HashModel) -> None:
    texts = pa.array([b"caf\xe9"]).view(pa.string())
    pq.write_table(table.slice(0, 1).append_column(name, texts), tmp_path / "x.parquet")
    with pytest.raises(DataError, match=r"x\.parquet: cannot be read as Parquet \(.*UTF8"):
        encode(tmp_path / "x.parquet", tmp_path / "to", model)


def test_lance(table: pa.Table, tmp_path: Path, model: HashModel) -> None:
    lance = pytest.importorskip("lance", reason="no Lance: pip install 'transhash[lance]'")
    lance.write_dataset(table, tmp_path / "set.lance", max_rows_per_file=6)
    encode(tmp_path / "set.lance", tmp_path / "lance", model, shard_size=8)
    pq.write_table(table, tmp_path / "set.parquet")
    encode(tmp_path / "set.parquet", tmp_path / "parquet", model, shard_size=8)
    one, other = rows(tmp_path / "lance"), rows(tmp_path / "parquet")
    assert [(row["code"], row["label"]) for row in one] == [(row["code"], row["label"]) for row in other]


def test_nothing_to_encode_is_said(tmp_path: Path, model: HashModel) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match="no pictures"):
        encode(tmp_path / "empty", tmp_path / "to", model)
    with pytest.raises(DataError, match="nothing there"):
        encode(tmp_path / "nowhere", tmp_path / "to", model)
    pq.write_table(pa.table({"x": [1]}), tmp_path / "x.parquet")
    with pytest.raises(DataError, match="no column"):
        encode(tmp_path / "x.parquet", tmp_path / "to", model)


def test_a_killed_run_goes_on(photos: Path, tmp_path: Path, model: HashModel) -> None:
    command = [*PROGRAM, str(photos), "--to", str(tmp_path), "--shard-size", "2"]
    rng, killed = random.Random(0), 0
    for _ in range(4):
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as run:
            until = len(list(tmp_path.glob("codes-*"))) + 3
            while run.poll() is None and len(list(tmp_path.glob("codes-*"))) < until:
                time.sleep(0.005)
            time.sleep(rng.random() / 50)
            run.send_signal(signal.SIGKILL)
        killed += run.returncode == -signal.SIGKILL
    assert killed
    assert subprocess.run(command, check=False, capture_output=True).returncode == 1  # a picture is broken
    check_folder(tmp_path, photos, model)


def test_ray_gives_the_same_though_a_worker_is_killed(photos: Path, tmp_path: Path, model: HashModel) -> None:
    pytest.importorskip("ray", reason="no Ray: pip install 'transhash[ray]'")
    psutil = pytest.importorskip("psutil")
    command = [*PROGRAM, str(photos), "--to", str(tmp_path), "--shard-size", "2", "--engine", "ray", "--workers", "2"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as run:
        while run.poll() is None and not list(tmp_path.glob("codes-*")):
            time.sleep(0.01)
        workers = [
            child
            for child in psutil.Process(run.pid).children(recursive=True)
            if "MapWorker" in " ".join(child.cmdline())
        ]
        assert workers
        workers[0].kill()
        said = run.communicate()[0]
    assert run.returncode == 1, said
    check_folder(tmp_path, photos, model)


@pytest.mark.parametrize(
    ("resources", "workers", "shards", "wanted"),
    [
        ({"CPU": 8.0}, 4, 100, (4, 1, 0)),
        ({"CPU": 8.0}, 4, 3, (3, 1, 0)),
        ({"CPU": 16.0, "GPU": 2.0}, 16, 100, (2, 8, 1)),
        ({"CPU": 16.0, "GPU": 8.0}, 16, 3, (3, 2, 1)),
        ({"CPU": 2.0, "GPU": 4.0}, 2, 100, (4, 1, 1)),
    ],
)
def test_actors_share_out_the_gpus_or_else_the_cores(
    resources: dict[str, float], workers: int, shards: int, wanted: tuple[int, int, int]
) -> None:
    assert actors(resources, workers, shards) == wanted


def test_actors_of_ray_have_a_gpu_each(
    photos: Path, tmp_path: Path, model: HashModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """GPUs that Ray is told of and nobody has: each actor is given one, and encodes on the CPU."""
    ray = pytest.importorskip("ray", reason="no Ray: pip install 'transhash[ray]'")
    given = tmp_path / "given"
    given.mkdir()

    class Telling(Encoder):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            (given / os.environ["CUDA_VISIBLE_DEVICES"]).touch()

    monkeypatch.setattr(bulk, "Encoder", Telling)
    ray.init(address="local", num_cpus=2, num_gpus=2, include_dashboard=False, log_to_driver=False)
    try:
        encode(photos, tmp_path / "to", model, engine="ray", shard_size=10)
    finally:
        ray.shutdown()
    assert {path.name for path in given.iterdir()} == {"0", "1"}
    check_folder(tmp_path / "to", photos, model)


@pytest.mark.parametrize("name", ["a::b", "a*[b]?", "a#b%20"])
@pytest.mark.parametrize("kind", ["files", "parquet"])
def test_a_folder_may_have_any_name(
    name: str, kind: str, tmp_path: Path, model: HashModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw(tmp_path / "a" / "of another folder.png", 1)
    picture = draw(tmp_path / name / "a.png", 0)
    if kind == "parquet":
        pq.write_table(pa.table({"image": [picture.read_bytes()]}), picture.with_suffix(".parquet"))
        picture.unlink()
    monkeypatch.chdir(tmp_path)
    for source, to in ((name, Path("to") / name), (tmp_path / name, tmp_path / "whole" / name)):
        assert encode(source, to, model).failed == 0
        (row,) = rows(to)
        assert f"/{name}/a." in f"/{row['uri']}"


@pytest.mark.parametrize("is_mounted", [False, True])
def test_a_drive_that_went_away_stops_the_run(is_mounted: bool, tmp_path: Path, model: HashModel) -> None:
    folder, to = draw(tmp_path / "photos" / "a.png", 0).parent, place(tmp_path / "to")
    plan = made(to, str(folder), model, 1000, None)
    folder.rename(tmp_path / "away")
    if is_mounted:  # as an empty folder
        folder.mkdir()
    with pytest.raises(DataError, match=r"gone or empty, as the folder of a drive that is away; .* goes on from here"):
        write_shard(plan, to, model, 0, 1)
    assert not list((tmp_path / "to").glob("codes-*"))
