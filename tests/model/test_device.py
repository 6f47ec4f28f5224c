"""What a model is told to encode on. No CUDA device is needed: what ONNX Runtime is asked for is looked at."""

from __future__ import annotations

from importlib import import_module
from typing import Any

import numpy as np
import pytest

from transhash.errors import ModelError
from transhash.model import load

onnxruntime = import_module("onnxruntime")  # after transhash, which turns its usage data off

PICTURES = [np.full((20, 20, 3), shade, np.uint8) for shade in (0, 90, 200)]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """A runtime that says it has CUDA, computes on the CPU, and the providers that it was asked for."""
    opened, session = [], onnxruntime.InferenceSession

    def open_session(path: Any, options: Any, providers: list[Any]) -> Any:
        opened.append(providers)
        return session(path, options, providers=["CPUExecutionProvider"])

    monkeypatch.setattr(
        onnxruntime, "get_available_providers", lambda: ["CUDAExecutionProvider", "CPUExecutionProvider"]
    )
    monkeypatch.setattr(onnxruntime, "InferenceSession", open_session)
    return opened


@pytest.mark.parametrize(("device", "number"), [("auto", 0), ("cuda", 0), ("cuda:1", 1)])
def test_a_gpu_is_asked_first_and_never_for_shorter_numbers(device: str, number: int, asked: list[Any]) -> None:
    codes = load(device=device).encode(PICTURES)
    assert asked == [[("CUDAExecutionProvider", {"device_id": number, "use_tf32": 0}), "CPUExecutionProvider"]]
    np.testing.assert_array_equal(codes, load(device="cpu").encode(PICTURES))
    assert asked[1] == ["CPUExecutionProvider"]


def test_without_a_gpu_the_cpu_is_taken_and_asking_for_one_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: ["CPUExecutionProvider"])
    np.testing.assert_array_equal(load().encode(PICTURES), load(device="cpu").encode(PICTURES))
    with pytest.raises(ModelError, match="install onnxruntime-gpu"):
        load(device="cuda:0")
    for wrong in ("gpu", "cpu:1", "cuda:x"):
        with pytest.raises(ModelError, match="use auto, cpu, cuda"):
            load(device=wrong)
