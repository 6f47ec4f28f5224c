"""A segment as the arrays of a file, and a segment of such arrays."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from transhash.search import packed, runs
from transhash.search.packed import Packed
from transhash.search.runs import Run
from transhash.search.segment import Segment
from transhash.search.store import Store, flat, frozen
from transhash.search.words import Arrays


def arrays_of(segments: Iterable[Segment]) -> Arrays:
    """What of segments goes into a file: each array's name begins with the number of its segment."""
    arrays: Arrays = {}
    for number, segment in enumerate(segments):
        arrays.update(_arrays(segment, str(number)))
    return arrays


def segments_of(arrays: Arrays, count: int) -> tuple[Segment, ...]:
    """The inverse of `arrays_of`. Raises `ValueError` when a compact store cannot be."""
    return tuple(_segment(arrays, str(number)) for number in range(count))


def _arrays(segment: Segment, name: str) -> Arrays:
    ids, store = segment.ids, segment.store
    parts: Arrays = {"alive": segment.alive}
    parts["ids" if isinstance(ids, np.ndarray) else "run"] = (
        ids if isinstance(ids, np.ndarray) else np.array([ids.first, ids.count])
    )
    if isinstance(store, Packed):
        kept = {part: array for part, array in store._asdict().items() if part in packed.KEPT}
        parts.update(kept, sizes=store.sizes[:2])
    else:
        whole = store._asdict()
        if len(store.reach) == 0:
            del whole["centres"], whole["reach"]
        parts.update(whole if store.tables else {"codes": store.codes})
    return {f"{name}.{part}": array for part, array in parts.items()}


def _segment(arrays: Arrays, name: str) -> Segment:
    parts = {key.removeprefix(f"{name}."): array for key, array in arrays.items() if key.startswith(f"{name}.")}
    alive = parts.pop("alive")
    ids: runs.Ids = Run(*parts.pop("run").tolist()) if "run" in parts else parts.pop("ids")
    store: Store | Packed
    if "fields" in parts:
        store = packed.completed(parts, *parts["sizes"].tolist())
    else:
        store = frozen(Store(**parts)) if "cuts" in parts else flat(parts["codes"])
    alive.flags.writeable = False
    removed = len(ids) - int(np.bitwise_count(alive).sum()) if len(alive) else 0
    return Segment(ids, store, alive, removed)
