"""A hash model: opened, explained, and given hash layers of your own."""

from transhash.model.encoding import Encoded, collect
from transhash.model.hash_model import HashModel
from transhash.model.shipped import DEFAULT, PRETRAINED, load, pretrained

__all__ = ["DEFAULT", "PRETRAINED", "Encoded", "HashModel", "collect", "load", "pretrained"]
