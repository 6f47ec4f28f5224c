"""Every command line that a document, a help text or a message names can be given as it stands."""

from __future__ import annotations

import re
from typing import Any

import pytest
import typer

import pages
from pages import ROOT, Said
from transhash.cli import app

PROGRAM: Any = typer.main.get_command(app)
CONTEXT = typer.Context(PROGRAM, info_name="transhash")
LINES = list(pages.command_lines())
BENCHMARKS = [
    Said(found, pages.name(page))
    for page in pages.PAGES
    for found in re.findall(r"(?:python|torchrun)[^\n`]* (?:-m )?(benchmarks[./][^\n`]*)", page.read_text("utf-8"))
]


def fault(line: str) -> str | None:
    """Why a command line cannot be given: no such verb or option, or a value that its option does not take."""
    words = pages.words(line)
    if len(words) < 2 or words[1] in ("VERB", "…"):
        return None
    verb, rest = words[1].rstrip(",.;"), words[2:]
    if verb.startswith("-"):
        known = {name for option in PROGRAM.get_params(CONTEXT) for name in option.opts}
        return None if verb in known else f"no option {verb}"
    command = PROGRAM.get_command(CONTEXT, verb)
    if command is None:
        return f"no verb {verb}"
    known = {name for option in command.get_params(CONTEXT) for name in (*option.opts, *option.secondary_opts)}
    for word in rest:
        option = word.partition("=")[0]
        if re.fullmatch(r"--?[a-z][a-z-]*", option) and option not in known:
            return f"no option {option}"
    if any(re.search(r"…|^[A-Z]+$", word) for word in rest):
        return None  # placeholders are no values
    try:
        command.make_context(verb, rest, parent=CONTEXT)
    except Exception as error:
        if type(error).__name__ not in ("MissingParameter", "BadOptionUsage"):
            return str(error)
    return None


def test_there_are_command_lines_in_all_kinds_of_places() -> None:
    places = {said.where.split(":")[0].split(" ")[0].split("/")[0] for said in LINES}
    assert {"README.md", "docs", "src", "examples"} <= places
    assert len(LINES) > 100


@pytest.mark.parametrize("said", LINES, ids=lambda said: said.where)
def test_a_command_line_can_be_given(said: Said) -> None:
    assert fault(said.text) is None, said


@pytest.mark.parametrize(
    "line",
    ["transhash nonsense", "transhash search --nonsense a.jpg", "transhash search -k many a.jpg", "transhash -x"],
)
def test_what_cannot_be_given_is_noticed(line: str) -> None:
    assert fault(line) is not None


@pytest.mark.parametrize("said", BENCHMARKS, ids=lambda said: f"{said.where}: {said.text[:40]}")
def test_a_benchmark_is_there_and_has_the_options(said: Said) -> None:
    program, *rest = said.text.split()
    file = ROOT / (program if program.endswith(".py") else f"{program.replace('.', '/')}.py")
    if file.with_suffix("").is_dir():  # a package that is a program
        file = file.with_suffix("") / "__main__.py"
    assert file.is_file(), said
    source = file.read_text("utf-8")
    missing = [word for word in rest if re.fullmatch(r"--[a-z][a-z-]*", word) and f'"{word}"' not in source]
    assert missing == [], said
