"""The documents build as a site, without a warning; its reference is made from the code."""

from __future__ import annotations

import html
import os
import re
import runpy
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from fastapi import FastAPI

from pages import ROOT
from transhash import losses, shallow
from transhash.cli import GROUPS
from transhash.data.datasets import DATASETS
from transhash.data.protocols import PROTOCOLS
from transhash.library.catalogue.kinds import Kind
from transhash.server.routes import routers
from transhash.training.recipe import Recipe


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("mkdocs")
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "-f", ROOT / "mkdocs.yml", "-d", folder]
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


def test_every_page_is_built(site: Path) -> None:
    pages = [path.relative_to(ROOT / "docs").with_suffix(".html") for path in (ROOT / "docs").rglob("*.md")]
    assert [page for page in pages if not (site / page).is_file()] == []


def test_the_reference_has_every_verb_and_setting(site: Path) -> None:
    verbs = (site / "reference" / "command-line.html").read_text("utf-8")
    settings = (site / "reference" / "recipes.html").read_text("utf-8")

    assert all(f"transhash {verb.__name__.rstrip('_')}" in verbs for group in GROUPS.values() for verb in group)
    assert all(f"<code>{name}</code>" in settings for name in Recipe.model_fields)


def test_the_reference_has_every_request_and_object_of_the_api(site: Path) -> None:
    app = FastAPI()
    for router in routers:
        app.include_router(router)
    page = html.unescape((site / "reference" / "rest.html").read_text("utf-8"))

    requests = [f"{method.upper()} {path}" for path, methods in app.openapi()["paths"].items() for method in methods]
    assert [each for each in requests if f">{each}<" not in page] == []
    assert [each for each in app.openapi()["components"]["schemas"] if f'id="{each.lower()}"' not in page] == []


def test_every_field_and_parameter_of_the_api_is_explained() -> None:
    app = FastAPI()
    for router in routers:
        app.include_router(router)
    description = app.openapi()
    fields = {
        f"{name}.{field}": each
        for name, schema in description["components"]["schemas"].items()
        for field, each in schema["properties"].items()
    }
    parameters = {
        f"{path} {each['name']}": each
        for path, methods in description["paths"].items()
        for request in methods.values()
        for each in request.get("parameters", [])
    }
    assert [name for name, each in (fields | parameters).items() if not {"description", "$ref"} & each.keys()] == []


def test_the_reference_says_which_comparisons_a_column_takes(site: Path) -> None:
    page = (site / "reference" / "filters.html").read_text("utf-8")
    rows = [re.findall(r"<td>(.*?)</td>", row) for row in re.findall(r"<tr>(.*?)</tr>", page, re.DOTALL)]
    takes = {row[0]: re.findall(r"<code>(.*?)</code>", row[2]) for row in rows if len(row) == 3}

    assert takes["boolean"] == ["=", "!=", "in", "not in", "is null", "is not null"]
    assert "like" in takes["path"]
    assert "like" not in takes["number"]
    assert {str(kind) for kind in Kind} == set(takes)


def test_the_reference_has_every_method_and_data_set(site: Path) -> None:
    methods = (site / "reference" / "methods.html").read_text("utf-8")
    sets = (site / "reference" / "data-sets.html").read_text("utf-8")

    assert [name for name in [*losses.METHODS, *shallow.METHODS] if f"<code>{name}</code>" not in methods] == []
    assert [name for name in [*DATASETS, *PROTOCOLS] if f"<code>{name}</code>" not in sets] == []


def test_the_picture_of_the_floors_is_that_of_the_contract() -> None:
    program = runpy.run_path(str(ROOT / "docs" / "floors.py"))
    drawn = (ROOT / "docs" / "floors.svg").read_text("utf-8")

    assert program["floors"]() == drawn, "the floors have changed: python docs/floors.py"
    assert 'fill="#445"></text>' not in drawn, "a room without its words: SAYS in docs/floors.py"


def test_the_python_reference_has_every_public_name(site: Path) -> None:
    program = runpy.run_path(str(ROOT / "docs" / "generated_python.py"))
    for page, packages in program["PACKAGES"].items():
        text = (site / "reference" / f"{page}.html").read_text("utf-8")
        names = [f"{package}.{name}" for package in packages for name in program["public"](import_module(package))]
        assert [name for name in names if f'id="{name}"' not in text] == []


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    text = (site / "index.html").read_text("utf-8")
    assert "fonts.googleapis" not in text
    assert '<script src="http' not in text
