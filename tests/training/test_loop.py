"""The training loop on tiny pictures: it learns, it resumes bit for bit, and several processes are one."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from PIL import Image
from safetensors.torch import save_file

from transhash.data.augment import Augmentation
from transhash.errors import RecipeError
from transhash.losses import BayesianLoss
from transhash.nn.mgvt import MGVT, HashConfig
from transhash.nn.vit import ViT, ViTConfig
from transhash.training import loop
from transhash.training.loop import gather, train
from transhash.training.recipe import Recipe
from transhash.training.tokens import TokenCache

SHAPE = ViTConfig(image_size=28, patch_size=14, dim=64, depth=3, heads=1, mlp_dim=64)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("loop")
    random = np.random.default_rng(0)
    for number, name in enumerate(("blue", "red")):
        (place / "data" / name).mkdir(parents=True)
        for i in range(14):
            pixels = random.integers(0, 100, (32, 40, 3), dtype=np.uint8)
            pixels[..., 2 - 2 * number] += 120
            Image.fromarray(pixels).save(place / "data" / name / f"{i:02d}.png")
    torch.manual_seed(0)
    state = {name: torch.randn_like(value) * 0.05 for name, value in ViT(SHAPE).state_dict().items()}
    save_file(state, place / "vit.safetensors")
    return place


def recipe(place: Path, **changes: object) -> Recipe:
    settings = {
        "dataset": "folder",
        "protocol": "folder",
        "data": place / "data",
        "backbone": str(place / "vit.safetensors"),
        "image_size": 28,
        "bits": 16,
        "epochs": 5,
        "batch_size": 8,
        "warmup_steps": 2,
        "learning_rate": 0.003,
        "validation": 0,
        "jitter": 0.2,
        "erase": 0.5,
        "drop_path": 0.2,
        "precision": "float32",
    }
    return Recipe(**{**settings, **changes})


def test_it_learns_and_keeps_a_history(place: Path, tmp_path: Path) -> None:
    trained = train(recipe(place, epochs=20, validation=0.3), tmp_path / "run")
    first, last = trained.history[0], trained.history[-1]
    assert last["loss"] < 0.8 * first["loss"]
    assert last["map"] > 0.9
    assert [json.loads(line) for line in (tmp_path / "run" / "log.jsonl").open()] == trained.history
    assert Recipe.read(tmp_path / "run" / "run.yaml") == trained.recipe


@pytest.mark.parametrize(
    "changes", [{}, {"freeze": 1, "cached_views": 2, "average": 0.9}, {"optimizer": "sgd", "precision": "bfloat16"}]
)
def test_a_run_broken_off_anywhere_continues_to_the_same_bits(
    changes: dict[str, object], place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "CHECKPOINT_SECONDS", 0.0)
    wanted = recipe(place, **changes)
    whole = train(wanted, tmp_path / "whole").network.state_dict()
    for step in (1, 7, 11):
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
    [saved] = run.glob("checkpoint-*")
    content = (saved / "optimizer.safetensors").read_bytes()
    (saved / "optimizer.safetensors").write_bytes(content[: len(content) // 2])
    with pytest.raises(RecipeError, match="remove this checkpoint"):
        train(recipe(place), run)


def test_frozen_blocks_do_not_move_and_the_others_do(place: Path, tmp_path: Path) -> None:
    before = train(recipe(place, freeze=1), tmp_path / "a", stop_at=0).network.state_dict()
    after = train(recipe(place, freeze=1), tmp_path / "b").network.state_dict()
    for name, value in after.items():
        frozen = name.startswith(("trunk.blocks.0.", "trunk.cls", "trunk.pos", "trunk.patch"))
        if frozen:
            assert torch.equal(value, before[name]), name
    moved = {name for name, value in after.items() if not torch.equal(value, before[name])}
    assert {"trunk.blocks.1.mlp.fc1.weight", "global_hash.weight", "local_block.attn.qkv.weight"} <= moved


def test_the_cache_holds_what_the_frozen_blocks_compute(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = MGVT(HashConfig(SHAPE, bits=16))
    images = np.random.default_rng(0).integers(0, 256, (300, 28, 28, 3), dtype=np.uint8)
    cache = TokenCache(tmp_path / "tokens", 2)
    cache.build(network, 1, images, Augmentation(), seed=0, precision=torch.float32)
    rows = np.array([299, 3, 256])
    with torch.no_grad():
        expected = network.lower(loop.normalise(images[rows]), 1)
    for view in range(4):
        torch.testing.assert_close(cache.take(view, rows), expected, rtol=2e-3, atol=2e-3)


def test_the_folder_of_another_run_is_refused_and_a_failed_start_claims_nothing(place: Path, tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="lower it"):
        train(recipe(place, batch_size=1000), tmp_path / "run")
    train(recipe(place), tmp_path / "run", stop_at=1)
    with pytest.raises(RecipeError, match="another gamma, epochs"):
        train(recipe(place, epochs=6, gamma=3), tmp_path / "run")


def test_a_loss_that_breaks_ends_the_run_with_the_remedy(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(BayesianLoss, "forward", lambda self, h, labels: h.sum() * float("nan"))
    with pytest.raises(RecipeError, match="lower learning_rate"):
        train(recipe(place), tmp_path / "run")


def _one_process(rank: int, folder: Path) -> None:
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    h, labels = torch.load(folder / "batch.pt")
    mine = h[rank::2].clone().requires_grad_()
    both = torch.cat([labels[0::2], labels[1::2]])
    loss = BayesianLoss((8, 4, 4))(gather(mine), both)
    loss.backward()
    # what DistributedDataParallel does with the gradients that each process comes to
    torch.save((loss.detach(), mine.grad / 2), folder / f"{rank}.pt")
    dist.destroy_process_group()


def test_two_processes_have_the_loss_and_gradient_of_one(tmp_path: Path) -> None:
    torch.manual_seed(0)
    h, labels = torch.randn(8, 16), torch.tensor([0, 1, 2, 0, 1, 2, 0, 0])
    torch.save((h, labels), tmp_path / "batch.pt")
    mp.spawn(_one_process, (tmp_path,), nprocs=2)
    whole = h.clone().requires_grad_()
    expected = BayesianLoss((8, 4, 4))(whole, labels)
    expected.backward()
    for rank in range(2):
        loss, gradient = torch.load(tmp_path / f"{rank}.pt")
        torch.testing.assert_close(loss, expected.detach())
        torch.testing.assert_close(gradient, whole.grad[rank::2])
