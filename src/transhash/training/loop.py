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

import numpy as np
import torch
from accelerate import Accelerator
from torch import nn

from transhash.data.datasets import ImageSet, load_dataset
from transhash.data.protocols import split, validation_split
from transhash.errors import RecipeError
from transhash.losses import METHODS, Task
from transhash.losses.distillation import likeness
from transhash.losses.every_length import every_length
from transhash.nn.draws import shared
from transhash.nn.mgvt import MGVT, branch_bits
from transhash.progress import Progress, silent
from transhash.training import checkpoint, facts
from transhash.training.balance import centre, normalised
from transhash.training.compiling import compiled
from transhash.training.device import autocast, device_of, left_out, precision_of, precision_said
from transhash.training.network import initial_network, settled
from transhash.training.optimizer import WeightAverage, optimizer_of, share_of_rate, warm_up_said
from transhash.training.processes import average_gradients, gather
from transhash.training.recipe import Recipe
from transhash.training.seeds import order, seed_everything
from transhash.training.source import Lower, Source, Tokens, kept, pictures
from transhash.training.tokens import TokenCache
from transhash.training.validation import validate

CHECKPOINT_SECONDS = 60.0
WITHIN = 5  # times as long may a checkpoint within an epoch take to come, for one takes time and disk
VALIDATIONS = 10  # times that a run looks at its validation images
DIVERGED = "diverged"  # the code of the error of a loss that is no longer finite, which other settings may keep finite
LOOK = 10  # steps from one look at the loss to the next, for which a GPU must be waited for


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
    progress: Progress = silent,
    say: Callable[[str], None] = lambda sentence: None,
    stop_at: int | None = None,
) -> Trained:
    """Train by `recipe`, keeping everything in the folder `run`; a run that was interrupted continues there.

    `images`: the recipe's data set, where it is read already. `cache`: the tokens of its training images after the
    frozen blocks, where they are computed already; it is kept, and nothing is validated. `say` gets what a user should
    know. `stop_at`: leave after this step, as if interrupted.
    Raises `RecipeError` when `run` holds another recipe's run or one on other data, when the device is not there or has
    too little memory, and when the loss is no longer finite.
    """
    recipe = settled(recipe)
    device = device_of(recipe.device)
    precision = precision_of(recipe.precision, device)
    for sentence in (left_out(device), precision_said(recipe.precision, precision, device)):
        if sentence and recipe.device != "cpu":
            say(sentence)
    # its own autocast is one for the whole process, ours is a run's; without `cpu` it takes every process that torchrun
    # starts on processors alone for the only one
    accelerator = Accelerator(mixed_precision="no", cpu=device.type == "cpu", device_placement=False)
    rank, processes = accelerator.process_index, accelerator.num_processes
    progress = progress if rank == 0 else silent
    if recipe.batch_size % processes:
        raise RecipeError(
            "",
            f"batch_size {recipe.batch_size} cannot be shared by {processes} processes",
            "make it a multiple of them",
        )
    facts.check_recipe(run, recipe)

    images = images or load_dataset(recipe.dataset, recipe.data)
    rows = split(recipe.protocol, images, seed=recipe.split_seed)
    images = replace(images, notes=images.notes + rows.notes)
    train_rows, validation_rows = validation_split(rows.train, images.labels, recipe.validation, seed=recipe.split_seed)
    held_out = np.setdiff1d(np.union1d(np.setdiff1d(rows.database, rows.train), validation_rows), rows.query)
    for note in images.notes if rank == 0 else ():
        say(note)
    labels = torch.from_numpy(images.labels[train_rows]).to(device)
    if recipe.batch_size > len(labels):
        most = len(labels) // processes * processes
        remedy = f"lower it (--set batch_size={most})" if most > 1 else "lower validation, or add pictures"
        raise RecipeError("", f"batch_size {recipe.batch_size} is more than the {len(labels)} training images", remedy)
    if rank == 0 and (sentence := warm_up_said(recipe, len(labels))):
        say(sentence)
    ready = cache is not None
    found = None if ready else facts.facts_of(recipe, images, rows)
    if found:
        facts.check_facts(run, found)

    seed_everything(recipe.seed)
    network = initial_network(recipe).to(device)
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
    criterion = every_length(partial(METHODS[recipe.method], **recipe.loss), tasks).to(device)
    if criterion.views > 1 and recipe.cached_views == 1:
        raise RecipeError(
            "", f"{recipe.method} compares {criterion.views} views of an image, and one is kept", "raise cached_views"
        )
    teacher = copy.deepcopy(network).eval().requires_grad_(False) if recipe.likeness else None
    network.set_drop_path(recipe.drop_path, frozen=recipe.freeze)
    optimizer, scales = optimizer_of(network, criterion, recipe)
    average = copy.deepcopy(network) if recipe.average else network
    networks: dict[str, nn.Module] = {"network": network}
    networks |= {"average": average} if recipe.average else {}
    networks |= {"loss": criterion} if criterion.state_dict() else {}

    scaler = torch.amp.GradScaler(device.type, enabled=precision == torch.float16)
    step, history, running = 0, [], torch.zeros((), device=device)
    last = checkpoint.latest(run)
    if last:
        meta = checkpoint.restore(last, networks, optimizer)
        step, history = meta["step"], meta["history"]
        running += meta.get("loss", 0.0)
        if scaler.is_enabled() and meta.get("scaler"):
            scaler.load_state_dict(meta["scaler"])
    # only now that nothing can be wrong with the settings is the folder this run's
    accelerator.wait_for_everyone()
    if accelerator.is_main_process:
        facts.write(run, recipe, found)
    steps_per_epoch = len(labels) // recipe.batch_size
    total = recipe.epochs * steps_per_epoch

    source: Source
    if recipe.cached_views and not ready:
        cache = TokenCache(run / "tokens", recipe.cached_views)
        if step < total:
            decoded = kept(recipe, images, train_rows, run / "pictures")
            how, seed = recipe.augmentation, recipe.seed
            cache.build(network, recipe.freeze, decoded, how, seed=seed, precision=precision, progress=progress)
            accelerator.wait_for_everyone()
            if accelerator.is_main_process:
                decoded.remove()
    if cache:
        source = Tokens(cache, recipe.freeze, device)
    else:
        source = pictures(recipe, images, train_rows, run / "pictures", device)
        source = Lower(source, network, recipe.freeze, device, precision) if recipe.freeze else source
    accelerator.wait_for_everyone()
    warnings.filterwarnings("ignore", "Grad strides do not match")  # of a tensor of one row: no matter
    forward = compiled(network, recipe.compile, device, say)
    parallel = accelerator.prepare(forward)
    averaging = WeightAverage(average, network) if recipe.average else None

    def rows_of(step: int) -> tuple[int, np.ndarray, np.ndarray]:
        """Of a step: its epoch, the training images of all processes, and those of this one."""
        epoch, place = divmod(step, steps_per_epoch)
        batch = order(recipe.seed, epoch, len(labels))[place * recipe.batch_size :][: recipe.batch_size]
        return epoch, batch, np.split(batch, processes)[rank]

    saved = time.monotonic()
    first = step
    network.train()
    try:
        while step < total:
            if step == stop_at:
                return Trained(average, recipe, history, images, held_out, train_rows)
            epoch, batch, mine = rows_of(step)
            place = step % steps_per_epoch
            rate = recipe.learning_rate * share_of_rate(step, recipe.warmup_steps, total)
            for group, scale in zip(optimizer.param_groups, scales, strict=True):
                group["lr"] = rate * scale

            seed_everything(recipe.seed, step)
            with shared(rank, processes):
                views = [source.batch(criterion.views * epoch + view, mine) for view in range(criterion.views)]
                if step + 1 < total:
                    next_epoch, _, next_rows = rows_of(step + 1)
                    source.ahead(next_epoch, next_rows)
                with autocast(device, precision):
                    outputs = [parallel(x, after=after) for x, after in views]
                    features = [teacher.features(x, after=after) for x, after in views] if teacher else []
            seen = torch.from_numpy(np.tile(batch, criterion.views)).to(device, non_blocking=True)
            criterion.progress = step / total
            codes = torch.cat([gather(h) for h in outputs])
            codes = normalised(codes) if criterion.normalised else codes
            loss = criterion(codes, labels[seen], seen)
            if features:
                wanted = torch.cat([gather(some) for some in features])
                loss = loss + recipe.likeness * likeness(codes, network.config.code_lengths, wanted)
            scaler.scale(loss).backward()
            average_gradients(criterion.parameters())
            scaler.unscale_(optimizer)
            if recipe.clip:
                nn.utils.clip_grad_norm_([*network.parameters(), *criterion.parameters()], recipe.clip)
            scaler.step(optimizer)
            scaler.update()
            optimizer.zero_grad()
            if averaging:
                averaging.update(min(recipe.average, (1 + step) / (10 + step)))
            step += 1

            running = loss.detach() if place == 0 else running.lerp(loss.detach(), 0.05)
            ended = place == steps_per_epoch - 1
            if step % LOOK == 0 or ended or step == first + 1:
                shown = running.item()
                if not math.isfinite(shown):
                    raise _broken(recipe, network, step)
                progress("training", step, total, f"epoch {epoch + 1}/{recipe.epochs}, loss {shown:.3f}")
            if ended:
                validating = len(validation_rows) > 1 and not ready  # one half queries the other
                if criterion.normalised and (validating or step == total):
                    centre(average, source, len(labels), recipe.batch_size, precision, seed=recipe.seed)
                    network.train()
                if (epoch + 1) * VALIDATIONS // recipe.epochs > epoch * VALIDATIONS // recipe.epochs:
                    entry = {"epoch": epoch + 1, "loss": shown}
                    if validating:
                        entry["map"] = validate(average, images, validation_rows, recipe.centre_crop, precision)
                        network.train()
                    history.append(entry)
                    if accelerator.is_main_process:
                        lines = "".join(
                            json.dumps(entry) + "\n" for entry in history
                        )  # epochs run again are in it once
                        facts.write_text(run / facts.LOG, lines)
            wait = CHECKPOINT_SECONDS * (1 if ended else WITHIN)
            due = (step % LOOK == 0 or ended) and time.monotonic() - saved > wait  # the loss has been looked at
            if accelerator.is_main_process and (due or step == total):
                meta = {"history": history, "scaler": scaler.state_dict(), "loss": running.item()}
                checkpoint.save(run, step, networks, optimizer, meta)
                saved = time.monotonic()
    except torch.OutOfMemoryError as error:
        raise RecipeError(
            device,
            f"out of memory at batch_size {recipe.batch_size} (the last checkpoint in {run} is whole)",
            f"give --set batch_size={max(2, recipe.batch_size // 2)} and another --out, or train on a device with "
            "more memory",
        ) from error
    accelerator.wait_for_everyone()
    if not ready and accelerator.is_main_process:
        source.remove()
    return Trained(average.eval(), recipe, history, images, held_out, train_rows)


def _broken(recipe: Recipe, network: MGVT, step: int) -> RecipeError:
    """Why a loss is not finite, as far as can be told."""
    if step == 1:  # no step was made that the learning rate could have spoilt
        name, largest = max(
            ((name, value.abs().max().item()) for name, value in network.named_parameters() if "norm" not in name),
            key=lambda one: one[1],
        )
        return RecipeError(
            "",
            f"the loss is not finite before anything was learned: the largest weight is {largest:.3g} ({name}), where "
            "those of trained networks are below 100",
            "take another backbone, or precision float32",
        )
    reason = f"the loss is not finite at step {step}"
    return RecipeError("", reason, f"lower learning_rate (now {recipe.learning_rate})", code=DIVERGED)
