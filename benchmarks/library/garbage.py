"""Feed transhash garbage made of real pictures: every file is used or named with a reason, soon and in bounded memory.

    python -m benchmarks.library.garbage [--files 2000] [--seed 0] [--memory-gb 4] [--keep FOLDER]

Pictures of ten formats and more (what this Pillow can write) are cut short, their bits flipped, their headers made to
lie, blocks zeroed, doubled or taken out, their ends exchanged, their names given wrong suffixes; decompression bombs of
several formats come with them. First each file is decoded by itself, in a process whose memory is limited: no crash is
allowed, and no more than 5 s of processor time (a minute of any time, which is what a busy machine may make of them).
Then `transhash index` takes the whole folder: it ends, and every file is in the library or named with its reason and
remedy. Prints the figures as JSON; fails on the first file that is neither.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import random
import resource
import select
import struct
import subprocess
import sys
import tempfile
import time
import zlib
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image

from transhash.errors import ImageError
from transhash.images import load_picture

SECONDS, PATIENCE = 5.0, 60.0  # that a file may take: of processor time, and on a clock
FORMATS = {
    "jpg": "JPEG",
    "png": "PNG",
    "gif": "GIF",
    "bmp": "BMP",
    "webp": "WEBP",
    "tif": "TIFF",
    "ppm": "PPM",
    "jp2": "JPEG2000",
    "ico": "ICO",
    "tga": "TGA",
    "avif": "AVIF",
    "heic": "HEIF",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--memory-gb", type=float, default=4)
    parser.add_argument("--keep", type=Path, metavar="FOLDER", help="make the files there, and leave them")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        work(arguments.memory_gb)
        return
    with tempfile.TemporaryDirectory(prefix="transhash-garbage-") as home:
        folder = arguments.keep or Path(home, "garbage")
        files = make_garbage(folder, arguments.files, arguments.seed)
        figures = decode_each(files, arguments.memory_gb)
        figures |= index_all(folder, len(files))
    print(json.dumps(figures))


def make_garbage(folder: Path, number: int, seed: int, *, large: bool = True) -> list[Path]:
    """So many files, bombs among them; without `large`, only those that are cheap to make."""
    randomly = random.Random(seed)
    folder.mkdir(parents=True, exist_ok=True)
    sound = {suffix: pictures for suffix, kind in FORMATS.items() if (pictures := encoded(kind, seed))}
    assert len(sound) >= 10, f"this Pillow writes {', '.join(sound)} alone"
    files = []
    for name, content in bombs(large=large).items():
        files.append(folder / f"bomb-{name}")
        files[-1].write_bytes(content)
    while len(files) < number:
        suffix = randomly.choice(list(sound))
        spoilt: bytes = randomly.choice(sound[suffix])
        mutation = randomly.choice(MUTATIONS)
        spoilt = bytes(mutation(bytearray(spoilt), randomly))
        if randomly.random() < 0.2:
            spoilt = bytes(randomly.choice(MUTATIONS)(bytearray(spoilt), randomly))
        if randomly.random() < 0.15:
            suffix = randomly.choice(list(FORMATS))
        files.append(folder / f"{len(files):05}-{mutation.__name__}.{suffix}")
        files[-1].write_bytes(spoilt)
    return files


def encoded(kind: str, seed: int) -> list[bytes]:
    """A few sound files of a format, of several modes and settings; none when it cannot be written here."""
    if kind == "HEIF":
        try:
            from pillow_heif import register_heif_opener
        except ImportError:
            return []
        register_heif_opener()
    numbers = np.random.default_rng(seed)
    y, x = np.mgrid[0:90, 0:120]
    smooth = np.stack([2 * x, 2 * y, x + y], axis=-1) + numbers.integers(0, 16, (90, 120, 3))
    picture = Image.fromarray(smooth.astype(np.uint8))
    found = []
    for mode in ("RGB", "L", "RGBA", "P", "1", "CMYK", "I;16"):
        for settings in ({}, {"progressive": True}, {"compression": "tiff_lzw"}, {"compression": "jpeg"}, {"tiled": 1}):
            buffer = io.BytesIO()
            several = {"save_all": True, "append_images": [picture.rotate(90)]} if "tiled" in settings else {}
            try:
                (picture.convert("L") if mode == "I;16" else picture).convert(mode).save(
                    buffer, kind, **settings, **several
                )
            except (OSError, ValueError, KeyError, RuntimeError, TypeError):
                continue
            found.append(buffer.getvalue())
    return list(dict.fromkeys(found))


def cut(content: bytearray, randomly: random.Random) -> bytearray:
    return content[: int(len(content) * randomly.random() ** 2)]


def flip(content: bytearray, randomly: random.Random) -> bytearray:
    for _ in range(randomly.choice([1, 3, 30]) if content else 0):
        content[randomly.randrange(len(content))] ^= 1 << randomly.randrange(8)
    return content


def lie(content: bytearray, randomly: random.Random) -> bytearray:
    """Lengths, sizes and counts in the header that are none."""
    for _ in range(randomly.choice([1, 2, 5])):
        at = randomly.randrange(2, 120)
        value = randomly.choice(
            [b"\0\0\0\0", b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\x00\x01", b"\xff\xff", b"\x80"]
        )
        content[at : at + len(value)] = value
    return content


def zero(content: bytearray, randomly: random.Random) -> bytearray:
    start = int(len(content) * randomly.random())
    length = randomly.choice([16, 512, len(content)])
    content[start : start + length] = bytes(len(content[start : start + length]))
    return content


def double(content: bytearray, randomly: random.Random) -> bytearray:
    start = int(len(content) * randomly.random())
    return content[:start] + content[start : start + 700] * randomly.choice([2, 50]) + content[start:]


def remove(content: bytearray, randomly: random.Random) -> bytearray:
    start = int(len(content) * randomly.random())
    del content[start : start + randomly.choice([1, 4, 300])]
    return content


def exchange(content: bytearray, randomly: random.Random) -> bytearray:
    return content[: len(content) // 2] + randomly.randbytes(len(content) // 2)


def keep(content: bytearray, _: random.Random) -> bytearray:
    return content


MUTATIONS = (cut, flip, lie, zero, double, remove, exchange, keep)


def bombs(*, large: bool = True) -> dict[str, bytes]:
    """Small files that claim, or (`large`) hold, very much."""

    def png(width: int, height: int, *chunks: tuple[bytes, bytes], colour: int = 2) -> bytes:
        parts = [(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, colour, 0, 0, 0)), *chunks, (b"IEND", b"")]
        return b"\x89PNG\r\n\x1a\n" + b"".join(
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
            for kind, data in parts
        )

    def packed(size: int) -> bytes:
        size = size if large else 1 << 20
        packer = zlib.compressobj(9)
        return b"".join(packer.compress(bytes(1 << 20)) for _ in range(size >> 20)) + packer.flush()

    text = (b"zTXt", b"comment\0\0" + packed(256 << 20))
    profile = (b"iCCP", b"profile\0\0" + packed(256 << 20))
    small = zlib.compress(bytes(90))
    return {
        "claims.png": png(2**31 - 1, 2**31 - 1, (b"IDAT", small)),
        "pixels.png": png(13_300, 13_300, (b"IDAT", packed(531 << 20))),  # just below the limit, and whole
        "alpha.png": png(13_300, 13_300, (b"IDAT", packed(708 << 20)), colour=6),
        "text.png": png(5, 5, text, (b"IDAT", small)),
        "profile.png": png(5, 5, profile, (b"IDAT", small)),
        "claims.gif": b"GIF89a\xff\xff\xff\xff\x80\0\0\0\0\0\xff\xff\xff,\0\0\0\0\xff\xff\xff\xff\0\x08\2\x84\1\0;",
        "pixels.gif": b"GIF89a\x0a\x34\x0a\x34\x80\0\0\0\0\0\xff\xff\xff,\0\0\0\0\x0a\x34\x0a\x34\0\x08\x02\x84\x01\0;",
        "claims.bmp": b"BM"
        + struct.pack("<IHHIIiiHHIIiiII", 99, 0, 0, 54, 40, 2**30, -(2**30), 1, 24, 0, 0, 0, 0, 0, 0),
        "claims.ppm": b"P6 100000000 100000000 255\n" + bytes(99),
        "digits.ppm": b"P6 " + b"1" * 5_000_000,
        "comment.ppm": b"P6 #" + b"x" * 5_000_000,
        "claims.tga": struct.pack("<BBBHHBHHHHBB", 0, 0, 10, 0, 0, 0, 0, 0, 65535, 65535, 24, 0) + b"\xff\0\0\0" * 99,
        "claims.tif": b"II*\0\x08\0\0\0\x04\0"
        + struct.pack("<HHIIHHIIHHIIHHII", 256, 4, 1, 2**31, 257, 4, 1, 2**31, 258, 3, 1, 8, 262, 3, 1, 1),
        "loop.tif": b"II*\0\x08\0\0\0\x01\0" + struct.pack("<HHII", 256, 4, 1, 9) + struct.pack("<I", 8),
        "entries.tif": b"II*\0\x08\0\0\0\xff\xff" + struct.pack("<HHII", 273, 4, 2**31, 8) * 65535,
        "claims.jpg": b"\xff\xd8\xff\xc0\0\x11\x08\xff\xff\xff\xff\x03\x01\x22\0\x02\x11\1\x03\x11\1\xff\xda\0\x0c\x03",
        "claims.ico": b"\0\0\1\0\xff\xff" + b"\0\0\0\0\1\0\x20\0\xff\xff\xff\x7f\x06\0\0\0" * 9999,
    }


def work(memory_gb: float) -> None:
    """Decode the files that are named on standard input, and tell what became of each."""
    resource.setrlimit(resource.RLIMIT_AS, (int(memory_gb * 2**30),) * 2)
    for line in sys.stdin:
        began = time.process_time()
        try:
            load_picture(line.rstrip("\n"), 98)
            reason = ""
        except ImageError as error:
            reason = error.reason
        megabytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        print(json.dumps([reason, time.process_time() - began, megabytes]), flush=True)


def decode_each(files: list[Path], memory_gb: float) -> dict[str, object]:
    """Figures of decoding file by file; raises `AssertionError` for a crash or a hang."""
    command = [sys.executable, __file__, "--worker", "--memory-gb", str(memory_gb)]
    reasons: Counter[str] = Counter()
    slowest, most = (0.0, ""), 0
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        print(os.fspath(files[0]), file=process.stdin, flush=True)  # the first one pays for the imports
        process.stdout.readline()
        for file in files:
            print(os.fspath(file), file=process.stdin, flush=True)
            if not select.select([process.stdout], [], [], PATIENCE)[0]:
                process.kill()
                raise AssertionError(f"{file} hangs")
            answer = process.stdout.readline()
            assert answer, f"{file} ended the process"
            reason, seconds, most = json.loads(answer)
            assert seconds < SECONDS, f"{file} took {seconds:.1f} s"
            reasons[reason or "decoded"] += 1
            slowest = max(slowest, (round(seconds, 2), file.name))
        process.stdin.close()
    return {
        "files": len(files),
        "slowest, seconds": slowest,
        "decoding megabytes": most,
        "outcomes": dict(reasons.most_common()),
    }


def index_all(folder: Path, number: int) -> dict[str, object]:
    """Figures of indexing the folder; raises `AssertionError` when a file is neither indexed nor named."""
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "transhash", "index", os.fspath(folder), "--json"], check=False, capture_output=True
    )
    seconds = time.monotonic() - began
    assert done.returncode in (0, 1), done.stderr.decode()
    report = json.loads(done.stdout)
    assert all(skipped["reason"] and skipped["remedy"] for skipped in report["skipped"])
    assert report["added"] + len(report["skipped"]) == number, report
    megabytes = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
    return {
        "indexed": report["added"],
        "skipped": len(report["skipped"]),
        "indexing seconds": round(seconds, 1),
        "megabytes of the largest process": megabytes,
    }


if __name__ == "__main__":
    main()
