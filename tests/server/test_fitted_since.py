"""Pictures that are sent after another process has fitted the codes, which the server has not seen yet."""

from __future__ import annotations

from pathlib import Path

from fittable_model import FittableModel
from kinds import draw
from layered import stale
from serving import answering
from transhash import Library
from transhash.library import LiveLibrary


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
