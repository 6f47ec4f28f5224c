"""A trained network as a model directory, and back: `config.json`, `model.safetensors` and `model.onnx`."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save
from torch import Tensor

from transhash.errors import ModelError, RecipeError
from transhash.model import HashModel
from transhash.model.directory import CONFIG, FORMAT, GRAPH, WEIGHTS, file_hash, write_config
from transhash.nn import exact_graph, onnx_graph
from transhash.nn.eight_bits import FEWER_LEVELS, LEVELS, prepare
from transhash.nn.mgvt import MGVT, HashConfig
from transhash.nn.preprocessing import STD
from transhash.nn.rounding import scales
from transhash.nn.vit import ViTConfig
from transhash.plain import JsonObject
from transhash.system import make_folders, replacing, settle


def export_model(
    network: MGVT,
    folder: Path,
    name: str,
    about: JsonObject,
    *,
    crop: float = 1.0,
    pictures: NDArray[np.uint8] | None = None,
) -> HashModel:
    """Write a model directory, overwriting one of that name; `about` is kept in its `config.json` for people to read.

    `crop`: share of a picture's shorter side that the model is to see. `pictures`: uint8 (N, S, S, 3), some hundred as
    the model will see them; its large products are then of 8-bit integers, which takes 0.4 of the time, and every
    processor computes the same codes.

    Matrices are stored as int8 with one float32 scale for each output (a quarter of the bytes), everything else as
    float32. Raises `ModelError` for a network with weights that are not finite, and when the files cannot be written.
    """
    broken = [key for key, value in network.state_dict().items() if not value.isfinite().all()]
    if broken:
        raise ModelError(name, f"{broken[0]} is not finite", "train again with a lower learning rate")
    network = copy.deepcopy(network).cpu().eval()
    plan = prepare(network, pictures) if pictures is not None else None
    packed = _pack(network.state_dict(), plan.weights if plan else {})
    try:
        make_folders(folder)
        (folder / CONFIG).unlink(missing_ok=True)  # a directory without config.json is not a model: never a mixed one
        settle(folder)
        with replacing(folder / WEIGHTS) as file:
            file.write(save(packed))  # `save_file` would hide it from other users
        weights = folder / WEIGHTS
        graph = exact_graph.build(network.config, weights, plan) if plan else onnx_graph.build(network.config, weights)
        with replacing(folder / GRAPH) as file:
            file.write(graph.SerializeToString())
        write_config(folder, _config(network, name, about, crop, folder))
    except OSError as error:
        raise ModelError(
            folder, f"cannot be written ({error.strerror or error})", "make room, or choose another place"
        ) from error
    return HashModel(folder)


def _config(network: MGVT, name: str, about: JsonObject, crop: float, folder: Path) -> JsonObject:
    return {
        "format": FORMAT,
        "name": name,
        "bits": network.config.bits,
        "image_size": network.config.vit.image_size,
        "crop": crop,
        "network": asdict(network.config),
        "sha256": {file: file_hash(folder / file) for file in (WEIGHTS, GRAPH)},
        "about": about,
    }


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
            folder / CONFIG, f"not of the network in {WEIGHTS} ({reason})", "copy the model again"
        ) from error
    return network.eval()


def _pack(state: dict[str, Tensor], rounded: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Tensors as they are stored; `rounded` are int8 weights of the layers that take 8-bit inputs."""
    packed: dict[str, Tensor] = {}
    for name, value in state.items():
        value = value.detach().float().cpu().contiguous()
        layer = name.removesuffix(".weight")
        if layer in rounded:
            packed[name] = rounded[layer]
            packed[f"{name}.scale"] = scales(value, FEWER_LEVELS)
        elif name.endswith(".weight") and value.ndim > 1:
            unit = _unit(value)
            scale = _column(scales((value / unit).flatten(1), LEVELS), value) * unit
            packed[name] = (value / scale).round().to(torch.int8)
            packed[f"{name}.scale"] = scale if value.ndim == 4 else scale.flatten()
        else:
            packed[name] = value
    return packed


def _unit(weight: Tensor) -> Tensor:
    """In what weights are counted: of a convolution of pixels what these are divided by, so that both are integers."""
    return torch.tensor(STD).view(1, 3, 1, 1) if weight.ndim == 4 else torch.tensor(1.0)


def _unpack(packed: dict[str, Tensor]) -> dict[str, Tensor]:
    state = {name: value.float() for name, value in packed.items() if not name.endswith(".scale")}
    for name, value in packed.items():
        if name.endswith(".scale"):
            weight = name.removesuffix(".scale")
            state[weight] = state[weight] * _column(value, state[weight])
    return state


def _column(scale: Tensor, like: Tensor) -> Tensor:
    """Scales of each output, shaped to multiply a matrix or a kernel stored output-first."""
    return scale.view(*scale.shape, *[1] * (like.ndim - scale.ndim))
