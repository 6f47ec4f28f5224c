"""What the verbs print and return."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from collection import draw
from fake_model import FakeModel


def distances(query: Path, pictures: list[Path]) -> list[tuple[int, Path]]:
    """Distances and pictures as search orders them: by distance, then by how sure the query is of what differs."""
    signs = np.unpackbits(FakeModel().encode([query, *pictures]), axis=1) * 2.0 - 1
    (values,) = FakeModel().values([query])
    found = (signs[1:] != signs[0]).sum(1).tolist()
    return [(each[0], each[2]) for each in sorted(zip(found, -(signs[1:] @ values), pictures, strict=True))]


def test_index_makes_a_library_in_the_folder_and_says_what_it_did(run, photos: Path) -> None:
    result = run("index", "photos")

    assert (result.code, result.out, result.err) == (0, "6 pictures in photos/.transhash: 6 added\n", "")
    assert (photos / ".transhash").is_dir()


def test_index_again_says_what_has_changed(run, photos: Path) -> None:
    run("index", "photos")
    draw(photos / "new.png", 30)
    draw(photos / "dog" / "dog-0.png", 31)
    (photos / "cat" / "cat-0.png").rename(photos / "moved.png")
    (photos / "cat" / "cat-1.png").unlink()
    expected = "6 pictures in photos/.transhash: 1 added, 1 updated, 1 moved, 1 vanished, 3 unchanged\n"

    assert run("index", "photos").out == expected
    assert run("index", "photos", "--prune").out == "6 pictures in photos/.transhash: 1 pruned, 6 unchanged\n"


def test_index_json(run, photos: Path) -> None:
    (photos / "bad.png").write_bytes(b"bad")
    result = run("index", "photos", "--json")
    report = json.loads(result.out)

    assert (result.code, result.err) == (1, "")
    assert report | {"skipped": []} == {
        "library": str(photos / ".transhash"),
        "pictures": 6,
        "added": 6,
        "updated": 0,
        "moved": 0,
        "removed": 0,
        "unchanged": 0,
        "pruned": 0,
        "fitted": 0,
        "embedded": 0,
        "unembedded": 0,
        "first_frames": 0,
        "unread": {},
        "skipped": [],
    }
    assert [(set(skipped), skipped["path"]) for skipped in report["skipped"]] == [
        ({"path", "reason", "remedy"}, str(photos / "bad.png"))
    ]


def test_search_prints_distance_and_path_nearest_first(run, photos: Path) -> None:
    run("index", "photos")
    query = Path("photos/cat/cat-1.png")
    expected = distances(query, sorted(Path("photos").rglob("*.png")))
    result = run("search", query, "-k", 4, "--library", "photos")

    lines = [f"{distance:4d}  {path}{'  (the same picture)' * (path == query)}" for distance, path in expected[:4]]
    assert result.out.splitlines() == lines
    assert (result.code, result.err) == (0, "")
    assert expected[0] == (0, query)


def test_search_for_several_prints_a_block_for_each(run, photos: Path) -> None:
    run("index", "photos")
    result = run("search", "photos/cat/cat-0.png", "photos/dog/dog-0.png", "--max-distance", 0, "-l", "photos")

    assert result.out == (
        "photos/cat/cat-0.png:\n   0  photos/cat/cat-0.png  (the same picture)\n"
        "photos/dog/dog-0.png:\n   0  photos/dog/dog-0.png  (the same picture)\n"
    )


def test_search_json_has_a_line_for_each_query(run, photos: Path) -> None:
    run("index", "photos")
    result = run("search", "photos/cat/cat-0.png", "photos/dog/dog-0.png", "-k", 1, "-l", "photos", "--json")
    lines = [json.loads(line) for line in result.out.splitlines()]

    assert [line["query"] for line in lines] == ["photos/cat/cat-0.png", "photos/dog/dog-0.png"]
    assert lines[0]["hits"] == [
        {
            "path": str(photos / "cat" / "cat-0.png"),
            "distance": 0,
            "id": 1,
            "width": 24,
            "height": 24,
            "columns": {},
            "probability": None,
            "same": True,
        }
    ]


def test_search_that_finds_nothing_is_no_failure(run, photos: Path, tmp_path: Path) -> None:
    run("index", "photos")
    stranger = draw(tmp_path / "stranger.png", 500)
    result = run("search", stranger, "--max-distance", 0, "-l", "photos")

    assert (result.code, result.out) == (0, "")
    ((distance, _), *_) = distances(stranger, sorted(photos.rglob("*.png")))
    assert result.err == (
        f"stranger.png: nothing found: the nearest picture differs in {distance} bits; allow it with --max-distance "
        f"{distance}\n"
    )


def test_info_and_models(run, photos: Path) -> None:
    run("index", "photos")
    lines = run("info", "-l", "photos").out.splitlines()
    facts = json.loads(run("info", "-l", "photos", "--json").out)

    assert lines[:2] == ["library   photos/.transhash", "pictures  6 (0 unusable files, 0 vanished)"]
    assert (facts["path"], facts["pictures"], facts["bits"]) == (str(photos / ".transhash"), 6, 64)
    assert facts["fingerprint"] == FakeModel().fingerprint
    assert run("models").out == f"fake  64 bits, 8 pixels, 1 MB, {FakeModel().fingerprint[:12]}  (default)\n"
    assert json.loads(run("models", "--json").out)["name"] == "fake"


def test_control_characters_of_a_name_do_not_reach_the_terminal(run, photos: Path) -> None:
    draw(photos / "evil\n\x1b[31m.png", 60)
    run("index", "photos")

    out = run("search", photos / "evil\n\x1b[31m.png", "-k", 1, "-l", "photos").out
    assert out == "   0  photos/evil\\n\\x1b[31m.png  (the same picture)\n"
