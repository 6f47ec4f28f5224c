"""Compact binary codes for images from a vision transformer, and exact search by Hamming distance."""

from __future__ import annotations

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from transhash.errors import ImageError as ImageError
    from transhash.errors import TransHashError as TransHashError
    from transhash.evaluation import evaluate as evaluate
    from transhash.library import Library as Library
    from transhash.library.duplicates.files import compare as compare
    from transhash.library.duplicates.files import find_duplicates as find_duplicates
    from transhash.model import Encoder as Encoder
    from transhash.model import HashModel as HashModel
    from transhash.model import load as load
    from transhash.model import load_encoder as load_encoder
    from transhash.remote.opening import open_library as open_library
    from transhash.search import HammingIndex as HammingIndex
    from transhash.shallow.binarizer import Binarizer as Binarizer

__version__ = "0.1.0"

# ONNX Runtime, Ray and the Hugging Face client send usage data unless the environment forbids it before they are
# imported. This file is imported before any other of the package, and child processes inherit the environment.
os.environ.update(ORT_DISABLE_TELEMETRY="1", RAY_USAGE_STATS_ENABLED="0", HF_HUB_DISABLE_TELEMETRY="1")

_HOME = {
    "Binarizer": "transhash.shallow.binarizer",
    "Encoder": "transhash.model",
    "HashModel": "transhash.model",
    "load": "transhash.model",
    "load_encoder": "transhash.model",
    "HammingIndex": "transhash.search",
    "Library": "transhash.library",
    "open_library": "transhash.remote.opening",
    "evaluate": "transhash.evaluation",
    "compare": "transhash.library.duplicates.files",
    "find_duplicates": "transhash.library.duplicates.files",
    "TransHashError": "transhash.errors",
    "ImageError": "transhash.errors",
}

__all__ = [
    "Binarizer", "Encoder", "HammingIndex", "HashModel", "ImageError", "Library", "TransHashError", "compare",
    "evaluate", "find_duplicates", "load", "load_encoder", "open_library",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """Import the public names on first use: `import transhash` stays fast."""
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'transhash' has no attribute {name!r}")
