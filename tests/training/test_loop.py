"""The training loop on tiny pictures: it learns, and it resumes bit for bit."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from tiny_run import SHAPE, STILL, recipe
from transhash.data.augment import Augmentation
from transhash.data.protocols import split
from transhash.data.sets import Images, ImageSet
from transhash.errors import RecipeError
from transhash.losses import BayesianLoss, CroVCALoss
from transhash.losses.distillation import likeness
from transhash.nn.mgvt import MGVT, HashConfig
from transhash.nn.preprocessing import normalise
from transhash.training import loop, source
from transhash.training.loop import train
from transhash.training.optimizer import share_of_rate
from transhash.training.recipe import Recipe
from transhash.training.seeds import order, seed_everything
from transhash.training.source import Decoded
from transhash.training.tokens import TokenCache


def test_it_learns_and_keeps_a_history(place: Path, tmp_path: Path) -> None:
    trained = train(recipe(place, epochs=20, validation=0.3), tmp_path / "run")
    first, last = trained.history[0], trained.history[-1]
    assert last["loss"] < 0.8 * first["loss"]
    assert last["map"] > 0.9
    assert [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").open()] == trained.history
    assert Recipe.read(tmp_path / "run" / "run.yaml") == trained.recipe


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"freeze": 1, "cached_views": 2, "average": 0.9},
        {"optimizer": "sgd", "precision": "bfloat16"},
        {"precision": "float16"},
        {"lengths": (16, 32), "likeness": 3.0},
    ],
)
def test_a_run_broken_off_anywhere_continues_to_the_same_bits(
    changes: dict[str, object], place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(loop, "LOOK", 2)  # a checkpoint within an epoch, too
    wanted = recipe(place, **changes)
    whole = train(wanted, tmp_path / "whole").network.state_dict()
    for step in (1, 7, 11, 14):
        train(wanted, tmp_path / "parts", stop_at=step)
    parts = train(wanted, tmp_path / "parts")
    assert all(torch.equal(value, whole[name]) for name, value in parts.network.state_dict().items())
    assert parts.history == train(wanted, tmp_path / "whole").history
    assert not (tmp_path / "parts" / "tokens").exists()


def test_a_half_written_checkpoint_is_passed_over_and_a_damaged_one_named(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0.0)
    run = tmp_path / "run"
    whole = train(recipe(place), tmp_path / "whole").network.state_dict()
    train(recipe(place), run, stop_at=8)
    [saved] = run.glob("checkpoint-*")
    shutil.copytree(saved, run / "writing-9999999")
    (run / "writing-9999999" / "network.safetensors").write_bytes(b"half")
    again = train(recipe(place), run).network.state_dict()
    assert all(torch.equal(value, whole[name]) for name, value in again.items())
    assert not list(run.glob("writing-*"))  # what a kill has left there is removed
    [saved] = run.glob("checkpoint-*")
    content = (saved / "optimizer.safetensors").read_bytes()
    (saved / "optimizer.safetensors").write_bytes(content[: len(content) // 2])
    with pytest.raises(RecipeError, match="remove this checkpoint"):
        train(recipe(place), run)


@pytest.mark.parametrize(
    "meta", ["{}", "[]", "null", '{"step": 6}', '{"step": "six", "history": []}', '{"step": 6, "history": 0}', "{", ""]
)
def test_a_checkpoint_that_does_not_say_where_it_is_is_named(
    meta: str, place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0.0)
    train(recipe(place), tmp_path / "run", stop_at=3)
    [saved] = (tmp_path / "run").glob("checkpoint-*")
    (saved / "meta.json").write_text(meta)
    with pytest.raises(RecipeError, match="remove this checkpoint"):
        train(recipe(place), tmp_path / "run")


def test_a_long_epoch_has_checkpoints_of_its_own(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(loop, "LOOK", 2)
    train(recipe(place), tmp_path, stop_at=2)  # of three
    assert [path.name for path in tmp_path.glob("checkpoint-*")] == ["checkpoint-0000002"]


def test_one_picture_held_out_is_not_measured(place: Path, tmp_path: Path) -> None:
    """Half of the validation images query the other half."""
    for number, count in enumerate((7, 4)):
        (tmp_path / "data" / str(number)).mkdir(parents=True)
        files = sorted((place / "data").glob(f"{('blue', 'red')[number]}/*"))[:count]
        for file in files:
            shutil.copy(file, tmp_path / "data" / str(number))
    trained = train(recipe(place, data=tmp_path / "data", validation=0.1, batch_size=2, epochs=1), tmp_path / "run")
    assert len(trained.held_out) == 1
    assert [entry.keys() for entry in trained.history] == [{"epoch", "loss"}]


def test_what_is_held_out_is_no_query_though_it_is_searched_or_among_the_training_images(
    place: Path, tmp_path: Path
) -> None:
    lines = [
        f"{each.relative_to(place / 'data')} {1 - n} {n}"
        for n in (0, 1)
        for each in sorted(place.glob(f"data/{('blue', 'red')[n]}/*"))
    ]
    (tmp_path / "lists").mkdir()
    for name, part in (("database", lines), ("train", lines[4:22]), ("test", lines[::2])):
        (tmp_path / "lists" / f"{name}.txt").write_text("\n".join(part))
    for color in ("blue", "red"):
        (tmp_path / color).symlink_to(place / "data" / color)
    wanted = recipe(place, dataset="lists", protocol="lists", data=tmp_path, validation=0.3, epochs=1)
    trained = train(wanted, tmp_path / "run")
    parts = split("lists", trained.images)
    assert len(trained.held_out) > 4
    assert not set(trained.held_out) & {*parts.query, *trained.seen}


def test_what_a_user_should_know_of_the_data_is_said_before_it_is_trained_on(place: Path, tmp_path: Path) -> None:
    shutil.copytree(place / "data", tmp_path / "data")
    (tmp_path / "data" / "alone").mkdir()
    shutil.copy(next(place.glob("data/*/*")), tmp_path / "data" / "alone")
    said: list[str] = []
    train(recipe(place, data=tmp_path / "data"), tmp_path / "run", say=said.append, stop_at=0)
    assert [sentence for sentence in said if "one picture" in sentence and "alone" in sentence]


@pytest.mark.parametrize(("warm_up", "is_said"), [(15, True), (14, False)])
def test_a_run_that_ends_within_its_warm_up_says_so(warm_up: int, is_said: bool, place: Path, tmp_path: Path) -> None:
    """Five epochs of three batches."""
    said: list[str] = []
    train(recipe(place, warmup_steps=warm_up), tmp_path / "run", say=said.append, stop_at=0)
    assert [sentence.startswith("all 15 steps of training") for sentence in said if "warm-up" in sentence] == (
        [True] if is_said else []
    )


def test_epochs_that_are_run_again_are_logged_once(place: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    train(recipe(place), run, stop_at=8)
    assert not list(run.glob("checkpoint-*"))  # none was due, so that the run starts again
    trained = train(recipe(place), run)
    assert [json.loads(line) for line in (run / "log.jsonl").open()] == trained.history


def test_frozen_blocks_do_not_move_and_the_others_do(place: Path, tmp_path: Path) -> None:
    before = train(recipe(place, freeze=1), tmp_path / "a", stop_at=0).network.state_dict()
    after = train(recipe(place, freeze=1), tmp_path / "b").network.state_dict()
    for name, value in after.items():
        frozen = name.startswith(("trunk.blocks.0.", "trunk.cls", "trunk.pos", "trunk.patch"))
        if frozen:
            assert torch.equal(value, before[name]), name
    moved = {name for name, value in after.items() if not torch.equal(value, before[name])}
    assert {"trunk.blocks.1.mlp.fc1.weight", "global_hash.weight", "local_block.attn.qkv.weight"} <= moved


def test_every_length_learns(place: Path, tmp_path: Path) -> None:
    trained = train(recipe(place, lengths=(16, 32), epochs=20, validation=0.3), tmp_path / "run")
    assert trained.history[-1]["map"] > 0.9
    assert trained.network.config.code_lengths == (16, 32)


def test_likeness_keeps_codes_as_alike_as_features_are(place: Path, tmp_path: Path) -> None:
    settings: dict[str, object] = {"lengths": (16, 32), "epochs": 20, **STILL}
    start = train(recipe(place, **settings), tmp_path / "start", stop_at=0)
    x = normalise(start.images.images.decode(np.arange(28), 28))
    features = start.network.features(x)
    far, near = (
        likeness(
            train(recipe(place, likeness=weight, **settings), tmp_path / str(weight)).network(x), (16, 32), features
        )
        for weight in (0.0, 5.0)
    )
    assert near < 0.75 * far


@pytest.mark.parametrize("cache", [{}, {"freeze": 1, "cached_views": 3}])
def test_a_method_without_labels_gets_two_views_of_each_image(
    cache: dict[str, int], place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[torch.Tensor, torch.Tensor]] = []
    plain = CroVCALoss.loss

    def spy(self: CroVCALoss, h: torch.Tensor, labels: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        assert torch.equal(*labels.chunk(2))
        assert torch.equal(*rows.chunk(2))
        seen.append(h.detach().chunk(2))
        return plain(self, h, labels, rows)

    monkeypatch.setattr(CroVCALoss, "loss", spy)
    settings: dict[str, object] = {"method": "crovca", "loss": {"labels": False}, "epochs": 1, **cache}
    train(recipe(place, **settings), tmp_path / "moving")
    assert all(one.shape == (8, 16) and not torch.allclose(one, other, atol=1e-3) for one, other in seen)
    seen.clear()
    train(recipe(place, **settings, **STILL), tmp_path / "still")
    assert seen
    for one, other in seen:
        torch.testing.assert_close(one, other)


def test_without_labels_codes_are_learnt_that_tell_classes_apart(place: Path, tmp_path: Path) -> None:
    settings: dict[str, object] = {"method": "crovca", "loss": {"labels": False}, "validation": 0.3}
    trained = train(recipe(place, epochs=20, **settings), tmp_path / "run")
    assert trained.history[-1]["map"] > 0.9
    with pytest.raises(RecipeError, match="crovca compares 2 views of an image, and one is kept"):
        train(recipe(place, freeze=1, cached_views=1, **settings), tmp_path / "one")


def test_the_cache_holds_what_the_frozen_blocks_compute(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = MGVT(HashConfig(SHAPE, bits=16))
    images = np.random.default_rng(0).integers(0, 256, (300, 28, 28, 3), dtype=np.uint8)
    decoded = Decoded(ImageSet("toy", Images(images), np.zeros(300, np.int64), ("a",), 300), np.arange(300), 28)
    cache = TokenCache(tmp_path / "tokens", 2)
    cache.build(network, 1, decoded, Augmentation(), seed=0, precision=torch.float32)
    rows = np.array([299, 3, 256])
    with torch.no_grad():
        expected = network.lower(normalise(images[rows]), 1)
    for view in range(4):
        torch.testing.assert_close(cache.take(view, rows).float(), expected, rtol=2e-3, atol=2e-3)


def test_training_on_cached_tokens_is_training_on_computed_ones(place: Path, tmp_path: Path) -> None:
    still = recipe(place, freeze=1, optimizer="sgd", **STILL)  # every view is the same, and Adam amplifies rounding
    start, computed, cached = (
        train(still.model_copy(update=changes), tmp_path / name, stop_at=stop).network.state_dict()
        for name, changes, stop in (
            ("start", {}, 0),
            ("computed", {}, None),
            ("cached", {"cached_views": 2}, None),
        )
    )
    for name, value in computed.items():
        difference, moved = (cached[name] - value).norm(), (value - start[name]).norm()
        assert difference <= 0.01 * moved + 1e-7, name


def test_pictures_beyond_what_memory_takes_lie_in_a_file_while_tokens_are_computed(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cached = recipe(place, freeze=1, cached_views=2, epochs=1)
    in_memory = train(cached, tmp_path / "memory").network.state_dict()
    monkeypatch.setattr(source, "IN_MEMORY", 0)
    there: list[bool] = []
    pixels = tmp_path / "file" / "pictures" / "pixels"
    train(cached, tmp_path / "file", stop_at=1, progress=lambda *_: there.append(pixels.exists()))
    assert there[0]
    assert not pixels.parent.exists()
    in_file = train(cached, tmp_path / "file").network.state_dict()
    assert all(torch.equal(value, in_file[name]) for name, value in in_memory.items())


def test_the_folder_of_another_run_is_refused_and_a_failed_start_claims_nothing(place: Path, tmp_path: Path) -> None:
    for wrong, remedy in (
        ({"batch_size": 1000}, r"lower it \(--set batch_size=\d\d\)"),
        ({"validation": 0.99}, "validation"),
    ):
        with pytest.raises(RecipeError, match=remedy):
            train(recipe(place, **wrong), tmp_path / "run")
    train(recipe(place), tmp_path / "run", stop_at=1)
    with pytest.raises(RecipeError, match="another loss, epochs"):
        train(recipe(place, epochs=6, loss={"gamma": 3}), tmp_path / "run")
    (tmp_path / "file").write_text("")
    with pytest.raises(RecipeError, match="a file, not a folder"):
        train(recipe(place), tmp_path / "file")


def test_a_loss_that_breaks_ends_the_run_with_the_remedy(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(self: BayesianLoss, h: torch.Tensor, labels: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        return h.sum() * (float("nan") if self.progress > 0.5 else 1.0)

    monkeypatch.setattr(BayesianLoss, "forward", breaks)
    with pytest.raises(RecipeError, match="lower learning_rate"):
        train(recipe(place), tmp_path / "run")
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(loop, "LOOK", 1)
    with pytest.raises(RecipeError, match="lower learning_rate"):
        train(recipe(place), tmp_path / "again")
    with pytest.raises(RecipeError, match="lower learning_rate"):  # in the first step after a checkpoint
        train(recipe(place), tmp_path / "again")


def test_a_backbone_with_enormous_weights_is_named_and_not_the_learning_rate(place: Path, tmp_path: Path) -> None:
    state = {name: 1e18 * value for name, value in load_file(place / "vit.safetensors").items()}
    save_file(state, tmp_path / "huge.safetensors", {"num_attention_heads": "1"})
    with pytest.raises(RecipeError, match="take another backbone") as caught:
        train(recipe(place, backbone=str(tmp_path / "huge.safetensors")), tmp_path / "run")
    assert "learning_rate" not in str(caught.value)


def test_the_learning_rate_rises_then_falls_along_a_cosine() -> None:
    shares = [share_of_rate(step, 10, 110) for step in range(110)]
    assert shares[:10] == pytest.approx([0.1 * n for n in range(1, 11)])
    assert shares[10] == 1
    assert shares[60] == pytest.approx(0.5)
    assert shares[35] == pytest.approx(0.5 + 0.5**1.5)
    assert shares[10:] == sorted(shares[10:], reverse=True)
    assert 0 < shares[109] < 0.001
    assert share_of_rate(0, 0, 5) == 1


def test_an_epoch_visits_every_image_once_in_an_order_of_its_own() -> None:
    orders = [order(seed, epoch, 50).tolist() for seed in (0, 1) for epoch in (0, 1)]
    assert all(sorted(rows) == list(range(50)) for rows in orders)
    assert len({tuple(rows) for rows in orders}) == 4
    assert order(0, 1, 50).tolist() == orders[1]


def test_each_place_in_a_run_has_random_numbers_of_its_own() -> None:
    def draw(*place: int) -> float:
        seed_everything(*place)
        return torch.rand(()).item()

    places = [(0, 0, 0), (0, 0, 1), (0, 1, 0), (1, 0, 0), (0, 12, 0), (0, 1, 2)]
    drawn = [draw(*place) for place in places]
    assert len(set(drawn)) == len(places)
    assert [draw(*place) for place in places] == drawn
