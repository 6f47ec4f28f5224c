"""What the verbs print when a part of the program is missing."""

from __future__ import annotations

import warnings

import pytest

from transhash import cli
from transhash.errors import TransHashError, TransHashWarning
from transhash.system import needs


def test_a_missing_extra_names_the_command_that_installs_it() -> None:
    with pytest.raises(TransHashError) as caught, needs("train"):
        import no_such_package.inside  # noqa: F401

    assert str(caught.value) == (
        "this needs no_such_package, which is not installed; install it with: pip install 'transhash[train]'"
    )


def test_a_missing_part_of_the_program_itself_is_no_missing_extra() -> None:
    with pytest.raises(ModuleNotFoundError, match=r"transhash\.no_such_part"), needs("train"):
        import transhash.no_such_part  # noqa: F401


def test_what_a_user_should_know_is_a_sentence_without_the_place_in_the_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)  # is put back
    sentence = "the CPU encodes: no driver"
    monkeypatch.setattr(cli, "app", lambda **_: warnings.warn(sentence, TransHashWarning, stacklevel=1))
    cli.main()
    assert capsys.readouterr().err == f"{sentence}\n"
