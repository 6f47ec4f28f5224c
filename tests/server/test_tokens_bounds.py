"""Tokens when something is odd: a file that breaks while the server runs, odd cookies, very many sessions."""

from __future__ import annotations

import errno
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.datastructures import Headers

from transhash.server import tokens
from transhash.server.faults import Fault
from transhash.server.log import Log
from transhash.server.settings import Settings
from transhash.server.tokens import LONGEST_WAIT, Patience, Tokens, digest_of

OWNER, ANNA = "the secret of the owner", "the secret of anna"


def asking(secret: str = "", cookie: str = "") -> dict[str, Any]:
    """A request, as the server hands it on."""
    headers = [(b"authorization", f"Bearer {secret}".encode())] if secret else []
    headers += [(b"cookie", cookie.encode())] if cookie else []
    return {"type": "http", "headers": headers, "client": ("::1", 1), "server": ("::1", 8017), "scheme": "http"}


def whose(made: Tokens, scope: dict[str, Any]) -> str:
    """Whose request it is; raises a `Fault` when it is nobody's."""
    made.check(scope, Headers(scope=scope), changes=False)
    return str(scope[tokens.NAME])


def is_let_in(made: Tokens, scope: dict[str, Any]) -> bool:
    try:
        return bool(whose(made, scope))
    except Fault as fault:
        assert fault.status == 401  # noqa: PT017 - either outcome is right
        return False


@pytest.mark.parametrize(
    "breaks",
    [Path.unlink, lambda file: file.write_text("anna"), lambda file: file.write_bytes(b"\xff\xfe")],
    ids=["gone", "half a line", "no text"],
)
def test_a_file_that_breaks_lets_nobody_in_until_it_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, breaks: Callable[[Path], object]
) -> None:
    monkeypatch.setattr(tokens, "LOOKS_EVERY", 0.0)
    file, line = tmp_path / "tokens", f"anna look {digest_of(ANNA)}\n"
    file.write_text(line)
    made = Tokens(Settings(token=OWNER, token_file=file))
    assert (whose(made, asking(OWNER)), whose(made, asking(ANNA))) == ("owner", "anna")

    breaks(file)
    assert (is_let_in(made, asking(OWNER)), is_let_in(made, asking(ANNA))) == (True, False)

    file.write_text(line)
    assert whose(made, asking(ANNA)) == "anna"


def test_a_cookie_of_another_program_that_cannot_be_read_is_none() -> None:
    made = Tokens(Settings(token=OWNER))
    odd = "a/b=1"  # such a name is against the rules, and Python's parser gives up

    assert whose(made, asking(OWNER, cookie=odd)) == "owner"
    assert not is_let_in(made, asking(cookie=odd))


def test_of_very_many_sessions_the_oldest_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "SESSIONS_KEPT", 2)
    made = Tokens(Settings(token=OWNER))
    cookies = [str(made.begin(asking(OWNER))).partition(";")[0] for _ in range(3)]

    assert [is_let_in(made, asking(cookie=cookie)) for cookie in cookies] == [False, True, True]
    assert made.begin(asking("another secret")) is None


def test_the_wait_after_wrong_tokens_is_bounded_and_so_is_what_is_remembered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "ADDRESSES_KEPT", 3)
    patience = Patience()
    for _ in range(40):
        patience.wrong("10.0.0.1")
    assert LONGEST_WAIT - 1 < patience.wait("10.0.0.1", "") <= LONGEST_WAIT
    patience.right("10.0.0.1", OWNER)
    assert patience.wait("10.0.0.1", OWNER) == 0

    for number in range(3):
        patience.right(f"10.0.1.{number}", OWNER)
    assert patience.wait("10.0.0.1", OWNER) > 0
    for number in range(3):
        patience.wrong(f"10.0.1.{number}")
    assert patience.wait("10.0.0.1", "") == 0


def test_many_sessions_of_one_token_end_none_of_another(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(tokens, "SESSIONS_OF_ONE", 3)
    monkeypatch.setattr(tokens, "SESSIONS_KEPT", 4)
    file = tmp_path / "tokens"
    file.write_text(f"anna look {digest_of(ANNA)}\n")
    made = Tokens(Settings(token=OWNER, token_file=file))

    owners = [str(made.begin(asking(OWNER))).partition(";")[0] for _ in range(2)]
    annas = [str(made.begin(asking(ANNA))).partition(";")[0] for _ in range(50)]

    assert [is_let_in(made, asking(cookie=cookie)) for cookie in owners] == [True, True]
    assert sum(is_let_in(made, asking(cookie=cookie)) for cookie in annas) == 2
    assert is_let_in(made, asking(cookie=annas[-1]))


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file with the token of Anna, which is looked at each time."""
    monkeypatch.setattr(tokens, "LOOKS_EVERY", 0.0)
    path = tmp_path / "tokens"
    path.write_text(f"anna look {digest_of(ANNA)}\n")
    return path


def of_file(file: Path) -> Tokens:
    settings = Settings(token=OWNER, token_file=file)
    return Tokens(settings, Log(settings))


def test_a_file_that_could_not_be_read_is_read_again(
    file: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    made = of_file(file)
    session = str(made.begin(asking(ANNA))).partition(";")[0]
    file.write_text(file.read_text() + "# changed\n")

    with monkeypatch.context() as broken:
        broken.setattr(Path, "read_text", fails)
        assert not is_let_in(made, asking(ANNA))

    assert "the tokens cannot be read (Too many open files)" in caplog.text
    assert whose(made, asking(ANNA)) == "anna"
    assert whose(made, asking(cookie=session)) == "anna"


def test_a_line_of_another_form_locks_nobody_else_out(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    made = of_file(file)

    file.write_text(f"{file.read_text()}bob lok {64 * '0'}\n")

    assert whose(made, asking(ANNA)) == "anna"
    assert "line 2: not a token" in caplog.text


def fails(*_: Any, **__: Any) -> str:
    raise OSError(errno.EMFILE, "Too many open files")
