"""A picture as the server tells it."""

from __future__ import annotations

import json
from datetime import datetime

from transhash.library import Picture


def test_a_name_that_is_not_utf_8_becomes_a_text_that_json_can_have() -> None:
    name, modified = b"caf\xe9 \xc3\xa9.jpg".decode("utf-8", "surrogateescape"), datetime(2024, 5, 1)
    picture = Picture(1, "a\udcff", name, "/", 2, 3, 4, None, modified, "ab" * 16, "00")
    told = picture.to_dict()

    assert (told["name"], told["folder"], told["path"]) == ("caf? é.jpg", "a?", "a?/caf? é.jpg")
    assert json.dumps(told, ensure_ascii=False).encode()
    assert (told["version"], told["modified"], told["taken"]) == ("ab" * 6, "2024-05-01T00:00:00Z", None)
