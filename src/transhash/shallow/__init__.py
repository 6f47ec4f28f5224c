"""Methods without a network: linear hash functions learned from features."""

from transhash.shallow.itq import itq

__all__ = ["itq"]
