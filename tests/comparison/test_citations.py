"""BibTeX of the methods of a table."""

from __future__ import annotations

import re

import pytest

from transhash.comparison.cells import ALL, FEATURES, NAMED
from transhash.comparison.citations import bibtex, entry
from transhash.errors import RecipeError
from transhash.losses import METHODS


@pytest.mark.parametrize("method", [*METHODS, *FEATURES])
def test_every_method_has_an_entry_that_bibtex_reads(method: str) -> None:
    text = entry(method)
    assert re.fullmatch(
        rf"@inproceedings{{{method},\n  author = {{[^{{}}:.]+}},\n  title = {{{{[^{{}}]{{10,}}}}}},"
        r"\n  booktitle = {[^{}\d]+},\n  year = {(19|20)\d\d},\n}",
        text,
    ), text


def test_an_entry_is_what_the_paper_says() -> None:
    assert entry("ksh") == (
        "@inproceedings{ksh,\n  author = {Liu and Wang and Ji and Jiang and Chang},\n"
        "  title = {{Supervised Hashing with Kernels}},\n  booktitle = {CVPR},\n  year = {2012},\n}"
    )
    assert "author = {Cao and others}" in entry("hashnet")


def test_a_method_of_several_rows_is_cited_once() -> None:
    assert bibtex(NAMED) == bibtex(ALL)
    assert bibtex(["mine", "transhash", "transhash-single"]) == entry("transhash")
    assert bibtex(["csq-dual", "csq", "itq"]).count("@inproceedings") == 2


def test_a_method_without_a_paper_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(METHODS, "mine", test_an_entry_is_what_the_paper_says)
    with pytest.raises(RecipeError, match="names no paper"):
        entry("mine")
