"""A whole comparison: tokens first, then cell after cell in processes of their own, each result kept as it comes."""

from __future__ import annotations

import importlib.metadata
import json
import multiprocessing
import multiprocessing.connection
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from transhash.comparison import choosing, kept
from transhash.comparison import tokens as token_files
from transhash.comparison.cells import Cell, check_alike
from transhash.comparison.run import Prepared, prepare, run
from transhash.errors import RecipeError, TransHashError
from transhash.losses import METHODS, Task
from transhash.nn.mgvt import branch_bits
from transhash.plain import JsonObject
from transhash.progress import Progress
from transhash.system import machine, processors, replacing
from transhash.training.device import described, device_of, precision_of
from transhash.training.recipe import Recipe

_PACKAGES = ("transhash", "torch", "numpy", "numba", "pillow", "accelerate")
_PICTURES = 1024  # decoded at a time
GPU_JOBS = 4  # cells side by side on one GPU, of which a small network uses little
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


def compare(
    cells: Sequence[Cell],
    out: Path,
    *,
    tokens: Path | None = None,
    jobs: int | None = None,
    progress: Progress,
    report: Callable[[JsonObject], None] = lambda result: None,
    skipped: Callable[[Cell, str], None] | None = None,
    seconds: float | None = None,
    trials: int = 0,
) -> JsonObject:
    """Run the cells that `out` has no result of, and return what is in its `results.json` then.

    A `results.json` alone is enough to go on from. It is written after every cell. `seconds`: begin with no cell later
    than that; those under way are finished. `trials`: for each method with a network and each code length as many
    settings are tried on held-out training images first, with the first seed, and more learning rates where the best is
    at an end, and its cells have the best (`choosing`); a method and length whose trials are not finished has none.
    All cells are of one data set, protocol, split and backbone, and scored on the same images, or `RecipeError` says
    so; how many blocks are frozen and how large pictures are may differ, and each cell has the tokens of its own.
    `tokens`: folder for the tokens, `out`/tokens by default. `jobs`: processes, which share the cores; by default one
    for each core, on a GPU `GPU_JOBS` for each, which share it; 0: this process, one cell after the other. `skipped`:
    gets each cell whose method is not defined for such labels, and why; without it that is an error.
    Raises `TransHashError` when a process dies; what was finished is kept, and the same call goes on.
    """
    until = None if seconds is None else time.monotonic() + seconds
    check_alike(cells)
    first = cells[0].recipe
    out.mkdir(parents=True, exist_ok=True)
    prepared = prepare(first, tokens or out / "tokens")
    facts = prepared.facts
    about = {**facts, "packages": {name: importlib.metadata.version(name) for name in _PACKAGES}}
    kept.restore(out)
    kept.check_alike(out, cells, about, prepared.queries(first))
    runner = _Runner(out, first, prepared, about, jobs, until, progress, report)
    cells = [cell for cell in cells if is_defined(cell, prepared, skipped)]
    if not cells:
        raise RecipeError("", "no method is left to run", "name one that suits these images (--methods)")
    if trials:
        cells = runner.choose(cells, trials)
    runner.finish(cells)
    return kept.collect(out, {cell.key(facts) for cell in cells}, about)


@dataclass(frozen=True)
class _Runner:
    """What all cells of a comparison have in common."""

    out: Path
    first: Recipe  # of a cell, whose data and device all have
    prepared: Prepared
    about: JsonObject
    jobs: int | None
    until: float | None  # of time.monotonic()
    progress: Progress
    report: Callable[[JsonObject], None]

    def choose(self, cells: Sequence[Cell], count: int) -> list[Cell]:
        """The cells with the settings that trials are in favour of, those whose trials are finished."""
        seed = min(cell.seed for cell in cells)
        tried = {(cell.method, cell.bits): choosing.trials(cell, count) for cell in cells if cell.seed == seed}
        while True:
            self.finish([trial for few in tried.values() for trial in few], into="trials")
            found = {name: self._results(few) for name, few in tried.items()}
            further = {name: choosing.beyond(few, found[name]) for name, few in tried.items()}
            if not any(further.values()):
                break
            for name, trial in further.items():
                tried[name] += [trial] if trial else []
        named = [(cell, (cell.method, cell.bits)) for cell in cells]
        return [choosing.chosen(cell, tried[at], found[at]) for cell, at in named if len(found[at]) == len(tried[at])]

    def _results(self, trials: Sequence[Cell]) -> list[JsonObject]:
        """Of those trials that have one."""
        paths = [kept.file_of(self.out, trial.key(self.prepared.facts), "trials") for trial in trials]
        return [json.loads(path.read_text("utf-8")) for path in paths if path.exists()]

    def finish(self, cells: Sequence[Cell], into: str = "cells") -> None:
        """Run those without a result. `into`: the folder of results."""
        keys = {cell.key(self.prepared.facts): cell for cell in cells}
        of_matrix = set(keys) if into == "cells" else set()
        waiting = {key: cell for key, cell in keys.items() if not kept.file_of(self.out, key, into).exists()}
        done = len(keys) - len(waiting)
        self.progress(into, done, len(keys), "")
        if not waiting or (self.until is not None and time.monotonic() >= self.until):
            return
        for recipe in _of_each_token(waiting.values(), self.prepared):
            self.prepared.tokens(recipe).build(recipe, self.prepared.images, self.progress)
        views = {key: _views(cell, self.prepared, self.progress) for key, cell in waiting.items() if cell.reads_views}
        _decode(waiting.values(), self.prepared, self.progress)

        device = device_of(self.first.device)
        here = {"machine": machine(), "device": described(device)}
        with self._pool(len(waiting)) as pool:
            futures: dict[Future[JsonObject], str] = {
                pool.submit(_run, cell, views.get(key), self.out / "runs" / key): key for key, cell in waiting.items()
            }
            try:
                for future in _ended(futures, self.until):
                    result, precision = future.result(), waiting[futures[future]].recipe.precision
                    also = {**here, "precision": str(precision_of(precision, device)), **self.about}
                    with replacing(kept.file_of(self.out, futures[future], into)) as file:
                        file.write(json.dumps({**result, **also}).encode())
                    kept.collect(self.out, of_matrix, self.about)
                    done += 1
                    if into == "cells":
                        self.report(result)
                    word = f"{result['method']}, {result['bits']} bits, seed {result['seed']}"
                    self.progress(into, done, len(keys), f"{word}: mAP {result['scores']['map']:.4f}")
            except BrokenProcessPool as error:
                raise TransHashError(
                    self.out,
                    "a process ended before its cell did, perhaps for want of memory",
                    "give the same command again to go on, with fewer --jobs if it happens again",
                ) from error
            finally:
                pool.shutdown(cancel_futures=True)

    def _pool(self, most: int) -> Executor:
        """Processes for at most so many cells, which share the cores and the GPUs; or a thread of this one."""
        if self.jobs == 0:
            return ThreadPoolExecutor(1, "transhash-cells", _set_prepared, (self.prepared,))
        device = device_of(self.first.device)
        gpus = torch.cuda.device_count() if self.first.device in ("auto", "cuda") and device.type == "cuda" else 1
        jobs = min(self.jobs or (GPU_JOBS * gpus if device.type == "cuda" else processors()), most)
        for name in _THREADS:  # read when a process starts; those of linear algebra get in each other's way
            os.environ.setdefault(name, str(max(1, processors() // jobs)))
        context = multiprocessing.get_context("spawn")
        given = (self.first, self.prepared.folder, self.prepared.facts, context.Value("i", 0), gpus)
        return ProcessPoolExecutor(jobs, context, _start_worker, given)


def _ended(futures: Iterable[Future[JsonObject]], until: float | None) -> Iterator[Future[JsonObject]]:
    """Each future when it has ended. At the time `until` those that were not begun are cancelled and left out."""
    waiting = set(futures)
    while waiting:
        left = None if until is None else max(0.0, until - time.monotonic())
        ended, waiting = wait(waiting, left, FIRST_COMPLETED)
        yield from ended
        if until is not None and time.monotonic() >= until:
            waiting, until = {future for future in waiting if not future.cancel()}, None


def is_defined(cell: Cell, prepared: Prepared, skipped: Callable[[Cell, str], None] | None) -> bool:
    """Whether a cell's method is defined for the labels of the data set, and its batch is not more than the images."""
    images = prepared.images
    if cell.is_shallow:
        return True
    bits = branch_bits(cell.bits, cell.recipe.groups)
    size, images_there = cell.recipe.batch_size, len(prepared.split.train)
    try:
        if size > images_there:
            raise RecipeError("", f"batch_size {size} is more than the {images_there} training images", "lower it")
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


def _of_each_token(cells: Iterable[Cell], prepared: Prepared) -> Iterable[Recipe]:
    """Of all tokens that some cells read one recipe each."""
    return {prepared.tokens(cell.recipe).folder: cell.recipe for cell in cells if cell.reads_tokens}.values()


def _views(cell: Cell, prepared: Prepared, progress: Progress) -> Path:
    """The folder of the views of all training images, those held out among them, built unless they are there."""
    recipe, rows = cell.recipe, prepared.split.train
    folder = prepared.folder / token_files.place(recipe, prepared.facts, augmented=True, rows=rows)
    token_files.views(folder, recipe, prepared.images, rows, progress)
    if cell.is_shallow:
        token_files.view_features(folder, recipe, len(rows), progress)
    return folder


_prepared: Prepared  # of a worker process, read once


def _start_worker(recipe: Recipe, tokens: Path, facts: JsonObject, started: Any, gpus: int) -> None:
    if gpus > 1:  # each has one of them, in turn
        with started.get_lock():
            number, started.value = started.value, started.value + 1
        os.environ["CUDA_VISIBLE_DEVICES"] = one_of(os.environ.get("CUDA_VISIBLE_DEVICES", ""), gpus, number)
    threading.Thread(target=_leave_with_parent, daemon=True).start()
    _set_prepared(prepare(recipe, tokens, facts))


def _set_prepared(prepared: Prepared) -> None:
    global _prepared  # noqa: PLW0603 - a worker's own, set before its first cell
    _prepared = prepared


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


def _run(cell: Cell, views: Path | None, folder: Path) -> JsonObject:
    return run(cell, _prepared, views, folder)
