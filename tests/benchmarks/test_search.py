"""The comparison of search engines, on few codes."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from benchmarks.search import billion, compare, enlarged, peers, plots
from benchmarks.search import measure as bench
from transhash.errors import DataError
from transhash.model.fitted import embedding, fit_head
from transhash.search import HammingIndex


@pytest.fixture(autouse=True)
def few_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "PAUSE", 0.0)
    monkeypatch.setattr(bench, "ROUNDS", 2)
    monkeypatch.setattr(billion, "ROUNDS", 2)


def test_every_engine_is_measured_and_what_is_there_is_not_measured_again(tmp_path: Path) -> None:
    out = tmp_path / "search.json"
    rows = bench.run(["clustered"], [3000], peers.ENGINES, out, k=10)
    assert {row["engine"] for row in rows} == set(peers.ENGINES)
    for row in rows:
        assert row["size"] == 3000
        assert row["recall"] == 1 or row["engine"] in peers.EFFORTS
        assert min(row["batch_s"] + row["single_s"]) > 0
        assert ("bytes_a_code" in row) == (row["engine"] in peers.EXACT and row["engine"] != "faiss Flat")
        if row["engine"] == "transhash":
            assert min(row["written_s"].values()) > 0
            assert row["written_s"].keys() == row["hits"].keys()
    hits = [row["hits"] for row in rows if row["engine"] in peers.EXACT]
    assert hits == hits[:1] * len(peers.EXACT)

    again: list[object] = []
    assert bench.run(["clustered"], [3000], peers.ENGINES, out, k=10, report=again.append) == rows
    assert again == []
    assert json.loads(out.read_text()) == rows
    more = bench.run(["uniform"], [3000], ["transhash"], out, k=10, report=again.append)
    assert (len(again), len(more)) == (1, len(rows) + 1)

    files = plots.search(more, tmp_path)
    assert {file.name for file in files} == {
        f"{name}.{kind}" for name in ("search-time", "search-recall") for kind in ("png", "svg")
    }
    for file in files:
        assert file.stat().st_size > 1000
    assert bench.table(more).count("\n") == 2  # only where Faiss was measured too
    assert bench.engines(more).count("\n") == 2 + len(peers.ENGINES)


def test_real_codes_are_enlarged_at_the_rate_at_which_neighbours_differ(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    bits = np.repeat(rng.integers(0, 2, (50, 64)), 20, axis=0)  # 50 clusters of 20
    bits[:, :8] ^= rng.random((1000, 8)) < 0.2  # whose members differ in the first byte alone
    np.save(tmp_path / "mine.npy", np.packbits(bits, axis=1))
    codes = peers.make_codes(str(tmp_path / "mine.npy"), 5000, 64)
    assert codes.shape == (5000, 8)
    known = {row.tobytes() for row in np.packbits(bits, axis=1)[:, 1:]}
    assert {row.tobytes() for row in codes[:, 1:]} <= known
    assert len(np.unique(codes, axis=0)) > 1000 > len(known)


def test_codes_of_embeddings_are_those_of_a_library_that_grew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    random = np.random.default_rng(0)
    kept = embedding(np.repeat(random.normal(size=(40, 64)), 20, axis=0) + 0.5 * random.normal(size=(800, 64)))
    np.save(tmp_path / "mine.npy", kept)
    codes, again, others = (peers.make_codes(str(tmp_path / "mine.npy"), 3000, 64, seed) for seed in (0, 0, 1))
    assert codes.shape == (3000, 8)
    np.testing.assert_array_equal(codes, again)
    assert (codes != others).any()
    real = {row.tobytes() for row in fit_head(kept, 64).codes(kept)}
    assert real <= {row.tobytes() for row in codes}
    assert len(peers.make_codes(str(tmp_path / "mine.npy"), 500, 64)) == 500

    monkeypatch.setattr("sys.argv", ["enlarged", str(tmp_path / "mine.npy"), "--of", "400", "--bits", "64"])
    enlarged.main()
    photographs, grown, flipped = (
        [int(cell) for cell in line.split("|")[4:7]] for line in capsys.readouterr().out.splitlines()[2:]
    )
    assert abs(grown[1] - photographs[1]) <= 3  # of clusters of ten and twenty, in which noise is as large
    assert flipped[1] > photographs[1]


def test_a_file_that_holds_no_codes_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"absent\.npy"):
        peers.make_codes(str(tmp_path / "absent.npy"), 10, 64)
    np.save(tmp_path / "wide.npy", np.zeros((100, 4), np.uint8))
    with pytest.raises(DataError, match=r"N, 8"):
        peers.make_codes(str(tmp_path / "wide.npy"), 10, 64)


def test_the_program_measures_prints_and_draws(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(*arguments: str, out: str = "b") -> str:
        monkeypatch.setattr("sys.argv", ["compare", *arguments, "--out", str(tmp_path / out)])
        compare.main()
        return capsys.readouterr().out

    monkeypatch.setattr(compare, "SUITE", (("blobs", 64, (2e3,)),))
    printed = run("--suite", "public", "-k", "5", "--engine", "transhash", "--engine", "transhash budget", out="suite")
    assert "| blobs | 64 | 2,000 | transhash |" in printed

    asked = ("--codes", "uniform", "--size", "2e3", "-k", "5", "--engine", "transhash", "--engine", "faiss Flat")
    assert "| uniform | 64 | 2,000 |" in run(*asked)
    drawn = tmp_path / "b" / "search-time.png"
    drawn.unlink()
    run("--plot")
    assert drawn.exists()
    assert run(*asked, "--json") == ""  # nothing is measured again

    with pytest.raises(SystemExit, match="2"):
        run("--engine", "annoy")
    assert "faiss HNSW" in capsys.readouterr().err
    with pytest.raises(SystemExit, match="2"):
        run("--plot", out="empty")
    assert "measure first" in capsys.readouterr().err


def test_an_index_built_on_disk_is_measured_and_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(billion, "RESULT", tmp_path / "billion.json")
    monkeypatch.setattr(billion, "PIECE", 1000)
    for _ in range(2):  # the second row replaces the first, and has the same building
        monkeypatch.setattr("sys.argv", ["billion", "--codes", "clustered", "--size", "3500", "--at", str(tmp_path)])
        billion.main()
    assert "| clustered | 3,500 |" in capsys.readouterr().out
    [row] = json.loads((tmp_path / "billion.json").read_text())
    assert (row["checked"], row["peer"]) == (16, 3500)
    assert len(list(tmp_path.glob("*.hamming*"))) == 1


def test_the_oracle_finds_an_index_that_lacks_a_code() -> None:
    codes = peers.make_codes("clustered", 3000, 64)
    oracle = billion.Oracle(codes[:2])
    index = HammingIndex(64)
    index.add(codes)
    for first in range(0, 3000, 700):
        oracle.see(codes[first : first + 700], first)
    oracle.check(index)
    index.remove([int(index.search(codes[1:2], 7)[1][0, 6])])
    with pytest.raises(SystemExit, match="does not find"):
        oracle.check(index)


def test_what_ann_benchmarks_asks_for_finds_the_nearest(tmp_path: Path) -> None:
    folder = tmp_path / "algorithms"
    shutil.copytree(Path(compare.HERE, "ann_benchmarks"), folder / "transhash")
    (folder / "base").mkdir()
    (folder / "base" / "module.py").write_text("class BaseANN:\n    pass\n")
    program = (
        "import numpy as np; from algorithms.transhash.module import TransHash;"
        "X = np.random.default_rng(0).random((900, 60)) > 0.5;"
        "found = TransHash('hamming'); found.fit(X); [first] = [found.query(X[7], 5)];"
        "found.set_query_arguments(500); found.batch_query(X[:9], 5);"
        "nearest = (X[:9, None] ^ X).sum(axis=2).argsort(axis=1, kind='stable')[:, :5];"
        "assert (found.get_batch_results() == nearest).all() and (first == nearest[7]).all(); print(found)"
    )
    ended = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    told = [line for line in ended.stderr.splitlines() if not line.startswith("compiling for this machine")]
    assert (ended.stdout, told) == ("TransHash(effort=500)\n", [])
