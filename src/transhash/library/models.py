"""Finding the model that a library's codes come from."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from transhash.errors import LibraryError, ModelError

if TYPE_CHECKING:
    from transhash.model import HashModel


def model_of(address: str, name: str, fingerprint: str, bits: int, folder: Path | None = None) -> HashModel:
    """The model of a fingerprint: one that ships with the package under its name, or the one in a folder.

    A library may come from anyone: nothing else is looked at. Raises `LibraryError`, which names the library's address.
    """
    from transhash.model import PRETRAINED, load, pretrained

    shipped = [PRETRAINED / each for each in pretrained() if each == name]
    for place in (*shipped, *([folder] if folder else [])):
        with suppress(ModelError):
            model = load(place.absolute(), bits)
            if model.fingerprint == fingerprint:
                return model
    looked = f"is neither with the package nor in {folder}" if folder else "does not ship with the package"
    raise LibraryError(address, f"its model {name} ({fingerprint[:12]}) {looked}", "name the model's folder (--model)")
