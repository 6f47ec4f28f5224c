"""The cells of a comparison: every method, code length and seed, on one backbone.

A cell is a recipe (a method with a network) or a shallow method with its settings; equal cells have equal keys, and
that is what their results are found by.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from transhash.errors import RecipeError
from transhash.losses import METHODS
from transhash.losses.crovca import hash_coder
from transhash.losses.sdc import sdc
from transhash.plain import JsonObject
from transhash.shallow import METHODS as SHALLOW
from transhash.shallow import UNSUPERVISED as WITHOUT_LABELS
from transhash.shallow.functions import Method
from transhash.training.network import settled, starting_vit
from transhash.training.recipe import MACHINE, Recipe

BASE: JsonObject = {  # what every network's cell has unless told otherwise; the blocks below the last are frozen
    "validation": 0,
    "epochs": 10,
    "learning_rate": 3e-4,
    "warmup_steps": 50,
    "average": 0.99,
    "cached_views": 8,
    "crop_scale": 0.5,
    "jitter": 0.3,
}
WHOLE: JsonObject = {  # as `BASE`, where all blocks are trained (`train="all"`), from pictures
    **BASE,
    "epochs": 20,
    "warmup_steps": 100,
    "cached_views": 0,
    "freeze": 0,
}
LATER = (
    "lengths",
    "likeness",
    "coarse",
    "heads",
)  # settings that count where they are used: the keys of older cells stay
_OF_FEATURES = ("heads", "centre_crop", "precision")  # the same of methods without a network, but for their defaults
_START = ("backbone", "heads", "image_size")  # what says which network all cells start from
FLAGS = {  # settings that a comparison has by an option of its own
    "dataset": "--dataset",
    "data": "--data",
    "protocol": "--protocol",
    "split_seed": "--split-seed",
    "backbone": "--backbone",
    "heads": "--heads",
    "image_size": "--image-size",
    "device": "--device",
    "bits": "--bits",
    "seed": "--seeds",
    "method": "--methods",
}
_OF_ALL = ("dataset", "data", "protocol", "split_seed", "backbone", "heads", "validation")  # or no table has sense
VARIANTS: dict[str, JsonObject] = {  # the method of the paper and its three ablations
    "transhash": {},
    "transhash-sigmoid": {"loss.likelihood": "sigmoid"},
    "transhash-single": {"groups": 0},
    "transhash-no-prior": {"loss.quantization": 0.0},
}
PEERS = tuple(name for name in METHODS if name != "transhash")
DUAL = "-dual"  # at the end of a peer's name: with the local stream of TransHash, its loss on the whole code
FEATURES: dict[str, Method] = {**SHALLOW, "sdc": sdc}  # fitted to the backbone's features
PROBES = {"crovca-unsupervised": hash_coder}  # fitted to the backbone's features of augmented views, without labels
FITTED = (*FEATURES, *PROBES)  # without a network of their own
UNSUPERVISED = (*WITHOUT_LABELS, "sdc", *PROBES)
ALL = (*VARIANTS, *PEERS, *FITTED)
NAMED = (*VARIANTS, *(name + dual for name in PEERS for dual in ("", DUAL)), *FITTED)
GROUPS = {"all": ALL, "unsupervised": UNSUPERVISED}  # names that stand for several methods


@dataclass(frozen=True)
class Cell:
    """One method at one code length with one seed."""

    method: str
    """A name of `NAMED`, or of a recipe file without its ending."""
    bits: int
    seed: int
    recipe: Recipe
    """Of a shallow method only what says which data and features it is on counts."""

    @property
    def is_shallow(self) -> bool:
        """Whether it is fitted to features, without a network of its own."""
        return self.method in FITTED

    @property
    def reads_views(self) -> bool:
        """Whether it learns from augmented views whose tokens are kept."""
        return self.method in PROBES or (self.recipe.cached_views > 0 and not self.is_shallow)

    @property
    def reads_tokens(self) -> bool:
        """Whether it starts from what the frozen blocks compute, rather than from pictures."""
        return self.is_shallow or self.recipe.cached_views > 0

    def key(self, facts: JsonObject) -> str:
        """Hex digits that are the same for the same cell on the same data and backbone, wherever these lie."""
        settings = self.recipe.model_dump(mode="json", exclude={"data", "backbone", *MACHINE})
        for name in LATER:
            if not settings[name]:
                del settings[name]
        if self.is_shallow:
            used = [name for name in _OF_FEATURES if getattr(self.recipe, name) != Recipe.model_fields[name].default]
            names = ("dataset", "protocol", "split_seed", "image_size", "bits", *used)
            settings = {name: settings[name] for name in names}
            if self.recipe.validation:
                settings["validation"] = self.recipe.validation
            if self.reads_views:
                settings |= {"cached_views": self.recipe.cached_views, **asdict(self.recipe.augmentation)}
        elif getattr(METHODS[self.recipe.method], "normalised", False):
            settings["normalised"] = True  # of older cells it was not
        whole = {"method": self.method, "seed": self.seed, "settings": settings, **facts}
        return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()[:16]


def cells(
    methods: Sequence[str],
    bits: Sequence[int],
    seeds: int,
    common: JsonObject,
    *,
    changes: JsonObject,
    train: str = "last",
    streams: Sequence[int] = (1,),
) -> list[Cell]:
    """The matrix, seed by seed and length by length in their order, so that a first whole column is there early.

    `methods`: names of `NAMED` or `GROUPS`, or paths of recipes (`.yaml`), which bring their own settings. `common`:
    data set, protocol, backbone and the like, of every cell. `changes`: settings of every named method on top of
    `BASE`, or of `WHOLE` where all blocks are trained: `train` is "last" or "all"; of a recipe file only those of the
    machine, and `validation`.
    `streams`: whether named methods other than TransHash's own have one stream, two, or a cell for each. Shallow ones
    are fitted to the backbone's own features in every case. Raises `RecipeError` for what is no method, for a file
    with the name of another one, and for a setting that cannot be or that `common` has.
    """
    if train not in ("last", "all"):
        raise RecipeError("", f"no such blocks to train: {train!r}", "use last or all")
    if not streams or not {1, 2}.issuperset(streams):
        raise RecipeError("", "a network has one stream or two", "use 1, 2 or 1,2")
    given = [name for method in methods for name in GROUPS.get(method, (method,))]
    _check_names(given)
    _check_changes(given, changes)
    endings = [DUAL if count == 2 else "" for count in streams]
    wanted = dict.fromkeys(name + end for name in given for end in (endings if name in PEERS else ("",)))
    start = settled(Recipe.read(None, **{name: common[name] for name in _START if name in common}))
    common = {**common, "image_size": start.image_size}
    common["validation"] = changes.get("validation", BASE["validation"])  # the same images score every method
    last = {**BASE, "freeze": starting_vit(start).config.depth - 1, **changes}
    whole = {**WHOLE, **changes}
    return [
        Cell(
            Path(name).stem if _is_file(name) else name,
            length,
            seed,
            _recipe(
                name,
                whole if train == "all" and name not in FITTED else last,
                {**common, "bits": length, "seed": seed},
            ),
        )
        for seed in range(seeds)
        for length in bits
        for name in wanted
    ]


def _check_names(given: Sequence[str]) -> None:
    """Raise `RecipeError` where a recipe file would be taken for another method: results go by its name."""
    names: dict[str, str] = {}
    for file in dict.fromkeys(name for name in given if _is_file(name)):
        name = Path(file).stem
        if name in (*NAMED, *GROUPS):
            raise RecipeError(file, f"a method is called {name!r}, too", "give the file another name")
        if other := names.get(name):
            raise RecipeError(file, f"has the name of {other}, and both would be {name!r}", "give it another name")
        names[name] = file


def _check_changes(given: Sequence[str], changes: JsonObject) -> None:
    """Raise `RecipeError` for changes that no method would have, because an option or its name says otherwise."""
    for name in changes:
        if name in FLAGS:
            raise RecipeError(f"--set {name}", "a comparison has an option for that", f"use {FLAGS[name]}")
    peers = [name for name in given if name.removesuffix(DUAL) in PEERS]
    if "groups" in changes and peers:
        raise RecipeError(
            "--set groups",
            f"{peers[0]} has the streams that --streams gives it",
            "use --streams, or compare TransHash's own methods alone (--methods transhash)",
        )


def check_alike(cells: Sequence[Cell]) -> None:
    """Raise `RecipeError` unless all have one data set, split and backbone, and are scored on the same images."""
    for name in _OF_ALL:
        values = list(dict.fromkeys(str(getattr(cell.recipe, name)) for cell in cells))
        if len(values) > 1:
            flag = FLAGS.get(name, f"--set {name}=…")
            raise RecipeError(
                "",
                f"{name} is {values[0]} for {cells[0].method} and {values[1]} for another method: no table has both",
                f"compare each by itself: a command with {flag} and a folder (--out) for each",
            )


def _is_file(name: str) -> bool:
    return name.endswith((".yaml", ".yml"))


def _recipe(name: str, base: JsonObject, own: JsonObject) -> Recipe:
    """What a method runs by: `base` for named ones, and what is the cell's own."""
    if _is_file(name):
        recipe = Recipe.read(name, **{setting: base[setting] for setting in MACHINE if setting in base}, **own)
        if not recipe.cached_views and base["cached_views"]:
            raise RecipeError(
                name, "a comparison needs freeze and cached_views above 0", "set both, or compare with --train all"
            )
        return recipe
    if name not in NAMED:
        raise RecipeError("", f"no method is called {name!r}", f"there are {', '.join(ALL)}, and recipe files")
    peer = name.removesuffix(DUAL)
    peers = {"method": peer} if peer in PEERS else {}
    own_streams = {"groups": 2 if name.endswith(DUAL) else 0}
    return Recipe.read(None, **{**base, **VARIANTS.get(name, {**own_streams, **peers}), **own})
