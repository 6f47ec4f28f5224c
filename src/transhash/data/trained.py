"""What a model says about the images that it was trained on, found again in a data set."""

from __future__ import annotations

import numpy as np

from transhash.data.lists import COLUMNS
from transhash.data.protocols import Split, split, validation_split
from transhash.data.sets import ImageSet, Rows
from transhash.errors import DataError
from transhash.plain import JsonObject


def identity(images: ImageSet) -> JsonObject:
    """By what a model knows the data set again that it was trained on, in JSON's own types."""
    return {"labels_sha256": images.labels_sha256, "pictures_sha256": images.images.sha256}


def own_recipe(about: JsonObject, images: ImageSet) -> JsonObject | None:
    """The recipe of a model (the `about` of its `config.json`) if it was trained on this data set, else None.

    Sets of people's own, which grow and shrink, are known again by their content, where the model says that.
    """
    recipe = about.get("recipe")
    if not isinstance(recipe, dict) or recipe.get("dataset") != images.name:
        return None
    if list(about.get("classes", ())) != list(images.classes):
        return None
    told = about.get("data")
    own = images.name not in ("folder", *COLUMNS) or told is None
    return recipe if own or told == identity(images) else None


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
    """A sentence when a model was, or may have been, trained on queries of a split: it looks better than it is."""
    recipe = own_recipe(about, images)
    if recipe is None:
        return _unknown(about, images)
    seen = np.intersect1d(parts.query, trained_rows(about, images)).size
    if not seen:
        return ()
    return (
        f"this model was trained on {seen:,} of the {len(parts.query):,} queries, so that the figures are too high; "
        f"evaluate it under the split that it was trained under: --protocol {recipe['protocol']} --split-seed "
        f"{recipe['split_seed']}",
    )


def _unknown(about: JsonObject, images: ImageSet) -> tuple[str, ...]:
    """A sentence when a data set has changed since a model was trained on it, or is another with a class in common."""
    recipe = about.get("recipe")
    if not isinstance(recipe, dict) or recipe.get("dataset") != images.name:
        return ()
    if not set(about.get("classes", ())) & set(images.classes):
        return ()
    return (
        "these are not the pictures that this model was trained on, or not all of them, though classes have the same "
        "names: if it was trained on some of the queries, the figures are too high",
    )
