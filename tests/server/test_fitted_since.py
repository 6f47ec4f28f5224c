"""Pictures that are sent after another process has fitted the codes, which the server has not seen yet."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fittable_model import FittableModel
from kinds import draw
from layered import fitted_to_more, stale
from serving import answering, eventually, serving
from transhash import Library
from transhash.library import LiveLibrary
from transhash.library.fitting import LEAST

HITS = 1000


def test_uploads_have_codes_of_the_present_layers(tmp_path: Path) -> None:
    (new,) = draw(tmp_path / "new", 1, seed=5)
    with Library.create(tmp_path / "library", FittableModel()) as library:  # type: ignore[arg-type]
        fitted_to_more(library, 70, seed=0)
        live = LiveLibrary(library.path, FittableModel(), interval=3600)  # type: ignore[arg-type]
        with live, answering(live, writable=True) as server:
            fitted_to_more(library, 20, seed=7)
            assert server.send(new, path="/pictures").status_code == 201
        assert (len(library), stale(library)) == (91, 0)


def test_what_was_sent_before_a_fit_is_counted_by_its_present_code(tmp_path: Path) -> None:
    (new,) = draw(tmp_path / "new", 1, seed=5)
    with Library.create(tmp_path / "library", FittableModel()) as library:  # type: ignore[arg-type]
        fitted_to_more(library, 70, seed=0)
        with serving(library.path, FittableModel()) as server:
            (before,) = server.send(new).json()["results"]
            fitted_to_more(library, 90, seed=7)
            assert eventually(lambda: server.send(new).json()["results"][0]["code"] != before["code"])

            (now,) = server.send(new, k=HITS, histogram=True).json()["results"]
            sent = {name: before[name] for name in ("values", "embedding")}
            asked = {"k": HITS, "histogram": True}
            alone = {"values": [sent["values"]], "embeddings": [sent["embedding"]]}
            for way, body in (("by-values", alone), ("joined", {"like": [sent]})):
                (found,) = server.post(f"/search/{way}", json={**asked, **body}).json()["results"]
                counted = np.bincount([hit["distance"] for hit in found["hits"]], minlength=len(found["histogram"]))
                assert found["histogram"] == counted.tolist()
                assert found["code"] == now["code"]


@pytest.fixture
def nearly_fitted(tmp_path: Path) -> Iterator[tuple[Library, Any]]:
    """A library that lacks one picture for its first fit, and a server that does not look at it again by itself."""
    draw(tmp_path / "pictures", LEAST - 1)
    with Library.create(tmp_path / "library", FittableModel()) as library:  # type: ignore[arg-type]
        library.index(tmp_path / "pictures")
        live = LiveLibrary(library.path, FittableModel(), interval=3600)  # type: ignore[arg-type]
        with live, answering(live) as server:
            yield library, server


def test_a_search_in_the_moment_of_the_first_fit_is_of_one_moment(
    tmp_path: Path, nearly_fitted: tuple[Library, Any]
) -> None:
    library, server = nearly_fitted
    id_ = int(library.passing()[0])
    code = server.get(f"/pictures/{id_}").json()["code"]
    draw(tmp_path / "pictures" / "more", 9, seed=7)
    library.index(tmp_path / "pictures")
    assert library.fitted_to

    (found,) = server.post("/search/by-id", json={"ids": [id_], "k": 5}).json()["results"]

    (hit, *_) = found["hits"]
    assert (hit["id"], hit["distance"], hit["code"]) == (id_, 0, found["code"])
    assert code != found["code"]


def test_a_code_alone_is_refused_in_the_moment_of_the_first_fit(
    tmp_path: Path, nearly_fitted: tuple[Library, Any]
) -> None:
    library, server = nearly_fitted
    code = server.get(f"/pictures/{library.passing()[0]}").json()["code"]
    draw(tmp_path / "pictures" / "more", 9, seed=7)
    library.index(tmp_path / "pictures")
    refused = server.post("/search/by-code", json={"codes": [code], "k": 5})
    assert (refused.status_code, refused.json()["code"]) == (422, "fingerprint")
    assert library.fingerprint[:12] in refused.json()["remedy"]


def test_an_explanation_holds_for_a_content_and_a_fit(tmp_path: Path) -> None:
    with Library.create(tmp_path / "library", FittableModel()) as library:  # type: ignore[arg-type]
        fitted_to_more(library, 70, seed=0)
        id_, first = int(library.passing()[0]), tmp_path / "pictures" / "0-0000.png"
        with serving(library.path, FittableModel()) as server:

            def asked(mark: str = "") -> tuple[int, str]:
                answer = server.get(f"/pictures/{id_}/occlusion", headers={"If-None-Match": mark})
                assert "max-age" not in answer.headers["cache-control"]
                return answer.status_code, answer.headers.get("etag", "")

            status, before = asked()
            assert (status, asked(before)) == (200, (304, before))
            fitted_to_more(library, 90, seed=7)
            assert eventually(lambda: asked(before)[0] == 200)
            _, fitted = asked()
            first.write_bytes((tmp_path / "pictures" / "0-0001.png").read_bytes())
            status, mark = asked()
            assert (status, mark) == (200, "")  # of what nobody has indexed yet
            library.index(tmp_path / "pictures")
            assert eventually(lambda: asked(fitted)[0] == 200 and asked()[1] not in ("", before, fitted))
