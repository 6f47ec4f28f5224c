"""`transhash mcp`, by the client of the protocol's own SDK, over standard input and output."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import shutil
import sys
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from collection import draw
from fake_model import FakeModel
from fake_transhash import PROGRAM
from pages import ROOT
from transhash import Library

SUPPORT = os.pathsep.join(str(ROOT / each) for each in ("src", "tests/support"))

mcp = pytest.importorskip("mcp")


def test_an_agent_searches_a_library(tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    for kind in ("cat", "ship"):
        shutil.copytree(ROOT / "examples" / "pictures" / kind, photos / kind)
    first = sorted(photos.glob("cat/*.jpg"))[0]
    shutil.copy(first, photos / "copy.jpg")
    from transhash import load

    with Library.create(photos / ".transhash", load()) as library:
        library.index(photos)
        expected = [str(hit.path) for hit in library.search(first, 5, where="width > 8")]

    async def visit() -> dict[str, Any]:
        command = mcp.StdioServerParameters(
            command=sys.executable,
            args=["-m", "transhash", "mcp", "--library", str(photos)],
            env={"PYTHONPATH": str(ROOT / "src")},  # a client passes on none of its own
        )
        async with mcp.Client(command) as client:
            found: dict[str, Any] = {"tools": (await client.list_tools()).tools}
            ask = client.call_tool
            found["facts"] = await ask("library_facts", {})
            found["path"] = await ask("search_by_picture", {"path": str(first), "k": 5, "where": "width > 8"})
            content = base64.b64encode(first.read_bytes()).decode()
            found["content"] = await ask("search_by_picture", {"content": content, "k": 5, "shown": 0})
            found["more"] = await ask("more_like", {"id": json.loads(found["path"].content[0].text)[2]["id"], "k": 3})
            found["words"] = await ask("search_by_words", {"words": "a red car"})
            found["duplicates"] = await ask("duplicates", {})
            found["missing"] = await ask("more_like", {"id": 9999})
            found["filter"] = await ask("search_by_picture", {"path": str(first), "where": "width >"})
        return found

    found = asyncio.run(visit())
    assert all(tool.annotations.read_only_hint for tool in found["tools"])
    assert json.loads(found["facts"].content[0].text)["search_by"] == ["pictures"]
    hits = json.loads(found["path"].content[0].text)
    assert [hit["path"] for hit in hits] == expected
    shown = [each for each in found["path"].content if each.type == "image"]
    assert len(shown) == 4
    assert Image.open(BytesIO(base64.b64decode(shown[0].data))).format == "JPEG"
    assert [hit["path"] for hit in json.loads(found["content"].content[0].text)] == expected
    more = json.loads(found["more"].content[0].text)
    assert len(more) == 3
    assert hits[2]["id"] not in [hit["id"] for hit in more]
    (group,) = json.loads(found["duplicates"].content[0].text)["groups"]
    assert {Path(group["keep"]["path"]).name, Path(group["copies"][0]["path"]).name} == {first.name, "copy.jpg"}
    for name, words in {
        "words": "--model openai/clip-vit-base-patch32",
        "missing": "no picture of the id 9999",
        "filter": "character 8",
    }.items():
        assert found[name].is_error
        assert words in found[name].content[0].text


def test_names_that_are_not_unicode_and_contents_that_are_not_base64_end_no_connection(
    tmp_path: Path, model: FakeModel
) -> None:
    draw(tmp_path / "a.png", 1).rename(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.png"))
    with Library.create(tmp_path / ".transhash", model) as library:
        library.index(tmp_path)

    async def visit() -> list[Any]:
        command = mcp.StdioServerParameters(
            command=PROGRAM[0], args=[*PROGRAM[1:], "mcp", "--library", str(tmp_path)], env={"PYTHONPATH": SUPPORT}
        )
        async with mcp.Client(command) as client:
            asked = [("more_like", {"id": 1, "k": 1}), ("search_by_picture", {"content": "\u00e9"})]
            asked += [("search_by_picture", {"path": str(draw(tmp_path / "b.png", 2))})]
            return [await client.call_tool(*each) for each in asked]

    _, wrong, found = asyncio.run(visit())
    assert "content is not base64" in wrong.content[0].text
    assert json.loads(found.content[0].text)[0]["path"].endswith("/caf?.png")
