"""From a finished run to a model directory."""

from __future__ import annotations

from pathlib import Path

import transhash
from transhash.model import HashModel
from transhash.nn.export import export_model
from transhash.training.loop import Trained


def ship(trained: Trained, folder: Path, name: str) -> HashModel:
    """Write the model of a run, with what it was trained on and how."""
    recipe = trained.recipe.model_dump(mode="json")
    # places on the machine that trained it say nothing elsewhere, and may say too much
    recipe |= {"data": trained.recipe.data.name, "backbone": Path(trained.recipe.backbone).name}
    about = {
        "transhash": transhash.__version__,
        "classes": trained.classes,
        "recipe": recipe,
        "history": trained.history,
    }
    return export_model(trained.network, folder, name, about, crop=trained.recipe.centre_crop)
