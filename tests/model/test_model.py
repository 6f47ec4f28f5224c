"""Model directories: the codes of the graph are those of the network, and nothing damaged is used."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from PIL import Image

import transhash
from transhash import Library
from transhash.codes import pack
from transhash.errors import ImageError, ModelError
from transhash.model import HashModel
from transhash.nn.mgvt import MGVT, HashConfig
from transhash.nn.preprocessing import normalise
from transhash.nn.vit import ViTConfig
from transhash.training.export import export_model, load_network

NEAR_ZERO = 1e-4  # a relaxed code this small may have either sign


def network(**changes: object) -> MGVT:
    settings: dict[str, object] = {"image_size": 30, "patch_size": 7, "dim": 32, "depth": 3, "heads": 4, "mlp_dim": 48}
    hashing = {name: changes.pop(name) for name in ("bits", "groups", "drop_remainder") if name in changes}
    torch.manual_seed(0)
    made = MGVT(HashConfig(ViTConfig(**{**settings, **changes}), **{"bits": 32, **hashing}))
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return made.eval()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> HashModel:
    return export_model(network(), tmp_path_factory.mktemp("model"), "tiny", {"note": "for tests"})


def pictures(number: int, side: int = 30) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 256, (number, side, side, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"groups": 0},
        {"groups": 3, "bits": 48},
        {"drop_remainder": True, "groups": 3, "bits": 24},
        {"layer_scale": True},
        {"image_size": 28},
        {"norm_eps": 0.01},
    ],
)
def test_the_graph_gives_the_codes_of_the_network(changes: dict[str, object], tmp_path: Path) -> None:
    made = export_model(network(**changes), tmp_path, "tiny", {})
    images = pictures(50)[:, : made.image_size, : made.image_size]
    with torch.no_grad():
        h = load_network(tmp_path)(normalise(images)).numpy()
    np.testing.assert_allclose(made.values(images), h, atol=NEAR_ZERO)
    differ = np.unpackbits(made.encode(images) ^ pack(h), axis=1).astype(bool)
    assert not (differ & (np.abs(h) > NEAR_ZERO)).any()
    onnx.checker.check_model(str(tmp_path / "model.onnx"))


def test_storing_weights_in_eight_bits_moves_few_bits_of_the_code(tmp_path: Path) -> None:
    made = network()
    images = pictures(200)
    with torch.no_grad():
        h = made(normalise(images)).numpy()
    stored = export_model(made, tmp_path, "tiny", {})
    assert np.unpackbits(stored.encode(images) ^ pack(h), axis=1).mean() < 0.02


def test_every_kind_of_source_gives_one_code(model: HashModel, tmp_path: Path) -> None:
    image = Image.fromarray(pictures(1, 64)[0])
    image.save(tmp_path / "a.png")
    data = io.BytesIO()
    image.save(data, "PNG")
    codes = model.encode([tmp_path / "a.png", str(tmp_path / "a.png"), data.getvalue(), image, np.asarray(image)])
    assert codes.shape == (5, 4)
    assert (codes == codes[0]).all()


def test_order_is_kept_over_batches_and_threads(model: HashModel) -> None:
    images = pictures(101)
    one_by_one = np.concatenate([model.encode([image]) for image in images])
    batches = list(model.stream(images, batch_size=7, threads=4))
    assert [len(batch) for batch in batches] == [7] * 14 + [3]
    np.testing.assert_array_equal([encoded.code for batch in batches for encoded in batch], one_by_one)


def test_failures_are_reported_and_the_rest_goes_on(model: HashModel, tmp_path: Path) -> None:
    Image.fromarray(pictures(1, 40)[0]).resize((50, 40)).save(tmp_path / "good.png")
    (tmp_path / "bad.jpg").write_bytes(b"not a picture at all, but long enough")
    names = ["good.png", "bad.jpg", "missing.png", "good.png"]
    [batch] = model.stream(names, source=lambda name: tmp_path / name)
    assert [encoded.item for encoded in batch] == names
    assert [encoded.error is None for encoded in batch] == [True, False, False, True]
    assert (batch[0].width, batch[0].height) == (50, 40)
    assert batch[1].code is None
    np.testing.assert_array_equal(batch[0].code, batch[3].code)
    with pytest.raises(ImageError, match=r"bad\.jpg: not a picture"):
        model.encode([tmp_path / name for name in names])


def test_one_picture_where_several_are_expected_is_named(model: HashModel) -> None:
    for one in ("a.jpg", Path("a.jpg"), b"JPEG"):
        with pytest.raises(ModelError, match="give a list"):
            model.encode(one)


def test_nothing_in_nothing_out(model: HashModel) -> None:
    assert model.encode([]).shape == (0, 4)
    assert model.encode([]).dtype == np.uint8


def test_memory_is_bounded_by_a_window(model: HashModel) -> None:
    taken = 0

    def endless():
        nonlocal taken
        while True:
            taken += 1
            yield pictures(1)[0]

    stream = model.stream(endless(), batch_size=4, threads=2)
    next(stream)
    stream.close()
    assert taken <= 4 * 2 * 2


def test_a_batch_of_nothing_is_refused(model: HashModel) -> None:
    with pytest.raises(ValueError, match="give 1 or more"):
        next(model.stream(pictures(3), batch_size=0))


def test_codes_are_the_signs_of_the_values(model: HashModel) -> None:
    images = pictures(20)
    np.testing.assert_array_equal(model.encode(images), pack(model.values(images)))


def test_the_crop_is_what_the_model_sees(tmp_path: Path) -> None:
    made = network()
    image = pictures(1, 80)[0]
    narrow = export_model(made, tmp_path / "a", "tiny", {}, crop=0.5)
    whole = export_model(made, tmp_path / "b", "tiny", {})
    np.testing.assert_allclose(narrow.values([image]), whole.values([image[20:60, 20:60]]), atol=0.02)  # edges
    assert narrow.fingerprint != whole.fingerprint


def test_a_fingerprint_is_of_the_content(model: HashModel, tmp_path: Path) -> None:
    shutil.copytree(model.folder, tmp_path / "copy")
    assert HashModel(tmp_path / "copy").fingerprint == model.fingerprint
    other = network()
    other.global_hash.bias.data += 0.1
    assert export_model(other, tmp_path / "other", "tiny", {}).fingerprint != model.fingerprint


def _remove(folder: Path, name: str) -> None:
    (folder / name).unlink()


def _alter(folder: Path, name: str) -> None:
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)


def _cut(folder: Path, name: str) -> None:
    (folder / name).write_bytes((folder / name).read_bytes()[:-100])


@pytest.mark.parametrize("name", ["model.safetensors", "model.onnx"])
@pytest.mark.parametrize(("harm", "words"), [(_remove, "has no"), (_alter, "checksum"), (_cut, "checksum")])
def test_a_damaged_model_is_one_sentence(harm, words: str, name: str, model: HashModel, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(model.folder, folder)
    harm(folder, name)
    with pytest.raises(ModelError, match=words) as caught:
        HashModel(folder)
    assert name in str(caught.value)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": 2}, "update transhash"),
        ({"format": "1"}, "not the settings"),
        ({"bits": None}, "not the settings"),
        ({"bits": 64}, "not the settings"),
        ({"bits": "32"}, "not the settings"),
        ({"image_size": 70}, "not the settings"),
        ({"crop": "all"}, "not the settings"),
        ({"crop": 0}, "not the settings"),
        ({"name": 3}, "not the settings"),
        ({"network": {}}, "not the settings"),
        ({"sha256": None}, "not the settings"),
        ({"sha256": []}, "not the settings"),
        ({"sha256": {}}, "checksum"),
    ],
)
def test_settings_of_another_kind(change: dict[str, object], words: str, model: HashModel, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(model.folder, folder)
    config = json.loads((folder / "config.json").read_text())
    config = {name: value for name, value in {**config, **change}.items() if value is not None}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match=words):
        HashModel(folder)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff\xfe"])
def test_settings_that_are_none(content: bytes, model: HashModel, tmp_path: Path) -> None:
    shutil.copytree(model.folder, tmp_path / "model")
    (tmp_path / "model" / "config.json").write_bytes(content)
    with pytest.raises(ModelError, match="not the settings"):
        HashModel(tmp_path / "model")


@pytest.mark.parametrize("change", [{"groups": 4}, {"groups": 5}, {"colour": True}, {"vit": {"image_size": 30}}])
def test_a_network_that_is_not_that_of_the_weights(change, model: HashModel, tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(model.folder, folder)
    config = json.loads((folder / "config.json").read_text())
    config["network"] |= change
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ModelError, match="not of the network") as caught:
        load_network(folder)
    assert "\n" not in str(caught.value)


def test_weights_that_are_not_finite_are_no_model(model: HashModel, tmp_path: Path) -> None:
    made = network()
    made.global_hash.weight.data[0, 0] = float("nan")
    shutil.copytree(model.folder, tmp_path / "model")
    with pytest.raises(ModelError, match=r"tiny: global_hash\.weight is not finite"):
        export_model(made, tmp_path / "model", "tiny", {})
    assert HashModel(tmp_path / "model").fingerprint == model.fingerprint


def test_a_name_that_is_no_model_lists_those_there_are() -> None:
    with pytest.raises(ModelError, match="vits14-photographs"):
        transhash.load("resnet50")


def test_a_folder_that_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no model here"):
        transhash.load(tmp_path)


def test_the_shipped_model_tells_the_example_pictures_apart() -> None:
    examples = sorted((Path(__file__).parents[2] / "examples" / "pictures").glob("*/*.jpg"))
    labels = np.unique([path.parent.name for path in examples], return_inverse=True)[1]
    codes = transhash.load().encode_lengths(examples)
    quality = {bits: transhash.evaluate(code, labels, code, labels).map for bits, code in codes.items()}
    assert quality[16] < quality[64] < quality[128]
    assert quality[64] > 0.7  # a tenth are alike


def test_the_readme_shows_what_the_demo_prints(tmp_path: Path) -> None:
    root = Path(__file__).parents[2]
    shutil.copytree(root / "examples" / "pictures", tmp_path / "examples" / "pictures")
    with Library.create(tmp_path / "library", transhash.load()) as library:
        library.index(tmp_path / "examples" / "pictures")
        found = library.search(tmp_path / "examples" / "pictures" / "truck" / "truck-01.jpg", k=5)
    shown = [
        f"{hit.distance:4}  {hit.probability:5.0%}  {hit.path.relative_to(tmp_path).as_posix()}" for hit in found[1:]
    ]
    assert "\n".join(shown) in (root / "README.md").read_text("utf-8")
