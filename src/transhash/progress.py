"""How long work says how far it is: one signature, whatever the work is."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """A function that long work calls again and again."""

    def __call__(self, stage: str, done: int, total: int, note: str, /) -> object:
        """`done` of `total` steps of a stage are done, 0 of a total that nobody knows; `note` says how it goes."""


def silent(stage: str, done: int, total: int, note: str, /) -> None:
    """Tell nobody."""
