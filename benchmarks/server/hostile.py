"""540 hostile connections of each kind beside honest clients, on loopback: what the honest ones wait, as a ratio.

    python -m benchmarks.server.hostile [--pictures N] [--seconds S] [--connections C] [--folder DIR] [--only KIND]

Honest clients (from an address of their own) search by id, look at thumbnails and send pictures, each every 50 ms. For
each kind they are measured alone first and then under attack, so that what else the machine does falls on both. A
hostile connection that ends is opened again, a second later. The attack comes from a process of its own: what it takes
to make is no time that an honest client waits.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import random
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.server.hostile_pictures import many_scans
from benchmarks.server.serve import REAL, build, ready, request, serving
from transhash.system import processors

HONEST, HOSTILE = "127.0.0.2", "127.0.0.3"
EVERY = 0.05  # seconds between two questions of an honest client
CLIENTS = 6

Attack = Callable[[asyncio.StreamReader, asyncio.StreamWriter, int], Awaitable[None]]


async def connected(port: int, address: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection("127.0.0.1", port, local_addr=(address, 0), limit=1 << 22)


async def answered(reader: asyncio.StreamReader) -> str:
    """The status of an answer, which is read whole."""
    head = await reader.readuntil(b"\r\n\r\n")
    start = head.lower().find(b"content-length: ")
    if start >= 0:
        await reader.readexactly(int(head[start + 16 : head.index(b"\r", start)]))
    return head[9:12].decode()


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int) -> None:
    """Says nothing."""
    await reader.read()


async def headers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int) -> None:
    """A header that never ends, a byte each second."""
    writer.write(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nX: ")
    while not reader.at_eof():
        writer.write(b"a")
        await writer.drain()
        await asyncio.sleep(1)


async def line(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int) -> None:
    """One request, then a line now and then."""
    writer.write(request(port, "/health"))
    await answered(reader)
    while not reader.at_eof():
        writer.write(b"\r\n")
        await writer.drain()
        await asyncio.sleep(1)


async def body(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int) -> None:
    """Declares 32 MB and sends a byte each second."""
    head = request(port, "/search", b"x", "image/jpeg").replace(b"Content-Length: 1\r", b"Content-Length: 32000000\r")
    writer.write(head)
    while not reader.at_eof():
        writer.write(b"a")
        await writer.drain()
        await asyncio.sleep(1)


async def takes_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int) -> None:
    """Asks for long answers, one after the other, and takes none."""
    transport: Any = writer.transport
    transport.pause_reading()  # otherwise some megabytes are taken, though nobody reads them
    writer.write(20 * request(port, "/pictures?limit=1000"))
    await asyncio.sleep(20)


async def long_answers(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int) -> None:
    """Asks for long answers, one after the other, and takes them."""
    for _ in range(20):
        writer.write(request(port, "/pictures?limit=1000"))
        await answered(reader)


async def slow_pictures(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int) -> None:
    """Sends pictures of some kilobytes that take four seconds to decode."""
    writer.write(request(port, "/search", SLOW, "image/jpeg"))
    await answered(reader)


async def slow_filters(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int) -> None:
    """Filters that take as long as they may, another one each time; leaves after a second."""
    patterns = "%20or%20".join(f"path%20like%20'*{random.randint(0, 99)}*a*b*c*'" for _ in range(60))
    writer.write(request(port, f"/pictures?where={patterns}"))
    with suppress(TimeoutError):
        await asyncio.wait_for(answered(reader), 1)


async def explanations(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int) -> None:
    """Asks why, which takes long, and leaves."""
    writer.write(request(port, f"/pictures/{random.randint(1, REAL)}/occlusion"))
    with suppress(TimeoutError):
        await asyncio.wait_for(answered(reader), 1)


SLOW = many_scans(6000, 200)
KINDS: dict[str, Attack] = {
    each.__name__: each
    for each in (
        silent,
        headers,
        line,
        body,
        takes_nothing,
        long_answers,
        slow_pictures,
        slow_filters,
        explanations,
    )
}


async def attacking(port: int, attack: Attack, number: int) -> None:
    await asyncio.sleep(number / 1000)  # not all at the same moment
    while True:
        with suppress(OSError, EOFError, asyncio.LimitOverrunError):
            reader, writer = await connected(port, HOSTILE)
            try:
                await attack(reader, writer, port)
            finally:
                writer.close()
        await asyncio.sleep(1)


def attacked(port: int, kind: str, connections: int) -> None:
    """Be the process that attacks, until it is ended."""

    async def all_of_them() -> None:
        await asyncio.gather(*(attacking(port, KINDS[kind], number) for number in range(connections)))

    asyncio.run(all_of_them())


async def honest(port: int, seconds: float, pictures: int, content: bytes) -> tuple[list[float], dict[str, int]]:
    """Milliseconds of each answer, and the statuses, of clients that are in no hurry."""
    times: list[float] = []
    statuses: dict[str, int] = {}
    until = time.perf_counter() + seconds

    async def client(number: int) -> None:
        reader, writer = await connected(port, HONEST)
        while time.perf_counter() < until:
            if number == 0:
                asked = request(port, "/search?k=10", content, "image/jpeg")
            elif number == 1:
                asked = request(port, f"/pictures/{random.randint(1, REAL)}/thumbnail")
            else:
                asked = request(port, f"/pictures/{random.randint(1, pictures)}/similar?k=10")
            began = time.perf_counter()
            try:
                writer.write(asked)
                status = await answered(reader)
            except (OSError, EOFError):
                status = "closed"
                reader, writer = await connected(port, HONEST)
            statuses[status] = statuses.get(status, 0) + 1
            times.append(1000 * (time.perf_counter() - began))
            await asyncio.sleep(EVERY)
        writer.close()

    await asyncio.gather(*(client(number) for number in range(CLIENTS)))
    return times, statuses


async def measured(port: int, kind: str, arguments: argparse.Namespace, content: bytes) -> dict[str, object]:
    """What honest clients wait without and with the attack."""
    alone, _ = await honest(port, arguments.seconds, arguments.pictures, content)
    attackers = multiprocessing.get_context("spawn").Process(target=attacked, args=(port, kind, arguments.connections))
    attackers.start()
    await asyncio.sleep(5)
    under, statuses = await honest(port, arguments.seconds, arguments.pictures, content)
    attackers.kill()
    attackers.join()
    await asyncio.sleep(3)
    before, during = (np.percentile(times, [50, 99]) for times in (alone, under))
    return {
        "kind": kind,
        "alone_ms": before.round(1).tolist(),
        "attacked_ms": during.round(1).tolist(),
        "ratio_p50": round(float(during[0] / before[0]), 2),
        "ratio_p99": round(float(during[1] / before[1]), 2),
        "statuses": statuses,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--connections", type=int, default=540)
    parser.add_argument("--only", choices=KINDS, action="append")
    parser.add_argument("--folder", type=Path, help="Where the library is made and kept; by default nowhere.")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="transhash-hostile-") as temporary:
        photos = build(arguments.folder or Path(temporary), arguments.pictures)
        content = (photos / "real" / "00007.jpg").read_bytes()
        with serving(photos) as (port, process, _):
            ready(port)
            asyncio.run(honest(port, 5, arguments.pictures, content))
            for kind in arguments.only or KINDS:
                result = asyncio.run(measured(port, kind, arguments, content))
                memory = (process.memory_info().rss >> 20, len(process.children()))
                print(json.dumps({**result, "rss_mb": memory[0], "decoders": memory[1]}), flush=True)
            print(json.dumps({"processors": processors()}))


if __name__ == "__main__":
    main()
