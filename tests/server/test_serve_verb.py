"""`transhash serve` as a process: where it listens, whom it lets in, and how it ends."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote

import httpx
import pytest

import transhash.model
from fake_transhash import FAKES, PROGRAM
from program import run_here
from transhash import Library
from transhash.remote.milvus import send
from transhash.server import run
from transhash.server.collection import LACKS

TOKEN = "0123456789abcdef"


def start(*arguments: str, delay: float = 0, **environment: str) -> subprocess.Popen[str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("TRANSHASH_")}
    return subprocess.Popen(
        [*PROGRAM, "serve", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**clean, "FAKE_DELAY": str(delay), **environment},
    )


@contextmanager
def started(*arguments: str, **named: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    process = start(*arguments, **named)
    try:
        yield process.stdout.readline().strip(), process
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """What is said to one who may not serve: asked in this process, where none may."""
    for name, fake in FAKES.items():
        monkeypatch.setattr(transhash.model, name, fake)
    for name in os.environ:
        if name.startswith("TRANSHASH_"):
            monkeypatch.delenv(name)
    monkeypatch.setattr(run, "server", lambda *_: pytest.fail("it would serve"))

    def refused(*arguments: str, **environment: str) -> str:
        done = run_here("serve", *arguments, **environment)
        assert (done.returncode, done.stdout) == (2, "")
        return done.stderr

    return refused


@pytest.fixture
def place(library: Library) -> str:
    return str(library.path)


def test_it_prints_its_address_serves_and_ends_well(place: str) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        with started("--library", place, "--port", "0") as (address, process):
            assert address.startswith("http://127.0.0.1:")
            assert httpx.get(address, trust_env=False).status_code == 200
            assert httpx.get(f"{address}api/v1/library", trust_env=False).json()["pictures"] == 40
            process.send_signal(number)
            _, err = process.communicate(timeout=30)
            assert process.returncode == 0
            assert "Traceback" not in err


def test_what_is_under_way_is_finished(place: str, photos: Path) -> None:
    with started("--library", place, "--port", "0", "--writable", delay=1.5) as (address, process):
        answers: list[httpx.Response] = []
        files = {"pictures": ("x", (photos / "cat" / "cat-00.png").read_bytes())}
        ask = lambda: answers.append(httpx.post(f"{address}api/v1/pictures", files=files, timeout=30, trust_env=False))  # noqa: E731
        asking = threading.Thread(target=ask)
        asking.start()
        asking.join(0.7)
        process.send_signal(signal.SIGTERM)
        asking.join(30)
        process.communicate(timeout=30)
    assert [answer.status_code for answer in answers] == [201]
    assert process.returncode == 0


def test_removed_files_go_only_to_where_they_come_back_from(place: str, refused: Callable[..., str]) -> None:
    assert "give --writable too" in refused("--library", place, "--apply-to", "trash")
    assert "name trash or a folder" in refused("--library", place, "--writable", "--apply-to", "delete")


def test_other_machines_need_a_token(place: str, tmp_path: Path, refused: Callable[..., str]) -> None:
    for host in ("0.0.0.0", "::", "192.0.2.1"):
        err = refused("--library", place, "--host", host)
        assert "give a token (--token-file, --tokens or TRANSHASH_TOKEN), or" in err
    assert "give at least 16 characters" in refused("--library", place, "--host", "0.0.0.0", TRANSHASH_TOKEN="short")
    assert "the token cannot be read" in refused("--library", place, "--token-file", str(tmp_path / "missing"))
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    options = ("--library", place, "--host", "0.0.0.0", "--port", "0", "--token-file", str(tmp_path / "token"))
    with started(*options) as (address, _):
        assert address.endswith(f"/#token={TOKEN}")
        own = address.partition("#")[0].replace("0.0.0.0", "127.0.0.1")
        assert httpx.get(f"{own}api/v1/library", trust_env=False).status_code == 401
        bearer = {"Authorization": f"Bearer {TOKEN}"}
        assert httpx.get(f"{own}api/v1/library", headers=bearer, trust_env=False).status_code == 200


def test_everyone_is_let_in_where_that_is_said(place: str) -> None:
    with started("--library", place, "--host", "0.0.0.0", "--port", "0", "--insecure") as (address, _):
        own = address.replace("0.0.0.0", "127.0.0.1")
        assert httpx.get(f"{own}api/v1/library", trust_env=False).status_code == 200


@pytest.mark.parametrize("proxy", ["localhost", "nginx", "*", "10.0.0.1/8", "127.0.0.1:80"])
def test_a_proxy_that_is_no_address_is_refused(place: str, refused: Callable[..., str], proxy: str) -> None:
    assert f"--proxy {proxy}: not an address; give that of the proxy" in refused("--library", place, "--proxy", proxy)


def test_an_address_that_is_taken_is_named(place: str, refused: Callable[..., str]) -> None:
    with run.listen("127.0.0.1", 0) as taken:
        port = str(taken.getsockname()[1])
        assert f"127.0.0.1:{port}: cannot listen there" in refused("--library", place, "--port", port)


def test_no_library(tmp_path: Path, refused: Callable[..., str]) -> None:
    assert "no library here" in refused("--library", str(tmp_path))


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "[::1]", "localhost"])
def test_only_this_machine_reaches_loopback(host: str) -> None:
    assert run.is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1"])
def test_others_may_reach_any_other_address(host: str) -> None:
    assert not run.is_loopback(host)


def test_a_host_that_there_is_not_is_said_to_be_none(place: str, refused: Callable[..., str]) -> None:
    assert "example.invalid: no such host name; choose" in refused("--library", place, "--host", "example.invalid")


def test_a_token_of_any_characters_is_printed_so_that_a_browser_reads_it(place: str) -> None:
    token = "50%#/ab?cd&ef gh i"
    with started("--library", place, "--port", "0", TRANSHASH_TOKEN=token) as (address, _):
        assert unquote(address.partition("#token=")[2]) == token


def test_requests_that_have_arrived_are_answered(place: str) -> None:
    """Those that wait in the queue of the socket, too; and a closed terminal is a reason to end well."""
    request = b"GET /api/v1/pictures/1/similar HTTP/1.1\r\nHost: localhost\r\n\r\n"
    for number in (signal.SIGTERM, signal.SIGHUP):
        with started("--library", place, "--port", "0") as (address, process):
            port = int(address.rstrip("/").rpartition(":")[2])
            asking = [socket.create_connection(("127.0.0.1", port), 30) for _ in range(64)]
            for connection in asking:
                connection.sendall(request)
            process.send_signal(number)
            answers = [connection.recv(12) for connection in asking]
            for connection in asking:
                connection.close()
            _, err = process.communicate(timeout=30)
            assert answers == [b"HTTP/1.1 200"] * 64
            assert (process.returncode, "Traceback" in err) == (0, False)


def test_a_collection_in_milvus_is_served(library: Library, milvus: str) -> None:
    address = f"milvus://{milvus}/verb"
    send(library, address)
    with started("--library", address, "--model", "fake", "--port", "0") as (url, process):
        assert httpx.get(f"{url}api/v1/library", trust_env=False).json()["lacks"] == LACKS
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=30)
        assert err.startswith(f"40 pictures of {address}, without thumbnails, originals,")
        assert process.returncode == 0


@pytest.mark.parametrize(("name", "said"), [("transhash-explanations", ""), ("another", "taken down\n")])
def test_the_interpreter_is_not_taken_down_around_a_thread_that_works(name: str, said: str) -> None:
    program = f"""
import atexit, threading
from transhash.server import run
atexit.register(print, "taken down")
threading.Thread(target=threading.Event().wait, name={name!r}, daemon=True).start()
run.leave()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, said, "")
