"""Threads next to the event loop: whoever asks for much waits for it alone."""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time

from transhash.server.workers import GIVE_WAY, SENDER, Batches, GivingWay


def _put(batches: Batches[str, str], sender: str, jobs: list[str]) -> list[asyncio.Future[str]]:
    def put() -> list[asyncio.Future[str]]:
        SENDER.set(sender)
        return batches.put(jobs)

    return contextvars.copy_context().run(put)


def test_a_sender_of_many_jobs_does_not_keep_others_waiting() -> None:
    done: list[str] = []
    began, go_on = threading.Event(), threading.Event()

    def work(jobs: list[str]) -> list[str | Exception]:
        began.set()
        go_on.wait(60)
        done.extend(jobs)
        return [*jobs]

    async def run() -> None:
        # one thread: of two, that with the other's job may wait for a processor however long
        batches = Batches("jobs", work, threads=1, batch=1, waiting=100, of_one=1)
        try:
            futures = _put(batches, "greedy", [f"greedy {number}" for number in range(20)])
            await asyncio.to_thread(began.wait, 60)
            other = _put(batches, "other", ["other 0", "other 1"])
            go_on.set()
            assert await asyncio.gather(*other) == ["other 0", "other 1"]
            await asyncio.gather(*futures)
        finally:
            batches.close(60)

    asyncio.run(run())

    assert max(done.index("other 0"), done.index("other 1")) < 8
    assert [each for each in done if "greedy" in each] == [f"greedy {number}" for number in range(20)]


def test_what_waits_is_dropped_in_the_end_and_all_threads_end() -> None:
    began, go_on = threading.Event(), threading.Event()

    def work(jobs: list[str]) -> list[str | Exception]:
        began.set()
        go_on.wait(60)
        return [*jobs]

    async def run() -> list[bool]:
        batches = Batches("jobs", work, threads=2, batch=2, waiting=100)
        futures = _put(batches, "one", [str(number) for number in range(30)])
        await asyncio.to_thread(began.wait, 60)
        closing = asyncio.create_task(asyncio.to_thread(batches.close, 60.0))
        while batches.waiting:
            await asyncio.sleep(0)
        go_on.set()
        await closing
        assert not [thread for thread in threading.enumerate() if thread.name == "transhash-jobs"]
        await asyncio.sleep(0)
        return [future.done() for future in futures]

    assert 1 <= sum(asyncio.run(run())) <= 4


def test_what_takes_long_gives_way_to_others_but_not_for_ever() -> None:
    others = iter([True, True, False, True])
    give_way = GivingWay(lambda: next(others), times=1000.0, free=0.0)
    time.sleep(0.001)  # which counts as work

    give_way()

    assert next(others)  # they were asked until they had no more work
    assert give_way.waited > 0
    busy = GivingWay(lambda: True, times=1.0, free=0.0)
    time.sleep(0.01)
    busy()  # comes to its end, though others have work
    assert busy.waited > 0


def test_who_asks_one_after_the_other_waits_while_others_work() -> None:
    busy = threading.Event()
    busy.set()

    def work(jobs: list[str]) -> list[str | Exception]:
        time.sleep(0.01)
        return [*jobs]

    async def run() -> None:
        resting = lambda: GivingWay(busy.is_set, times=10_000.0, free=0.0)  # noqa: E731
        batches = Batches("jobs", work, threads=2, batch=1, waiting=100, of_one=1, giving_way=resting, rests=True)
        try:
            first, second = _put(batches, "greedy", ["first", "second"])
            assert await first == "first"
            (other,) = _put(batches, "other", ["other"])
            assert await other == "other"
            assert not second.done()
            busy.clear()
            assert await second == "second"
        finally:
            busy.clear()
            batches.close(60)

    asyncio.run(run())


def test_a_job_that_takes_long_lets_others_go_before_its_next_part() -> None:
    busy, began = threading.Event(), threading.Event()
    busy.set()
    parts: list[str] = []

    def work(jobs: list[str]) -> list[str | Exception]:
        parts.append("first")
        time.sleep(0.001)
        began.set()
        GIVE_WAY.get()()
        parts.append("second")
        return [*jobs]

    async def run() -> None:
        resting = lambda: GivingWay(busy.is_set, times=100_000.0, free=0.0)  # noqa: E731
        batches = Batches("jobs", work, threads=1, batch=1, waiting=100, giving_way=resting)
        try:
            future = batches.put(["long"])[0]
            await asyncio.to_thread(began.wait, 60)
            await asyncio.sleep(0.1)
            assert parts == ["first"]
            busy.clear()
            await future
            assert parts == ["first", "second"]
        finally:
            busy.clear()
            batches.close(60)

    asyncio.run(run())
