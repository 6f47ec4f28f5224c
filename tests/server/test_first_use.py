"""What a server compiles, it compiles before it says that it is ready."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from PIL import Image

PROGRAM = """
import gc, sys, time
from fastapi.testclient import TestClient
from numba.core.registry import CPUDispatcher
import transhash
from transhash.library import LiveLibrary
from transhash.server.app import create_app
from transhash.server.settings import Settings


def compiled():
    kernels = [each for each in gc.get_objects() if isinstance(each, CPUDispatcher)]
    return {(each.py_func.__qualname__, kind) for each in kernels for kind in each.overloads}


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


def test_a_search_compiles_nothing(tmp_path: Path) -> None:
    pictures = sorted((Path(__file__).parents[2] / "examples" / "pictures").rglob("*.jpg"))[:8]
    for number, path in enumerate(pictures):
        large = Image.open(path).convert("RGB").resize((320, 320), Image.Resampling.BICUBIC)
        large.save(tmp_path / f"{number}.png")
    large.resize((280, 280)).save(tmp_path / "smaller.jpg")

    done = subprocess.run([sys.executable, "-c", PROGRAM, tmp_path], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
