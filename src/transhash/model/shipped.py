"""The models that ship with the package, and opening any model by its name or its directory."""

from __future__ import annotations

import os
from pathlib import Path

from transhash.errors import ModelError
from transhash.model.directory import CONFIG
from transhash.model.hash_model import HashModel

PRETRAINED = Path(__file__).parents[1] / "pretrained"
DEFAULT = "vits14-photographs"


def load(name: str | os.PathLike[str] | None = None, bits: int | None = None, *, device: str = "auto") -> HashModel:
    """A model by the name of one that ships with the package (the default one without a name), or by its directory.

    `bits`: one of its code lengths; by default the model's own choice. `device`: as of `HashModel`. Raises `ModelError`
    when there is none of that name, or of that length.
    """
    if name is None:
        name = DEFAULT
    path, shipped = Path(name), pretrained()
    if str(name) in shipped and not (path / CONFIG).is_file():
        return HashModel(PRETRAINED / str(name), bits, device=device)
    if path.is_dir():
        from transhash.model.hub import is_pretrained

        if is_pretrained(path):
            raise ModelError(
                path,
                "a checkpoint, not a model of hash codes",
                "use it with `transhash index --model`, or transhash.load_encoder",
            )
        return HashModel(path, bits, device=device)
    raise ModelError(
        name,
        f"neither a model directory nor a model that ships with transhash ({', '.join(shipped)})",
        "`transhash models` lists them; one of the Hugging Face hub is named OWNER/NAME (transhash.load_encoder)",
    )


def pretrained() -> list[str]:
    """The names of the models that ship with the package."""
    return sorted(path.parent.name for path in PRETRAINED.glob(f"*/{CONFIG}"))
