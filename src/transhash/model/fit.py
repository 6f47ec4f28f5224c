"""A model for a collection without labels: the hash layers are learned from the pictures themselves."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import transhash
from transhash.codes import MOST_BITS
from transhash.errors import DataError, ImageError, ModelError
from transhash.images import Source
from transhash.model.directory import EMBEDDING, GRAPH, HEAD, WEIGHTS, check_name, file_hash, write_config
from transhash.model.encoding import gathered
from transhash.model.fitted import Head, fit_head, sample_of
from transhash.model.hash_model import HashModel
from transhash.progress import Progress, silent
from transhash.shallow import smoothed_itq
from transhash.system import make_folders, settle


def fit(
    base: HashModel,
    pictures: Iterable[Source],
    bits: int,
    folder: str | os.PathLike[str],
    *,
    progress: Progress = silent,
    skipped: Callable[[ImageError], None] | None = None,
) -> HashModel:
    """Fit codes of `bits` bits (a multiple of 8, up to 512) to pictures, and write the model directory `folder`.

    Smoothed ITQ takes the place of the base model's hash layers. It learns from `model.fitted.SAMPLE` of the pictures
    at most. It reads the embeddings of a base that has a file for these; the model keeps them, and what turns their
    cosines into probabilities. Of other bases, and for more bits than an embedding has values, it reads the features;
    embeddings are then relaxed codes. Pictures that cannot be used are left out, and `skipped` is called with the
    reason. What is read is held in memory.
    Raises `DataError` for too few pictures, `ModelError` when the model cannot be written.
    """
    folder = Path(folder)
    if bits % 8 or not 8 <= bits <= MOST_BITS:
        raise DataError("", f"codes of {bits} bits", f"use a multiple of 8 from 8 to {MOST_BITS}")
    if folder.exists():
        raise ModelError(folder, "is there already", "choose another place")
    check_name(folder)
    keeps = EMBEDDING in base.config["sha256"] and bits <= base.embedding_values
    copied = (WEIGHTS, GRAPH, EMBEDDING) if keeps else (WEIGHTS, GRAPH)
    dropped = ("calibration", "calibrations") if keeps else ("calibration", "calibrations", "likeness", "nearness")
    kept = gathered(base.stream(pictures), lambda one: one.embedding if keeps else one.features, progress, skipped)
    count, rows = len(kept), np.stack(kept)
    head = _whole(fit_head(rows, bits)) if keeps else smoothed_itq(rows[sample_of(count)], bits)
    making = folder.with_name(f".{folder.name}.{os.getpid()}.tmp")
    try:
        make_folders(making)
        for name in copied:
            shutil.copyfile(base.folder / name, making / name)
        content = BytesIO()
        np.save(content, head)
        (making / HEAD).write_bytes(content.getvalue())
        config = {key: value for key, value in base.config.items() if key not in dropped}
        config |= {
            "name": folder.name,
            "bits": bits,
            "sha256": {name: file_hash(making / name) for name in (*copied, HEAD)},
            "about": {"transhash": transhash.__version__, "base": base.name, "pictures": count},
        }
        for name in config["sha256"]:
            settle(making / name)
        write_config(making, config)
        making.replace(folder)
        settle(folder.absolute().parent)
    except OSError as error:
        raise ModelError(folder, f"cannot be written ({error.strerror})", "choose another place") from error
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return HashModel(folder)


def _whole(head: Head) -> NDArray[np.int64]:
    """Hash layers on embeddings as `HEAD` has them: whole numbers (V + 1, B)."""
    return np.vstack([head.weights.astype(np.int64), head.offset])
