"""An ICC profile of three primaries, straight from the specification, and what its colours are in sRGB."""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import NDArray

GAMMA = 2.2
P3 = np.array([[0.51512, 0.24120, -0.00105], [0.29198, 0.69225, 0.04189], [0.15710, 0.06657, 0.78407]])  # in XYZ at D50
_SRGB = np.array([[0.43607, 0.22249, 0.01392], [0.38515, 0.71687, 0.09708], [0.14307, 0.06061, 0.71410]])
_WHITE = (0.9642, 1.0, 0.8249)


def profile(
    primaries: NDArray[np.float64] = P3, name: str = "Display P3", space: bytes = b"RGB ", gamma: float = GAMMA
) -> bytes:
    """A profile of version 2: a matrix and a power."""
    text = name.encode() + b"\0"
    tags = {
        b"desc": b"desc" + bytes(4) + struct.pack(">I", len(text)) + text + bytes(78),
        b"cprt": b"text" + bytes(4) + b"none\0",
        b"wtpt": _xyz(_WHITE),
    }
    for colour, place in zip(b"rgb", primaries.tolist(), strict=True):
        tags[bytes([colour]) + b"XYZ"] = _xyz(place)
        tags[bytes([colour]) + b"TRC"] = b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256))
    table, content = struct.pack(">I", len(tags)), b""
    for tag, data in tags.items():
        data += bytes(-len(data) % 4)
        table += tag + struct.pack(">II", 128 + 4 + 12 * len(tags) + len(content), len(data))
        content += data
    size = 128 + len(table) + len(content)
    head = struct.pack(">I4sI4s4s4s", size, b"none", 0x02400000, b"mntr", space, b"XYZ ") + bytes(12) + b"acsp"
    head += bytes(28) + struct.pack(">3i", *(round(65536 * part) for part in _WHITE))
    return head.ljust(128, b"\0") + table + content


def in_srgb(pixels: NDArray[np.uint8], primaries: NDArray[np.float64] = P3, gamma: float = GAMMA) -> NDArray[np.uint8]:
    """What numbers of such a profile are in sRGB."""
    linear = (pixels / 255.0) ** gamma @ primaries @ np.linalg.inv(_SRGB)
    linear = np.clip(linear, 0, 1)
    encoded = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.asarray(np.rint(255 * encoded), np.uint8)


def _xyz(values: tuple[float, ...] | list[float]) -> bytes:
    return b"XYZ " + bytes(4) + struct.pack(">3i", *(round(65536 * value) for value in values))
