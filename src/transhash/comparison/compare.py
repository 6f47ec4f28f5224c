"""A whole comparison: tokens first, then cell after cell in processes of their own, each result kept as it comes."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import multiprocessing
import multiprocessing.connection
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import Any

import numpy as np
import torch

from transhash.comparison import tokens as token_files
from transhash.comparison.cells import Cell
from transhash.comparison.run import Prepared, run
from transhash.comparison.tokens import Tokens
from transhash.data.datasets import load_dataset
from transhash.data.protocols import split
from transhash.errors import RecipeError, TransHashError
from transhash.losses import METHODS, Task
from transhash.nn.mgvt import branch_bits
from transhash.plain import JsonObject
from transhash.progress import Progress
from transhash.system import machine, processors, replacing
from transhash.training.device import device_of, precision_of
from transhash.training.network import backbone_digest
from transhash.training.recipe import Recipe

RESULTS = "results.json"
_FACTS = ("protocol", "split_sha256", "data_sha256", "backbone_sha256")
_PACKAGES = ("transhash", "torch", "numpy", "numba", "pillow", "accelerate")
_PICTURES = 1024  # decoded at a time
GPU_JOBS = 4  # cells side by side on one GPU, of which a small network uses little
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")

Result = JsonObject


def compare(
    cells: Sequence[Cell],
    out: Path,
    *,
    tokens: Path | None = None,
    jobs: int | None = None,
    progress: Progress,
    report: Callable[[Result], None] = lambda result: None,
    skipped: Callable[[Cell, str], None] | None = None,
    seconds: float | None = None,
) -> JsonObject:
    """Run the cells that `out` has no result of, and return what is in its `results.json` then.

    A `results.json` alone is enough to go on from. It is written after every cell. `seconds`: begin with no cell later
    than that; those under way are finished.
    All cells are of one data set, protocol, split and backbone. `tokens`: folder for the tokens, `out`/tokens by
    default. `jobs`: processes, which share the cores; by default one for each core, on a GPU `GPU_JOBS` for each, which
    share it. `skipped`: gets each
    cell whose method is not defined for such labels, and why; without it that is an error.
    Raises `TransHashError` when a process dies; what was finished is kept, and the same call goes on.
    """
    began = time.monotonic()
    first = next((cell for cell in cells if cell.reads_tokens), cells[0]).recipe
    tokens = tokens or out / "tokens"
    out.mkdir(parents=True, exist_ok=True)
    prepared, facts = prepare(first, tokens)
    about = {**facts, "packages": {name: importlib.metadata.version(name) for name in _PACKAGES}}
    here = {"machine": machine(), "precision": str(precision_of(first.precision, device_of(first.device)))}
    _restore(out)
    cells = [cell for cell in cells if is_defined(cell, prepared, skipped)]
    keys = {cell.key(facts): cell for cell in cells}
    waiting = {key: cell for key, cell in keys.items() if not _result_path(out, key).exists()}
    if any(cell.reads_tokens for cell in waiting.values()):
        prepared.tokens.build(first, prepared.images, progress)
    views = {
        key: _views(cell.recipe, prepared, tokens, facts, progress)
        for key, cell in waiting.items()
        if cell.recipe.cached_views and not cell.is_shallow
    }

    _decode(waiting.values(), prepared, progress)

    done = len(keys) - len(waiting)
    progress("cells", done, len(keys), "")
    device = device_of(first.device)
    gpus = torch.cuda.device_count() if first.device in ("auto", "cuda") and device.type == "cuda" else 1
    jobs = min(jobs or (GPU_JOBS * gpus if device.type == "cuda" else processors()), max(1, len(waiting)))
    if waiting:
        threads = max(1, processors() // jobs)
        for name in _THREADS:  # read when a process starts; those of linear algebra get in each other's way
            os.environ.setdefault(name, str(threads))
        context = multiprocessing.get_context("spawn")
        started = context.Value("i", 0)
        with ProcessPoolExecutor(jobs, context, _start_worker, (first, tokens, facts, threads, started, gpus)) as pool:
            futures: dict[Future[Result], str] = {
                pool.submit(_run, cell, views.get(key), out / "runs" / key): key for key, cell in waiting.items()
            }
            try:
                for future in _ended(futures, None if seconds is None else began + seconds):
                    result = future.result()
                    with replacing(_result_path(out, futures[future])) as file:
                        file.write(json.dumps({**result, **here, **about}).encode())
                    _collect(out, keys, about)
                    done += 1
                    report(result)
                    word = f"{result['method']}, {result['bits']} bits, seed {result['seed']}"
                    progress("cells", done, len(keys), f"{word}: mAP {result['scores']['map']:.4f}")
            except BrokenProcessPool as error:
                raise TransHashError(
                    out,
                    "a process ended before its cell did, perhaps for want of memory",
                    "give the same command again to go on, with fewer --jobs if it happens again",
                ) from error
            finally:
                pool.shutdown(cancel_futures=True)
    return _collect(out, keys, about)


def _ended(futures: Iterable[Future[Result]], until: float | None) -> Iterator[Future[Result]]:
    """Each future when it has ended. At the time `until` those that were not begun are cancelled and left out."""
    waiting = set(futures)
    while waiting:
        left = None if until is None else max(0.0, until - time.monotonic())
        ended, waiting = wait(waiting, left, FIRST_COMPLETED)
        yield from ended
        if until is not None and time.monotonic() >= until:
            waiting, until = {future for future in waiting if not future.cancel()}, None


def read(out: Path) -> JsonObject:
    """The `results.json` of a comparison; raises `RecipeError` when there is none."""
    try:
        results: JsonObject = json.loads((out / RESULTS).read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise RecipeError(out / RESULTS, f"no results ({error})", "run the comparison first, without --plot") from error
    return results


def prepare(recipe: Recipe, tokens: Path, facts: JsonObject | None = None) -> tuple[Prepared, JsonObject]:
    """The data of the cells, and the facts that a result depends on besides its cell's settings, unless they are known.

    Among them are digests of all that is read: pictures, labels and the backbone's weights. Neither results nor tokens
    of other content are ever taken for these.
    """
    images = load_dataset(recipe.dataset, recipe.data)
    parts = split(recipe.protocol, images, seed=recipe.split_seed)
    facts = facts or {
        "dataset": recipe.dataset,
        "protocol": recipe.protocol,
        "split_sha256": parts.checksum,
        "data_sha256": hashlib.sha256((images.labels_sha256 + images.images.sha256).encode()).hexdigest(),
        "backbone_sha256": backbone_digest(recipe.backbone),
    }
    rows = np.union1d(np.union1d(parts.query, parts.database), parts.train)
    folder = tokens / token_files.place(recipe, facts, augmented=False, rows=rows)
    squares = f"pictures-{hashlib.sha256((facts['data_sha256'] + rows.tobytes().hex()).encode()).hexdigest()[:12]}"
    return Prepared(images, parts, Tokens(folder, rows), tokens / squares), facts


def is_defined(cell: Cell, prepared: Prepared, skipped: Callable[[Cell, str], None] | None) -> bool:
    """Whether a cell's method is defined for the labels of the data set."""
    images = prepared.images
    if cell.is_shallow:
        return True
    bits = branch_bits(cell.bits, cell.recipe.groups)
    try:
        METHODS[cell.recipe.method](Task(bits, len(images.classes), 1, images.labels.ndim == 2), **cell.recipe.loss)
    except RecipeError as error:
        if skipped is None:
            raise
        skipped(cell, str(error))
        return False
    return True


def _decode(cells: Iterable[Cell], prepared: Prepared, progress: Progress) -> None:
    """Decode the pictures that the cells of networks are scored on, if any reads pictures, before these begin."""
    for shape in {(c.recipe.image_size, c.recipe.centre_crop): c.recipe for c in cells if not c.reads_tokens}.values():
        if not shape.validation:
            decoded = prepared.decoded(shape)
            for start in range(0, len(decoded), _PICTURES):
                decoded.take(np.arange(start, min(start + _PICTURES, len(decoded))))
                progress("pictures", min(start + _PICTURES, len(decoded)), len(decoded), "")


def _views(recipe: Recipe, prepared: Prepared, tokens: Path, facts: JsonObject, progress: Progress) -> Path:
    """The folder of the views of all training images, those held out among them, built unless they are there."""
    rows = prepared.split.train
    folder = tokens / token_files.place(recipe, facts, augmented=True, rows=rows)
    token_files.views(folder, recipe, prepared.images, rows, progress)
    return folder


_prepared: Prepared  # of a worker process, read once


def _start_worker(  # noqa: PLR0917 - a pool passes them by place
    recipe: Recipe, tokens: Path, facts: JsonObject, threads: int, started: Any, gpus: int
) -> None:
    global _prepared  # a worker's own, set before its first cell
    if gpus > 1:  # each has one of them, in turn
        with started.get_lock():
            number, started.value = started.value, started.value + 1
        os.environ["CUDA_VISIBLE_DEVICES"] = one_of(os.environ.get("CUDA_VISIBLE_DEVICES", ""), gpus, number)
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    torch.set_num_threads(threads)
    _prepared, _ = prepare(recipe, tokens, facts)


def one_of(visible: str, gpus: int, number: int) -> str:
    """Of the GPUs that a process may see (none named: all), the one for a worker of that number."""
    names = visible.split(",") if visible else [str(gpu) for gpu in range(gpus)]
    return names[number % gpus]


def _leave_with_parent() -> None:
    """End this worker when the program that it works for was killed, which its pool would not notice within a cell."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)


def _run(cell: Cell, views: Path | None, folder: Path) -> Result:
    return run(cell, _prepared, views, folder)


def _result_path(out: Path, key: str) -> Path:
    path = out / "cells" / f"{key}.json"
    path.parent.mkdir(exist_ok=True)
    return path


def _restore(out: Path) -> None:
    """Give the results in `results.json` their own files where these are not there: it may have come without them."""
    if not (out / RESULTS).exists():
        return
    about = read(out)
    about.pop("machine", None)  # of the last call, in results from before cells had their own
    for result in about.pop("cells"):
        path = _result_path(out, result["key"])
        if not path.exists():
            with replacing(path) as file:
                file.write(json.dumps({**result, **about}).encode())


def _collect(out: Path, keys: dict[str, Cell], about: JsonObject) -> JsonObject:
    """Everything that `out` holds of this data set and backbone, written to `results.json`.

    Results of earlier matrices are among it, but not of the same method, code length and seed with other settings: of
    several such the newest.
    """
    newest: dict[tuple[Any, ...], Result] = {}
    paths = sorted((out / "cells").glob("*.json"), key=lambda path: (path.stem in keys, path.stat().st_mtime_ns))

    def name(result: Result) -> tuple[Any, ...]:
        return result["method"], result["bits"], result["seed"]

    for path in paths:  # those of this matrix last
        result = {"key": path.stem, **json.loads(path.read_text("utf-8"))}
        if all(result.get(fact) == about[fact] for fact in _FACTS):
            newest[name(result)] = result
    cells = [{k: v for k, v in result.items() if k not in about} for result in sorted(newest.values(), key=name)]
    results = {**about, "cells": cells}
    with replacing(out / RESULTS) as file:
        file.write(json.dumps(results).encode() + b"\n")
    return results
