"""The packages that a release was tested with, as `constraints.txt` pins them."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import NamedTuple


class Component(NamedTuple):
    """A package of a certain version."""

    name: str
    version: str
    is_needed: bool  # by transhash without extras, directly

    @property
    def purl(self) -> str:
        """Its address, as bills of materials have it."""
        return f"pkg:pypi/{self.name}@{self.version}"


def components(root: Path) -> list[Component]:
    """All pinned packages, by name."""
    needed = {
        _name(each) for each in tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]["dependencies"]
    }
    found = []
    for line in (root / "constraints.txt").read_text("utf-8").splitlines():
        if pinned := re.match(r"([A-Za-z0-9._-]+)==([^\s;#]+)", line):
            name = _name(pinned[1])
            found.append(Component(name, pinned[2], name in needed))
    return sorted(found)


def _name(requirement: str) -> str:
    """The normal form of a package's name."""
    return re.sub(r"[-_.]+", "-", re.split(r"[\s<>=!~;\[]", requirement.strip(), maxsplit=1)[0]).lower()
