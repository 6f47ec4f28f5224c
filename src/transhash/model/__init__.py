"""A hash model: opened, explained, and given hash layers of your own."""

from transhash.model.hash_model import DEFAULT, PRETRAINED, Encoded, HashModel, load, pretrained

__all__ = ["DEFAULT", "PRETRAINED", "Encoded", "HashModel", "load", "pretrained"]
