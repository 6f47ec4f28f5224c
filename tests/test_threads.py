"""Work spread over threads: after the main thread has ended, at exit, in itself, with errors."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from transhash import threads


@pytest.fixture(autouse=True)
def four(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRANSHASH_THREADS", "4")


def test_results_come_in_the_order_of_the_pieces() -> None:
    def task(number: int) -> int:
        time.sleep(0.001 * (number % 3))
        return number * number

    assert threads.spread(task, range(50)) == [number * number for number in range(50)]


def test_several_threads_work_at_a_time() -> None:
    together = threading.Barrier(3, timeout=10)
    threads.spread(lambda _: together.wait(), range(3))


def test_a_piece_may_spread_its_own_work() -> None:
    def task(number: int) -> int:
        return sum(threads.spread(lambda other: number * other, range(20)))

    assert threads.spread(task, range(40)) == [number * 190 for number in range(40)]


@pytest.mark.parametrize("failing", [IndexError, RuntimeError, KeyError])
def test_an_error_in_any_thread_is_raised_and_ends_the_rest(failing: type[Exception]) -> None:
    done = []

    def task(number: int) -> None:
        time.sleep(0.001)
        if number == 5:
            raise failing("of a piece")
        done.append(number)

    with pytest.raises(failing, match="of a piece"):
        threads.spread(task, range(1000))
    assert len(done) < 500


AT_THE_END = """
import atexit, os, threading, time
import numpy as np
import transhash

def use():
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 256, (70_000, 8), dtype=np.uint8)
    index = transhash.HammingIndex(64)
    index.add(codes)
    index.add(codes[:70_000])
    index.search(codes[:300], 5)
    index.range_search(codes[:300], 9)
    transhash.evaluate(codes[:99], np.arange(99) % 5, codes[:500], np.arange(500) % 5)
    print("used", flush=True)

if WHEN == "atexit":
    atexit.register(use)
else:
    threading.Thread(target=lambda: (threading.main_thread().join(), time.sleep(0.2), use())).start()
"""


@pytest.mark.parametrize("when", ["atexit", "thread"])
def test_search_and_evaluation_go_on_after_the_main_thread_has_ended(when: str) -> None:
    code = AT_THE_END.replace("WHEN", repr(when))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)

    assert done.stdout == "used\n", done.stderr
    assert "Traceback" not in done.stderr


def test_a_pool_that_takes_no_more_work_leaves_it_to_the_caller() -> None:
    pool = ThreadPoolExecutor(1)
    pool.shutdown()

    assert threads.submit(pool, divmod, 7, 2).result() == (3, 1)
    with pytest.raises(ZeroDivisionError):
        threads.submit(pool, divmod, 7, 0).result()
