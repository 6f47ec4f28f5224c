"""transhash doctor: what this installation has, whether it works, and how fast it is."""

from __future__ import annotations

import importlib.util
import os
import platform
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import typer

from transhash.cli.libraries import last_used, state_folder
from transhash.cli.options import JsonOption
from transhash.cli.output import DONE, PARTLY, print_json, shown
from transhash.errors import TransHashWarning

EXAMPLES = """\
  transhash doctor
  transhash doctor --json | jq .problem    # what to put into a bug report
"""

NEEDED = ("numpy", "numba", "pillow", "onnxruntime", "typer", "rich")
EXTRAS = {  # extra: the module that shows that it is installed
    "train": "torch", "pictures": "pillow_heif", "server": "fastapi", "milvus": "pymilvus", "parquet": "pyarrow",
    "encode": "fsspec", "ray": "ray", "bench": "faiss", "hub": "transformers", "mcp": "mcp", "lance": "lance",
}  # fmt: skip
SECONDS = 2.0  # that the self-test may take once everything is loaded


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: what was found, and what to do when it is a problem."""

    what: str
    found: str
    problem: str | None = None


def doctor(as_json: JsonOption = False) -> None:
    """Check this installation, and measure how fast it is.

    Looks at versions, cores, compiled functions, devices and folders, encodes and searches drawn pictures for two
    seconds, compares the result with a search by brute force, and looks for copies. Exit code 1 when something does
    not work. Nothing is sent anywhere. The first run on a machine compiles what searches and `duplicates` need: about a
    minute, and several when other programs are busy.
    """
    findings = []
    for look in (_versions, _extras, _processor, _devices, _kernels, _state, _temporary, _self_test, _copies):
        finding = _looked(look)
        findings.append(finding)
        if as_json:
            print_json(asdict(finding))
        else:
            print(f"{'no' if finding.problem else 'ok'}  {finding.what:<11} {shown(finding.found)}", flush=True)
            if finding.problem:
                print(f"    {'':<11} {finding.problem}")
    raise typer.Exit(PARTLY if any(finding.problem for finding in findings) else DONE)


def _looked(look: Callable[[], Finding]) -> Finding:
    """What a check finds; what it raises is a finding too, so that the other checks still run."""
    try:
        return look()
    except Exception as error:
        what = look.__name__.strip("_").replace("_", "-")
        return Finding(what, f"{type(error).__name__}: {error}", "this check failed; put this line into a bug report")


def _versions() -> Finding:
    found = [f"transhash {_version('transhash')}", f"Python {platform.python_version()}"]
    found += [f"{name} {_version(name)}" for name in NEEDED]
    missing = [name for name in NEEDED if _version(name) == "missing"]
    problem = f"install {', '.join(missing)}: pip install transhash" if missing else None
    return Finding("versions", ", ".join(found), problem)


def _version(package: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(package)
    except PackageNotFoundError:
        return "missing"


def _extras() -> Finding:
    there = [name for name, module in EXTRAS.items() if importlib.util.find_spec(module)]
    absent = [name for name in EXTRAS if name not in there]
    return Finding("extras", f"{', '.join(there) or 'none'}" + (f" (not: {', '.join(absent)})" if absent else ""))


def _processor() -> Finding:
    from transhash.threads import workers

    return Finding("processor", f"{platform.machine()}, {workers()} threads for {os.cpu_count()} cores, {_features()}")


def _features() -> str:
    """The vector instructions that matter for codes and for 8-bit networks."""
    try:
        text = Path("/proc/cpuinfo").read_text("utf-8", "replace")
    except OSError:
        return platform.processor() or "vector instructions unknown"
    flags = {word for line in text.splitlines() if line.startswith(("flags", "Features")) for word in line.split()}
    names = ("avx2", "avx512f", "avx512_vnni", "avx512_vpopcntdq", "avx_vnni", "amx_int8", "asimd", "i8mm", "sve")
    return " ".join(name for name in names if name in flags) or "no vector instructions that are used"


def _devices() -> Finding:
    """What there is to compute on, what encodes, and what keeps a GPU from it."""
    import onnxruntime

    from transhash.model import load

    found = ", ".join(name.removesuffix("ExecutionProvider") for name in onnxruntime.get_available_providers())
    found = f"ONNX Runtime: {found}"
    if importlib.util.find_spec("torch"):
        import torch

        gpus = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
        found += f"; PyTorch {torch.__version__}: {', '.join(gpus) or 'CPU only'}"
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always", TransHashWarning)
        found += f"; pictures are encoded on {load().device}"
    return Finding("devices", found, next((str(one.message) for one in warned), None))


def _kernels() -> Finding:
    """Whether functions that are compiled once are kept for the next time."""
    import transhash

    named = os.environ.get("NUMBA_CACHE_DIR")
    folder = Path(named) if named else Path(transhash.__file__).parent
    if _writable(folder):
        return Finding("compiled", f"kept in {folder}")
    if any(folder.rglob("*.nbi")):
        return Finding("compiled", f"read from {folder}, which cannot be written")
    return Finding(
        "compiled",
        f"{folder} cannot be written",
        "functions are compiled again in each run, up to a minute; set NUMBA_CACHE_DIR to a folder that can be written",
    )


def _writable(folder: Path) -> bool:
    """Whether a file can be made in a folder, or in the nearest one above it that exists."""
    from tempfile import TemporaryFile

    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    try:
        with TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


def _state() -> Finding:
    last = last_used()
    used = f"last library: {last}" if last else "no library used yet"
    if _writable(state_folder()):
        return Finding("state", f"{state_folder()}; {used}")
    return Finding("state", f"{state_folder()} cannot be written: the library used last is not remembered; {used}")


def _temporary() -> Finding:
    from tempfile import gettempdir

    folder = gettempdir()
    return Finding(
        "temporary", folder, None if _writable(Path(folder)) else "set TMPDIR to a folder that can be written"
    )


def _self_test() -> Finding:
    """Encode drawn pictures and search among codes for two seconds; compare with brute force."""
    import numpy as np

    from transhash.codes import hamming
    from transhash.model import load
    from transhash.search import HammingIndex
    from transhash.threads import workers

    model, random = load(), np.random.default_rng(0)
    pictures: list[Any] = list(random.integers(0, 256, (16, 64, 64, 3), dtype=np.uint8))
    model.encode(pictures[:2])  # loads the network
    begin, rounds = time.perf_counter(), 0
    while time.perf_counter() - begin < SECONDS / 2:
        codes = model.encode(pictures)
        rounds += 1
    encoding = rounds * len(pictures) / (time.perf_counter() - begin)

    index = HammingIndex(model.bits)
    index.add(random.integers(0, 256, (1_000_000, model.bits // 8), dtype=np.uint8))
    index.add(codes)
    flips = np.packbits(random.random((1 << 17, model.bits), np.float32) < 0.1, axis=1)
    clustered = HammingIndex(model.bits)
    clustered.add(codes[random.integers(0, len(codes), len(flips))] ^ flips)
    for filled, strategy in ((index, "mih"), (index, "scan"), (clustered, "mih")):  # compiles what they need
        for some in (codes[:1], np.tile(codes, (workers(), 1))):  # few and many for each thread
            filled.search(some, 10, strategy=strategy)
            filled.range_search(some, 8, strategy=strategy)
    times: list[float] = []
    while sum(times) < SECONDS / 2:
        begin = time.perf_counter()
        distances, _ = index.search(codes, 10)
        times.append(time.perf_counter() - begin)
    searching = min(times) / len(codes)
    wanted = np.sort(hamming(codes, index.reconstruct(np.arange(len(index)))), axis=1)[:, :10]
    found = (
        f"{model.name}: {encoding:,.0f} pictures of 64 pixels a second; a search of 1,000,000 codes in "
        f"{1000 * searching:.2f} ms"
    )
    wrong = not np.array_equal(distances, wanted)
    return Finding(
        "self-test", found, "search differs from brute force on this machine; report this" if wrong else None
    )


def _copies() -> Finding:
    """Look for copies among drawn pictures in a folder of its own, one of which is there a second time, smaller."""
    from tempfile import TemporaryDirectory

    import numpy as np
    from PIL import Image

    from transhash.library import Library
    from transhash.model import load

    model, random = load(), np.random.default_rng(0)
    with TemporaryDirectory(prefix="transhash-") as folder:
        for number in range(3):
            coarse, fine = (
                Image.fromarray(random.integers(0, 256, (side, side, 3), dtype=np.uint8)).resize((480, 480))
                for side in (12, 48)
            )
            drawn = Image.blend(coarse, fine, 0.4)
            drawn.save(Path(folder, f"{number}.png"))
        drawn.resize((360, 360)).save(Path(folder, "smaller.jpg"))
        drawn.rotate(2).save(Path(folder, "turned.png"))  # an edit, and no copy
        Image.merge("RGB", drawn.split()[::-1]).save(Path(folder, "colours.png"))  # in other colours: no copy
        library = Library.create(Path(folder, ".transhash"), model)
        library.index(folder)
        library.duplicates(model.bits)  # compares all with all
        groups = [[each.path.name for each in (group.keep, *group.same)] for group in library.duplicates().groups]
    _compile_the_rest()
    found = "of 6 drawn pictures one is a copy of another"
    right = [sorted(each) for each in groups] == [["2.png", "smaller.jpg"]]
    return Finding("copies", found, None if right else f"found {groups} instead; report this")


def _compile_the_rest() -> None:
    """Run the functions that large libraries, fitted codes and vectors need, and six pictures do not."""
    import numpy as np

    from transhash.library import embedding_index
    from transhash.library.duplicates import collapsing, neighbours
    from transhash.shallow.signs import signs_of

    embedding_index.prepare()
    collapsing.prepare()
    neighbours.neighbours(np.ones((2, 8), np.int8))
    signs_of(np.ones((9, 8), np.float32), np.ones((2, 8), np.float32), normalize=False)
