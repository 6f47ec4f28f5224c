"""Decoding in processes that can be ended gives what decoding here gives, and no picture outlasts its bounds."""

from __future__ import annotations

import io
import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import suppress

import numpy as np
import pytest
from PIL import Image

from benchmarks.server.hostile_pictures import many_pixels, many_scans
from transhash.errors import ImageError
from transhash.images import load_picture
from transhash.images.copies import full_copy, small_copy
from transhash.images.guarded import Guard

MOST = 50_000_000


@pytest.fixture
def guard() -> Iterator[Guard]:
    made = Guard(2, seconds=30.0, memory=1 << 30)
    yield made
    made.close()


def picture(format_: str = "JPEG", side: int = 600) -> bytes:
    pixels = np.random.default_rng(3).integers(0, 256, (side, side // 2, 3), np.uint8)
    image = Image.fromarray(pixels)
    exif = image.getexif()
    exif[0x0112] = 6  # lies on its side
    exif.get_ifd(0x8769)[0x9003] = "2021:05:06 07:08:09"
    file = io.BytesIO()
    image.save(file, format_, exif=exif)
    return file.getvalue()


@pytest.mark.parametrize(("format_", "suffix"), [("JPEG", ".jpg"), ("PNG", ".png"), ("WEBP", ".webp")])
def test_it_gives_what_decoding_here_gives(guard: Guard, format_: str, suffix: str) -> None:
    content = picture(format_)
    sent, here = guard.picture(content, 56, 0.875, max_pixels=MOST), load_picture(content, 56, crop=0.875)

    np.testing.assert_array_equal(sent.decoded.pixels, here.pixels)
    assert (sent.decoded.width, sent.decoded.height, sent.decoded.taken) == (600, 300, here.taken)
    assert sent.suffix == suffix
    assert guard.small(content) == small_copy(content)
    assert guard.full(content, max_pixels=MOST) == full_copy(content)


def test_errors_are_those_of_decoding_here(guard: Guard) -> None:
    for content in (b"", b"no picture", picture()[:2000], picture("PNG", side=1000)):
        with pytest.raises(ImageError) as here:
            load_picture(content, 8, max_pixels=400_000)
        with pytest.raises(ImageError) as there:
            guard.picture(content, 8, 1.0, max_pixels=400_000)
        assert (there.value.reason, there.value.remedy) == (here.value.reason, here.value.remedy)


def test_a_picture_that_takes_too_long_is_given_up_and_the_next_is_not_touched() -> None:
    guard = Guard(1, seconds=1.5, memory=1 << 30)
    guard.picture(picture(), 8, 1.0, max_pixels=MOST)
    [before] = guard.processes
    with pytest.raises(ImageError, match="takes too long to decode"):
        guard.picture(many_scans(), 8, 1.0, max_pixels=MOST)
    assert guard.processes == []  # ended, not left to go on
    assert guard.picture(picture(), 8, 1.0, max_pixels=MOST).decoded.width == 600
    assert guard.processes != [before]
    guard.close()


@pytest.mark.skipif(not hasattr(os, "SCHED_IDLE"), reason="only Linux has processes that give way to all others")
def test_a_picture_that_takes_long_gives_way_and_leaves_no_slow_process(monkeypatch: pytest.MonkeyPatch) -> None:
    calm = "transhash.images.guarded.CALM_SECONDS"
    monkeypatch.setattr(calm, 600.0)
    guard = Guard(1, seconds=600.0, memory=1 << 30)
    guard.picture(picture(), 8, 1.0, max_pixels=MOST)
    [before] = guard.processes
    assert os.sched_getscheduler(before) == os.SCHED_OTHER
    assert os.getsid(before) == os.getsid(0)  # Linux shares the machine among sessions before it looks at priorities
    monkeypatch.setattr(calm, 0.1)
    asking = threading.Thread(target=lambda: guard.picture(many_scans(2000, 400), 8, 1.0, max_pixels=MOST))
    asking.start()
    while os.sched_getscheduler(before) != os.SCHED_IDLE:
        assert asking.is_alive()
        time.sleep(0.01)
    with suppress(PermissionError):  # on a busy machine it would take long
        os.sched_setscheduler(before, os.SCHED_OTHER, os.sched_param(0))
    asking.join()
    assert before not in guard.processes
    monkeypatch.setattr(calm, 600.0)
    guard.picture(picture(), 8, 1.0, max_pixels=MOST)
    [after] = guard.processes
    assert os.sched_getscheduler(after) == os.SCHED_OTHER
    guard.close()


def test_a_process_that_runs_is_asked_before_one_is_started(guard: Guard) -> None:
    def ask() -> None:
        with suppress(ImageError):
            guard.small(picture())

    guard.small(picture())
    [lost] = guard.processes
    os.kill(lost, signal.SIGSTOP)
    asking = threading.Thread(target=ask)
    asking.start()
    while guard.free == 2:  # until that one is asked
        time.sleep(0.01)
    guard.small(picture())
    [stays] = {*guard.processes} - {lost}
    os.kill(lost, signal.SIGKILL)
    asking.join()  # its place was freed last
    guard.small(picture())
    assert guard.processes == [stays]


def test_a_picture_of_one_who_sends_slow_ones_leaves_running_processes_to_others(guard: Guard) -> None:
    guard.small(picture())
    [before] = guard.processes
    guard.picture(picture(), 8, 1.0, max_pixels=MOST, calm=True)
    assert before in guard.processes


@pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="memory is bounded on Linux")
def test_a_picture_that_takes_too_much_memory_is_refused() -> None:
    guard = Guard(1, seconds=30.0, memory=64 << 20)
    with pytest.raises(ImageError, match="not enough memory to decode it"):
        guard.picture(many_pixels(), 8, 1.0, max_pixels=MOST)
    assert guard.picture(picture(), 8, 1.0, max_pixels=MOST).decoded.width == 600
    guard.close()


def test_a_process_that_is_ended_is_replaced(guard: Guard) -> None:
    guard.small(picture())
    [process] = guard.processes
    os.kill(process, signal.SIGSTOP)
    failed: list[ImageError] = []

    def ask() -> None:
        try:
            guard.small(picture())
        except ImageError as error:
            failed.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    asking.join(0.3)
    os.kill(process, signal.SIGKILL)  # as a picture that brings its decoder down, or the system for want of memory
    asking.join(20)
    assert [each.reason for each in failed] == ["broken file"]
    assert guard.small(picture()) == small_copy(picture())
    assert process not in guard.processes


def test_nobody_gets_what_is_left_of_the_answer_to_another(guard: Guard, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(_: bytes) -> object:
        raise MemoryError

    with monkeypatch.context() as context:
        context.setattr(json, "loads", fails)
        with pytest.raises(MemoryError):
            guard.small(picture())
    assert guard.small(picture("PNG", side=40)) == small_copy(picture("PNG", side=40))


def test_processes_know_no_token(monkeypatch: pytest.MonkeyPatch, guard: Guard) -> None:
    monkeypatch.setenv("TRANSHASH_TOKEN", "a secret of the tests")
    guard.small(picture())
    if os.path.exists("/proc"):
        with open(f"/proc/{guard.processes[0]}/environ", "rb") as file:
            assert b"TRANSHASH_TOKEN" not in file.read()
