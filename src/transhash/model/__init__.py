"""A hash model: opened, explained, and given hash layers of your own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from transhash.model.embedder import Embedder, Kind, VectorEncoder, reads
from transhash.model.encoder import Encoder, calibration_of, is_hash_model, stream
from transhash.model.encoding import Encoded, collect

if TYPE_CHECKING:
    from transhash.model.choosing import is_ours, load_encoder
    from transhash.model.hash_model import HashModel
    from transhash.model.shipped import DEFAULT, PRETRAINED, load, pretrained

__all__ = [
    "DEFAULT",
    "PRETRAINED",
    "Embedder",
    "Encoded",
    "Encoder",
    "HashModel",
    "Kind",
    "VectorEncoder",
    "calibration_of",
    "collect",
    "is_hash_model",
    "is_ours",
    "load",
    "load_encoder",
    "pretrained",
    "reads",
    "stream",
]


def __getattr__(name: str) -> Any:
    """Import what opens a model on first use: a library is searched by code without any."""
    if name in __all__:
        from transhash.model import choosing, shipped

        return getattr(choosing if name in ("is_ours", "load_encoder") else shipped, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
