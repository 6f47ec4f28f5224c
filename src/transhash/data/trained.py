"""What a model says about the images that it was trained on, found again in a data set."""

from __future__ import annotations

import numpy as np

from transhash.data.protocols import Split, split, validation_split
from transhash.data.sets import ImageSet, Rows
from transhash.errors import DataError
from transhash.plain import JsonObject


def own_recipe(about: JsonObject, images: ImageSet) -> JsonObject | None:
    """The recipe of a model (the `about` of its `config.json`) if it was trained on this data set, else None."""
    recipe = about.get("recipe")
    if not isinstance(recipe, dict) or recipe.get("dataset") != images.name:
        return None
    return recipe if list(about.get("classes", ())) == list(images.classes) else None


def own_seed(about: JsonObject, images: ImageSet) -> int:
    """The seed of the split that a model was trained under; 0 on a data set that it was not trained on."""
    return int((own_recipe(about, images) or {}).get("split_seed", 0))


def trained_rows(about: JsonObject, images: ImageSet) -> Rows:
    """The rows of a data set that a model was trained on; none of a set that it was not trained on."""
    recipe = own_recipe(about, images)
    if recipe is None:
        return np.empty(0, np.int64)
    try:
        parts = split(recipe["protocol"], images, seed=recipe["split_seed"])
    except (DataError, KeyError):  # its own protocol does not fit these images
        return np.empty(0, np.int64)
    return validation_split(parts.train, images.labels, recipe.get("validation", 0), seed=recipe["split_seed"])[0]


def seen_queries(about: JsonObject, images: ImageSet, parts: Split) -> tuple[str, ...]:
    """A sentence when a model was trained on queries of a split, by which it looks better than it is."""
    seen = np.intersect1d(parts.query, trained_rows(about, images)).size
    if not seen:
        return ()
    recipe = own_recipe(about, images) or {}
    return (
        f"this model was trained on {seen:,} of the {len(parts.query):,} queries, so that the figures are too high; "
        f"evaluate it under the split that it was trained under: --protocol {recipe['protocol']} --split-seed "
        f"{recipe['split_seed']}",
    )
