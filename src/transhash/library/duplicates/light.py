"""Light: one picture's levels through the rising curves that make its light that of another one."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from transhash.library.duplicates.curves import AS_IS, bending, missed, places, steady, through

Floats = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]

SAMPLED = 5  # of so many pixels one tells what light they are in
GOOD, BETTER = 0.8, 0.87  # levels that a good curve misses by, and what another one misses of that if it is better
GREY = np.array([0.299, 0.587, 0.114], np.float32)
CHANNELS = np.array([[0.0, 1.402], [-0.344, -0.714], [1.772, 0.0]], np.float32)  # of both colour differences
DIFFERENCES = np.array([[-0.169, -0.331, 0.5], [0.5, -0.419, -0.081]], np.float32)  # and the other way round


class Coloured(NamedTuple):
    """A picture: its grey levels [H, W], and both colour differences [2, H, W]."""

    grey: Floats
    colours: Floats

    @property
    def channels(self) -> Floats:
        """Red, green and blue, [3, H, W]."""
        return np.asarray(self.grey + np.tensordot(CHANNELS, self.colours, axes=1), np.float32)


def equalised(reference: Floats, laid: Floats, there: Flags) -> Floats:
    """The laid picture in the reference's light.

    A nearly straight curve that is right for most pixels is tried first. On a ground that is white in every light all
    else may be wrong then. Where it is, a curve is tried that is right for half of the places of each level.
    """
    curve = steady(laid[there][::SAMPLED].astype(np.float64), reference[there][::SAMPLED].astype(np.float64))
    small = places(reference, laid, there)
    miss = missed(curve, *small)
    if miss > GOOD:
        other = bending(*small)
        if missed(other, *small) < BETTER * miss:
            curve = np.asarray(np.clip(other, 0, 255), np.float64)
    return np.asarray(through(laid, curve.astype(np.float32)), np.float32)


def lit(reference: Coloured, laid: Coloured, there: Flags, *, is_harsh: bool) -> Floats:
    """The laid picture's grey levels in the reference's light.

    Light makes each channel of a pixel brighter, and takes away what is beyond white. Of a blue sky that is the blue
    alone: a curve of greys cannot tell. Where that one misses in harsh light, each channel is brought into the light by
    a curve of its own.
    """
    grey = equalised(reference.grey, laid.grey, there)
    miss = _off(reference.grey, grey, there) if is_harsh else 0.0
    if miss <= GOOD:
        return grey
    wanted, given = reference.channels, laid.channels
    each = np.stack([np.clip(equalised(one, other, there), 0, 255) for one, other in zip(wanted, given, strict=True)])
    by_channel = np.asarray(np.tensordot(GREY, each, axes=1), np.float32)
    return by_channel if _off(reference.grey, by_channel, there) < BETTER * miss else grey


def _off(reference: Floats, laid: Floats, there: Flags) -> float:
    """The levels by which a picture in the reference's light misses flat places, as `missed` tells it of a curve."""
    return float(missed(AS_IS, *places(reference, laid, there)))
