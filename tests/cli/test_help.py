"""Help: one screen, whole lines, an example for each verb; and the version."""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from transhash import __version__
from transhash.cli import GROUPS
from transhash.cli.help import TOPICS

VERBS = [verb.__name__.rstrip("_") for verbs in GROUPS.values() for verb in verbs]


def test_the_help_fits_on_a_screen(run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    for asked in (("--help",), ("-h",), ("help",)):
        lines = run(*asked).out.splitlines()
        assert len(lines) <= 32
        assert max(map(len, lines)) <= 80
        assert not [line for line in lines if line.endswith(("...", "…"))]


def test_without_a_verb_the_help_is_shown(run) -> None:
    result = run()
    assert result.code == 2
    assert "Your pictures\n  index " in result.out + result.err


def test_every_verb_is_in_one_group(run) -> None:
    listed = re.findall(r"^  (\w+) ", run("--help").out, re.MULTILINE)
    assert listed == VERBS
    assert len(set(VERBS)) == len(VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_each_verb_has_examples_of_itself(run, verb: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    text = run("help", verb).out
    assert run(verb, "--help").out == text
    assert f"Usage: transhash {verb} " in text
    examples = text.partition("Examples:\n")[2]
    assert f"    transhash {verb}" in examples


@pytest.mark.parametrize("verb", VERBS)
def test_the_first_line_of_a_verb_is_a_sentence(verb: str) -> None:
    functions = {each.__name__.rstrip("_"): each for verbs in GROUPS.values() for each in verbs}
    first = inspect.cleandoc(functions[verb].__doc__ or "").splitlines()[0]
    assert first.endswith(".")


@pytest.mark.parametrize("topic", TOPICS)
def test_topics_fit_on_a_screen(run, topic: str) -> None:
    lines = run("help", topic).out.splitlines()
    assert 3 < len(lines) <= 24
    assert max(map(len, lines)) <= 80


def test_topics_are_named_where_people_look(run) -> None:
    text = run("--help").out
    assert all(topic in text for topic in TOPICS)


def test_help_for_what_there_is_not(run) -> None:
    result = run("help", "nonsense")
    assert (result.code, result.out) == (2, "")
    assert "'nonsense'; there are index, search, " in " ".join(result.err.split())


def test_environment_variables_of_the_program_are_in_the_help() -> None:
    source = Path(inspect.getfile(sys.modules["transhash"])).parent
    read = {name for file in source.rglob("*.py") for name in re.findall(r"\bTRANSHASH_[A-Z]+\b", file.read_text())}
    assert {name for name in read if name not in TOPICS["environment"]} == set()


def test_the_version(run) -> None:
    result = run("--version")
    assert (result.code, result.out) == (0, f"transhash {__version__}\n")


@pytest.mark.parametrize(
    ("line", "completed"), [("transhash dup", "duplicates"), ("transhash search --max", "--max-distance")]
)
def test_the_shell_completes_verbs_and_options(line: str, completed: str) -> None:
    words = {"COMP_WORDS": line, "COMP_CWORD": str(line.count(" ")), "_TRANSHASH_COMPLETE": "complete_bash"}
    done = subprocess.run(
        [sys.executable, "-m", "transhash"], env={**os.environ, **words}, capture_output=True, text=True, check=False
    )
    assert done.stdout.split() == [completed]


def test_completion_for_a_shell_is_printed(run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION", "1")
    done = subprocess.run(
        [sys.executable, "-m", "transhash", "--show-completion", "bash"], capture_output=True, text=True, check=False
    )
    assert "complete -o default -F _transhash_completion transhash" in done.stdout
