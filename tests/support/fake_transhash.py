"""The program with a model that needs no network: `python fake_transhash.py VERB…`, for tests of whole processes.

FAKE_MODEL names the model that `load` gives; FAKE_DELAY makes it take so many seconds a picture.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import Any

import transhash.model
from fake_model import FakeModel
from transhash.cli import main
from transhash.errors import ModelError
from transhash.model import Encoded

PROGRAM = [sys.executable, __file__]


class SlowModel(FakeModel):
    def one(self, item: Any, source: Any, max_pixels: int | None) -> Encoded:
        time.sleep(float(os.environ.get("FAKE_DELAY", "0")))
        return super().one(item, source, max_pixels)


def load(name: str | Path | None = None, bits: int | None = None) -> SlowModel:
    name = Path(name or "fake").name
    if name not in ("fake", "other"):
        raise ModelError(name, "no model of that name", "`transhash models` lists them")
    if bits not in (None, *SlowModel.lengths):
        raise ModelError(name, f"there are no codes of {bits} bits")
    return SlowModel(name)


FAKES = {"load": load, "pretrained": lambda: ["fake"], "DEFAULT": "fake"}  # of `transhash.model`: without a network


def use_fakes() -> None:
    for name, fake in FAKES.items():
        setattr(transhash.model, name, fake)


if __name__ == "__main__":
    use_fakes()
    main()
