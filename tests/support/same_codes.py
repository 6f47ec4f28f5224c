"""Writes `same_codes.json`: pixels, features, embeddings and codes of the example pictures by the model in the box.

Run it when that model is replaced: python tests/support/same_codes.py
"""

from __future__ import annotations

import hashlib
import json
from itertools import chain
from pathlib import Path
from typing import Any

import transhash

PICTURES = Path(__file__).parents[2] / "examples" / "pictures"
STORED = Path(__file__).with_suffix(".json")
STEPS = ("pixels", "features", "embeddings", "codes")  # each is made from the one before


def steps() -> dict[str, Any]:
    """The model's fingerprint, and for each step what the first two pictures of each folder give.

    A code is in hexadecimal digits; the others, which are long, are a checksum of their bytes.
    """
    model = transhash.load()
    files = sorted(file for folder in PICTURES.iterdir() for file in sorted(folder.glob("*.jpg"))[:2])
    found: dict[str, Any] = {"fingerprint": model.fingerprint, **{step: {} for step in STEPS}}
    encoded: Any  # whose parts are there, for all of these pictures can be read
    for encoded in chain.from_iterable(model.stream(files)):
        name = encoded.item.relative_to(PICTURES).as_posix()
        found["pixels"][name] = _checksum(model.square(encoded.item))
        found["features"][name] = _checksum(encoded.features)
        found["embeddings"][name] = _checksum(encoded.embedding)
        found["codes"][name] = encoded.code.tobytes().hex()
    return found


def _checksum(values: Any) -> str:
    return hashlib.sha256(values.tobytes()).hexdigest()[:16]


if __name__ == "__main__":
    STORED.write_text(json.dumps(steps(), indent=1) + "\n", "utf-8")
