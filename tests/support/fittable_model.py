"""A model without a network whose codes may be fitted to a collection: it keeps embeddings, as `HashModel` does."""

from __future__ import annotations

from typing import Any

import numpy as np

from fake_model import FakeModel
from transhash.model import Encoded
from transhash.model.fitted import Head, embedding


class FittableModel(FakeModel):
    """Codes of its own as `FakeModel`, or of hash layers on its embeddings."""

    head: Head | None = None

    @property
    def unfitted(self) -> FittableModel:
        other = FittableModel(self.name, self.folder)
        other.likeness = self.likeness
        return other

    def fitted(self, head: Head) -> FittableModel:
        other = self.unfitted
        other.fingerprint = head.fingerprint(other.fingerprint)
        other.head = head
        return other

    def one(self, item: Any, source: Any, max_pixels: int | None) -> Encoded:
        from dataclasses import replace

        found = super().one(item, source, max_pixels)
        if found.values is None:
            return found
        kept = embedding(found.values[None])
        values = self.head.values(kept).astype(np.float32)[0] if self.head else found.values
        return replace(found, embedding=kept[0], values=values, code=np.packbits(values > 0))
