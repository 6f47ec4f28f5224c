"""The bench of photographs: its sets are drawn by a seed, and docs print what it stored."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

import transhash
from benchmarks.photographs import probabilities
from benchmarks.photographs.measure import for_the_card, nearest_precision, table
from benchmarks.photographs.sets import PhotoSet, by_folder
from transhash.model.likeness import expected_error

ROOT = Path(__file__).parents[2]


def test_the_model_card_prints_the_stored_figures() -> None:
    stored = json.loads((ROOT / "benchmarks/results/photographs.json").read_text("utf-8"))
    card = (ROOT / "docs/models.md").read_text("utf-8")
    assert table(stored["rows"]) in card


def test_the_model_card_prints_how_far_probabilities_are_from_the_truth() -> None:
    stored = json.loads((ROOT / "benchmarks/results/probabilities.json").read_text("utf-8"))
    card = (ROOT / "docs/models.md").read_text("utf-8")
    assert stored["fingerprint"] == transhash.load().fingerprint
    assert probabilities.table(stored["errors"]) in card
    general, _, own = (stored["errors"][curve] for curve in probabilities.CURVES)
    assert general[probabilities.POOLED] > 0.05 >= own[probabilities.POOLED]
    assert {name: error for name, error in own.items() if error > 0.05} == {
        "Corel-5k": 0.0554,
        "Style transfer": 0.0501,
    }


def test_a_calibration_of_labels_holds_on_other_pictures_and_that_of_the_model_may_not() -> None:
    random = np.random.default_rng(0)
    labels = random.integers(0, 5, 900)
    kept = np.rint(random.standard_normal((5, 256))[labels] * 12 + random.standard_normal((900, 256)) * 20)
    photos = PhotoSet("made", [], labels, 200, reports=False)
    found = probabilities.stated(photos, kept.astype(np.int8), transhash.load())
    errors = [expected_error(*found[curve]) for curve in probabilities.CURVES]
    assert max(errors[1:]) < 0.05 < errors[0]


def test_the_card_of_the_model_in_the_box_has_the_stored_figures() -> None:
    stored = json.loads((ROOT / "benchmarks/results/photographs.json").read_text("utf-8"))
    model = transhash.load()
    assert model.fingerprint == stored["fingerprint"]
    assert model.measured == for_the_card(stored["rows"])


def test_the_readme_has_the_stored_figures_of_caltech_101() -> None:
    rows = json.loads((ROOT / "benchmarks/results/photographs.json").read_text("utf-8"))["rows"]
    asked = {"set": "Caltech-101", "network": "ours"}
    found = {(row["kind"], row["bits"]): row["map"] for row in rows if asked.items() <= row.items()}
    shown = (
        f"{found['ordered', None]:.3f} as a library orders its hits, {found['fitted', 64]:.3f} by its fitted codes "
        f"alone, {found['general', 64]:.3f} by general codes"
    ).replace("0.", ".")
    assert shown in (ROOT / "README.md").read_text("utf-8")


def test_what_is_said_of_the_order_of_hits_is_so() -> None:
    rows = json.loads((ROOT / "benchmarks/results/photographs.json").read_text("utf-8"))["rows"]
    found = {(row["network"], row["set"], row["kind"]): row for row in rows if row["bits"] is None}
    sets = list(dict.fromkeys(row["set"] for row in rows))
    networks = ("ours", "EfficientNet-Lite0", "EfficientNet-Lite2")

    def gain(network: str, name: str, measure: str) -> float:
        return 100 * (found[network, name, "ordered"][measure] - found[network, name, "floats"][measure])

    drawn = [gain(network, name, "map") for network in networks for name in ("PACS art", "PACS cartoon")]
    others = [name for name in sets if name not in {"PACS art", "PACS cartoon", "Style transfer"}]
    rest = [gain(network, name, "map") for network in networks for name in others]
    first = {name: gain("ours", name, "precision_10") for name in sets}
    said = (
        f"{min(drawn):.1f} to {max(drawn):.1f} points on paintings and cartoons, "
        f"{min(rest):.1f} to {max(rest):.1f} elsewhere. Of our first ten hits up to {max(first.values()):.1f} points "
        f"more are right, {-first['Style transfer']:.1f} points fewer on Style transfer and as many on sketches"
    )
    assert said in " ".join((ROOT / "docs/models.md").read_text("utf-8").split())
    assert all(gain(network, "Style transfer", "map") < 0 for network in networks)
    assert abs(first["PACS sketch"]) < 0.1
    ordered = {network: {name: found[network, name, "ordered"]["map"] for name in sets} for network in networks}
    ours, lite0, lite2 = ordered.values()
    assert all(ours[name] > lite0[name] for name in sets)
    assert [name for name in sets if ours[name] < lite2[name]] == ["Imagewoof", "Caltech-101"]
    assert lite2["Caltech-101"] - ours["Caltech-101"] < 0.001


def test_a_set_is_drawn_alike_each_time_and_its_classes_are_its_folders(tmp_path: Path) -> None:
    for kind in ("cat", "dog"):
        (tmp_path / kind).mkdir()
        for number in range(20):
            Image.new("RGB", (8, 8)).save(tmp_path / kind / f"{number:02d}.png")
    one, other = (by_folder("pets", tmp_path, "*/*", reports=True) for _ in range(2))
    assert one is not None
    assert other is not None
    assert one.files == other.files != sorted(one.files)
    assert [one.files[i].parent.name == "dog" for i in range(40)] == (one.labels == 1).tolist()
    assert one.queries == 10
    assert by_folder("none", tmp_path / "cat", "*/*", reports=True) is None


def test_precision_counts_the_nearest_ten_by_cosine() -> None:
    features = np.eye(12, dtype=np.float32)[[0] * 11 + [1]]
    photos = PhotoSet("x", [Path()] * 12, np.array([0] * 6 + [1] * 6), 1, True)
    assert nearest_precision(photos, features) == 0.5
