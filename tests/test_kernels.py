"""Kernels where nothing can be kept on disk, and where what is kept is damaged."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "transhash"
CALL = (  # of a kernel that is compiled quickly
    "import numpy as np\nfrom transhash.search import rings\nprint(rings.table_starts(np.arange(5)).tolist())\n"
)
PRINTED = "[0, 3, 6, 9]\n"


def call(code: str = CALL, /, **environment: str) -> subprocess.CompletedProcess[str]:
    """Compile and call a kernel in a process of its own."""
    own = {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1", **environment}
    done = subprocess.run([sys.executable, "-c", code], env=own, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, PRINTED), done.stderr
    return done


@pytest.fixture
def read_only(tmp_path: Path) -> Path:
    """The package where Numba can write neither beside it nor in the home, not even as root."""
    shutil.copytree(SOURCE, tmp_path / "transhash", ignore=shutil.ignore_patterns("pretrained", "__pycache__"))
    for folder in (tmp_path / "transhash", *(tmp_path / "transhash").rglob("*")):
        if folder.is_dir():
            (folder / "__pycache__").touch()
    return tmp_path


@pytest.mark.parametrize("folder", [None, "/dev/null/none"])
def test_where_no_folder_can_be_written_it_compiles_and_says_so_once(read_only: Path, folder: str | None) -> None:
    named = {"NUMBA_CACHE_DIR": folder} if folder else {}
    done = call(PYTHONPATH=str(read_only), HOME="/dev/null", **named)

    assert done.stderr.count("in each process") == 1
    assert "set NUMBA_CACHE_DIR" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_a_folder_that_is_named_keeps_them(read_only: Path) -> None:
    folder = read_only / "kernels"
    first = call(PYTHONPATH=str(read_only), HOME="/dev/null", NUMBA_CACHE_DIR=str(folder))
    again = call(PYTHONPATH=str(read_only), HOME="/dev/null", NUMBA_CACHE_DIR=str(folder))

    assert "once" in first.stderr
    assert again.stderr == ""


def test_what_an_image_was_made_with_is_read_where_nothing_can_be_written(read_only: Path) -> None:
    folder = read_only / "kernels"
    places = {"PYTHONPATH": str(read_only), "HOME": "/dev/null", "NUMBA_CACHE_DIR": str(folder)}
    call(**places)
    code = "import tempfile\ndef none(*_, **__): raise PermissionError\ntempfile.TemporaryFile = none\n" + CALL
    assert call(code, **places).stderr == ""

    other = code.replace("arange(5)", "arange(5, dtype=np.int32)")  # of other numbers nothing is kept
    assert "in each process" in call(other, **places).stderr

    for path in folder.rglob("*.nbi"):
        path.unlink()
    assert "in each process" in call(code, **places).stderr


@pytest.mark.parametrize("suffix", [".nbi", ".nbc"])
def test_what_was_kept_and_is_damaged_is_compiled_again(tmp_path: Path, suffix: str) -> None:
    call(PYTHONPATH=str(SOURCE.parent), NUMBA_CACHE_DIR=str(tmp_path))
    for path in tmp_path.rglob(f"*{suffix}"):
        path.write_bytes(path.read_bytes()[:20])
    mended = call(PYTHONPATH=str(SOURCE.parent), NUMBA_CACHE_DIR=str(tmp_path))
    again = call(PYTHONPATH=str(SOURCE.parent), NUMBA_CACHE_DIR=str(tmp_path))

    assert "once" in mended.stderr
    assert again.stderr == ""


def test_a_full_disk_does_not_stop_a_search(tmp_path: Path) -> None:
    code = CALL.replace("import numpy as np\n", "import numpy as np, resource\n" + FULL)
    environment = {**os.environ, "PYTHONPATH": str(SOURCE.parent), "NUMBA_CACHE_DIR": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False)

    assert done.stdout == PRINTED, done.stderr


FULL = "resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))  # no file can hold a byte\n"


def products(source: str) -> Iterator[int]:
    """Lines of kernels that need linear algebra, which Numba takes from SciPy: a light installation has none."""
    for function in ast.walk(ast.parse(source)):
        named = getattr(function, "decorator_list", [])
        if any(isinstance(one, ast.Name) and one.id in {"kernel", "inlined"} for one in named):
            for node in ast.walk(function):
                if isinstance(node, ast.MatMult) or getattr(node, "attr", None) in {"linalg", "dot", "vdot"}:
                    yield function.lineno


def test_no_kernel_needs_more_than_a_light_installation_has() -> None:
    assert not {str(path): found for path in SOURCE.rglob("*.py") if (found := [*products(path.read_text("utf-8"))])}


@pytest.mark.parametrize("body", ["np.linalg.solve(a, b)", "a @ b", "np.dot(a, b)", "a.dot(b)"])
def test_linear_algebra_in_a_kernel_is_noticed(body: str) -> None:
    assert [*products(f"@kernel\ndef f(a, b):\n    return {body}\n")] == [2]
