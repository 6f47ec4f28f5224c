"""Models of ours by the Hugging Face hub's conventions: a folder with a card, a repository."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from transhash.errors import ModelError
from transhash.model.directory import CONFIG
from transhash.system import needs

if TYPE_CHECKING:
    from transhash.model.hash_model import HashModel

CARD = "README.md"
_CARD = """\
---
library_name: transhash
pipeline_tag: image-feature-extraction
tags: [image-hashing, image-retrieval, hamming-distance]
---

# {name}

Turns a picture into a code of {lengths} bits; similar pictures have codes that differ in few bits.

```python
import transhash

model = transhash.HashModel.from_pretrained("{name}")  # this repository, or a folder
codes = model.encode(["a.jpg", "b.jpg"])  # uint8 [N, {bytes}]
```

| measured | figure |
|---|---|
{measured}

Pictures of {size} × {size} pixels. Fingerprint of the codes of {bits} bits: `{fingerprint}`.
"""


def card(model: HashModel) -> str:
    """The card of a model, Markdown: how to use it, and what was measured when it was made."""
    rows = [f"| {what} | {figure} |" for what, figure in model.measured.items()] or ["| nothing yet | |"]
    return _CARD.format(
        name=model.name,
        lengths=", ".join(map(str, model.lengths)),
        bytes=model.bits // 8,
        bits=model.bits,
        measured="\n".join(rows),
        size=model.image_size,
        fingerprint=model.unfitted.fingerprint,
    )


def save(model: HashModel, folder: str | os.PathLike[str]) -> None:
    """Copy a model's files to a folder, with a card; raises `ModelError` when they cannot be written."""
    to = Path(folder)
    try:
        to.mkdir(parents=True, exist_ok=True)
        if any(to.iterdir()) and not (to / CONFIG).is_file():
            raise ModelError(to, "is a folder of other things", "choose a new or an empty one")
        for file in (*model.config["sha256"], CONFIG):
            if not (to / file).exists() or not (to / file).samefile(model.folder / file):
                shutil.copyfile(model.folder / file, to / file)
        (to / CARD).write_text(card(model), "utf-8")
    except OSError as error:
        raise ModelError(to, f"cannot be written ({error.strerror})", "choose another place") from error


def push(model: HashModel, repository: str, *, private: bool) -> str:
    """Send a model to a repository of the hub, which is made when there is none; returns the address of the commit.

    Raises `ModelError` when the hub refuses, and `TransHashError` when huggingface_hub is not installed.
    """
    with needs("hub"):
        import huggingface_hub
    hub = huggingface_hub.HfApi()
    try:
        with TemporaryDirectory() as folder:
            save(model, folder)
            hub.create_repo(repository, private=private, exist_ok=True)
            done = hub.upload_folder(repo_id=repository, folder_path=folder, commit_message=f"transhash: {model.name}")
    except (huggingface_hub.errors.HfHubHTTPError, OSError, ValueError) as error:
        said = " ".join(str(error).split())[:200]
        raise ModelError(repository, f"the hub does not take it ({said})", "log in: `hf auth login`") from error
    return str(done)
