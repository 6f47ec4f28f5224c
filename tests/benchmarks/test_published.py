"""GIST is its formula, and the figures that published ones are compared with are those of its program."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np

from benchmarks.evaluation.gist import gist
from benchmarks.evaluation.published import BITS, PUBLISHED, markdown

ROOT = Path(__file__).parents[2]


def slow_gist(picture: np.ndarray) -> list[float]:
    """GIST of one picture (S, S, 3), a value at a time."""

    def mirrored(image: np.ndarray, border: int) -> np.ndarray:
        return np.pad(image, border, mode="symmetric")

    grey = mirrored(np.log(picture.astype(np.float64).mean(axis=2) + 1), 5)
    size = len(grey)
    low = np.array([[coarse(i, j, size) for j in range(size)] for i in range(size)])
    fine = grey - np.fft.ifft2(np.fft.fft2(grey) * low).real
    contrast = np.sqrt(np.abs(np.fft.ifft2(np.fft.fft2(fine**2) * low)))
    image = (fine / (0.2 + contrast))[5:-5, 5:-5]
    side = len(image)
    border, step = side // 2, side // 4
    spectrum = np.fft.fft2(mirrored(image, border))
    values = []
    for scale in range(4):
        for direction in range(8):
            size = len(spectrum)
            response = np.array([[gabor(i, j, size, scale, direction) for j in range(size)] for i in range(size)])
            strength = np.abs(np.fft.ifft2(spectrum * response))[border : border + side, border : border + side]
            values += [
                strength[top : top + step, left : left + step].mean()
                for top in range(0, side, step)
                for left in range(0, side, step)
            ]
    return values


def frequency(index: int, size: int) -> int:
    return index if index < size / 2 else index - size


def coarse(i: int, j: int, size: int) -> float:
    width = 4 / math.sqrt(math.log(2))
    return math.exp(-(frequency(i, size) ** 2 + frequency(j, size) ** 2) / width**2)


def gabor(i: int, j: int, size: int, scale: int, direction: int) -> float:
    y, x = frequency(i, size), frequency(j, size)
    angle = math.atan2(y, x) + math.pi / 8 * direction
    if angle > math.pi:
        angle -= 2 * math.pi
    centre = 0.3 / 1.85**scale
    return math.exp(-10 * 0.35 * (math.hypot(x, y) / size / centre - 1) ** 2 - 2 * math.pi * angle**2)


def test_gist_is_its_formula() -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3), np.uint8)
    expected = np.array([slow_gist(picture) for picture in pictures])
    found = gist(pictures)
    assert found.shape == (3, 512)
    assert np.allclose(found, expected, rtol=1e-3, atol=1e-4)
    assert expected.std() > 0.01


def test_the_page_has_the_stored_figures_and_says_how_near_they_are() -> None:
    found = json.loads((ROOT / "benchmarks/results/published.json").read_text("utf-8"))["methods"]
    assert markdown(found) in (ROOT / "docs/comparison.md").read_text("utf-8")

    def off(name: str) -> list[float]:
        """Points by which the mean of the seeds is ahead of what is published, at each length."""
        means = [float(np.mean(found[name][str(bits)]["map_conventional"])) for bits in BITS]
        return [round(100 * (mean - one), 1) for mean, one in zip(means, PUBLISHED[name], strict=True)]

    assert max(map(abs, off("itq"))) <= 0.1
    assert max(map(abs, off("sh") + off("bre"))) < 1
    assert (min(off("ksh")), max(off("ksh"))) == (-2.1, -1.4)
    assert (min(off("lsh")), max(off("lsh"))) == (1.4, 2.6)
