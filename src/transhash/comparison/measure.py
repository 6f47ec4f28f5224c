"""A model measured under a retrieval protocol.

measured = measure(transhash.load(), "cifar10", "data/cifar10")
measured.scores.map
"""

from __future__ import annotations

import os
from dataclasses import dataclass

import numpy as np

from transhash.data.datasets import load_dataset
from transhash.data.protocols import PROTOCOLS, split
from transhash.data.trained import own_seed, seen_queries
from transhash.evaluation import Scores, evaluate
from transhash.model import HashModel
from transhash.plain import JsonObject
from transhash.progress import Progress, silent


@dataclass(frozen=True)
class Measured:
    """The scores of a model, and what they are of."""

    model: str
    fingerprint: str
    dataset: str
    protocol: str
    split_seed: int
    split_sha256: str
    scores: Scores
    notes: tuple[str, ...] = ()  # what a user should know of the data set

    def to_dict(self) -> JsonObject:
        """All of it in JSON's own types, the scores among the rest."""
        facts = {name: value for name, value in vars(self).items() if name != "scores"}
        return {**facts, **self.scores.to_dict()}


def measure(
    model: HashModel,
    dataset: str,
    data: str | os.PathLike[str],
    protocol: str | None = None,
    *,
    split_seed: int | None = None,
    progress: Progress = silent,
) -> Measured:
    """Encode the queries and the database of a protocol (by default the data set's own) and score the codes.

    `split_seed`: by default the one that the model was trained under, on its own data set, else 0.
    Raises `DataError` for a data set or protocol
    that is not there, `ImageError` for the first picture that cannot be used.
    """
    protocol = protocol or dataset
    images = load_dataset(dataset, data)
    about = model.config.get("about", {})
    split_seed = own_seed(about, images) if split_seed is None else split_seed
    parts = split(protocol, images, seed=split_seed)
    rows = np.union1d(parts.query, parts.database)
    codes = np.zeros((len(images.images), model.bits // 8), np.uint8)
    places = {int(row): place for place, row in enumerate(parts.query)}
    values = np.zeros((len(parts.query), model.bits), np.float32)
    done = 0
    for batch in model.stream(rows.tolist(), source=images.images.sources.__getitem__):
        for encoded in batch:
            if encoded.error:
                raise encoded.error
            codes[encoded.item] = np.asarray(encoded.code)
            if encoded.item in places:
                values[places[encoded.item]] = np.asarray(encoded.values)
        done += len(batch)
        progress("encoding", done, len(rows), "")
    query, database = parts.query, parts.database
    scores = evaluate(
        codes[query],
        images.labels[query],
        codes[database],
        images.labels[database],
        PROTOCOLS[protocol].topk,
        query_values=values,
    )
    notes = images.notes + parts.notes + seen_queries(about, images, parts)
    return Measured(model.name, model.fingerprint, dataset, protocol, split_seed, parts.checksum, scores, notes)
