"""What the verbs print: results, messages, errors as one sentence; and the exit codes."""

from __future__ import annotations

import json
import os
import re
import sys
from datetime import date

from transhash.plain import JsonObject

DONE, PARTLY, NOTHING = 0, 1, 2  # exit codes; a verb that is interrupted did a part, one that is misused nothing


def say(message: str) -> None:
    """Print a message that is not the result, on standard error."""
    print(shown(message), file=sys.stderr, flush=True)


def print_json(value: JsonObject) -> None:
    """Print an object on one line; a name that is not UTF-8 has lone surrogates, as Python has it (`os.fsencode`)."""
    print(json.dumps(value, default=lambda other: other.isoformat() if isinstance(other, date) else os.fspath(other)))


def shown(text: str | os.PathLike[str]) -> str:
    """Return a path, or a text that begins with one, for people: relative to the current folder, on one line."""
    text = os.fspath(text).removeprefix(os.path.join(os.getcwd(), ""))
    return re.sub(r"[\x00-\x1f\x7f-\x9f]", lambda found: repr(found[0])[1:-1], text)
