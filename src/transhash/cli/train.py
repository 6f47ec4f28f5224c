"""transhash train: learn a model from labelled pictures."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from transhash.cli.common import JsonOption, extra, print_json, say
from transhash.cli.evaluate import measured_with_bar, table
from transhash.cli.progress import stages
from transhash.errors import RecipeError


def train(
    recipe: Annotated[Path | None, typer.Argument(metavar="[RECIPE]", help="A YAML recipe.")] = None,
    *,
    data: Annotated[Path | None, typer.Option("--data", metavar="PATH", help="Where the data set lies.")] = None,
    backbone: Annotated[
        str | None, typer.Option("--backbone", metavar="B", help="Pretrained ViT: a file, a folder or a hub id.")
    ] = None,
    bits: Annotated[int | None, typer.Option("--bits", help="Code length.")] = None,
    epochs: Annotated[int | None, typer.Option("--epochs", help="Passes over the training images.")] = None,
    settings: Annotated[
        list[str], typer.Option("--set", metavar="NAME=VALUE", help="Any setting of the recipe; repeatable.")
    ] = [],  # noqa: B006 - typer copies it
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Folder of the run.")] = Path("runs/train"),
    evaluate: Annotated[
        bool, typer.Option("--evaluate", help="Score the model under its protocol at the end.")
    ] = False,
    dump_recipe: Annotated[
        bool, typer.Option("--dump-recipe", help="Print the recipe that would run, and end.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Train a hash model on labelled pictures, end to end.

    The settings are the defaults (--dump-recipe prints them all, with what they mean), those of RECIPE on top, and the
    options on top of both. A run that was broken off goes on where it was when the same command is given again. The
    model is left in DIR/model, ready for `transhash index --model DIR/model`.
    """
    with extra("train"):
        from transhash.training.recipe import Recipe
    changes = settings_of(settings)
    named = {"data": data, "backbone": backbone, "bits": bits, "epochs": epochs}
    wanted = Recipe.read(recipe, **changes, **{name: value for name, value in named.items() if value is not None})
    if dump_recipe:
        print(wanted.dump(), end="")
        return

    with extra("train"):
        from accelerate import PartialState

        from transhash.training.loop import train as run_training
        from transhash.training.processes import lost
        from transhash.training.ship import ship
    try:
        with lost(out), stages() as progress:
            trained = run_training(wanted, out, progress=progress)
    except KeyboardInterrupt:
        say(f"interrupted; give the same command again to go on from the last checkpoint in {out}")
        raise
    if not PartialState().is_main_process:  # of several processes one writes the model and prints
        return
    for note in trained.images.notes:
        say(note)
    model = ship(trained, out / "model", name=out.resolve().name)
    result: dict[str, Any] = {"model": str(model.folder), "fingerprint": model.fingerprint, "history": trained.history}
    if evaluate:
        measured = measured_with_bar(model, wanted.dataset, wanted.data, wanted.protocol, wanted.split_seed)
        result["scores"] = measured.to_dict()
        if not as_json:
            print(table(measured))
    if as_json:
        print_json(result)
    else:
        print(f"model in {model.folder}")


def settings_of(given: Iterable[str]) -> dict[str, Any]:
    """Recipe settings from NAME=VALUE words, values in YAML's notation; raises `RecipeError` for what is none."""
    import yaml

    changes: dict[str, Any] = {}
    for setting in given:
        name, equals, value = setting.partition("=")
        if not equals:
            raise RecipeError(f"--set {setting}: give NAME=VALUE, such as --set learning_rate=1e-4")
        changes[name.strip()] = yaml.safe_load(value)
    return changes
