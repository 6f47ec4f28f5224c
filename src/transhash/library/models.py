"""The model that a library's codes come from, with hash layers of the collection's own where these were fitted."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from transhash.errors import LibraryError, ModelError
from transhash.library.catalogue.catalogue import Catalogue
from transhash.library.catalogue.database import CATALOGUE, Facts
from transhash.library.opening import exists
from transhash.model.embedder import VECTORS, Embedder
from transhash.model.encoder import checked, is_hash_model

if TYPE_CHECKING:
    from transhash.library.catalogue.embeddings import HashLayers
    from transhash.model import Encoder, HashModel


class LibraryModel:
    """Which model it is, as the catalogue says, and the model itself, opened when a picture is first encoded."""

    def __init__(self, catalogue: Catalogue, address: str, model: Encoder | None) -> None:
        """`model`: one that is open already; raises `LibraryError` when the codes do not come from it."""
        self.facts = catalogue.facts()
        self._catalogue = catalogue
        self._address = address
        self._lock = threading.RLock()  # of what follows, which belongs together
        self._known: tuple[HashLayers | None] | None = None  # read when they are needed
        self._unfitted: Encoder | None = getattr(model, "unfitted", model)
        self._model = model if model and model.fingerprint == self.facts.fingerprint else None
        fingerprints = (model.fingerprint, self._unfitted.fingerprint) if model and self._unfitted else ()
        if model and not self._model and self.base not in fingerprints:
            raise LibraryError(
                address,
                f"its codes come from model {self.facts.model} ({self.facts.fingerprint[:12]}) and cannot be "
                f"compared with those of {model.name} ({model.fingerprint[:12]})",
                "use its own, or make a new library",
            )

    @property
    def layers(self) -> HashLayers | None:
        """The collection's own hash layers, if its codes come from any."""
        return (self._known or self._read(self.facts))[0]

    def _read(self, facts: Facts) -> tuple[HashLayers | None]:
        layers = self._catalogue.embeddings.layers(facts.bits)
        if layers and layers.fingerprint != facts.fingerprint:  # fitted since the facts were read
            facts, self._model = facts._replace(fingerprint=layers.fingerprint), None
        self.facts, self._known = facts, (layers,)
        return self._known

    @property
    def base(self) -> str:
        """Fingerprint of the model itself, whose hash layers may have given way to the collection's own."""
        return self.layers.base if self.layers else self.facts.fingerprint

    @property
    def fitted_to(self) -> int:
        """How many pictures the hash layers were fitted to, less those that are gone; 0 for the model's own codes."""
        return self._catalogue.embeddings.fitted_to()

    @property
    def unfitted(self) -> Encoder | None:
        """The model itself, if it is open."""
        return self._unfitted

    def open(self) -> Encoder:
        """The model that the codes come from; raises `LibraryError` when it cannot be found."""
        with self._lock:
            if self._unfitted is None:
                self._unfitted = self._found()
            if self._model is None:
                self._model = self._with_layers(self._unfitted)
            return self._model

    def _found(self) -> Encoder:
        """The model itself, with the library, with the package or in its folder."""
        facts, base = self.facts, self.base
        folder = Path(os.fsdecode(facts.model_folder)) if facts.model_folder else None
        found: Encoder | None = own_vectors(self._catalogue, facts, base)
        if found is None and facts.model == VECTORS and self._catalogue.embeddings.values() is None:
            raise LibraryError(self._address, "it holds no vectors yet", "import them (`transhash import`)")
        from transhash.model.hub import is_pretrained

        if found is None and folder and is_pretrained(folder):
            found = checkpoint(folder, facts, base)
        return model_of(self._address, facts.model, base, facts.bits, folder) if found is None else found

    def orders(self) -> bool:
        """Whether hash layers are fitted with a map that orders hits: where the model tells probabilities after it."""
        with suppress(LibraryError):  # a model that is gone
            found = self.open()
            return is_hash_model(found) and found.nearness is not None
        return False

    def check(self, *, general: bool) -> None:
        """Raises `LibraryError` where codes are to stay `general`, and are fitted already."""
        if general and self.layers:
            raise LibraryError(
                self._address,
                f"its codes are fitted to {self.fitted_to:,} pictures already, so they cannot stay general (--general)",
                "make another library: transhash index DIR --general --library OTHER",
            )

    def _with_layers(self, unfitted: Encoder) -> Encoder:
        if self.layers is None:
            return unfitted
        if not is_hash_model(unfitted) and not isinstance(unfitted, Embedder):
            reason = f"its hash layers read embeddings, which {unfitted.name} does not give"
            raise LibraryError(self._address, reason, "open it with the model that they were fitted with")
        return unfitted.fitted(self.layers.head)

    def refresh(self) -> bool:
        """Whether hash layers were fitted since, here or by another process: the codes are other ones then."""
        facts = self._catalogue.facts()
        if facts.fingerprint == self.facts.fingerprint:
            return False
        with self._lock:
            self._read(facts)
            self._model = None
        return True


def own_vectors(catalogue: Catalogue, facts: Facts, base: str) -> Embedder | None:
    """The model of a library of vectors, which needs nothing but their number of values; None for another library."""
    values = catalogue.embeddings.values()
    return None if values is None else of_vectors(facts.model, values, facts.bits, base)


def of_vectors(name: str, values: int, bits: int, base: str) -> Embedder | None:
    """The model of vectors of so many values, if its fingerprint is `base`."""
    with suppress(ModelError):
        made = Embedder.named(name, values, bits)
        return made if made.fingerprint == base else None
    return None


def checkpoint(folder: Path, facts: Facts, base: str) -> Encoder | None:
    """The encoder of a checkpoint's folder, if it still is the one that a library was made with."""
    with suppress(ModelError):
        from transhash.model.hub import open_pretrained

        found = checked(open_pretrained(folder), facts.bits)
        return found if found.fingerprint == base else None
    return None


def reopened(path: Path, base: str) -> Catalogue:
    """The catalogue in a folder, if it still is of the model `base`; raises `LibraryError`."""
    if not exists(path):
        raise LibraryError(path, "the library is not there", "check that its drive is connected")
    catalogue = Catalogue(path / CATALOGUE)
    if LibraryModel(catalogue, str(path), None).base != base:
        catalogue.close()
        raise LibraryError(path, "another library is in its place, with codes of another model", "open that")
    return catalogue


def model_of(address: str, name: str, fingerprint: str, bits: int, folder: Path | None = None) -> HashModel:
    """The model of a fingerprint: one that ships with the package under its name, or the one in a folder.

    A library may come from anyone: nothing else is looked at. Raises `LibraryError`, which names the library's address.
    """
    from transhash.model import PRETRAINED, load, pretrained

    shipped = [PRETRAINED / each for each in pretrained() if each == name]
    for place in (*shipped, *([folder] if folder else [])):
        with suppress(ModelError):
            model = load(place.absolute(), bits)
            if model.fingerprint == fingerprint:
                return model
    looked = f"is neither with the package nor in {folder}" if folder else "does not ship with the package"
    remedy = "name the model's folder (--model), or give `Library.open` the encoder"
    if shipped:
        looked = "is that of another version of transhash"
        remedy = f"index the pictures into a new library, or {remedy}"
    raise LibraryError(address, f"its model {name} ({fingerprint[:12]}) {looked}", remedy)
