"""A trained network as a model directory, and back: `config.json`, `model.safetensors` and `model.onnx`."""

from __future__ import annotations

import copy
from collections.abc import Collection
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save
from torch import Tensor

from transhash.data.augment import normalise
from transhash.errors import ModelError, RecipeError
from transhash.model import CONFIG, FORMAT, GRAPH, WEIGHTS, HashModel, config_text, file_hash
from transhash.nn import onnx_graph
from transhash.nn.eight_bits import prepare
from transhash.nn.mgvt import MGVT, HashConfig
from transhash.nn.vit import ViTConfig

# Of a weight, on either side of zero. With fewer, two products with 8-bit inputs fit into the 16 bits in which
# processors without newer instructions add them; with more, these would give other codes.
_LEVELS, _FEWER_LEVELS = 127, 63
_CHUNK = 64  # pictures


def export_model(
    network: MGVT,
    folder: Path,
    name: str,
    about: dict[str, Any],
    *,
    crop: float = 1.0,
    pictures: NDArray[np.uint8] | None = None,
) -> HashModel:
    """Write a model directory, overwriting one of that name; `about` is kept in its `config.json` for people to read.

    `crop`: share of a picture's shorter side that the model is to see. `pictures`: uint8 (N, S, S, 3), some hundred as
    the model will see them; its large products are then of 8-bit integers, which takes half the time.

    Matrices are stored as int8 with one float32 scale for each output (a quarter of the bytes), everything else as
    float32. Raises `ModelError` for a network with weights that are not finite.
    """
    broken = [key for key, value in network.state_dict().items() if not value.isfinite().all()]
    if broken:
        raise ModelError(f"{name}: {broken[0]} is not finite; train again with a lower learning rate")
    network = copy.deepcopy(network).eval()
    steps = prepare(network, pictures) if pictures is not None else {}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / CONFIG).unlink(missing_ok=True)  # a directory without config.json is not a model: never a mixed one
    packed = _pack(network.state_dict(), steps)
    (folder / WEIGHTS).write_bytes(save(packed))  # `save_file` would hide it from other users
    (folder / GRAPH).write_bytes(onnx_graph.build(network.config, folder / WEIGHTS, steps).SerializeToString())
    config = {
        "format": FORMAT,
        "name": name,
        "bits": network.config.bits,
        "image_size": network.config.vit.image_size,
        "crop": crop,
        "network": asdict(network.config),
        "sha256": {file: file_hash(folder / file) for file in (WEIGHTS, GRAPH)},
        "about": about,
    }
    (folder / CONFIG).write_text(config_text(config), "utf-8")
    if pictures is not None:
        config["rounding"] = _rounding(HashModel(folder), pictures)
        (folder / CONFIG).write_text(config_text(config), "utf-8")
    return HashModel(folder)


@torch.no_grad()
def _rounding(model: HashModel, pictures: NDArray[np.uint8]) -> float:
    """How far the values of the graph are off those of its network, at most, as a share of their root mean square."""
    network = load_network(model.folder)
    values, wanted = [], []
    for first in range(0, len(pictures), _CHUNK):
        some = pictures[first : first + _CHUNK]
        values.append(model.read(some))
        wanted.append(network(normalise(some))[:, model.place(model.bits)].numpy())
    off = np.concatenate(values) - np.concatenate(wanted)
    return float(np.abs(off).max() / max(1e-9, np.sqrt(np.mean(np.concatenate(wanted) ** 2))))


def load_network(folder: Path) -> MGVT:
    """The torch network of a model directory, with the very weights that its graph computes with.

    Raises `ModelError` when the directory is damaged.
    """
    settings = HashModel(folder).config["network"]
    try:
        lengths = tuple(settings.get("lengths", ()))
        network = MGVT(HashConfig(**{**settings, "vit": ViTConfig(**settings["vit"]), "lengths": lengths}))
        network.load_state_dict(_unpack(load_file(folder / WEIGHTS)))
    except (TypeError, RuntimeError, RecipeError) as error:
        reason = str(error).splitlines()[0]
        raise ModelError(
            f"{folder / CONFIG}: not of the network in {WEIGHTS} ({reason}); copy the model again"
        ) from error
    return network.eval()


def _pack(state: dict[str, Tensor], steps: Collection[str]) -> dict[str, Tensor]:
    """Tensors as they are stored; `steps` are the layers that take 8-bit inputs."""
    packed: dict[str, Tensor] = {}
    for name, value in state.items():
        value = value.detach().float().cpu().contiguous()
        if name.endswith(".weight") and value.ndim > 1:
            levels = _FEWER_LEVELS if name.removesuffix(".weight") in steps else _LEVELS
            scale = value.flatten(1).abs().amax(dim=1).clamp(min=1e-12) / levels
            packed[name] = (value / _column(scale, value)).round().to(torch.int8)
            packed[f"{name}.scale"] = scale
        else:
            packed[name] = value
    return packed


def _unpack(packed: dict[str, Tensor]) -> dict[str, Tensor]:
    state = {name: value.float() for name, value in packed.items() if not name.endswith(".scale")}
    for name, value in packed.items():
        if name.endswith(".scale"):
            weight = name.removesuffix(".scale")
            state[weight] = state[weight] * _column(value, state[weight])
    return state


def _column(scale: Tensor, like: Tensor) -> Tensor:
    """One value for each output, shaped to multiply a matrix or a kernel stored output-first."""
    return scale.view(-1, *[1] * (like.ndim - 1))
