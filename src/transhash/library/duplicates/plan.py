"""Plans: what would be done with duplicates, one line an action, written before anything is done.

The first line names the folders that the plan is about; each further line is an action as JSON: "keep" or "remove",
with the file's size and digest, the file that it repeats, and why.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from transhash.errors import LibraryError
from transhash.plain import parsed
from transhash.system import replacing

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Action:
    """What a plan says of one file. Paths are absolute; those of folders have no links in them."""

    action: str  # "keep" or "remove"
    group: int
    path: str
    size: int  # bytes
    digest: str  # BLAKE2b of 16 bytes, hex
    kind: str  # what the file is to the one that is kept
    why: str
    keep: str  # the file that is kept in its place; its own path when it is kept itself
    keep_size: int
    keep_digest: str
    frees: int  # bytes
    only_here: tuple[str, ...] = ()  # what the kept file has not: dates, places, files beside it


@dataclass(frozen=True, slots=True)
class Plan:
    """The actions of a plan, and the folders outside of which nothing may be touched."""

    folders: tuple[str, ...]
    reference: tuple[str, ...]  # folders that are never touched
    actions: tuple[Action, ...]

    @property
    def removals(self) -> list[Action]:
        """The actions that remove a file."""
        return [action for action in self.actions if action.action == "remove"]


def plan_lines(plan: Plan) -> Iterator[bytes]:
    """A plan as lines of JSON."""
    head = {"transhash plan": FORMAT, "folders": plan.folders, "reference": plan.reference}
    for line in (head, *map(asdict, plan.actions)):
        yield json.dumps(line).encode() + b"\n"


def write_plan(path: Path, plan: Plan) -> None:
    """Write a plan; raises `LibraryError` when the file cannot be written."""
    try:
        with replacing(path) as file:
            file.writelines(plan_lines(plan))
    except (OSError, ValueError) as error:
        raise LibraryError(path, f"the plan cannot be written ({error})", "choose another place") from error


def read_plan(path: Path) -> Plan:
    """Read a plan; raises `LibraryError` for a file that is none, or whose lines do not fit."""
    remedy = "write one with `transhash duplicates --plan`"
    try:
        head, *rest = (parsed(line) for line in path.read_bytes().splitlines())
    except OSError as error:
        raise LibraryError(path, f"no plan can be read here ({(error.strerror or '').lower()})", remedy) from None
    except ValueError:
        raise LibraryError(path, "not a plan of duplicates", remedy) from None
    if not isinstance(head, dict) or head.get("transhash plan") != FORMAT:
        raise LibraryError(path, "not a plan of this version", remedy)
    folders, reference = _texts(path, 1, head.get("folders")), _texts(path, 1, head.get("reference"))
    return Plan(folders, reference, tuple(_action(path, number, line) for number, line in enumerate(rest, 2)))


def below(path: str, folders: Iterable[str]) -> bool:
    """Whether a path lies in one of some folders."""
    return any(path.startswith(os.path.join(folder, "")) for folder in folders)


def _action(path: Path, number: int, line: Any) -> Action:
    kinds = {"group": int, "size": int, "keep_size": int, "frees": int}
    names = [name for name in Action.__dataclass_fields__ if name != "only_here"]
    if not isinstance(line, dict) or any(not isinstance(line.get(name), kinds.get(name, str)) for name in names):
        raise LibraryError(f"{path}, line {number}", "not an action of a plan", "write the plan again")
    action = Action(**{name: line[name] for name in names}, only_here=_texts(path, number, line.get("only_here", [])))
    if action.action not in {"keep", "remove"} or not (os.path.isabs(action.path) and os.path.isabs(action.keep)):
        raise LibraryError(
            f"{path}, line {number}", "neither keeps nor removes a file by its whole path", "write the plan again"
        )
    return action


def _texts(path: Path, number: int, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise LibraryError(f"{path}, line {number}", "a list of texts is missing", "write the plan again")
    return tuple(value)
