"""Exact search by Hamming distance."""

from transhash.search.index import HammingIndex
from transhash.search.rescoring import rescore

__all__ = ["HammingIndex", "rescore"]
