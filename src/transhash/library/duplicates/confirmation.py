"""Whether two pictures show the very same thing: small copies of them, aligned with one another and compared.

A code tells what a picture is of; pictures of one kind may share it. Here the pixels themselves speak. Two pictures
are copies when one, moved and scaled a little (a crop) and made brighter or darker, explains nearly all of the other's
grey values, and their colours agree. A mirrored picture is not a copy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from transhash.images import Source

SIDE = 32  # of the small copy
COLOURS = 8  # a side of the still smaller copy of both colour differences
SIZE = SIDE * SIDE + 2 * COLOURS * COLOURS  # bytes of a thumbnail
HASH_BITS = 64

# Measured by benchmarks/copies/copies.py (docs/duplicates.md): no two different pictures are within all of these there.
HASH_RADIUS = 18  # bits in which the hashes of copies differ, at most
UNEXPLAINED = 0.06  # share of the grey values' variance
COLOUR_DIFFERENCE = 8.0  # mean over both colour differences, in levels of 256
COLOUR_GAIN = (0.7, 1.4)  # a darker or brighter copy has weaker or stronger colours, all alike
TINT = 4.0  # levels by which all of a colour difference may be off
ELONGATION = 1.2  # ratio of the ratios of the sides
NOISE = 4.0  # variance that is no picture: of flat ones no share can be told

ROUGHLY = 0.45  # share of the shades' variance: 99 of 100 cropped copies are below, 19 of 20 other candidates above
FLAT = 25.0  # variance of pictures of which it tells nothing

MARGIN = 2  # pixels at the border that the other picture may not have
MOVED, SCALED = 3.0, 0.12  # pixels, share: more is not looked for
STEPS = 3
AT_ONCE = 256  # pairs in memory

Thumbnails = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float32]

_GREY = np.array([0.299, 0.587, 0.114], np.float32)
_BLUE = np.array([-0.169, -0.331, 0.5], np.float32)
_RED = np.array([0.5, -0.419, -0.081], np.float32)
_PLACES = np.arange(SIDE, dtype=np.float32) - (SIDE - 1) / 2
_INNER = slice(MARGIN, SIDE - MARGIN)


def thumbnail(source: Source) -> Thumbnails:
    """The small copy of a picture, upright, uint8 [SIZE]; raises `ImageError` as all decoding does."""
    from PIL.Image import Resampling

    from transhash.images import open_image

    image = open_image(source, min_side=2 * SIDE)
    pixels = np.asarray(image.resize((SIDE, SIDE), Resampling.BICUBIC, reducing_gap=3.0), np.float32)
    part = SIDE // COLOURS
    small = pixels.reshape(COLOURS, part, COLOURS, part, 3).mean(axis=(1, 3))
    levels = np.concatenate([(pixels @ _GREY).ravel(), (small @ _BLUE).ravel() + 128, (small @ _RED).ravel() + 128])
    return np.asarray(np.rint(np.clip(levels, 0, 255)), np.uint8)


def hashes(thumbnails: Thumbnails) -> npt.NDArray[np.uint8]:
    """Perceptual hashes uint8 [N, 8] of thumbnails [N, SIZE]: the signs of the lowest frequencies."""
    angles = np.pi * np.outer(np.arange(9), 2 * np.arange(SIDE) + 1) / (2 * SIDE)
    waves = np.cos(angles).astype(np.float32)
    found = waves @ _greys(thumbnails) @ waves.T  # (N, 9, 9)
    low = found[:, :8, :8].reshape(-1, HASH_BITS)
    bits = np.concatenate((low[:, 1:], found[:, 8, :1]), axis=1) > 1e-3 * SIDE  # without the mean; not rounding errors
    return np.packbits(bits, axis=1)


def alike(a: Thumbnails, b: Thumbnails) -> npt.NDArray[np.bool_]:
    """For pairs of thumbnails [N, SIZE] whether they are copies of one picture."""
    answers = np.zeros(len(a), np.bool_)
    possible = np.flatnonzero(_colour_difference(a, b) <= COLOUR_DIFFERENCE)
    possible = possible[_roughly_alike(_greys(a[possible]), _greys(b[possible]))]
    for begin in range(0, len(possible), AT_ONCE):
        pairs = possible[begin : begin + AT_ONCE]
        answers[pairs] = unexplained(a[pairs], b[pairs]) <= UNEXPLAINED
    return answers


def _colour_difference(a: Thumbnails, b: Thumbnails) -> Floats:
    """The mean difference of colours, once one's are made as strong as the other's, the greater of both directions."""
    one, other = (each[:, SIDE * SIDE :].astype(np.float32).reshape(-1, 2, COLOURS * COLOURS) - 128 for each in (a, b))
    return np.maximum(_uncoloured(one, other), _uncoloured(other, one))


def _uncoloured(images: Floats, targets: Floats) -> Floats:
    """The mean of what is left of targets' colours [N, 2, C] without images', all made stronger alike and tinted."""
    means = images.mean(axis=2, keepdims=True), targets.mean(axis=2, keepdims=True)
    around = images - means[0]
    shared = (around * (targets - means[1])).sum(axis=(1, 2), keepdims=True)
    gain = np.clip(shared / np.maximum((around**2).sum(axis=(1, 2), keepdims=True), 1e-6), *COLOUR_GAIN)
    tint = np.clip(means[1] - gain * means[0], -TINT, TINT)
    return np.asarray(np.abs(gain * images + tint - targets).mean(axis=(1, 2)), np.float32)


def _roughly_alike(one: Floats, other: Floats) -> npt.NDArray[np.bool_]:
    """Whether pictures may be copies, by their shades at a size at which a crop moves little: at a small cost."""
    part = SIDE // COLOURS
    coarse = [each.reshape(-1, COLOURS, part, COLOURS, part).mean(axis=(2, 4)) for each in (one, other)]
    a, b = (each.reshape(-1, COLOURS * COLOURS) - each.mean(axis=(1, 2))[:, None] for each in coarse)
    lengths = (a * a).sum(axis=1), (b * b).sum(axis=1)
    flat = np.minimum(*lengths) < FLAT * COLOURS * COLOURS
    return np.asarray(flat | ((a * b).sum(axis=1) ** 2 >= (1 - ROUGHLY) * lengths[0] * lengths[1]))


def unexplained(a: Thumbnails, b: Thumbnails) -> Floats:
    """The share of one's grey values that the other does not explain, the lesser of both directions: float32 [N].

    Infinite when their brightness differs by more than their contrast can account for.
    """
    one, other = _smoothed(_greys(a)), _smoothed(_greys(b))
    shares = np.minimum(_aligned(one, other), _aligned(other, one))
    contrast = np.minimum(one.std(axis=(1, 2)), other.std(axis=(1, 2)))
    brightness = np.abs(one.mean(axis=(1, 2)) - other.mean(axis=(1, 2)))
    shares[brightness > 8 + 4 * contrast] = np.inf  # of flat pictures nothing but their brightness is left to compare
    return shares


def _aligned(images: Floats, targets: Floats) -> Floats:
    """The variance of targets that is left when images, best moved, scaled and made brighter, are subtracted.

    Gauss and Newton's method for the four numbers of the movement, all pairs side by side.
    """
    count = len(images)
    movement = np.zeros((4, count), np.float32)  # down, right, scale down, scale right
    wanted = _inner(targets)
    centred = wanted - wanted.mean(axis=1, keepdims=True)
    best = np.full(count, np.inf, np.float32)
    down = np.repeat(_PLACES[_INNER], SIDE - 2 * MARGIN)
    right = np.tile(_PLACES[_INNER], SIDE - 2 * MARGIN)
    for step in range(STEPS + 1):
        moved = _weights(movement[0], movement[2]) @ images @ _weights(movement[1], movement[3]).transpose(0, 2, 1)
        inner = _inner(moved)
        around = inner - inner.mean(axis=1, keepdims=True)
        gain = (around * centred).sum(axis=1) / np.maximum((around**2).sum(axis=1), 1e-6)
        left = centred - np.clip(gain, 0.5, 2.0)[:, None] * around
        best = np.minimum(best, (left**2).mean(axis=1))
        if step == STEPS:
            break
        slopes_down, slopes_right = (_inner(slopes) for slopes in np.gradient(moved, axis=(1, 2)))
        columns = (inner, np.ones_like(inner), slopes_down, slopes_right, slopes_down * down, slopes_right * right)
        system = np.stack(columns, axis=2)  # (N, pixels, 6)
        normal = system.transpose(0, 2, 1) @ system
        diagonal = np.arange(len(columns))
        normal[:, diagonal, diagonal] = normal[:, diagonal, diagonal] * 1.001 + 0.01  # flat pictures leave it singular
        solved = np.linalg.solve(normal, system.transpose(0, 2, 1) @ wanted[:, :, None])[:, :, 0]
        movement += (solved[:, 2:] / np.maximum(np.abs(solved[:, :1]), 0.3)).T
        np.clip(movement[:2], -MOVED, MOVED, out=movement[:2])
        np.clip(movement[2:], -SCALED, SCALED, out=movement[2:])
    return np.asarray(best / ((centred**2).mean(axis=1) + NOISE), np.float32)


def _weights(moved: Floats, scaled: Floats) -> Floats:
    """Linear interpolation along one side as matrices [N, SIDE, SIDE]."""
    places = _PLACES * (1 + scaled[:, None]) + moved[:, None] + (SIDE - 1) / 2
    places = np.clip(places, 0, SIDE - 1)
    near = 1 - np.abs(places[:, :, None] - np.arange(SIDE, dtype=np.float32))
    return np.asarray(np.maximum(near, 0), np.float32)


def _greys(thumbnails: Thumbnails) -> Floats:
    return thumbnails[:, : SIDE * SIDE].reshape(-1, SIDE, SIDE).astype(np.float32)


def _inner(images: npt.ArrayLike) -> Floats:
    inner = np.asarray(images, np.float32)[:, _INNER, _INNER]
    return inner.reshape(len(inner), -1)


def _smoothed(images: Floats) -> Floats:
    """Each pixel with its neighbours: slopes that hold for a whole pixel, and less of what JPEG adds."""
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1)), mode="edge")
    rows = (padded[:, :-2] + 2 * padded[:, 1:-1] + padded[:, 2:]) / 4
    return np.asarray((rows[:, :, :-2] + 2 * rows[:, :, 1:-1] + rows[:, :, 2:]) / 4, np.float32)
