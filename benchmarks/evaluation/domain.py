"""A data set that nothing was trained on, and what a model's codes are worth there, beside features and other hashes.

domain = Domain(transhash.load(), "cifar10", "data/cifar10", "cifar10-2", backbone="vits14-tinyimagenet.safetensors")
domain.beside()     # codes of every length, the features by cosine, ITQ and LSH
domain.stressed(changes), domain.copies(changes)  # queries changed: do they find their kind, their original?
domain.reliability(64)  # what the model's probabilities are worth
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.evaluation import unseen
from benchmarks.evaluation.changes import Change, Changed, parse
from benchmarks.evaluation.encoded import Encoder, Encodings, Floats, name_of
from benchmarks.evaluation.finding import STEPS, Distances, Found, code_distances, feature_distances, judged
from benchmarks.evaluation.perceptual import perceptual_hashes
from benchmarks.evaluation.reliability import Reliability, pairs_by_distance, reliability
from benchmarks.evaluation.unseen import Parts, Row
from transhash.data.datasets import load_dataset
from transhash.data.protocols import PROTOCOLS, Split, split
from transhash.errors import DataError
from transhash.evaluation.cosine import cosine_map
from transhash.images import Source
from transhash.model import HashModel
from transhash.model.calibration import fit
from transhash.progress import Progress, silent

QUERIES = 1000  # of each change, drawn by a seed
OTHERS = 1.0  # pictures besides the original that a search for copies may bring, on the mean
COSINE = "cosine"

Rows = NDArray[np.int64]


class Domain:
    """A data set under a protocol, encoded by a model and, if there is one, by the backbone that it came from."""

    def __init__(
        self,
        model: HashModel,
        dataset: str,
        data: str | os.PathLike[str],
        protocol: str | None = None,
        *,
        split_seed: int = 0,
        change: Change | None = None,
        most: int | None = None,
        backbone: str | Path | None = None,
        cache: Path | None = None,
        progress: Progress = silent,
    ) -> None:
        """`change`: of all pictures. `most`: search so many pictures, drawn, with at most a tenth as many queries.

        `cache`: folder in which encodings are kept. Raises `DataError` for what is not there.
        """
        self.model = model
        self.protocol = protocol or dataset
        self._images = load_dataset(dataset, data)
        self.split = split(self.protocol, self._images, seed=split_seed)
        if most:
            self.split = Split(
                _drawn(self.split.query, most // 10), self.split.train, _drawn(self.split.database, most)
            )
        self.rows = np.union1d(self.split.query, self.split.database)
        self._change = change
        self._dataset, self._data = dataset, data
        self._progress = progress
        self._encoders = {"model": Encoder.of_model(model, cache)}
        if backbone:
            self._encoders["backbone"] = Encoder.of_backbone(backbone, model.image_size, cache)
        self._known: dict[str, Encodings] = {}

    def _encode(self, which: str, rows: Rows, change: Change | None) -> Encodings:
        """Encodings of some rows of the set, changed if that is asked for."""
        sources: Sequence[Source] = (
            [self._images.images.sources[row] for row in rows]
            if not change
            else Changed(self._images.images.sources, change, rows.tolist())
        )
        name = name_of(self._dataset, self._data, rows, change.name if change else "")
        what = f"{which}, {change.name}" if change else which
        return self._encoders[which].encode(sources, name, self._progress, what)

    def _also(self, change: Change) -> Change:
        """A change on top of that of all pictures."""
        return parse(f"{self._change.name}+{change.name}") if self._change else change

    def encodings(self, which: str = "model") -> Encodings:
        """Of all rows, in order; `which`: "model" or "backbone"."""
        if which not in self._known:
            self._known[which] = self._encode(which, self.rows, self._change)
        return self._known[which]

    def _parts(self, query: Rows | None = None) -> Parts:
        chosen = Split(self.split.query if query is None else query, self.split.train, self.split.database)
        return Parts.of(chosen, self.rows, self._images.labels, PROTOCOLS[self.protocol].topk)

    def beside(self, elsewhere: Mapping[str, Floats] | None = None) -> list[Row]:
        """The table of `unseen.beside`, with ITQ and LSH also fitted to features `elsewhere`."""
        backbone = self.encodings("backbone") if "backbone" in self._encoders else None
        return unseen.beside(self.encodings(), self._parts(), backbone, elsewhere)

    def stressed(self, changes: Sequence[Change]) -> dict[str, dict[str, float]]:
        """mAP of changed queries in the unchanged database: by change ("" for none), then by bits or "cosine".

        The cosine is that of the model's own features.
        """
        query = _drawn(self.split.query, QUERIES)
        parts = self._parts(query)
        found = {}
        for change in (None, *changes):
            asked = self._encode("model", query, self._also(change)) if change else self.encodings().take(parts.query)
            scores = {
                str(bits): unseen.score(codes, self.encodings().codes[bits][parts.database], parts)
                for bits, codes in asked.codes.items()
            }
            database = self.encodings().features[parts.database]
            scores[COSINE] = cosine_map(asked.features, parts.query_labels, database, parts.db_labels, parts.topk)
            found[change.name if change else ""] = scores
        return found

    def copies(self, changes: Sequence[Change], *, others: float = OTHERS, hashes: Sequence[str] = ()) -> list[Found]:
        """How often changed pictures of the database find their originals: codes, own features, perceptual hashes.

        Each kind has the radius at which a query brings at most so many `others` over all changes, on the mean.
        """
        originals = _drawn(self.split.database, QUERIES)
        parts = self._parts()
        places = np.searchsorted(self.split.database, originals)
        by_method: dict[str, dict[str, Distances]] = {}
        known = self.encodings().take(parts.database)
        hashed = self._hashes(self.split.database, None, hashes)
        for change in changes:
            asked = self._encode("model", originals, self._also(change))
            for bits, codes in asked.codes.items():
                by_method.setdefault(f"{bits} bits", {})[change.name] = code_distances(codes, known.codes[bits], places)
            by_method.setdefault(COSINE, {})[change.name] = feature_distances(asked.features, known.features, places)
            for name, codes in self._hashes(originals, self._also(change), hashes).items():
                by_method.setdefault(name, {})[change.name] = code_distances(codes, hashed[name], places)
        found = []
        for name, by_change in by_method.items():
            found += judged(name, by_change, others, 2 / STEPS if name == COSINE else 1)
        return found

    def _hashes(self, rows: Rows, change: Change | None, names: Sequence[str]) -> dict[str, NDArray[np.uint8]]:
        if not names:
            return {}
        pictures = Changed(self._images.images.sources, change or self._change or parse("resize:1"), rows.tolist())
        return perceptual_hashes(pictures, names, self._progress)

    def reliability(self, bits: int) -> dict[str, Reliability]:
        """What the model's own calibration states of pairs here, and one fitted to other pairs here.

        Both are judged on the pairs of every second query with every second picture of the database; the other
        halves are what the second is fitted to. Raises `DataError` for a model that is not calibrated.
        """
        if (calibration := self.model.at(bits).calibration) is None:
            raise DataError(self.model.name, f"not calibrated at {bits} bits", "run `transhash evaluate --calibrate`")
        codes = self.encodings().codes[bits]
        parts = self._parts()
        halves = [
            pairs_by_distance(
                codes[parts.query[half::2]],
                parts.query_labels[half::2],
                codes[parts.database[half::2]],
                parts.db_labels[half::2],
            )
            for half in (0, 1)
        ]
        here = fit(*halves[0], self._dataset)
        return {
            f"as it ships (fitted to {calibration.data})": reliability(calibration, *halves[1]),
            f"fitted to other pictures of {self._dataset}": reliability(here, *halves[1]),
        }


def _drawn(rows: Rows, count: int) -> Rows:
    """So many of some rows, drawn by a seed, sorted; all when there are no more."""
    return np.sort(np.random.Generator(np.random.PCG64(0)).permutation(rows)[:count])
