"""Training measured: the real loop, where its time goes, and a plain loop beside it."""

from __future__ import annotations

import copy
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import torch

from transhash.data.augment import augment
from transhash.data.datasets import ImageSet
from transhash.data.protocols import split
from transhash.losses import METHODS, Task
from transhash.losses.every_length import every_length
from transhash.nn.mgvt import branch_bits
from transhash.plain import JsonObject
from transhash.progress import Progress, silent
from transhash.speed.drawn import labelled
from transhash.speed.flops import BACKWARD, forward_operations, peak_of, synchronize
from transhash.speed.peer import Peer
from transhash.training.compiling import compiled
from transhash.training.device import autocast, device_of, precision_of
from transhash.training.loop import LOOK, train
from transhash.training.network import initial_network, settled
from transhash.training.optimizer import WeightAverage, optimizer_of
from transhash.training.recipe import Recipe
from transhash.training.source import OnDevice, Pictures, pictures, side_of

Say = Callable[[str], None]

_WARM = 2  # looks at the loss of a run that do not count: what is compiled, decoded and allocated there
PARTS = ("decode", "wait for pictures", "augment", "forward", "backward", "optimiser")


def measure_training(
    recipe: Recipe,
    *,
    steps: int = 50,
    rounds: int = 3,
    number: int | None = None,
    size: tuple[int, int] = (500, 375),
    peer: bool = True,
    say: Say = lambda sentence: None,
    progress: Progress = silent,
) -> JsonObject:
    """Train by a recipe on drawn JPEG pictures of some `size` and give what was measured, in JSON's own types.

    The loop and the peer take turns of `steps` steps, `rounds` times; medians. `number`: pictures, at least three
    batches by default. Raises what training raises, and `TransHashError` for a peer that is not installed.
    """
    recipe = settled(
        recipe.model_copy(update={"dataset": "folder", "protocol": "folder", "validation": 0.0, "cached_views": 0})
    )
    device = device_of(recipe.device)
    precision = precision_of(recipe.precision, device)
    progress("drawing pictures", 0, 1, "")
    images = labelled(number or max(3 * recipe.batch_size, 64), *size)
    network = initial_network(recipe)
    operations = (1 + BACKWARD) * forward_operations(network.config)
    beside = Peer(network.config.vit, recipe.batch_size, device, precision) if peer else None

    ours: list[float] = []
    theirs: list[float] = []
    for turn in range(rounds):
        progress("training", turn, rounds, "")
        ours.append(_rate_of_the_loop(recipe, images, steps, say))
        if beside:
            if not turn:
                beside.train(min(steps, 3))
            theirs.append(beside.train(steps))
    name = beside.name if beside else None
    del beside
    progress("parts of a step", 0, 1, "")
    parts = _parts(recipe, images, max(3, min(steps, 20)), say)
    peak = peak_of(device, precision)
    rate = statistics.median(ours)
    found: JsonObject = {
        "measured": "training",
        "precision": str(precision).removeprefix("torch."),
        "image_size": recipe.image_size,
        "batch_size": recipe.batch_size,
        "pictures": f"{len(images.labels)} JPEG of {size[0]} x {size[1]}",
        "compile": recipe.compile,
        "images_per_second": round(rate, 1),
        "of_turns": [round(one, 1) for one in ours],
        "utilisation": round(rate * operations / peak.operations, 4),
        "peak_tflops": round(peak.operations / 1e12, 6),
        "peak_source": peak.source,
        "gflop_per_image": round(operations / 1e9, 3),
        "milliseconds_per_step": {part: round(1e3 * seconds, 3) for part, seconds in parts.items()},
    }
    if theirs:
        found |= {
            "peer": name,
            "peer_images_per_second": round(statistics.median(theirs), 1),
            "peer_of_turns": [round(one, 1) for one in theirs],
            "times_the_peer": round(rate / statistics.median(theirs), 2),
        }
    return found


def _rate_of_the_loop(recipe: Recipe, images: ImageSet, steps: int, say: Say) -> float:
    """Images a second of the real loop, from one look at the loss to another, so that all that was begun is done."""
    looks: list[tuple[int, float]] = []

    def look(what: str, step: int, *_: object) -> None:
        if what == "training" and step % LOOK == 0:
            looks.append((step, time.perf_counter()))

    rows = len(split("folder", images).train)
    last = LOOK * (_WARM + max(1, steps // LOOK))
    recipe = recipe.model_copy(update={"epochs": 1 + last * recipe.batch_size // (rows - rows % recipe.batch_size)})
    with tempfile.TemporaryDirectory() as folder:
        train(recipe, Path(folder) / "run", images=images, progress=look, say=say, stop_at=last)
    (first, begin), (end, ended) = looks[_WARM - 1], looks[-1]
    return recipe.batch_size * (end - first) / (ended - begin)


def _parts(recipe: Recipe, images: ImageSet, steps: int, say: Say) -> dict[str, float]:
    """Seconds of each part of a step, medians, with a wait for the device after each: their sum is more than a step's.

    `decode` is what the pictures of one batch take to decode, once in a run.
    """
    device = device_of(recipe.device)
    precision = precision_of(recipe.precision, device)
    rows = split("folder", images).train
    network = initial_network(recipe).to(device)
    tasks = [
        Task(branch_bits(bits, recipe.groups), len(images.classes), len(rows), seed=recipe.seed)
        for bits in network.config.code_lengths
    ]
    criterion = every_length(partial(METHODS[recipe.method], **recipe.loss), tasks).to(device)
    network.set_drop_path(recipe.drop_path, frozen=recipe.freeze)
    optimizer, _ = optimizer_of(network, criterion, recipe)
    averaging = WeightAverage(copy.deepcopy(network), network) if recipe.average else None
    scaler = torch.amp.GradScaler(device.type, enabled=precision == torch.float16)
    forward = compiled(network, recipe.compile, device, say)
    labels = torch.from_numpy(images.labels[rows]).to(device)
    seconds: dict[str, list[float]] = {part: [] for part in PARTS}

    @contextmanager
    def timed(part: str) -> Iterator[None]:
        begin = time.perf_counter()
        yield
        synchronize(device)
        seconds[part].append(time.perf_counter() - begin)

    batch = np.arange(recipe.batch_size)
    side = side_of(recipe, images, rows)
    for _ in range(3):
        with timed("decode"):
            images.images.decode(rows[batch], side)
    with tempfile.TemporaryDirectory() as folder:
        source = pictures(recipe, images, rows, Path(folder), device)
        assert isinstance(source, Pictures | OnDevice)
        source.batch(0, batch)
        for step in range(steps):
            source.ahead(0, batch)
            torch.manual_seed(step)
            with timed("wait for pictures"):
                pixels = source.pixels_of(batch)
            with timed("augment"):
                x = augment(pixels, recipe.image_size, recipe.augmentation, device=device)
            with timed("forward"), autocast(device, precision):
                h = forward(x)
            with timed("backward"):
                scaler.scale(criterion(h, labels[: len(batch)], torch.from_numpy(batch).to(device))).backward()
            with timed("optimiser"):
                scaler.unscale_(optimizer)
                torch.nn.utils.clip_grad_norm_(network.parameters(), recipe.clip or float("inf"))
                scaler.step(optimizer)
                scaler.update()
                optimizer.zero_grad()
                if averaging:
                    averaging.update(recipe.average)
        source.remove()
    return {part: statistics.median(found) for part, found in seconds.items()}
