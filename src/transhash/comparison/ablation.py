"""An ablation: one setting changed at a time, everything else as it is, and what each change is worth.

wanted = variants(cell, settings(["K", "gamma=5,80"]), say)  # the cell as it is, and one for each other value
table = markdown(results)                                    # of the results of all of them
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

from transhash.comparison.cells import FLAGS, Cell
from transhash.comparison.tables import Spread, spread_text, spreads, title
from transhash.errors import RecipeError
from transhash.losses import METHODS
from transhash.plain import JsonObject
from transhash.training.recipe import Recipe, from_yaml

Value = bool | int | float | str
VALUES: dict[str, tuple[Value, ...]] = {  # what is tried unless other values are given
    "K": (1, 2, 4),
    "gamma": (5.0, 10.0, 20.0, 40.0, 80.0),
    "lambda": (0.0, 0.01, 0.1, 1.0),
    "streams": (1, 2),
    "self-pairs": (False, True),
    "batch": (64, 128, 256, 512),
}
_RECIPES = {  # the setting of a recipe behind a name
    "K": "groups",
    "gamma": "loss.gamma",
    "lambda": "loss.quantization",
    "self-pairs": "loss.self_pairs",
    "batch": "batch_size",
}
_COLON = ": "  # in the name of a variant, "transhash: K = 1"


@dataclass(frozen=True)
class Setting:
    """What is changed, and to which values."""

    name: str
    """A key of `VALUES`, or a setting of a recipe such as `learning_rate` or `loss.margin`."""
    values: tuple[Value, ...]
    is_one_of_all: bool = False
    """Nobody asked for it by name: a method that has no such setting goes without."""


def settings(given: Iterable[str]) -> list[Setting]:
    """From NAME or NAME=VALUE,… words; "all" stands for every key of `VALUES`.

    Raises `RecipeError` for what is no such word, and for a setting that all cells of a comparison have alike.
    """
    found = []
    for word in given:
        name, equals, values = word.partition("=")
        if name in FLAGS and name != "image_size":
            raise RecipeError(
                f"--ablate {word}",
                f"{name} is the same for all of a comparison",
                f"give {FLAGS[name]}, and a command with a folder (--out) of its own for each value",
            )
        if word == "all":
            found += [Setting(*each, is_one_of_all=True) for each in VALUES.items()]
        elif equals:
            found.append(Setting(name, tuple(_read(value, f"--ablate {word}") for value in values.split(","))))
        elif name in VALUES:
            found.append(Setting(name, VALUES[name]))
        else:
            raise RecipeError(
                f"--ablate {word}", "no values are given", f"give NAME=VALUE,VALUE, or {', '.join(VALUES)} or all"
            )
    return found


def variants(cell: Cell, changes: Sequence[Setting], left_out: Callable[[str], None]) -> list[Cell]:
    """The cell as it is, then one for each value that it has not. `left_out` gets a sentence for each that cannot be.

    Raises `RecipeError` for a method without a network, and for a setting that its recipe does not have.
    """
    if cell.is_shallow:
        raise RecipeError("", f"{cell.method} has no recipe to change", "ablate a method with a network")
    found = [cell]
    for change in changes:
        try:
            own = value_of(cell.recipe, change.name)
        except RecipeError as error:
            if not change.is_one_of_all:
                raise
            left_out(f"{cell.method}: {change.name} left out ({error.reason})")
            continue
        for value in change.values:
            if value == own:
                continue
            name = f"{cell.method}{_COLON}{change.name} = {value}"
            try:
                found.append(replace(cell, method=name, recipe=_changed(cell.recipe, change.name, value)))
            except RecipeError as error:
                left_out(f"{name}, {cell.bits} bits: left out ({error.reason})")
    return found


def value_of(recipe: Recipe, name: str) -> Value:
    """The value that a recipe has of a setting; raises `RecipeError` where it has none of that name."""
    if name == "streams":
        return 2 if recipe.groups else 1
    setting = _RECIPES.get(name, name)
    hyper = setting.removeprefix("loss.")
    parameters = inspect.signature(METHODS[recipe.method]).parameters
    if hyper != setting and hyper in parameters:
        return recipe.loss.get(hyper, cast(Value, parameters[hyper].default))
    if setting not in Recipe.model_fields:
        raise RecipeError(
            f"--ablate {name}", f"{recipe.method} has no such setting", f"give {', '.join(VALUES)}, or one of a recipe"
        )
    return cast(Value, getattr(recipe, setting))


def _read(text: str, where: str) -> Value:
    """A value in YAML's notation; 1e-4 is a number here, too."""
    value = from_yaml(text, where)
    try:
        return float(value) if isinstance(value, str) else cast(Value, value)
    except ValueError:
        return cast(Value, value)


def _changed(recipe: Recipe, name: str, value: Value) -> Recipe:
    whole = recipe.model_dump()
    setting = _RECIPES.get(name, name)
    if name == "streams":
        if value not in VALUES["streams"]:
            raise RecipeError("", f"a network with {value} streams", "give 1 or 2")
        whole["groups"] = 0 if value == 1 else recipe.groups or 2
    elif setting.startswith("loss."):
        whole["loss"] = {**recipe.loss, setting.removeprefix("loss."): value}
    else:
        whole[setting] = value
    return Recipe.build(whole)


@dataclass(frozen=True)
class Ablation:
    """The results of one method and one setting, for each value in order: its own among them, which all have."""

    method: str
    name: str
    own: dict[int, Value]  # what it has as it is, by code length
    rows: dict[Value, dict[int, Spread]]  # of a value, by code length


def ablations(results: JsonObject, figure: str = "map") -> Iterator[Ablation]:
    """Every setting that some results change, in their order; nothing for results without variants.

    A variant of what the method was before other settings changed is none of what it is now, and left out.
    """
    table = spreads(results, figure)
    recipes = {(cell["method"], cell["bits"]): cell["recipe"] for cell in results["cells"]}
    changed: dict[tuple[str, str], dict[Value, dict[int, Spread]]] = {}
    for name, row in table.items():
        method, colon, change = name.partition(_COLON)
        if colon and method in table:
            setting, _, value = change.partition(" = ")
            base = {bits: _apart(recipes[method, bits], setting) for bits in table[method]}
            now = {b: one for b, one in row.items() if base.get(b) in (None, _apart(recipes[name, b], setting))}
            if now:
                changed.setdefault((method, setting), {})[_read(value, name)] = now
    order = [*VALUES]
    for method, name in sorted(changed, key=lambda key: (key[0], order.index(key[1]) if key[1] in order else 99, key)):
        own = {bits: value_of(Recipe.model_construct(**recipes[method, bits]), name) for bits in table[method]}
        rows = changed[method, name]
        for bits, kept in own.items():
            rows.setdefault(kept, {})[bits] = table[method][bits]
        yield Ablation(method, name, own, dict(sorted(rows.items(), key=lambda item: _place(item[0]))))


def _apart(recipe: JsonObject, name: str) -> JsonObject:
    """What a recipe has besides a setting and the seed, as far as it is in use; hyper-parameters by their names."""
    setting = "groups" if name == "streams" else _RECIPES.get(name, name)
    whole = {**recipe, **{f"loss.{hyper}": value for hyper, value in recipe["loss"].items()}}
    return {other: value for other, value in whole.items() if value and other not in ("loss", "seed", setting)}


def method_of(name: str) -> str:
    """The method that a variant of this name changes; of another name itself."""
    return name.partition(_COLON)[0]


def unchanged(results: JsonObject) -> JsonObject:
    """Results without the variants: what tables and curves of methods are of."""
    return {**results, "cells": [cell for cell in results["cells"] if cell["method"] == method_of(cell["method"])]}


def _place(value: Value) -> tuple[float, str]:
    return (value, "") if isinstance(value, int | float) else (math.inf, value)


def markdown(results: JsonObject, figure: str = "map") -> str:
    """A Markdown table: every value of every setting, and in points what it is ahead of the method as it is."""
    found = list(ablations(results, figure))
    lengths = sorted({bits for one in found for row in one.rows.values() for bits in row})
    heading = [title(results, figure), *(f"{bits} bits" for bits in lengths)]
    lines = [f"| {' | '.join(heading)} |", "|---|" + "---:|" * len(lengths)]
    for method in dict.fromkeys(one.method for one in found):
        of_method = [one for one in found if one.method == method]
        base = {bits: of_method[0].rows[value][bits] for bits, value in of_method[0].own.items()}
        shown = [(f"{method}, as it is", base)]
        for one in of_method:
            shown += [
                (f"{one.name} = {value}", row)
                for value, row in one.rows.items()
                if any(one.own.get(bits) != value for bits in row)
            ]
        for name, row in shown:
            texts = [spread_text(row.get(bits)) + _ahead(row, base, bits) for bits in lengths]
            lines.append(f"| {name} | {' | '.join(texts)} |")
    return "\n".join(lines)


def _ahead(row: Mapping[int, Spread], base: Mapping[int, Spread], bits: int) -> str:
    """ ", -1.5 ± 0.5": points and their deviation, without it where one of the two is of a single seed."""
    if bits not in row or bits not in base or row[bits] is base[bits]:
        return ""
    one, other = row[bits], base[bits]
    points = f", {round(100 * (one[0] - other[0]), 1) + 0.0:+.1f}"  # no -0.0
    deviation = math.sqrt(one[1] ** 2 / one[2] + other[1] ** 2 / other[2])
    return points + (f" ± {100 * deviation:.1f}" if min(one[2], other[2]) > 1 else "")
