"""A hash model: opened, explained, and given hash layers of your own."""

from transhash.model.hash_model import (
    CONFIG,
    DEFAULT,
    FORMAT,
    GRAPH,
    HEAD,
    PRETRAINED,
    WEIGHTS,
    Encoded,
    HashModel,
    config_text,
    file_hash,
    load,
    pretrained,
)

__all__ = [
    "CONFIG",
    "DEFAULT",
    "FORMAT",
    "GRAPH",
    "HEAD",
    "PRETRAINED",
    "WEIGHTS",
    "Encoded",
    "HashModel",
    "config_text",
    "file_hash",
    "load",
    "pretrained",
]
