"""The network that a run starts from: a pretrained vision transformer, or the network of a model."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from torch import nn

from transhash.errors import RecipeError
from transhash.model import DEFAULT, PRETRAINED
from transhash.model.directory import CONFIG, WEIGHTS, file_hash
from transhash.nn.checkpoints import files_of
from transhash.nn.mgvt import MGVT
from transhash.nn.vit import ViT, ViTConfig
from transhash.nn.weights import load_vit, resized
from transhash.plain import parsed
from transhash.training.export import load_network
from transhash.training.recipe import RANDOM, Recipe

SIDE = 70  # pixels or a little more, of a checkpoint's input where a recipe does not say how large it is
_RANDOM = ViTConfig(image_size=70, patch_size=14, dim=384, heads=6, mlp_dim=1536)


def settled(recipe: Recipe) -> Recipe:
    """The recipe with the size of the network's input, where it leaves that to what it starts from."""
    if recipe.image_size:
        return recipe
    if recipe.backbone == RANDOM:
        size = _RANDOM.image_size
    elif folder := model_folder(recipe.backbone):
        size = load_network(folder).config.vit.image_size
    else:
        patch = load_vit(recipe.backbone, heads=recipe.heads or None).config.patch_size
        size = -(-SIDE // patch) * patch
    return recipe.model_copy(update={"image_size": size})


def model_folder(backbone: str) -> Path | None:
    """The model directory that a recipe's backbone names, if it does; without a name that of the model in the box."""
    folder = Path(backbone) if backbone else PRETRAINED / DEFAULT
    if not backbone:
        return folder
    try:
        return folder if "network" in parsed((folder / CONFIG).read_text("utf-8")) else None
    except (OSError, ValueError):
        return None


def backbone_digest(backbone: str) -> str:
    """SHA-256 of what a run starts from, in hex: of files their content, of a model its weights and its network.

    What else a model's card says does not count: figures may be added to it.
    """
    if backbone == RANDOM:
        return hashlib.sha256(RANDOM.encode()).hexdigest()
    if folder := model_folder(backbone):
        shape = parsed((folder / CONFIG).read_text("utf-8"))["network"]
        return hashlib.sha256((file_hash(folder / WEIGHTS) + json.dumps(shape, sort_keys=True)).encode()).hexdigest()
    files = files_of(backbone)
    if len(files) == 1:
        return file_hash(files[0])
    return hashlib.sha256("".join(file_hash(file) for file in files).encode()).hexdigest()


def starting_vit(recipe: Recipe) -> ViT:
    """The vision transformer that a recipe starts from, at its input size; of a model, the one of the global stream."""
    if recipe.backbone == RANDOM:
        vit = ViT(ViTConfig(**{**vars(_RANDOM), "image_size": recipe.image_size}))
        for value in vit.parameters():
            if value.ndim > 1:
                nn.init.trunc_normal_(value, std=0.02)
        return vit
    if folder := model_folder(recipe.backbone):
        return resized(load_network(folder).global_vit(), recipe.image_size, str(folder))
    return load_vit(recipe.backbone, image_size=recipe.image_size, heads=recipe.heads or None)


def initial_network(recipe: Recipe) -> MGVT:
    """The network that a recipe starts from: its hash layers are new. Raises `RecipeError` if all blocks are frozen."""
    vit = starting_vit(recipe)
    depth = vit.config.depth
    if recipe.freeze >= depth:
        raise RecipeError(
            "", f"freeze {recipe.freeze} leaves nothing of {depth} blocks to train", f"use at most {depth - 1}"
        )
    return MGVT.from_vit(
        vit, bits=recipe.bits, groups=recipe.groups, drop_remainder=recipe.drop_remainder, lengths=recipe.lengths
    )
