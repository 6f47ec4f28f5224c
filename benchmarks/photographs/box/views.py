"""Views of a photograph: coarse, as a sketch, a cartoon or a painting, or a part of it; what it shows stays the same.

A network that learns that a view is like what its photograph is like tells kinds apart where colours and textures
differ.
"""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageChops, ImageEnhance, ImageFilter, ImageOps

SIZE = 140  # pixels, of the network's input
_CUBIC = Image.Resampling.BICUBIC
_FILTERS = (_CUBIC, Image.Resampling.BOX, Image.Resampling.LANCZOS, Image.Resampling.BILINEAR)

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]
Picture = Image.Image
Random = np.random.Generator


def view(square: Bytes, random: Random, kind: str | None = None) -> Bytes:
    """A square picture as a view of a kind, by default one that is drawn: uint8 (S, S, 3) to uint8 (140, 140, 3)."""
    image = Image.fromarray(np.asarray(square))
    chosen = kind or random.choice(list(VIEWS), p=[share for share, _ in VIEWS.values()])
    if kind is None and chosen != "part":
        image = _cut(image, random, 0.6)
        if random.random() < 0.5:
            image = ImageOps.mirror(image)
    image = VIEWS[chosen][1](image, random)
    if chosen not in {"part", "sketch"} and random.random() < 0.1:
        image = ImageOps.grayscale(image).convert("RGB")
    return np.asarray(image.resize((SIZE, SIZE), _CUBIC))


def coarse(image: Picture, random: Random) -> Picture:
    """As if it had 20 to 72 pixels, half of the time as a JPEG file."""
    side = round(float(np.exp(random.uniform(np.log(20), np.log(72)))))
    image = image.resize((side, side), _FILTERS[int(random.integers(4))])
    if random.random() < 0.5:
        file = io.BytesIO()
        image.save(file, "JPEG", quality=int(random.integers(55, 95)))
        image = Image.open(file).convert("RGB")
    return image


def sketch(image: Picture, random: Random) -> Picture:
    """Dark lines on white: a pencil's, a difference of Gaussians' (Winnemöller et al., 2012), or edges alone."""
    grey = ImageOps.autocontrast(image.convert("L"), cutoff=1)
    soft = _blurred(grey, random.uniform(0.4, 1.2))
    if random.random() < 0.4:
        drawn = 255 * (soft / np.maximum(_blurred(grey, random.uniform(3, 9)), 8)).clip(0, 1) ** random.uniform(1, 4)
        if random.random() < 0.4:
            drawn = np.where(drawn > random.uniform(190, 235), 255.0, 0.0).astype(np.float32)
    elif random.random() < 0.5:
        across, down = np.diff(soft, axis=1, prepend=soft[:, :1]), np.diff(soft, axis=0, prepend=soft[:1])
        slope = np.hypot(across, down)
        edge = slope > max(float(np.quantile(slope, random.uniform(0.85, 0.95))), 6)
        drawn = 255 * (_blurred(_image(np.where(edge, 0, 255)), random.uniform(0.3, 0.9)) / 255) ** random.uniform(1, 3)
    else:
        wide = random.uniform(0.6, 1.6)
        difference = (_blurred(grey, wide) - random.uniform(0.96, 0.995) * _blurred(grey, 1.6 * wide)) / 255
        level, steep = random.uniform(0, 0.02), random.uniform(20, 120)
        drawn = 255 * np.where(difference > level, 1, 1 + np.tanh(steep * (difference - level)))
    image = _image(drawn)
    return (image.filter(ImageFilter.MinFilter(3)) if random.random() < 0.3 else image).convert("RGB")


def cartoon(image: Picture, random: Random) -> Picture:
    """Few flat colours, mostly with drawn outlines."""
    flat = image.filter(ImageFilter.MedianFilter(int(random.choice([3, 5, 7]))))
    if random.random() < 0.7:
        flat = ImageOps.posterize(flat, int(random.integers(2, 5)))
    else:
        flat = flat.quantize(int(random.integers(6, 24))).convert("RGB")
    flat = ImageEnhance.Color(flat).enhance(random.uniform(0.6, 2.5))
    return ImageChops.multiply(flat, sketch(image, random)) if random.random() < 0.6 else flat


def painting(image: Picture, random: Random) -> Picture:
    """Strokes of one colour, other colours and light, at times a canvas."""
    image = image.filter(ImageFilter.ModeFilter(int(random.choice([5, 7, 9]))))
    image = _lit(image, random, 2.0, 0.7, 1.3)
    image = ImageEnhance.Contrast(image).enhance(random.uniform(0.6, 1.5))
    if random.random() < 0.4:
        image = Image.fromarray(np.ascontiguousarray(np.asarray(image)[:, :, random.permutation(3)]))
    if random.random() < 0.4:
        grain = _image(random.normal(128, 40, (48, 48))).resize(image.size)
        rough = (np.asarray(grain, np.float32) - 128)[..., None] * random.uniform(0.2, 0.8)
        image = Image.fromarray((np.asarray(image, np.float32) + rough).clip(0, 255).astype(np.uint8))
    return image


def part(image: Picture, random: Random) -> Picture:
    """A quarter or more of it, half of the time in other colours and light, half of the time mirrored."""
    image = _cut(image, random, 0.25)
    if random.random() < 0.5:
        image = _lit(image, random, 1.6, 0.6, 1.4)
    return ImageOps.mirror(image) if random.random() < 0.5 else image


VIEWS: dict[str, tuple[float, Callable[[Picture, Random], Picture]]] = {
    "coarse": (0.3, coarse),
    "sketch": (0.25, sketch),
    "cartoon": (0.15, cartoon),
    "painting": (0.15, painting),
    "part": (0.15, part),
}
"""The share of each kind of view, and how it is made."""


def _cut(image: Picture, random: Random, least: float) -> Picture:
    """A rectangle of at least that share of the area, squeezed to a square."""
    side = image.size[0]
    area, aspect = random.uniform(least, 1), np.exp(random.uniform(-0.25, 0.25))
    wide, high = min(1.0, np.sqrt(area * aspect)), min(1.0, np.sqrt(area / aspect))
    left, top = random.uniform(0, 1 - wide), random.uniform(0, 1 - high)
    box = (left * side, top * side, (left + wide) * side, (top + high) * side)
    return image.resize((SIZE, SIZE), _CUBIC, box=box)


def _lit(image: Picture, random: Random, colour: float, dark: float, bright: float) -> Picture:
    image = ImageEnhance.Color(image).enhance(random.uniform(0, colour))
    return ImageEnhance.Brightness(image).enhance(random.uniform(dark, bright))


def _blurred(image: Picture, radius: float) -> Floats:
    return np.asarray(image.filter(ImageFilter.GaussianBlur(radius)), np.float32)


def _image(grey: NDArray[np.floating] | NDArray[np.integer]) -> Picture:
    return Image.fromarray(np.asarray(grey).clip(0, 255).astype(np.uint8))
