"""The program as a process: pipes, signals, start-up."""

from __future__ import annotations

import json
import os
import random
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from collection import draw
from fake_model import FakeModel
from fake_transhash import PROGRAM
from transhash import Library


def program(*arguments: object, **options) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([*PROGRAM, *map(str, arguments)], capture_output=True, check=False, **options)


@pytest.fixture
def many(photos: Path) -> Path:
    for seed in range(100, 134):
        draw(photos / "more" / f"{seed}.png", seed)
    return photos


def assert_whole(photos: Path, tmp_path: Path) -> None:
    """The library is exactly that of an undisturbed run."""
    with (
        Library.create(tmp_path / "undisturbed", FakeModel()) as undisturbed,
        Library.open(photos, FakeModel()) as library,
    ):
        undisturbed.index(photos)
        assert len(library) == len(undisturbed)
        for picture in sorted(photos.rglob("*.png")):
            expected = {(hit.path, hit.distance) for hit in undisturbed.search(picture, k=100)}
            assert {(hit.path, hit.distance) for hit in library.search(picture, k=100)} == expected


def test_ctrl_c_keeps_what_is_done_and_says_how_to_go_on(many: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "FAKE_DELAY": "0.1"}
    process = subprocess.Popen(
        [*PROGRAM, "index", "photos"], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment
    )
    saved = wait_for_pictures(many, 5)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate()

    assert (process.returncode, out) == (1, "")
    count = int(err.split()[1])
    assert err == f"interrupted: {count} pictures are in photos/.transhash; run the same command again to go on\n"
    assert saved <= count < 40
    again = json.loads(program("index", "photos", "--json").stdout)
    assert (again["added"], again["unchanged"]) == (40 - count, count)
    assert_whole(many, tmp_path)


def wait_for_pictures(photos: Path, number: int) -> int:
    """Wait until a running program has saved so many."""
    for _ in range(3000):
        if Library.exists(photos):
            with Library.open(photos, FakeModel()) as library:
                if len(library) >= number:
                    return len(library)
        time.sleep(0.01)
    raise AssertionError("nothing was saved in 30 s")


def test_kill_at_any_moment_keeps_what_was_saved(many: Path, tmp_path: Path) -> None:
    environment = {**os.environ, "FAKE_DELAY": "0.02"}
    moment = random.Random(0)
    saved = 0
    for _ in range(4):
        process = subprocess.Popen([*PROGRAM, "index", "photos"], env=environment)
        time.sleep(moment.uniform(0.2, 1.0))
        process.kill()
        process.wait()
        if Library.exists(many):
            with Library.open(many) as library:
                assert len(library) >= saved
                saved = len(library)
    result = json.loads(program("index", "photos", "--json").stdout)

    assert result["added"] + result["unchanged"] == result["pictures"] == 40
    assert result["unchanged"] == saved
    assert_whole(many, tmp_path)


def test_a_reader_that_is_gone_from_the_beginning_is_no_error(photos: Path) -> None:
    index = subprocess.Popen([*PROGRAM, "index", "photos"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert index.stdout is not None
    index.stdout.close()

    assert index.stderr is not None
    assert (index.stderr.read(), index.wait()) == (b"", 1)


def test_a_reader_that_goes_away_is_no_error(photos: Path) -> None:
    program("index", "photos")
    queries = [os.fspath(path) for path in photos.rglob("*.png")] * 300  # more output than a pipe holds
    search = subprocess.Popen([*PROGRAM, "search", *queries], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert search.stdout is not None
    assert search.stdout.readline().endswith(b".png:\n")
    search.stdout.close()

    assert search.stderr is not None
    assert search.stderr.read() == b""
    assert search.wait() == 1


def test_a_name_that_is_not_utf8_leaves_as_it_came(photos: Path) -> None:
    name = os.fsdecode(b"caf\xe9.png")
    draw(photos / "x.png", 70).rename(photos / name)
    indexed = program("index", "photos")
    found = program("search", f"photos/{name}", "-k", "1")
    as_json = program("search", f"photos/{name}", "-k", "1", "--json")

    assert (indexed.returncode, found.stdout) == (0, b"   0  photos/caf\xe9.png  (the same picture)\n")
    assert os.fsencode(json.loads(as_json.stdout)["hits"][0]["path"]).endswith(b"/caf\xe9.png")


def test_a_letter_that_the_terminal_does_not_have_is_written_out(photos: Path) -> None:
    program("index", "photos")
    draw(photos / "日\udcff.png", 99)
    program("index", "photos")
    found = program("search", photos / "日\udcff.png", "-k", 1, env={**os.environ, "PYTHONIOENCODING": "latin-1"})
    assert (found.returncode, found.stdout) == (0, b"   0  photos/\\u65e5\xff.png  (the same picture)\n")


@pytest.mark.parametrize("arguments", [["info"], ["search", "-"], ["--help"]])
def test_closed_channels_are_no_crash(arguments: list[str], photos: Path) -> None:
    program("index", "photos")
    command = shlex.join([*PROGRAM, *arguments])
    done = subprocess.run(["sh", "-c", f"{command} <&- >&-"], stderr=subprocess.PIPE, check=False)
    assert b"Traceback" not in done.stderr


def test_help_on_a_full_disk_is_a_sentence() -> None:
    for option in ("--help", "--version"):
        with open("/dev/full", "w") as full:
            done = subprocess.run([*PROGRAM, option], stdout=full, stderr=subprocess.PIPE, check=False)
        assert b"No space left on device; make room and run again\n" in done.stderr
        assert b"Traceback" not in done.stderr


def test_a_folder_that_has_been_removed_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "gone").mkdir()
    command = f"cd {shlex.quote(str(tmp_path / 'gone'))} && rmdir ../gone && {shlex.join([*PROGRAM, 'info'])}"
    done = subprocess.run(["sh", "-c", command], capture_output=True, check=False)
    said = b"the folder that you are in is not there any more; go to another one\n"
    assert (done.returncode, done.stderr) == (2, said)


def test_a_bar_on_a_terminal_and_none_in_a_pipe(photos: Path) -> None:
    pty = pytest.importorskip("pty")
    ours, theirs = pty.openpty()
    on_terminal = subprocess.run([*PROGRAM, "index", "photos"], stdout=subprocess.PIPE, stderr=theirs, check=True)
    os.close(theirs)

    assert b"indexing" in os.read(ours, 10_000)
    assert on_terminal.stdout == b"6 pictures in photos/.transhash: 6 added\n"
    assert program("index", "photos").stderr == b""


@pytest.mark.parametrize("arguments", [["--help"], ["search", "--help"]])
def test_help_loads_nothing_heavy(arguments: list[str]) -> None:
    code = (
        "import sys\nfrom transhash.cli import main\n"
        f"sys.argv = ['transhash', *{arguments}]\n"
        "try: main()\n"
        "finally: print([m for m in ('numpy', 'numba', 'PIL', 'onnxruntime', 'torch', 'sqlite3') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert "Usage: " in done.stdout
    assert done.stdout.endswith("[]\n")


def test_the_library_loads_no_model_before_a_picture_is_encoded() -> None:
    heavy = ("transhash.model.hash_model", "transhash.evaluation", "PIL", "subprocess", "socket", "concurrent.futures")
    code = f"import sys\nfrom transhash import Library\nprint([m for m in {heavy} if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_search_of_a_small_library_compiles_nothing(photos: Path) -> None:
    code = (
        "import sys, fake_transhash; fake_transhash.use_fakes()\n"
        "sys.argv = ['transhash', 'search', 'photos/cat/cat-0.png', '-k', '1', '-l', 'photos']\n"
        "try: fake_transhash.main()\n"
        "finally: print([m for m in ('numba', 'torch', 'rich') if m in sys.modules])"
    )
    program("index", "photos")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)

    assert done.stdout == "   0  photos/cat/cat-0.png  (the same picture)\n[]\n"
