"""Feed what comes from outside with bytes that a fuzzer makes: each is used, or named in a sentence, and nothing else.

    python -m benchmarks.faults.fuzz TARGET [--seconds 60] [--corpus DIR]
    python -m benchmarks.faults.fuzz all --seconds 600

Targets: `index` (a file of codes), `header` (the same with checksums that are right), `model` (the settings of a
model), `parquet` and `csv` (tables of own columns, vectors, exported libraries), `filter`, `list` (lists of data sets,
ignore files, plans, verdicts, recipes), `exif` (a JPEG with metadata), `http` (requests to a server). Atheris sees
which lines each input reaches, and goes on from those that reach new ones; these are kept in `--corpus`, so that the
next run begins there. An error that is not a `TransHashError`, an answer of 500 and above, more than 2 GB or 60 s end
the run: the input is kept as `crash-…` in the corpus, and the exit code is not 0. Needs `atheris` (Linux).
"""

from __future__ import annotations

import argparse
import io
import json
import multiprocessing
import os
import socket
import struct
import sys
import tempfile
import threading
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import atheris
import numpy as np
from PIL import Image

KERNELS = [  # which Numba compiles, from code as it is
    "transhash.evaluation.kernels",
    "transhash.shallow.bre",
    *(f"transhash.library.duplicates.{name}" for name in ("features", "registration", "sketches", "tiles")),
    *(f"transhash.search.{name}" for name in ("blocks", "few", "join", "merging", "mih", "packed_search", "packing")),
    *(f"transhash.search.{name}" for name in ("products", "rings", "scan", "selection", "tables")),
]

with atheris.instrument_imports(include=["transhash"], exclude=KERNELS, enable_loader_override=False):
    from benchmarks.library.kill import make_model
    from transhash import HammingIndex, Library
    from transhash.data.lists import read_lists
    from transhash.errors import TransHashError
    from transhash.images import load_picture
    from transhash.images.ignore import Ignore
    from transhash.library import LiveLibrary
    from transhash.library.catalogue.kinds import Kind
    from transhash.library.catalogue.where import parse
    from transhash.library.duplicates.plan import read_plan
    from transhash.library.duplicates.verdicts import read_verdicts
    from transhash.library.exchange import parquet, tables
    from transhash.library.exchange.vector_files import read_vectors
    from transhash.model import HashModel
    from transhash.model.directory import CONFIG, checked_files, read_config
    from transhash.search.file import MAGIC, PREFIX, VERSION
    from transhash.server import run
    from transhash.server.settings import Settings
    from transhash.training.recipe import Recipe

SECONDS, MEGABYTES = 60, 2048  # that one input may take
KINDS = {"label": Kind.TEXT, "stars": Kind.NUMBER, "score": Kind.NUMBER}
Feed = Callable[[bytes], None]
DEEP = b"[" * 4000  # which Python's reader of JSON calls itself for


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", choices=[*TARGETS, "all"])
    parser.add_argument("--seconds", type=int, default=60, help="for each target (default: 60)")
    parser.add_argument("--corpus", type=Path, help="inputs that reach new lines, a folder for each target")
    arguments = parser.parse_args()
    names = list(TARGETS) if arguments.target == "all" else [arguments.target]
    codes = {name: _in_a_process(name, arguments.seconds, arguments.corpus) for name in names}
    failed = {name: code for name, code in codes.items() if code}
    if failed:
        sys.exit(f"exit codes that are not 0: {failed}")


def _in_a_process(name: str, seconds: int, corpus: Path | None) -> int:
    """Its exit code: a fuzzer ends its process, and a fork's memory is counted from the fork on."""
    with tempfile.TemporaryDirectory(prefix="transhash-fuzz-") as home:
        kept = (corpus or Path(home, "corpus")) / name
        process = multiprocessing.get_context("fork").Process(target=_fuzz, args=(name, seconds, Path(home), kept))
        process.start()
        process.join()
        return abs(process.exitcode or 0)


def _fuzz(name: str, seconds: int, home: Path, corpus: Path) -> None:
    corpus.mkdir(parents=True, exist_ok=True)
    with TARGETS[name](home) as (feed, seeds):
        for seed in seeds:
            (corpus / f"seed-{zlib.crc32(seed):08x}").write_bytes(seed)
            _or_a_sentence(feed)(seed)  # what is compiled on first use is no input's fault
        limits = [f"-max_total_time={seconds}", f"-timeout={SECONDS}", f"-rss_limit_mb={MEGABYTES}"]
        kept = [f"-artifact_prefix={corpus}{os.sep}", "-max_len=4096", "-verbosity=0", "-print_final_stats=1"]
        atheris.Setup([sys.argv[0], *limits, *kept, str(corpus)], _or_a_sentence(feed))
        atheris.Fuzz()  # which ends the process


def _or_a_sentence(feed: Feed) -> Feed:
    def fed(content: bytes) -> None:
        with suppress(TransHashError):
            feed(content)

    return fed


@contextmanager
def of_an_index(home: Path) -> Iterator[tuple[Feed, list[bytes]]]:
    """A file of codes as it is."""
    index = HammingIndex(16)
    index.add(np.arange(40, dtype=np.uint8).reshape(20, 2))
    index.save(home / "index")

    def feed(content: bytes) -> None:
        (home / "index").write_bytes(content)
        _searched(HammingIndex.open(home / "index", mmap=False))

    yield feed, [(home / "index").read_bytes()]


@contextmanager
def of_a_header(home: Path) -> Iterator[tuple[Feed, list[bytes]]]:
    """The header and the arrays of a file of codes: whoever writes a file can make its checksums right."""
    with of_an_index(home) as (opened, (whole,)):
        length = PREFIX.unpack(whole[: PREFIX.size])[2]
        end = PREFIX.size + length

        def feed(content: bytes) -> None:
            header, _, arrays = content.partition(b"\n")
            with suppress(ValueError, RecursionError, TypeError, LookupError, AttributeError):
                head = json.loads(header)
                start = PREFIX.size + len(header)
                for entry in head["arrays"]:  # name, type, shape, checksum: as the table of the file has them
                    start += -start % 64
                    size = int(np.prod(entry[2])) * np.dtype(entry[1]).itemsize
                    entry[3] = zlib.crc32(arrays[start - PREFIX.size - len(header) :][:size])
                    start += size
                header = json.dumps(head).encode()
            opened(PREFIX.pack(MAGIC, VERSION, len(header), zlib.crc32(header)) + header + arrays)

        yield feed, [whole[PREFIX.size : end] + b"\n" + whole[end:]]


def _searched(index: HammingIndex) -> None:
    index.search(np.zeros((1, index.bits // 8), np.uint8), 3)


@contextmanager
def of_a_model(home: Path) -> Iterator[tuple[Feed, list[bytes]]]:
    """The settings of a model."""
    make_model(home / "model")
    settings = home / "model" / CONFIG
    whole = settings.read_bytes()

    def feed(content: bytes) -> None:
        settings.write_bytes(content)
        checked_files(home / "model", read_config(home / "model"))
        HashModel(home / "model")

    yield feed, [whole, DEEP]


@contextmanager
def of_parquet(home: Path) -> Iterator[tuple[Feed, list[bytes]]]:
    """A Parquet file as a table, as vectors, as a library."""
    import pyarrow as pa
    from pyarrow.parquet import write_table

    file = home / "table.parquet"
    columns = {"path": ["a.png", "b.png"], "stars": [1, None], "vector": [[1.0, 2.0], [3.0, 4.0]]}
    write_table(pa.table(columns), file, compression="none")

    def feed(content: bytes) -> None:
        file.write_bytes(content)
        for read in (lambda: list(tables.read(file)()), lambda: read_vectors(file), lambda: _library(file)):
            with suppress(TransHashError):
                read()

    yield feed, [file.read_bytes()]


def _library(file: Path) -> None:
    parquet.checked(file)
    for _ in parquet.rows(file):
        pass


@contextmanager
def of_csv(home: Path) -> Iterator[tuple[Feed, list[bytes]]]:
    """A CSV file of own columns."""
    file = home / "table.csv"

    def feed(content: bytes) -> None:
        file.write_bytes(content)
        rows = tables.read(file)
        names = list(dict.fromkeys(name for row in rows() for name in row))
        tables.kinds(rows(), names, written=True)

    yield feed, [b'path,label,stars\na.png,"one, two",3\nb.png,,-1e9\n', b"path\tday\na.png\t2026-11-27\n"]


@contextmanager
def of_filters(home: Path) -> Iterator[tuple[Feed, list[bytes]]]:
    """A filter, as a text and against a catalogue."""
    make_model(home / "model")
    with Library.create(home / "library", HashModel(home / "model")) as library:
        [id_] = library.add([np.zeros((8, 8, 3), np.uint8)])
        library.annotate({library.pictures([id_])[id_].stored_path: {"label": "a", "stars": 1, "score": 0.5}})

        def feed(content: bytes) -> None:
            text = content.decode("utf-8", "surrogateescape")
            parse(text, KINDS)
            library.passing(text)

        yield (
            feed,
            [
                b"width >= 800 and label = 'cat'",
                b"not (stars < 3 or score is missing) and path like '/a/%'",
                b"taken >= 2020-01-01 and bytes < 3 MB and name in ('a', 'b')",
            ],
        )


@contextmanager
def of_lists(home: Path) -> Iterator[tuple[Feed, list[bytes]]]:
    """Lists, ignore files, plans, verdicts and recipes."""
    folder = home / "lists"
    folder.mkdir()
    recipe = Path(__file__).parents[2] / "recipes" / "cifar10.yaml"

    def feed(content: bytes) -> None:
        for name in ("train.txt", "test.txt", "database.txt", "plan", "recipe.yaml"):
            (folder / name).write_bytes(content)
        ignore = Ignore(b"/", content, None)
        for read in (
            lambda: read_lists("mirflickr", folder),
            lambda: read_plan(folder / "plan"),
            lambda: read_verdicts(folder / "plan"),
            lambda: Recipe.read(folder / "recipe.yaml"),
            lambda: (b"/a/b.png", False) in ignore,
        ):
            with suppress(TransHashError):
                read()

    yield (
        feed,
        [
            b"a.png" + b" 1" * 24 + b"\nb/c.png" + b" 0" * 24 + b"\n",
            b"*.png\n!keep/\n/a/**/b[0-9]\n",
            recipe.read_bytes(),
            b'{"plan": 1}\n{}\n',
            DEEP,
            b"day: 2026-99-99\n",
        ],
    )


@contextmanager
def of_exif(home: Path) -> Iterator[tuple[Feed, list[bytes]]]:
    """A JPEG with metadata."""
    plain, dated = io.BytesIO(), io.BytesIO()
    image = Image.fromarray(np.zeros((8, 8, 3), np.uint8))
    image.save(plain, "JPEG")
    exif = Image.Exif()
    exif[0x0112], exif[0x0132] = 6, "2026:11:27 10:00:00"
    image.save(dated, "JPEG", exif=exif)
    jpeg = plain.getvalue()

    def feed(content: bytes) -> None:
        part = content[:65000]
        load_picture(jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(part) + 2) + part + jpeg[2:], 8)

    start = dated.getvalue().index(b"Exif")
    length = struct.unpack(">H", dated.getvalue()[start - 2 : start])[0]
    yield feed, [dated.getvalue()[start : start + length - 2], b"http://ns.adobe.com/xap/1.0/\0<x:xmpmeta/>"]


@contextmanager
def of_http(home: Path) -> Iterator[tuple[Feed, list[bytes]]]:
    """Requests to a server that may be written to, as bytes on a connection."""
    make_model(home / "model")
    model = HashModel(home / "model")
    with Library.create(home / "library", model) as library:
        library.add([np.full((8, 8, 3), shade, np.uint8) for shade in (0, 100, 200)])
    started = threading.Event()
    listening = run.listen("127.0.0.1", 0)
    with LiveLibrary(home / "library", model) as live:
        server = run.server(live, Settings(hosts=run.LOCAL_NAMES, writable=True), started.set)
        thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
        thread.start()
        started.wait()
        host = b"Host: 127.0.0.1\r\nConnection: close\r\n"

        def feed(content: bytes) -> None:
            request, _, body = content.partition(b"\n")
            length = b"Content-Length: %d\r\nContent-Type: application/json\r\n" % len(body)
            with socket.create_connection(listening.getsockname(), SECONDS) as connection, suppress(ConnectionError):
                connection.sendall(request + b" HTTP/1.1\r\n" + host + length + b"\r\n" + body)
                connection.shutdown(socket.SHUT_WR)
                answer = connection.recv(4096)
                status = answer[9:12]
                assert status[:1] != b"5" or status in (b"503", b"507"), (content, answer)

        yield (
            feed,
            [
                b"GET /api/v1/pictures?where=width%20%3E%203&sort=taken&limit=5\n",
                b"GET /api/v1/pictures/1/similar?k=3\n",
                b'POST /api/v1/search/by-code\n{"codes": ["00000000"], "k": 3}',
                b'POST /api/v1/annotations\n{"rows": {"1": {"label": "a"}}, "key": "id"}',
                b"GET /api/v1/duplicates?kinds=copy&max_distance=3\n",
                b"DELETE /api/v1/pictures/2\n",
                b"POST /api/v1/search/by-code\n" + DEEP,
                b"GET /\n",
            ],
        )
        server.should_exit = True


TARGETS = {
    "index": of_an_index,
    "header": of_a_header,
    "model": of_a_model,
    "parquet": of_parquet,
    "csv": of_csv,
    "filter": of_filters,
    "list": of_lists,
    "exif": of_exif,
    "http": of_http,
}


if __name__ == "__main__":
    main()
