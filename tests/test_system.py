"""Files that are replaced whole: permissions, links, what is no file, what killed processes leave."""

from __future__ import annotations

import os
import platform
import stat
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from transhash import system
from transhash.system import replacing

needs_modes = pytest.mark.skipif(sys.platform == "win32", reason="Windows has other permissions")


def write(path: Path | str, content: bytes = b"new") -> None:
    with replacing(path) as file:
        file.write(content)


@needs_modes
@pytest.mark.parametrize("mode", [0o600, 0o444, 0o640, 0o755])
def test_a_file_keeps_its_permissions(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    path.chmod(mode)
    write(path)

    assert (path.read_bytes(), stat.S_IMODE(path.stat().st_mode)) == (b"new", mode)


@needs_modes
def test_a_new_file_has_the_usual_permissions(tmp_path: Path) -> None:
    write(tmp_path / "file")
    (tmp_path / "usual").touch()

    assert (tmp_path / "file").stat().st_mode == (tmp_path / "usual").stat().st_mode


@needs_modes
def test_a_private_file_is_private_while_it_is_written(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    path.chmod(0o600)
    with replacing(path) as file:
        file.write(b"new")
        file.flush()
        modes = {stat.S_IMODE(each.stat().st_mode) for each in tmp_path.iterdir()}

    assert modes == {0o600}


@pytest.mark.parametrize("there", [True, False])
def test_a_link_stays_and_what_it_names_is_replaced(tmp_path: Path, there: bool) -> None:
    target = tmp_path / "disk" / "file"
    target.parent.mkdir()
    if there:
        target.write_bytes(b"old")
    (tmp_path / "link").symlink_to("disk/file")
    write(tmp_path / "link")

    assert (tmp_path / "link").is_symlink()
    assert target.read_bytes() == b"new"
    assert list(target.parent.iterdir()) == [target]


def test_what_is_no_file_is_an_error_and_stays(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "null").symlink_to("/dev/null")
    for name in ("loop", "folder", "pipe", "null", "absent/file", "folder/../..", "a\0b", "\udcff\ud800"):
        with pytest.raises(OSError):
            write(f"{tmp_path}/{name}")
    for name in ("", ".", "/"):
        with pytest.raises(IsADirectoryError):
            write(name)

    assert (tmp_path / "loop").is_symlink()
    assert stat.S_ISFIFO((tmp_path / "pipe").stat().st_mode)
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["folder", "loop", "null", "pipe"]


def test_the_longest_name_that_a_file_may_have_can_be_replaced(tmp_path: Path) -> None:
    write(tmp_path / ("ä" * 127))
    assert (tmp_path / ("ä" * 127)).read_bytes() == b"new"


def test_a_failure_leaves_the_old_file_alone(tmp_path: Path) -> None:
    write(tmp_path / "file", b"old")

    def fail() -> None:
        with replacing(tmp_path / "file") as file:
            file.write(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert [(each.name, each.read_bytes()) for each in tmp_path.iterdir()] == [("file", b"old")]


def test_the_next_writer_removes_what_a_killed_one_left(tmp_path: Path) -> None:
    code = (
        "import os, sys\nfrom transhash.system import replacing\n"
        "with replacing(sys.argv[1]) as file:\n    file.write(b'x' * 1000); file.flush(); os.kill(os.getpid(), 9)\n"
    )
    for name in ("file", "file.other", "x" * 250):
        subprocess.run([sys.executable, "-c", code, tmp_path / name], check=False)
    assert len(list(tmp_path.iterdir())) == 3
    write(tmp_path / "file")
    write(tmp_path / ("x" * 250))

    left = sorted(each.name for each in tmp_path.iterdir())
    assert len(left) == 3
    assert left[0].startswith(".file.other.")
    assert left[1:] == ["file", "x" * 250]


def test_what_another_writer_is_writing_is_not_removed(tmp_path: Path) -> None:
    path = tmp_path / "file"
    with replacing(path) as file:
        file.write(b"first")
        write(path, b"second")
        assert path.read_bytes() == b"second"

    assert [(each.name, each.read_bytes()) for each in tmp_path.iterdir()] == [("file", b"first")]


def test_many_writers_at_a_time_leave_one_whole_file(tmp_path: Path) -> None:
    contents = [bytes([number]) * 10_000 for number in range(8)]

    def work(content: bytes) -> None:
        for _ in range(20):
            write(tmp_path / "file", content)

    writers = [threading.Thread(target=work, args=(content,)) for content in contents]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()

    assert [each.name for each in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_bytes() in contents


MEMORY = """
import os, sys
import numpy as np
from transhash.system import give_memory_back

def resident():
    return int(open("/proc/self/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE") >> 20

if sys.argv[1] == "given back":
    give_memory_back()
np.ones(31 << 17)  # given up: glibc has arrays of up to 31 MB in its heap from now on
before = resident()
kept = [array for _ in range(10) for array in (np.ones(1 << 20), np.ones(15_000))]
del kept[::2]
print(resident() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="other C libraries do otherwise")
def test_large_arrays_that_are_given_up_go_back_to_the_system() -> None:
    def left(how: str) -> int:
        return int(subprocess.run([sys.executable, "-c", MEMORY, how], capture_output=True, check=True).stdout)

    assert left("kept") > 40  # MB: so it is without
    assert left("given back") < 10


def test_free_memory_is_that_of_the_machine_or_of_its_container(tmp_path: Path) -> None:
    assert system.free_memory(tmp_path) is None
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc" / "meminfo").write_text("MemTotal: 8000 kB\nMemAvailable:    5000 kB\n")
    assert system.free_memory(tmp_path) == 5000 * 1024
    group = tmp_path / "sys" / "fs" / "cgroup"
    group.mkdir(parents=True)
    (group / "memory.max").write_text("max\n")
    (group / "memory.current").write_text("700\n")
    (group / "memory.stat").write_text("anon 5\ninactive_file 30\n")
    assert system.free_memory(tmp_path) == 5000 * 1024
    (group / "memory.max").write_text("1000\n")
    assert system.free_memory(tmp_path) == 1000 - 700 + 30
    assert (system.free_memory() or 1) > 0
