"""From a finished run to a model directory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

import transhash
from transhash.data.trained import identity
from transhash.errors import DataError, ImageError
from transhash.model import HashModel
from transhash.nn.tables import UnsafeStepsError
from transhash.training.calibrate import calibrate
from transhash.training.export import export_model
from transhash.training.loop import Trained

PICTURES = 256  # of the training images, on which the ranges of 8-bit products are measured


def ship(trained: Trained, folder: Path, name: str, *, say: Callable[[str], None] = lambda sentence: None) -> HashModel:
    """Write the model of a run, with what it was trained on and how, calibrated on what was held out.

    Where no steps of 8 bits are safe for its values, it computes in float32, and `say` gets the sentence: a run never
    ends without a model.
    """
    recipe = trained.recipe.model_dump(mode="json")
    # places on the machine that trained it say nothing elsewhere, and may say too much
    recipe |= {"data": trained.recipe.data.name, "backbone": Path(trained.recipe.backbone).name}
    about = {
        "transhash": transhash.__version__,
        "classes": trained.images.classes,
        "data": identity(trained.images),
        "recipe": recipe,
        "history": trained.history,
    }
    rows = np.random.default_rng(0).permutation(trained.seen)[:PICTURES]
    crop, size = trained.recipe.centre_crop, trained.recipe.image_size
    pictures = trained.images.images.decode(rows, size, crop=crop)
    try:
        model = export_model(trained.network, folder, name, about, crop=crop, pictures=pictures)
    except UnsafeStepsError as error:
        say(f"this model computes in float32 and encodes slower, as its values do not fit into 8 bits ({error})")
        model = export_model(trained.network, folder, name, about, crop=crop)
    try:
        model.calibrate(*calibrate(model, trained.images, trained.held_out))
    except DataError:
        pass  # nothing was held out, or of one class only
    except ImageError as error:
        say(f"this model gives no probabilities: it is not calibrated, as a picture held out cannot be used ({error})")
    return model
