"""Fitting the codes of a library to its own pictures: when that is due, and doing it."""

from __future__ import annotations

from transhash.errors import DataError, LibraryError
from transhash.library.catalogue.catalogue import Catalogue
from transhash.library.models import LibraryModel

LEAST = 300  # pictures, from which on codes are fitted to them


def fit(catalogue: Catalogue, model: LibraryModel) -> int:
    """Fit hash layers and write all codes: how many pictures there are. Raises `LibraryError` (`Library.fit`)."""
    base, folder = model.base, catalogue.path.parent
    if missing := catalogue.embeddings.missing():
        raise LibraryError(
            folder,
            f"{missing:,} pictures come from an older transhash and have no embedding to fit codes to",
            "index their folders in a new library",
        )
    try:
        with catalogue.writing():
            return catalogue.embeddings.fit(base, model.facts.bits).pictures
    except DataError as error:
        raise LibraryError(folder, error.reason, error.remedy) from error


def fit_if_due(catalogue: Catalogue, model: LibraryModel, *, general: bool) -> int:
    """Fit when `Library.index` says so: how many pictures there are, or 0 when nothing was done.

    With `general`, unless codes are fitted already, remember that they stay the model's own.
    """
    embeddings = catalogue.embeddings
    if general and not model.layers and not embeddings.are_general():
        with catalogue.writing():
            embeddings.keep_general(model.base)
    is_due = catalogue.pictures.counts()[0] >= max(LEAST, model.facts.bits + 1, 2 * model.fitted_to)
    return fit(catalogue, model) if is_due and not embeddings.are_general() and not embeddings.missing() else 0
