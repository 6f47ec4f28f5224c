"""Where the tests find real data, pictures to index, a model without a network, and what they do without these."""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path

# Before anything reads it: the workers of a test run share the cores already. A second thread of PyTorch or BLAS in
# each makes them wait for one another, many times as long as the work takes; programs that tests start inherit it.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest

from collection import draw
from fake_model import FakeModel
from milvus_lite import HOW, program, serving
from transhash import Library

# a shell's background job ignores Ctrl-C, and so would the programs that tests start and interrupt
signal.signal(signal.SIGINT, signal.default_int_handler)

# Whatever is saved is synced to the disk, thousands of times in a run. That the syncs are there is proved in
# `tests/faults`; here nobody needs to wait for a drive, and the files go to memory where there is enough.
MEMORY, ENOUGH = "/dev/shm", 4 << 30
if "TMPDIR" not in os.environ and os.access(MEMORY, os.W_OK) and shutil.disk_usage(MEMORY).free > ENOUGH:
    os.environ["TMPDIR"] = tempfile.tempdir = MEMORY

# where the program remembers the library used last: not the user's own
os.environ["XDG_STATE_HOME"] = tempfile.mkdtemp(prefix="transhash-tests-")
atexit.register(shutil.rmtree, os.environ["XDG_STATE_HOME"], ignore_errors=True)

# What takes long with few tests comes first, so that no worker is left alone with it in the end (`make test`).
EARLY = (
    "tests/faults/", "tests/bulk/", "tests/test_kernels.py", "tests/training/test_processes.py",
    "tests/cli/test_compare_verb.py", "tests/house/test_site.py", "tests/server/test_schema.py",
    "tests/server/test_duplicates_page.py", "tests/server/test_page",
)  # fmt: skip


def pytest_xdist_auto_num_workers() -> int:
    """One worker more than there are processors: half of its time each waits for programs that it started."""
    return len(os.sched_getaffinity(0)) + 1


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: not item.nodeid.startswith(EARLY))


_BESIDE = Path(__file__).resolve().parents[2] / "shared"


@pytest.fixture(scope="session")
def data_root() -> Path:
    """The folder with `cifar10/` and `tiny-imagenet/` in Parquet; skips the test when there is none."""
    root = Path(os.environ.get("TRANSHASH_DATA", _BESIDE / "data"))
    if not (root / "cifar10" / "train.parquet").is_file():
        pytest.skip(f"no real data at {root}: set TRANSHASH_DATA to a folder with cifar10/train.parquet")
    return root


@pytest.fixture(scope="session")
def backbone_file() -> Path:
    """The pretrained ViT-S/14 to start from; skips the test when it is absent."""
    path = Path(os.environ.get("TRANSHASH_BACKBONE", _BESIDE / "weights" / "vits14-tinyimagenet.safetensors"))
    if not path.is_file():
        pytest.skip(f"no backbone at {path}: set TRANSHASH_BACKBONE to a ViT-S/14 safetensors file")
    return path


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with class folders of pictures and a backbone, small enough to train on within a test (`tiny_run`)."""
    import numpy as np
    import torch
    from PIL import Image
    from safetensors.torch import save_file

    from tiny_run import SHAPE
    from transhash.nn.vit import ViT

    place = tmp_path_factory.mktemp("training")
    random = np.random.default_rng(0)
    for number, name in enumerate(("blue", "red")):
        (place / "data" / name).mkdir(parents=True)
        for i in range(14):
            pixels = random.integers(0, 100, (32, 40, 3), dtype=np.uint8)
            pixels[..., 2 - 2 * number] += 120
            Image.fromarray(pixels).save(place / "data" / name / f"{i:02d}.png")
    torch.manual_seed(0)
    state = {name: torch.randn_like(value) * 0.05 for name, value in ViT(SHAPE).state_dict().items()}
    save_file(state, place / "vit.safetensors", {"num_attention_heads": "1"})
    return place


@pytest.fixture
def model() -> FakeModel:
    return FakeModel()


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Six pictures in two class folders."""
    folder = tmp_path / "photos"
    for i in range(3):
        draw(folder / "cat" / f"cat-{i}.png", i)
        draw(folder / "dog" / f"dog-{i}.png", 10 + i)
    return folder


@pytest.fixture
def library(photos: Path, model: FakeModel) -> Iterator[Library]:
    """A library of them, still empty."""
    with Library.create(photos / ".transhash", model) as library:
        yield library


@pytest.fixture
def filled(library: Library, photos: Path) -> Library:
    """The same with its pictures."""
    library.index(photos)
    return library


@pytest.fixture(scope="session")
def milvus(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Host and port of a Milvus server."""
    pytest.importorskip("pymilvus", reason="no pymilvus: pip install 'transhash[milvus]'")
    if program() is None:
        pytest.skip(f"no Milvus to test against: {HOW}")
    with serving(tmp_path_factory.mktemp("milvus")) as address:
        yield address
