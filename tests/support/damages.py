"""What no indexing run writes into a catalogue: SQL that damages its rows."""

from __future__ import annotations

DAMAGES = [
    "UPDATE folder SET path = x'2e2e'",
    "UPDATE picture SET name = x'612f62'",
    "UPDATE picture SET digest = 'a text'",
    "UPDATE picture SET code = 'a text'",
    "UPDATE picture SET width = -1",
    "UPDATE picture SET size = 'a text'",
    "UPDATE picture SET mtime_ns = 'a text'",
    "UPDATE picture SET taken = 'a text'",
]
