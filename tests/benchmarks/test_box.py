"""How the model in the box is made: on small data every stage runs, and each part does what it says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps
from safetensors.torch import save_file
from torch.nn import functional

import transhash
from benchmarks.photographs import peers
from benchmarks.photographs.box import codes, judging, learning, likenesses, pictures, squares, stages
from benchmarks.photographs.box.views import SIZE, VIEWS, view
from transhash.codes import pack
from transhash.model.fitted import embedding
from transhash.nn.vit import ViT, ViTConfig


def square(seed: int) -> np.ndarray:
    """A picture of some blobs."""
    blobs = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), np.uint8)
    return np.asarray(Image.fromarray(blobs).resize((pictures.SIZE, pictures.SIZE), Image.Resampling.BICUBIC))


@pytest.mark.parametrize("kind", [None, *VIEWS])
def test_a_view_is_drawn_by_its_seed_and_is_as_large_as_the_network_reads(kind: str | None) -> None:
    one, again, other = (view(square(0), np.random.default_rng(seed), kind) for seed in (1, 1, 2))
    assert one.shape == (SIZE, SIZE, 3)
    assert one.dtype == np.uint8
    np.testing.assert_array_equal(one, again)
    assert (one != other).any()


def test_a_sketch_has_no_colour_and_is_mostly_white() -> None:
    drawn = np.stack([view(square(seed), np.random.default_rng(seed), "sketch") for seed in range(8)])
    assert (drawn[..., 0] == drawn[..., 1]).all()
    assert np.median(drawn) > 200


def test_a_repeat_is_found_smaller_brighter_and_mirrored_and_another_picture_is_none() -> None:
    known = pictures.blocks(np.stack([square(seed) for seed in range(20)]))
    small = Image.fromarray(square(3)).resize((80, 80)).resize((pictures.SIZE, pictures.SIZE))
    asked = np.stack([np.asarray(small), square(5)[:, ::-1], square(7) // 2 + 60, square(99)])
    assert pictures.repeats(pictures.blocks(asked), known).tolist() == [True, True, True, False]


def test_a_cut_is_the_rectangle_that_pillow_cuts_and_mirrors() -> None:
    one = torch.from_numpy(square(1).copy())[None]
    box = torch.tensor([[0.25, 0.125, 0.5, 0.75]])
    found = squares.cut(one, box, 60, torch.tensor([True]))[0].permute(1, 2, 0)
    side = pictures.SIZE
    place = (0.25 * side, 0.125 * side, 0.75 * side, 0.875 * side)
    asked = ImageOps.mirror(Image.fromarray(square(1)).resize((60, 60), Image.Resampling.BILINEAR, box=place))
    assert (found - torch.from_numpy(np.array(asked, np.float32))).abs().mean() < 3


def test_rectangles_lie_in_the_square_and_are_large_enough() -> None:
    boxes = squares.drawn(1000, 0.3, np.random.default_rng(0))
    assert boxes.min() >= 0
    assert (boxes[:, :2] + boxes[:, 2:]).max() <= 1 + 1e-6
    assert boxes[:, 2:].prod(axis=1).min() > 0.22  # one that is too long is cut off


def test_half_of_the_pictures_keep_their_light() -> None:
    images = torch.from_numpy(square(2).copy()).permute(2, 0, 1).float()[None].expand(400, -1, -1, -1)
    found = squares.lit(images, torch.from_numpy(squares.light(400, np.random.default_rng(0))))
    same = ((found - images).abs().amax((1, 2, 3)) < 0.01).float().mean()
    assert 0.35 < same < 0.55


def test_likeness_diverges_by_nothing_from_itself_and_labels_pull_their_pictures_together() -> None:
    vectors = functional.normalize(torch.randn(12, 5, generator=torch.Generator().manual_seed(0)), dim=1)
    sets, classes = torch.zeros(12, dtype=torch.int64), torch.arange(12) % 3
    asked = likenesses.pairs(sets, classes)
    assert float(likenesses.divergence(vectors, likenesses.distributions(vectors))) == pytest.approx(0, abs=1e-6)
    apart = functional.normalize(torch.eye(5)[classes] + 0.01 * vectors, dim=1)
    assert likenesses.contrast(apart, asked) < likenesses.contrast(vectors, asked)
    nothing_known = likenesses.pairs(sets, torch.full((12,), -1))
    assert float(likenesses.contrast(vectors, nothing_known)) == 0


def test_hash_layers_learn_to_leave_out_what_differs_within_a_class() -> None:
    random = np.random.default_rng(0)
    kind = random.integers(0, 40, 900)
    both = np.hstack([random.normal(size=(40, 32))[kind], 1.3 * random.normal(size=(900, 32))])
    kept = embedding(both + 0.3 * random.normal(size=(900, 64)))
    shown = np.arange(0, 700, 3)
    seen = codes.Seen(kept[:700], kept[shown], shown, np.zeros(700, np.int64), kind[:700])
    told: list[int] = []

    def quality(steps: int) -> float:
        torch.manual_seed(0)
        layers = codes.learn(seen, (16, 32), codes.Settings(32, steps, 128), lambda step, _: told.append(step))
        return judging.general({"others": (kept[700:], kind[700:])}, lambda some: pack(layers.values(some)[:, :16]))

    first, last = quality(1), quality(400)
    assert told == [1, 400]
    assert last > first + 0.3


def test_every_stage_runs_and_what_ships_reads_pictures_and_tells_probabilities(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    network = ViT(ViTConfig(image_size=SIZE, patch_size=14, dim=192, depth=12, heads=3, mlp_dim=384))
    save_file({key: value.contiguous() for key, value in network.state_dict().items()}, tmp_path / "vit.safetensors")
    for part, count in (("train", 140), ("val", 90)):
        for number in range(count):
            place = tmp_path / f"photographs/imagenette/{part}/kind-{number % 3}"
            place.mkdir(parents=True, exist_ok=True)
            Image.fromarray(square(1000 * (part == "val") + number)).save(place / f"{number}.png")

    def teacher(kind: int, device: torch.device) -> Callable[[torch.Tensor], torch.Tensor]:
        assert (kind, device.type) == (2, "cpu")
        return lambda images: functional.adaptive_avg_pool2d(images, 14).flatten(1)

    monkeypatch.setattr(peers, "teacher", teacher)
    monkeypatch.setattr(stages, "SHARES", stages.SHARES[-1:])
    monkeypatch.setattr(stages, "POWERS", stages.POWERS[-1:])
    work = tmp_path / "work"
    pictures.pack(tmp_path / "photographs", work / "packed")
    how = learning.Settings(minutes=0.002, batch=16)
    stages.learn(work, tmp_path / "vit.safetensors", torch.device("cpu"), how)
    stages.ship(work, tmp_path / "made", codes.Settings(hidden=8, steps=2, batch=16))
    model = transhash.load(tmp_path / "made")
    assert model.lengths == (16, 32, 48, 64, 128)
    found = model.encode_lengths([tmp_path / "photographs/imagenette/val/kind-0/0.png"])
    assert {bits: code.shape for bits, code in found.items()} == {bits: (1, bits // 8) for bits in model.lengths}
    assert model.likeness is not None
    assert model.calibration is not None
    assert sorted(path.name for path in (work / "packed").iterdir()) == ["choosing.parquet", "training-00.parquet"]


def test_the_sets_that_teach_are_listed_once_each_with_their_repositories() -> None:
    shipped, every = pictures.training(), pictures.training(more=True)
    assert len(shipped) == 28
    assert list(every)[:28] == list(shipped)
    assert all(part.classes in pictures.CLASSES and part.most > 0 for part in every.values())
    assert shipped["mini"] == pictures.Part("miniimagenet", "**/*.jpg", 24000, "folder", 5)
    for listed in (pictures.LISTED, pictures.MORE):
        rows = listed.read_text("utf-8").splitlines()
        assert len({row.partition(",")[0] for row in rows}) == len(rows)
