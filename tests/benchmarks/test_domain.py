"""A model on a data set that it was not trained on, end to end over a few pictures and a small network."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks.evaluation import unseen
from benchmarks.evaluation.changes import Changed, parse
from benchmarks.evaluation.domain import COSINE, Domain
from benchmarks.evaluation.encoded import Encoder
from tiny_run import SHAPE
from transhash.codes import pack
from transhash.data.datasets import load_dataset
from transhash.errors import DataError
from transhash.evaluation import evaluate
from transhash.evaluation.cosine import cosine_map
from transhash.model import HashModel
from transhash.model.calibration import Calibration
from transhash.nn.mgvt import MGVT
from transhash.nn.weights import load_vit
from transhash.shallow import lsh
from transhash.training.export import export_model

LENGTHS = (8, 16)


@pytest.fixture(scope="module")
def model(place: Path, tmp_path_factory: pytest.TempPathFactory) -> HashModel:
    torch.manual_seed(0)
    network = MGVT.from_vit(load_vit(place / "vit.safetensors", image_size=28), bits=16, groups=0, lengths=LENGTHS)
    made = export_model(network, tmp_path_factory.mktemp("model") / "model", "small", {})
    made.calibrate({16: Calibration(0.5, 4.0, 2.0, 10, "elsewhere")})
    return HashModel(made.folder)


@pytest.fixture(scope="module")
def domain(model: HashModel, place: Path) -> Domain:
    return Domain(model, "folder", place / "data", backbone=place / "vit.safetensors")


def test_codes_of_every_length_features_and_other_methods_are_scored_on_the_same_parts(
    domain: Domain, model: HashModel, place: Path
) -> None:
    images = load_dataset("folder", place / "data")
    query, database = domain.split.query, domain.split.database
    labels = images.labels
    codes = model.encode_lengths([images.images.sources[row] for row in range(len(labels))])
    vit = Encoder.of_backbone(place / "vit.safetensors", SHAPE.image_size)
    plain = vit.encode([images.images.sources[row] for row in range(len(labels))], "all").features
    rows = {(row.method, row.bits): row for row in domain.beside({"others": plain[:20]})}
    for bits in LENGTHS:
        expected = evaluate(codes[bits][query], labels[query], codes[bits][database], labels[database]).map
        assert rows["transhash", bits].map == pytest.approx(expected)
    cosine = rows["features of the backbone, cosine", None]
    assert cosine.map == pytest.approx(cosine_map(plain[query], labels[query], plain[database], labels[database]))
    assert (cosine.bytes, rows["transhash", 16].bytes) == (4 * SHAPE.dim, 2)
    values = lsh(plain[:20], None, 16).values(plain)
    drawn = evaluate(pack(values[query]), labels[query], pack(values[database]), labels[database]).map
    assert rows["LSH, fitted to others", 16].map == pytest.approx(drawn)
    table = unseen.markdown(list(rows.values()))
    assert f"({4 * SHAPE.dim:,} bytes)" in table
    assert {"ITQ, fitted to the database", "ITQ, fitted to others"} <= {method for method, _ in rows}


def test_only_the_queries_are_changed(domain: Domain, model: HashModel, place: Path) -> None:
    images = load_dataset("folder", place / "data")
    change = parse("crop:0.5+brightness:0.5")
    scores = domain.stressed([change])
    assert list(scores) == ["", "crop:0.5+brightness:0.5"]
    query, database = domain.split.query, domain.split.database
    asked = model.encode(list(map(Changed(images.images.sources, change).__getitem__, query)))
    known = model.encode([images.images.sources[row] for row in database])
    expected = evaluate(asked, images.labels[query], known, images.labels[database]).map
    assert scores[change.name]["16"] == pytest.approx(expected)
    rows = {(row.method, row.bits): row.map for row in domain.beside()}
    assert scores[""]["8"] == pytest.approx(rows["transhash", 8])
    assert scores[""][COSINE] == pytest.approx(rows["the model's own features, cosine", None])


def test_unchanged_pictures_find_themselves(domain: Domain) -> None:
    found = {each.method: each for each in domain.copies([parse("resize:1")], others=len(domain.split.database))}
    assert {method: (each.recall, each.others) for method, each in found.items()} == {
        method: (1.0, len(domain.split.database) - 1) for method in ("8 bits", "16 bits", COSINE)
    }


def test_probabilities_are_judged_on_pairs_that_nothing_was_fitted_to(domain: Domain) -> None:
    shipped, here = domain.reliability(16).values()
    pairs = len(domain.split.query[1::2]) * len(domain.split.database[1::2])
    assert shipped.pairs.sum() == here.pairs.sum() == pairs
    np.testing.assert_allclose(shipped.stated[0], 0.5)
    with pytest.raises(DataError, match="not calibrated at 8 bits"):
        domain.reliability(8)


def test_all_pictures_changed_and_fewer_of_them(model: HashModel, place: Path) -> None:
    images = load_dataset("folder", place / "data")
    grey = Domain(model, "folder", place / "data", change=parse("grey"), most=10)
    assert (len(grey.split.database), len(grey.split.query)) == (10, 1)
    expected = model.encode(list(Changed(images.images.sources, parse("grey"), grey.rows.tolist())))
    assert (grey.encodings().codes[16] == expected).all()
    assert grey.stressed([parse("resize:1")])["resize:1"] == grey.stressed([])[""]  # of grey queries, too


def test_what_was_encoded_is_read_again_and_only_under_its_own_name(
    model: HashModel, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.evaluation.encoded.PART", 4)
    pictures = [np.full((30, 30, 3), 20 * i, np.uint8) for i in range(10)]
    encoder = Encoder.of_model(model, tmp_path)
    first = encoder.encode(pictures, "ten")
    assert (first.codes[8] == model.at(8).encode(pictures)).all()
    sorted(tmp_path.glob("*.npz"))[1].unlink()  # as if it had been broken off
    read: list[int] = []

    def counted(i: int) -> np.ndarray:
        read.append(i)
        return pictures[i]

    class Watched(list[int]):
        def __getitem__(self, i: object) -> object:  # type: ignore[override]
            return counted(i)  # type: ignore[arg-type]

    again = encoder.encode(Watched(range(10)), "ten")  # type: ignore[arg-type]
    assert sorted(read) == [4, 5, 6, 7]
    assert all((first.codes[bits] == again.codes[bits]).all() for bits in LENGTHS)
    assert (first.features == again.features).all()
    other = encoder.encode(pictures[::-1], "another ten")
    assert (other.codes[16] == first.codes[16][::-1]).all()
