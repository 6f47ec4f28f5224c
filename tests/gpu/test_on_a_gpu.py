"""What only a GPU can show. Every path here has a test on the CPU through the same code as well.

python -m pytest tests/gpu    # on a machine with a CUDA device
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from tiny_run import recipe
from transhash.data.augment import Augmentation, augment
from transhash.errors import RecipeError
from transhash.model import load
from transhash.nn.mgvt import MGVT
from transhash.training import loop
from transhash.training.loop import train

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device: PyTorch finds none on this machine"),
]


def pictures() -> list[np.ndarray]:
    random = np.random.default_rng(0)
    noise = random.integers(0, 256, (40, 90, 120, 3), np.uint8)
    return [*noise, *(np.full((30, 30, 3), shade, np.uint8) for shade in (0, 128, 255))]


def test_codes_of_a_gpu_are_those_of_the_cpu_in_every_bit() -> None:
    model = load(device="cuda")
    assert model.device == "cuda:0"
    np.testing.assert_array_equal(model.encode(pictures()), load(device="cpu").encode(pictures()))


def test_views_on_a_gpu_are_those_on_the_cpu() -> None:
    pixels = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (8, 40, 40, 3), np.uint8))
    how = Augmentation((0.3, 1.0), 1.5, True, 0.3, 0.2, 0.5, 0.5)
    torch.manual_seed(0)
    here = augment(pixels, 28, how)
    torch.manual_seed(0)
    there = augment(pixels, 28, how, device="cuda")
    torch.testing.assert_close(there.cpu(), here, atol=2e-3, rtol=0)


@pytest.mark.parametrize("precision", ["float32", "bfloat16", "float16"])
@pytest.mark.parametrize("compiled", ["off", "on"])
def test_a_run_learns_on_a_gpu(precision: str, compiled: str, place: Path, tmp_path: Path) -> None:
    wanted = recipe(place, device="cuda", precision=precision, compile=compiled, epochs=20, validation=0.3, average=0.9)
    history = train(wanted, tmp_path / "run").history
    assert history[-1]["loss"] < 0.8 * history[0]["loss"]
    assert history[-1]["map"] > 0.9


def test_a_run_goes_on_on_a_gpu_and_on_the_cpu(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0.0)
    train(recipe(place, device="cuda"), tmp_path / "run", stop_at=7)
    train(recipe(place, device="cuda"), tmp_path / "run", stop_at=10)
    trained = train(recipe(place, device="cpu"), tmp_path / "run")
    assert len(trained.history) == 5


def test_too_large_a_batch_is_named(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    forward = MGVT.forward

    def hungry(self: MGVT, x: torch.Tensor, **settings: int | None) -> torch.Tensor:
        torch.empty(1 << 50, dtype=torch.uint8, device=x.device)
        return forward(self, x, **settings)

    monkeypatch.setattr(MGVT, "forward", hungry)
    with pytest.raises(RecipeError, match="batch_size=4"):
        train(recipe(place, device="cuda", compile="off"), tmp_path / "run")
