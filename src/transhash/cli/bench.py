"""transhash bench: how fast this machine trains, or encodes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from transhash.cli.options import BitsOption, JsonOption, LocalModelOption
from transhash.cli.output import print_json, say
from transhash.cli.terminal import stages
from transhash.cli.train import settings_of
from transhash.plain import JsonObject
from transhash.system import needs

EXAMPLES = """\
  transhash bench train --set image_size=112 --set batch_size=512
  transhash bench encode --pictures 5000
"""


def bench(
    what: Annotated[str, typer.Argument(metavar="train|encode", help="What to measure.")],
    *,
    recipe: Annotated[Path | None, typer.Option("--recipe", metavar="FILE", help="train: by this recipe.")] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="train: a setting; repeatable.")
    ] = None,
    model: LocalModelOption = None,
    bits: BitsOption = None,
    device: Annotated[str, typer.Option("--device", metavar="D", help="auto, cpu, cuda or cuda:1.")] = "auto",
    pictures: Annotated[int | None, typer.Option("--pictures", min=1, metavar="N", help="Drawn pictures.")] = None,
    size: Annotated[str, typer.Option("--size", metavar="WxH", help="Of the drawn JPEG pictures.")] = "500x375",
    steps: Annotated[int, typer.Option("--steps", min=1, metavar="N", help="train: steps of a turn.")] = 50,
    rounds: Annotated[int, typer.Option("--rounds", min=1, metavar="N", help="Turns; medians are given.")] = 3,
    peer: Annotated[bool, typer.Option("--peer/--no-peer", help="Measure transformers' network too.")] = True,
    to: Annotated[
        Path | None,
        typer.Option("--to", metavar="FILE", help="Where to keep the result; by default benchmarks/results/, if here."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Measure how fast this machine trains, or encodes.

    Draws JPEG pictures. `train` runs the real loop, by default a ViT-S/14 with new weights of which all blocks train,
    and prints images a second, the share of the device's peak, and where a step's time goes. `encode` runs a model on
    the files, and decoding and the network alone. A network of transformers of the same shape takes turns with them.
    """
    with needs("train"):
        import torch

        from transhash.speed import report
        from transhash.speed.encoding import measure_encoding
        from transhash.speed.training import measure_training
        from transhash.training.device import device_of
        from transhash.training.recipe import RANDOM, Recipe
    width, _, height = size.partition("x")
    if not (width.isdecimal() and height.isdecimal() and int(width) and int(height)):
        raise typer.BadParameter(f"{size!r} is no size; give width x height, such as 500x375", param_hint="--size")
    drawn = int(width), int(height)
    found: JsonObject
    with stages() as progress:
        if what == "train":
            given = {"backbone": RANDOM} if recipe is None else {}
            wanted = Recipe.read(recipe, **{**given, "device": device, **settings_of(settings or ())})
            used = device_of(wanted.device)
            found = measure_training(
                wanted, steps=steps, rounds=rounds, number=pictures, size=drawn, peer=peer, say=say, progress=progress
            )
        elif what == "encode":
            from transhash.model import load

            opened = load(model, bits, device=device)
            used = torch.device(opened.device)
            found = measure_encoding(
                opened, number=pictures or 1000, rounds=rounds, size=drawn, peer=peer, progress=progress
            )
        else:
            raise typer.BadParameter(f"nothing to measure is called {what!r}; give train or encode")
    found = report.with_machine(found, used)
    place = report.kept(found, to)
    if as_json:
        print_json(found)
    else:
        print(report.in_words(found))
    if place:
        say(f"kept in {place}")
