"""Cells of a comparison that take a moment."""

from __future__ import annotations

from pathlib import Path
from typing import cast

from tiny_run import recipe
from transhash.comparison import cells as matrix

SMALL = {
    "epochs": 2, "batch_size": 8, "warmup_steps": 2, "cached_views": 2, "precision": "float32", "learning_rate": 0.003,
}  # fmt: skip


def cells(
    place: Path, methods: str = "transhash", seeds: int = 1, bits: int = 16, **changes: object
) -> list[matrix.Cell]:
    whole = recipe(place)
    names = ("dataset", "protocol", "data", "image_size")
    common = {name: getattr(whole, name) for name in names} | {"backbone": whole.backbone}
    train = str(changes.pop("blocks", "last"))
    streams = cast(tuple[int, ...], changes.pop("streams", (1,)))
    settings = {**SMALL, **({"cached_views": 0} if train == "all" else {}), **changes}
    return matrix.cells(methods.split(","), [bits], seeds, common, changes=settings, train=train, streams=streams)
