"""The documents build as a site, without a warning; its reference is made from the code."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pages import ROOT
from transhash.cli import GROUPS
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


def test_the_python_reference_has_signatures(site: Path) -> None:
    text = (site / "reference" / "python.html").read_text("utf-8")
    assert "HammingIndex" in text
    assert "range_search" in text


def test_nothing_is_loaded_from_elsewhere(site: Path) -> None:
    text = (site / "index.html").read_text("utf-8")
    assert "fonts.googleapis" not in text
    assert '<script src="http' not in text
