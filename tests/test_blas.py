"""NumPy's linear algebra on one thread: inside, and never after it."""

from __future__ import annotations

import importlib
import threading

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

from transhash.system import one_blas_thread


def threads() -> set[int]:
    return {each["num_threads"] for each in threadpool_info() if "numpy" in each["filepath"]}


@pytest.mark.skipif(not threads(), reason="this NumPy has no OpenBLAS of its own")
def test_inside_there_is_one_thread_and_then_as_many_as_before() -> None:
    left, leave = threading.Event(), threading.Event()

    def other() -> None:
        with one_blas_thread():
            leave.wait(60)
        left.set()

    thread = threading.Thread(target=other)
    with threadpool_limits(2, "blas"):
        with one_blas_thread():
            thread.start()
            assert threads() == {1}
            leave.set()
            assert left.wait(60)
            assert threads() == {1}
        thread.join()
        assert threads() == {2}


@pytest.mark.skipif(not threads(), reason="this NumPy has no OpenBLAS of its own")
@pytest.mark.parametrize(("name", "inner"), [("ksh", "learn"), ("learned", "_descend")])
def test_methods_of_many_small_products_learn_on_one_thread(
    name: str, inner: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    module, seen = importlib.import_module(f"transhash.shallow.{name}"), []
    learn = getattr(module, inner)

    def noted(*given: object) -> object:
        seen.append(threads())
        return learn(*given)

    monkeypatch.setattr(module, inner, noted)
    features = np.random.default_rng(0).standard_normal((60, 8)).astype(np.float32)
    with threadpool_limits(2, "blas"):
        getattr(module, name)(features, np.arange(60) % 3, 8)
    assert seen == [{1}]
