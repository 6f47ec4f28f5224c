"""What the verbs print: results, messages, errors as one sentence; and the exit codes."""

from __future__ import annotations

import json
import os
import re
import sys
from collections import defaultdict
from collections.abc import Iterable
from datetime import date
from typing import TYPE_CHECKING

from transhash.plain import JsonObject

if TYPE_CHECKING:
    from transhash.library.results import Skipped

DONE, PARTLY, NOTHING = 0, 1, 2  # exit codes; a verb that is interrupted did a part, one that is misused nothing

NAMED = 5  # skipped files named for each reason


def counted(count: int, one: str, several: str = "") -> str:
    """A number of things in words: 1 picture, 2,000 pictures."""
    return f"{count:,} {one if count == 1 else several or f'{one}s'}"


def called(model: str) -> str:
    """What a library of a model holds, in one word: vectors of somebody's own have no pictures."""
    from transhash.model.embedder import VECTORS

    return "vector" if model == VECTORS else "picture"


def sized(size: int) -> str:
    """A number of bytes for people: 312 bytes, 48 kB, 1,250.3 MB."""
    if size < 1_000:
        return counted(size, "byte")
    return f"{size / 1e3:,.0f} kB" if size < 999_500 else f"{size / 1e6:,.1f} MB"


def say(message: str) -> None:
    """Print a message that is not the result, on standard error; a sign stands for what is not UTF-8 in a name."""
    print(re.sub(r"[\ud800-\udfff]", "\ufffd", shown(message)), file=sys.stderr, flush=True)


def say_skipped(files: Iterable[Skipped], all_named: str = "") -> None:
    """Name some of the files that were skipped for each reason, and count the others; `all_named`: where all are."""
    groups = defaultdict(list)
    for skipped in files:
        groups[skipped.reason].append(skipped)
    for reason, group in groups.items():
        for skipped in group[:NAMED]:
            say(f"{skipped.path}: skipped: {reason}; {skipped.remedy}")
        if len(group) > NAMED:
            say(f"and {len(group) - NAMED} more for the same reason ({reason}){all_named}")


def print_json(value: JsonObject) -> None:
    """Print an object on one line; a name that is not UTF-8 has lone surrogates, as Python has it (`os.fsencode`)."""
    print(json.dumps(value, default=lambda other: other.isoformat() if isinstance(other, date) else os.fspath(other)))


def shown(text: str | os.PathLike[str]) -> str:
    """Return a path, or a text that begins with one, for people: relative to the current folder, on one line."""
    text = os.fspath(text).removeprefix(os.path.join(os.getcwd(), ""))
    return re.sub(r"[\x00-\x1f\x7f-\x9f]", lambda found: repr(found[0])[1:-1], text)
