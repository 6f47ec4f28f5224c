"""What a run was started on, kept beside its recipe: a run that goes on must find the same data and backbone."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from transhash.data.datasets import ImageSet
from transhash.data.sets import Split
from transhash.errors import RecipeError
from transhash.model.directory import check_name
from transhash.plain import JsonObject, parsed
from transhash.system import lock_file, make_folders, replacing
from transhash.training.network import backbone_digest
from transhash.training.recipe import MACHINE, Recipe

RECIPE = "run.yaml"  # in the folder of a run, with what it makes
FACTS = "data.json"
LOG = "log.jsonl"  # the history
_REPLACED = ("model", "tokens", "pictures", "checkpoint-*", "writing-*", LOG)  # of what a run writes over, or removes
_NAMES = {  # of the facts, for people
    "images": "number of pictures",
    "classes": "classes",
    "labels_sha256": "labels",
    "pictures_sha256": "pictures",
    "split_sha256": "split",
    "backbone_sha256": "backbone",
}


def facts_of(recipe: Recipe, images: ImageSet, parts: Split) -> JsonObject:
    """What a run depends on besides its recipe: in JSON's own types."""
    return {
        "images": len(images.labels),
        "classes": list(images.classes),
        "labels_sha256": images.labels_sha256,
        "pictures_sha256": images.images.sha256,
        "split_sha256": parts.checksum,
        "backbone_sha256": backbone_digest(recipe.backbone),
    }


def check_recipe(run: Path, recipe: Recipe) -> None:
    """Refuse a folder that another recipe's run lives in; raises `RecipeError`, `ModelError` for one of no use."""
    check_name(run)
    if run.exists() and not run.is_dir():
        raise RecipeError(run, "a file, not a folder for a run", "choose another --out")
    path = run / RECIPE
    if not path.exists():
        theirs = sorted(found.name for name in _REPLACED for found in run.glob(name))
        if theirs:
            raise RecipeError(
                run,
                f"holds {theirs[0]}, which is of no run that began here, and which a run would replace or remove",
                "choose another --out, a folder for the run alone",
            )
    else:
        # where data and backbone lie may change, as their content is compared (`check_facts`)
        free = {*MACHINE, "data", "backbone"} if (run / FACTS).exists() else set(MACHINE)
        before, now = (one.model_dump(exclude=free) for one in (Recipe.read(path), recipe))
        changed = [name for name, value in now.items() if value != before[name]]
        if changed:
            raise RecipeError(
                run, f"holds a run with another {', '.join(changed)}", "choose another --out, or remove the folder"
            )


@contextmanager
def alone(run: Path) -> Iterator[None]:
    """Around a run: raise `RecipeError` when another command trains in its folder. Of several processes one asks."""
    if os.environ.get("RANK", "0") != "0" or os.name != "posix" or (run.exists() and not run.is_dir()):
        yield
        return
    with written(run):
        make_folders(run)
        folder = os.open(run, os.O_RDONLY)
    try:
        if not lock_file(folder):
            raise RecipeError(run, "another command trains here", "wait until it has ended, or choose another --out")
        try:
            yield
        finally:
            with suppress(OSError):
                run.rmdir()  # of a run that never began
    finally:
        os.close(folder)


def check_facts(run: Path, facts: JsonObject) -> None:
    """Refuse to go on with a run whose data or backbone have changed since it began; raises `RecipeError`."""
    path = run / FACTS
    if not path.exists():
        return
    try:
        before = dict(parsed(path.read_text("utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise RecipeError(path, f"cannot be read ({error})", "remove the folder to start the run again") from error
    changed = [words for name, words in _NAMES.items() if before.get(name) != facts[name]]
    if changed:
        raise RecipeError(
            run,
            f"this run began with another {', another '.join(changed)} than there is now",
            "put back what it was, or choose another --out to train on what there is",
        )


def write(run: Path, recipe: Recipe, facts: JsonObject | None) -> None:
    """Make the folder this run's; raises `RecipeError` when it cannot be written."""
    write_text(run / RECIPE, recipe.dump())
    if facts is not None:
        write_text(run / FACTS, json.dumps(facts, indent=1))


def write_text(path: Path, text: str) -> None:
    """Write a file of a run, whole or not at all; raises `RecipeError` when it cannot be written."""
    with written(path):
        make_folders(path.parent)
        with replacing(path) as file:
            file.write(text.encode())


@contextmanager
def written(path: Path) -> Iterator[None]:
    """Around the writing of a file of a run; raises `RecipeError` when it cannot be written."""
    try:
        yield
    except OSError as error:
        remedy = "make room, or choose another --out, and give the command again"
        raise RecipeError(path, f"cannot be written ({error.strerror or error})", remedy) from error
