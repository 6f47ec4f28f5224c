"""Words that readers had to look up, or read twice, do not come back in documents, help and messages."""

from __future__ import annotations

import re

import pytest

import pages
from pages import Said

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
