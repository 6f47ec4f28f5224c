"""A search for duplicates while another process deletes and prunes pictures: these are left out."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from fake_model import FakeModel
from fittable_model import FittableModel
from transhash import Library
from transhash.library.duplicates.groups import Search


@pytest.mark.parametrize("model", [FakeModel, FittableModel])
@pytest.mark.parametrize(("of", "step"), [(Library, "codes"), (Search, "run")])
def test_what_is_pruned_meanwhile_is_left_out(
    pictures: Path, monkeypatch: pytest.MonkeyPatch, model: type[FakeModel], of: type, step: str
) -> None:
    """Before codes are read, and before files are looked at."""
    for name in ("00", "01", "02"):
        shutil.copy(pictures / f"{name}.png", pictures / f"copy-of-{name}.png")
    with Library.create(pictures / ".transhash", model()) as library:
        library.index(pictures)
        if model is FittableModel:
            monkeypatch.setattr("transhash.library.duplicates.asking.are_fitted", lambda _: True)

        usual = getattr(of, step)

        def prune(*given: object, **named: object) -> object:
            for name in ("00", "02", "copy-of-01", "07", "20"):
                (pictures / f"{name}.png").unlink(missing_ok=True)
            with Library.open(library.path, model()) as other:
                other.index(pictures, prune=True)
            return usual(*given, **named)

        monkeypatch.setattr(of, step, prune)
        report = library.duplicates(kinds=["all"])
        found = {copy.path.name for group in report.groups for copy in (group.keep, *group.same)}
        assert found.isdisjoint({"00.png", "02.png", "copy-of-01.png"})
