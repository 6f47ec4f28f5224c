"""What limits of one address count."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fake_model import FakeModel
from serving import serving
from transhash import Library
from transhash.server.addresses import counted, plain
from transhash.server.admission import Admission
from transhash.server.settings import Settings


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("::ffff:192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::ffff", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
        ("unknown", "unknown"),
    ],
)
def test_a_client_has_all_addresses_of_a_network(address: str, expected: str) -> None:
    assert counted(address) == expected


@pytest.mark.parametrize(("address", "expected"), [("::ffff:127.0.0.1", "127.0.0.1"), ("::1", "::1"), ("", "")])
def test_an_address_of_the_older_kind_is_written_so(address: str, expected: str) -> None:
    assert plain(address) == expected


def test_one_network_waits_after_wrong_tokens(library: Library, model: FakeModel) -> None:
    with serving(library.path, model, token="a secret of the tests", proxies=("127.0.0.1",)) as server:

        def guess(number: int, network: str) -> int:
            headers = {"Authorization": f"Bearer guess {number}", "X-Forwarded-For": f"{network}::{number:x}"}
            return server.get("/library", headers=headers).status_code

        assert [guess(number, "2001:db8:1:1") for number in range(20)].count(401) < 8
        assert guess(21, "2001:db8:1:2") == 401


def test_a_proxy_is_believed_on_a_socket_of_both_kinds(
    library: Library, model: FakeModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "log"

    def as_of_both(transport: object) -> tuple[str, int]:
        return "::ffff:127.0.0.1", 1

    monkeypatch.setattr("uvicorn.protocols.http.httptools_impl.get_remote_addr", as_of_both)
    with serving(library.path, model, proxies=("127.0.0.1",), access_log=log) as server:
        server.get("/health", headers={"X-Forwarded-For": "198.51.100.7"})
    assert json.loads(log.read_text())["address"] == "198.51.100.7"


def test_proxies_of_a_network_have_as_many_connections_as_there_are() -> None:
    admission = Admission(Settings(max_connections_of_one=8, proxies=("192.0.2.0/24", "2001:db8::/32")))
    guests = [Guest() for _ in range(30)]
    for guest in guests:
        admission.enter(guest)
    assert not any(guest.closed for guest in guests)


def test_of_many_connections_that_come_at_once_each_costs_another_one() -> None:
    admission = Admission(Settings(max_connections_of_one=8))
    guests = [Guest() for _ in range(30)]

    for guest in guests:  # those that are closed leave later, as they do in a loop
        admission.enter(guest)
    for guest in guests:
        if guest.closed:
            admission.leave(guest)

    assert [guest.closed for guest in guests] == [1] * 22 + [0] * 8
    admission.enter(Guest())
    assert [guest.closed for guest in guests] == [1] * 23 + [0] * 7


class Guest:
    client: tuple[str, int] | None = ("192.0.2.7", 1)
    gives_way = True

    def __init__(self) -> None:
        self.closed = 0

    def abort(self) -> None:
        self.closed += 1
