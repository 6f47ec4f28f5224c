"""Files of plans: read as they were written, refused when they are none."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from plans import action
from transhash.errors import LibraryError
from transhash.library.duplicates.plan import Plan, read_plan, write_plan


def broken_plans() -> Iterator[str]:
    yield ""
    yield "no json"
    yield json.dumps({"transhash plan": 99, "folders": [], "reference": []})
    yield json.dumps({"transhash plan": 1, "folders": "photos", "reference": []})
    yield json.dumps({"transhash plan": 1, "folders": [], "reference": []}) + "\n" + json.dumps({"action": "remove"})


@pytest.mark.parametrize("text", list(broken_plans()))
def test_what_is_no_plan_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "plan").write_text(text)
    with pytest.raises(LibraryError, match=r"; .*write|; write"):
        read_plan(tmp_path / "plan")


def test_a_plan_is_read_as_it_was_written(photos: Path, tmp_path: Path) -> None:
    odd = photos / os.fsdecode(b"odd\xff\nname.jpg")
    odd.write_bytes((photos / "kept0.jpg").read_bytes())
    plan = Plan((str(photos),), (), (action(odd, photos / "kept0.jpg"),))
    write_plan(tmp_path / "plan", plan)
    assert read_plan(tmp_path / "plan") == plan
