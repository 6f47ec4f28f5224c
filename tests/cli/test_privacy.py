"""Nothing leaves the machine: which files and sockets the real commands open, and who imports what sends usage data."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CREATING = "open,openat,creat,mkdir,mkdirat,link,linkat,symlink,symlinkat,rename,renameat,renameat2,mknod,mknodat"
COMMANDS = [
    ["index", "photos"],
    ["search", "photos/cat-01.jpg", "--library", "photos"],
    ["info", "--library", "photos"],
]


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A home that nobody has used; beside it `photos`, with three pictures."""
    for name in ("home", "photos", "kernels", "temporary"):
        (tmp_path / name).mkdir()
    for number in (1, 2, 3):
        shutil.copy(ROOT / f"examples/pictures/cat/cat-{number:02d}.jpg", tmp_path / "photos")
    return tmp_path / "home"


def run(home: Path, arguments: list[str], watch: tuple[str, ...] = ()) -> None:
    """Run the program with the model in the box; its environment is that of a new user who forbade nothing."""
    environment = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT / "src"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "HOME": str(home),
        "TMPDIR": str(home.parent / "temporary"),
        "NUMBA_CACHE_DIR": str(home.parent / "kernels"),
    }
    command = [*watch, sys.executable, "-m", "transhash", *arguments]
    done = subprocess.run(command, env=environment, cwd=home.parent, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_one_file_made_in_a_fresh_home_names_the_library_used_last(home: Path) -> None:
    for arguments in COMMANDS:
        run(home, arguments)

    files = [path for path in home.rglob("*") if path.is_file()]
    assert files == [home / ".local" / "state" / "transhash" / "last-library"]
    assert files[0].read_bytes() == os.fsencode(home.parent / "photos" / ".transhash")


def test_no_command_makes_a_foreign_file_or_opens_a_socket(home: Path) -> None:
    if not shutil.which("strace"):
        pytest.skip("no strace to watch files and sockets with")
    if subprocess.run(["strace", "-f", "true"], capture_output=True, check=False).returncode:
        pytest.skip("strace may not watch processes here")
    trace = home.parent / "trace"
    made, sockets, watched = [], [], 0
    for arguments in COMMANDS:
        run(home, arguments, ("strace", "-f", "-qq", "-s", "4096", "-o", str(trace), "-e", f"trace={CREATING},socket"))
        calls = trace.read_text("utf-8", "replace").splitlines()
        watched += sum(re.search(r"cat-0\d\.jpg", call) is not None for call in calls)
        sockets += [call for call in calls if re.search(r"\bsocket\((?!AF_UNIX)", call)]
        made += [path for path in map(created, calls) if path is not None]

    assert watched >= 4  # three pictures indexed and one searched with: the trace sees this program's files
    assert sockets == []
    assert [path for path in made if not is_own(path, home.parent)] == []


def created(call: str) -> str | None:
    """The path that a line of strace made, or None."""
    if re.search(r"= -1 E|<unfinished|resumed>", call) or ("open" in call and "O_CREAT" not in call):
        return None
    paths = re.findall(r'"((?:[^"\\]|\\.)*)"', call)
    return paths[-1] if paths else None


def is_own(path: str, place: Path) -> bool:
    """Whether a path is in the library that the command was given, or keeps which library that was."""
    whole, state = place / path, place / "home" / ".local" / "state" / "transhash"
    return (
        whole.is_relative_to(place / "photos" / ".transhash")
        or whole in (state, *state.parents)
        or (whole.parent == state and "last-library" in whole.name)
    )


@pytest.mark.parametrize("folder", ["src", "benchmarks", "examples", "tests"])
def test_onnx_runtime_is_imported_only_after_transhash(folder: str) -> None:
    files = [path for path in (ROOT / folder).rglob("*.py")]
    top_level = re.compile(r"^(import|from) (onnxruntime|ray|huggingface_hub)\b", re.MULTILINE)

    assert files
    assert [str(path) for path in files if top_level.search(path.read_text("utf-8"))] == []


def test_usage_data_is_off_whatever_the_environment_says() -> None:
    names = ("ORT_DISABLE_TELEMETRY", "RAY_USAGE_STATS_ENABLED", "HF_HUB_DISABLE_TELEMETRY")
    code = f"import os, transhash; print([os.environ[name] for name in {names}])"
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), names[0]: "0", names[1]: "1"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)

    assert done.stdout == "['1', '0', '1']\n"
