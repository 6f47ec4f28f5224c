"""Losses that learn hash codes, one file a method (needs torch).

A method is one file with a subclass of `HashLoss`, and one line here.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Mapping

from transhash.errors import RecipeError
from transhash.losses.bayesian import BayesianLoss
from transhash.losses.crovca import CroVCALoss
from transhash.losses.csq import CSQLoss
from transhash.losses.dch import DCHLoss
from transhash.losses.dhd import DHDLoss
from transhash.losses.dhn import DHNLoss
from transhash.losses.dpn import DPNLoss
from transhash.losses.dpsh import DPSHLoss
from transhash.losses.dsh import DSHLoss
from transhash.losses.greedyhash import GreedyHashLoss
from transhash.losses.hash_loss import HashLoss, Task
from transhash.losses.hashnet import HashNetLoss
from transhash.losses.hyp2 import HyP2Loss
from transhash.losses.idhn import IDHNLoss
from transhash.losses.orthohash import OrthoHashLoss

METHODS: dict[str, Callable[..., HashLoss]] = {  # (task, *, its hyper-parameters)
    "transhash": BayesianLoss,
    "dsh": DSHLoss,
    "dpsh": DPSHLoss,
    "dhn": DHNLoss,
    "hashnet": HashNetLoss,
    "dch": DCHLoss,
    "idhn": IDHNLoss,
    "greedyhash": GreedyHashLoss,
    "dpn": DPNLoss,
    "csq": CSQLoss,
    "orthohash": OrthoHashLoss,
    "hyp2": HyP2Loss,
    "crovca": CroVCALoss,
    "dhd": DHDLoss,
}

Settings = Mapping[str, bool | int | float | str]


def check_settings(method: str, settings: Settings) -> None:
    """Raise `RecipeError` unless there is such a method, with these hyper-parameters, and values of their kind."""
    if method not in METHODS:
        raise RecipeError("", f"no method is called {method!r}", f"there are {', '.join(METHODS)}")
    parameters = inspect.signature(METHODS[method]).parameters.values()
    defaults = {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}
    for name, value in settings.items():
        if name not in defaults:
            raise RecipeError(
                "", f"{method} has no hyper-parameter {name!r}", f"it has {', '.join(defaults) or 'none'}"
            )
        default = defaults[name]
        kinds = (type(default),) if isinstance(default, bool | str) else (int, float)
        if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
            raise RecipeError(method, f"{name} is {value!r}", f"it must be of the kind of {default!r}")
        if isinstance(value, float) and not math.isfinite(value):
            raise RecipeError(method, f"{name} is {value}", "it must be a finite number")


__all__ = [
    "METHODS",
    "BayesianLoss",
    "CSQLoss",
    "CroVCALoss",
    "DCHLoss",
    "DHDLoss",
    "DHNLoss",
    "DPNLoss",
    "DPSHLoss",
    "DSHLoss",
    "GreedyHashLoss",
    "HashLoss",
    "HashNetLoss",
    "HyP2Loss",
    "IDHNLoss",
    "OrthoHashLoss",
    "Settings",
    "Task",
    "check_settings",
]
