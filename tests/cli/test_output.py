"""What the verbs print when a part of the program is missing."""

from __future__ import annotations

import warnings

import pytest

from transhash import cli
from transhash.cli import terminal
from transhash.cli.output import say, sized
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


def test_in_a_log_long_work_says_now_and_then_how_far_it_is(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with terminal.stages() as progress:
        progress("training", 10, 2000, "epoch 1/2")
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(terminal, "SECONDS", 0.0)
    with terminal.stages(8) as progress:
        progress("training", 1200, 2000, "epoch 1/2")
        progress("encoding", 3, 0, "")
    assert capsys.readouterr().err == "training: 1,200 of 2,000, epoch 1/2\nencoding: 3 of 8\n"


def test_sizes_are_in_units_that_show_them() -> None:
    assert [sized(size) for size in (1, 999, 1_000, 999_499, 999_500, 1_234_567_890)] == [
        "1 byte", "999 bytes", "1 kB", "999 kB", "1.0 MB", "1,234.6 MB",
    ]  # fmt: skip


def test_a_name_that_is_not_utf8_can_be_said(capsys: pytest.CaptureFixture[str]) -> None:
    say("bad\udcff.jpg: not brought back")
    assert capsys.readouterr().err == "bad\ufffd.jpg: not brought back\n"
