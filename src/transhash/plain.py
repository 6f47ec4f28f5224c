"""Plain values, as JSON and YAML have them."""

from __future__ import annotations

from typing import Any, TypeAlias

JsonObject: TypeAlias = dict[str, Any]
"""An object of JSON: names, and texts, numbers, lists or objects. Whoever reads one from outside checks it."""


def unicode(text: str) -> str:
    """A text as JSON can have it: names of files that are not UTF-8 lose what is not."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def parsed(text: str | bytes) -> Any:
    """What JSON from outside says; raises `ValueError`, also where lists are nested deeper than can be read."""
    import json

    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
