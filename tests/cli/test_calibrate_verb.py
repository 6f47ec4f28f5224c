"""The verb that fits the probabilities of a library to a column."""

from __future__ import annotations

import json
from pathlib import Path

from fittable_model import FittableModel
from kinds import KINDS, draw
from transhash import Library
from transhash.library.fitting import LEAST


def test_calibrate(run, tmp_path: Path) -> None:
    paths = draw(tmp_path / "pictures", LEAST)
    with Library.create(tmp_path / "library", FittableModel("not here")) as library:  # type: ignore[arg-type]
        library.index(tmp_path / "pictures")
        library.annotate({path: {"kind": f"kind {number % KINDS}"} for number, path in enumerate(paths)})
    place = ("-l", tmp_path / "library")

    given = run("calibrate", "kind", *place)
    assert (given.code, given.err) == (0, "")
    assert given.out.startswith(f"calibrated on {LEAST} pictures with {KINDS} values of kind: on average off by ")
    assert given.out.endswith(" points\n")  # nothing is known of the model's: it is gone
    assert "percent   calibrated by kind (transhash calibrate)\n" in run("info", *place).out
    assert json.loads(run("info", "--json", *place).out)["calibrated_by"] == "kind"
    report = json.loads(run("calibrate", "kind", "--json", *place).out)
    assert (report["values"], report["error_before"]) == (KINDS, None)

    assert run("calibrate", "--forget", *place).err == "probabilities are the model's again\n"
    assert "percent" not in run("info", *place).out
    assert run("calibrate", *place).code == run("calibrate", "kind", "--forget", *place).code == 2
    assert "no column 'x' of your own" in run("calibrate", "x", *place).err
