"""transhash fit: codes for a collection without labels."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from transhash.cli.libraries import named_encoder
from transhash.cli.options import JsonOption, ModelOption
from transhash.cli.output import print_json, say, shown
from transhash.cli.terminal import stages
from transhash.errors import ModelError

EXAMPLES = """\
  transhash fit photos/ --out mine --bits 24       # a length that the model does not have
  transhash index photos/ --model mine --library mine/library
  transhash fit photos/ --model facebook/dinov2-small --out mine
"""


def fit(
    folders: Annotated[list[Path], typer.Argument(metavar="DIR", help="Folders of pictures.", show_default=False)],
    *,
    out: Annotated[Path, typer.Option("--out", metavar="DIR", help="The model to write.", show_default=False)],
    bits: Annotated[int, typer.Option("--bits", help="Bits of a code, a multiple of 8.")] = 64,
    model: ModelOption = None,
    most: Annotated[
        int,
        typer.Option("--pictures", min=1, max=4_000, help="Learn from at most this many pictures, drawn at random."),
    ] = 4_000,
    as_json: JsonOption = False,
) -> None:
    """Make a model for your own pictures, without labels.

    For one library you do not need it: transhash index fits the codes of 100 pictures and more by itself. It is for
    codes of another length, for several libraries with the same codes, and for models of the Hugging Face hub.

    The network is that of --model, or the one that comes with transhash; the bits are chosen so that they tell your
    pictures apart. The result is a model like any other: name its folder with --model. A model of the Hugging Face hub
    is exported to ONNX: to encode pictures with the result, neither PyTorch nor the checkpoint is needed.
    """
    from random import Random

    from transhash.library.files.walk import roots, walk
    from transhash.model import Embedder, Encoder, is_hash_model
    from transhash.model.directory import CONFIG
    from transhash.model.fit import fit as learned
    from transhash.model.foreign import fit_encoder

    found = [
        os.path.join(folder.path, name) for root in roots(folders) for folder in walk(root) for name in folder.names
    ]
    chosen = Random(0).sample(found, min(most, len(found)))
    base = named_encoder(model)
    if not is_hash_model(base) and not isinstance(base, Embedder):
        raise ModelError(base.name, "gives codes alone, to which nothing can be fitted", "name another model")
    learn: Callable[..., Encoder] = learned if is_hash_model(base) else fit_encoder
    with stages(len(chosen)) as progress:
        pictures = map(os.fsdecode, sorted(chosen))
        made = learn(base, pictures, bits, out, progress=progress, skipped=lambda error: say(str(error)))
    about = json.loads((out / CONFIG).read_text("utf-8"))["about"]
    if as_json:
        print_json({"model": out, "bits": bits, "fingerprint": made.fingerprint, **about})
    else:
        print(f"{bits}-bit model of {about['pictures']} pictures in {shown(out)}")
