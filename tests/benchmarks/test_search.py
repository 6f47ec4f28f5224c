"""The comparison of search engines, on few codes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from benchmarks.search import billion, compare, peers, plots
from benchmarks.search import measure as bench
from transhash.errors import DataError
from transhash.search import HammingIndex


def test_every_engine_is_measured_and_what_is_there_is_not_measured_again(tmp_path: Path) -> None:
    out = tmp_path / "search.json"
    rows = bench.run(["clustered"], [3000], peers.ENGINES, out, k=10)
    assert {row["engine"] for row in rows} == set(peers.ENGINES)
    for row in rows:
        assert row["size"] == 3000
        assert row["recall"] == 1 or row["engine"] in peers.EFFORTS
        assert min(row["batch_s"] + row["single_s"]) > 0
        assert ("bytes_a_code" in row) == row["engine"].startswith("transhash")
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
    assert "3,500 clustered codes: built in" in capsys.readouterr().out
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
