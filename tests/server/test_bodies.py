"""Bodies: how large they may be by what they say they are, and how much work a wrong one makes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from serving import Running
from transhash.server import duplicates_schemas, schemas

MANY = 50_000
OTHERS = dict.fromkeys(map(str, range(MANY)), 1)


@pytest.mark.parametrize(
    ("path", "kind", "status"),
    [
        ("/search", "Image/PNG", 422),
        ("/search", "Multipart/Form-Data; boundary=x", 400),
        ("/search", "multipart/mixed; boundary=x", 413),
        ("/search", "application/octet-stream+json", 413),
        ("/search/by-id", "application/octet-stream+json", 413),
        ("/search/by-id", "image/png", 413),
        ("/annotations", "application/octet-stream", 413),
    ],
)
def test_only_pictures_may_be_large(server: Running, path: str, kind: str, status: int) -> None:
    answer = server.post(path, content=bytes(3 << 20), headers={"Content-Type": kind})

    assert answer.status_code == status


@pytest.mark.parametrize(
    ("model", "body"),
    [
        (schemas.ById, {"ids": [1], **OTHERS}),
        (schemas.ById, {"ids": [[]] * MANY}),
        (schemas.Joined, {"like": [{"id": 1, **OTHERS}]}),
        (schemas.ByVector, {"vectors": [[[]] * 1000] * 50}),
        (schemas.ByValues, {"values": [[[]] * 500] * 50}),
        (schemas.Annotations, {"rows": [{"path": "a"}], **OTHERS}),
        (schemas.Annotations, {"rows": [OTHERS]}),
        (schemas.Annotations, {"rows": [{"path": []}] * MANY}),
        (duplicates_schemas.Decisions, {"rest": True, **OTHERS}),
        (duplicates_schemas.Decisions, {"decisions": [{"keep": 1, "remove": 2, **OTHERS}]}),
        (duplicates_schemas.Decisions, {"decisions": [1] * MANY}),
        (duplicates_schemas.Decisions, {"apart": [[1]] * MANY}),
        (duplicates_schemas.Verdict, {"ids": [1, 2], **OTHERS}),
        (duplicates_schemas.Undo, {"name": "a", **OTHERS}),
    ],
)
def test_a_body_with_many_errors_is_told_a_few(model: type[BaseModel], body: dict[str, Any]) -> None:
    with pytest.raises(ValidationError) as refused:
        model.model_validate(body)

    assert len(refused.value.errors()) < 10


def test_a_field_that_is_not_known_is_told_as_ever(server: Running) -> None:
    for more in ({"kk": 1}, OTHERS):
        answer = server.post("/search/by-id", content=json.dumps({"ids": [1], **more}))
        assert (answer.status_code, answer.json()["code"]) == (422, "value")


@pytest.mark.parametrize("when", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
def test_a_date_that_no_column_holds_is_refused(writable: Running, when: str) -> None:
    body = {"rows": [{"path": "cat/cat-01.png", "when": when}], "dates": ["when"]}

    assert writable.post("/annotations", json=body).status_code == 422


@pytest.mark.parametrize(
    "asked", [{"ids": [True]}, {"ids": ["1"]}, {"ids": [1], "k": True}, {"ids": [1], "max_distance": "3"}]
)
def test_what_is_to_be_a_number_is_one(server: Running, asked: dict[str, object]) -> None:
    answer = server.post("/search/by-id", json=asked)
    assert (answer.status_code, answer.json()["code"]) == (422, "value")
