"""Several code lengths out of one pass: each is what a model of that length alone would give."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import transhash
from transhash.codes import pack, unpack
from transhash.data.sets import Images, ImageSet
from transhash.errors import LibraryError, ModelError, RecipeError
from transhash.library import Library
from transhash.model import HashModel
from transhash.model import fit as fitting
from transhash.model.calibration import Calibration, fit
from transhash.nn.mgvt import MGVT, HashConfig, branch_bits
from transhash.nn.preprocessing import normalise
from transhash.nn.vit import ViTConfig
from transhash.training.calibrate import calibrate
from transhash.training.export import export_model, load_network

SHAPE = ViTConfig(image_size=28, patch_size=7, dim=32, depth=2, heads=4, mlp_dim=48)
LENGTHS = (16, 32, 48)


def network(groups: int = 2) -> MGVT:
    torch.manual_seed(0)
    made = MGVT(HashConfig(SHAPE, 32, groups, lengths=LENGTHS))
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return made.eval()


def alone(many: MGVT, bits: int) -> MGVT:
    """A network of one length with the same streams and that length's rows of every hash layer."""
    config = many.config
    one = MGVT(replace(config, bits=bits, lengths=())).eval()
    state = many.state_dict()
    own = branch_bits(bits, config.groups)
    before = [branch_bits(length, config.groups) for length in config.lengths if length < bits]
    for layer, size in enumerate(own):
        name = "global_hash" if layer == 0 else f"local_hash.{layer - 1}"
        start = sum(branch[layer] for branch in before)
        for what in ("weight", "bias"):
            state[f"{name}.{what}"] = state[f"{name}.{what}"][start : start + size]
    one.load_state_dict(state)
    return one


def pictures(number: int) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 256, (number, 28, 28, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> HashModel:
    return export_model(network(), tmp_path_factory.mktemp("lengths"), "many", {"measured": {"speed": "fast"}})


@pytest.mark.parametrize("groups", [0, 1, 2])
def test_each_length_is_that_of_a_network_of_its_own(groups: int) -> None:
    many = network(groups)
    x = normalise(pictures(9))
    with torch.no_grad():
        for bits, h in zip(LENGTHS, many(x).split(LENGTHS, dim=1), strict=True):
            torch.testing.assert_close(h, alone(many, bits)(x))


@pytest.mark.parametrize("bits", LENGTHS)
def test_the_graph_gives_each_length_of_the_network(bits: int, model: HashModel) -> None:
    images = pictures(20)
    with torch.no_grad():
        h = alone(load_network(model.folder), bits)(normalise(images)).numpy()
    chosen = transhash.load(model.folder, bits)
    assert (chosen.bits, chosen.lengths) == (bits, LENGTHS)
    np.testing.assert_allclose(chosen.values(images), h, atol=1e-4)
    np.testing.assert_array_equal(chosen.encode(images), pack(chosen.values(images)))
    np.testing.assert_array_equal(model.encode_lengths(images)[bits], chosen.encode(images))
    np.testing.assert_array_equal(model.at(bits).values(images), chosen.values(images))
    np.testing.assert_array_equal(chosen.read(images), chosen.values(images))
    np.testing.assert_array_equal(np.concatenate(chosen.parts(images), axis=1), chosen.read(images))


def test_nothing_at_every_length(model: HashModel) -> None:
    assert {bits: codes.shape for bits, codes in model.encode_lengths([]).items()} == {
        bits: (0, bits // 8) for bits in LENGTHS
    }


def test_a_length_is_chosen_for_those_who_do_not(model: HashModel) -> None:
    assert transhash.load(model.folder).bits == 32


def test_a_length_that_is_not_there_names_those_that_are(model: HashModel) -> None:
    for ask in (lambda: transhash.load(model.folder, 24), lambda: model.at(64)):
        with pytest.raises(ModelError, match="only of 16, 32, 48"):
            ask()


def test_a_fingerprint_is_of_one_length(model: HashModel) -> None:
    prints = {transhash.load(model.folder, bits).fingerprint for bits in LENGTHS}
    assert len(prints) == 3
    assert model.at(48).fingerprint == transhash.load(model.folder, 48).fingerprint


def test_each_length_has_its_own_calibration(model: HashModel, tmp_path: Path) -> None:
    shutil.copytree(model.folder, tmp_path / "model")
    opened = HashModel(tmp_path / "model")
    assert opened.calibration is None
    for bits in (16, 48):
        chosen = HashModel(opened.folder)
        chosen.calibrate({bits: Calibration(0.5, float(bits), 2.0, 10, "test")})
    gammas = [c and c.gamma for c in (HashModel(opened.folder, bits).calibration for bits in LENGTHS)]
    assert gammas == [16.0, None, 48.0]


def test_every_length_is_calibrated_on_its_own_codes(model: HashModel) -> None:
    squares = pictures(12)
    labels = np.repeat(np.arange(3), 4)
    images = ImageSet("made", Images(list(squares)), labels, ("a", "b", "c"), training=12)
    fitted = calibrate(model, images, np.arange(12))
    one, other = np.triu_indices(12, 1)
    for bits in LENGTHS:
        code = unpack(model.at(bits).encode(squares), bits)
        distance = (code[one] != code[other]).sum(axis=1)
        counts = [
            np.bincount(distance[kind], minlength=bits + 1) for kind in (labels[one] == labels[other], slice(None))
        ]
        assert fitted.distances[bits] == fit(*counts, "made")


def test_a_model_made_before_there_were_lengths(model: HashModel, tmp_path: Path) -> None:
    made = export_model(alone(network(), 32), tmp_path, "one", {})
    config = json.loads((tmp_path / "config.json").read_text())
    del config["network"]["lengths"]
    config["calibration"] = Calibration(0.5, 3.0, 2.0, 10, "test").to_dict()
    (tmp_path / "config.json").write_text(json.dumps(config))
    older = HashModel(tmp_path)
    assert (older.lengths, older.fingerprint) == ((32,), made.fingerprint)
    assert older.calibration == Calibration(0.5, 3.0, 2.0, 10, "test")
    with torch.no_grad():
        np.testing.assert_allclose(
            older.values(pictures(3)), load_network(tmp_path)(normalise(pictures(3))).numpy(), atol=1e-4
        )


@pytest.mark.parametrize("lengths", [[32, 16], [16], [16, 16, 32], ["16", 32], [-16, 32]])
def test_lengths_that_cannot_be(lengths: list[object], model: HashModel, tmp_path: Path) -> None:
    shutil.copytree(model.folder, tmp_path / "model")
    config = json.loads((tmp_path / "model" / "config.json").read_text())
    config["network"]["lengths"] = lengths
    (tmp_path / "model" / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match="not the settings"):
        HashModel(tmp_path / "model")


@pytest.mark.parametrize("lengths", [(32, 16), (16, 48), (32, 32)])
def test_a_network_checks_its_lengths(lengths: tuple[int, ...]) -> None:
    with pytest.raises(RecipeError, match="must ascend and contain bits"):
        MGVT(HashConfig(SHAPE, 32, lengths=lengths))


def test_a_fitted_model_has_the_length_that_it_was_fitted_to(model: HashModel, tmp_path: Path) -> None:
    model.calibrate({model.bits: Calibration(0.5, 3.0, 2.0, 10, "test")})
    fitted = fitting.fit(model, list(pictures(60)), 24, tmp_path / "fitted")
    assert (fitted.bits, fitted.lengths, fitted.calibration) == (24, (24,), None)
    assert fitted.encode(pictures(2)).shape == (2, 3)


def test_a_library_keeps_its_length(model: HashModel, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    for number, pixels in enumerate(pictures(5)):
        Image.fromarray(pixels).save(tmp_path / "photos" / f"{number}.png")
    with Library.create(tmp_path / "library", transhash.load(model.folder, 48)) as library:
        library.index(tmp_path / "photos")
    with Library.open(tmp_path / "library") as library:  # finds its model by itself, at the right length
        assert (library.bits, library.model.bits) == (48, 48)
        assert library.search(tmp_path / "photos" / "3.png", k=1)[0].distance == 0
    with pytest.raises(LibraryError, match="cannot be compared"):
        Library.open(tmp_path / "library", model)
