"""Probabilities that hold in one collection: fitted to what its user says of the pictures, in a column or by folders.

How fine the kinds of a collection are no model can know: species of birds, or birds. The curve that comes with a model
is that of an average collection. Where some hundred pictures have a label, they tell.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from transhash.errors import LibraryError
from transhash.library.catalogue.calibrations import OwnCalibration
from transhash.library.catalogue.catalogue import Catalogue
from transhash.library.catalogue.embeddings import HashLayers
from transhash.library.results import CalibrationReport
from transhash.model.encoder import is_hash_model
from transhash.model.likeness import SHOWN, Likeness, expected_error, nearest, of_embeddings

if TYPE_CHECKING:
    from transhash.library.models import LibraryModel
    from transhash.library.searching import LocalSearch

FEWEST, MOST = 50, 2000  # pictures that are compared with one another
TRIES = 3  # where another process fits hash layers meanwhile


class Sample(NamedTuple):
    """Some pictures that have a value in a column."""

    by: str
    kept: NDArray[np.int8]  # [N, V], what their cosines are taken of
    kinds: NDArray[np.int64]  # [N], numbers of their values
    same: NDArray[np.bool_]  # [N, N], whether these are the same

    def curve(self) -> Likeness:
        """The probability of having the same value, by the cosine."""
        return of_embeddings(self.kept, self.same, f"{len(self.kinds)} pictures of the library, by {self.by}")


def calibrated(catalogue: Catalogue, searching: LocalSearch, by: str | None) -> CalibrationReport | None:
    """As `Library.calibrate`."""
    if by is None:
        with catalogue.writing():
            catalogue.calibrations.forget()
        return None
    if not searching.by_embeddings:
        reason = "its hits are ordered by distances, of which the model's probabilities are"
        raise LibraryError(searching.path, reason, "calibrate the model: transhash evaluate MODEL --calibrate")
    model = searching.own
    for _ in range(TRIES):
        model.refresh()
        layers, fingerprint = model.layers, model.facts.fingerprint
        with catalogue.reading():
            sample = sample_of(catalogue, layers, by)
        curve = sample.curve()
        _check_curve(catalogue, by, curve)
        with catalogue.writing():
            if is_present := catalogue.facts().fingerprint == fingerprint:
                catalogue.calibrations.keep(OwnCalibration(by, fingerprint, curve))
        if is_present:
            return _report(sample, _general(model))
    raise again_and_again(catalogue)


def again_and_again(catalogue: Catalogue) -> LibraryError:
    """The error where other processes fit hash layers each time that something was calculated for the present ones."""
    return LibraryError(catalogue.path.parent, "its codes are fitted again and again by others", "try again")


def renewed(catalogue: Catalogue, layers: HashLayers) -> OwnCalibration | None:
    """Probabilities fitted to the same column where hash layers are fitted, inside a transaction.

    None where there were none, and where the column does not serve any more: they are the model's then.
    """
    if own := catalogue.calibrations.present():
        with suppress(LibraryError):
            curve = sample_of(catalogue, layers, own.by).curve()
            _check_curve(catalogue, own.by, curve)
            return OwnCalibration(own.by, layers.fingerprint, curve)
    return None


def sample_of(catalogue: Catalogue, layers: HashLayers | None, by: str) -> Sample:
    """Up to `MOST` pictures, inside a transaction; raises `LibraryError` for a column that does not tell them apart."""
    ids, kinds = catalogue.calibrations.kinds(by)
    rows = np.random.Generator(np.random.PCG64(0)).permutation(len(ids))[:MOST]
    ids, kinds = ids[rows], kinds[rows]
    known = catalogue.embeddings.of(ids.tolist())
    kept = catalogue.embeddings.array(known[id_] for id_ in ids.tolist())
    same = kinds[:, None] == kinds
    _check(catalogue, by, same)
    if layers and kept.shape[1] != len(layers.head.weights):
        raise catalogue.damaged()
    return Sample(by, layers.head.ordered(kept) if layers else kept, kinds, same)


def _check(catalogue: Catalogue, by: str, same: NDArray[np.bool_]) -> None:
    count, folder = len(same), catalogue.path.parent
    if count < FEWEST:
        reason = f"{count} pictures have an embedding and a value of {by}"
        raise LibraryError(folder, reason, f"give {FEWEST} or more a value (`transhash annotate`)")
    if same.all() or same.sum() == count:
        reason = f"{by} is the same for all pictures" if same.all() else f"no two pictures have the same {by}"
        raise LibraryError(folder, reason, "name a column in which pictures of one kind are equal, and others are not")


def _check_curve(catalogue: Catalogue, by: str, curve: Likeness) -> None:
    if curve.slope <= 0:
        reason = f"pictures with one {by} look no more alike than others"
        raise LibraryError(catalogue.path.parent, reason, "name a column that says what pictures show")


def _general(model: LibraryModel) -> Likeness | None:
    """The curve of the model."""
    with suppress(LibraryError):  # a model that is gone
        found = model.open()
        if is_hash_model(found):
            return found.nearness if model.layers and model.layers.head.order else found.likeness
    return None


def _report(sample: Sample, before: Likeness | None) -> CalibrationReport:
    """Each half of the pictures is judged by the curve of the other, and by that of before."""
    errors, errors_before = [], []
    halves = slice(None, None, 2), slice(1, None, 2)
    for seen, judged in (halves, halves[::-1]):
        curve = of_embeddings(sample.kept[seen], sample.same[seen, seen], "")
        cosines, relevant = nearest(sample.kept[judged], sample.same[judged, judged])
        cosines, relevant = cosines[:, :SHOWN], relevant[:, :SHOWN]
        errors.append(expected_error(curve.probability(cosines), relevant))
        if before:
            errors_before.append(expected_error(before.probability(cosines), relevant))
    return CalibrationReport(
        by=sample.by,
        pictures=len(sample.kinds),
        values=len(np.unique(sample.kinds)),
        error=sum(errors) / 2,
        error_before=sum(errors_before) / 2 if before else None,
    )
