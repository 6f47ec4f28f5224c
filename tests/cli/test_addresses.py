"""The help of a verb names the kinds of libraries that it takes, and no others."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import pytest

from transhash.cli import GROUPS
from transhash.cli.help import TOPICS

ADDRESSES = {"http": "http://127.0.0.1:9", "milvus": "milvus://127.0.0.1:9/photos"}  # where nobody listens
ARGUMENTS = {"search": ["a.png"], "index": ["photos"], "annotate": ["a.csv"], "import": ["a.parquet"]}
ARGUMENTS |= {"export": ["--to", "a.parquet"], "calibrate": ["label"]}
VERBS = {
    verb.__name__.rstrip("_"): verb
    for verbs in GROUPS.values()
    for verb in verbs
    if "library" in inspect.signature(verb).parameters
}


def named(text: str) -> set[str]:
    """The kinds of addresses that a text names."""
    return set(re.findall(r"(http|milvus)://", text))


def help_of_library(text: str) -> str:
    """What the help of a verb says of --library."""
    found = re.search(r"--library.*?(?=\n +-|\n\n)", text, re.DOTALL)
    assert found
    return found[0]


@pytest.mark.parametrize("kind", ADDRESSES)
@pytest.mark.parametrize("verb", VERBS)
def test_the_help_names_the_addresses_that_a_verb_takes(run, photos: Path, verb: str, kind: str) -> None:
    (photos.parent / "a.csv").write_text("path,label\n")
    result = run(verb, *ARGUMENTS.get(verb, []), "--library", ADDRESSES[kind])
    taken = "needs a library in a folder" not in result.err

    assert result.code == 2, result.err
    assert ADDRESSES[kind].partition("://")[2] in result.err
    assert taken == (kind in named(help_of_library(run(verb, "--help").out)))


def test_the_topic_names_the_verbs_that_take_an_address(run) -> None:
    verbs = {verb for verb in VERBS if named(help_of_library(run(verb, "--help").out))}
    said = re.search(r"\n\s+for (`.*?) also an address", TOPICS["library"], re.DOTALL)
    assert said
    assert set(re.findall(r"`(\w+)`", said[1])) == verbs
