"""The server under load, on loopback: searches by id, searches with pictures, mixed load beside indexing, first page.

    python -m benchmarks.server.serve [--pictures N] [--seconds S] [--clients C] [--only STEP] [--folder DIR] [--codes]
                                      [--embeddings FILE]

STEPs are start, id, upload, mixed. The library has N rows (a million by default) of random embeddings, from which its
hash layers make codes, and real pictures for some of them; the model is the shipped one. With --codes the rows have
random codes and no embeddings, as those of another encoder: nothing is ordered by cosines then. With --embeddings they
have those of a file, int8 [N, V], such as `benchmarks/photographs/candidates.py --keep` writes, and codes fitted to
them. The clients are one process that sends ready-made requests over kept connections and reads the answers, so that
what is measured is the server; both share the processors.

The long run: `python -m benchmarks.server.serve --only mixed --seconds 1800`.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import psutil
from PIL import Image

import transhash
from transhash.library.catalogue.records import Coded, File
from transhash.library.ranking import candidates
from transhash.system import processors

REAL = 2000  # pictures that have files
BATCH = 20_000
WARM = 8.0  # s of searches before those that count: a server reads the embeddings after it has begun to answer


def build(folder: Path, count: int, *, codes_alone: bool = False, embeddings: Path | None = None) -> Path:
    """A library of `count` pictures below a folder, made once."""
    photos = folder / "photos"
    if transhash.Library.exists(photos / ".transhash"):
        return photos
    generator = np.random.default_rng(1)
    (photos / "real").mkdir(parents=True)
    for number in range(REAL):
        (photos / "real" / f"{number:05d}.jpg").write_bytes(picture(generator))
    with transhash.Library.create(photos / ".transhash", transhash.load()) as library:
        library.index(photos)
        layers = library.catalogue.embeddings.layers(library.bits)
        assert layers is not None, "hash layers are fitted to so many pictures"
        given = np.load(embeddings, mmap_mode="r") if embeddings else None
        for first in range(REAL, count, BATCH):
            if given is not None:
                kept = given[first : min(count, first + BATCH)]
            else:
                kept = (
                    generator.normal(0, 20, (BATCH, len(layers.head.weights))).round().clip(-127, 127).astype(np.int8)
                )
            codes = generator.integers(0, 256, (BATCH, 8), np.uint8) if codes_alone else layers.head.codes(kept)
            with library.catalogue.writing():
                for row, number in enumerate(range(first, min(count, first + BATCH))):
                    place = f"{number // 1000:05d}".encode(), f"IMG_{number:08d}.jpg".encode()
                    file = File(*place, 2_000_000, 1_700_000_000_000_000_000, number.to_bytes(16, "big"))
                    own = None if codes_alone else kept[row].tobytes()
                    coded = Coded(4000, 3000, codes[row].tobytes(), None, None, None, own)
                    library.catalogue.pictures.put(file, coded)
        if embeddings:
            library.fit()
        library.search(np.zeros((64, 64, 3), np.uint8), 1)
    return photos


def picture(generator: np.random.Generator) -> bytes:
    """A JPEG file of 640 × 480 coarse blocks."""
    blocks = Image.fromarray(generator.integers(0, 256, (12, 16, 3), np.uint8))
    file = io.BytesIO()
    blocks.resize((640, 480), Image.Resampling.BICUBIC).save(file, "JPEG", quality=85)
    return file.getvalue()


@contextmanager
def serving(photos: Path) -> Iterator[tuple[int, psutil.Process, float]]:
    """A server as a user starts it: port, process, seconds until its address was printed."""
    began = time.perf_counter()
    command = [sys.executable, "-m", "transhash", "serve", "--library", str(photos), "--port", "0", "--writable"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        yield int(address.rstrip("/").rpartition(":")[2]), psutil.Process(process.pid), time.perf_counter() - began
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0, "the server did not end well"


def ready(port: int) -> float:
    """Wait until the first searches are prepared, too; seconds that it took."""
    began = time.perf_counter()
    with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
        while client.get("/api/v1/ready").status_code == 503:
            time.sleep(0.1)
    return time.perf_counter() - began


def request(port: int, path: str, body: bytes = b"", kind: str = "application/json", method: str = "") -> bytes:
    method = method or ("POST" if body else "GET")
    head = f"{method} /api/v1{path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
    if body:
        head += f"Content-Type: {kind}\r\nContent-Length: {len(body)}\r\n"
    return head.encode() + b"\r\n" + body


async def load(port: int, clients: int, seconds: float, make: Callable[[], bytes]) -> dict[str, Any]:
    """Requests per second and times of answers, of clients that each ask again when they are answered."""
    times: list[float] = []
    statuses: dict[str, int] = {}
    until = time.perf_counter() + seconds

    async def client() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 22)
        while (began := time.perf_counter()) < until:
            writer.write(make())
            head = await reader.readuntil(b"\r\n\r\n")
            start = head.lower().find(b"content-length: ")
            if start >= 0:
                await reader.readexactly(int(head[start + 16 : head.index(b"\r", start)]))
            times.append(time.perf_counter() - began)
            status = head[9:12].decode()
            statuses[status] = statuses.get(status, 0) + 1
        writer.close()

    await asyncio.gather(*(client() for _ in range(clients)))
    milliseconds = np.percentile(np.array(times) * 1000, [50, 99, 100]).round(2)
    return {
        "requests_per_s": round(len(times) / seconds, 1),
        "p50_ms": milliseconds[0],
        "p99_ms": milliseconds[1],
        "max_ms": milliseconds[2],
        "statuses": statuses,
    }


def start(photos: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """How soon a server answers, and the page shows pictures in a cold browser."""
    with serving(photos) as (port, process, seconds):
        used = process.cpu_times()
        result: dict[str, Any] = {
            "up_s": round(seconds, 2),
            "up_cpu_s": round(used.user + used.system, 2),
            "rss_mb": process.memory_info().rss >> 20,
        }
        chromium = shutil.which("chromium")
        if chromium:
            from playwright.sync_api import sync_playwright

            with sync_playwright() as driver:
                browser = driver.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
                page = browser.new_page()
                began = time.perf_counter()
                page.goto(f"http://127.0.0.1:{port}/")
                page.wait_for_selector("html[data-ready] #grid .picture")
                result["page_usable_s"] = round(time.perf_counter() - began, 2)
                browser.close()
    with serving(photos) as (port, _, seconds):
        result["ready_s"] = round(seconds + ready(port), 2)
    return result


def by_id(photos: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Searches by id."""
    with serving(photos) as (port, process, _):
        ready(port)
        make = lambda: request(port, f"/pictures/{random.randint(1, arguments.pictures)}/similar?k=10")  # noqa: E731
        asyncio.run(load(port, arguments.clients, WARM, make))
        before, own_before = process.cpu_times(), time.process_time()
        result = asyncio.run(load(port, arguments.clients, arguments.seconds, make))
        after, own_after = process.cpu_times(), time.process_time()
        used = after.user + after.system - before.user - before.system
        requests = result["requests_per_s"] * arguments.seconds
        memory = process.memory_info().rss >> 20
    alone = index_alone(photos, 10 if arguments.codes else candidates(arguments.pictures))
    return {
        **result,
        "cpu_ms_each": round(1000 * used / requests, 3),
        "client_cpu_ms_each": round(1000 * (own_after - own_before) / requests, 3),
        "index_alone_ms": alone,
        "rss_mb": memory,
    }


def index_alone(photos: Path, k: int) -> float:
    """Milliseconds of processor time that the index takes for a query, of those that such a search costs."""
    index = transhash.HammingIndex.open(photos / ".transhash" / "codes.hamming")
    generator, times = np.random.default_rng(2), []
    for _ in range(50):
        queries = index.reconstruct(generator.choice(index.ids, 32))
        began = time.process_time()
        index.search(queries, k)
        times.append((time.process_time() - began) / len(queries))
    return round(1000 * float(np.median(times)), 3)


def upload(photos: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """Searches with pictures, beside what the encoder alone does with the same ones."""
    contents = [(photos / "real" / f"{number:05d}.jpg").read_bytes() for number in range(400)]
    model = transhash.load()
    model.encode(contents[:32])
    began = time.perf_counter()
    for _ in model.stream(contents):
        pass
    alone = len(contents) / (time.perf_counter() - began)
    with serving(photos) as (port, _, _):
        ready(port)
        make = lambda: request(port, "/search?k=10", random.choice(contents), "image/jpeg")  # noqa: E731
        asyncio.run(load(port, arguments.clients, 2, make))
        result = asyncio.run(load(port, arguments.clients, arguments.seconds, make))
    return {**result, "encoder_alone_per_s": round(alone, 1), "share": round(result["requests_per_s"] / alone, 3)}


def mixed(photos: Path, arguments: argparse.Namespace) -> dict[str, Any]:
    """All kinds of requests, with a process that indexes new pictures and loses old ones beside."""
    generator = np.random.default_rng(5)
    new = photos / "new"
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir()
    contents = [(photos / "real" / f"{number:05d}.jpg").read_bytes() for number in range(400)]

    def make() -> bytes:
        kind, id_ = random.random(), random.randint(1, arguments.pictures)
        if kind < 0.6:
            return request(port, f"/pictures/{id_}/similar?k=10")
        if kind < 0.8:
            return request(port, f"/pictures/{random.randint(1, REAL)}/thumbnail")
        if kind < 0.9:
            return request(port, f"/pictures?limit=50&before={id_}")
        if kind < 0.95:
            return request(port, f"/pictures/{id_}/similar?k=10&where=width%20%3C%20700")
        return request(port, "/search?k=10", random.choice(contents), "image/jpeg")

    with serving(photos) as (port, process, _):
        ready(port)
        asyncio.run(load(port, 8, 5, make))
        watch = [sys.executable, "-m", "transhash", "index", str(new), "--library", str(photos), "--watch"]
        indexing = subprocess.Popen(watch, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        parts, memory, number = [], [own(process)], 0
        try:
            until = time.perf_counter() + arguments.seconds
            while time.perf_counter() < until:
                for _ in range(20):
                    (new / f"{number:06d}.jpg").write_bytes(picture(generator))
                    if number >= 200:
                        (new / f"{number - 200:06d}.jpg").unlink()
                    number += 1
                length = min(arguments.seconds, 10)
                parts.append(asyncio.run(load(port, arguments.clients, length, make)))
                memory.append(own(process))
                print(json.dumps({**parts[-1], "own_mb": memory[-1] >> 20}), file=sys.stderr)
        finally:
            indexing.terminate()
            indexing.wait(60)
    statuses: dict[str, int] = {}
    for part in parts:
        for status, count in part["statuses"].items():
            statuses[status] = statuses.get(status, 0) + count
    return {
        "requests_per_s": round(float(np.mean([part["requests_per_s"] for part in parts])), 1),
        "p99_ms": max(part["p99_ms"] for part in parts),
        "statuses": statuses,
        "indexed": number,
        # without the pages of the mapped index, of which ever more are looked at
        "own_mb": [each >> 20 for each in (memory[0], memory[len(memory) // 2], memory[-1])],
        "most_mb": max(memory) >> 20,
    }


def own(process: psutil.Process) -> int:
    """Bytes that a server and its decoders have for themselves."""
    return sum(int(each.memory_full_info().uss) for each in (process, *process.children()))


STEPS = {"start": start, "id": by_id, "upload": upload, "mixed": mixed}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=1_000_000)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--clients", type=int, default=32)
    parser.add_argument("--only", choices=STEPS, action="append")
    parser.add_argument("--folder", type=Path, help="Where the library is made and kept; by default nowhere.")
    parser.add_argument("--codes", action="store_true", help="Codes alone, without embeddings.")
    parser.add_argument("--embeddings", type=Path, help="File of embeddings, in the place of random ones.")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="transhash-serve-") as temporary:
        given = {"codes_alone": arguments.codes, "embeddings": arguments.embeddings}
        photos = build(arguments.folder or Path(temporary), arguments.pictures, **given)
        for step in arguments.only or STEPS:
            result = STEPS[step](photos, arguments)
            print(json.dumps({"step": step, "processors": processors(), **result}), flush=True)


if __name__ == "__main__":
    main()
