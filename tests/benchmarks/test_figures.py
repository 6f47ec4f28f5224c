"""Tables of measurements in the documents are what the stored results say."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.search import measure, scale

ROOT = Path(__file__).parents[2]
SEARCH, PLANE, SCALE = (
    json.loads((ROOT / f"benchmarks/results/{name}.json").read_text("utf-8")) for name in ("search", "plane", "scale")
)


def page(name: str) -> str:
    return (ROOT / "docs" / f"{name}.md").read_text("utf-8")


def test_search_against_faiss() -> None:
    assert measure.table(SEARCH) in page("search")
    without = json.loads((ROOT / "benchmarks/results/search-avx2/search.json").read_text("utf-8"))
    assert measure.table(without) in page("search")
    assert all("NUMBA_CPU_FEATURES=" in row["machine"] and "FAISS_SIMD_LEVEL=AVX2" in row["machine"] for row in without)


@pytest.mark.parametrize("switched", ["", "-avx2"])
def test_search_among_codes_of_photographs(switched: str) -> None:
    rows = json.loads((ROOT / f"benchmarks/results/search-photographs{switched}/search.json").read_text("utf-8"))
    assert measure.table(rows) in page("search")
    assert bool(switched) == all("NUMBA_CPU_FEATURES=" in row["machine"] for row in rows)


def test_the_readme_says_how_many_times_faster_than_faiss() -> None:
    def times(codes: str) -> str:
        of = {row["engine"]: row for row in SEARCH if (row["codes"], row["size"], row["bits"]) == (codes, 10**7, 64)}
        return f"{measure.per_query(of['faiss Flat']) / measure.per_query(of['transhash']):.0f}"

    said = (
        f"{times('real')} to {times('clustered')} times as fast on real and clustered codes, {times('uniform')} times"
    )
    assert said in (ROOT / "README.md").read_text("utf-8")


@pytest.mark.parametrize("switched", ["", "-avx2"])
def test_how_far_from_the_floor_a_search_in_tables_is(switched: str) -> None:
    rows = json.loads((ROOT / f"benchmarks/results/search-xeon{switched}/search.json").read_text("utf-8"))
    assert measure.at_the_floor(rows) in page("search")
    theirs, ours = map(measure.per_query, rows)
    assert f"{theirs / ours:.1f} times as fast as Faiss" in page("search")
    assert bool(switched) == ("NUMBA_CPU_FEATURES=" in rows[0]["machine"])


def test_engines_that_trade_recall_for_time() -> None:
    def cell(codes: str, engine: str) -> str:
        rows = [
            row
            for row in SEARCH
            if (row["codes"], row["engine"], row["size"], row["bits"]) == (codes, engine, 10**6, 64)
        ]
        good = [row for row in rows if row["recall"] >= 0.95]
        if not good:
            return f"never (at most {max(row['recall'] for row in rows):.3f})" if rows else "-"
        best = min(good, key=measure.per_query)
        shown = f"{measure.per_query(best):.4f}"
        return shown if engine == "transhash" else f"{shown} (recall {best['recall']:.3f})"

    engines = ("transhash", "faiss HNSW", "faiss IVF", "faiss MultiHash")
    for codes in ("real", "clustered", "uniform"):
        assert f"| {codes} | {' | '.join(cell(codes, engine) for engine in engines)} |" in page("search")


@pytest.mark.parametrize("part", [scale.million, scale.sizes, scale.check, scale.stragglers, scale.inverted])
def test_more_than_one_machine(part: Callable[[dict[str, Any]], str]) -> None:
    assert part(SCALE) in page("scale")


@pytest.mark.parametrize("way", ["transformers", "float32", *(f"8 bits, {side} pixels" for side in (70, 56, 98))])
def test_speed_of_encoding(way: str) -> None:
    cost = {name: each["processor"] for name, each in PLANE["milliseconds"].items()}
    cells = [f"{cost[way]:.2f}", f"{cost['transformers'] / cost[way]:.1f}" if way != "transformers" else "1"]
    cells.append(f"{PLANE['floor_milliseconds'][way]:.2f}" if way in PLANE["floor_milliseconds"] else "")
    quality = PLANE["map"].get(way, {})
    cells += [f"{quality[name]:.2f}" if quality else "" for name in ("cifar10", "tiny-imagenet")]
    lines = [line.replace("**", "") for line in page("encoding").splitlines()]
    head = {"transformers": "transformers, float32", "float32": "float32, 70 pixels"}.get(way, way)
    (row,) = [line for line in lines if line.startswith(f"| {head}")]
    shown = [cell.strip().replace("not measured", "") for cell in row.strip("|").split("|")[1:]]

    assert shown == cells
