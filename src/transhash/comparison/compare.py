"""A whole comparison: tokens first, then cell after cell in processes of their own, each result kept as it comes."""

from __future__ import annotations

import importlib.metadata
import json
import shutil
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from transhash.comparison import choosing, kept
from transhash.comparison import tokens as token_files
from transhash.comparison.cells import Cell, check_alike
from transhash.comparison.processes import Work, Workers
from transhash.comparison.run import Prepared, prepare
from transhash.data.sets import ImageSet
from transhash.errors import RecipeError, TransHashError
from transhash.losses import METHODS, Task
from transhash.nn.mgvt import branch_bits
from transhash.plain import JsonObject
from transhash.progress import Progress
from transhash.system import machine, replacing
from transhash.training.device import described, device_of, precision_of
from transhash.training.loop import DIVERGED
from transhash.training.optimizer import warm_up_said
from transhash.training.recipe import Recipe

_PACKAGES = ("transhash", "torch", "numpy", "numba", "pillow", "accelerate")
_PICTURES = 1024  # decoded at a time


def compare(
    cells: Sequence[Cell],
    out: Path,
    *,
    tokens: Path | None = None,
    jobs: int | None = None,
    progress: Progress,
    report: Callable[[JsonObject], None] = lambda result: None,
    say: Callable[[str], None] = lambda sentence: None,
    skipped: Callable[[Cell, str], None] | None = None,
    failed: Callable[[str, TransHashError], None] | None = None,
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
    for each core, on a GPU `GPU_JOBS` for each, which share it; 0: this process, one cell after the other. `say` gets
    what a user should know of the data and the cells, once. `skipped`: gets each cell whose method is not defined for
    such labels, and why; without it that is an error.
    `failed`: gets the name of each cell and trial that failed or whose process died, and why; the others go on, and a
    trial whose loss was no longer finite has found nothing. Without it the first such failure is raised in the end, as
    a `TransHashError`. What was finished is kept, and the same call tries the rest again.
    """
    until = None if seconds is None else time.monotonic() + seconds
    check_alike(cells)
    first = cells[0].recipe
    _make(out, "--out")
    _make(tokens or out, "--tokens")
    prepared = prepare(first, tokens or out / "tokens")
    facts = prepared.facts
    about = {**facts, "packages": {name: importlib.metadata.version(name) for name in _PACKAGES}}
    for note in prepared.images.notes + prepared.split.notes:
        say(note)
    kept.restore(out)
    kept.check_alike(out, cells, about, prepared.queries(first))
    there = prepared.learning(max(first.validation, choosing.HELD_OUT if trials else 0), first.split_seed)
    cells = [cell for cell in cells if is_defined(cell, prepared.images, there, skipped)]
    if not cells:
        raise RecipeError("", "no method is left to run", "name one that suits these images (--methods)")
    for sentence in {warm_up_said(cell.recipe, there): None for cell in cells if not cell.is_shallow}:
        if sentence:
            say(sentence)
    runner = _Runner(out, first, prepared, about, jobs, until, progress, report, failed)
    if trials:
        cells = runner.choose(cells, trials)
    runner.finish(cells)
    results = kept.collect(out, {cell.key(facts) for cell in cells}, about)
    runner.end()
    return results


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
    failed: Callable[[str, TransHashError], None] | None
    failures: dict[str, tuple[str, Exception]] = field(default_factory=dict)
    """Of cells and trials, by their keys: the name and why."""

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
        there = {key for key in keys if kept.file_of(self.out, key, into).exists()}
        waiting = {key: cell for key, cell in keys.items() if key not in there | self.failures.keys()}
        done = len(keys) - len(waiting)
        self.progress(into, done, len(keys), "")
        if not waiting or (self.until is not None and time.monotonic() >= self.until):
            return
        for recipe in _of_each_token(waiting.values(), self.prepared):
            self.prepared.tokens(recipe).build(recipe, self.prepared.images, self.progress)
        views = {key: _views(cell, self.prepared, self.progress) for key, cell in waiting.items() if cell.reads_views}
        _decode(waiting.values(), self.prepared, self.progress)

        here = {"machine": machine(), "device": described(device_of(self.first.device))}
        works = [Work(key, cell, views.get(key), self.out / "runs" / key) for key, cell in waiting.items()]
        with closing(Workers(self.prepared, self.first, self.jobs).outcomes(works, self.until)) as outcomes:
            for work, outcome in outcomes:
                done += 1
                result = self._result(work, outcome, into)
                if result is None:
                    self.progress(into, done, len(keys), f"{name_of(work.cell)}: failed")
                    continue
                precision = precision_of(work.cell.recipe.precision, device_of(self.first.device))
                also = {**here, "precision": str(precision), **self.about}
                with replacing(kept.file_of(self.out, work.key, into)) as file:
                    file.write(json.dumps({**result, **also}).encode())
                kept.collect(self.out, of_matrix, self.about)
                if into == "cells":
                    self.report(result)
                self.progress(into, done, len(keys), f"{name_of(work.cell)}: mAP {result['scores']['map']:.4f}")

    def _result(self, work: Work, outcome: JsonObject | Exception, into: str) -> JsonObject | None:
        """What is kept of a cell; None for one that failed. A trial that diverged is one that found nothing."""
        if not isinstance(outcome, Exception):
            return outcome
        if into == "trials" and isinstance(outcome, RecipeError) and outcome.code == DIVERGED:
            shutil.rmtree(work.folder, ignore_errors=True)
            return choosing.diverged(work.cell, outcome)
        name = name_of(work.cell) + (", a trial" if into == "trials" else "")
        self.failures[work.key] = name, outcome
        if self.failed and isinstance(outcome, TransHashError):
            self.failed(name, outcome)
        return None

    def end(self) -> None:
        """Raise what nobody foresaw, and without `failed` the first of all failures."""
        for name, error in self.failures.values():
            if not isinstance(error, TransHashError):
                error.add_note(f"in {name}; what other cells found is in {self.out}")
                raise error
        for name, error in self.failures.values() if self.failed is None else ():
            raise TransHashError(
                self.out,
                f"cells that failed: {len(self.failures)}, the first of them {name} ({error})",
                "what the others found is there; give the same command again to try these",
            ) from error


def _make(folder: Path, option: str) -> None:
    """Make a folder unless it is there; raises `RecipeError` where a file is in the way."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise RecipeError(folder, "cannot be made, as a file is in the way", f"choose another {option}") from error


def name_of(cell: Cell) -> str:
    """A cell in words."""
    return f"{cell.method}, {cell.bits} bits, seed {cell.seed}"


def is_defined(cell: Cell, images: ImageSet, training: int, skipped: Callable[[Cell, str], None] | None) -> bool:
    """Whether a method is defined for the labels of a data set, and its batch not more than the `training` images."""
    if cell.is_shallow:
        return True
    bits, size = branch_bits(cell.bits, cell.recipe.groups), cell.recipe.batch_size
    try:
        if size > training:
            raise RecipeError("", f"batch_size {size} is more than the {training} training images", "lower it")
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
