"""The lowest versions that are allowed have no known faults that a request could use."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

PROJECT = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8"))["project"]


@pytest.mark.parametrize(
    ("name", "least"),
    [
        ("fastapi", (0, 136)),  # the first that allows such a Starlette
        ("starlette", (1, 3, 1)),  # a Range header that is parsed for 40 s; uploads
        ("python-multipart", (0, 0, 31)),
        ("pillow", (12, 2)),
    ],
)
def test_known_faults_are_below_the_floor(name: str, least: tuple[int, ...]) -> None:
    listed = PROJECT["dependencies"] + PROJECT["optional-dependencies"]["server"]
    floors = {found[1]: found[2] for each in listed if (found := re.match(r"([\w-]+)>=([\d.]+)", each))}

    assert tuple(map(int, floors[name].split("."))) >= least
