"""Fitting the codes of a library to its own pictures: when that is due, and doing it."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from transhash.errors import DataError, LibraryError
from transhash.library import calibrating
from transhash.library.catalogue import recoding
from transhash.library.catalogue.calibrations import OwnCalibration
from transhash.library.catalogue.catalogue import Catalogue
from transhash.library.catalogue.embeddings import HashLayers
from transhash.library.models import LibraryModel
from transhash.model.encoder import made_by_fit
from transhash.model.fitted import fit_head

if TYPE_CHECKING:
    from transhash.library.searching import LocalSearch

LEAST = 100  # pictures, from which on codes are fitted to them


def fit(catalogue: Catalogue, model: LibraryModel) -> int:
    """Fit hash layers and write all codes: how many pictures there are. Raises `LibraryError` (`Library.fit`)."""
    model.refresh()
    base, bits, orders = model.base, model.facts.bits, model.orders()
    for _ in range(calibrating.TRIES):
        _check_embedded(catalogue)
        try:
            with catalogue.reading():  # nobody waits for this, which may take minutes
                before = catalogue.facts().fingerprint
                prepared = Prepared.of(catalogue, recoding.fitted(catalogue, base, bits, orders=orders))
        except DataError as error:
            raise LibraryError(catalogue.path.parent, error.reason, error.remedy) from error
        with catalogue.writing(patient=True):
            if catalogue.facts().fingerprint == before:
                if not prepared.changes.hold(catalogue):
                    _check_embedded(catalogue)
                prepared.write(catalogue)
                return prepared.changes.layers.pictures
    raise calibrating.again_and_again(catalogue)


class Prepared(NamedTuple):
    """What becomes of a catalogue with hash layers, calculated before it is written."""

    changes: recoding.Changes
    calibration: OwnCalibration | None

    @classmethod
    def of(cls, catalogue: Catalogue, layers: HashLayers) -> Prepared:
        """To be called inside `Catalogue.reading`."""
        return cls(recoding.changes(catalogue, layers), calibrating.renewed(catalogue, layers))

    def write(self, catalogue: Catalogue) -> None:
        """To be called inside `Catalogue.writing`: what others have written since is calculated there."""
        layers = self.changes.layers
        holds = self.changes.hold(catalogue)
        calibration = self.calibration if holds else calibrating.renewed(catalogue, layers)
        self.changes.write(catalogue)
        catalogue.calibrations.keep(calibration)


def _check_embedded(catalogue: Catalogue) -> None:
    if missing := catalogue.embeddings.missing():
        raise LibraryError(
            catalogue.path.parent,
            f"{missing:,} pictures have no embedding to fit codes to",
            "run `transhash index` on their folders; vectors of your own are imported again",
        )


def begin(catalogue: Catalogue, searching: LocalSearch) -> None:
    """Learn what other processes have done, and how many pictures there are: before pictures are added."""
    searching.own.refresh()
    shrink(catalogue, len(searching.codes()))


def shrink(catalogue: Catalogue, left: int) -> None:
    """Remember how many pictures are left of those that codes were fitted to, so that growing again is a doubling."""
    if left < catalogue.embeddings.fitted_to():
        with catalogue.writing(patient=True):
            catalogue.embeddings.shrink(left)


def fit_if_due(catalogue: Catalogue, searching: LocalSearch, *, added: int = 0, general: bool = False) -> int:
    """Fit when `Library.index` says so: how many pictures there are, or 0 when nothing was done.

    What another process has fitted meanwhile counts. `added`: how many of the pictures came while others may have gone.
    With `general`, unless codes are fitted already, remember that they stay the model's own. The files that searches
    read are brought up to date.
    """
    embeddings, model = catalogue.embeddings, searching.own
    model.refresh()
    if general and not model.layers and not embeddings.are_general():
        with catalogue.writing(patient=True):
            embeddings.keep_general(model.base)
    count = len(searching.codes())
    shrink(catalogue, count - added)
    is_due = _is_due(count, model)
    fitted = fit(catalogue, model) if is_due and not embeddings.are_general() and not embeddings.missing() else 0
    searching.settle()
    return fitted


def fitted_first(catalogue: Catalogue, model: LibraryModel, sample: NDArray[np.int8], count: int) -> HashLayers | None:
    """Hash layers for an empty library that is about to take so many pictures, where `fit_if_due` would fit it then.

    They are the same ones, of the same `sample_of` them, embeddings int8 [n, V]; but each picture gets one code, not
    two. Raises `LibraryError` where nothing can be fitted.
    """
    if catalogue.embeddings.count() or model.layers or catalogue.embeddings.are_general() or not _is_due(count, model):
        return None
    try:
        head = fit_head(sample, model.facts.bits, orders=count if model.orders() else 0)
        return HashLayers(model.base, head, count)
    except DataError as error:
        raise LibraryError(catalogue.path.parent, error.reason, error.remedy) from error


def are_fitted(model: LibraryModel) -> bool:
    """Whether codes were fitted: to the library, or to the collection that `transhash fit` made its model for."""
    if model.layers:
        return True
    with suppress(LibraryError):  # a model that is gone
        return made_by_fit(model.open())
    return False


def _is_due(count: int, model: LibraryModel) -> bool:
    if not model.layers and made_by_fit(model.unfitted):  # for several libraries, or at another length: as it is
        return False
    return count >= max(LEAST, model.facts.bits + 1, 2 * model.fitted_to)
