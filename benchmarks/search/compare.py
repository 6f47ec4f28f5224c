"""Hamming search by Faiss, usearch, pynear and transhash on the same codes, timed on this machine and plotted.

    python -m benchmarks.search.compare --suite public
    python -m benchmarks.search.compare --size 1e6 [--codes benchmarks/search/real.npy] [--engine "faiss HNSW"]

The suite is every engine on six kinds of codes (`SUITE`), each made from a seed or drawn from a file of this
repository: recall, queries a second, seconds and memory to build. Results are kept in OUT/search.json as they come,
each with the machine and its versions; what is there is not measured again.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from benchmarks.common import program
from benchmarks.search import measure, peers, plots

HERE = Path(__file__).parent
SUITE = (  # kinds of codes, bits, sizes
    ("clustered", 64, (1e5, 1e6)),
    ("uniform", 64, (1e5, 1e6)),
    (str(HERE / "real.npy"), 64, (1e5, 1e6)),
    (str(HERE / "photographs.npy"), 64, (1e5, 1e6)),
    (str(HERE / "photographs.npy"), 128, (1e5, 1e6)),
    ("blobs", 256, (1e5,)),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--codes",
        action="append",
        metavar="KIND",
        help="uniform, clustered, or an .npy file: codes, uint8 [N, bits/8], or embeddings, int8 [N, V]",
    )
    parser.add_argument("--size", action="append", type=float, metavar="N", help="how many codes, such as 1e6")
    parser.add_argument("--suite", choices=["public"], help="every kind of codes and size that others should compare")
    parser.add_argument("--engine", action="append", choices=peers.ENGINES, help="leave out the others")
    parser.add_argument("--bits", type=int, default=64)
    parser.add_argument("-k", type=int, default=100, help="results a query")
    parser.add_argument("--out", type=Path, default=Path("bench"), help="where results and plots go")
    parser.add_argument("--plot", action="store_true", help="draw what OUT holds; measure nothing")
    parser.add_argument("--json", action="store_true", help="print JSON, one object a line")
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    results = asked.out / "search.json"
    wanted = [(kind, asked.bits, asked.size or (1e4, 1e5, 1e6)) for kind in asked.codes or ("clustered", "uniform")]
    for kind, bits, sizes in [] if asked.plot else SUITE if asked.suite else wanted:
        measure.run(
            [kind],
            [int(size) for size in sizes],
            asked.engine or peers.ENGINES,
            results,
            bits=bits,
            k=asked.k,
            report=lambda row: print(json.dumps(row) if asked.json else measure.line(row), flush=True),
            skipped=lambda engine, reason: print(f"{engine}: left out ({reason})", file=sys.stderr),
        )
    rows = json.loads(results.read_text()) if results.exists() else []
    if not rows:
        parser.error(f"{results}: no results yet; measure first, without --plot")
    for picture in plots.search(rows, asked.out):
        print(f"drawn: {picture}", file=sys.stderr)
    if not asked.json:
        print(measure.table(rows), measure.at_the_floor(rows), measure.engines(rows), sep="\n\n")


if __name__ == "__main__":
    program(main)
