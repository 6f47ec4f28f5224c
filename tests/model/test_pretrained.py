"""Checkpoints of the Hugging Face hub as encoders, on tiny ones that transformers makes here."""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from checkpoints import PROCESSORS, model_of, save
from collection import draw
from transhash import Library, load, load_encoder
from transhash.errors import ModelError
from transhash.library import Words
from transhash.model import Embedder
from transhash.model.foreign import fit_encoder
from transhash.model.hub import PretrainedEncoder, open_pretrained
from transhash.model.preprocessing import Preprocessing

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    logging.getLogger("transformers").setLevel(logging.ERROR)
    root = tmp_path_factory.mktemp("checkpoints")
    for kind in PROCESSORS:
        save(kind, root / kind)
    return root


@pytest.fixture(scope="module")
def images() -> list[Image.Image]:
    random = np.random.default_rng(0)
    sizes = [(50, 40), (40, 57), (33, 33), (20, 90), (12, 12)]
    smooth = [random.integers(0, 256, (6, 6, 3), dtype=np.uint8) for _ in sizes]
    return [
        Image.fromarray(each).resize(size, Image.Resampling.BICUBIC) for each, size in zip(smooth, sizes, strict=True)
    ]


@pytest.mark.parametrize("kind", [kind for kind, (name, _) in PROCESSORS.items() if name])
def test_pictures_are_prepared_as_transformers_does(kind: str, checkpoints: Path, images: list[Image.Image]) -> None:
    processor = getattr(transformers, PROCESSORS[kind][0] or "").from_pretrained(checkpoints / kind)
    prepare = Preprocessing.read(checkpoints / kind)
    for image in images:
        theirs = processor(image, return_tensors="np")["pixel_values"][0]
        np.testing.assert_allclose(prepare([image])[0], theirs, atol=1e-5)


@pytest.mark.parametrize("size", [224, 384])
def test_convnext_crops_small_pictures_alone(size: int, images: list[Image.Image]) -> None:
    settings = {"size": {"shortest_edge": size}, "crop_pct": 0.875, "resample": 3}
    theirs = transformers.ConvNextImageProcessorPil(**settings)(images[0], return_tensors="np")["pixel_values"][0]
    np.testing.assert_allclose(Preprocessing.of(settings)([images[0]])[0], theirs, atol=1e-5)


@pytest.mark.parametrize("kind", PROCESSORS)
def test_vectors_are_those_of_the_model(kind: str, checkpoints: Path, images: list[Image.Image]) -> None:
    encoder = open_pretrained(checkpoints / kind)
    pixels = torch.from_numpy(Preprocessing.read(checkpoints / kind)(images))
    with torch.no_grad():
        model = model_of(kind).eval()
        if kind in ("clip", "siglip"):
            said = model.vision_model(pixels).pooler_output
            expected = model.visual_projection(said) if kind == "clip" else said
        elif kind == "convnext":
            expected = model(pixels).pooler_output
        else:
            expected = model(pixels).last_hidden_state[:, 0]
    found = encoder.encode(images)
    assert found.shape == (len(images), encoder.dim)
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-5)


@pytest.mark.parametrize("kind", ["clip", "siglip"])
def test_texts_are_those_of_the_text_tower(kind: str, checkpoints: Path) -> None:
    encoder: Any = open_pretrained(checkpoints / kind)
    ids = [[3, 6, 8, 7, 1], [5, 1]]  # red car in snow; blue
    width = 12 if kind == "siglip" else 5
    padded = torch.tensor([each + [0] * (width - len(each)) for each in ids])
    with torch.no_grad():
        model = model_of(kind).eval()
        said = model.text_model(padded).pooler_output
        expected = model.text_projection(said) if kind == "clip" else said
    found = encoder.encode_texts(["red car in snow", "blue"])
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-5)
    assert encoder.encode_texts(["red " * 50]).shape == (1, encoder.dim)


def test_a_library_finds_it_again_and_takes_words(checkpoints: Path, tmp_path: Path) -> None:
    for number in range(6):
        draw(tmp_path / "photos" / f"{number}.png", number)
    encoder = load_encoder(checkpoints / "clip", 16)
    assert (encoder.name, encoder.bits) == ("clip", 16)
    with Library.create(tmp_path / "photos" / ".transhash", encoder) as library:
        library.index(tmp_path / "photos")
    with Library.open(tmp_path / "photos") as again:
        assert again.search(tmp_path / "photos" / "3.png", 1)[0].path.name == "3.png"
        assert len(again.search(Words("red car"), 6)) == 6


def test_words_need_a_model_with_a_text_tower(checkpoints: Path, tmp_path: Path) -> None:
    draw(tmp_path / "photos" / "0.png", 0)
    with Library.create(tmp_path / "photos" / ".transhash", load_encoder(checkpoints / "vit")) as library:
        library.index(tmp_path / "photos")
        with pytest.raises(ModelError, match="no text tower"):
            library.search(Words("red"))


@pytest.fixture
def cached(checkpoints: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A repository in the hub's cache, as huggingface_hub lays it out, and no network."""
    from huggingface_hub import constants

    commit = "0123456789abcdef0123456789abcdef01234567"
    root = tmp_path / "hub" / "models--someone--tiny-vit"
    (root / "refs").mkdir(parents=True)
    (root / "refs" / "main").write_text(commit)
    shutil.copytree(checkpoints / "vit", root / "snapshots" / commit)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return commit


def test_a_repository_is_read_from_the_hub_s_cache(cached: str, tmp_path: Path) -> None:
    encoder = load_encoder("someone/tiny-vit")
    assert isinstance(encoder, Embedder)
    assert isinstance(encoder.encoder, PretrainedEncoder)
    assert encoder.name == f"someone/tiny-vit@{cached[:12]}"
    assert encoder.encoder.folder.name == cached  # the commit, which a library remembers
    assert load_encoder("someone/tiny-vit", revision=cached).fingerprint == encoder.fingerprint
    with pytest.raises(
        ModelError, match="someone/else: no model directory, nor in the hub's cache, and the hub cannot be reached"
    ):
        load_encoder("someone/else")


@pytest.fixture(scope="module")
def timm_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A ViT as timm saves it: its names of tensors, and its settings."""
    from safetensors.torch import save_file

    from transhash.nn.vit import ViT, ViTConfig

    torch.manual_seed(0)
    network = ViT(ViTConfig(image_size=32, patch_size=8, dim=24, depth=2, heads=3, mlp_dim=48))
    for each in network.parameters():
        torch.nn.init.normal_(each, std=0.1)
    folder = tmp_path_factory.mktemp("timm") / "vit_tiny_patch8_32"
    folder.mkdir()
    save_file({**network.state_dict(), "head.weight": torch.zeros(5, 24)}, folder / "model.safetensors")
    cfg = {"input_size": [3, 32, 32], "interpolation": "bicubic", "crop_pct": 0.9, "mean": [0.5] * 3, "std": [0.5] * 3}
    said = {
        "architecture": "vit_tiny_patch8_32",
        "num_classes": 5,
        "pretrained_cfg": cfg,
        "model_args": {"num_heads": 3},
    }
    (folder / "config.json").write_text(json.dumps(said))
    return folder


def test_timm_s_checkpoints_are_encoders(timm_folder: Path, images: list[Image.Image]) -> None:
    """Their preprocessing, by torchvision's definitions: the shorter side to 32 / 0.9, the middle, (x - .5) / .5."""
    from transhash.nn.vit import ViT, ViTConfig

    network = ViT(ViTConfig(image_size=32, patch_size=8, dim=24, depth=2, heads=3, mlp_dim=48))
    from safetensors.torch import load_file

    state = load_file(timm_folder / "model.safetensors")
    del state["head.weight"]
    network.load_state_dict(state)
    square = [image.resize((35, 35), Image.Resampling.BICUBIC) for image in images[2:3]]  # 33 × 33 becomes 35 × 35
    pixels = np.stack([(np.asarray(each, np.float32)[1:33, 1:33] / 255 - 0.5) / 0.5 for each in square])
    expected = network(torch.from_numpy(pixels.transpose(0, 3, 1, 2).copy())).detach()[:, 0]
    encoder = load_encoder(timm_folder)
    assert isinstance(encoder, Embedder)
    np.testing.assert_allclose(encoder.pictures(images[2:3]), expected, atol=1e-4)


@pytest.mark.parametrize("kind", [*PROCESSORS, "timm"])
def test_a_checkpoint_is_fitted_to_pictures(kind: str, checkpoints: Path, timm_folder: Path, tmp_path: Path) -> None:
    pictures = [draw(tmp_path / "photos" / f"{number}.png", number) for number in range(30)]
    base = load_encoder(timm_folder if kind == "timm" else checkpoints / kind)
    assert isinstance(base, Embedder)
    made = fit_encoder(base, pictures, 16, tmp_path / "mine")
    fitted = load_encoder(tmp_path / "mine")
    assert isinstance(fitted, Embedder)
    assert made.fingerprint == fitted.fingerprint
    assert (fitted.bits, fitted.reads_texts) == (16, kind in ("clip", "siglip"))
    opened = [Image.open(each).convert("RGB") for each in pictures[:4]]
    np.testing.assert_allclose(fitted.pictures(opened), base.pictures(opened), atol=5e-3)
    with Library.create(tmp_path / "photos" / ".transhash", fitted) as library:
        library.index(tmp_path / "photos")
    with Library.open(tmp_path / "photos") as again:
        assert again.search(pictures[3], 1)[0].distance == 0
        if fitted.reads_texts:
            assert len(again.search(Words("red car"), 6)) == 6
    (tmp_path / "mine" / "vision.onnx").write_bytes(b"other")
    with pytest.raises(ModelError, match="not a fitted model that is whole"):
        load_encoder(tmp_path / "mine")


def test_fingerprints_tell_weights_and_preprocessing_apart(checkpoints: Path, tmp_path: Path) -> None:
    names = {kind: open_pretrained(checkpoints / kind).fingerprint for kind in PROCESSORS}
    assert len(set(names.values())) == len(names)
    shutil.copytree(checkpoints / "vit", tmp_path / "other")
    path = tmp_path / "other" / "preprocessor_config.json"
    assert open_pretrained(tmp_path / "other").fingerprint == names["vit"]
    path.write_text(json.dumps({**json.loads(path.read_text()), "resample": 3}))
    assert open_pretrained(tmp_path / "other").fingerprint != names["vit"]


def test_no_code_of_a_model_is_run(checkpoints: Path, tmp_path: Path) -> None:
    folder = tmp_path / "evil"
    shutil.copytree(checkpoints / "vit", folder)
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "evil", "auto_map": {"AutoModel": "evil.Evil", "AutoConfig": "evil.EvilConfig"}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\n")
    with pytest.raises(ModelError, match="transformers cannot open it"):
        load_encoder(folder)
    assert not (tmp_path / "ran").exists()


def test_what_is_no_checkpoint_is_a_sentence(checkpoints: Path, tmp_path: Path) -> None:
    shutil.copytree(checkpoints / "vit", tmp_path / "a")
    (tmp_path / "a" / "preprocessor_config.json").unlink()
    with pytest.raises(ModelError, match="there is no preprocessor_config"):
        load_encoder(tmp_path / "a")
    shutil.copytree(checkpoints / "vit", tmp_path / "b")
    (tmp_path / "b" / "preprocessor_config.json").write_text('{"size": {"depth": 3}}')
    with pytest.raises(ModelError, match="not settings of pictures"):
        load_encoder(tmp_path / "b")
    (tmp_path / "b" / "model.safetensors").unlink()
    with pytest.raises(ModelError, match="no weights in safetensors"):
        load_encoder(tmp_path / "b")
    with pytest.raises(ModelError, match="neither a model directory"):
        load_encoder("nothing-here")
    with pytest.raises(ModelError, match="no revision v2"):
        load_encoder(tmp_path, revision="v2")


def test_a_checkpoint_is_no_model_of_codes(checkpoints: Path) -> None:
    with pytest.raises(ModelError, match=r"a checkpoint, .*; use it with `transhash index --model`"):
        load(checkpoints / "clip")
    with pytest.raises(ModelError, match=r"one of the Hugging Face hub is named OWNER/NAME"):
        load("owner/name")


def test_models_of_ours_are_loaded_as_ever() -> None:
    assert load_encoder(bits=32).bits == 32
