"""Tokens with names and rights, sessions that end, and patience with wrong tokens."""

from __future__ import annotations

from pathlib import Path
from subprocess import CompletedProcess

import httpx
import pytest

from fake_model import FakeModel
from program import run_here
from serving import API, Running, serving
from transhash import Library
from transhash.errors import TransHashError
from transhash.server import tokens
from transhash.server.settings import Settings
from transhash.server.tokens import digest_of

SECRET = {"look": "a secret for those who look", "manage": "a secret for those who manage"}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "tokens"
    file.write_text("# who may ask\n" + "".join(f"{name} {name} {digest_of(text)}\n" for name, text in SECRET.items()))
    return file


def as_(rights: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {SECRET[rights]}"}


def test_who_may_look_may_not_change(library: Library, model: FakeModel, file: Path) -> None:
    with serving(library.path, model, token_file=file, writable=True, apply_to="trash") as server:
        assert server.get("/pictures/1").status_code == 401
        for rights, may in (("look", False), ("manage", True)):
            facts = server.get("/library", headers=as_(rights)).json()
            assert (facts["writable"], facts["applies"]) == (may, may)
            undone = server.post("/duplicates/undo", json={"name": "unknown"}, headers=as_(rights))
            assert undone.json()["code"] == ("applying" if may else "rights")
            told = server.get("/duplicates/applied/another", headers=as_(rights))
            assert told.json()["code"] == ("no-plan" if may else "rights")
            assert server.post("/search/by-id", json={"ids": [2]}, headers=as_(rights)).status_code == 200
            changed = server.post("/annotations", json={"rows": []}, headers=as_(rights))
            assert changed.status_code == (200 if may else 403)
            removed = server.client.delete(f"{API}/pictures/1", headers=as_(rights))
            assert removed.status_code == (204 if may else 403)


def test_a_token_and_its_sessions_end_when_its_line_is_deleted(
    library: Library, model: FakeModel, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "LOOKS_EVERY", 0.0)
    with serving(library.path, model, token_file=file) as server:
        assert server.post("/session", headers=as_("look")).status_code == 204
        assert server.get("/library").status_code == 200  # by the cookie
        lines = file.read_text().splitlines(keepends=True)
        file.write_text("".join(line for line in lines if not line.startswith("look")))
        assert server.get("/library").status_code == 401
        assert server.get("/library", headers=as_("look")).status_code == 401
        assert server.get("/library", headers=as_("manage")).status_code == 200


def test_the_command_line_gives_tokens_and_takes_them_back(tmp_path: Path) -> None:
    file = tmp_path / "tokens"

    def run(*words: str) -> CompletedProcess[str]:
        return run_here("token", *words, "--file", file)

    mine, hers = (run("add", "me", "--rights", "manage").stdout.strip(), run("add", "grandma").stdout.strip())
    known = {each.digest: (each.name, each.rights) for each in tokens.read_tokens(file)}
    assert known == {digest_of(mine): ("me", "manage"), digest_of(hers): ("grandma", "look")}
    assert run("list").stdout == "me\tmanage\ngrandma\tlook\n"
    assert "me has a token already; remove it first" in run("add", "me").stderr
    assert run("remove", "me").returncode == 0
    assert [each.name for each in tokens.read_tokens(file)] == ["grandma"]
    assert file.stat().st_mode & 0o077 == 0
    assert run("remove", "me").returncode == 2
    file.chmod(0o640)  # for the server, which another user runs
    run("add", "grandpa")
    assert file.stat().st_mode & 0o777 == 0o640


def test_only_digests_are_kept(file: Path) -> None:
    assert not any(secret in file.read_text() for secret in SECRET.values())


@pytest.mark.parametrize("line", ["me look", "me all " + 64 * "0", "me look 00", "a b look " + 64 * "0"])
def test_a_file_of_another_form_is_refused(tmp_path: Path, line: str) -> None:
    (tmp_path / "tokens").write_text(f"\n{line}\n")
    with pytest.raises(TransHashError, match=r"tokens, line 2: not a token; add tokens with `transhash token add`"):
        tokens.Tokens(Settings(token_file=tmp_path / "tokens"))


def test_no_file_of_tokens(tmp_path: Path) -> None:
    with pytest.raises(TransHashError, match="there are no tokens; make one with `transhash token add`"):
        tokens.Tokens(Settings(token_file=tmp_path / "tokens"))


def test_a_page_can_log_out(library: Library, model: FakeModel) -> None:
    with serving(library.path, model, token="a secret of the tests") as server:
        server.post("/session", headers={"Authorization": "Bearer a secret of the tests"})
        cookie = dict(server.client.cookies)
        assert server.get("/library").status_code == 200
        assert server.client.delete(f"{API}/session").status_code == 204
        assert not server.client.cookies
        # whoever has copied the cookie is out as well
        assert httpx.get(f"{server.url}{API}/library", cookies=cookie, trust_env=False).status_code == 401


def test_sessions_end_by_themselves(library: Library, model: FakeModel) -> None:
    with serving(library.path, model, token="a secret of the tests", session_seconds=0.0) as server:
        cookie = server.post("/session", headers={"Authorization": "Bearer a secret of the tests"}).headers[
            "set-cookie"
        ]
        value = cookie.partition(";")[0]
        assert server.get("/library", headers={"Cookie": value}).status_code == 401


@pytest.mark.parametrize("other", ['seen={"a":"b, c"}', "a b=1", "f@o=1", "alone", "path", "list[0]=1", ""])
def test_cookies_of_other_programs_of_this_machine_end_no_session(other: str) -> None:
    made = tokens.Tokens(Settings(token="a secret of the tests"))
    bearer = [(b"authorization", b"Bearer a secret of the tests")]
    scope = {"type": "http", "scheme": "http", "server": ("h", 8017), "headers": bearer}
    cookie = str(made.begin(scope)).partition(";")[0]
    for sent in (f"{other}; {cookie}", f"{cookie}; {other}"):
        made.check(scope, {"cookie": sent}, changes=True)


def test_two_servers_of_one_machine_do_not_log_each_other_out(library: Library, model: FakeModel) -> None:
    bearer = {"Authorization": "Bearer a secret of the tests"}
    with (
        serving(library.path, model, token="a secret of the tests") as one,
        serving(library.path, model, token="a secret of the tests") as other,
        httpx.Client(trust_env=False) as browser,  # cookies are for a host, whatever the port
    ):
        for server in (one, other):
            browser.post(f"{server.url}{API}/session", headers=bearer)
        for server in (one, other):
            assert browser.get(f"{server.url}{API}/library").status_code == 200


def test_wrong_tokens_are_slowed_down_and_right_ones_are_not(library: Library, model: FakeModel) -> None:
    right = {"Authorization": "Bearer a secret of the tests"}
    with serving(library.path, model, token="a secret of the tests") as server:

        def guess(number: int) -> httpx.Response:
            return server.get("/library", headers={"Authorization": f"Bearer guess {number}"})

        assert server.get("/library", headers=right).status_code == 200
        statuses = [guess(number).status_code for number in range(50)]
        assert statuses[:5] == [401] * 5
        assert statuses.count(401) < 8
        assert guess(51).headers["retry-after"].isdecimal()
        assert server.get("/library", headers=right).status_code == 200  # known from before
        assert server.get("/library").status_code == 401  # nothing was guessed


def test_the_cookie_is_for_https_only_where_there_is_https(server: Running) -> None:
    made = tokens.Tokens(Settings(token="a secret of the tests", prefix="/photos"))
    bearer = [(b"authorization", b"Bearer a secret of the tests")]
    cookies = {
        scheme: made.begin({"type": "http", "scheme": scheme, "server": ("h", 8017), "headers": bearer})
        for scheme in ("http", "https")
    }

    assert "; Secure" in str(cookies["https"])
    assert "; Secure" not in str(cookies["http"])
    assert all(str(each).startswith("transhash-8017=") and "; Path=/photos/;" in str(each) for each in cookies.values())
