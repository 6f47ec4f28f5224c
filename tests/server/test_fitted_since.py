"""Pictures that are sent after another process has fitted the codes, which the server has not seen yet."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from fittable_model import FittableModel
from kinds import draw
from layered import stale
from serving import answering, eventually, serving
from transhash import Library
from transhash.library import LiveLibrary

HITS = 1000


def test_uploads_have_codes_of_the_present_layers(tmp_path: Path) -> None:
    draw(tmp_path / "pictures", 70)
    (new,) = draw(tmp_path / "new", 1, seed=5)
    with Library.create(tmp_path / "library", FittableModel()) as library:  # type: ignore[arg-type]
        library.index(tmp_path / "pictures")
        library.fit()
        live = LiveLibrary(library.path, FittableModel(), interval=3600)  # type: ignore[arg-type]
        with live, answering(live, writable=True) as server:
            draw(tmp_path / "pictures", 20, seed=7)
            library.index(tmp_path / "pictures")
            library.fit()
            assert server.send(new, path="/pictures").status_code == 201
        assert (len(library), stale(library)) == (91, 0)


def test_what_was_sent_before_a_fit_is_counted_by_its_present_code(tmp_path: Path) -> None:
    draw(tmp_path / "pictures", 70)
    (new,) = draw(tmp_path / "new", 1, seed=5)
    with Library.create(tmp_path / "library", FittableModel()) as library:  # type: ignore[arg-type]
        library.index(tmp_path / "pictures")
        library.fit()
        with serving(library.path, FittableModel()) as server:
            (before,) = server.send(new).json()["results"]
            draw(tmp_path / "pictures", 90, seed=7)
            library.index(tmp_path / "pictures")
            library.fit()
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
