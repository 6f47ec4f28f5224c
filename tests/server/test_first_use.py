"""What a server compiles, it compiles before it says that it is ready."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from PIL import Image

COMPILED = """
import gc, sys, time
from numba.core.registry import CPUDispatcher


def compiled():
    gc.unfreeze()  # else what a server has frozen is not among the objects
    kernels = [each for each in gc.get_objects() if isinstance(each, CPUDispatcher)]
    return {(each.py_func.__qualname__, kind) for each in kernels for kind in each.overloads}
"""

PROGRAM = """
from fastapi.testclient import TestClient
import transhash
from transhash.library import LiveLibrary
from transhash.server.app import create_app
from transhash.server.settings import Settings

model = transhash.load()
with transhash.Library.create(sys.argv[1] + "/.transhash", model) as library:
    library.index(sys.argv[1])
live = LiveLibrary(sys.argv[1] + "/.transhash", model)
with TestClient(create_app(live, Settings()), base_url="http://127.0.0.1") as client:
    while (asked := client.get("/api/v1/ready")).status_code == 503:
        assert asked.json()["code"] == "starting", asked.text
        time.sleep(0.1)
    before = compiled()
    found = client.get("/api/v1/pictures/1/similar?k=9&collapse=true").raise_for_status().json()
    assert sum(bool(hit["copies"]) for hit in found["results"][0]["hits"]) == 1, found
    for asked in ("k=200&histogram=true", "k=200&collapse=true", "k=200&max_distance=9", "k=5&where=width > 1"):
        client.get(f"/api/v1/pictures/1/similar?{asked}").raise_for_status()
    after = compiled() - before
    assert before and not after, after
"""

LARGE = """
from types import SimpleNamespace
import numpy as np
import transhash
from transhash import HammingIndex
from transhash.server.warming import warm

rng = np.random.default_rng(1)
index = HammingIndex(64)
index.add(rng.integers(0, 256, (200_000, 8), np.uint8))
index.save(sys.argv[1])
index = HammingIndex.open(sys.argv[1])  # as a server has it
assert index._state.segments[0].store.tables, "a smaller index than one that has tables"
for _ in warm(SimpleNamespace(index=index, model=transhash.load(), hold_embeddings=lambda: None)):
    pass
before = compiled()
for count in (1, 32):
    codes = np.stack([*index.reconstruct(index.ids[:count])])
    for k in (1, 10, 200, 512, 20_000):
        for ids in (None, index.ids[1000:], index.ids[:1000]):
            for values in (None, np.unpackbits(codes, axis=1).astype(np.float32) - 0.5):
                index.search(codes, k, ids=ids, values=values)
after = compiled() - before
assert before and not after, after
"""


def test_a_search_compiles_nothing(tmp_path: Path) -> None:
    pictures = sorted((Path(__file__).parents[2] / "examples" / "pictures").rglob("*.jpg"))[:8]
    for number, path in enumerate(pictures):
        large = Image.open(path).convert("RGB").resize((320, 320), Image.Resampling.BICUBIC)
        large.save(tmp_path / f"{number}.png")
    large.resize((280, 280)).save(tmp_path / "smaller.jpg")

    _run(PROGRAM, tmp_path)


def test_a_search_in_many_codes_compiles_nothing(tmp_path: Path) -> None:
    _run(LARGE, tmp_path / "codes.hamming")


def test_a_server_that_starts_imports_no_numba() -> None:
    _run("import sys, transhash.cli.serve, transhash.server.run\nassert 'numba' not in sys.modules", Path())


def _run(program: str, argument: Path) -> None:
    code = program if program.startswith("import") else COMPILED + program
    done = subprocess.run([sys.executable, "-c", code, argument], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
