"""Words that readers had to look up, or read twice, do not come back in documents, help and messages."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI

import pages
import reference
from pages import Said
from transhash.server.routes import routers

BANNED = {
    r"\banew\b": "again",
    r"\bbeside\b": "next to, instead of, or compared with",
    r"\bmend(s|ed|ing)?\b": "correct, repair",
    r"\bdearer\b": "slower, or more expensive",
    r"\bpass(ed|ing)? over\b": "skip",
    r"\bbroken? off\b": "interrupted",
    r"\bat hand\b": "there, available",
    r"\b(is|are|was|were) told\b": "say who says what",
    r"\bis not to be\b": "cannot",
    r"(?m)^#+ What they\b": "name the subject",
    r"\bWhat (is|was) (not |no |then |to )?\w+(ed|en|ing|t)\b(?!.*\?)": "name the thing instead of `What is …`",
}


def faults(text: str) -> list[str]:
    return [f"{found[0]!r}: {better}" for word, better in BANNED.items() for found in re.finditer(word, text)]


@pytest.mark.parametrize("page", pages.PAGES, ids=pages.name)
def test_words_of_pages(page) -> None:
    assert faults(pages.prose(page)) == []


@pytest.mark.parametrize("said", list(pages.help_texts()), ids=lambda said: said.where)
def test_words_of_the_help(said: Said) -> None:
    assert faults(said.text) == []


def test_words_of_the_api() -> None:
    """What the description of the REST API says of requests, parameters and fields."""
    app = FastAPI()
    for router in routers:
        app.include_router(router)
    assert faults("\n".join(descriptions(app.openapi()))) == []


def test_words_of_the_reference() -> None:
    """Docstrings of public names and of their methods."""
    documented = [(public.name, public.function) for public in reference.functions()] + list(reference.names())
    assert {name: wrong for name, value in documented if (wrong := faults(inspect.getdoc(value) or ""))} == {}


def descriptions(part: Any) -> Iterator[str]:
    """The texts of a description, wherever they are in it."""
    if isinstance(part, dict):
        yield from (part[name] for name in ("summary", "description") if isinstance(part.get(name), str))
    for each in part.values() if isinstance(part, dict) else part if isinstance(part, list) else ():
        yield from descriptions(each)


def test_words_of_messages() -> None:
    """What options, errors and results say: texts of several words in the source."""
    found = {
        said.where: wrong
        for path in pages.SOURCES
        for said in pages.strings(path)
        if " " in said.text.strip() and (wrong := faults(said.text))
    }
    assert found == {}


@pytest.mark.parametrize("text", ["built anew", "it is mended", "passed over", "beside it", "What is searched is kept"])
def test_a_banned_word_is_noticed(text: str) -> None:
    assert faults(text)
