"""Where the processor time of a search by id goes: what each layer of the server takes, in microseconds a search.

    python -m benchmarks.server.layers [--folder DIR] [--pictures N] [--batch Q] [--codes]

First the searches alone, Q ids at a time as the server's thread takes them; then what the event loop does around a
search whose answer is there at once, without sockets. All are processor time, of all threads: another program that
works meanwhile makes them longer only as far as it takes the caches. Of several rounds the median is told.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from benchmarks.server.serve import build
from transhash.library import LiveLibrary, searching
from transhash.library.embedding_index import Held
from transhash.search import HammingIndex
from transhash.server import run
from transhash.server.encoding import in_time
from transhash.server.found import Found
from transhash.server.gate import Gate
from transhash.server.log import Log
from transhash.server.metrics import Metrics
from transhash.server.queries import Options, Query
from transhash.server.quick import Quick
from transhash.server.searching import Searcher
from transhash.server.settings import Settings
from transhash.server.tokens import Tokens

ROUNDS, BATCHES, REQUESTS = 7, 20, 2000
LAYERS: dict[str, tuple[Any, str]] = {
    "nearest codes": (HammingIndex, "search"),
    "their embeddings compared": (Held, "likeness"),
    "the most alike chosen": (searching, "most_alike"),
    "rows of the catalogue": (searching.Snapshot, "rows"),
    "JSON": (Found, "written"),
}


def searches(photos: Path, pictures: int, batch: int) -> dict[str, float]:
    """Microseconds of a search in each layer of the thread that searches, and in all of it."""
    spent = dict.fromkeys(LAYERS, 0.0)

    def timed(layer: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def run(*arguments: Any, **options: Any) -> Any:
            began = time.process_time()
            try:
                return function(*arguments, **options)
            finally:
                spent[layer] += time.process_time() - began

        return run

    for layer, (owner, name) in LAYERS.items():
        setattr(owner, name, timed(layer, getattr(owner, name)))
    rounds = []
    with LiveLibrary(photos / ".transhash") as live:
        live.hold_embeddings()
        live.refresh()
        searcher = Searcher(live)
        for _ in range(ROUNDS + 1):
            spent.update(dict.fromkeys(LAYERS, 0.0))
            asked = [[Query(Options(10), id=random.randint(1, pictures)) for _ in range(batch)] for _ in range(BATCHES)]
            began = time.process_time()
            for queries in asked:
                searcher.search(queries)
            total = time.process_time() - began
            rounds.append([*spent.values(), total - sum(spent.values()), total])
    each = 1e6 * np.median(rounds[1:], axis=0) / (batch * BATCHES)  # the first one loads kernels
    return dict(zip([*LAYERS, "the rest", "a search"], each.round(1).tolist(), strict=True))


def loop() -> float:
    """Microseconds that the event loop takes for a search, but for reading from and writing to a socket."""
    settings, metrics = Settings(hosts=run.names("127.0.0.1", [])), Metrics()
    found = Found(Query(Options(10)), np.zeros(8, np.uint8), [], 1, more=True)
    found.__dict__["body"] = bytes(3000)  # as long as ten hits

    async def search(_: list[Query]) -> list[Found]:
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        loop.call_soon(future.set_result, found)
        return [await in_time(settings.seconds, future)]

    service = SimpleNamespace(settings=settings, metrics=metrics, search=search)
    app: Any = SimpleNamespace(state=SimpleNamespace(service=service))
    gate = Gate(Quick(app), settings, metrics, Tokens(settings), Log(settings))

    async def send(_: Any) -> None: ...

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def ask() -> None:
        for number in range(REQUESTS):
            scope = {
                "type": "http",
                "method": "GET",
                "path": f"/api/v1/pictures/{number}/similar",
                "query_string": b"k=10",
                "headers": [(b"host", b"127.0.0.1:8017")],
                "client": ("127.0.0.1", 5),
            }
            await asyncio.create_task(gate(scope, receive, send))

    rounds = []
    for _ in range(ROUNDS):
        began = time.process_time()
        asyncio.run(ask())
        rounds.append(time.process_time() - began)
    return round(1e6 * float(np.median(rounds)) / REQUESTS, 1)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=1_000_000)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--folder", type=Path, help="Where the library is made and kept; by default nowhere.")
    parser.add_argument("--codes", action="store_true", help="Codes alone, without embeddings.")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="transhash-layers-") as temporary:
        photos = build(arguments.folder or Path(temporary), arguments.pictures, codes_alone=arguments.codes)
        layers = searches(photos, arguments.pictures, arguments.batch)
    print(json.dumps({"batch": arguments.batch, "search_us": layers, "loop_us": loop()}))


if __name__ == "__main__":
    main()
