"""What is asked of the operating system: how many processors there are, and files that are replaced whole."""

from __future__ import annotations

import errno
import math
import os
import platform
import re
import stat
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeAlias, TypeVar

from transhash.errors import TransHashError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Scalar = TypeVar("Scalar", bound=np.generic)

LINE = 64  # bytes that memory gives at once

try:
    import fcntl
except ModuleNotFoundError:  # Windows, where a file that is open cannot be removed
    fcntl = None  # type: ignore[assignment]

StrPath: TypeAlias = "str | os.PathLike[str]"

_M_MMAP_THRESHOLD = -3  # of mallopt, in glibc
_LONGEST = 200  # bytes of a name that the name of a temporary file contains


@contextmanager
def needs(extra: str) -> Iterator[None]:
    """Around the imports of an optional part: a missing one is a `TransHashError` that names what installs it."""
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "transhash").partition(".")[0] == "transhash":
            raise
        raise TransHashError(
            "", f"this needs {error.name}, which is not installed", f"install it with: pip install 'transhash[{extra}]'"
        ) from error


def processors() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Inside, NumPy's linear algebra works on one thread, where OpenBLAS does it; for all threads of this process.

    Of small matrices its threads wait for one another longer than they work, and on a busy machine many times as long.
    """
    blas = _openblas()
    if blas is None:
        yield
        return
    threads, set_threads = blas
    with _calm.lock:
        _calm.inside += 1
        if _calm.inside == 1:
            _calm.usual = threads()
            set_threads(1)
    try:
        yield
    finally:
        with _calm.lock:
            _calm.inside -= 1
            if not _calm.inside:
                set_threads(_calm.usual)


class _Calm:
    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.inside = 0  # threads that want one thread
        self.usual = 1


_calm = _Calm()


@cache
def _openblas() -> tuple[Callable[[], int], Callable[[int], None]] | None:
    """What tells and sets how many threads the OpenBLAS uses that comes with NumPy; None where there is none."""
    import ctypes

    import numpy as np

    packages = Path(np.__file__).parents[1]
    for file in (*packages.glob("numpy.libs/*openblas*"), *packages.glob("numpy/.dylibs/*openblas*")):
        with suppress(OSError, AttributeError):
            library = ctypes.CDLL(str(file))  # which is there already
            return library.scipy_openblas_get_num_threads64_, library.scipy_openblas_set_num_threads64_
    return None


def free_memory(root: Path = Path("/")) -> int | None:
    """Bytes of memory that a process can still have, of the machine's or its container's; None where nobody says."""
    free: list[int] = []
    with suppress(OSError, ValueError, IndexError):
        free += [
            int(line.split()[1]) << 10 for line in _lines(root / "proc/meminfo") if line.startswith("MemAvailable")
        ]
    with suppress(OSError, ValueError, StopIteration):  # without a limit it is "max"
        group = root / "sys/fs/cgroup"
        spare = next(int(line.split()[1]) for line in _lines(group / "memory.stat") if line.startswith("inactive_file"))
        free.append(int((group / "memory.max").read_text()) - int((group / "memory.current").read_text()) + spare)
    return min(free) if free else None


def aligned(shape: tuple[int, ...], kind: type[Scalar]) -> NDArray[Scalar]:
    """An array, not filled, that begins where a cache line does; NumPy asks for large pages where it is much."""
    import numpy as np

    size = math.prod(shape) * np.dtype(kind).itemsize
    room = np.empty(size + LINE, np.uint8)
    start = -room.ctypes.data % LINE
    return room[start : start + size].view(kind).reshape(shape)


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines()


def has_nvidia_driver() -> bool:
    """Whether this machine has the driver of an NVIDIA GPU, whatever can use it."""
    import ctypes

    try:
        ctypes.CDLL("nvcuda.dll" if os.name == "nt" else "libcuda.so.1")
    except OSError:
        return False
    return True


def give_memory_back() -> None:
    """From now on arrays of a megabyte and more go back to the system when they are given up.

    glibc, left alone, soon has those of up to 32 MB in its heap, where what is given up leaves holes.
    """
    import ctypes

    with suppress(OSError, AttributeError, TypeError):  # another C library
        ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, 1 << 20)


def machine() -> str:
    """The processor's name and how many of its cores this process may use: what times were taken on."""
    model = platform.processor() or platform.machine()
    if os.path.exists("/proc/cpuinfo"):
        with open("/proc/cpuinfo") as lines:
            model = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), model)
    return f"{model}, {processors()} threads"


@contextmanager
def replacing(path: str | os.PathLike[str], *, lasting: bool = True) -> Iterator[BinaryIO]:
    """A file to write that takes the place of `path` at the end: a reader sees the old one or the new one, whole.

    A failure leaves the old one (that of a disk at the very end perhaps the new one). The new one has its owner and
    permissions, and survives a power cut. What a link names is replaced, not the link. Temporary files that a killed
    process left are removed. What can be made again need not be `lasting`: nobody waits for the disk, and after a power
    cut there may be less of it. Raises `OSError`, also for what can be no file.
    """
    target, old = _target(path)
    _remove_abandoned(target)
    file, writing = _create(target, private=old is not None)
    try:
        with open(file, "wb") as opened:
            yield opened
            opened.flush()
            if old is not None:
                _own_as(file, old)
            if lasting:
                os.fsync(file)
            if fcntl:  # as long as it is open nobody takes it for abandoned
                os.replace(writing, target)
        if not fcntl:
            os.replace(writing, target)
        if lasting:
            settle(target.parent)
    finally:
        with suppress(OSError):  # there is none left when all went well
            writing.unlink()


def reserve(file: int, size: int) -> None:
    """Make a file so large, with room on the disk for all of it where the system has a call for that.

    Without room, who writes to the file's map is killed by a signal. Raises `OSError`.
    """
    if hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(file, 0, size)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.ENOSYS):
                raise
    os.truncate(file, size)


def settle(path: str | os.PathLike[str]) -> None:
    """Wait until the disk has a file, or the names in a folder, where it can be asked for that.

    Raises `OSError` when the disk fails.
    """
    try:
        handle = os.open(path, os.O_RDONLY)
    except PermissionError:  # a folder on Windows, or one that this user may write but not list
        return
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP, errno.EBADF, errno.EACCES, errno.EROFS):
            raise
    finally:
        os.close(handle)


def make_folders(path: str | os.PathLike[str]) -> None:
    """Make a folder, and those above it, that survive a power cut; raises `OSError`."""
    path = Path(path)
    if not path.is_dir():
        if not path.parent.exists():
            make_folders(path.parent)
        path.mkdir(exist_ok=True)
        settle(path.parent)


def _target(path: str | os.PathLike[str]) -> tuple[Path, os.stat_result | None]:
    """The file that a path leads to, and what is there now."""
    try:
        target = Path(os.path.realpath(path))
        old = os.lstat(target)
    except ValueError:
        raise OSError(errno.EINVAL, "no file can have this name") from None
    except (FileNotFoundError, NotADirectoryError):  # whether its folder is there is found out when it is created
        old = None
    if not Path(path).name or (old is not None and stat.S_ISDIR(old.st_mode)):
        raise IsADirectoryError(errno.EISDIR, "it names a folder, not a file")
    if old is not None and stat.S_ISLNK(old.st_mode):
        raise OSError(errno.ELOOP, "the link leads to itself")
    if old is not None and not stat.S_ISREG(old.st_mode):
        raise OSError(errno.EINVAL, "it is a device or a pipe, not a file")
    return target, old


def _create(target: Path, *, private: bool) -> tuple[int, Path]:
    """A new file beside the target, locked: a descriptor and its path."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
    while True:
        path = target.with_name(f"{_prefix(target)}{os.urandom(6).hex()}.tmp")
        file = os.open(path, flags, 0o600 if private else 0o666)
        if lock_file(file) and os.fstat(file).st_nlink:
            return file, path
        os.close(file)  # it was taken for an abandoned one before it was locked


def _remove_abandoned(target: Path) -> None:
    """Remove the temporary files of processes that were killed while they replaced the target."""
    pattern = re.compile(re.escape(_prefix(target)) + "[0-9a-f]{12}[.]tmp")
    with suppress(OSError), os.scandir(target.parent) as entries:
        for entry in entries:
            if pattern.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                with suppress(OSError):
                    _remove_if_abandoned(entry.path)


def _remove_if_abandoned(path: str) -> None:
    if not fcntl:
        os.unlink(path)
        return
    file = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)  # whoever writes it holds the lock
        os.unlink(path)
    finally:
        os.close(file)


def lock_file(file: int) -> bool:
    """Lock a file; returns False when another process has locked it. Where files cannot be locked none is removed."""
    if fcntl:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            pass
    return True


@contextmanager
def in_turn(path: str | os.PathLike[str]) -> Iterator[None]:
    """Around reading a file and replacing it: of several threads and processes one after the other.

    The lock is a file of its own, `path` with `.lock`, which stays. Raises `OSError` where it cannot be made.
    """
    handle = os.open(f"{os.fspath(path)}.lock", os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o666)
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(handle, msvcrt.LK_LOCK, 1)  # until this process closes the file
        elif fcntl:
            with suppress(OSError):  # a drive that knows no locks
                fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _prefix(target: Path) -> str:
    """How the names of the target's temporary files begin; they are no longer than a name may be."""
    name = os.fsencode(target.name)
    if len(name) <= _LONGEST:
        return f".{target.name}."
    from hashlib import sha256

    return f".{sha256(name).hexdigest()}."


def _own_as(file: int, old: os.stat_result) -> None:
    """Give a file the owner, as far as this user may, and the permissions of another."""
    if hasattr(os, "fchown"):
        with suppress(OSError):
            os.fchown(file, old.st_uid, old.st_gid)
    if hasattr(os, "fchmod"):
        os.fchmod(file, stat.S_IMODE(old.st_mode))
