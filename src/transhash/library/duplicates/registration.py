"""Registration: the movement that lays one picture on another, and what the two say of each other tile by tile then.

A movement is affine, float64 [6]: (a, b, c, d, e, f) takes the place (x, y) of the reference to (a·x + b·y + e, c·x +
d·y + f) of the other picture. Places are measured from the corner of the picture, so that the middle of the first
pixel is at (0.5, 0.5): a picture of half the size has half the places.
"""

# ruff: noqa: PLR0912, PLR0915 -- compiled functions are long, and take their arguments by position

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from transhash.kernels import kernel
from transhash.library.duplicates.features import Keypoints, matches
from transhash.library.duplicates.fitting import fitted, solved

Movement = npt.NDArray[np.float64]
Floats = npt.NDArray[np.float32]

LEFT_OF = 5.0  # pixels by which keypoints may miss the place that a movement tells
LEANING, STRETCHED = 0.12, 2.0  # cosine between the sides of what was a square, times one is as long as the other
MANY = 6_000  # pixels of which a quarter is enough
ROBUST = 3.0  # grey levels: what differs by more counts less and less


def voted(a: Keypoints, b: Keypoints, *, mirrored: bool) -> tuple[Movement, int]:
    """The movement from a to b that most pairs of keypoints agree on, and how many of them do (0: none)."""
    rows, _ = matches(a.mirrored if mirrored else a.words, b.words)
    pairs = np.flatnonzero(rows >= 0)
    if len(pairs) < 3:
        return np.zeros(6), 0
    source, target = a.points[pairs].astype(np.float64), b.points[rows[pairs]].astype(np.float64)
    movement, count = _most_agreed(source, target, mirrored, LEFT_OF)
    return movement, int(count)


def inverse(movement: Movement) -> Movement:
    """The movement back."""
    a, b, c, d, e, f = movement
    turned = np.linalg.inv(np.array([[a, b, e], [c, d, f], [0, 0, 1]]))
    return np.array([*turned[0, :2], *turned[1, :2], turned[0, 2], turned[1, 2]])


def composed(movement: Movement, first: Movement) -> Movement:
    """The movement that does another one first."""
    a, b, c, d, e, f = movement
    linear = np.array([[a, b], [c, d]]) @ first[:4].reshape(2, 2)
    shift = np.array([a * first[4] + b * first[5] + e, c * first[4] + d * first[5] + f])
    return np.array([*linear.ravel(), *shift])


def apart(one: Movement, other: Movement, shape: tuple[int, ...]) -> float:
    """The pixels by which two movements take a corner of a picture [H, W] to different places, at most."""
    height, width = shape
    off = (one - other)[[0, 1, 4, 2, 3, 5]].reshape(2, 3)
    corners = np.array([[0.0, width, 0, width], [0, 0, height, height], [1, 1, 1, 1]])
    return float(np.hypot(*(off @ corners)).max())


def scaled(movement: Movement, reference: tuple[float, float], other: tuple[float, float]) -> Movement:
    """The same movement where the pictures are larger by factors (across, down)."""
    a, b, c, d, e, f = movement
    (rx, ry), (ox, oy) = reference, other
    return np.array([a * ox / rx, b * ox / ry, c * oy / rx, d * oy / ry, e * ox, f * oy])


def zoom(movement: Movement) -> float:
    """How many pixels of the other picture lie on one of the reference, along a side."""
    return float(np.sqrt(abs(movement[0] * movement[3] - movement[1] * movement[2])))


def turned(movement: Movement) -> float:
    """The degrees by which a movement turns a picture, clockwise as seen, -180 to 180; of a mirrored one after that."""
    a, b, c, d, _, _ = movement
    if mirrored(movement):
        a, c = -a, -c
    return float(np.degrees(np.arctan2(c - b, a + d)))


def distorted(movement: Movement) -> bool:
    """Whether a movement makes a picture lean, or stretches one side far more than the other, as nobody does."""
    across, down = movement[[0, 2]], movement[[1, 3]]
    lengths = np.hypot(*across), np.hypot(*down)
    leans = abs(float(across @ down)) > LEANING * lengths[0] * lengths[1]
    return bool(leans or max(lengths) > STRETCHED * min(lengths))


def mirrored(movement: Movement) -> bool:
    """Whether a movement exchanges left and right."""
    return bool(movement[0] * movement[3] < movement[1] * movement[2])


def refined(reference: Floats, other: Floats, movement: Movement, levels: int, finest: int = 0) -> Movement:
    """The movement that fits best near a given one; the pictures are made smaller `levels` times at first, and at last
    `finest` times.

    Where the reference is not a number, nothing is compared.
    """
    pictures = [(reference, other)]
    for _ in range(levels):
        pictures.append((quartered(pictures[-1][0]), quartered(pictures[-1][1])))
    for level in range(levels, finest - 1, -1):
        one, two = pictures[level]
        up = (reference.shape[1] / one.shape[1], reference.shape[0] / one.shape[0])
        down = (other.shape[1] / two.shape[1], other.shape[0] / two.shape[0])
        here = scaled(movement, (1 / up[0], 1 / up[1]), (1 / down[0], 1 / down[1]))
        stride = 2 if one.size > MANY else 1
        here = fitted(one, two, here, stride, 8 if level else 5, ROBUST)
        movement = scaled(here, up, down)
    return movement


def quartered(picture: Floats) -> Floats:
    """A picture with a quarter of the pixels, or as it is where it is too small for that."""
    height, width = picture.shape[0] // 2 * 2, picture.shape[1] // 2 * 2
    if min(height, width) < 16:
        return picture
    cut = picture[:height, :width]
    return np.ascontiguousarray((cut[::2, ::2] + cut[1::2, ::2] + cut[::2, 1::2] + cut[1::2, 1::2]) / 4)


@kernel
def _most_agreed(source, target, mirrored, allowed):  # type: ignore[no-untyped-def]
    """From pairs of keypoints [M, 4] the movement with most pairs that agree, fitted to these: (movement, how many)."""
    best, count = np.zeros(6), 0
    moved = np.zeros(6)
    inside = np.zeros(len(source), np.bool_)
    for i in range(len(source)):
        size = target[i, 2] / source[i, 2]
        if mirrored:  # a mirror about the keypoint's direction, then the turn from one direction to the other
            turn = target[i, 3] + source[i, 3]
            a, b = size * np.cos(turn), size * np.sin(turn)
            c, d = b, -a
        else:
            turn = target[i, 3] - source[i, 3]
            a, b = size * np.cos(turn), -size * np.sin(turn)
            c, d = -b, a
        e = target[i, 0] - a * source[i, 0] - b * source[i, 1]
        f = target[i, 1] - c * source[i, 0] - d * source[i, 1]
        agreed = 0
        for j in range(len(source)):
            x = a * source[j, 0] + b * source[j, 1] + e - target[j, 0]
            y = c * source[j, 0] + d * source[j, 1] + f - target[j, 1]
            if x * x + y * y <= (3 * allowed) ** 2 and abs(np.log(target[j, 2] / source[j, 2] / size)) < 0.6:
                agreed += 1
        if agreed > count:
            count = agreed
            best[0], best[1], best[2], best[3], best[4], best[5] = a, b, c, d, e, f
    if count < 3:
        return best, 0
    for step in range(3):  # least squares of those that agree, which then are others
        normal, right = np.zeros((3, 3)), np.zeros((3, 2))
        reach = allowed * (3 - step)
        agreed = 0
        row = np.zeros(3)
        row[2] = 1
        for j in range(len(source)):
            x = best[0] * source[j, 0] + best[1] * source[j, 1] + best[4] - target[j, 0]
            y = best[2] * source[j, 0] + best[3] * source[j, 1] + best[5] - target[j, 1]
            inside[j] = x * x + y * y <= reach * reach
            if inside[j]:
                agreed += 1
                row[0], row[1] = source[j, 0], source[j, 1]
                for p in range(3):
                    for q in range(3):
                        normal[p, q] += row[p] * row[q]
                    right[p, 0] += row[p] * target[j, 0]
                    right[p, 1] += row[p] * target[j, 1]
        if agreed < 4:
            return best, agreed
        normal[2, 2] += 1e-9
        spread = (normal[0, 0] - normal[0, 2] ** 2 / normal[2, 2]) * (normal[1, 1] - normal[1, 2] ** 2 / normal[2, 2])
        spread -= (normal[0, 1] - normal[0, 2] * normal[1, 2] / normal[2, 2]) ** 2
        if spread < 1e4 * agreed:  # all on a line
            return best, agreed
        found = solved(normal, right)
        moved[0], moved[1], moved[4] = found[0, 0], found[1, 0], found[2, 0]
        moved[2], moved[3], moved[5] = found[0, 1], found[1, 1], found[2, 1]
        size = np.sqrt(best[0] ** 2 + best[2] ** 2)
        off = abs(moved[0] - best[0]) + abs(moved[1] - best[1]) + abs(moved[2] - best[2]) + abs(moved[3] - best[3])
        if off > 0.6 * size:
            return best, agreed
        best[:] = moved
        count = agreed
    return best, count


@kernel
def laid(reference, other, movement):  # type: ignore[no-untyped-def]
    """The other picture laid on the reference: (float32 [H, W], where it has pixels bool [H, W])."""
    height, width = reference.shape
    tall, wide = other.shape
    values = np.zeros((height, width), np.float32)
    there = np.zeros((height, width), np.bool_)
    one = np.float32(1)
    for y in range(height):
        x0, y0 = movement[1] * (y + 0.5) + movement[4], movement[3] * (y + 0.5) + movement[5]
        for x in range(width):
            vx, vy = movement[0] * (x + 0.5) + x0, movement[2] * (x + 0.5) + y0
            if vx < 0.5 or vy < 0.5 or vx > wide - 0.501 or vy > tall - 0.501:
                continue
            left, top = min(int(vx - 0.5), wide - 2), min(int(vy - 0.5), tall - 2)
            u, v = np.float32(vx - 0.5 - left), np.float32(vy - 0.5 - top)
            upper = other[top, left] * (one - u) + other[top, left + 1] * u
            lower = other[top + 1, left] * (one - u) + other[top + 1, left + 1] * u
            values[y, x] = upper * (one - v) + lower * v
            there[y, x] = True
    return values, there


@kernel
def laid_marks(marks, movement, there):  # type: ignore[no-untyped-def]
    """The marks uint8 of the other picture laid on the reference, whose pixels `there` it has; 0 elsewhere."""
    height, width = there.shape
    tall, wide = marks.shape
    found = np.zeros((height, width), np.uint8)
    for y in range(height):
        for x in range(width):
            if there[y, x]:
                vx = int(np.floor(movement[0] * (x + 0.5) + movement[1] * (y + 0.5) + movement[4]))
                vy = int(np.floor(movement[2] * (x + 0.5) + movement[3] * (y + 0.5) + movement[5]))
                if 0 <= vx < wide and 0 <= vy < tall:
                    found[y, x] = marks[vy, vx]
    return found
