"""One cell of a comparison: a method trained and scored, on tokens that are there already or on pictures."""

from __future__ import annotations

import hashlib
import shutil
import time
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from transhash.codes import pack
from transhash.comparison import tokens as token_files
from transhash.comparison.cells import FEATURES, PROBES, UNSUPERVISED, Cell
from transhash.comparison.tokens import Tokens, encode, view_features
from transhash.data.datasets import ImageSet, load_dataset
from transhash.data.protocols import PROTOCOLS, Split, split, validation_split
from transhash.errors import RecipeError
from transhash.evaluation import Scores, evaluate
from transhash.plain import JsonObject
from transhash.progress import silent
from transhash.shallow import HashFunction
from transhash.training.device import device_of, precision_of
from transhash.training.loop import train
from transhash.training.network import backbone_digest
from transhash.training.recipe import MACHINE, Recipe
from transhash.training.source import Decoded
from transhash.training.tokens import TokenCache
from transhash.training.validation import relaxed

PRECISION_AT = (1, 10, 50, *range(100, 2001, 100))
_DIGITS = 6  # of the curves, that a file of hundreds of cells stays small


@dataclass(frozen=True)
class Prepared:
    """What the cells of one data set share: its images, the split, and where tokens and pictures lie."""

    images: ImageSet
    split: Split
    facts: JsonObject
    """What a result depends on besides its cell's settings: digests of all that is read."""
    folder: Path

    @cached_property
    def rows(self) -> NDArray[np.int64]:
        """The rows of the data set that a cell reads or is scored on, ascending: int64 (n,)."""
        return np.union1d(np.union1d(self.split.query, self.split.database), self.split.train)

    def places(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Where some rows of the data set are among `rows`."""
        return np.searchsorted(self.rows, rows)

    def tokens(self, recipe: Recipe) -> Tokens:
        """The tokens of `rows` as a recipe's frozen blocks compute them; those of other settings are others."""
        return Tokens(self.folder / token_files.place(recipe, self.facts, augmented=False, rows=self.rows), self.rows)

    def learning(self, held_out: float, seed: int) -> int:
        """How many of the training images are left to learn from, without the share that is held out."""
        return len(validation_split(self.split.train, self.images.labels, held_out, seed=seed)[0])

    def queries(self, recipe: Recipe) -> int:
        """How many images query at a time: those of the split, or half of those that are held out for validation."""
        if not recipe.validation:
            return len(self.split.query)
        held_out = validation_split(self.split.train, self.images.labels, recipe.validation, seed=recipe.split_seed)[1]
        return len(held_out[0::2])

    def decoded(self, recipe: Recipe) -> Decoded:
        """All pictures that are scored, as a recipe's network sees them: decoded once, by whichever cell needs them."""
        of = hashlib.sha256((self.facts["data_sha256"] + self.rows.tobytes().hex()).encode()).hexdigest()[:12]
        folder = self.folder / f"pictures-{of}" / f"{recipe.image_size}-{recipe.centre_crop}"
        return Decoded(self.images, self.rows, recipe.image_size, folder, crop=recipe.centre_crop)


def prepare(recipe: Recipe, tokens: Path, facts: JsonObject | None = None) -> Prepared:
    """The data of all cells, by the recipe of any; `facts`: what a result depends on besides, where it is known.

    Among them are digests of all that is read: pictures, labels and the backbone's weights. Neither results nor tokens
    of other content are ever taken for these. `tokens`: the folder for tokens and decoded pictures.
    """
    images = load_dataset(recipe.dataset, recipe.data)
    parts = split(recipe.protocol, images, seed=recipe.split_seed)
    facts = facts or {
        "dataset": recipe.dataset,
        "protocol": recipe.protocol,
        "split_sha256": parts.checksum,
        "data_sha256": hashlib.sha256((images.labels_sha256 + images.images.sha256).encode()).hexdigest(),
        "backbone_sha256": backbone_digest(recipe.backbone),
    }
    return Prepared(images, parts, facts, tokens)


def run(cell: Cell, prepared: Prepared, views: Path | None, folder: Path) -> JsonObject:
    """Train or fit, encode, score: JSON's own types. `folder` is for what a run keeps while it goes on, and is removed.

    `views`: the folder of the tokens' views, for a cell that reads tokens.

    With images held out for validation, these are scored and the test queries stay unseen: each half queries the other.
    """
    recipe = cell.recipe
    labels = prepared.images.labels
    train_rows, held_out = validation_split(prepared.split.train, labels, recipe.validation, seed=recipe.split_seed)
    begin = time.perf_counter()
    if cell.is_shallow:
        fitted = _fitted(cell, prepared, views, train_rows)
        trained = time.perf_counter()
        values = fitted.values(prepared.tokens(recipe).features())
        history = []
    else:
        places = _places_of(train_rows, prepared.split.train)
        cache = None if views is None else TokenCache(views, recipe.cached_views, places)
        result = train(recipe, folder, images=prepared.images, cache=cache)
        trained = time.perf_counter()
        history = result.history
        scored = np.sort(prepared.places(held_out if recipe.validation else prepared.rows))
        values = np.zeros((len(prepared.rows), recipe.bits), np.float32)
        precision = precision_of(recipe.precision, device_of(recipe.device))
        if cache is not None:
            h = encode(result.network, prepared.tokens(recipe), scored, recipe.freeze, precision)
        else:
            h = relaxed(result.network, prepared.decoded(recipe).take, scored, precision)
        values[scored] = h[:, result.network.config.columns]
        shutil.rmtree(folder)
    codes = pack(values)
    encoded = time.perf_counter()

    def score(query: NDArray[np.int64], database: NDArray[np.int64]) -> Scores:
        one, other = prepared.places(query), prepared.places(database)
        topk = PROTOCOLS[recipe.protocol].topk
        if topk and recipe.validation:  # as large a share of what is searched: it is as hard to fill
            topk = max(1, round(topk * len(database) / len(prepared.split.database)))
        places = [place for place in PRECISION_AT if place <= len(database)]
        return evaluate(codes[one], labels[query], codes[other], labels[database], topk, precision_at=places)

    if recipe.validation:
        halves = held_out[0::2], held_out[1::2]
        figures = _mean(_rounded(score(*halves)), _rounded(score(*halves[::-1])))
    else:
        figures = _rounded(score(prepared.split.query, prepared.split.database))
    return {
        "method": cell.method,
        "bits": cell.bits,
        "seed": cell.seed,
        "image_size": recipe.image_size,
        "recipe": None if cell.is_shallow else recipe.model_dump(mode="json", exclude={"data", "backbone", *MACHINE}),
        "scores": figures,
        "history": history,
        "seconds": {
            "train": round(trained - begin, 2),
            "encode": round(encoded - trained, 2),
            "evaluate": round(time.perf_counter() - encoded, 2),
        },
    }


def _fitted(cell: Cell, prepared: Prepared, views: Path | None, rows: NDArray[np.int64]) -> HashFunction:
    """A method without a network, fitted to features of some training images, with labels if it learns from them."""
    if cell.method in PROBES:
        if views is None:
            raise RecipeError(cell.method, "learns from views", "give the folder that they are in")
        of_views = view_features(views, cell.recipe, len(prepared.split.train), silent)
        return PROBES[cell.method](of_views[:, _places_of(rows, prepared.split.train)], cell.bits, seed=cell.seed)
    labels = None if cell.method in UNSUPERVISED else prepared.images.labels[rows]
    features = prepared.tokens(cell.recipe).features()[prepared.places(rows)]
    return FEATURES[cell.method](features, labels, cell.bits, seed=cell.seed)


def _places_of(rows: NDArray[np.int64], among: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where some rows are among others."""
    ascending = np.argsort(among)
    return ascending[np.searchsorted(among, rows, sorter=ascending)]


def _rounded(scores: Scores) -> JsonObject:
    figures = scores.to_dict()
    for name in ("precision_by_radius", "recall_by_radius"):
        figures[name] = [round(value, _DIGITS) for value in figures[name]]
    figures["precision_at"] = {place: round(value, _DIGITS) for place, value in figures["precision_at"].items()}
    return figures


def _mean(one: Any, other: Any) -> Any:
    """The mean of each figure; what is counted, or chosen, is that of the first."""
    if isinstance(one, dict):
        return {name: _mean(value, other[name]) for name, value in one.items() if name in other}
    if isinstance(one, list):
        return [_mean(*both) for both in zip(one, other, strict=True)]
    return (one + other) / 2 if isinstance(one, float) else one
