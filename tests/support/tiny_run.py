"""The recipe of a run that takes a moment."""

from __future__ import annotations

from pathlib import Path

from transhash.nn.vit import ViTConfig
from transhash.training.recipe import Recipe

SHAPE = ViTConfig(image_size=28, patch_size=14, dim=64, depth=3, heads=1, mlp_dim=64)
STILL = {"crop_scale": 1, "crop_ratio": 1, "flip": False, "jitter": 0, "erase": 0, "drop_path": 0}  # nothing random


def recipe(place: Path, **changes: object) -> Recipe:
    settings = {
        "dataset": "folder",
        "protocol": "folder",
        "data": place / "data",
        "backbone": str(place / "vit.safetensors"),
        "image_size": 28,
        "bits": 16,
        "epochs": 5,
        "batch_size": 8,
        "warmup_steps": 2,
        "learning_rate": 0.003,
        "validation": 0,
        "jitter": 0.2,
        "erase": 0.5,
        "drop_path": 0.2,
        "precision": "float32",
    }
    return Recipe.build({**settings, **changes})
