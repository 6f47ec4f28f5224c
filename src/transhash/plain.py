"""Plain values, as JSON and YAML have them."""

from __future__ import annotations

from typing import Any, TypeAlias

JsonObject: TypeAlias = dict[str, Any]
"""An object of JSON: names, and texts, numbers, lists or objects. Whoever reads one from outside checks it."""
