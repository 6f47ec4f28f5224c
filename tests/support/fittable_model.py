"""A model without a network whose codes may be fitted to a collection: it keeps embeddings, as `HashModel` does."""

from __future__ import annotations

from typing import Any

import numpy as np

from fake_model import FakeModel
from transhash.model import Encoded
from transhash.model.calibration import Calibration
from transhash.model.fitted import Head, embedding


class FittableModel(FakeModel):
    """Codes of its own as `FakeModel`, or of hash layers on its embeddings."""

    head: Head | None = None
    made_by_fit = False
    own_calibration: Calibration | None = None  # of its own codes, not of those that are fitted
    embedding_values = 64

    @property
    def unfitted(self) -> FittableModel:
        other = FittableModel(self.name, self.folder)
        other.likeness, other.nearness, other.calibration = self.likeness, self.nearness, self.own_calibration
        other.own_calibration, other.made_by_fit = self.own_calibration, self.made_by_fit
        return other

    def fitted(self, head: Head) -> FittableModel:
        other = self.unfitted
        other.calibration = None
        other.fingerprint = head.fingerprint(other.fingerprint)
        other.head = head
        return other

    def read_embeddings(self, squares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        values, kept = super().read_embeddings(squares)
        return (self.head.values(kept).astype(np.float32) if self.head else values), kept

    def one(self, item: Any, source: Any, max_pixels: int | None) -> Encoded:
        from dataclasses import replace

        found = super().one(item, source, max_pixels)
        if found.values is None:
            return found
        kept = embedding(found.values[None])
        values = self.head.values(kept).astype(np.float32)[0] if self.head else found.values
        return replace(found, embedding=kept[0], values=values, code=np.packbits(values > 0))
