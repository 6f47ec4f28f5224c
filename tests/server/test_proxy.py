"""Behind nginx, as docs/serve.md has it: TLS, a name, a path, and a server that knows its clients' addresses."""

from __future__ import annotations

import json
import re
import shutil
import ssl
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from certificates import OPENSSL, certificate
from fake_model import FakeModel
from serving import API, Running, serving
from transhash import Library
from transhash.server import run

DOCS = Path(__file__).parents[2] / "docs" / "serve.md"
TOKEN = "a secret of the tests"
NGINX = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")


@pytest.fixture
def proxied(library: Library, model: FakeModel, tmp_path: Path) -> Iterator[tuple[httpx.Client, Path]]:
    """A client of nginx, which runs with the recipe of the docs, and the server's access log."""
    if NGINX is None or OPENSSL is None:
        pytest.skip("no nginx here: apt-get install nginx-light openssl")
    chain, key = certificate(tmp_path)
    log = tmp_path / "access.jsonl"
    settings = {
        "token": TOKEN,
        "hosts": run.names("127.0.0.1", ["photos.example"]),
        "prefix": "/photos",
        "proxies": ("127.0.0.1",),
        "access_log": log,
        "writable": True,
    }
    with serving(library.path, model, **settings) as server, run.listen("127.0.0.1", 0) as free:
        port = free.getsockname()[1]
        free.close()
        recipe = re.search(r"```nginx\n(.*?)```", DOCS.read_text(), re.DOTALL)
        assert recipe, "no recipe in the docs"
        text = recipe[1].replace("listen 443 ssl", f"listen 127.0.0.1:{port} ssl").replace(":8017", f":{server.port}")
        text = text.replace("/etc/ssl/photos.pem", str(chain)).replace("/etc/ssl/photos.key", str(key))
        folders = "".join(
            f"{kind}_temp_path {tmp_path}/{kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        )
        (tmp_path / "nginx.conf").write_text(
            f"daemon off; pid {tmp_path}/pid; error_log {tmp_path}/error.log; events {{}}\n"
            f"http {{ access_log off; {folders} {text} }}"
        )
        process = subprocess.Popen([NGINX, "-c", str(tmp_path / "nginx.conf"), "-e", str(tmp_path / "error.log")])
        try:
            context = ssl.create_default_context(cafile=str(chain))
            with httpx.Client(
                verify=context, trust_env=False, base_url=f"https://127.0.0.1:{port}", timeout=30
            ) as client:
                client.headers["Host"] = "photos.example"
                for _ in range(100):
                    try:
                        client.get("/photos/")
                        break
                    except httpx.ConnectError:
                        time.sleep(0.1)
                yield client, log
        finally:
            process.terminate()
            process.wait(30)


def test_the_recipe_for_nginx_works(proxied: tuple[httpx.Client, Path], photos: Path) -> None:
    client, log = proxied
    origin = {"Origin": "https://photos.example", "Sec-Fetch-Site": "same-origin"}

    assert client.get("/photos").headers["location"].endswith("/photos/")
    page = client.get("/photos/")
    assert page.status_code == 200
    for address in re.findall(r'(?:href|src)="([^"#]+)"', page.text):
        assert client.get(f"/photos/{address}").status_code == 200, address
    assert client.get(f"/photos{API}/library").status_code == 401
    begun = client.post(f"/photos{API}/session", headers={"Authorization": f"Bearer {TOKEN}", **origin})
    assert begun.status_code == 204
    assert "; Secure" in begun.headers["set-cookie"]
    assert "; Path=/photos/;" in begun.headers["set-cookie"]
    cookie = {"Cookie": begun.headers["set-cookie"].partition(";")[0]}
    files = {"pictures": ("x", (photos / "cat" / "cat-00.png").read_bytes())}
    found = client.post(f"/photos{API}/search", files=files, headers={**origin, **cookie})
    assert found.json()["results"][0]["hits"][0]["name"] == "cat-00.png"
    evil = {"Origin": "https://evil.example"}
    assert client.delete(f"/photos{API}/pictures/1", headers={**evil, **cookie}).status_code == 403
    assert client.delete(f"/photos{API}/pictures/1", headers={**origin, **cookie}).status_code == 204
    addresses = {json.loads(line)["address"] for line in log.read_text().splitlines()}
    assert addresses == {"127.0.0.1"}
    forged = client.get(f"/photos{API}/health", headers={"X-Forwarded-For": "192.0.2.7"})
    assert forged.status_code == 200
    assert json.loads(log.read_text().splitlines()[-1])["address"] == "127.0.0.1"  # as nginx saw it


def test_only_named_proxies_are_believed(library: Library, model: FakeModel, tmp_path: Path) -> None:
    for proxies, expected in (((), "127.0.0.1"), (("192.0.2.1",), "127.0.0.1"), (("127.0.0.1",), "198.51.100.7")):
        log = tmp_path / f"{len(proxies)}-{expected}.jsonl"
        with serving(library.path, model, proxies=proxies, access_log=log) as server:
            server.get("/health", headers={"X-Forwarded-For": "198.51.100.7"})
        assert json.loads(log.read_text())["address"] == expected


def test_names_that_are_allowed_are_answered_and_others_are_not(library: Library, model: FakeModel) -> None:
    allowed = run.names("192.0.2.1", ["photos.example"])
    with serving(library.path, model, hosts=allowed, addresses=True) as server:
        for host, status in (
            ("photos.example", 200),
            ("PHOTOS.example:8443", 200),
            ("192.168.1.20:8017", 200),
            ("[fe80::1]:8017", 200),
            ("evil.example", 421),
            ("192.168.1.20.evil.example", 421),
        ):
            assert server.get("/library", headers={"Host": host}).status_code == status, host


def test_a_certificate_of_ones_own(library: Library, model: FakeModel, tmp_path: Path) -> None:
    if OPENSSL is None:
        pytest.skip("no openssl here")
    with serving(library.path, model, certificate=certificate(tmp_path)) as server:
        context = ssl.create_default_context(cafile=str(tmp_path / "chain.pem"))
        url = server.url.replace("http://", "https://")
        assert httpx.get(f"{url}{API}/health", verify=context, trust_env=False).status_code == 200


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://localhost:9999", 403),
        ("http://localhost", 403),
        ("https://photos.example:9999", 403),
        ("https://other.example:8443", 204),
        ("https://Photos.example", 204),
    ],
)
def test_a_page_on_another_port_may_change_nothing_unless_it_is_named(
    library: Library, model: FakeModel, origin: str, status: int
) -> None:
    allowed = ["photos.example", "other.example:8443"]
    hosts = run.names("127.0.0.1", allowed)
    with serving(library.path, model, writable=True, hosts=hosts, sites=frozenset(allowed)) as server:
        assert removed(server, 1, {"Origin": origin}) == status
        named = {"Origin": "https://other.example:8443", "Host": "other.example:8443"}
        assert removed(server, 2, named) == 204


def removed(server: Running, id_: int, headers: dict[str, str]) -> int:
    return server.client.delete(f"/api/v1/pictures/{id_}", headers=headers).status_code
