"""Writes `same_codes.json`, the codes of the example pictures by the model that ships with the package.

Run it when that model is replaced: python tests/support/same_codes.py
"""

from __future__ import annotations

import json
from pathlib import Path

import transhash

PICTURES = Path(__file__).parents[2] / "examples" / "pictures"
STORED = Path(__file__).with_suffix(".json")


def codes() -> dict[str, object]:
    """The model's fingerprint, and of the first two pictures of each folder the code in hexadecimal digits."""
    model = transhash.load()
    files = sorted(file for folder in PICTURES.iterdir() for file in sorted(folder.glob("*.jpg"))[:2])
    names = [file.relative_to(PICTURES).as_posix() for file in files]
    hexadecimal = [code.tobytes().hex() for code in model.encode(files)]
    return {"fingerprint": model.fingerprint, "codes": dict(zip(names, hexadecimal, strict=True))}


if __name__ == "__main__":
    STORED.write_text(json.dumps(codes(), indent=1) + "\n", "utf-8")
