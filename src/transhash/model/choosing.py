"""Any encoder by its name: a model of ours, a folder with a checkpoint, or a repository of the Hugging Face hub."""

from __future__ import annotations

import os
from pathlib import Path

from transhash.errors import ModelError
from transhash.model.encoder import Encoder, checked
from transhash.model.hub import REPOSITORY, downloaded, is_pretrained, open_pretrained
from transhash.model.shipped import load


def load_encoder(
    name: str | os.PathLike[str] | None = None,
    bits: int | None = None,
    *,
    revision: str | None = None,
    device: str = "auto",
) -> Encoder:
    """What `load` loads, or a vision model of the Hugging Face hub: a folder with its checkpoint, or `owner/name`.

    `bits`: of the codes. `revision`: a branch, tag or commit of a repository; the commit that it stands for now is
    remembered by the library that is made with it. `device` is for models of ours; others are computed on the CPU.

    Raises `ModelError` when there is none of that name, or it cannot be used, and `TransHashError` when something is
    not installed.
    """
    if name is None or is_ours(name):
        if revision is not None:
            raise ModelError(name or "", f"has no revision {revision}", "name a repository of the hub, owner/name")
        return load(name, bits, device=device)
    path = Path(name)
    return checked(open_pretrained(path if path.is_dir() else downloaded(str(name), revision)), bits)


def is_ours(name: str | os.PathLike[str]) -> bool:
    """Whether a name is not that of a checkpoint's folder, nor, where there is nothing of it, of a repository."""
    path = Path(name)
    return not is_pretrained(path) and (path.exists() or not REPOSITORY.fullmatch(str(name)))
