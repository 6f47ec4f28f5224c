"""transhash fit: codes for a collection without labels."""

from __future__ import annotations

import os
import random
from pathlib import Path
from typing import Annotated

import typer

from transhash.cli.options import JsonOption, ModelOption
from transhash.cli.output import print_json, say, shown
from transhash.cli.terminal import stages

EXAMPLES = """\
  transhash fit photos/ --out mine
  transhash index photos/ --model mine --library mine/library
"""


def fit(
    folders: Annotated[list[Path], typer.Argument(metavar="DIR", help="Folders of pictures.", show_default=False)],
    *,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="The model to write.", show_default=False)],
    bits: Annotated[int, typer.Option("--bits", help="Bits of a code, a multiple of 8.")] = 64,
    model: ModelOption = None,
    most: Annotated[
        int, typer.Option("--pictures", min=1, help="Learn from at most this many pictures, drawn at random.")
    ] = 10_000,
    as_json: JsonOption = False,
) -> None:
    """Make a model for your own pictures, without labels.

    The network is that of --model, or the one that comes with transhash; the bits are chosen so that they tell your
    pictures apart. The result is a model like any other: name its folder with --model.
    """
    from transhash.library.files.walk import roots, walk
    from transhash.model import load
    from transhash.model.fit import fit as learned

    found = [
        os.path.join(folder.path, name) for root in roots(folders) for folder in walk(root) for name in folder.names
    ]
    chosen = random.Random(0).sample(found, min(most, len(found)))
    with stages(len(chosen)) as progress:
        fitted = learned(
            load(model),
            map(os.fsdecode, sorted(chosen)),
            bits,
            out,
            progress=progress,
            skipped=lambda error: say(str(error)),
        )
    if as_json:
        print_json({"model": fitted.folder, "bits": bits, "fingerprint": fitted.fingerprint, **fitted.config["about"]})
    else:
        print(f"{bits}-bit model of {fitted.config['about']['pictures']} pictures in {shown(fitted.folder)}")
