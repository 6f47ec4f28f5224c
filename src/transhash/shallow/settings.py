"""The settings of a `Binarizer`, checked, and as the plain values that its file has."""

from __future__ import annotations

import numpy as np

from transhash.codes import MOST_BITS, whole
from transhash.errors import VectorsError
from transhash.plain import JsonObject
from transhash.shallow.of_vectors import METHODS


def plain(settings: JsonObject) -> JsonObject:
    """The same settings with numbers of Python, without the seed; raises `VectorsError` for those that cannot be."""
    bits, method, normalize = whole(settings["bits"]), settings["method"], settings["normalize"]
    sample, hidden = whole(settings["sample"]), whole(settings["hidden"])
    if bits is None or not 0 < bits <= MOST_BITS or bits % 8:
        raise VectorsError("", f"codes of {settings['bits']!r:.40} bits", f"use a multiple of 8 up to {MOST_BITS}")
    if not isinstance(method, str) or method not in METHODS:
        raise VectorsError("", f"no method {method!r:.40}", f"use one of {', '.join(METHODS)}")
    if not isinstance(normalize, bool | np.bool_) and whole(normalize) not in (0, 1):
        raise VectorsError("", f"normalize is {normalize!r:.40}", "use True or False")
    if sample is None or sample < 1:
        raise VectorsError("", f"a sample of {settings['sample']!r:.40} vectors", "use 1 or more")
    if hidden is None or hidden < 0 or (hidden and method != "learned"):
        raise VectorsError(
            "", f"{settings['hidden']!r:.40} hidden units for {method}", "use 0, or 1 or more for learned"
        )
    if not isinstance(settings["random_state"], np.random.RandomState):  # which would draw from it
        generator(settings["random_state"])
    known = {"bits": bits, "method": str(method), "normalize": bool(normalize), "sample": sample, "hidden": hidden}
    made = {name: known.get(name, value) for name, value in settings.items() if name != "random_state"}
    if not hidden:
        del made["hidden"]  # as files of older versions have it
    return made


def generator(seed: object) -> np.random.Generator:
    """Random numbers of a seed: what NumPy takes, or its `RandomState`; raises `VectorsError` for anything else."""
    if isinstance(seed, np.random.RandomState):
        seed = int(seed.randint(2**31))
    try:
        return np.random.default_rng(seed)  # type: ignore[arg-type]  # that is the question
    except (TypeError, ValueError):
        raise VectorsError("", f"random_state is {seed!r:.40}", "use a whole number, 0 or more, or None") from None
