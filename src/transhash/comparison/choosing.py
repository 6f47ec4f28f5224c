"""Settings chosen alike: the same trials for every method with a network, on training images that are held out.

A trial multiplies the learning rate and one constant of the loss. Where the best learning rate is at an end of those
that were tried, the grid grows there. The trial with the best mAP among the held-out images gives the settings;
queries are not read before.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import replace

from transhash.comparison.cells import Cell
from transhash.errors import RecipeError
from transhash.losses import METHODS
from transhash.plain import JsonObject
from transhash.training.recipe import MACHINE

HELD_OUT = 0.2  # share of the training images that trials are scored on
RATES, CONSTANTS = (1.0, 2.0, 0.5), (1.0, 4.0, 0.25)  # multiples; the first of both is what a method has by itself
GRID = tuple((rate, constant) for constant in CONSTANTS for rate in RATES)
KEPT = ("learning_rate", "loss", "groups", "batch_size", "epochs", "image_size", "freeze", "validation")  # of a trial
STEP, FARTHEST = 2.0, 16.0  # by which the grid grows, and up to which multiple of a method's own learning rate


def trials(cell: Cell, count: int) -> list[Cell]:
    """The first `count` trials of `GRID` for a cell; none of a shallow method, which has no such settings.

    Raises `RecipeError` for more trials than the grid has, and for a method without a number among its settings.
    """
    if not 0 <= count <= len(GRID):
        raise RecipeError("", f"{count} trials", f"give 0 to {len(GRID)}")
    if cell.is_shallow:
        return []
    recipe = cell.recipe
    name, constant = _constant(recipe.method, recipe.loss)
    return [
        replace(
            cell,
            recipe=recipe.model_copy(
                update={
                    "validation": HELD_OUT,
                    "learning_rate": recipe.learning_rate * rate,
                    "loss": recipe.loss if factor == 1 else {**recipe.loss, name: constant * factor},
                }
            ),
        )
        for rate, factor in GRID[:count]
    ]


def _constant(method: str, loss: JsonObject) -> tuple[str, float]:
    """The hyper-parameter that trials change, the first whose default is a number but 0, and its value in a recipe."""
    unused = "gamma" if loss.get("likelihood") == "sigmoid" else ""  # the Cauchy scale of pairs
    for each in inspect.signature(METHODS[method]).parameters.values():
        if type(each.default) in (int, float) and each.default and each.name != unused:
            return each.name, float(loss.get(each.name, each.default))
    raise RecipeError("", f"{method} has no number among its settings to try", "compare it without --trials")


def beyond(tried: Sequence[Cell], found: Sequence[Mapping[str, JsonObject]]) -> Cell | None:
    """The next trial, where the best so far has the highest or the lowest learning rate of those with its loss.

    `found`: the results of the trials. None where it has neither, where some trials have no result yet or fewer rates
    were tried than the grid has, and where it has grown far enough.
    """
    if not tried or len(found) < len(tried):
        return None
    best = tried[_best(found)]
    rates = [trial.recipe.learning_rate for trial in tried if trial.recipe.loss == best.recipe.loss]
    rate = best.recipe.learning_rate
    if len(rates) < len(RATES) or min(rates) < rate < max(rates):
        return None
    further = rate * STEP if rate == max(rates) else rate / STEP
    own = tried[0].recipe.learning_rate
    if not own / FARTHEST <= further <= own * FARTHEST:
        return None
    return replace(best, recipe=best.recipe.model_copy(update={"learning_rate": further}))


def chosen(cell: Cell, tried: Sequence[Cell], found: Sequence[Mapping[str, JsonObject]]) -> Cell:
    """The cell with the settings of the best of its trials, the first of equal ones; `found`: their results."""
    if not tried:
        return cell
    best = tried[_best(found)].recipe
    settings = {"learning_rate": best.learning_rate, "loss": best.loss}
    return replace(cell, recipe=cell.recipe.model_copy(update=settings))


def _best(found: Sequence[Mapping[str, JsonObject]]) -> int:
    """The place of the best result, the first of equal ones."""
    return max(range(len(found)), key=lambda number: found[number]["scores"]["map"])


def diverged(cell: Cell, error: RecipeError) -> JsonObject:
    """What is kept of a trial whose loss was no longer finite: it found nothing, and is not tried again."""
    recipe = cell.recipe.model_dump(mode="json", exclude={"data", "backbone", *MACHINE})
    scores = {"map": 0.0, "queries": 0, "database": 0}
    about = {"method": cell.method, "bits": cell.bits, "seed": cell.seed, "recipe": recipe}
    return {**about, "scores": scores, "seconds": {}, "failed": error.reason}


def is_around(trial: JsonObject, recipe: JsonObject) -> bool:
    """Whether a trial is one of the settings around those of a cell's recipe, and not of what the method was before."""
    own, constant = trial["recipe"], _constant(recipe["method"], recipe["loss"])[0]
    losses = [{name: value for name, value in of["loss"].items() if name != constant} for of in (own, recipe)]
    fixed = own.keys() - {"learning_rate", "loss", "validation"}
    return losses[0] == losses[1] and all(own[name] == recipe[name] for name in fixed)


def summary(result: JsonObject) -> JsonObject:
    """What a comparison's `results.json` keeps of a trial; of what is such a summary the same."""
    settings = {name: value for name, value in result["recipe"].items() if name in KEPT}
    scores = {name: result["scores"][name] for name in ("map", "queries", "database")}
    about = {name: result[name] for name in ("key", "method", "bits", "seed", "machine", "precision", "seconds")}
    failed = {"failed": result["failed"]} if "failed" in result else {}
    return {**about, "recipe": settings, "scores": scores, **failed}
