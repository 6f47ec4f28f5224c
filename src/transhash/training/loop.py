"""The training loop, top to bottom."""

from __future__ import annotations

import copy
import json
import math
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from torch import nn

from transhash.codes import pack
from transhash.data.augment import augment, normalise
from transhash.data.datasets import ImageSet, load_dataset
from transhash.data.protocols import split, validation_split
from transhash.errors import RecipeError
from transhash.evaluation import evaluate
from transhash.images import load_picture
from transhash.losses import METHODS, HashLoss, Task
from transhash.losses.distillation import likeness
from transhash.losses.every_length import every_length
from transhash.nn.draws import shared
from transhash.nn.mgvt import MGVT, branch_bits
from transhash.nn.vit import ViT, ViTConfig
from transhash.nn.weights import load_vit
from transhash.training import checkpoint
from transhash.training.precision import autocast, precision_of
from transhash.training.processes import average_gradients, gather, spread, summed
from transhash.training.recipe import Recipe
from transhash.training.seeds import order, seed_everything
from transhash.training.tokens import TokenCache

CHECKPOINT_SECONDS = 60.0
RECIPE = "run.yaml"  # beside what it makes
LOG = "log.jsonl"  # the history
VALIDATIONS = 10  # times that a run looks at its validation images

Progress = Callable[[str, int, int, str], None]  # what is being done, done so far, of how many, a word on how it goes


@dataclass(frozen=True)
class Trained:
    """What a run made: the network of the last epoch (its weight average if the recipe keeps one) and its history."""

    network: MGVT
    recipe: Recipe
    history: list[dict[str, float]]  # one entry a validation: epoch, loss and, with validation images, map
    images: ImageSet
    held_out: np.ndarray  # rows of `images` that are neither queries nor trained on
    seen: np.ndarray  # rows that it was trained on


def train(  # noqa: PLR0912, PLR0915 - a loop is read from top to bottom
    recipe: Recipe,
    run: Path,
    *,
    images: ImageSet | None = None,
    cache: TokenCache | None = None,
    progress: Progress | None = None,
    stop_at: int | None = None,
) -> Trained:
    """Train by `recipe`, keeping everything in the folder `run`; a run that was broken off continues there.

    `images`: the recipe's data set, where it is read already. `cache`: the tokens of its training images after the
    frozen blocks, where they are computed already; it is kept, and nothing is validated. `stop_at`: leave
    after this step, as if broken off.
    Raises `RecipeError` when `run` holds another recipe's run.
    """
    precision = precision_of(recipe.precision)
    # its own autocast is one for the whole process, ours is a run's; without `cpu` it takes every process that torchrun
    # starts on processors alone for the only one
    accelerator = Accelerator(mixed_precision="no", cpu=not torch.accelerator.is_available())
    rank, processes = accelerator.process_index, accelerator.num_processes
    progress = progress if rank == 0 else None
    if recipe.batch_size % processes:
        raise RecipeError(
            f"batch_size {recipe.batch_size} cannot be shared by {processes} processes; make it a multiple of them"
        )
    _check_run(run, recipe)

    images = images or load_dataset(recipe.dataset, recipe.data)
    rows = split(recipe.protocol, images, seed=recipe.split_seed)
    images = replace(images, notes=images.notes + rows.notes)
    train_rows, validation_rows = validation_split(rows.train, images.labels, recipe.validation, seed=recipe.split_seed)
    held_out = np.union1d(np.setdiff1d(rows.database, rows.train), validation_rows)
    labels = torch.from_numpy(images.labels[train_rows])
    if recipe.batch_size > len(labels):
        raise RecipeError(f"batch_size {recipe.batch_size} is more than the {len(labels)} training images; lower it")
    ready = cache is not None
    pictures = np.empty(0, np.uint8) if ready else training_pictures(recipe, images, train_rows)

    seed_everything(recipe.seed)
    network = initial_network(recipe).to(accelerator.device)
    tasks = [
        Task(
            branch_bits(bits, recipe.groups),
            len(images.classes),
            len(train_rows),
            images.labels.ndim == 2,
            seed=recipe.seed,
        )
        for bits in network.config.code_lengths
    ]
    criterion = every_length(partial(METHODS[recipe.method], **recipe.loss), tasks).to(accelerator.device)
    teacher = copy.deepcopy(network).eval().requires_grad_(False) if recipe.likeness else None
    network.set_drop_path(recipe.drop_path, frozen=recipe.freeze)
    optimizer, scales = _optimizer(network, criterion, recipe)
    average = copy.deepcopy(network) if recipe.average else network
    networks: dict[str, nn.Module] = {"network": network}
    networks |= {"average": average} if recipe.average else {}
    networks |= {"loss": criterion} if criterion.state_dict() else {}

    step, history = 0, []
    last = checkpoint.latest(run)
    if last:
        meta = checkpoint.restore(last, networks, optimizer)
        step, history = meta["step"], meta["history"]
    # only now that nothing can be wrong with the settings is the folder this run's
    accelerator.wait_for_everyone()
    if accelerator.is_main_process:
        run.mkdir(parents=True, exist_ok=True)
        (run / RECIPE).write_text(recipe.dump(), "utf-8")
    if recipe.cached_views and not ready:
        cache = TokenCache(run / "tokens", recipe.cached_views)
    steps_per_epoch = len(labels) // recipe.batch_size
    total = recipe.epochs * steps_per_epoch
    if cache and not ready and step < total:
        tell = (lambda done, of: progress("tokens", done, of, "")) if progress else None
        cache.build(
            network,
            recipe.freeze,
            pictures,
            recipe.augmentation,
            seed=recipe.seed,
            precision=precision,
            progress=tell,
        )
    accelerator.wait_for_everyone()
    warnings.filterwarnings("ignore", "Grad strides do not match")  # of a tensor of one row: no matter
    parallel, optimizer = accelerator.prepare(network, optimizer)

    saved = time.monotonic()
    running = 0.0
    network.train()
    while step < total:
        if step == stop_at:
            return Trained(average, recipe, history, images, held_out, train_rows)
        epoch, place = divmod(step, steps_per_epoch)
        batch = order(recipe.seed, epoch, len(labels))[place * recipe.batch_size :][: recipe.batch_size]
        mine = np.split(batch, processes)[rank]
        rate = recipe.learning_rate * _schedule(step, recipe.warmup_steps, total)
        for group, scale in zip(optimizer.param_groups, scales, strict=True):
            group["lr"] = rate * scale

        seed_everything(recipe.seed, step)
        with autocast(accelerator.device, precision), shared(rank, processes):
            if cache:
                x = cache.take(epoch, mine).to(accelerator.device)
            else:
                x = augment(pictures[mine], recipe.image_size, recipe.augmentation).to(accelerator.device)
                if recipe.freeze:
                    with torch.no_grad():
                        x = network.lower(x, recipe.freeze)
            h = parallel(x, after=recipe.freeze or None)
            features = teacher.features(x, after=recipe.freeze or None) if teacher else None
        seen = torch.from_numpy(batch)
        criterion.progress = step / total
        codes = gather(h)
        loss = criterion(codes, labels[seen].to(h.device), seen.to(h.device))
        if features is not None:
            loss = loss + recipe.likeness * likeness(codes, network.config.code_lengths, gather(features))
        accelerator.backward(loss)
        average_gradients(criterion.parameters())
        if recipe.clip:
            accelerator.clip_grad_norm_([*network.parameters(), *criterion.parameters()], recipe.clip)
        optimizer.step()
        optimizer.zero_grad()
        if recipe.average:
            _update_average(average, network, min(recipe.average, (1 + step) / (10 + step)))
        step += 1

        running = loss.item() if place == 0 else 0.95 * running + 0.05 * loss.item()
        if not math.isfinite(running):
            raise RecipeError(
                f"the loss became {running} at step {step}; lower learning_rate (now {recipe.learning_rate})"
            )
        if progress:
            progress("training", step, total, f"epoch {epoch + 1}/{recipe.epochs}, loss {running:.3f}")
        if place == steps_per_epoch - 1:
            if (epoch + 1) * VALIDATIONS // recipe.epochs > epoch * VALIDATIONS // recipe.epochs:
                entry = {"epoch": epoch + 1, "loss": running}
                if len(validation_rows) and not ready:
                    entry["map"] = _validate(average, images, validation_rows, recipe.centre_crop, precision)
                    network.train()
                history.append(entry)
                if accelerator.is_main_process:
                    lines = "".join(json.dumps(entry) + "\n" for entry in history)  # epochs run again are in it once
                    (run / LOG).write_text(lines, "utf-8")
            if accelerator.is_main_process and (time.monotonic() - saved > CHECKPOINT_SECONDS or step == total):
                checkpoint.save(run, step, networks, optimizer.optimizer, {"history": history})
                saved = time.monotonic()
    if cache and not ready and accelerator.is_main_process:
        cache.remove()
    return Trained(average.eval(), recipe, history, images, held_out, train_rows)


def _encode(network: MGVT, images: ImageSet, rows: np.ndarray, crop: float, precision: torch.dtype) -> np.ndarray:
    """Relaxed codes of some images of a set, as they are computed outside training: float32 (len(rows), B)."""
    network.eval()
    size = network.config.vit.image_size
    device = next(network.parameters()).device
    h = torch.zeros(len(rows), sum(network.config.code_lengths), device=device)
    mine = np.arange(len(rows))[spread(len(rows))]
    for start in range(0, len(mine), 256):
        part = mine[start : start + 256]
        x = normalise(images.images.decode(rows[part], size, crop=crop)).to(device)
        with torch.no_grad(), autocast(device, precision):
            h[part] = network(x).float()
    return summed(h).cpu().numpy()


def _validate(network: MGVT, images: ImageSet, rows: np.ndarray, crop: float, precision: torch.dtype) -> float:
    """Tie-aware mAP among the validation images: each half queries the other."""
    lengths = network.config.code_lengths
    start = sum(lengths[: lengths.index(network.config.bits)])
    h = _encode(network, images, rows, crop, precision)[:, start : start + network.config.bits]
    codes, labels = pack(h), images.labels[rows]
    one, two = slice(0, None, 2), slice(1, None, 2)
    there = evaluate(codes[one], labels[one], codes[two], labels[two])
    back = evaluate(codes[two], labels[two], codes[one], labels[one])
    return (there.map + back.map) / 2


def _schedule(step: int, warmup: int, total: int) -> float:
    """Share of the peak learning rate: linear warm-up, then a cosine to 0."""
    if step < warmup:
        return (step + 1) / warmup
    return 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, total - warmup)))


def training_pictures(recipe: Recipe, images: ImageSet, rows: np.ndarray) -> np.ndarray:
    """What is augmented, uint8 (n, H, W, 3), of a side at which the smallest crops keep what detail there is."""
    first = load_picture(images.images.sources[rows[0]], recipe.image_size)  # a set's pictures are about one size
    wanted = round(recipe.image_size / recipe.crop_scale**0.5)
    return images.images.decode(rows, max(recipe.image_size, min(wanted, first.width, first.height)))


def initial_network(recipe: Recipe) -> MGVT:
    """The network that a recipe starts from."""
    if recipe.backbone:
        vit = load_vit(recipe.backbone, image_size=recipe.image_size)
    else:
        vit = ViT(ViTConfig(image_size=recipe.image_size, patch_size=14, dim=384, heads=6, mlp_dim=1536))
        for value in vit.parameters():
            if value.ndim > 1:
                nn.init.trunc_normal_(value, std=0.02)
    depth = vit.config.depth
    if recipe.freeze >= depth:
        raise RecipeError(f"freeze {recipe.freeze} leaves nothing of {depth} blocks to train; use at most {depth - 1}")
    return MGVT.from_vit(
        vit, bits=recipe.bits, groups=recipe.groups, drop_remainder=recipe.drop_remainder, lengths=recipe.lengths
    )


def _optimizer(network: MGVT, criterion: HashLoss, recipe: Recipe) -> tuple[torch.optim.Optimizer, list[float]]:
    """The optimiser, and for each of its parameter groups the learning rate as a multiple of the schedule's."""
    depth = network.config.vit.depth
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        parts = name.split(".")
        in_trunk = 1 + int(parts[2]) if parts[1] == "blocks" else 0
        layer = in_trunk if parts[0] == "trunk" else depth
        if layer <= recipe.freeze and recipe.freeze:
            parameter.requires_grad_(False)
            continue
        scale = recipe.head_rate if parts[0].endswith("_hash") else recipe.layer_decay ** (depth - layer)
        decay = recipe.weight_decay if parameter.ndim > 1 and "_token" not in name and "pos_embed" not in name else 0.0
        groups.setdefault((scale, decay), []).append(parameter)
    for parameter in criterion.parameters():  # a method's own classifier is a head, too
        groups.setdefault((recipe.head_rate, recipe.weight_decay), []).append(parameter)
    settings: list[dict[str, Any]] = [{"params": p, "weight_decay": decay} for (_, decay), p in groups.items()]
    scales = [scale for scale, _ in groups]
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(settings, lr=recipe.learning_rate, momentum=0.9), scales
    return torch.optim.AdamW(settings, lr=recipe.learning_rate, fused=True), scales


@torch.no_grad()
def _update_average(average: MGVT, network: MGVT, decay: float) -> None:
    """Move the average towards the network; what is frozen is the same in both."""
    trained = [
        (a, p.detach()) for a, p in zip(average.parameters(), network.parameters(), strict=True) if p.requires_grad
    ]
    torch._foreach_lerp_([a for a, _ in trained], [p for _, p in trained], 1 - decay)


def _check_run(run: Path, recipe: Recipe) -> None:
    """Refuse a folder that another recipe's run lives in."""
    if run.exists() and not run.is_dir():
        raise RecipeError(f"{run}: a file, not a folder for a run; choose another --out")
    path = run / RECIPE
    if path.exists():
        before = Recipe.read(path)
        changed = [k for k, v in recipe.model_dump().items() if v != before.model_dump()[k]]
        if changed:
            raise RecipeError(
                f"{run}: holds a run with another {', '.join(changed)}; choose another --out, or remove the folder"
            )
