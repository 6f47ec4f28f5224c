"""Probabilities that hold in one collection: fitted to what its user says of the pictures, in a column or by folders.

How fine the kinds of a collection are no model can know: species of birds, or birds. The curve that comes with a model
is that of an average collection. Where some hundred pictures have a label, they tell.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from transhash.errors import LibraryError
from transhash.library.catalogue.calibrations import OwnCalibration
from transhash.library.catalogue.catalogue import Catalogue
from transhash.library.models import LibraryModel
from transhash.library.results import CalibrationReport
from transhash.model.encoder import is_hash_model
from transhash.model.likeness import SHOWN, Likeness, expected_error, nearest, of_embeddings

if TYPE_CHECKING:
    from transhash.library.searching import LocalSearch

FEWEST, MOST = 50, 2000  # pictures that are compared with one another


def calibrated(catalogue: Catalogue, searching: LocalSearch, by: str | None) -> CalibrationReport | None:
    """As `Library.calibrate`."""
    if by is None:
        with catalogue.writing():
            catalogue.calibrations.forget()
        return None
    if not searching.by_embeddings:
        reason = "its hits are ordered by distances, of which the model's probabilities are"
        raise LibraryError(searching.path, reason, "calibrate the model: transhash evaluate MODEL --calibrate")
    return calibrate(catalogue, searching.own, by)


def calibrate(catalogue: Catalogue, model: LibraryModel, by: str) -> CalibrationReport:
    """Fit probabilities to the pictures of a library; raises `LibraryError` (`Library.calibrate`)."""
    model.refresh()
    layers, fingerprint = model.layers, model.facts.fingerprint
    with catalogue.reading():
        ids, kinds = catalogue.calibrations.kinds(by)
        rows = np.random.Generator(np.random.PCG64(0)).permutation(len(ids))[:MOST]
        ids, kinds = ids[rows], kinds[rows]
        known = catalogue.embeddings.of(ids.tolist())
        kept = catalogue.embeddings.array(known[id_] for id_ in ids.tolist())
    same = kinds[:, None] == kinds
    _check(catalogue, by, same)
    mapped = layers.head.ordered(kept) if layers else kept
    curve = of_embeddings(mapped, same, f"{len(ids)} pictures of the library, by {by}")
    if curve.slope <= 0:
        reason = f"pictures with one {by} look no more alike than others"
        raise LibraryError(catalogue.path.parent, reason, "name a column that says what pictures show")
    with catalogue.writing():
        catalogue.calibrations.keep(OwnCalibration(by, fingerprint, curve))
    before = _general(model)
    return CalibrationReport(
        by=by,
        pictures=len(ids),
        values=len(np.unique(kinds)),
        error=_by_halves(mapped, same),
        error_before=None if before is None else _error(before, mapped, same),
    )


def again(catalogue: Catalogue, model: LibraryModel) -> None:
    """Fit probabilities to the same column after hash layers were fitted; where it does not serve any more, not."""
    if own := catalogue.calibrations.present():
        with suppress(LibraryError):
            calibrate(catalogue, model, own.by)


def _check(catalogue: Catalogue, by: str, same: NDArray[np.bool_]) -> None:
    count, folder = len(same), catalogue.path.parent
    if count < FEWEST:
        reason = f"{count} pictures have an embedding and a value of {by}"
        raise LibraryError(folder, reason, f"give {FEWEST} or more a value (`transhash annotate`)")
    if same.all() or same.sum() == count:
        reason = f"{by} is the same for all pictures" if same.all() else f"no two pictures have the same {by}"
        raise LibraryError(folder, reason, "name a column in which pictures of one kind are equal, and others are not")


def _general(model: LibraryModel) -> Likeness | None:
    """The curve of the model."""
    with suppress(LibraryError):  # a model that is gone
        found = model.open()
        if is_hash_model(found):
            return found.nearness if model.layers and model.layers.head.order else found.likeness
    return None


def _by_halves(kept: NDArray[np.int8], same: NDArray[np.bool_]) -> float:
    """The error of the curve of one half of the pictures on the other half, the mean of both ways."""
    one, other = slice(None, None, 2), slice(1, None, 2)
    errors = [
        _error(of_embeddings(kept[seen], same[seen, seen], ""), kept[judged], same[judged, judged])
        for seen, judged in ((one, other), (other, one))
    ]
    return sum(errors) / len(errors)


def _error(curve: Likeness, kept: NDArray[np.int8], same: NDArray[np.bool_]) -> float:
    """The expected calibration error of a curve for the nearest of each picture."""
    cosines, relevant = nearest(kept, same)
    return expected_error(curve.probability(cosines[:, :SHOWN]), relevant[:, :SHOWN])
