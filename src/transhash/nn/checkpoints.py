"""The files that checkpoints come in: tensors by name, and what is told beside them. Nothing in a file is executed."""

from __future__ import annotations

import argparse
import json
import pickle
import re
import zipfile
import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from tokenize import TokenError  # NumPy reads some headers as Python
from typing import Any

import numpy as np
import torch
from torch import Tensor

from transhash.errors import ModelError
from transhash.plain import parsed

State = dict[str, Tensor]

CONFIG, PREPROCESSOR = "config.json", "preprocessor_config.json"
WEIGHTS, INDEX, PICKLED = "model.safetensors", "model.safetensors.index.json", "pytorch_model.bin"
_TORCH = (".pth", ".pt", ".bin", ".ckpt", ".tar")
_SUFFIXES = (".safetensors", ".npz", ".onnx", *_TORCH)
_HEADS = {"tiny": 3, "small": 6, "base": 12, "large": 16, "huge": 16, "giant": 16, "gigantic": 16}  # timm's names
_NESTED = ("state_dict", "model", "teacher", "model_state_dict", "module", "model_ema")  # where training code puts it


@dataclass(frozen=True)
class Settings:
    """What a checkpoint tells besides its tensors; None where it does not."""

    heads: int | None = None
    norm_eps: float | None = None
    mean: tuple[float, ...] | None = None  # of the pixels that it was trained on, RGB in 0…1
    std: tuple[float, ...] | None = None

    def text(self) -> dict[str, str]:
        """As metadata of a safetensors file, under the names that are read again."""
        kept = {"num_attention_heads": self.heads, "layer_norm_eps": self.norm_eps, "mean": self.mean, "std": self.std}
        return {name: json.dumps(value) for name, value in kept.items() if value is not None}


def files_of(source: str | Path) -> list[Path]:
    """The files of a checkpoint that decide what it computes: a file, those of a folder, or of a hub repository.

    Raises `ModelError` when there are none.
    """
    path = Path(source)
    if not path.exists() and not path.name.endswith(_SUFFIXES) and re.fullmatch(r"[\w.-]+/[\w.-]+", str(source)):
        path = _download(str(source))
    if path.is_dir():
        weights = next((path / name for name in (WEIGHTS, INDEX, PICKLED) if (path / name).is_file()), path / WEIGHTS)
        told = [path / name for name in (CONFIG, PREPROCESSOR) if (path / name).is_file()]
    else:
        weights, told = path, []
    if not weights.is_file():
        raise ModelError(
            weights,
            "no such checkpoint",
            f"give a .safetensors, .pth, .npz or .onnx file, a folder with {WEIGHTS}, or a hub id",
        )
    parts = sorted(set(_shards(weights).values())) if weights.name.endswith(".index.json") else []
    return [weights, *parts, *told]


def read(source: str | Path) -> tuple[State, Settings]:
    """The tensors of a checkpoint, float32, and what is told beside them; raises `ModelError`."""
    weights, *others = files_of(source)
    settings = Settings()
    if weights.name.endswith(".index.json"):
        shards = _shards(weights)
        read_parts = {part: _read_safetensors(part)[0] for part in sorted(set(shards.values()))}
        missing = [key for key, part in shards.items() if key not in read_parts[part]]
        if missing:
            raise ModelError(
                shards[missing[0]], f"has no tensor {missing[0]}, as {weights.name} says", "download again"
            )
        state = {key: read_parts[part][key] for key, part in shards.items()}
    elif weights.suffix == ".safetensors":
        state, metadata = _read_safetensors(weights)
        settings = _settings(weights, {name: _json(text) for name, text in metadata.items()})
    elif weights.suffix == ".npz":
        state = _read_npz(weights)
    elif weights.suffix == ".onnx":
        state = _read_onnx(weights)
    elif weights.suffix in _TORCH:
        state = _read_torch(weights)
    else:
        raise ModelError(
            weights, "a checkpoint in a format that is not read", f"give a file that ends in {', '.join(_SUFFIXES)}"
        )
    for path in others:
        if path.name in (CONFIG, PREPROCESSOR):
            settings = _over(settings, _settings(path, _read_json(path)))
    return state, settings


def _over(before: Settings, after: Settings) -> Settings:
    return replace(before, **{name: value for name, value in vars(after).items() if value is not None})


def _json(text: str) -> Any:
    try:
        return parsed(text)
    except ValueError:
        return text


def _read_json(path: Path) -> dict[str, Any]:
    try:
        found = parsed(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(path, f"not the settings of a checkpoint ({error})", "download it again") from error
    if not isinstance(found, dict):
        raise ModelError(path, "not the settings of a checkpoint", "download it again")
    return found


def _settings(path: Path, told: dict[str, Any]) -> Settings:
    """Settings under the names of transformers (config, preprocessor) and of timm (config)."""
    if told.get("hidden_act", "gelu") != "gelu":
        raise ModelError(
            path,
            f"the network computes with {told['hidden_act']}, and only gelu is known here",
            "give another checkpoint",
        )
    timm = told.get("pretrained_cfg") if isinstance(told.get("pretrained_cfg"), dict) else {}
    arguments = told.get("model_args") if isinstance(told.get("model_args"), dict) else {}
    known = re.match(r"vit_([a-z]+)_", str(told.get("architecture", "")))
    heads = _positive(path, told, "num_attention_heads") or _positive(path, arguments or {}, "num_heads")
    values: dict[str, Any] = {
        "heads": heads or (_HEADS.get(known[1]) if known else None),
        "norm_eps": _positive(path, told, "layer_norm_eps"),
    }
    for name in ("mean", "std"):
        found = told.get(f"image_{name}", told.get(name, (timm or {}).get(name)))
        if found is not None:
            numbers = isinstance(found, list) and len(found) == 3 and all(isinstance(v, int | float) for v in found)
            if not numbers or not all(v > 0 or (name == "mean" and v == 0) for v in found):
                raise ModelError(path, f"the {name} of the pixels is {found!r}, not three numbers", "correct it")
            values[name] = tuple(map(float, found))
    return Settings(**values)


def _positive(path: Path, told: dict[str, Any], name: str) -> Any:
    value = told.get(name)
    if value is not None and (isinstance(value, bool) or not isinstance(value, int | float) or not value > 0):
        raise ModelError(path, f"{name} is {value!r}, not a positive number", "correct it")
    return value


def _shards(index: Path) -> dict[str, Path]:
    """Which file beside an index holds each tensor."""
    files = _read_json(index).get("weight_map")
    if not isinstance(files, dict) or not files or not all(isinstance(name, str) for name in files.values()):
        raise ModelError(index, "says of no tensor which file holds it (weight_map)", "download it again")
    for name in set(files.values()):
        if Path(name).name != name or not (index.parent / name).is_file():
            raise ModelError(index, f"names the file {name}, which is not in the same folder", "download it, too")
    return {key: index.parent / name for key, name in files.items()}


def _read_safetensors(path: Path) -> tuple[State, dict[str, str]]:
    """The tensors of a file and its metadata."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, "pt") as file:
            return {key: file.get_tensor(key).float() for key in file.keys()}, file.metadata() or {}  # noqa: SIM118
    except (SafetensorError, OSError) as error:
        raise ModelError(path, f"not a whole safetensors file ({error})", "download it again") from error


def _read_torch(path: Path) -> State:
    """The tensors of what `torch.save` wrote, read by the unpickler that makes nothing but tensors and plain values."""
    try:
        with torch.serialization.safe_globals([argparse.Namespace]):  # the settings that training code keeps
            found = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        raise ModelError(
            path,
            "not a whole PyTorch file, or one with other objects than tensors, which might run code when they are made",
            "save its state_dict alone, or as .safetensors",
        ) from error
    except (OSError, EOFError, RuntimeError, ValueError, LookupError, TypeError, AttributeError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ModelError(path, f"not a whole PyTorch file ({reason})", "download it again") from error
    for name in _NESTED * 2:  # one may be in the other
        if isinstance(found, dict) and isinstance(found.get(name), dict):
            found = found[name]
    if not isinstance(found, dict):
        raise ModelError(path, "holds no state_dict, the tensors of a network by name", "save the network's state_dict")
    return {str(key): value.float() for key, value in found.items() if isinstance(value, Tensor)}


def _read_npz(path: Path) -> State:
    try:
        arrays = np.load(path, allow_pickle=False)
        if isinstance(arrays, np.ndarray):
            raise ModelError(path, "a single array, not an archive of them", "give the .npz of the whole network")
        with arrays:
            return {key: torch.from_numpy(arrays[key].astype(np.float32)) for key in arrays.files}
    except (OSError, EOFError, ValueError, RuntimeError, TokenError, zipfile.BadZipFile, zlib.error) as error:
        raise ModelError(path, f"not a whole .npz archive of numbers ({error})", "download it again") from error


def _download(name: str) -> Path:
    """The files of a hub repository that a backbone needs, in the local cache."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    wanted = [CONFIG, PREPROCESSOR, WEIGHTS, INDEX, "model-*.safetensors"]
    try:
        return Path(snapshot_download(name, allow_patterns=wanted))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        raise ModelError(
            name,
            f"neither a local path nor available from the hub ({type(error).__name__})",
            "check the name and the connection, or give a local file",
        ) from error


def _read_onnx(path: Path) -> State:
    """The initialisers of an exported DINOv2; linear weights lose their names in export, the order restores them."""
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
    from onnx import numpy_helper

    try:
        graph = onnx.load(path).graph
        values = {i.name: torch.from_numpy(numpy_helper.to_array(i).astype(np.float32)) for i in graph.initializer}
        state = {name: value for name, value in values.items() if not name.startswith("onnx::")}
    except (DecodeError, onnx.checker.ValidationError, OSError, KeyError, TypeError, ValueError) as error:
        # KeyError: a type that does not exist; TypeError: a name that is not UTF-8
        raise ModelError(
            path, f"not a whole ONNX graph ({' '.join(str(error).split())})", "download it again"
        ) from error
    names = ["attention.attention.key", "attention.attention.value", "attention.attention.query"]
    names += ["attention.output.dense", "mlp.fc1", "mlp.fc2"]
    weights = [x for node in graph.node if node.op_type == "MatMul" for x in node.input[1:2] if x in values]
    layers = {key.partition("encoder.layer.")[2].partition(".")[0] for key in state if "encoder.layer." in key}
    if not layers or len(weights) != len(layers) * len(names):
        raise ModelError(
            path,
            f"{len(weights)} anonymous weights for {len(layers)} blocks: not an exported DINOv2",
            "export it again, or give .safetensors",
        )
    prefix = next(key for key in state if "encoder.layer." in key).partition("encoder.layer.")[0]
    for i, weight in enumerate(weights):
        layer, place = divmod(i, len(names))
        state[f"{prefix}encoder.layer.{layer}.{names[place]}.weight"] = values[weight].T.contiguous()
    return state
