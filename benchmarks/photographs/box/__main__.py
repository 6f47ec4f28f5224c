"""Makes the model in the box from photographs of many kinds, on one processor core in about three hours.

    python -m benchmarks.photographs.box --photographs DIR --backbone FILE --out FOLDER [--work FOLDER] [--minutes M]

DIR holds the sets that `pictures.py` names; those that are not there are left out. FILE is the backbone's weights
(safetensors, timm's names). The teacher, EfficientNet-Lite2, comes from the packages that `benchmarks/photographs/
peers.py` names. Every stage keeps what it made in `--work`, so that a run that was stopped goes on with the next.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import nn

from benchmarks.photographs import peers
from benchmarks.photographs.box import heads, learning, pictures, shipping
from benchmarks.photographs.box.likenesses import half_whitened
from benchmarks.photographs.box.views import SIZE, view
from benchmarks.photographs.sets import SETS
from transhash.nn.mgvt import MGVT

TEACHER = 2  # EfficientNet-Lite2
_BATCH = 32

Bytes = NDArray[np.uint8]


def main() -> None:
    """Make the model."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--photographs", type=Path, required=True, help="folder of the sets")
    parser.add_argument("--backbone", type=Path, required=True, help="weights of a ViT-S/14")
    parser.add_argument("--out", type=Path, required=True, help="folder that becomes the model")
    parser.add_argument("--work", type=Path, default=Path(".cache/box"), help="folder that keeps what stages made")
    parser.add_argument("--minutes", type=float, default=1.0, help="how many times the usual minutes learning takes")
    settings = parser.parse_args()
    torch.manual_seed(0)
    make(settings.photographs, settings.backbone, settings.out, settings.work, settings.minutes)


def make(root: Path, backbone: Path, out: Path, work: Path, times: float = 1.0) -> None:
    """All stages."""
    network = learning.backbone(backbone)
    choosing = {name: _packed(root, work, name, part) for name, part in pictures.CHOOSING.items()}
    judged = {name: found for name, found in choosing.items() if found is not None}
    parts = list(pictures.training(root, work, _blocks_of_judges(root, [squares for squares, _ in judged.values()])))
    photos = _photographs(network, parts, work)
    linear = nn.Linear(photos.before.shape[1], learning.VALUES)
    start = torch.from_numpy(heads.principal(photos.before))[:, : learning.VALUES]
    with torch.no_grad():
        linear.weight[:], linear.bias[:] = start[:-1].T, start[-1]
    for phase, after in ((learning.FIRST, learning.FIXED), (learning.SECOND, learning.TRUNK)):
        if after == learning.TRUNK:
            photos = _moved(photos, network)
        timed = replace(phase, minutes=phase.minutes * times)
        learning.Learner(network, linear, photos, after).learn(timed, _say)
    seen = _seen(network, photos)
    matrix = heads.principal(seen.values)
    codes = heads.heads(matrix, seen)
    shown = np.stack([_small(part.squares[row]) for part in parts for row in part.used[:20]])
    shipping.ship(out, network, matrix, codes, shown[:256])
    features = {name: (_features(network, map(_small, squares)), kinds) for name, (squares, kinds) in judged.items()}
    shipping.calibrate(out, matrix, codes, features)


def _packed(root: Path, work: Path, name: str, part: pictures.Part) -> tuple[Bytes, NDArray[np.int64]] | None:
    """Squares of a set to choose by and their classes in numbers; None where it is not there."""
    files = part.files(root, held=True)
    if not files:
        return None
    squares, kinds = pictures.packed(work / "choosing", name, files)
    return squares, np.unique([str(kind) for kind in kinds], return_inverse=True)[1].astype(np.int64)


def _blocks_of_judges(root: Path, choosing: list[Bytes]) -> NDArray[np.float32]:
    """Blocks of every picture that chooses or reports."""
    found = [pictures.blocks(squares) for squares in choosing]
    for name, read in SETS.items():
        if photos := read(root):
            squares = [square for file in photos.files if (square := pictures.squeezed(file)) is not None]
            print(f"{name}: {len(squares)} pictures that report", file=sys.stderr)
            found.append(pictures.blocks(np.stack(squares)))
    return np.concatenate(found)


def _photographs(network: MGVT, parts: list[pictures.PhotoPart], work: Path) -> learning.Photographs:
    """All training photographs through the blocks that do not change, the teacher and the backbone before."""
    tokens, teacher, classes, sets, labels = [], [], 0, [], []
    for number, part in enumerate(parts):
        file = work / f"{part.name}.tokens.npy"
        if not file.is_file():
            np.save(file, _tokens(network, part, number))
        tokens.append(np.load(file, mmap_mode="r"))
        teacher.append(_taught(part, work))
        known = np.unique([kind or "" for kind in part.classes], return_inverse=True)[1][part.used]
        none = np.array([part.classes[row] is None for row in part.used])
        labels.append(np.where(none, -1, known + classes))
        classes += int(known.max()) + 1
        sets.append(np.full(len(part.used), number))
    stored = np.concatenate(tokens)
    before = learning.read(_reader(network, learning.FIXED), stored[:, 0])
    return learning.Photographs(
        stored,
        half_whitened(torch.from_numpy(np.concatenate(teacher))),
        torch.from_numpy(before),
        np.concatenate(sets),
        torch.from_numpy(np.concatenate(labels)),
    )


def _tokens(network: MGVT, part: pictures.PhotoPart, seed: int) -> learning.Z:
    random = np.random.default_rng(seed)

    def pairs() -> Iterator[Bytes]:
        for row in part.used:
            yield _small(part.squares[row])
            yield view(part.squares[row], random)

    found = np.concatenate([learning.fixed_tokens(network, batch) for batch in _batches(pairs())])
    return found.reshape(len(part.used), 2, *found.shape[1:])


def _taught(part: pictures.PhotoPart, work: Path) -> NDArray[np.float32]:
    file = work / f"{part.name}.teacher.npy"
    if not file.is_file():
        np.save(file, peers.of_squares(TEACHER, (part.squares[row] for row in part.used), 224))
    return np.asarray(np.load(file))


def _moved(photos: learning.Photographs, network: MGVT) -> learning.Photographs:
    """The same photographs with tokens as they leave the trunk."""

    def through(z: torch.Tensor) -> torch.Tensor:
        return network.middle(z, learning.FIXED)

    moved = np.stack([learning.read(through, photos.tokens[:, at]).astype(np.float16) for at in (0, 1)], axis=1)
    return learning.Photographs(moved, photos.teacher, photos.before, photos.sets, photos.classes)


def _seen(network: MGVT, photos: learning.Photographs) -> heads.Features:
    """What the network says of photographs and of their views in the end."""
    last = _reader(network, learning.TRUNK)
    values = torch.from_numpy(np.concatenate([learning.read(last, photos.tokens[:, at]) for at in (0, 1)]))
    sets, classes = np.tile(photos.sets, 2), photos.classes.repeat(2)
    return heads.Features(values, photos.teacher.repeat(2, 1), sets, classes)


def _features(network: MGVT, squares: Iterator[Bytes]) -> NDArray[np.float32]:
    read = _reader(network, learning.FIXED)
    return np.concatenate([learning.read(read, learning.fixed_tokens(network, each)) for each in _batches(squares)])


def _reader(network: MGVT, after: int) -> Callable[[torch.Tensor], torch.Tensor]:
    def read(z: torch.Tensor) -> torch.Tensor:
        return learning.features(network, z, after)

    return read


def _say(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)


def _small(square: Bytes) -> Bytes:
    return np.asarray(Image.fromarray(square).resize((SIZE, SIZE), Image.Resampling.BICUBIC))


def _batches(squares: Iterator[Bytes]) -> Iterator[Bytes]:
    batch: list[Bytes] = []
    for square in squares:
        batch.append(square)
        if len(batch) == _BATCH:
            yield np.stack(batch)
            batch = []
    if batch:
        yield np.stack(batch)


if __name__ == "__main__":
    main()
