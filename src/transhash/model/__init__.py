"""A hash model: opened, explained, and given hash layers of your own."""

from transhash.model.choosing import is_ours, load_encoder
from transhash.model.embedder import Embedder, VectorEncoder
from transhash.model.encoder import Encoder, calibration_of, is_hash_model, stream
from transhash.model.encoding import Encoded, collect
from transhash.model.hash_model import HashModel
from transhash.model.shipped import DEFAULT, PRETRAINED, load, pretrained

__all__ = [
    "DEFAULT",
    "PRETRAINED",
    "Embedder",
    "Encoded",
    "Encoder",
    "HashModel",
    "VectorEncoder",
    "calibration_of",
    "collect",
    "is_hash_model",
    "is_ours",
    "load",
    "load_encoder",
    "pretrained",
    "stream",
]
