"""The directory of a model, which this room alone reads and writes: settings, weights, graph, and a fitted head."""

from __future__ import annotations

import hashlib
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transhash.errors import ModelError
from transhash.model.calibration import Calibration
from transhash.model.likeness import Likeness
from transhash.plain import JsonObject, parsed
from transhash.system import replacing

CONFIG, WEIGHTS, GRAPH = "config.json", "model.safetensors", "model.onnx"
HEAD = "head.npy"  # of a fitted model, in place of its hash layers; the last row is added. On embeddings, where the
# model has a file for these: int64 (V + 1, B), whole numbers; else on features: float32 (F + 1, B)
EMBEDDING = "embedding.npy"  # float32 (F + 1, V): features to embeddings, in place of hash layers on the streams
LAYERS = "layers.npy"  # int32 (V + H + 1, B1 + B2 + …): hash layers of every length on embeddings, whole numbers
HIDDEN = "hidden.npy"  # int32 (V + 1, H): their hidden layer
FORMAT = 1  # of the directory; a newer one needs a newer transhash


def write_config(folder: Path, config: JsonObject) -> None:
    """Write the settings of a model, whole or not at all; raises `OSError`."""
    text = json.dumps(config, indent=1, ensure_ascii=False) + "\n"
    with replacing(folder / CONFIG) as file:
        file.write(text.encode(errors="backslashreplace"))  # of a name that is not UTF-8, as JSON escapes it


def check_name(folder: Path) -> None:
    """Raise `ModelError` for a folder that ONNX Runtime and safetensors cannot open files in."""
    try:
        str(folder.absolute()).encode()
    except UnicodeEncodeError as error:
        reason = "no model can be opened here, as the name of the folder is not UTF-8"
        raise ModelError(folder, reason, "give the folder another name") from error


def checked_files(folder: Path, config: JsonObject) -> list[str]:
    """The checksums of a model's files, in order; raises `ModelError` for a file that is missing or altered."""
    checksums = config["sha256"]
    files = [WEIGHTS, GRAPH, *(file for file in (HEAD, EMBEDDING, HIDDEN, LAYERS) if file in checksums)]
    for file in files:
        path = folder / file
        if not path.is_file():
            raise ModelError(folder, f"the model has no {file}", "copy the whole directory again")
        try:
            found = file_hash(path)
        except OSError as error:
            raise ModelError(path, f"cannot be read ({error.strerror})", "check the drive and permissions") from error
        if found != checksums.get(file):
            raise ModelError(path, "differs from what was saved (checksum)", "copy the model again")
    return [checksums[file] for file in files]


def file_hash(path: Path) -> str:
    """SHA-256 of a file, hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_config(folder: Path) -> JsonObject:
    """The settings of a model; raises `ModelError` when there are none, not whole ones, or ones of a newer format."""
    check_name(folder)
    path = folder / CONFIG
    try:
        config: JsonObject = parsed(path.read_text("utf-8"))
        if config["format"] > FORMAT:
            raise ModelError(folder, f"a model of a newer format ({config['format']})", "update transhash")
        network = config["network"]
        if (
            not isinstance(config["name"], str)
            or not isinstance(config["sha256"], dict)
            or not 0 < config["crop"] <= 1
            or not 0 <= config.get("rounding", 0.0) < math.inf
            or not all(map(_is_calibration, calibrations_of(config).values()))
            or not all(_is_likeness(config.get(name)) for name in ("likeness", "nearness"))
            or config["bits"] not in lengths_of(config)
            or config["image_size"] != network["vit"]["image_size"]
            or (config["bits"] != network["bits"] and HEAD not in config["sha256"])
        ):
            raise ValueError
    except FileNotFoundError:
        raise ModelError(folder, f"no model here (there is no {CONFIG})", "give a model directory") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(path, "not the settings of a model", "copy the model again") from error
    return config


def lengths_of(config: JsonObject) -> tuple[int, ...]:
    """All code lengths of a model, ascending; a fitted head has one."""
    lengths = [] if HEAD in config["sha256"] else config["network"].get("lengths") or []
    if not all(isinstance(length, int) and length > 0 for length in lengths) or lengths != sorted(set(lengths)):
        raise ValueError
    return tuple(lengths) or (config["bits"],)


def calibrations_of(config: JsonObject) -> JsonObject:
    """The calibration of each code length; a model of one length may have it under a name of its own."""
    if config.get("calibration"):
        return {str(config["bits"]): config["calibration"]}
    return dict(config.get("calibrations") or {})


def read_linear(path: Path, kind: type[np.generic], outputs: int | None = None) -> NDArray[Any]:
    """A linear map, by default to any number of outputs, (inputs + 1, outputs): what is added is its last row.

    Raises `ModelError` for something else.
    """
    try:
        found = np.load(path, allow_pickle=False)
    except (OSError, EOFError, ValueError) as error:
        raise ModelError(path, f"cannot be read ({error})", "check the drive, or copy the model again") from error
    if found.dtype != kind or found.ndim != 2 or len(found) < 2 or outputs not in (None, found.shape[1]):
        raise ModelError(path, f"not a linear map to {outputs or 'some'} values", "copy the model again")
    return np.asarray(found)


def _is_calibration(value: Any) -> bool:
    """Whether a setting is a calibration, or there is none."""
    if value is None:
        return True
    calibration = Calibration(**value)
    numbers = (calibration.certainty, calibration.gamma, calibration.power)
    return all(isinstance(number, float) and 0 < number < math.inf for number in numbers) and calibration.certainty <= 1


def _is_likeness(value: Any) -> bool:
    """Whether a setting is a calibration of cosines, or there is none."""
    if value is None:
        return True
    likeness = Likeness(**value)
    return all(isinstance(number, float) and math.isfinite(number) for number in (likeness.slope, likeness.offset))
