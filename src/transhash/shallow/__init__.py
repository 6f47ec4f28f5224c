"""Methods without a network: linear hash functions learned from features."""

from collections.abc import Callable
from typing import Any

from transhash.shallow.itq import itq

METHODS: dict[str, Callable[..., Any]] = {}

__all__ = ["METHODS", "itq"]
