"""What the verbs share."""

from __future__ import annotations

from pathlib import Path

import pytest

from transhash.cli.common import extra
from transhash.errors import TransHashError


def test_a_missing_extra_names_the_command_that_installs_it() -> None:
    with pytest.raises(TransHashError) as caught, extra("train"):
        import no_such_package.inside  # noqa: F401

    assert str(caught.value) == (
        "this needs no_such_package, which is not installed; install it with: pip install 'transhash[train]'"
    )


def test_a_missing_part_of_the_program_itself_is_no_missing_extra() -> None:
    with pytest.raises(ModuleNotFoundError, match=r"transhash\.no_such_part"), extra("train"):
        import transhash.no_such_part  # noqa: F401


@pytest.mark.parametrize(
    "words",
    [
        ("index", "photos"),
        ("duplicates",),
        ("verify",),
        ("annotate", "labels.csv"),
        ("export", "--to", "all.parquet"),
        ("import", "all.parquet"),
        ("serve",),
    ],
    ids=lambda words: words[0],
)
def test_what_a_collection_cannot_do_is_said(run, photos: Path, words: tuple[str, ...]) -> None:
    result = run(*words, "--library", "milvus://127.0.0.1:1/photos")

    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("milvus://127.0.0.1:1/photos: ")
    assert "librar" in result.err
