"""Indexes that are pickled, copied, sent to other processes and inherited by forked ones."""

from __future__ import annotations

import copy
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import numpy as np
import pytest

from transhash.search import HammingIndex, segment


@pytest.fixture
def index(monkeypatch: pytest.MonkeyPatch) -> HammingIndex:
    """An index with a segment that has tables, shared codes and removed entries, and a tail."""
    monkeypatch.setattr(segment, "WORTH_TABLES", 1000)
    rng = np.random.default_rng(0)
    made = HammingIndex(64, meta={"model": "m"})
    made.add(rng.integers(0, 4, (70_000, 8), dtype=np.uint8) * 85)
    made.add(rng.integers(0, 4, (300, 8), dtype=np.uint8) * 85)
    made.remove(np.arange(0, 9000, 9))
    return made


@pytest.mark.parametrize(
    "again",
    [
        lambda index: pickle.loads(pickle.dumps(index)),
        lambda index: pickle.loads(pickle.dumps(index, protocol=2)),
        copy.copy,
        copy.deepcopy,
    ],
    ids=["pickle", "pickle 2", "copy", "deepcopy"],
)
def test_a_copy_finds_the_same_and_grows_apart(index: HammingIndex, again: Callable) -> None:
    other = again(index)
    queries = index.reconstruct(index.ids[:20])
    for mine, its in zip(index.search(queries, 30), other.search(queries, 30), strict=True):
        np.testing.assert_array_equal(mine, its)
    assert (other.bits, other.meta, len(other)) == (64, {"model": "m"}, len(index))

    added = other.add(queries[:2])
    other.remove(index.ids[:1])
    np.testing.assert_array_equal(added, [70_300, 70_301])
    assert not index.contains(added).any()
    assert index.contains(index.ids[:1]).all()
    np.testing.assert_array_equal(index.add(queries[:1]), [70_300])


def test_a_process_pool_searches(index: HammingIndex) -> None:
    small = HammingIndex(64)
    small.add(index.reconstruct(index.ids[:500]))
    queries = index.reconstruct(index.ids[:5])
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        found = pool.submit(small.search, queries, 7).result()

    for mine, its in zip(small.search(queries, 7), found, strict=True):
        np.testing.assert_array_equal(mine, its)


FORKED = """
import os, signal, sys, threading, time
import numpy as np
from transhash.search import HammingIndex, index as module

codes = np.random.default_rng(0).integers(0, 256, (50, 8), dtype=np.uint8)
index = HammingIndex(64)
index.add(codes)
inside, ended = threading.Event(), threading.Event()
check = module.refuse_repeats

def slow(*arguments):
    inside.set()
    ended.wait()
    check(*arguments)

module.refuse_repeats = slow
adding = threading.Thread(target=index.add, args=(codes,))
adding.start()
inside.wait()
child = os.fork()
if child == 0:
    signal.alarm(20)
    module.refuse_repeats = check
    index.add(codes)
    index.remove([0])
    os._exit(0 if len(index) == 99 else 1)
status = os.waitpid(child, 0)[1]
ended.set()
adding.join()
print(os.waitstatus_to_exitcode(status), len(index))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_child_that_was_forked_while_a_thread_adds_can_add() -> None:
    done = subprocess.run([sys.executable, "-c", FORKED], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "0 100\n"


COMPILING = """
import os, signal, threading
from numba.core.compiler_lock import global_compiler_lock
import transhash.search.scan

inside, ended = threading.Event(), threading.Event()

def compile_something():
    with global_compiler_lock:
        inside.set()
        ended.wait(1)

threading.Thread(target=compile_something).start()
inside.wait()
child = os.fork()
if child == 0:
    signal.alarm(20)
    with global_compiler_lock:
        os._exit(0)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_child_that_was_forked_while_a_thread_compiles_can_compile() -> None:
    done = subprocess.run([sys.executable, "-c", COMPILING], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "0\n"
