"""What a collection in Milvus is of: its description and its model, read again when another export took its place."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

from transhash.errors import LibraryError
from transhash.library.models import model_of, of_vectors
from transhash.model.embedder import Embedder
from transhash.model.encoder import is_hash_model
from transhash.remote.milvus_collection import Collection, Description

if TYPE_CHECKING:
    from transhash.model import Encoder

LOOK_SECONDS = 1.0  # between two looks at the label of a collection


class Made:
    """The description and the model of a collection, as they were at the last look. For any thread."""

    def __init__(self, collection: Collection, model: Encoder | None) -> None:
        """`model` is the one that its codes should come from, or that its hash layers read.

        Raises `LibraryError` where they do not, and where there is no collection.
        """
        self._collection = collection
        self._address = str(collection.address)
        self._named = model
        self._given: Encoder | None = getattr(model, "unfitted", model)
        self._model: Encoder | None = None
        self._looked = float("-inf")
        self._lock = threading.Lock()
        self._read(collection.label())

    def look(self) -> None:
        """Read both again if the collection was replaced, `LOOK_SECONDS` after the last look; raises `LibraryError`."""
        with self._lock:
            if time.monotonic() - self._looked < LOOK_SECONDS:
                return
            label = self._collection.label()
            if label != self._label:
                self._read(label)
            self._looked = time.monotonic()

    def _read(self, label: str) -> None:
        about, named, given = self._collection.read(label), self._named, self._given
        is_of_named = named is not None and about.fingerprint == named.fingerprint
        if named and given and not is_of_named and about.unfitted != given.fingerprint:
            raise LibraryError(
                self._address,
                f"its codes come from model {about.model} ({about.fingerprint[:12]}) and cannot be compared with "
                f"those of {named.name} ({named.fingerprint[:12]})",
                "use its own, or export a library of this model to another collection",
            )
        if is_of_named:
            self._model = named
        elif self._model and self._model.fingerprint != about.fingerprint:
            self._model = None
        self.about: Description = about
        self._label = label

    @property
    def model(self) -> Encoder:
        """The model that the codes come from; raises `LibraryError` when it does not ship with the package."""
        with self._lock:
            if self._model is None:
                self._model = self._made()
            return self._model

    def _made(self) -> Encoder:
        about, head, unfitted = self.about, self.about.head, self._given
        if unfitted is None and head:
            unfitted = of_vectors(about.model, len(head.weights), about.bits, about.unfitted)
        if unfitted is None:
            unfitted = model_of(self._address, about.model, about.unfitted, about.bits)
        if head is None:
            return unfitted
        if is_hash_model(unfitted) or isinstance(unfitted, Embedder):
            return unfitted.fitted(head)
        reason = f"its hash layers read embeddings, which {unfitted.name} does not give"
        raise LibraryError(self._address, reason, "open it with the model that they were fitted with")
