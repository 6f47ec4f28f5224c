"""HTTP as its standards say: HEAD, conditions, compression, ids of requests."""

from __future__ import annotations

import gzip
import json
import re
from pathlib import Path
from typing import Any

import pytest

from fake_model import FakeModel
from serving import API, Running, eventually, serving
from transhash import Library
from transhash.server.answers import takes_gzip


@pytest.mark.parametrize("path", ["/", "/assets/app.js", "/api/v1/library", "/api/v1/pictures/1/thumbnail"])
def test_head_is_get_without_a_body(server: Running, path: str) -> None:
    whole, head = server.client.get(path), server.client.head(path)

    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-type"] == whole.headers["content-type"]
    plain = server.client.get(path, headers={"Accept-Encoding": "identity"})
    assert head.headers["content-length"] == str(len(plain.content))


@pytest.mark.parametrize("held", ['"{}"', 'W/"{}"', '"another", "{}"', "*", 'W/"x" , W/"{}"'])
def test_what_a_client_holds_is_not_sent_again(server: Running, held: str) -> None:
    mark = server.get("/pictures/1/thumbnail").headers["etag"].strip('"')

    assert server.get("/pictures/1/thumbnail", headers={"If-None-Match": held.format(mark)}).status_code == 304
    assert server.get("/pictures/1/thumbnail", headers={"If-None-Match": '"other"'}).status_code == 200


def test_texts_are_compressed_for_those_who_can_read_that(server: Running) -> None:
    path = "/api/v1/pictures?limit=1000"
    plain = server.client.get(path, headers={"Accept-Encoding": "identity"})
    with server.client.stream("GET", path, headers={"Accept-Encoding": "gzip"}) as answer:
        raw = b"".join(answer.iter_raw())

    assert answer.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert plain.headers["vary"] == "Accept-Encoding"
    assert gzip.decompress(raw) == plain.content
    assert len(raw) < len(plain.content) / 4
    assert "content-encoding" not in server.get("/pictures/1/thumbnail").headers


def test_requests_have_ids_that_the_answer_carries(server: Running) -> None:
    answer = server.get("/pictures/12345")

    assert re.fullmatch("[0-9a-f]{16}", answer.headers["x-request-id"])
    assert answer.json()["request_id"] == answer.headers["x-request-id"]


def test_requests_are_written_down_where_that_is_asked_for(library: Library, model: FakeModel, tmp_path: Path) -> None:
    log = tmp_path / "access.jsonl"
    with serving(library.path, model, access_log=log) as server:
        answer = server.get("/pictures", params={"where": "name = 'private'"})
        assert eventually(lambda: bool(log.read_text()))

    (line,) = map(json.loads, log.read_text().splitlines())
    assert (line["id"], line["status"], line["path"]) == (answer.headers["x-request-id"], 200, "/api/v1/pictures")
    assert (line["address"], line["method"], line["bytes"]) == ("127.0.0.1", "GET", len(answer.content))
    assert "private" not in log.read_text()


def test_the_quick_way_to_search_by_id_answers_as_the_application(server: Running) -> None:
    def told(id_: str, *asked: str) -> tuple[int, dict[str, Any], list[str]]:
        answer = server.get(f"/pictures/{id_}/similar?{'&'.join(each for each in asked if each)}")
        body = {name: value for name, value in answer.json().items() if name not in ("milliseconds", "request_id")}
        return answer.status_code, body, sorted(answer.headers)

    plain = ["", "k=3", "k=7&offset=5&max_distance=40", "k=1000&offset=99001"]
    wrong = ["offset=100001", "k=0", "k=1001", "k=3&k=4", "k=%33", "k", "%E9=3", "max_distance=-1", "other=1"]
    for id_ in ("3", "999", "9" * 19, "x", "03"):
        for asked in (*plain, *wrong):
            quick = told(id_, asked)
            assert quick == told(id_, asked, "histogram=false"), (id_, asked)  # which the application answers
    assert told("3", "k=3")[0] == 200
    assert f'route="{API}/pictures/{{id}}/similar",status="404"' in server.get("/metrics").text


@pytest.mark.parametrize(
    ("accepted", "expected"),
    [
        ("gzip", True),
        ("br, GZIP;q=0.5", True),
        ("gzip;q=0", False),
        ("identity, gzip ; Q = 0.000", False),
        ("gzip;q=0.001", True),
        ("x-gzip-not, br", False),
        ("", False),
    ],
)
def test_gzip_with_the_weight_0_is_refused(accepted: str, expected: bool) -> None:
    assert takes_gzip(accepted) == expected
