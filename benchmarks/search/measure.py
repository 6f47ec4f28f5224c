"""Hamming search measured against its peers on the same codes, in one process, round by round.

Every result is in the file as soon as it is there, and what the file holds is not measured again.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.common import seconds
from benchmarks.search import floors
from benchmarks.search.peers import EFFORTS, Codes, Engine, Faiss, Ours, approximate, make_codes
from transhash.search import HammingIndex
from transhash.system import machine, replacing
from transhash.threads import workers

QUERIES = 500  # in a batch
SINGLES = 30  # queries asked one at a time
RADII = (2, 8)
MOST_WITHIN = 10_000_000  # codes: of learned ones a batch finds gigabytes within a radius
ROUNDS = 5
PAUSE = 0.3  # seconds before each engine's turn: threads of the one before may still be waiting in a loop for work
SLOW = 10.0  # seconds; a batch that takes longer is timed twice only
SWITCHES = "NUMBA_CPU_FEATURES", "FAISS_SIMD_LEVEL"  # by which kernels leave out what the processor can do
ENOUGH = 0.999  # recall, beyond which no greater effort is tried

Row = dict[str, Any]


def run(
    kinds: Sequence[str],
    sizes: Sequence[int],
    engines: Sequence[str],
    out: Path,
    *,
    bits: int = 64,
    k: int = 100,
    report: Callable[[Row], None] = lambda row: None,
    skipped: Callable[[str, str], None] = lambda engine, reason: None,
) -> list[Row]:
    """Measure `engines` on every kind and size of codes into the file `out`; all rows of that file.

    `report` gets each new row, `skipped` each engine that is not installed with the reason.
    """
    rows: list[Row] = json.loads(out.read_text()) if out.exists() else []
    for kind in kinds:
        for size in sizes:
            label = Path(kind).stem
            known = {row["engine"] for row in rows if (row["codes"], row["size"], row["bits"]) == (label, size, bits)}
            wanted = [name for name in engines if name not in known]
            if not wanted:
                continue
            codes = make_codes(kind, size + QUERIES, bits)
            facts = {"codes": label, "bits": bits, "size": size, "k": k, "machine": _machine()}
            for measured in _measure(codes[QUERIES:], codes[:QUERIES], wanted, k, skipped):
                for row in measured:
                    rows.append({**facts, **row})
                    report(rows[-1])
                with replacing(out) as file:
                    file.write(json.dumps(rows, indent=1).encode() + b"\n")
    return rows


def _machine() -> str:
    """The machine, and what of its processor is switched off."""
    switches = [f"{name}={os.environ[name]}" for name in SWITCHES if name in os.environ]
    return "; ".join([machine(), *switches])


def _measure(
    stored: Codes, queries: Codes, names: Sequence[str], k: int, skipped: Callable[[str, str], None]
) -> Iterator[list[Row]]:
    """The exact engines side by side, then those that trade recall for time, one after the other."""
    index = HammingIndex(stored.shape[1] * 8)
    begin, before = time.perf_counter(), resident()
    index.add(stored)
    built = time.perf_counter() - begin, resident() - before
    truth = index.search(queries, k)[0][:, -1:]
    exact: dict[str, Engine] = {}
    builds: dict[str, tuple[float, int]] = {}
    for name in names:
        if name in EFFORTS:
            continue
        begin, before = time.perf_counter(), resident()
        try:
            exact[name] = _exact(name, index, stored)
        except ImportError as error:
            skipped(name, str(error))
            continue
        own = name in {"faiss Flat", "transhash compact"}
        builds[name] = (time.perf_counter() - begin, resident() - before) if own else built
    rows = _timed(exact, queries, k, truth, RADII if len(stored) <= MOST_WITHIN else ())
    if "transhash scan" in rows:
        rows["transhash scan"]["floor"] = floors.of_scan(stored, queries)
    if "transhash" in rows:
        hits = rows["transhash"]["hits"]
        rows["transhash"]["written_s"] = {radius: floors.of_writing(count) for radius, count in hits.items()}
        if floor := floors.of_tables(stored, queries, truth[:, 0].astype(np.int64)):
            rows["transhash"]["floor"] = floor
    sizes = {name: each.index.nbytes / len(stored) for name, each in exact.items() if isinstance(each, Ours)}
    for name, size in sizes.items():
        rows[name]["bytes_a_code"] = size
    yield [
        {"engine": name, "effort": None, "build_s": builds[name][0], "grown": builds[name][1], **row}
        for name, row in rows.items()
    ]
    del exact
    for name in names:
        if name in EFFORTS:
            begin, before = time.perf_counter(), resident()
            try:
                engine = approximate(name, stored, workers())
            except ImportError as error:
                skipped(name, str(error))
                continue
            build, grown = time.perf_counter() - begin, resident() - before
            graded = []
            for effort in EFFORTS[name]:
                engine.set_effort(effort)
                [row] = _timed({name: engine}, queries, k, truth, ()).values()
                graded.append({"engine": name, "effort": effort, "build_s": build, "grown": grown, **row})
                if row["recall"] >= ENOUGH or row["batch_s"][0] > SLOW:
                    break
            yield graded
            del engine


def _exact(name: str, index: HammingIndex, stored: Codes) -> Engine:
    """An exact engine by its name, filled; `index` is filled already."""
    if name == "faiss Flat":
        return Faiss("Flat", stored)
    if name == "transhash compact":
        small = HammingIndex(index.bits, compact=True if 32 <= index.bits <= 64 else None)
        small.add(stored)
        return Ours(small, None)
    return Ours(index, name.partition(" ")[2] or None)


def _timed(engines: dict[str, Engine], queries: Codes, k: int, truth: Any, radii: Sequence[int]) -> dict[str, Row]:
    """Recall and times of each engine, all engines in turn in every round."""
    rows: dict[str, Row] = {}
    for name, engine in engines.items():  # warm: kernels compiled, pages there
        distances = engine.search(queries, k)
        engine.search(queries[:1], k)
        recall = float(((distances <= truth) & (distances >= 0)).mean())
        rows[name] = {"recall": recall, "batch_s": [], "single_s": [], "hits": {}, "radius_s": {}}
        for radius in radii:
            rows[name]["hits"][str(radius)] = engine.within(queries, radius)
            rows[name]["radius_s"][str(radius)] = []
    for turn in range(ROUNDS):
        for name, engine in engines.items():
            row = rows[name]
            time.sleep(PAUSE)
            if turn > 1 and row["batch_s"][0] > SLOW:
                continue
            row["batch_s"].append(seconds(engine.search, queries, k))
            if turn == 0:
                row["single_s"] = [seconds(engine.search, queries[q : q + 1], k) for q in range(SINGLES)]
            for radius in radii:
                row["radius_s"][str(radius)].append(seconds(engine.within, queries, radius))
    return rows


def resident() -> int:
    """Bytes of memory that this process holds: what an engine takes is by how much they grow, more or less."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def per_query(row: Row) -> float:
    """Milliseconds a query takes in a batch, the median of the rounds."""
    return float(np.median(row["batch_s"])) / QUERIES * 1e3


def line(row: Row) -> str:
    """A row for people: milliseconds a query in a batch, alone, and within each radius."""
    effort = "" if row["effort"] is None else str(row["effort"])
    text = f"{row['codes']:>10} {row['size']:>11,}  {row['engine']:<15} {effort:>5}"
    text += f"  recall {row['recall']:.3f}  built in {row['build_s']:8.2f} s"
    text += f"  batch {per_query(row):9.4f}  alone {np.median(row['single_s']) * 1e3:9.4f}"
    for radius, times in row["radius_s"].items():
        text += f"  r<={radius} {np.median(times) / QUERIES * 1e3:9.4f}"
    if "floor" in row:
        floor = row["floor"]
        text += f"  (floor: batch {floor['batch_s'] / QUERIES * 1e3:.4f}"
        text += f", alone {floor['single_s'] * 1e3:.4f})" if "single_s" in floor else f", {floor['codes']:,.0f} codes)"
    return text + " ms"


def table(rows: Sequence[Row], peer: str = "faiss Flat") -> str:
    """How many times faster than `peer` the index is, in Markdown, one line for each kind and size of codes."""
    places = sorted({(row["codes"], row["bits"], row["size"]) for row in rows})
    found = {(row["codes"], row["bits"], row["size"], row["engine"]): row for row in rows}
    lines = [
        f"| codes | bits | size | {peer}, ms a query | transhash, ms | faster: batch | one at a time | r ≤ 2 | r ≤ 8 |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for place in places:
        ours, theirs = found.get((*place, "transhash")), found.get((*place, peer))
        if ours is None or theirs is None:
            continue
        ratios = [per_query(theirs) / per_query(ours)]
        ratios.append(float(np.median(theirs["single_s"]) / np.median(ours["single_s"])))
        ratios += [
            float(np.median(theirs["radius_s"][radius]) / np.median(ours["radius_s"][radius]))
            for radius in map(str, RADII)
            if radius in ours["radius_s"]
        ]
        name, bits, size = place
        cells = [name, str(bits), f"{size:,}", f"{per_query(theirs):.4f}", f"{per_query(ours):.4f}"]
        cells += [f"{ratio:,.1f}×" for ratio in ratios]
        lines.append("| " + " | ".join(cells + [""] * (9 - len(cells))) + " |")
    return "\n".join(lines)


def at_the_floor(rows: Sequence[Row]) -> str:
    """How much of a search in tables is reading from memory, in Markdown: a line for each row that says so."""
    lines = [
        "| codes | bits | size | codes that a query has to read | to read them, ms | transhash, ms |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for row in rows:
        if row["engine"] == "transhash" and "floor" in row:
            place = f"{row['codes']} | {row['bits']} | {row['size']:,}"
            milliseconds = row["floor"]["batch_s"] / QUERIES * 1e3
            read = f"{row['floor']['codes']:,.0f} | {milliseconds:.4f}"
            lines.append(f"| {place} | {read} | {per_query(row):.4f} |")
    return "\n".join(lines)


def engines(rows: Sequence[Row], recall: float = 0.95) -> str:
    """What every engine takes, in Markdown: the least effort with this recall, or the most where none has it."""
    lines = [
        "| codes | bits | size | engine | effort | recall | queries a second | built in, s | memory, MB |",
        "|---|--:|--:|---|--:|--:|--:|--:|--:|",
    ]
    rows = [row for row in rows if "grown" in row]  # those of older files have no memory
    places = sorted({(row["codes"], row["bits"], row["size"]) for row in rows})
    for name, bits, size in places:
        here = [row for row in rows if (row["codes"], row["bits"], row["size"]) == (name, bits, size)]
        best = {}
        for engine in dict.fromkeys(row["engine"] for row in here):
            graded = [row for row in here if row["engine"] == engine]
            best[engine] = next((row for row in graded if row["recall"] >= recall), graded[-1])
        for engine, row in sorted(best.items(), key=lambda item: (item[1]["recall"] < recall, per_query(item[1]))):
            effort = "" if row["effort"] is None else f"{row['effort']:,}"
            lines.append(
                f"| {name} | {bits} | {size:,} | {engine} | {effort} | {row['recall']:.3f} |"
                f" {1e3 / per_query(row):,.0f} | {row['build_s']:.2f} | {row['grown'] / 1e6:,.0f} |"
            )
    return "\n".join(lines)
