"""What a folder holds of a comparison: a file for each cell and trial, and all of it in `results.json`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from transhash.comparison import choosing
from transhash.comparison.cells import FITTED, LATER, NAMED, Cell
from transhash.errors import RecipeError
from transhash.plain import JsonObject
from transhash.system import replacing

RESULTS = "results.json"
_FACTS = ("protocol", "split_sha256", "data_sha256", "backbone_sha256")
_OF_ALL, _OF_NAMED = ("image_size", "validation"), ("epochs", "freeze", "cached_views")  # the same in a table


def read(out: Path) -> JsonObject:
    """The `results.json` of a comparison; raises `RecipeError` when there is none, or another file."""
    path = out / RESULTS
    try:
        results: JsonObject = json.loads(path.read_text("utf-8"))
        if isinstance(results["cells"], list):
            return results
    except OSError as error:
        reason = f"no results ({error.strerror or error})"
        raise RecipeError(path, reason, "run the comparison first, without --plot") from error
    except (ValueError, KeyError, TypeError):
        pass
    raise RecipeError(path, "not the results of a comparison", "choose another folder, or remove the file")


def file_of(out: Path, key: str, into: str = "cells") -> Path:
    """The file of a result; `into`: the folder, "cells" or "trials"."""
    path = out / into / f"{key}.json"
    path.parent.mkdir(exist_ok=True)
    return path


def restore(out: Path) -> None:
    """Give the results in `results.json` their own files where these are not there: it may have come without them."""
    if not (out / RESULTS).exists():
        return
    about = read(out)
    about.pop("machine", None)  # of the last call, in results from before cells had their own
    found = {into: about.pop(into, []) for into in ("cells", "trials", "replaced")}
    for into in ("cells", "trials"):
        for result in found[into]:
            path = file_of(out, result["key"], into)
            if not path.exists():
                with replacing(path) as file:
                    file.write(json.dumps({**result, **about}).encode())


def check_alike(out: Path, cells: Sequence[Cell], about: JsonObject, queries: int) -> None:
    """Raise `RecipeError` where `out` holds results that must not stand in one table with those of some cells.

    All rows are scored on the same images (`queries` of them) of the same size. Named methods with a network have the
    same training, too, but for what trials choose.
    """
    ours = [_conditions({"recipe": cell.recipe.model_dump(), "method": cell.method}) for cell in cells]
    replaced = {(cell.method, cell.bits, cell.seed) for cell in cells}
    for result in _results(out, "cells", about):
        if _name(result) in replaced:
            continue
        theirs = _conditions(result)
        for name, value in [*theirs.items(), ("queries", result["scores"]["queries"])]:
            wanted = {queries} if name == "queries" else {own[name] for own in ours if name in own}
            if wanted and value not in wanted:
                raise RecipeError(
                    out,
                    f"holds results with {name} {value}, which are of another table than those with {name} "
                    f"{', '.join(map(str, sorted(wanted)))}",
                    "give another folder (--out)",
                )


def _conditions(result: JsonObject) -> JsonObject:
    """What has to be the same in a table, as far as a result tells it."""
    recipe = result["recipe"] or result
    names = _OF_ALL + (_OF_NAMED if result["method"] in NAMED and result["method"] not in FITTED else ())
    return {name: recipe[name] for name in names if name in recipe}


def collect(out: Path, keys: set[str], about: JsonObject) -> JsonObject:
    """Everything that `out` holds of this data set and backbone, written to `results.json`.

    Results of earlier matrices are among it, but of a method and code length only those with one setting, whatever the
    seed: the newest, or that of the keys among `keys`. What others had on the queries stays on record (`replaced`). All
    trials are kept.
    """
    found = sorted(_results(out, "cells", about), key=lambda result: result["key"] in keys)  # those last
    settings = {_name(result)[:2]: _settings(result) for result in found}
    newest = {_name(result): result for result in found if _settings(result) == settings[_name(result)[:2]]}
    shown = sorted(newest.values(), key=_name)
    there = {result["key"] for result in found}
    before = read(out).get("replaced", []) if (out / RESULTS).exists() else []
    older = [result for result in found if _has_read_queries(result) and result is not newest.get(_name(result))]
    many = {
        "trials": _summaries(_results(out, "trials", about)),
        "replaced": _summaries([*older, *(each for each in before if each["key"] not in there)]),
        "cells": [{k: v for k, v in result.items() if k not in about} for result in shown],
    }
    results = {**about, **{name: each for name, each in many.items() if each or name == "cells"}}
    with replacing(out / RESULTS) as file:
        file.write(json.dumps(results).encode() + b"\n")
    return results


def _has_read_queries(result: JsonObject) -> bool:
    return bool(result["recipe"]) and not result["recipe"]["validation"]


def _name(result: JsonObject) -> tuple[str, int, int]:
    return result["method"], result["bits"], result["seed"]


def _settings(result: JsonObject) -> JsonObject:
    """What a row's results have alike; settings that came later count where they are used."""
    recipe = result["recipe"] or {}
    return {name: value for name, value in recipe.items() if name != "seed" and (value or name not in LATER)}


def _summaries(results: Iterable[JsonObject]) -> list[JsonObject]:
    return sorted(map(choosing.summary, results), key=lambda one: (*_name(one), one["key"]))


def _results(out: Path, into: str, about: JsonObject) -> Iterator[JsonObject]:
    """The results in a folder of `out` that are of this data set and backbone, the newest last."""
    for path in sorted((out / into).glob("*.json"), key=lambda path: path.stat().st_mtime_ns):
        result = {"key": path.stem, **json.loads(path.read_text("utf-8"))}
        if all(result.get(fact) == about[fact] for fact in _FACTS):
            yield result
