"""Exact search by Hamming distance."""

from transhash.search.index import HammingIndex

__all__ = ["HammingIndex"]
