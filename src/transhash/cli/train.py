"""transhash train: learn a model from labelled pictures."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Annotated

import typer

from transhash.cli.evaluate import measured_with_bar, naming_all, table
from transhash.cli.options import JsonOption, ProtocolOption
from transhash.cli.output import print_json, say
from transhash.cli.terminal import stages
from transhash.errors import RecipeError
from transhash.plain import JsonObject
from transhash.system import needs

EXAMPLES = """\
  transhash train --dataset folder --data classes/ --backbone vit.safetensors
  transhash train recipes/cifar10.yaml --data cifar10/ --backbone vit.safetensors --evaluate
  transhash train --dump-recipe > recipe.yaml
  transhash index photos/ --model runs/train/model --library trained/library
"""


def train(
    recipe: Annotated[Path | None, typer.Argument(metavar="RECIPE", help="A YAML recipe.")] = None,
    *,
    dataset: Annotated[
        str | None,
        typer.Option("--dataset", metavar="NAME", help="cifar10, …, or folder for your own (docs/protocols.md)."),
    ] = None,
    data: Annotated[Path | None, typer.Option("--data", metavar="PATH", help="Folder or file of the data set.")] = None,
    protocol: ProtocolOption = None,
    split_seed: Annotated[
        int | None, typer.Option("--split-seed", metavar="N", help="Seed of the protocol's split.")
    ] = None,
    backbone: Annotated[
        str | None,
        typer.Option(
            "--backbone",
            metavar="B",
            help="Pretrained ViT (file, folder or hub id) or a model; by default the one that comes with transhash.",
        ),
    ] = None,
    device: Annotated[
        str | None,
        typer.Option("--device", metavar="D", help="auto (a GPU where there is one), cpu, cuda, cuda:1 or mps."),
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
    """Train a model on pictures with labels.

    Settings come from the defaults (--dump-recipe prints all of them), then RECIPE, then the options. The model is
    written to DIR/model. When a run was interrupted, the same command continues it. For several processes:
    torchrun --nproc-per-node N -m transhash train … (docs/scale.md); the result is the same.
    """
    with needs("train"):
        from transhash.training.recipe import Recipe
    changes = settings_of(settings)
    named = {
        "dataset": dataset, "data": data, "protocol": protocol, "split_seed": split_seed, "backbone": backbone,
        "bits": bits, "epochs": epochs, "device": device,
    }  # fmt: skip
    given = {name: value for name, value in named.items() if value is not None}
    wanted = Recipe.read(recipe, **{**changes, **given})
    if dump_recipe:
        print(wanted.dump(), end="")
        return

    with needs("train"):
        from accelerate import PartialState

        from transhash.training.checkpoint import latest
        from transhash.training.facts import alone
        from transhash.training.loop import train as run_training
        from transhash.training.processes import lost
        from transhash.training.ship import ship
    try:
        with lost(out), alone(out), naming_all(wanted.dataset, wanted.data), stages() as progress:
            trained = run_training(wanted, out, progress=progress, say=say)
    except KeyboardInterrupt:
        there = latest(out)
        goes_on = f"go on from {there}" if there else "start again, as there is no checkpoint yet"
        say(f"interrupted; give the same command again to {goes_on}")
        raise
    if not PartialState().is_main_process:  # of several processes one writes the model and prints
        return
    model = ship(trained, out / "model", name=out.resolve().name, say=say)
    result: JsonObject = {"model": str(model.folder), "fingerprint": model.fingerprint, "history": trained.history}
    if evaluate:
        with naming_all(wanted.dataset, wanted.data):
            measured = measured_with_bar(model, wanted.dataset, wanted.data, wanted.protocol, wanted.split_seed)
        result["scores"] = measured.to_dict()
        if not as_json:
            print(table(measured))
    if as_json:
        print_json(result)
    else:
        print(f"model in {model.folder}")


def settings_of(given: Iterable[str]) -> JsonObject:
    """Recipe settings from NAME=VALUE words, values in YAML's notation; raises `RecipeError` for what is none."""
    from transhash.training.recipe import from_yaml

    changes: JsonObject = {}
    for setting in given:
        name, equals, value = setting.partition("=")
        if not equals:
            raise RecipeError(
                f"--set {setting}", "not a setting with a value", "give NAME=VALUE, such as --set learning_rate=1e-4"
            )
        changes[name.strip()] = from_yaml(value, f"--set {setting}")
    return changes
